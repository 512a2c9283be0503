/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "pop/server/io.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { TIMERS = 200, STEPS = 20000 };

/* The twin: a plain array of times; UINT64_MAX: stopped. */
struct twin {
    struct io_timer timer;
    uint64_t at_ms;
    struct bench *bench;
};
struct bench {
    struct io_wheel wheel;
    struct twin twins[TIMERS];
    struct rng rng;
    uint64_t last_ms; /* of what has fired */
    size_t fired;
};

static uint64_t span(struct rng *rng)
{
    static const uint64_t spans[] = { 2, 64, 65, 500, 5000, 70000, 20000000, UINT64_C(1) << 40 };
    return 1 + rng_below(rng, spans[rng_below(rng, ARRAY_SIZE(spans))]);
}

static void on_fire(struct io_timer *timer);

static void start(struct twin *twin)
{
    struct bench *bench = twin->bench;
    io_wheel_remove(&twin->timer);
    twin->at_ms = bench->wheel.now_ms + span(&bench->rng);
    twin->timer.at_ms = twin->at_ms;
    twin->timer.on_fire = on_fire;
    io_wheel_insert(&bench->wheel, &twin->timer);
}

static void stop(struct twin *twin)
{
    io_wheel_remove(&twin->timer);
    twin->at_ms = UINT64_MAX;
}

static void on_fire(struct io_timer *timer)
{
    struct twin *twin = container_of(timer, struct twin, timer);
    struct bench *bench = twin->bench;
    assert_false(io_timer_is_running(timer));
    assert_int_equal(twin->at_ms, timer->at_ms);
    assert_int_equal(bench->wheel.now_ms, timer->at_ms); /* on time, when one looks on time */
    assert_true(timer->at_ms >= bench->last_ms);
    bench->last_ms = timer->at_ms;
    bench->fired++;
    twin->at_ms = UINT64_MAX;
    /* What callbacks do: start themselves again, stop and start others. */
    struct twin *other = &bench->twins[rng_below(&bench->rng, TIMERS)];
    switch (rng_below(&bench->rng, 4)) {
    case 0:
        start(twin);
        break;
    case 1:
        stop(other);
        break;
    case 2:
        start(other);
        break;
    default:
        break;
    }
}

static uint64_t earliest(const struct bench *bench)
{
    uint64_t found = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++)
        if (bench->twins[i].at_ms < found)
            found = bench->twins[i].at_ms;
    return found;
}

static void step(struct bench *bench)
{
    struct twin *twin = &bench->twins[rng_below(&bench->rng, TIMERS)];
    switch (rng_below(&bench->rng, 6)) {
    case 0:
        stop(twin);
        break;
    case 1:
    case 2:
        start(twin);
        break;
    default: {
        uint64_t due_ms = earliest(bench), next_ms = io_wheel_next_ms(&bench->wheel);
        assert_int_equal(next_ms == UINT64_MAX, due_ms == UINT64_MAX);
        assert_true(next_ms <= due_ms);
        uint64_t to_ms =
            bench->wheel.now_ms +
            (rng_below(&bench->rng, 3) == 0 ? span(&bench->rng) : rng_below(&bench->rng, 100));
        io_wheel_advance(&bench->wheel, to_ms);
        assert_int_equal(bench->wheel.now_ms, to_ms);
        assert_true(earliest(bench) > to_ms);
    }
    }
    assert_int_equal(io_timer_is_running(&twin->timer), twin->at_ms != UINT64_MAX);
}

static void test_wheel_agrees_with_an_array(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct bench *bench = mem_calloc(1, sizeof(*bench));
    bench->rng = rng_init(seed);
    bench->wheel.now_ms = rng_below(&bench->rng, UINT64_C(1) << 33);
    for (size_t i = 0; i < TIMERS; i++) {
        bench->twins[i].bench = bench;
        bench->twins[i].at_ms = UINT64_MAX;
    }
    for (int i = 0; i < STEPS; i++)
        step(bench);
    assert_true(bench->fired > STEPS / 20);
    free(bench);
}

static void test_wheel_next_reaches_a_far_timer_in_few_looks(void **state)
{
    (void)state;
    struct bench *bench = mem_calloc(1, sizeof(*bench));
    bench->wheel.now_ms = 12345678;
    bench->rng = rng_init(1);
    struct twin *twin = &bench->twins[0];
    twin->bench = bench;
    twin->at_ms = twin->timer.at_ms = bench->wheel.now_ms + 30 * 24 * 3600 * UINT64_C(1000);
    for (size_t i = 1; i < TIMERS; i++)
        bench->twins[i].bench = bench;
    twin->timer.on_fire = on_fire;
    io_wheel_insert(&bench->wheel, &twin->timer);
    unsigned looks = 0;
    while (bench->fired == 0) {
        looks++;
        io_wheel_advance(&bench->wheel, io_wheel_next_ms(&bench->wheel));
    }
    assert_true(looks <= IO_WHEEL_LEVELS);
    free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_agrees_with_an_array),
        cmocka_unit_test(test_wheel_next_reaches_a_far_timer_in_few_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
