/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/load/load_detect.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

struct run {
    char folder[64];
    struct diag diag;
    struct buf out;
    struct node *node;
    enum err err;
};

/* The node file lies in a folder of its own, so that relative paths show. */
static void start(struct run *run, const char *text)
{
    *run = (struct run){ .folder = "/tmp/steer-node-XXXXXX" };
    assert_non_null(mkdtemp(run->folder));
    char *path = file_join(run->folder, "n.yaml");
    assert_int_equal(file_replace(path, str_from(text), false), ERR_OK);
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    run->err = node_load(path, &run->diag, &run->node);
    for (size_t i = 0; i < run->diag.count; i++) /* names without the folder */
        memmove(run->diag.entries[i].file, "n.yaml", sizeof("n.yaml"));
    diag_format(&run->diag, &run->out);
    assert_int_equal(run->err == ERR_OK, !diag_has_errors(&run->diag));
    assert_int_equal(run->err == ERR_OK, run->node != NULL);
    unlink(path);
    free(path);
}

static void finish(struct run *run)
{
    rmdir(run->folder);
    node_free(run->node);
    buf_fini(&run->out);
    diag_fini(&run->diag);
}

static void assert_beside(const struct run *run, const char *path, const char *name)
{
    char *expected = file_join(run->folder, name);
    assert_string_equal(path, expected);
    free(expected);
}

#define LEAST "topology: t.yaml\nzones: [{ zone: example.com, file: e.zone }]\n"

static void test_load_applies_defaults(void **state)
{
    struct run run;
    (void)state;
    start(&run, LEAST);
    const struct node *node = run.node;
    assert_string_equal(buf_text(&run.out), "");
    assert_beside(&run, node->common.topology, "t.yaml");
    assert_string_equal(node->common.store_directory, "/var/lib/steer/store");
    assert_string_equal(node->common.state_directory, "/var/lib/steer/state");
    assert_null(node->common.break_glass);
    assert_true(schema_is_name(str_from(node->common.name)));
    assert_int_equal(node->common.geo.city_count, 1);
    assert_string_equal(node->common.geo.city[0], GEO_EMBEDDED);
    assert_null(node->common.geo.asn);
    assert_int_equal(node->common.geo.max_radius_km, 500);
    assert_int_equal(node->zone_count, 1);
    assert_string_equal(node->zones[0].origin, "example.com.");
    assert_beside(&run, node->zones[0].file, "e.zone");
    assert_int_equal(node->dns.listen.count, 2);
    assert_int_equal(node->dns.listen.items[0].port, 53);
    assert_int_equal(node->dns.listen.items[1].addr.family, ADDR_V6);
    assert_true(node->dns.workers >= 1 && node->dns.workers <= NODE_WORKER_MAX);
    assert_string_equal(node->dns.user, "steer");
    assert_string_equal(node->dns.identity, node->common.name);
    assert_string_equal(node->dns.version, "");
    assert_int_equal(node->dns.edns_size, 1232);
    assert_true(node->dns.has_chaos && node->dns.has_debug_txt && node->dns.uses_ecs);
    assert_int_equal(node->dns.ecs_trusted.count, 0);
    assert_int_equal(node->dns.tcp.connections, 1000);
    assert_int_equal(node->dns.tcp.per_client, 50);
    assert_int_equal(node->dns.tcp.idle_ms, 30000);
    assert_int_equal(node->dns.tcp.write_ms, 10000);
    assert_int_equal(node->dns.tcp.pipeline, 100);
    assert_string_equal(node->common.admin.socket, "/run/steer/dns.sock");
    assert_int_equal(node->common.admin.listen.count, 0);
    assert_false(node->common.admin.listen_takes_orders);
    assert_int_equal(node->common.log, LOG_LEVEL_INFO);
    finish(&run);
}

static void test_load_reads_every_key(void **state)
{
    struct run run;
    (void)state;
    start(&run, "topology: /etc/steer/t.yaml\n"
                "store: { directory: store }\n"
                "state: state\n"
                "break_glass: bg\n"
                "node: dns-7\n"
                "geo: { city: [embedded, c.mmdb], asn: a.mmdb, max_radius_km: 0 }\n"
                "zones:\n"
                "  - { zone: Example.COM., file: /z/e }\n"
                "  - { zone: 2.0.192.in-addr.arpa, file: r }\n"
                "dns:\n"
                "  listen: [\"127.0.0.1:5300\"]\n"
                "  workers: 3\n"
                "  user: \"\"\n"
                "  identity: \"\"\n"
                "  version: \"1\"\n"
                "  edns_size: 4096\n"
                "  chaos: false\n"
                "  debug_txt: false\n"
                "  ecs: false\n"
                "  ecs_trusted: [192.0.2.0/24]\n"
                "  tcp: { connections: 5, per_client: 2, idle: 1m, write: 500ms, pipeline: 7 }\n"
                "admin: { socket: a.sock, listen: \"[::1]:9110\", listen_orders: true }\n"
                "log: error\n");
    const struct node *node = run.node;
    assert_string_equal(buf_text(&run.out), "");
    assert_string_equal(node->common.topology, "/etc/steer/t.yaml");
    assert_beside(&run, node->common.store_directory, "store");
    assert_beside(&run, node->common.state_directory, "state");
    assert_beside(&run, node->common.break_glass, "bg");
    assert_string_equal(node->common.name, "dns-7");
    assert_int_equal(node->common.geo.city_count, 2);
    assert_string_equal(node->common.geo.city[0], GEO_EMBEDDED);
    assert_beside(&run, node->common.geo.city[1], "c.mmdb");
    assert_beside(&run, node->common.geo.asn, "a.mmdb");
    assert_int_equal(node->common.geo.max_radius_km, 0);
    assert_string_equal(node->zones[0].origin, "example.com.");
    assert_string_equal(node->zones[0].file, "/z/e");
    assert_string_equal(node->zones[1].origin, "2.0.192.in-addr.arpa.");
    assert_int_equal(node->dns.listen.count, 1);
    assert_int_equal(node->dns.workers, 3);
    assert_string_equal(node->dns.user, "");
    assert_string_equal(node->dns.identity, "");
    assert_string_equal(node->dns.version, "1");
    assert_int_equal(node->dns.edns_size, 4096);
    assert_false(node->dns.has_chaos || node->dns.has_debug_txt || node->dns.uses_ecs);
    assert_int_equal(node->dns.ecs_trusted.count, 1);
    assert_int_equal(node->dns.tcp.connections, 5);
    assert_int_equal(node->dns.tcp.per_client, 2);
    assert_int_equal(node->dns.tcp.idle_ms, 60000);
    assert_int_equal(node->dns.tcp.write_ms, 500);
    assert_int_equal(node->dns.tcp.pipeline, 7);
    assert_beside(&run, node->common.admin.socket, "a.sock");
    assert_int_equal(node->common.admin.listen.items[0].port, 9110);
    assert_true(node->common.admin.listen_takes_orders);
    assert_int_equal(node->common.log, LOG_LEVEL_ERROR);
    finish(&run);
}

/* The limit is on the path that is bound, not on what the file says. */
static void test_load_refuses_long_socket_paths(void **state)
{
    struct run run;
    char text[512], name[120];
    (void)state;
    for (size_t total = 107; total <= 108; total++) {
        size_t len = total - strlen("/tmp/steer-node-XXXXXX/");
        memset(name, 's', len);
        name[len] = '\0';
        snprintf(text, sizeof(text), LEAST "admin: { socket: %s }\n", name);
        start(&run, text);
        if (total == 107)
            assert_string_equal(buf_text(&run.out), "");
        else
            assert_non_null(strstr(buf_text(&run.out), "n.yaml:3:18: error: the path of a socket "
                                                       "has at most 107 characters, '/tmp/"));
        finish(&run);
    }
}

static void test_load_identity_follows_the_name(void **state)
{
    struct run run;
    (void)state;
    start(&run, LEAST "node: dns-9\n");
    assert_string_equal(run.node->dns.identity, "dns-9");
    finish(&run);
}

static void test_load_reports_errors(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "{}", "n.yaml:1:1: error: the node file lacks 'topology'\n"
                "n.yaml:1:1: error: the node file lacks 'zones'\n" },
        { "", "n.yaml:1:1: error: the file is empty\n" },
        { "topology: t\nzones: []\n", "n.yaml:2:8: error: 'zones' needs at least 1 entry\n" },
        { LEAST "dsn: {}\n",
          "n.yaml:3:1: error: unknown key 'dsn' in the node file; did you mean 'dns'?\n" },
        { LEAST "dns: { lisen: [] }\n",
          "n.yaml:3:8: error: unknown key 'lisen' in 'dns'; did you mean 'listen'?\n" },
        { LEAST "user: steer\n",
          "n.yaml:3:1: error: unknown key 'user' in the node file; it belongs under 'dns'\n" },
        { LEAST "dns: { listen: [] }\n", "n.yaml:3:16: error: 'listen' needs at least 1 entry\n" },
        { LEAST "dns: { listen: [\"1.1.1.1:53\", \"1.1.1.1:0\", \"1.1.1.1:53\", \"1.1.1.1:0\"] }\n",
          "n.yaml:3:44: error: '1.1.1.1:53' is listed twice\n" },
        { LEAST "dns: { workers: 0 }\n",
          "n.yaml:3:17: error: 'workers' must be a whole number from 1 to 256, found '0'\n" },
        { LEAST "dns: { edns_size: 511 }\n",
          "n.yaml:3:19: error: 'edns_size' must be a whole number from 512 to 4096, found "
          "'511'\n" },
        { LEAST "dns: { tcp: { idle: 30 sec } }\n",
          "n.yaml:3:21: error: 'idle' must be a duration such as 250ms, 30s or 5m, from 100ms to "
          "3600s, found '30 sec'\n" },
        { LEAST "admin: { listen: \"0.0.0.0:9110\" }\n",
          "n.yaml:3:18: error: 'listen' of 'admin' must be a loopback address such as "
          "\"127.0.0.1:9110\"\n" },
        { LEAST "admin: { listen: [\"127.0.0.1:1\", \"127.0.0.1:2\"] }\n",
          "n.yaml:3:18: error: 'listen' has 2 entries; at most 1 are allowed\n" },
        { LEAST "log: verbose\n",
          "n.yaml:3:6: error: 'log' must be debug, info, warn or error, found 'verbose'\n" },
        { LEAST "log: infos\n", "n.yaml:3:6: error: 'log' must be debug, info, warn or error, "
                                "found 'infos'; did you mean 'info'?\n" },
        { LEAST "geo: { max_radius_km: -1 }\n",
          "n.yaml:3:23: error: 'max_radius_km' must be a whole number from 0 to 20000, found "
          "'-1'\n" },
        { "topology: t\n"
          "zones:\n"
          "  - { zone: 'a..b', file: x }\n"
          "  - { zone: example.com, file: x }\n"
          "  - { file: y }\n"
          "  - { zone: EXAMPLE.com., file: z }\n",
          "n.yaml:5:5: error: the zone lacks 'zone'\n"
          "n.yaml:3:13: error: the zone 'a..b' has an empty label\n"
          "n.yaml:6:13: error: zone 'example.com.' stands on line 4 already\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run run;
        start(&run, rows[i].text);
        assert_string_equal(buf_text(&run.out), rows[i].expected);
        finish(&run);
    }
}

static void test_load_missing_file(void **state)
{
    struct diag diag;
    struct node *node = NULL;
    (void)state;
    diag_init(&diag);
    assert_int_equal(node_load("/nonexistent/n.yaml", &diag, &node), ERR_NOT_FOUND);
    assert_string_equal(diag_first(&diag), "cannot read the node file: No such file or directory");
    assert_null(node);
    node_free(NULL);
    diag_fini(&diag);
}

static void test_load_example(void **state)
{
    struct diag diag;
    struct node *node = NULL;
    (void)state;
    diag_init(&diag);
    assert_int_equal(node_load("config/examples/dns.yaml", &diag, &node), ERR_OK);
    assert_int_equal(diag.warning_count, 0);
    assert_string_equal(node->common.topology, "config/examples/topology.yaml");
    assert_string_equal(node->zones[0].file, "config/examples/example.com.zone");
    assert_int_equal(access(node->zones[0].file, R_OK), 0);
    assert_int_equal(access(node->common.break_glass, R_OK), 0);
    node_free(node);
    diag_fini(&diag);
}

static void test_explain_config_names_every_part(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 16);
    node_explain_config(&out);
    assert_non_null(strstr(buf_text(&out), "topology   a text; required\n"));
    assert_non_null(strstr(buf_text(&out), "zones[].file   a text; required\n"));
    assert_non_null(strstr(buf_text(&out), "dns.tcp.idle   a duration"));
    assert_non_null(strstr(buf_text(&out), "dns.workers   a whole number from 1 to 256; default: "
                                           "the number of CPUs\n"));
    buf_fini(&out);
}

static void test_detect_kinds(void **state)
{
    static const struct {
        const char *text;
        int kind; /* -1: neither */
        const char *error;
    } rows[] = {
        { "regions: {}\nmaps: {}\n", LOAD_TOPOLOGY, "" },
        { "names: 5\n", LOAD_TOPOLOGY, "" },
        { LEAST, LOAD_NODE, "" },
        { "dns: {}\nunknown: 1\n", LOAD_NODE, "" },
        { "topology: t\n", LOAD_NODE, "" },
        { "topology: t\nrole: pop\n", LOAD_POP_NODE, "" },
        { "routes: []\n", LOAD_POP_NODE, "" },
        { "zones: []\ndns: {}\nlisten: []\n", LOAD_NODE, "" },
        { "a: 1\n", -1,
          "neither a topology (regions, areas, maps, names) nor a node file "
          "(topology, and zones and dns or role and routes)" },
        { "[1, 2]", -1,
          "neither a topology (regions, areas, maps, names) nor a node file "
          "(topology, and zones and dns or role and routes)" },
        { "", -1, "the file is empty" },
    };
    char path[] = "/tmp/steer-detect-XXXXXX";
    (void)state;
    close(mkstemp(path));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        enum load_kind kind = LOAD_NODE;
        diag_init(&diag);
        assert_int_equal(file_replace(path, str_from(rows[i].text), false), ERR_OK);
        enum err err = load_detect(path, &diag, &kind);
        assert_int_equal(err, rows[i].kind >= 0 ? ERR_OK : ERR_INVALID);
        assert_string_equal(diag_first(&diag), rows[i].error);
        if (err == ERR_OK)
            assert_int_equal(kind, rows[i].kind);
        diag_fini(&diag);
    }
    unlink(path);
    struct diag diag;
    enum load_kind kind;
    diag_init(&diag);
    assert_int_equal(load_detect(path, &diag, &kind), ERR_NOT_FOUND);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_applies_defaults),
        cmocka_unit_test(test_load_reads_every_key),
        cmocka_unit_test(test_load_refuses_long_socket_paths),
        cmocka_unit_test(test_load_identity_follows_the_name),
        cmocka_unit_test(test_load_reports_errors),
        cmocka_unit_test(test_load_missing_file),
        cmocka_unit_test(test_load_example),
        cmocka_unit_test(test_explain_config_names_every_part),
        cmocka_unit_test(test_detect_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
