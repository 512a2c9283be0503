/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pop/route/liveness.h"
#include "pop/route/rtt.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { IDLE_MS = 5000, TIMEOUT_MS = 500, T = 100000 };

static const struct liveness_settings settings = { .idle_ms = IDLE_MS,
                                                   .timeout_min_ms = TIMEOUT_MS };

static void test_check_follows_table(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct liveness_facts facts;
        struct liveness_verdict verdict;
    } rows[] = {
        { "idle, heard just now", { .now_ms = T, .heard_ms = T }, { LIVENESS_NONE, T + IDLE_MS } },
        { "idle for long",
          { .now_ms = T + IDLE_MS, .heard_ms = T },
          { LIVENESS_SEND_PING, T + IDLE_MS + TIMEOUT_MS } },
        { "first stream after idle",
          { .now_ms = T + 1000, .heard_ms = T, .open_streams = 1 },
          { LIVENESS_SEND_PING, T + 1000 + TIMEOUT_MS } },
        { "stream, heard just now",
          { .now_ms = T + 10, .heard_ms = T, .open_streams = 1 },
          { LIVENESS_NONE, T + LIVENESS_WAIT_MIN_MS } },
        { "stream, far away",
          { .now_ms = T + 300, .heard_ms = T, .open_streams = 1, .rtt_us = 200000 },
          { LIVENESS_NONE, T + 400 } },
        { "ping under way",
          { .now_ms = T + 10, .heard_ms = T - 10, .has_ping = true, .ping_since_ms = T },
          { LIVENESS_NONE, T + TIMEOUT_MS } },
        { "ping not answered",
          { .now_ms = T + TIMEOUT_MS, .heard_ms = T - 10, .has_ping = true, .ping_since_ms = T },
          { LIVENESS_DEAD, UINT64_MAX } },
        { "ping not answered, far away",
          { .now_ms = T + TIMEOUT_MS,
            .heard_ms = T,
            .has_ping = true,
            .ping_since_ms = T,
            .rtt_us = 200000 },
          { LIVENESS_NONE, T + 800 } },
        { "ping not answered, but data came",
          { .now_ms = T + TIMEOUT_MS, .heard_ms = T + 100, .has_ping = true, .ping_since_ms = T },
          { LIVENESS_NONE, T + 100 + TIMEOUT_MS } },
        { "ping not answered, and we slept",
          { .now_ms = T + 3000,
            .heard_ms = T,
            .has_ping = true,
            .ping_since_ms = T,
            .late_ms = 2500 },
          { LIVENESS_NONE, T + 3001 } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].what);
        struct liveness_verdict verdict = liveness_check(&settings, &rows[i].facts);
        assert_int_equal(verdict.action, rows[i].verdict.action);
        assert_int_equal(verdict.next_ms, rows[i].verdict.next_ms);
    }
}

static void test_check_without_idle_pings(void **state)
{
    (void)state;
    struct liveness_settings quiet = { .timeout_min_ms = TIMEOUT_MS };
    struct liveness_facts facts = { .now_ms = T + 1000000, .heard_ms = T };
    struct liveness_verdict verdict = liveness_check(&quiet, &facts);
    assert_int_equal(verdict.action, LIVENESS_NONE);
    assert_true(verdict.next_ms == UINT64_MAX);
    facts.open_streams = 1;
    assert_int_equal(liveness_check(&quiet, &facts).action, LIVENESS_SEND_PING);
}

/* A connection in millisecond steps: how long until a dead peer is found out, and is a living one
 * ever called dead? */
static uint64_t detect(struct rng *rng, uint64_t rtt_ms, uint64_t dies_ms, uint32_t streams)
{
    struct liveness_facts facts = { .rtt_us = rtt_ms * 1000, .open_streams = streams };
    uint64_t pong_ms = UINT64_MAX;
    uint64_t next_ms = 0;
    for (uint64_t now_ms = 0; now_ms < 100000; now_ms++) {
        if (now_ms == pong_ms) {
            facts.heard_ms = now_ms;
            facts.has_ping = false;
            pong_ms = UINT64_MAX;
        }
        if (now_ms < next_ms)
            continue;
        facts.now_ms = now_ms;
        struct liveness_verdict verdict = liveness_check(&settings, &facts);
        if (verdict.action == LIVENESS_DEAD)
            return now_ms;
        assert_true(verdict.next_ms > now_ms);
        next_ms = verdict.next_ms;
        if (verdict.action != LIVENESS_SEND_PING)
            continue;
        facts.has_ping = true;
        facts.ping_since_ms = now_ms;
        /* Up to three times as slow as usual is not dead. */
        uint64_t answer_ms = now_ms + 1 + rtt_ms + rng_below(rng, 2 * rtt_ms + 1);
        if (answer_ms < dies_ms)
            pong_ms = answer_ms;
    }
    return UINT64_MAX;
}

static void test_check_finds_the_dead_in_time(void **state)
{
    (void)state;
    struct rng rng = rng_init(11);
    for (uint64_t rtt_ms = 0; rtt_ms <= 300; rtt_ms += 20) {
        assert_true(detect(&rng, rtt_ms, UINT64_MAX, 0) == UINT64_MAX);
        assert_true(detect(&rng, rtt_ms, UINT64_MAX, 3) == UINT64_MAX);
        uint64_t timeout_ms = 4 * rtt_ms > TIMEOUT_MS ? 4 * rtt_ms : TIMEOUT_MS;
        uint64_t wait_ms = 2 * rtt_ms > LIVENESS_WAIT_MIN_MS ? 2 * rtt_ms : LIVENESS_WAIT_MIN_MS;
        uint64_t found_ms = detect(&rng, rtt_ms, 20000, 3);
        /* A ping may have been under way; bytes of the answer may have come late. */
        assert_in_range(found_ms, 20000, 20000 + wait_ms + 2 * timeout_ms);
        found_ms = detect(&rng, rtt_ms, 20000, 0);
        assert_in_range(found_ms, 20000, 20000 + IDLE_MS + 2 * timeout_ms);
    }
}

static void test_observe_smooths(void **state)
{
    (void)state;
    struct rtt rtt = { 0 };
    rtt_observe(&rtt, 1000);
    assert_int_equal(rtt.smoothed_us, 1000);
    assert_int_equal(rtt.deviation_us, 500);
    rtt_observe(&rtt, 2000); /* RFC 6298: 7/8 and 1/8; 3/4 and 1/4 */
    assert_int_equal(rtt.smoothed_us, 1125);
    assert_int_equal(rtt.deviation_us, 625);
    for (unsigned i = 0; i < 200; i++)
        rtt_observe(&rtt, 50000);
    assert_in_range(rtt.smoothed_us, 49900, 50000);
    assert_in_range(rtt.deviation_us, 0, 100);
    for (unsigned i = 0; i < 500; i++)
        rtt_observe(&rtt, 0);
    assert_in_range(rtt.smoothed_us, 1, 10); /* never "not measured" again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_follows_table),
        cmocka_unit_test(test_check_without_idle_pings),
        cmocka_unit_test(test_check_finds_the_dead_in_time),
        cmocka_unit_test(test_observe_smooths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
