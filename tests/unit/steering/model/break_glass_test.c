/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steering/model/snapshot.h"
#include "tests/unit/steering/model/topology_fixture.h"

static struct topology *three_sites(void)
{
    struct topology *topology = topology_new();
    fixture_site(topology, "us-east", SITE_REGION, 0, 0, NULL);
    fixture_site(topology, "eu-west", SITE_REGION, 0, 0, NULL);
    fixture_site(topology, "gru1", SITE_POP, 0, 0, NULL);
    return topology;
}

static void test_parse(void **state)
{
    static const struct row {
        const char *text;
        const char *orders; /* "SITE=MODE " each */
    } rows[] = {
        { "evacuate us-east", "us-east=evacuated " },
        { "evacuate us-east\n", "us-east=evacuated " },
        { "# gone mad\r\n\r\n  evacuate\tus-east  # INC-1\r\ndrain gru1\r\nserve eu-west\r\n",
          "us-east=evacuated gru1=draining eu-west=active " },
        { "evacuate gru1\ndrain us-east\n", "gru1=evacuated us-east=draining " },
        { "none", "" },
        { "\n# nothing today\nnone # really\n", "" },
    };
    (void)state;
    struct topology *topology = three_sites();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        struct break_glass orders;
        struct buf got;
        diag_init(&diag);
        buf_init(&got, 1024);
        assert_int_equal(break_glass_parse(str_from(rows[i].text), topology, &diag, &orders),
                         ERR_OK);
        for (size_t j = 0; j < orders.count; j++)
            buf_append_format(&got, "%s=%s ", orders.orders[j].site,
                              mode_name(orders.orders[j].mode));
        assert_string_equal(buf_text(&got), rows[i].orders);
        break_glass_fini(&orders);
        buf_fini(&got);
        diag_fini(&diag);
    }
    topology_free(topology);
}

static void test_parse_refuses(void **state)
{
    static const struct row {
        const char *text, *message;
    } rows[] = {
        { "", "f: error: no orders; an intended absence" },
        { "\n \n# only a remark\n", "f: error: no orders" },
        { "evacuate", "f:1:1: error: evacuate: which site?" },
        { "\n  evacaute us-east\n",
          "f:2:3: error: 'evacaute' is not an order; expected evacuate SITE, drain SITE, serve "
          "SITE or none; did you mean 'evacuate'?" },
        { "evacuate us-eats\n",
          "f:1:10: error: no site is called 'us-eats'; did you mean 'us-east'?" },
        { "evacuate us-east eu-west\n", "f:1:18: error: unexpected 'eu-west'; one order a line" },
        { "none us-east\n", "f:1:6: error: unexpected 'us-east'" },
        { "none\nevacuate us-east\n", "f:1:1: error: 'none' stands beside orders" },
        { "evacuate us-east\nserve us-east\n",
          "f:2:7: error: there is an order for 'us-east' already" },
        { "Evacuate us-east\n", "f:1:1: error: 'Evacuate' is not an order" },
        { "evacuate us-\x1b[31m\n", "f:1:10: error: 'us-?[31m' cannot be a site" },
        { "serve us-east\nfrobnicate x\n", "f:2:1: error: 'frobnicate' is not an order" },
    };
    (void)state;
    struct topology *topology = three_sites();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        struct buf got;
        struct break_glass untouched = { .count = 77 };
        diag_init(&diag);
        buf_init(&got, 4096);
        diag_set_file(&diag, "f");
        assert_int_equal(break_glass_parse(str_from(rows[i].text), topology, &diag, &untouched),
                         ERR_INVALID);
        diag_format(&diag, &got);
        if (strncmp(buf_text(&got), rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("row %zu: %s", i, buf_text(&got));
        assert_int_equal(untouched.count, 77);
        buf_fini(&got);
        diag_fini(&diag);
    }
    topology_free(topology);
}

static void test_parse_without_topology_takes_any_name(void **state)
{
    (void)state;
    struct diag diag;
    struct break_glass orders;
    diag_init(&diag);
    assert_int_equal(break_glass_parse(STR("drain mars\n"), NULL, &diag, &orders), ERR_OK);
    assert_string_equal(orders.orders[0].site, "mars");
    break_glass_fini(&orders);
    diag_fini(&diag);
}

static void test_parse_refuses_too_many_orders(void **state)
{
    (void)state;
    struct diag diag;
    struct break_glass orders;
    struct buf text;
    diag_init(&diag);
    buf_init(&text, 1 << 20);
    for (int i = 0; i <= SITE_MAX; i++)
        buf_append_format(&text, "drain s%d\n", i);
    assert_int_equal(break_glass_parse(buf_str(&text), NULL, &diag, &orders), ERR_INVALID);
    assert_non_null(strstr(diag_first(&diag), "more than 1024 orders"));
    buf_fini(&text);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_without_topology_takes_any_name),
        cmocka_unit_test(test_parse_refuses_too_many_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
