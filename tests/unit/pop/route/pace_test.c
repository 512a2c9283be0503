/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pop/route/pace.h"
#include "steering/base/mem.h"

enum { GRACE_MS = 30000, LOOK_MS = 7500, RATE = 240, NEVER = 100000 };

/* `bytes` more at each look, until it is lost; seconds until then, or NEVER. */
static uint64_t lasts_s(struct pace *pace, struct pace_look *look, uint64_t bytes)
{
    uint64_t begun_ms = look->now_ms;
    while (look->now_ms - begun_ms < (uint64_t)NEVER * 1000) {
        look->now_ms += LOOK_MS;
        look->bytes += bytes;
        if (pace_look(pace, look))
            return (look->now_ms - begun_ms) / 1000;
    }
    return NEVER;
}

static struct pace_look awaited(void)
{
    return (struct pace_look){
        .now_ms = 5000, .is_awaited = true, .rate = RATE, .sharers = 1, .grace_ms = GRACE_MS
    };
}

static void test_look_loses_who_is_below_the_rate(void **state)
{
    static const struct {
        uint64_t bytes; /* in 7.5 s */
        uint32_t rate, sharers;
        uint64_t expected_s;
    } rows[] = {
        { 0, RATE, 1, 37 },         /* a silence: the grace, and the look that it began within */
        { 1, RATE, 1, 45 },         /* a byte now and then: one look more */
        { 7500 / 5, RATE, 1, 187 }, /* 200 of 240: a sixth slower */
        { 1800, RATE, 1, NEVER },   /* 240 */
        { 18, RATE, 100, NEVER },   /* its share of a connection */
        { 10, RATE, 100, 75 },      /* less than its share */
        { 0, 0, 1, NEVER },         /* any rate */
        { UINT64_C(1) << 40, 1000000000, 1, NEVER },
        { UINT64_MAX >> 20, 1, 1 << 20, NEVER },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pace pace = pace_init(5000);
        struct pace_look look = awaited();
        look.rate = rows[i].rate;
        look.sharers = rows[i].sharers;
        uint64_t lasted_s = lasts_s(&pace, &look, rows[i].bytes);
        if (lasted_s != rows[i].expected_s)
            print_message("row %zu: %llu s\n", i, (unsigned long long)lasted_s);
        assert_int_equal(lasted_s, rows[i].expected_s);
    }
}

/* A fast beginning does not pay for hours of a byte now and then. */
static void test_look_keeps_no_credit(void **state)
{
    (void)state;
    struct pace pace = pace_init(5000);
    struct pace_look look = awaited();
    look.now_ms += LOOK_MS;
    look.bytes = UINT64_C(1) << 30;
    assert_false(pace_look(&pace, &look));
    assert_int_equal(lasts_s(&pace, &look, 1), 37);
}

/* A silence shorter than the grace, then the usual rate again. */
static void test_look_forgives_who_catches_up(void **state)
{
    (void)state;
    struct pace pace = pace_init(5000);
    struct pace_look look = awaited();
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 3; i++) {
            look.now_ms += LOOK_MS;
            assert_false(pace_look(&pace, &look));
        }
        look.now_ms += LOOK_MS;
        look.bytes += 1 << 20;
        assert_false(pace_look(&pace, &look));
    }
}

/* While a peer does not take what there is, nobody is slow but the peer. */
static void test_look_counts_only_time_that_was_waited(void **state)
{
    (void)state;
    struct pace pace = pace_init(5000);
    struct pace_look look = awaited();
    for (int i = 0; i < 1000; i++) {
        look.now_ms += LOOK_MS;
        look.is_awaited = i % 2 == 0;
        assert_false(pace_look(&pace, &look));
    }
    look.is_awaited = true;
    assert_int_equal(lasts_s(&pace, &look, 0), 37);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look_loses_who_is_below_the_rate),
        cmocka_unit_test(test_look_keeps_no_credit),
        cmocka_unit_test(test_look_forgives_who_catches_up),
        cmocka_unit_test(test_look_counts_only_time_that_was_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
