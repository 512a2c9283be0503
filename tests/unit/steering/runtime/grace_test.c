/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "steering/base/mem.h"
#include "steering/runtime/grace.h"

struct rig {
    uv_loop_t loop;
    struct publisher *publisher;
    struct grace grace;
    unsigned over_count;
};

static void on_over(void *owner)
{
    struct rig *rig = owner;
    rig->over_count++;
}

static int setup(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    uv_loop_init(&rig->loop);
    rig->publisher = publisher_new(2, mem_calloc(1, 1), free);
    grace_open(&rig->grace, &rig->loop, rig->publisher, on_over, rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    grace_close(&rig->grace);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    publisher_free(rig->publisher);
    free(rig);
    return 0;
}

static void test_begin_is_over_at_once_when_all_workers_sleep(void **state)
{
    struct rig *rig = *state;
    publisher_publish(rig->publisher, mem_calloc(1, 1));
    grace_begin(&rig->grace);
    assert_int_equal(rig->over_count, 1);
    assert_false(rig->grace.is_waiting);
    assert_false(uv_loop_alive(&rig->loop)); /* no timer runs on */
}

static void test_begin_waits_for_a_reader(void **state)
{
    struct rig *rig = *state;
    publisher_enter(rig->publisher, 1);
    publisher_publish(rig->publisher, mem_calloc(1, 1));
    grace_begin(&rig->grace);
    for (int i = 0; i < 3; i++)
        uv_run(&rig->loop, UV_RUN_ONCE);
    assert_int_equal(rig->over_count, 0);
    /* Publishing once more prolongs the same wait. */
    publisher_publish(rig->publisher, mem_calloc(1, 1));
    grace_begin(&rig->grace);
    assert_int_equal(rig->over_count, 0);
    publisher_leave(rig->publisher, 1);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(rig->over_count, 1);
    assert_true(rig->grace.latest_ns > 0);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_begin_is_over_at_once_when_all_workers_sleep),
        WITH_RIG(test_begin_waits_for_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
