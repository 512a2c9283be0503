/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "steering/base/rng.h"
#include "tests/unit/pop/route/attempts_rules.h"

enum { ROUNDS = 200000 };

static uint64_t below(void *owner, uint64_t bound)
{
    return rng_below(owner, bound);
}

static void test_random_events_keep_the_rules(void **state)
{
    (void)state;
    const char *wanted = getenv("STEER_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : rng_seed() >> 16;
    print_message("STEER_SEED=%llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    for (size_t i = 0; i < ROUNDS; i++)
        rules_play((struct draw){ below, &rng });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_events_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
