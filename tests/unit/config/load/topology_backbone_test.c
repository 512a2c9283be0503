/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways and identities of sites in the topology. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/load/topology_load.h"
#include "steering/base/mem.h"

struct run {
    struct diag diag;
    struct buf out;
    struct topology *topology;
};

static void start(struct run *run, const char *text)
{
    *run = (struct run){ .topology = NULL };
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    enum err err = topology_load_text(str_from(text), "t.yaml", &run->diag, &run->topology);
    diag_format(&run->diag, &run->out);
    assert_int_equal(err == ERR_OK, run->topology != NULL);
}

static void finish(struct run *run)
{
    topology_free(run->topology);
    buf_fini(&run->out);
    diag_fini(&run->diag);
}

#define AT_OF(address) "at: [1, 2], addresses: [" address "]"
#define AT AT_OF("192.0.2.1")

static void test_load_builds_gateways_and_identities(void **state)
{
    struct run run;
    char text[ADDR_TEXT_MAX];
    (void)state;
    start(&run,
          "regions:\n"
          "  Us_East.1: { " AT ", gateways: ['10.0.0.1:8443', '[2001:db8::1]:444'] }\n"
          "  west: { " AT_OF(
              "192.0.2.2") ", gateways: '10.0.0.1:8444', identity: GW.West.example. }\n"
                           "pops:\n"
                           "  gru1: { " AT_OF("192.0.2.3") " }\n"
                                                           "  fra1: { " AT_OF(
                                                               "192.0.2.4") ", identity: fra }\n");
    assert_string_equal(buf_text(&run.out), "");
    const struct site *sites = run.topology->sites;
    assert_string_equal(sites[0].identity, "us_east.1.region.steer");
    assert_int_equal(sites[0].gateway_count, 2);
    assert_int_equal(sites[0].gateways[0].port, 8443);
    assert_string_equal(addr_format(&sites[0].gateways[0].addr, text), "10.0.0.1");
    assert_int_equal(sites[0].gateways[1].port, 444);
    assert_string_equal(addr_format(&sites[0].gateways[1].addr, text), "2001:db8::1");
    assert_string_equal(sites[1].identity, "gw.west.example");
    assert_int_equal(sites[1].gateway_count, 1);
    assert_string_equal(sites[2].identity, "gru1.pop.steer");
    assert_int_equal(sites[2].gateway_count, 0);
    assert_string_equal(sites[3].identity, "fra");
    finish(&run);
}

static const struct {
    const char *text, *expected;
} rows[] = {
    /* the same address and port: in a region, in two */
    { "regions:\n  a: { " AT ", gateways: ['10.0.0.1:1', '10.0.0.2:1', '10.0.0.1:1'] }\n",
      "t.yaml:2:83: error: port 1 of 10.0.0.1 is a gateway of 'a' already (line 2)\n" },
    { "regions:\n  a: { " AT ", gateways: ['[2001:db8::1]:1'] }\n"
      "  b: { " AT ", gateways: ['10.0.0.1:1', '[2001:db8:0::1]:1'] }\n",
      "t.yaml:3:69: error: port 1 of 2001:db8::1 is a gateway of 'a' already (line 2)\n" },
    { "regions:\n  a: { " AT ", gateways: '10.0.0.1:1' }\n  b: { " AT
      ", gateways: '10.0.0.1:1' }\n",
      "t.yaml:3:54: error: port 1 of 10.0.0.1 is a gateway of 'a' already (line 2)\n" },
    { "regions:\n  a: { " AT ", gateways: ['10.0.0.1:1', '10.0.0.1:2'] }\n", "" },
    /* malformed ones are left out, and the rest is checked nevertheless */
    { "regions:\n  a: { " AT ", gateways: ['10.0.0.1', '10.0.0.1:1', '10.0.0.1:1'] }\n",
      "t.yaml:2:55: error: expected ADDRESS:PORT such as \"192.0.2.1:8443\" or "
      "\"[2001:db8::1]:8443\", found '10.0.0.1'\n"
      "t.yaml:2:54: error: port 1 of 10.0.0.1 is a gateway of 'a' already (line 2)\n" },
    { "regions:\n  a: { " AT ", gateways: [] }\n",
      "t.yaml:2:54: error: 'gateways' needs at least 1 entry\n" },
    { "regions:\n  a: { " AT " }\npops:\n  p: { " AT ", gateways: ['10.0.0.1:1'] }\n",
      "t.yaml:4:44: error: unknown key 'gateways' in PoP 'p'\n" },
    /* identities */
    { "regions:\n  a: { " AT ", identity: 'a b' }\n",
      "t.yaml:2:54: error: the identity 'a b' may hold letters, digits, '-', '_' and dots only\n" },
    { "regions:\n  a..b: { " AT " }\n",
      "t.yaml:2:3: error: 'a..b' cannot be part of a DNS name; write an 'identity' for this "
      "region\n" },
    { "regions:\n  a..b: { " AT ", identity: x }\n", "" },
    { "regions:\n  a: { " AT ", identity: B.region.steer }\n  b: { " AT " }\n",
      "t.yaml:3:3: error: 'b.region.steer' is the identity of 'a' already\n" },
    { "regions:\n  a: { " AT ", identity: x }\npops:\n  b: { " AT ", identity: X. }\n",
      "t.yaml:4:54: error: 'x' is the identity of 'a' already\n" },
    { "regions:\n  A: { " AT " }\n  a: { " AT " }\n",
      "t.yaml:3:3: error: 'a.region.steer' is the identity of 'A' already\n" },
    /* some regions only */
    { "regions:\n  a: { " AT ", gateways: ['10.0.0.1:1'] }\n"
      "  b: { " AT_OF("192.0.2.2") " }\n",
      "t.yaml:3:3: warning: region 'b' has no gateways, other regions do: PoPs cannot reach it\n" },
};

static void test_load_reports(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run run;
        start(&run, rows[i].text);
        assert_string_equal(buf_text(&run.out), rows[i].expected);
        finish(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_builds_gateways_and_identities),
        cmocka_unit_test(test_load_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
