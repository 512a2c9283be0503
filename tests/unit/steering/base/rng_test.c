/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* The published first values of splitmix64 for seed 1234567. */
static void test_rng_next_known_sequence(void **state)
{
    static const uint64_t expected[] = { 6457827717110365317u, 3203168211198807973u,
                                         9817491932198370423u, 4593380528125082431u,
                                         16408922859458223821u };
    struct rng rng = rng_init(1234567);
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(rng_next(&rng), expected[i]);
}

static void test_rng_below_stays_below_and_reaches_all(void **state)
{
    unsigned counts[7] = { 0 };
    struct rng rng = rng_init(42);
    (void)state;
    for (unsigned i = 0; i < 70000; i++) {
        uint64_t value = rng_below(&rng, 7);
        assert_true(value < 7);
        counts[value]++;
    }
    for (unsigned i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(rng_below(&rng, 1), 0);
}

/* With a bound of 3/4 of the range, modulo would hit the lower third twice as often. */
static void test_rng_below_has_no_modulo_bias(void **state)
{
    uint64_t bound = UINT64_MAX / 4 * 3;
    unsigned low = 0;
    struct rng rng = rng_init(43);
    (void)state;
    for (unsigned i = 0; i < 30000; i++)
        low += rng_below(&rng, bound) < bound / 3;
    assert_in_range(low, 9500, 10500);
}

static void test_rng_seed_differs(void **state)
{
    (void)state;
    assert_int_not_equal(rng_seed(), rng_seed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_next_known_sequence),
        cmocka_unit_test(test_rng_below_stays_below_and_reaches_all),
        cmocka_unit_test(test_rng_below_has_no_modulo_bias),
        cmocka_unit_test(test_rng_seed_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
