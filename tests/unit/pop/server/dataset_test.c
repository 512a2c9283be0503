/* SPDX-License-Identifier: Apache-2.0 */
/* Loading all files of a node: what each of them can have wrong is said, all of it in one run, and
 * a load that fails leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/server/dataset.h"
#include "pop/tls/ticket_keys.h"
#include "steering/base/mem.h"
#include "tests/unit/pop/tls/pki.h"

#define TOPOLOGY                                                                                   \
    "regions:\n"                                                                                   \
    "  east: { at: [1, 2], addresses: [192.0.2.1], gateways: ['10.0.0.1:8443'] }\n"                \
    "pops:\n  gru1: { at: [5, 6], addresses: [192.0.2.9] }\n"                                      \
    "maps:\n  api: { sites: all, rules: [{ to: nearest }] }\n"
#define COMMON                                                                                     \
    "topology: topology.yaml\nworkers: 2\nnode: n1\nuser: nobody\nbreak_glass: glass\n"            \
    "store: { directory: store }\nstate: state\naccess_log: access.log\n"                          \
    "tls: { certificates: [{ certificate: front.crt, key: front.key }], tickets: tickets }\n"      \
    "backbone: { certificate: bone.crt, key: bone.key, ca: ca.pem }\n"                             \
    "admin: { socket: admin.sock }\n"
#define POP                                                                                        \
    COMMON "role: pop\nsite: gru1\nroutes: [{ map: api }]\n"                                       \
           "listen: [{ at: '127.0.0.1:443' }, { at: '127.0.0.1:80', kind: http }]\n"
#define GATEWAY                                                                                    \
    COMMON "role: gateway\nsite: east\nroutes: [{ map: api, origin: web }]\n"                      \
           "listen: [{ at: '10.0.0.1:8443', kind: backbone }]\n"                                   \
           "origins: { web: { servers: ['10.0.0.2:80'], tls: { name: web, ca: other.pem } },\n"    \
           "           bare: { servers: ['10.0.0.3:80'] } }\n"

enum { KEEP_VERSION = 7 };

static struct pki *pki;
static char *geo_line; /* a small database: compiling the built-in one for each row takes long */
static struct ticket_keys process_keys;

static void write_node(const char *text)
{
    struct buf whole;
    buf_init(&whole, 1 << 16);
    buf_append_format(&whole, "%s%s", text, geo_line);
    pki_write_text("node.yaml", buf_text(&whole));
    buf_fini(&whole);
}

static void write_tickets(void)
{
    struct ticket_keys keys;
    struct buf text;
    buf_init(&text, 4096);
    ticket_keys_random(&keys);
    ticket_key_format(&keys.items[0], &text);
    pki_write_text("tickets", buf_text(&text));
    buf_fini(&text);
}

/* Everything good: what a row spoils, the next one finds whole. */
static void write_files(const char *node)
{
    remove("access.log");
    pki_write_text("topology.yaml", TOPOLOGY);
    write_tickets();
    pki_write_certificate("ca.pem", pki->authority.certificate);
    pki_write_certificate("other.pem", pki->stranger.certificate);
    pki_issue(pki, &(struct pki_wish){ .file = "front", .names = "DNS:www.example.com" });
    pki_issue(pki, &(struct pki_wish){ .file = "bone", .names = "DNS:gru1.pop.steer" });
    write_node(node);
}

static enum err load(const struct pop_node *started, struct buf *out_text,
                     struct dataset **out_dataset)
{
    struct diag diag;
    const struct dataset_wish wish = { .node_path = "node.yaml",
                                       .started = started,
                                       .version = KEEP_VERSION,
                                       .keys = &process_keys,
                                       .has_log = true };
    diag_init(&diag);
    enum err err = dataset_load(&wish, &diag, out_dataset);
    assert_int_equal(err == ERR_OK, !diag_has_errors(&diag));
    buf_clear(out_text);
    diag_format(&diag, out_text);
    diag_fini(&diag);
    return err;
}

static struct dataset *load_well(const struct pop_node *started, struct buf *out_text)
{
    struct dataset *dataset = NULL;
    if (load(started, out_text, &dataset) != ERR_OK)
        fail_msg("%s", buf_text(out_text));
    return dataset;
}

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        count++;
    return count;
}

static void expect_once(struct buf *said, const char *message)
{
    if (occurrences(buf_text(said), message) != 1)
        fail_msg("expected once: %s\nsaid:\n%s", message, buf_text(said));
}

/* ---- what is good ---------------------------------------------------------------------------- */

static void test_load_gives_each_worker_its_own(void **state)
{
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    write_files(POP);
    struct dataset *dataset = load_well(NULL, &said);
    assert_int_equal(dataset->worker_count, 2);
    assert_int_not_equal(dataset->tickets.inode, 0);
    struct settings *first = dataset_take(dataset, 0), *second = dataset_take(dataset, 1);
    assert_null(dataset_take(dataset, 0)); /* taken */
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(first->node, second->node);
    assert_ptr_equal(first->world, dataset->world);
    assert_int_equal(first->version, KEEP_VERSION);
    assert_non_null(first->tls_listen[0]);
    assert_null(first->tls_listen[1]); /* plain */
    assert_ptr_not_equal(first->tls_listen[0], second->tls_listen[0]);
    assert_non_null(first->tls_backbone);
    int fd = dataset_take_log(dataset);
    assert_true(fd >= 0);
    assert_int_equal(dataset_take_log(dataset), -1);
    close(fd);
    /* Settings outlive the dataset, and each other. */
    dataset_free(dataset);
    settings_unref(first);
    assert_string_equal(second->node->site, "gru1");
    settings_unref(second);
    buf_fini(&said);
}

static void test_load_of_a_gateway(void **state)
{
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    write_files(GATEWAY);
    struct dataset *dataset = load_well(NULL, &said);
    const struct settings *settings = dataset->settings[0];
    assert_non_null(settings->tls_listen[0]);
    bool is_web_first = strcmp(settings->node->origins[0].name, "web") == 0;
    assert_non_null(settings->tls_origins[is_web_first ? 0 : 1]);
    assert_null(settings->tls_origins[is_web_first ? 1 : 0]);
    assert_true(settings->backbone_limits.head_bytes > settings->client_limits.head_bytes);
    dataset_free(dataset);
    buf_fini(&said);
}

/* ---- what is bad ----------------------------------------------------------------------------- */

/* `file` gets `text`; NULL: it is removed. */
static const struct fault {
    const char *node, *file, *text, *message;
} faults[] = {
    { POP, "node.yaml", NULL, "node.yaml: error: cannot read the node file: No such file" },
    { POP, "node.yaml", "", "node.yaml" },
    { POP, "node.yaml", POP "nonsense: 1\n", "error: unknown key 'nonsense'" },
    { POP, "node.yaml",
      COMMON "role: pop\nsite: gru2\nroutes: [{ map: api }]\n"
             "listen: [{ at: '127.0.0.1:80', kind: http }]\n",
      "'gru2' is not a PoP of the topology; did you mean 'gru1'?" },
    { POP, "node.yaml",
      COMMON "role: pop\nsite: gru1\nroutes: [{ map: apx }]\n"
             "listen: [{ at: '127.0.0.1:80', kind: http }]\n",
      "'apx' is not a map of the topology; did you mean 'api'?" },
    { GATEWAY, "node.yaml",
      COMMON "role: gateway\nsite: east\n"
             "routes: [{ map: api, origin: wab }]\n"
             "listen: [{ at: '10.0.0.1:8443', kind: backbone }]\n"
             "origins: { web: { servers: ['10.0.0.2:80'] } }\n",
      "did you mean 'web'?" },
    { POP, "topology.yaml", NULL, "topology.yaml: error: " },
    { POP, "topology.yaml", "regions: 5\n", "topology.yaml:1:" },
    { POP, "front.crt", NULL, "front.crt: error: cannot read the certificate: No such file" },
    { POP, "front.crt", "text", "front.crt: error: no PEM block" },
    { POP, "front.key", NULL, "front.key: error: cannot read the private key: No such file" },
    { POP, "bone.crt", NULL, "bone.crt: error: cannot read the certificate: No such file" },
    { POP, "bone.key", "", "bone.key: error: the file is empty" },
    { POP, "ca.pem", "text", "ca.pem: error: no PEM block" },
    { POP, "tickets", NULL, "tickets: error: cannot read the ticket keys: No such file" },
    { POP, "tickets", "# none\n", "tickets: error: no 'current' key" },
    { POP, "tickets", "current abc def\n", "tickets:1:" },
    { GATEWAY, "bone.crt", NULL, "bone.crt: error: cannot read the certificate: No such file" },
    { GATEWAY, "ca.pem", NULL, "ca.pem: error: cannot read" },
    { GATEWAY, "other.pem", "", "other.pem: error: the file is empty" },
};

static void test_each_fault_is_said_once_and_ends_the_load(void **state)
{
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        const struct fault *fault = &faults[i];
        struct dataset *untouched = (struct dataset *)(void *)&said;
        write_files(fault->node);
        if (fault->text == NULL)
            assert_int_equal(remove(fault->file), 0);
        else if (strcmp(fault->file, "node.yaml") == 0 && fault->text[0] != '\0')
            write_node(fault->text);
        else
            pki_write_text(fault->file, fault->text);
        if (load(NULL, &said, &untouched) == ERR_OK)
            fail_msg("row %zu loads", i);
        assert_ptr_equal(untouched, &said);
        expect_once(&said, fault->message);
    }
    buf_fini(&said);
}

/* The key of another certificate, of clients and of the backbone: said of each once, though the
 * gateway has the latter for both of its sides. */
static void test_keys_that_do_not_belong(void **state)
{
    static const struct {
        const char *node, *pair;
    } rows[] = { { POP, "front" }, { POP, "bone" }, { GATEWAY, "bone" } };
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char key[32], message[128];
        struct dataset *dataset = NULL;
        write_files(rows[i].node);
        snprintf(key, sizeof(key), "%s.key", rows[i].pair);
        snprintf(message, sizeof(message),
                 "%s: error: the key does not belong to the certificate in '%s.crt'", key,
                 rows[i].pair);
        pki_write_key(key, pki->stranger.key);
        assert_int_not_equal(load(NULL, &said, &dataset), ERR_OK);
        assert_null(dataset);
        expect_once(&said, message);
    }
    buf_fini(&said);
}

static void test_all_faults_in_one_run(void **state)
{
    (void)state;
    struct buf said;
    struct dataset *dataset = NULL;
    buf_init(&said, 1 << 16);
    write_files(POP);
    write_node("topology: topology.yaml\nrole: pop\nsite: gru1\nroutes: [{ map: apx }]\n"
               "access_log: nowhere/access.log\n"
               "listen: [{ at: '127.0.0.1:443' }]\n"
               "tls: { certificates: [{ certificate: front.crt, key: front.key }],\n"
               "       tickets: tickets }\n"
               "backbone: { certificate: bone.crt, key: bone.key, ca: ca.pem }\n");
    remove("tickets");
    remove("front.key");
    remove("bone.crt");
    remove("ca.pem");
    assert_int_not_equal(load(NULL, &said, &dataset), ERR_OK);
    expect_once(&said, "'apx' is not a map");
    expect_once(&said, "tickets: error: cannot read the ticket keys");
    expect_once(&said, "front.key: error: cannot read the private key");
    expect_once(&said, "bone.crt: error: cannot read the certificate");
    expect_once(&said, "ca.pem: error: cannot read");
    expect_once(&said, "cannot open the access log 'nowhere/access.log'");
    buf_fini(&said);
}

/* A kernel without it is no reason not to serve. */
static void test_unknown_congestion_control_is_warned_of(void **state)
{
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    write_files(POP);
    write_node("congestion: nonsuch\n" POP);
    dataset_free(load_well(NULL, &said));
    expect_once(&said, "node.yaml:1:13: warning: the kernel has no congestion control 'nonsuch'");
    buf_fini(&said);
}

/* ---- a reload -------------------------------------------------------------------------------- */

/* Each asks for a restart; none of it may reach what already runs. */
static void test_reload_keeps_what_the_process_is_built_on(void **state)
{
    static const struct {
        const char *from, *to, *key;
    } rows[] = {
        { "site: gru1", "site: gru2", "site" },
        { "node: n1", "node: n2", "node" },
        { "directory: store", "directory: stare", "store.directory" },
        { "state: state", "state: stale", "state" },
        { "break_glass: glass", "break_glass: grass", "break_glass" },
        { "workers: 2", "workers: 3", "workers" },
        { "user: nobody", "user: daemon", "user" },
        { "127.0.0.1:80", "127.0.0.1:81", "listen" },
        { "kind: http ", "kind: redirect ", "listen" },
        { "admin.sock", "admen.sock", "admin.socket" },
        { "admin.sock", "admin.sock, listen: '127.0.0.1:9110'", "admin.listen" },
        { "access_log: access.log", "# nothing", "access_log" },
    };
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    write_files(POP);
    struct dataset *started = load_well(NULL, &said);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char message[128];
        struct buf node;
        const char *at = strstr(POP, rows[i].from);
        assert_non_null(at);
        buf_init(&node, 1 << 16);
        buf_append(&node, POP, (size_t)(at - POP));
        buf_append_text(&node, rows[i].to);
        buf_append_text(&node, at + strlen(rows[i].from));
        write_node(buf_text(&node));
        struct dataset *again = load_well(started->node, &said);
        snprintf(message, sizeof(message), "%s has changed; that takes effect after a restart",
                 rows[i].key);
        expect_once(&said, message);
        assert_int_equal(occurrences(buf_text(&said), "after a restart"), 1);
        assert_int_equal(again->worker_count, 2);
        assert_string_equal(again->node->site, "gru1");
        assert_string_equal(again->node->common.name, "n1");
        assert_int_equal(again->node->listens[1].at.port, 80);
        assert_int_equal(again->node->listens[1].kind, POP_LISTEN_HTTP);
        dataset_free(again);
        buf_fini(&node);
    }
    dataset_free(started);
    buf_fini(&said);
}

/* What runs is not touched by a load that fails beside it. */
static void test_failed_reload_leaves_the_former_whole(void **state)
{
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    write_files(POP);
    struct dataset *started = load_well(NULL, &said), *again = NULL;
    remove("front.crt");
    assert_int_not_equal(load(started->node, &said, &again), ERR_OK);
    assert_null(again);
    assert_int_equal(*started->node_refs, 1 + started->worker_count);
    assert_int_equal(started->settings[0]->refs, 1);
    assert_string_equal(started->settings[1]->node->routes[0].map, "api");
    settings_set_keys(started->settings[0], &process_keys); /* its certificates are there */
    dataset_free(started);
    buf_fini(&said);
}

static void test_without_a_ticket_file_the_process_keys_do(void **state)
{
    (void)state;
    struct buf said;
    buf_init(&said, 1 << 16);
    write_files(POP);
    write_node("topology: topology.yaml\nrole: pop\nsite: gru1\nroutes: [{ map: api }]\n"
               "listen: [{ at: '127.0.0.1:443' }]\n"
               "tls: { certificates: [{ certificate: front.crt, key: front.key }] }\n"
               "backbone: { certificate: bone.crt, key: bone.key, ca: ca.pem }\n");
    struct dataset *dataset = load_well(NULL, &said);
    assert_int_equal(dataset->tickets.inode, 0);
    assert_int_equal(dataset_take_log(dataset), -1); /* the file names none */
    dataset_free(dataset);
    buf_fini(&said);
}

static int start(void **state)
{
    (void)state;
    struct buf line;
    pki = pki_new();
    ticket_keys_random(&process_keys);
    buf_init(&line, 1 << 16);
    buf_append_format(&line, "geo: { city: '%s/tests/data/small-city.mmdb' }\n", pki->before);
    geo_line = mem_strdup(buf_text(&line));
    buf_fini(&line);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    free(geo_line);
    pki_free(pki);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_gives_each_worker_its_own),
        cmocka_unit_test(test_load_of_a_gateway),
        cmocka_unit_test(test_each_fault_is_said_once_and_ends_the_load),
        cmocka_unit_test(test_keys_that_do_not_belong),
        cmocka_unit_test(test_all_faults_in_one_run),
        cmocka_unit_test(test_unknown_congestion_control_is_warned_of),
        cmocka_unit_test(test_reload_keeps_what_the_process_is_built_on),
        cmocka_unit_test(test_failed_reload_leaves_the_former_whole),
        cmocka_unit_test(test_without_a_ticket_file_the_process_keys_do),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
