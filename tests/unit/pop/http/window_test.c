/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/http/window.h"

static void test_consume_doubles_up_to_the_maximum(void **state)
{
    (void)state;
    struct window_budget budget = { .bytes = 1 << 20 };
    struct window window;
    window_init(&window, 1000, 5000);
    assert_int_equal(window_consume(&window, &budget, 249, 0), 0);
    assert_int_equal(window_consume(&window, &budget, 1, 0), 2000);
    assert_int_equal(window_consume(&window, &budget, 499, 0), 0); /* counted anew */
    assert_int_equal(window_consume(&window, &budget, 1, 0), 4000);
    assert_int_equal(window_consume(&window, &budget, 1000, 0), 5000);
    assert_int_equal(window_consume(&window, &budget, 100000, 0), 0);
    assert_int_equal(budget.bytes, (1 << 20) - 4000);
    window_fini(&window, &budget);
    assert_int_equal(budget.bytes, 1 << 20);
}

static void test_consume_does_not_grow_for_a_slow_reader(void **state)
{
    (void)state;
    struct window_budget budget = { .bytes = 1 << 20 };
    struct window window;
    window_init(&window, 1000, 5000);
    assert_int_equal(window_consume(&window, &budget, 10000, 501), 0);
    assert_int_equal(window_consume(&window, &budget, 1, 500), 2000);
}

static void test_consume_stays_within_the_budget(void **state)
{
    (void)state;
    struct window_budget budget = { .bytes = 2500 };
    struct window windows[3];
    for (int i = 0; i < 3; i++)
        window_init(&windows[i], 1000, 4000);
    assert_int_equal(window_consume(&windows[0], &budget, 1000, 0), 2000);
    assert_int_equal(window_consume(&windows[1], &budget, 1000, 0), 2000);
    assert_int_equal(window_consume(&windows[2], &budget, 1000, 0), 0);
    window_fini(&windows[0], &budget);
    assert_int_equal(window_consume(&windows[2], &budget, 1, 0), 2000);
}

static void test_expect_opens_up_to_the_maximum(void **state)
{
    (void)state;
    struct window_budget budget = { .bytes = 1 << 20 };
    struct window window;
    window_init(&window, 1000, 5000);
    assert_int_equal(window_expect(&window, &budget, 1000), 0);
    assert_int_equal(window_expect(&window, &budget, 1001), 1001);
    assert_int_equal(window_expect(&window, &budget, UINT64_MAX), 5000);
    assert_int_equal(window_expect(&window, &budget, UINT64_MAX), 0);
    assert_int_equal(budget.bytes, (1 << 20) - 4000);
    window_fini(&window, &budget);
    assert_int_equal(budget.bytes, 1 << 20);
}

/* However much is announced and never read, who keeps up finds room. */
static void test_expect_leaves_most_of_the_budget(void **state)
{
    (void)state;
    struct window_budget budget = { .bytes = 64000 };
    struct window windows[8], reader;
    for (int i = 0; i < 8; i++) {
        uint64_t before = budget.bytes;
        window_init(&windows[i], 1000, 16000);
        assert_int_equal(window_expect(&windows[i], &budget, 1 << 30), 1000 + before / 8);
    }
    window_init(&reader, 1000, 16000);
    assert_int_equal(window_consume(&reader, &budget, 250, 0), 2000);
    assert_int_equal(window_consume(&reader, &budget, 500, 0), 4000);
}

static void test_init_keeps_to_the_protocols_ceiling(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, UINT32_MAX, UINT32_MAX);
    assert_int_equal(window.bytes, INT32_MAX);
    window_init(&window, 1000, 10);
    assert_int_equal(window.max, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_consume_doubles_up_to_the_maximum),
        cmocka_unit_test(test_consume_does_not_grow_for_a_slow_reader),
        cmocka_unit_test(test_consume_stays_within_the_budget),
        cmocka_unit_test(test_expect_opens_up_to_the_maximum),
        cmocka_unit_test(test_expect_leaves_most_of_the_budget),
        cmocka_unit_test(test_init_keeps_to_the_protocols_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
