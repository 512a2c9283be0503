/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon without workers, from its files to its exit code. Binding gives up rights for good, so
 * every case runs in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/runtime/node_status.h"

enum { PATH_CAPACITY = 96, SAID_MAX = 256 };

/* In the child, where an assertion of cmocka would go on with the parent's other tests. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

struct rig {
    struct daemon daemon;
    char folder[64], store[PATH_CAPACITY], state[PATH_CAPACITY], socket[PATH_CAPACITY];
    char presence[PATH_CAPACITY + 32];
    struct world *world;
    char said[SAID_MAX]; /* what was called, in order */
    bool fails_to_prepare, fails_to_load;
    int client; /* of the admin server; its request lacks the end */
};

static void say(struct rig *rig, const char *word)
{
    size_t len = strlen(rig->said);
    snprintf(rig->said + len, sizeof(rig->said) - len, "%s ", word);
}

static bool has_said(const struct rig *rig, const char *words)
{
    if (strcmp(rig->said, words) == 0)
        return true;
    fprintf(stderr, "wanted: %s\nsaid:   %s\n", words, rig->said);
    return false;
}

static struct world *make_world(void)
{
    struct topology *topology = topology_new();
    topology->sites = mem_calloc(1, sizeof(*topology->sites));
    topology->site_count = topology->region_count = 1;
    topology->sites[0].name = mem_strdup("us-east");
    return world_new(topology, NULL);
}

/* ---- the daemon ---------------------------------------------------------------------------- */

/* As /status.json does, which tells of steering whenever it is asked. */
static void on_look(void *owner, struct admin_request *request)
{
    struct rig *rig = owner;
    say(rig, rig->daemon.steering != NULL && rig->daemon.admin != NULL ? "look" : "blind");
    admin_reply(request, 200, "text/plain", STR("fine"));
}

static const struct admin_route routes[] = { { "GET", "/look", "looks at everything", on_look } };

static enum err on_prepare(void *owner, struct diag *diag)
{
    struct rig *rig = owner;
    say(rig, "prepare");
    if (rig->fails_to_prepare)
        return diag_error(diag, 0, 0, "not today");
    const struct sockets_wish wish = { .addr = addr_from_v4_u32(0x7f000001) };
    const struct daemon_settings settings = { .id = "n-1",
                                              .role = "dns",
                                              .store_directory = rig->store,
                                              .state_directory = rig->state,
                                              .admin = { .socket_path = rig->socket,
                                                         .routes = routes,
                                                         .route_count = ARRAY_SIZE(routes),
                                                         .owner = rig },
                                              .worker_count = 1 };
    return daemon_bind(&rig->daemon, &settings, &wish, 1, diag);
}

static void free_snapshot(void *snapshot)
{
    snapshot_unref(snapshot);
}

static void on_change(void *owner)
{
    (void)owner;
}

static void on_presence(void *owner, json_t *presence)
{
    const struct rig *rig = owner;
    node_status_add_sockets(presence, &rig->daemon);
    NEED(json_get_int(presence, "workers", 0) == 1);
    NEED(json_array_size(json_object_get(presence, "listen")) == 1);
    NEED(json_object_get(presence, "admin_listen") == NULL);
}

/* Its head is with the admin server; what is missing is the empty line. */
static int begin_request(struct rig *rig)
{
    static const char text[] = "GET /look HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    memcpy(addr.sun_path, rig->socket, strlen(rig->socket));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
    NEED(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    return fd;
}

static enum err on_run(void *owner, struct diag *diag)
{
    struct rig *rig = owner;
    say(rig, "run");
    NEED(daemon_open_steering(&rig->daemon, rig->world, diag) == ERR_OK);
    daemon_open(&rig->daemon, 1, steering_snapshot(rig->daemon.steering), free_snapshot);
    NEED(daemon_start(&rig->daemon, diag) == ERR_OK);
    NEED(access(rig->socket, F_OK) == 0 && access(rig->presence, F_OK) == 0);
    NEED(rig->daemon.sockets.address_count == 1 && rig->daemon.sockets.addresses[0].port != 0);
    rig->client = begin_request(rig);
    kill(getpid(), SIGHUP);
    uv_run(&rig->daemon.loop, UV_RUN_DEFAULT);
    return ERR_OK;
}

static void on_stop(void *owner)
{
    struct rig *rig = owner;
    say(rig, "stop");
    NEED(send(rig->client, "\r\n", 2, MSG_NOSIGNAL) == 2);
    daemon_close(&rig->daemon);
}

static void on_settled(void *owner)
{
    struct rig *rig = owner;
    say(rig, "settled");
    reload_settled(&rig->daemon.reload);
    kill(getpid(), SIGTERM);
}

static void on_clean_up(void *owner)
{
    struct rig *rig = owner;
    say(rig, "clean_up");
    daemon_fini(&rig->daemon);
    world_unref(rig->world);
}

static enum err on_load(void *owner, struct diag *diag, void **out_loaded)
{
    struct rig *rig = owner;
    *out_loaded = rig;
    return rig->fails_to_load ? diag_error(diag, 0, 0, "no files") : ERR_OK;
}

static void on_describe(void *owner, const void *loaded, struct diag *diag, json_t *outcome)
{
    (void)owner;
    (void)loaded;
    (void)diag;
    (void)outcome;
}

static void on_adopt(void *owner, void *loaded)
{
    struct rig *rig = loaded;
    NEED(owner == rig);
    say(owner, "adopt");
    publisher_publish(rig->daemon.publisher, steering_snapshot(rig->daemon.steering));
    grace_begin(&rig->daemon.grace);
}

static void on_fail(void *owner, const char *problem)
{
    struct rig *rig = owner;
    say(rig, problem);
    kill(getpid(), SIGTERM);
}

static void on_discard(void *owner, void *loaded)
{
    (void)loaded;
    say(owner, "discard");
}

static const struct daemon_ops ops = {
    .prepare = on_prepare,
    .run = on_run,
    .clean_up = on_clean_up,
    .stop = on_stop,
    .settled = on_settled,
    .change = on_change,
    .presence = on_presence,
    .reload = { .load = on_load,
                .describe = on_describe,
                .adopt = on_adopt,
                .fail = on_fail,
                .discard = on_discard },
};

/* ---- children ------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

/* The child says what was wrong; its exit code is 0 if nothing was. */
static void in_child(void (*run)(struct rig *rig))
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    int status;
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/daemon_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->store, sizeof(rig->store), "%s/store", rig->folder);
    snprintf(rig->state, sizeof(rig->state), "%s/state", rig->folder);
    snprintf(rig->socket, sizeof(rig->socket), "%s/admin.sock", rig->folder);
    snprintf(rig->presence, sizeof(rig->presence), "%s/nodes/n-1.json", rig->store);
    pid_t pid = fork();
    if (pid == 0) {
        rig->world = make_world();
        run(rig);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    nftw(rig->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The request that is complete when the daemon closes still finds everything there. */
static void live(struct rig *rig)
{
    char reply[512] = "";
    NEED(daemon_run(&rig->daemon, "node.yaml", &ops, rig) == 0);
    NEED(has_said(rig, "prepare run adopt settled stop look clean_up "));
    NEED(recv(rig->client, reply, sizeof(reply) - 1, 0) > 0 && strstr(reply, "fine") != NULL);
    NEED(access(rig->socket, F_OK) != 0 && access(rig->presence, F_OK) != 0);
}

static void fail_to_load(struct rig *rig)
{
    rig->fails_to_load = true;
    NEED(daemon_run(&rig->daemon, "node.yaml", &ops, rig) == 0);
    NEED(has_said(rig, "prepare run no files stop look clean_up "));
}

static void fail_to_prepare(struct rig *rig)
{
    rig->fails_to_prepare = true;
    NEED(daemon_run(&rig->daemon, "node.yaml", &ops, rig) == 1);
    NEED(has_said(rig, "prepare clean_up "));
}

/* Neither the port nor the admin socket can be had: both are told in one run. */
static void fail_to_bind(struct rig *rig)
{
    struct diag diag;
    struct sockets taken;
    struct sockets_wish wish = { .addr = addr_from_v4_u32(0x7f000001) };
    const struct daemon_settings settings = { .store_directory = rig->store,
                                              .state_directory = rig->state,
                                              .admin = { .socket_path = "/proc/no/admin.sock" },
                                              .worker_count = 1 };
    diag_init(&diag);
    NEED(sockets_open(&wish, 1, 1, false, &diag, &taken) == ERR_OK);
    NEED(listen(taken.tcp[0], 1) == 0);
    wish.port = taken.addresses[0].port;
    NEED(daemon_bind(&rig->daemon, &settings, &wish, 1, &diag) != ERR_OK);
    NEED(diag.error_count == 2);
    NEED(access(rig->state, F_OK) != 0); /* nothing was given away */
}

static void test_run_lives_from_files_to_exit_code(void **state)
{
    (void)state;
    in_child(live);
}

static void test_failed_reload_changes_nothing(void **state)
{
    (void)state;
    in_child(fail_to_load);
}

static void test_run_ends_when_preparing_fails(void **state)
{
    (void)state;
    in_child(fail_to_prepare);
}

static void test_bind_tells_all_that_cannot_be_had(void **state)
{
    (void)state;
    in_child(fail_to_bind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_lives_from_files_to_exit_code),
        cmocka_unit_test(test_failed_reload_changes_nothing),
        cmocka_unit_test(test_run_ends_when_preparing_fails),
        cmocka_unit_test(test_bind_tells_all_that_cannot_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
