/* SPDX-License-Identifier: Apache-2.0 */
/* A worker from its start to its end, as the main thread sees it: a real thread with real sockets
 * on loopback, its letters answered by a loop that runs until what is waited for has come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <sys/socket.h>

#include "pop/server/dataset.h"
#include "pop/server/worker_thread.h"
#include "pop/tls/ticket_keys.h"
#include "steering/base/mem.h"
#include "tests/unit/pop/tls/pki.h"

/* Nobody listens on port 1: the floor of a PoP never stands. */
#define TOPOLOGY                                                                                   \
    "regions:\n"                                                                                   \
    "  east: { at: [1, 2], addresses: [192.0.2.1], gateways: ['127.0.0.1:1'] }\n"                  \
    "pops:\n  gru1: { at: [5, 6], addresses: [192.0.2.9] }\n"                                      \
    "maps:\n  api: { sites: all, rules: [{ to: nearest }] }\n"
#define POP                                                                                        \
    "topology: topology.yaml\nrole: pop\nsite: gru1\nworkers: 2\n"                                 \
    "backbone: { certificate: bone.crt, key: bone.key, ca: ca.pem }\n"                             \
    "listen: [{ at: '127.0.0.1:80', kind: http }]\nroutes: [{ map: api }]\n"
/* The only region has nobody to be warm to. */
#define GATEWAY                                                                                    \
    "topology: topology.yaml\nrole: gateway\nsite: east\nworkers: 2\n"                             \
    "backbone: { certificate: bone.crt, key: bone.key, ca: ca.pem }\n"                             \
    "listen: [{ at: '127.0.0.1:80', kind: http },\n"                                               \
    "         { at: '127.0.0.1:81', kind: backbone }]\nroutes: [{ map: api, origin: web }]\n"      \
    "origins: { web: { servers: ['127.0.0.1:1'] } }\n"

enum { WORKERS = 2, DEADLINE_MS = 60000, LONG_MS = 3600000 };

static struct pki *pki;
static char *geo_line;
static uv_loop_t loop;
static uv_timer_t watchdog;

static struct fleet {
    struct dataset *dataset;
    struct publisher *snapshots;
    struct tally *tallies;
    struct traffic *traffics[WORKERS];
    struct worker_thread *threads[WORKERS];
    in_port_t ports[WORKERS]; /* network order */
    unsigned listening, warm, drained, taken;
    json_t *status;
    bool has_status;
} fleet;

/* ---- files ----------------------------------------------------------------------------------- */

static struct dataset *load(const char *node, uint64_t version)
{
    struct diag diag;
    struct buf text;
    struct ticket_keys keys;
    struct dataset *dataset = NULL;
    const struct dataset_wish wish = { .node_path = "node.yaml",
                                       .version = version,
                                       .keys = &keys };
    ticket_keys_random(&keys);
    diag_init(&diag);
    buf_init(&text, 1 << 16);
    buf_append_format(&text, "%s%s", node, geo_line);
    pki_write_text("node.yaml", buf_text(&text));
    buf_fini(&text);
    if (dataset_load(&wish, &diag, &dataset) != ERR_OK)
        fail_msg("%s", diag_first(&diag));
    diag_fini(&diag);
    return dataset;
}

static struct snapshot *snapshot_of(struct world *world)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    enum err err = document_parse(STR("{\"v\":1,\"epoch\":\"E\",\"gen\":1}"), &diag, &document);
    assert_int_equal(err, ERR_OK);
    diag_fini(&diag);
    return snapshot_new(world, document, NULL);
}

static void free_snapshot(void *snapshot)
{
    snapshot_unref(snapshot);
}

/* ---- the main thread's side ------------------------------------------------------------------ */

static void on_listening(void *owner, unsigned index, bool is_warm)
{
    assert_ptr_equal(owner, &fleet);
    assert_true(index < WORKERS);
    fleet.listening++;
    fleet.warm += is_warm;
}

static void on_drained(void *owner, unsigned index)
{
    assert_ptr_equal(owner, &fleet);
    assert_true(index < WORKERS);
    fleet.drained++;
}

static void on_taken(void *owner)
{
    assert_ptr_equal(owner, &fleet);
    fleet.taken++;
}

static void on_status(void *owner, json_t *value)
{
    assert_ptr_equal(owner, &fleet);
    fleet.status = value;
    fleet.has_status = true;
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited in vain: %u listening, %u drained, %u taken", fleet.listening, fleet.drained,
             fleet.taken);
}

static void wait_until(const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(*count, wanted);
}

static int bound_socket(in_port_t *out_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *out_port = at.sin_port;
    return fd;
}

static void fleet_load(const char *node)
{
    fleet = (struct fleet){ .dataset = load(node, 1), .tallies = tally_new(WORKERS) };
    fleet.snapshots = publisher_new(WORKERS, snapshot_of(fleet.dataset->world), free_snapshot);
    for (size_t i = 0; i < WORKERS; i++)
        fleet.traffics[i] = traffic_new();
}

static void fleet_start(unsigned index, uint64_t warm_ms)
{
    struct diag diag;
    const struct topology *topology = fleet.dataset->world->topology;
    const struct pop_node *node = fleet.dataset->node;
    in_port_t unused;
    const int fds[] = { bound_socket(&fleet.ports[index]),
                        node->listen_count > 1 ? bound_socket(&unused) : -1 };
    const struct worker_settings settings = {
        .index = index,
        .count = WORKERS,
        .role = node->role,
        .site = topology_find_site(topology, str_from(node->site)),
        .snapshots = fleet.snapshots,
        .tally = &fleet.tallies[index],
        .traffic = fleet.traffics[index],
        .settings = dataset_take(fleet.dataset, index),
        .fds = fds,
        .warm_ms = warm_ms,
        .main_loop = &loop,
        .on_listening = on_listening,
        .on_drained = on_drained,
        .owner = &fleet,
    };
    diag_init(&diag);
    assert_int_equal(worker_thread_start(&settings, &diag, &fleet.threads[index]), ERR_OK);
    diag_fini(&diag);
}

static void join(unsigned index)
{
    worker_thread_join(fleet.threads[index]);
    fleet.threads[index] = NULL;
}

static void fleet_free(void)
{
    for (size_t i = 0; i < WORKERS; i++) {
        assert_null(fleet.threads[i]);
        traffic_free(fleet.traffics[i]);
    }
    uv_run(&loop, UV_RUN_NOWAIT); /* the memory of those that were joined */
    assert_int_equal(publisher_reap(fleet.snapshots), 0);
    publisher_free(fleet.snapshots);
    dataset_free(fleet.dataset);
    free(fleet.tallies);
}

/* Workers that have reached their end leave no descriptor behind. */
static size_t count_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static int connect_to(unsigned index)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = fleet.ports[index] };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_start_listen_drain_join(void **state)
{
    (void)state;
    char answer[64];
    fleet_load(GATEWAY);
    size_t files = count_files();
    fleet_start(0, LONG_MS);
    fleet_start(1, LONG_MS);
    wait_until(&fleet.listening, WORKERS);
    assert_int_equal(fleet.warm, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
        int fd = connect_to(i);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
        assert_true(read(fd, answer, sizeof(answer)) > 12);
        assert_memory_equal(answer, "HTTP/1.1 400", 12);
        close(fd);
        assert_int_equal(counter_read(&fleet.tallies[i].counts[TALLY_BAD_REQUESTS]), 1);
    }
    worker_thread_drain(fleet.threads[1], LONG_MS);
    wait_until(&fleet.drained, 1);
    join(1);
    assert_int_equal(connect_to(1), -1); /* its socket is closed, the other's is not */
    int fd = connect_to(0);
    assert_true(fd >= 0);
    worker_thread_drain(fleet.threads[0], LONG_MS);
    worker_thread_drain(fleet.threads[0], 1); /* it does not speak: the later limit counts */
    wait_until(&fleet.drained, 2);
    join(0);
    close(fd);
    fleet_free();
    /* What belongs to the loop's mailboxes is closed, too. */
    assert_int_equal(count_files(), files);
}

static void test_listens_without_the_floor_after_a_while(void **state)
{
    (void)state;
    fleet_load(POP);
    fleet_start(0, 1);
    wait_until(&fleet.listening, 1);
    assert_int_equal(fleet.warm, 0);
    worker_thread_drain(fleet.threads[0], 1);
    wait_until(&fleet.drained, 1);
    join(0);
    fleet_free();
}

static void test_drain_before_it_listens(void **state)
{
    (void)state;
    fleet_load(POP);
    fleet_start(0, LONG_MS);
    assert_int_equal(connect_to(0), -1);
    worker_thread_drain(fleet.threads[0], LONG_MS);
    wait_until(&fleet.drained, 1);
    assert_int_equal(fleet.listening, 0);
    join(0);
    fleet_free();
}

/* A letter each; what the answers say is what was sent before. */
static void test_settings_and_status(void **state)
{
    (void)state;
    fleet_load(GATEWAY);
    fleet_start(0, LONG_MS);
    wait_until(&fleet.listening, 1);
    struct dataset *next = load(GATEWAY, 2);
    publisher_publish(fleet.snapshots, snapshot_of(next->world));
    worker_thread_wake(fleet.threads[0]);
    worker_thread_set(fleet.threads[0], dataset_take(next, 0), on_taken, &fleet);
    worker_thread_status(fleet.threads[0], on_status, &fleet);
    wait_until(&fleet.taken, 1);
    while (!fleet.has_status)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(json_get_int(fleet.status, "worker", -1), 0);
    assert_int_equal(json_get_int(fleet.status, "settings", -1), 2);
    assert_true(json_is_true(json_object_get(fleet.status, "listening")));
    assert_true(json_is_false(json_object_get(fleet.status, "draining")));
    json_decref(fleet.status);
    assert_int_equal(publisher_reap(fleet.snapshots), 0); /* it has left the former */
    worker_thread_drain(fleet.threads[0], 1);
    wait_until(&fleet.drained, 1);
    join(0);
    dataset_free(next);
    fleet_free();
}

/* Letters that come too late are answered all the same, by the join. */
static void test_letters_after_the_end(void **state)
{
    (void)state;
    fleet_load(GATEWAY);
    fleet_start(0, LONG_MS);
    wait_until(&fleet.listening, 1);
    struct dataset *next = load(GATEWAY, 2);
    worker_thread_drain(fleet.threads[0], 1);
    wait_until(&fleet.drained, 1);
    worker_thread_status(fleet.threads[0], on_status, &fleet);
    worker_thread_set(fleet.threads[0], dataset_take(next, 0), on_taken, &fleet);
    worker_thread_wake(fleet.threads[0]);
    join(0);
    assert_true(fleet.has_status && json_is_null(fleet.status));
    assert_int_equal(fleet.taken, 1);
    dataset_free(next);
    fleet_free();
}

static int start(void **state)
{
    (void)state;
    struct buf line;
    pki = pki_new();
    pki_issue(pki, &(struct pki_wish){ .file = "bone", .names = "DNS:gru1.pop.steer" });
    pki_write_text("topology.yaml", TOPOLOGY);
    buf_init(&line, 1 << 16);
    buf_append_format(&line, "geo: { city: '%s/tests/data/small-city.mmdb' }\n", pki->before);
    geo_line = mem_strdup(buf_text(&line));
    buf_fini(&line);
    uv_loop_init(&loop);
    uv_timer_init(&loop, &watchdog);
    uv_timer_start(&watchdog, on_watchdog, DEADLINE_MS, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&watchdog, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&loop);
    free(geo_line);
    pki_free(pki);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_listen_drain_join),
        cmocka_unit_test(test_listens_without_the_floor_after_a_while),
        cmocka_unit_test(test_drain_before_it_listens),
        cmocka_unit_test(test_settings_and_status),
        cmocka_unit_test(test_letters_after_the_end),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
