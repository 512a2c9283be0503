/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pop/route/ejection.h"
#include "steering/base/mem.h"

enum { NOW_MS = 100000, EJECT_MS = 1000 };

static const struct ejection_settings settings = { .failures = 3, .eject_ms = EJECT_MS };
static const struct ejection_pool pool = { .peers = 2 };

static bool observe(struct ejection *ejection, enum ejection_verdict verdict, uint64_t now_ms)
{
    struct rng rng = rng_init(now_ms);
    return ejection_observe(ejection, &settings, verdict, pool, now_ms, &rng);
}

static bool fail_times(struct ejection *ejection, unsigned times, uint64_t now_ms)
{
    bool is_out = false;
    for (unsigned i = 0; i < times; i++)
        is_out = observe(ejection, EJECTION_FAILURE, now_ms);
    return is_out;
}

static void test_judge_follows_table(void **state)
{
    (void)state;
    static const struct {
        struct ejection_evidence evidence;
        enum ejection_verdict verdict;
    } rows[] = {
        { { .status = 200 }, EJECTION_SUCCESS },
        { { .status = 404 }, EJECTION_SUCCESS },
        { { .status = 429 }, EJECTION_SUCCESS },
        { { .status = 500 }, EJECTION_SUCCESS },
        { { .status = 502 }, EJECTION_FAILURE },
        { { .status = 503 }, EJECTION_FAILURE },
        { { .status = 504 }, EJECTION_FAILURE },
        { { .status = 503, .is_not_processed = true }, EJECTION_NEUTRAL },
        { { .status = 503, .is_client_fault = true }, EJECTION_NEUTRAL },
        { { .is_client_fault = true, .error = HTTP_ERROR_CLOSED }, EJECTION_NEUTRAL },
        { { .error = HTTP_ERROR_CANCELLED }, EJECTION_NEUTRAL },
        { { .error = HTTP_ERROR_REFUSED }, EJECTION_NEUTRAL },
        { { .error = HTTP_ERROR_GOAWAY }, EJECTION_NEUTRAL },
        { { .error = HTTP_ERROR_CLOSED }, EJECTION_FAILURE },
        { { .error = HTTP_ERROR_RESET }, EJECTION_FAILURE },
        { { .error = HTTP_ERROR_TIMEOUT }, EJECTION_FAILURE },
        { { .error = HTTP_ERROR_PROTOCOL }, EJECTION_FAILURE },
        { { .error = HTTP_ERROR_RESET, .status = 200 }, EJECTION_FAILURE },
        { { .is_connect_failure = true }, EJECTION_FAILURE },
        { { .status = 0 }, EJECTION_NEUTRAL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(ejection_judge(&rows[i].evidence), rows[i].verdict);
}

static void test_observe_ejects_after_failures_in_a_row(void **state)
{
    (void)state;
    struct ejection ejection = { 0 };
    assert_false(fail_times(&ejection, 2, NOW_MS));
    assert_false(observe(&ejection, EJECTION_SUCCESS, NOW_MS));
    assert_false(fail_times(&ejection, 2, NOW_MS));
    assert_false(observe(&ejection, EJECTION_NEUTRAL, NOW_MS)); /* neither breaks the row... */
    assert_true(observe(&ejection, EJECTION_FAILURE, NOW_MS));  /* ...nor counts */
    assert_true(ejection_is_out(&ejection, NOW_MS + EJECT_MS - 1));
    assert_false(ejection_is_out(&ejection, NOW_MS + EJECT_MS * 5 / 4));
}

static void test_observe_doubles_and_forgets(void **state)
{
    (void)state;
    struct ejection ejection = { 0 };
    uint64_t now_ms = NOW_MS;
    fail_times(&ejection, 3, now_ms);
    uint64_t expected_ms = EJECT_MS;
    for (unsigned times = 0; times < 20; times++) {
        uint64_t out_ms = ejection.until_ms - now_ms;
        assert_in_range(out_ms, expected_ms, expected_ms * 5 / 4);
        expected_ms = expected_ms * 2 < EJECTION_MAX_MS ? expected_ms * 2 : EJECTION_MAX_MS;
        now_ms = ejection.until_ms;
        assert_true(ejection_poll(&ejection, now_ms));
        assert_false(ejection_poll(&ejection, now_ms));            /* once */
        assert_true(observe(&ejection, EJECTION_FAILURE, now_ms)); /* on probation: one is enough */
    }
    /* A success ends the probation, a good time the memory. */
    now_ms = ejection.until_ms;
    assert_false(observe(&ejection, EJECTION_SUCCESS, now_ms));
    assert_false(fail_times(&ejection, 2, now_ms));
    assert_false(observe(&ejection, EJECTION_SUCCESS, now_ms + 10 * EJECTION_MAX_MS));
    now_ms += 10 * EJECTION_MAX_MS;
    assert_true(fail_times(&ejection, 3, now_ms));
    assert_in_range(ejection.until_ms - now_ms, EJECT_MS, EJECT_MS * 5 / 4);
}

static void test_observe_leaves_half_of_the_pool(void **state)
{
    (void)state;
    static const struct {
        struct ejection_pool pool;
        bool may_go;
    } rows[] = {
        { { 1, 0 }, false }, { { 2, 0 }, true },  { { 2, 1 }, false },
        { { 3, 0 }, true },  { { 3, 1 }, false }, { { 4, 1 }, true },
        { { 4, 2 }, false }, { { 10, 4 }, true }, { { 10, 5 }, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ejection ejection = { 0 };
        struct rng rng = rng_init(1);
        bool is_out = false;
        for (unsigned times = 0; times < 10 && !is_out; times++)
            is_out = ejection_observe(&ejection, &settings, EJECTION_FAILURE, rows[i].pool, NOW_MS,
                                      &rng);
        assert_int_equal(is_out, rows[i].may_go);
    }
}

static void test_observe_can_be_turned_off(void **state)
{
    (void)state;
    struct ejection_settings off = { .failures = 0, .eject_ms = EJECT_MS };
    struct ejection ejection = { 0 };
    struct rng rng = rng_init(1);
    for (unsigned i = 0; i < 100; i++)
        assert_false(ejection_observe(&ejection, &off, EJECTION_FAILURE, pool, NOW_MS, &rng));
}

/* Answers to requests from before change nothing while it is out. */
static void test_observe_while_out(void **state)
{
    (void)state;
    struct ejection ejection = { 0 };
    fail_times(&ejection, 3, NOW_MS);
    uint64_t until_ms = ejection.until_ms;
    assert_false(observe(&ejection, EJECTION_SUCCESS, NOW_MS + 1));
    assert_false(observe(&ejection, EJECTION_FAILURE, NOW_MS + 1));
    assert_int_equal(ejection.until_ms, until_ms);
}

static void test_pardon_brings_back_on_probation(void **state)
{
    (void)state;
    struct ejection ejection = { 0 };
    assert_true(fail_times(&ejection, 3, NOW_MS));
    ejection_pardon(&ejection, NOW_MS + 10);
    assert_false(ejection_is_out(&ejection, NOW_MS + 10));
    assert_false(ejection_poll(&ejection, NOW_MS + 2 * EJECT_MS));
    assert_true(fail_times(&ejection, 1, NOW_MS + 20)); /* for longer */
    assert_true(ejection_is_out(&ejection, NOW_MS + 20 + 2 * EJECT_MS - 1));
    struct ejection in = { .failures = 2 };
    ejection_pardon(&in, NOW_MS); /* nothing to pardon: a request that ended late */
    assert_int_equal(in.failures, 2);
    assert_false(in.is_on_probation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge_follows_table),
        cmocka_unit_test(test_observe_ejects_after_failures_in_a_row),
        cmocka_unit_test(test_observe_doubles_and_forgets),
        cmocka_unit_test(test_observe_leaves_half_of_the_pool),
        cmocka_unit_test(test_observe_can_be_turned_off),
        cmocka_unit_test(test_observe_while_out),
        cmocka_unit_test(test_pardon_brings_back_on_probation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
