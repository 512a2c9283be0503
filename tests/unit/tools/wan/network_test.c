/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "tools/wan/change.h"
#include "tools/wan/departures.h"
#include "tools/wan/spread.h"

#define MS_NS UINT64_C(1000000)

struct world {
    struct matrix *matrix;
    struct network network;
    struct buf problem;
};

static int set_up(void **state)
{
    static const char text[] =
        "sites: { a: {}, b: { addresses: [10.1.1.1, \"fd77::2\"] }, c: {} }\n"
        "links: [{ from: a, to: b, delay: 5ms, both: true },\n"
        "        { from: b, to: c }]\n";
    struct world *world = mem_calloc(1, sizeof(*world));
    struct diag diag;
    diag_init(&diag);
    if (matrix_parse(STR(text), &diag, &world->matrix) != ERR_OK)
        return -1;
    diag_fini(&diag);
    network_init(&world->network, world->matrix, 7);
    buf_init(&world->problem, 4096);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    network_fini(&world->network);
    matrix_free(world->matrix);
    buf_fini(&world->problem);
    free(world);
    return 0;
}

static void test_route_goes_by_destination(void **state)
{
    static const struct {
        const char *to;
        size_t from;
        int32_t link;
    } rows[] = {
        { "10.1.1.1", 0, 0 },   { "fd77::2", 0, 0 },    { "10.77.1.1", 1, 1 },
        { "10.77.3.1", 1, 2 },  { "10.77.3.1", 0, -1 }, /* no link */
        { "10.77.9.9", 0, -1 }, { "fd77::3", 0, -1 },   /* nobody's */
        { "10.1.1.1", 1, -1 },                          /* its own: loops inside */
    };
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t packet[40] = { 0 };
        struct addr addr;
        assert_true(addr_parse(str_from(rows[i].to), &addr));
        bool is_v4 = addr.family == ADDR_V4;
        packet[0] = is_v4 ? 0x45 : 0x60;
        memcpy(packet + (is_v4 ? 16 : 24), addr.bytes, is_v4 ? 4 : 16);
        size_t len = is_v4 ? 20 : 40;
        assert_int_equal(network_route(&world->network, rows[i].from, packet, len), rows[i].link);
        assert_int_equal(network_route(&world->network, rows[i].from, packet, len - 1), -1);
    }
    assert_int_equal(network_route(&world->network, 0, (const uint8_t *)"", 0), -1);
}

static void test_apply_changes_what_is_named(void **state)
{
    static const struct {
        const char *words;
        size_t count;
        uint64_t delays_ms[3];
    } rows[] = {
        { "a:b delay=10ms", 1, { 10, 5, 0 } },
        { "a:b both delay=11ms", 2, { 11, 11, 0 } },
        { "  b:a   delay=12ms  both ", 2, { 12, 12, 0 } },
        { "*:* delay=13ms jitter=1ms", 3, { 13, 13, 13 } },
        { "b:* jitter=0 delay=14ms", 2, { 13, 14, 14 } },
    };
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t count = 0;
        assert_true(
            change_apply(&world->network, str_from(rows[i].words), 1, &world->problem, &count));
        assert_int_equal(count, rows[i].count);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(world->network.links[k].settings.delay_ns,
                             rows[i].delays_ms[k] * MS_NS);
    }
}

static void test_apply_is_all_or_nothing(void **state)
{
    static const struct {
        const char *words, *problem;
    } rows[] = {
        { "", "expected FROM:TO" },
        { "a:b", "expected FROM:TO" },
        { "a:b loss=1% delay=x", "'delay' must be a time" },
        { "a:b loss=1% colour=red", "a link has no 'colour'" },
        { "a:b loss=1% jitter=6ms", "the jitter must not exceed the delay" },
        { "a:b loss=1% bothh", "expected KEY=VALUE or 'both'" },
        { "a:x loss=1%", "there is no site 'x'" },
        { "ab loss=1%", "a link is named FROM:TO" },
        { "b:c loss=1% both", "there is no link from 'c' to 'b'" },
    };
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t count = 99;
        buf_clear(&world->problem);
        assert_false(
            change_apply(&world->network, str_from(rows[i].words), 1, &world->problem, &count));
        assert_non_null(strstr(buf_text(&world->problem), rows[i].problem));
        assert_int_equal(count, 99);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(world->network.links[k].settings.loss_ppm, 0);
    }
}

/* ---- departures ----------------------------------------------------------------------------- */

static int compare_exits(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void test_departures_leave_in_order(void **state)
{
    enum { COUNT = 2000 };
    static uint64_t exits_ns[COUNT];
    struct departures departures = { .heap = NULL };
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < COUNT; i++) {
        struct packet *packet = packet_new((const uint8_t *)"abc", 3);
        exits_ns[i] = packet->exit_ns = rng_below(&rng, 300);
        departures_add(&departures, packet);
    }
    assert_int_equal(departures.byte_count, 3 * COUNT);
    qsort(exits_ns, COUNT, sizeof(exits_ns[0]), compare_exits);
    uint64_t number = 0;
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(departures_next(&departures)->exit_ns, exits_ns[i]);
        struct packet *packet = departures_take(&departures);
        if (i > 0 && exits_ns[i] == exits_ns[i - 1])
            assert_true(packet->number > number);
        number = packet->number;
        free(packet);
    }
    assert_null(departures_next(&departures));
    assert_int_equal(departures.byte_count, 0);
    departures_add(&departures, packet_new((const uint8_t *)"abc", 3));
    departures_fini(&departures);
}

static void test_spread_tells_quantiles(void **state)
{
    static struct spread spread;
    (void)state;
    assert_int_equal(spread_quantile(&spread, 0.5), 0);
    for (int i = 1; i <= 1000; i++)
        spread_add(&spread, i * INT64_C(10000));
    int64_t half_ns = spread_quantile(&spread, 0.5), most_ns = spread_quantile(&spread, 1);
    assert_true(half_ns >= 5000000 && half_ns <= 5000000 + SPREAD_STEP_NS);
    assert_int_equal(most_ns, 10000000);
    spread_add(&spread, -INT64_C(1000000000));
    spread_add(&spread, INT64_C(1000000000));
    assert_int_equal(spread_quantile(&spread, 1), 1000000000);
    assert_true(spread_quantile(&spread, 0) <= SPREAD_LEAST_NS + SPREAD_STEP_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_route_goes_by_destination, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_apply_changes_what_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_apply_is_all_or_nothing, set_up, tear_down),
        cmocka_unit_test(test_departures_leave_in_order),
        cmocka_unit_test(test_spread_tells_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
