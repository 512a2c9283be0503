/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steering/base/rng.h"
#include "steering/model/intern.h"

static void test_put_numbers_distinct_values(void **state)
{
    (void)state;
    enum { VALUES = 5000, PUTS = 50000 };
    struct intern intern;
    struct rng rng = rng_init(3);
    uint32_t number_of[VALUES];
    size_t seen = 0;
    memset(number_of, 0xff, sizeof(number_of));
    intern_init(&intern, sizeof(uint64_t));
    for (size_t i = 0; i < PUTS; i++) {
        uint64_t value = rng_below(&rng, VALUES);
        uint32_t number = intern_put(&intern, &value);
        if (number_of[value] == UINT32_MAX) {
            assert_int_equal(number, seen++);
            number_of[value] = number;
        }
        assert_int_equal(number, number_of[value]);
        uint64_t back;
        memcpy(&back, intern_at(&intern, number), sizeof(back));
        assert_int_equal(back, value);
    }
    assert_int_equal(intern.count, seen);
    assert_true(intern_memory_bytes(&intern) >= seen * sizeof(uint64_t));
    uint64_t *all = intern_take(&intern);
    assert_int_equal(number_of[all[7]], 7);
    assert_int_equal(intern.count, 0);
    free(all);
    intern_fini(&intern);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_put_numbers_distinct_values) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
