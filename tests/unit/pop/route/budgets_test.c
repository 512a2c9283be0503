/* SPDX-License-Identifier: Apache-2.0 */
/* The two token buckets: retry_budget and connect_rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pop/route/connect_rate.h"
#include "pop/route/retry_budget.h"

static unsigned take_all(struct retry_budget *budget, uint64_t now_ms)
{
    unsigned taken = 0;
    while (retry_budget_take(budget, now_ms))
        taken++;
    return taken;
}

static void test_budget_starts_full_and_is_fed_by_time(void **state)
{
    (void)state;
    struct retry_budget budget = retry_budget_init(20, 10, 1000);
    assert_int_equal(take_all(&budget, 1000), 100);
    assert_false(retry_budget_has(&budget, 1099));
    assert_true(retry_budget_has(&budget, 1100));
    assert_int_equal(take_all(&budget, 1100), 1);
    assert_int_equal(take_all(&budget, 2100), 10);
    assert_int_equal(take_all(&budget, 1), 0); /* a clock that goes back gives nothing */
    assert_int_equal(take_all(&budget, 2100), 0);
    assert_int_equal(take_all(&budget, UINT64_MAX), 100); /* never more than the ceiling */
}

static void test_budget_is_fed_by_first_attempts(void **state)
{
    (void)state;
    struct retry_budget budget = retry_budget_init(20, 10, 0);
    take_all(&budget, 0);
    for (unsigned i = 0; i < 50; i++)
        retry_budget_feed(&budget);
    assert_int_equal(retry_budget_tokens(&budget), 10);
    for (unsigned i = 0; i < 10000; i++)
        retry_budget_feed(&budget);
    assert_int_equal(retry_budget_tokens(&budget), 100);
}

static void test_budget_of_nothing(void **state)
{
    (void)state;
    struct retry_budget none = retry_budget_init(0, 0, 0);
    retry_budget_feed(&none);
    assert_false(retry_budget_take(&none, 100000));
    struct retry_budget share = retry_budget_init(100, 0, 0);
    take_all(&share, 0);
    retry_budget_feed(&share);
    assert_int_equal(take_all(&share, 100000), 1);
}

static void test_rate_is_held(void **state)
{
    (void)state;
    struct connect_rate rate = connect_rate_init(7, 500);
    unsigned taken = 0;
    /* Asked in every millisecond of ten seconds: a second's worth at once, then 7 a second. */
    for (uint64_t now_ms = 500; now_ms <= 10500; now_ms++) {
        uint64_t next_ms = connect_rate_next_ms(&rate, now_ms);
        bool is_taken = connect_rate_take(&rate, now_ms);
        assert_int_equal(is_taken, next_ms <= now_ms);
        taken += is_taken;
    }
    assert_int_equal(taken, 77);
}

static void test_rate_next_is_exact(void **state)
{
    (void)state;
    for (uint32_t per_s = 1; per_s < 3000; per_s += 13) {
        struct connect_rate rate = connect_rate_init(per_s, 0);
        for (uint32_t i = 0; i < per_s; i++)
            assert_true(connect_rate_take(&rate, 0));
        uint64_t next_ms = connect_rate_next_ms(&rate, 0);
        assert_true(next_ms > 0);
        assert_false(connect_rate_take(&rate, next_ms - 1));
        assert_true(connect_rate_take(&rate, next_ms));
    }
}

static void test_rate_configure_keeps_level(void **state)
{
    (void)state;
    struct connect_rate rate = connect_rate_init(10, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(connect_rate_take(&rate, 0));
    connect_rate_configure(&rate, 1000, 0);
    assert_false(connect_rate_take(&rate, 0)); /* a reload is no way around the limit */
    assert_true(connect_rate_take(&rate, 1));
    connect_rate_configure(&rate, 2, 60000);
    assert_true(connect_rate_take(&rate, 60000));
    assert_true(connect_rate_take(&rate, 60000));
    assert_false(connect_rate_take(&rate, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_starts_full_and_is_fed_by_time),
        cmocka_unit_test(test_budget_is_fed_by_first_attempts),
        cmocka_unit_test(test_budget_of_nothing),
        cmocka_unit_test(test_rate_is_held),
        cmocka_unit_test(test_rate_next_is_exact),
        cmocka_unit_test(test_rate_configure_keeps_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
