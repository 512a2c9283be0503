/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/http/score.h"

static void test_charge_drains_at_three_quarters_and_closes_at_all(void **state)
{
    (void)state;
    struct score score;
    score_init(&score, 100);
    unsigned drains = 0;
    enum score_verdict verdict = SCORE_GOOD;
    for (int i = 0; i < 25; i++) {
        verdict = score_charge(&score, SCORE_EARLY_RESET);
        drains += verdict == SCORE_DRAIN;
        assert_int_equal(verdict == SCORE_GOOD, score.points < 75);
    }
    assert_int_equal(verdict, SCORE_CLOSE);
    assert_in_range(drains, 5, 7);
    assert_string_equal(score.reason, "rapid_reset");
    score_charge(&score, SCORE_LARGE_HEAD);
    assert_int_equal(score.points, 100); /* no further */
}

static void test_charge_takes_control_frames_from_the_allowance(void **state)
{
    (void)state;
    struct score score;
    score_init(&score, 1000);
    uint32_t free_of_charge = score.allowance;
    for (uint32_t i = 0; i < free_of_charge; i++)
        assert_int_equal(score_charge(&score, SCORE_PING), SCORE_GOOD);
    assert_int_equal(score.points, 0);
    score_charge(&score, SCORE_PING);
    assert_int_equal(score.points, 1);
    score_allow(&score, 10); /* ten frames of content may be answered by twenty updates */
    for (int i = 0; i < 20; i++)
        score_charge(&score, SCORE_WINDOW_UPDATE);
    assert_int_equal(score.points, 1);
}

static void test_allow_has_a_ceiling(void **state)
{
    (void)state;
    struct score score;
    score_init(&score, 1000);
    score_allow(&score, UINT32_MAX);
    assert_in_range(score.allowance, 1, 10000);
}

static void test_reward_gives_points_back(void **state)
{
    (void)state;
    struct score score;
    score_init(&score, 1000);
    score_reward(&score);
    assert_int_equal(score.points, 0);
    score_charge(&score, SCORE_LATE_RESET);
    score_reward(&score);
    assert_int_equal(score.points, 0);
    score_charge(&score, SCORE_INDUCED_RESET);
    uint32_t before = score.points;
    score_reward(&score);
    assert_true(score.points < before);
    assert_null(score.reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_charge_drains_at_three_quarters_and_closes_at_all),
        cmocka_unit_test(test_charge_takes_control_frames_from_the_allowance),
        cmocka_unit_test(test_allow_has_a_ceiling),
        cmocka_unit_test(test_reward_gives_points_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
