/* SPDX-License-Identifier: Apache-2.0 */
/* Node files of steer-pop against a topology. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/load/pop_node.h"
#include "config/load/topology_load.h"
#include "steering/base/mem.h"

#define EAST "  east: { at: [1, 2], addresses: [192.0.2.1], gateways: ['10.0.0.1:8443'] }\n"
#define WEST "  west: { at: [1, 3], addresses: [192.0.2.2], gateways: ['10.0.0.2:8443'] }\n"
#define BARE "  bare: { at: [1, 4], addresses: [192.0.2.3] }\n"
#define POPS                                                                                       \
    "pops:\n  gru1: { at: [5, 6], addresses: [192.0.2.9] }\n"                                      \
    "  ams1: { at: [7, 8], addresses: [192.0.2.8] }\n"
#define TO_ALL "maps:\n  api: { sites: all, rules: [{ to: nearest }] }\n"
#define TO_EAST "maps:\n  api: { rules: [{ to: [east] }] }\n"
#define TO_POPS                                                                                    \
    "areas: { eu: { continents: [EU] } }\nmaps:\n"                                                 \
    "  api: { rules: [{ from: eu, to: [gru1, ams1] }, { to: [ams1, east] }] }\n"

#define BACKBONE "backbone: { certificate: b, key: b, ca: c }\n"
#define ROUTE "routes: [{ map: api }]\n"
#define POP(site)                                                                                  \
    "topology: t\nrole: pop\nsite: " site "\n" BACKBONE "listen: [{ at: '0.0.0.0:80', kind: http " \
    "}]\n"
#define GATEWAY_AT(site, at)                                                                       \
    "topology: t\nrole: gateway\nsite: " site "\n" BACKBONE "listen: [{ at: '" at                  \
    "', kind: backbone }]\n"                                                                       \
    "origins: { web: { servers: ['10.0.0.1:80'] } }\nroutes: [{ map: api, origin: web }]\n"

static const struct row {
    const char *topology, *node, *expected;
} rows[] = {
    { "regions:\n" EAST WEST POPS TO_ALL, POP("gru1") ROUTE, "" },
    { "regions:\n" EAST WEST POPS TO_ALL, GATEWAY_AT("east", "10.0.0.1:8443"), "" },
    { "regions:\n" EAST WEST POPS TO_ALL, GATEWAY_AT("west", "0.0.0.0:8443"), "" },
    { "regions:\n" EAST WEST POPS TO_ALL, GATEWAY_AT("west", "127.0.0.1:0"), "" },
    /* the site */
    { "regions:\n" EAST POPS TO_ALL, POP("gru2") ROUTE,
      "n:3:7: error: 'gru2' is not a PoP of the topology; did you mean 'gru1'?\n" },
    { "regions:\n" EAST POPS TO_ALL, GATEWAY_AT("eest", "10.0.0.1:8443"),
      "n:3:7: error: 'eest' is not a region of the topology; did you mean 'east'?\n" },
    { "regions:\n" EAST POPS TO_ALL, POP("east") ROUTE,
      "n:3:7: error: 'east' is a region of the topology; the role pop needs a PoP\n" },
    { "regions:\n" EAST POPS TO_ALL, GATEWAY_AT("gru1", "10.0.0.1:8443"),
      "n:3:7: error: 'gru1' is a PoP of the topology; the role gateway needs a region\n" },
    { "regions:\n" EAST BARE POPS TO_EAST, GATEWAY_AT("bare", "10.0.0.1:8443"),
      "n:3:7: warning: region 'bare' has no 'gateways' in the topology: nobody will connect\n" },
    { "regions:\n" EAST POPS TO_EAST, GATEWAY_AT("east", "10.0.0.7:8443"),
      "n:5:16: warning: no gateway of region 'east' in the topology has this address and port\n" },
    { "regions:\n" EAST POPS TO_EAST, GATEWAY_AT("east", "[::]:8443"),
      "n:5:16: warning: no gateway of region 'east' in the topology has this address and port\n" },
    { "regions:\n" EAST POPS TO_EAST, GATEWAY_AT("east", "0.0.0.0:8444"),
      "n:5:16: warning: no gateway of region 'east' in the topology has this address and port\n" },
    /* the maps */
    { "regions:\n" EAST POPS TO_ALL, POP("gru1") "routes: [{ map: app }, { path: /a, map: api }]\n",
      "n:6:17: error: 'app' is not a map of the topology; did you mean 'api'?\n" },
    { "regions:\n" EAST POPS TO_POPS,
      POP("gru1") "routes: [{ map: api }, { path: /a, map: api }]\n",
      "n:6:41: warning: the rule for eu of map 'api' (line 8 of the topology) leads to PoPs only: "
      "its requests go to the regions in the order of the topology\n" },
    /* the regions */
    { "regions:\n" BARE POPS TO_ALL, POP("gru1") ROUTE,
      "n:3:7: error: no region has 'gateways' in the topology: there is nowhere to send "
      "requests\n" },
    { "regions:\n" EAST BARE POPS TO_ALL, POP("gru1") ROUTE,
      "n:3:7: warning: region 'bare' has no 'gateways' in the topology, but maps of the routes "
      "lead there\n" },
    { "regions:\n" EAST BARE POPS TO_EAST, POP("gru1") ROUTE, "" },
};

static void run_row(const struct row *row, struct buf *out)
{
    struct diag diag;
    struct topology *topology = NULL;
    struct pop_node *node = NULL;
    diag_init(&diag);
    assert_int_equal(topology_load_text(str_from(row->topology), "t", &diag, &topology), ERR_OK);
    assert_int_equal(pop_node_load_text(str_from(row->node), "n", &diag, &node), ERR_OK);
    diag_fini(&diag);
    diag_init(&diag);
    enum err err = pop_node_check(node, topology, &diag);
    assert_int_equal(err == ERR_OK, !diag_has_errors(&diag));
    diag_format(&diag, out);
    diag_fini(&diag);
    pop_node_free(node);
    topology_free(topology);
}

static void test_check_reports(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        run_row(&rows[i], &out);
        assert_string_equal(buf_text(&out), rows[i].expected);
        buf_fini(&out);
    }
}

static void test_check_passes_the_examples(void **state)
{
    static const char *const files[] = { "config/examples/pop.yaml",
                                         "config/examples/gateway.yaml" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct diag diag;
        struct topology *topology = NULL;
        struct pop_node *node = NULL;
        diag_init(&diag);
        assert_int_equal(pop_node_load(files[i], &diag, &node), ERR_OK);
        assert_int_equal(topology_load(node->common.topology, &diag, &topology), ERR_OK);
        assert_int_equal(pop_node_check(node, topology, &diag), ERR_OK);
        assert_int_equal(diag.count, 0);
        pop_node_free(node);
        topology_free(topology);
        diag_fini(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_reports),
        cmocka_unit_test(test_check_passes_the_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
