/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pop/route/choice.h"
#include "steering/base/mem.h"

enum { PEERS = 8, PICKS = 20000, NOW_MS = 1000000 };

static struct choice_stats peer_with_latency(uint64_t latency_us)
{
    struct choice_stats stats;
    choice_init(&stats, false, NOW_MS);
    choice_begun(&stats);
    choice_ended(&stats, &(struct choice_outcome){ false, latency_us, CHOICE_NO_LOAD }, NOW_MS);
    return stats;
}

/* Shares in percent of picks among peers, all usable. */
static void count_picks(const struct choice_stats *stats, size_t count, uint64_t now_ms,
                        unsigned *out_percent)
{
    struct choice_peer peers[PEERS];
    struct rng rng = rng_init(7);
    unsigned picks[PEERS] = { 0 };
    for (size_t i = 0; i < count; i++)
        peers[i] = (struct choice_peer){ &stats[i], true };
    for (size_t i = 0; i < PICKS; i++)
        picks[choice_pick(peers, count, now_ms, &rng)]++;
    for (size_t i = 0; i < count; i++)
        out_percent[i] = picks[i] * 100 / PICKS;
}

static void test_pick_finds_the_usable_one(void **state)
{
    (void)state;
    struct choice_stats stats[PEERS];
    struct choice_peer peers[PEERS];
    struct rng rng = rng_init(1);
    /* Every set of usable peers: one of them is picked, and each of them is at some time. */
    for (unsigned set = 0; set < 1u << PEERS; set++) {
        unsigned seen = 0;
        for (size_t i = 0; i < PEERS; i++) {
            choice_init(&stats[i], false, NOW_MS);
            peers[i] = (struct choice_peer){ &stats[i], set >> i & 1 };
        }
        for (size_t i = 0; i < 100; i++) {
            size_t at = choice_pick(peers, PEERS, NOW_MS, &rng);
            if (set == 0) {
                assert_true(at == CHOICE_NONE);
                continue;
            }
            assert_true(at < PEERS && (set >> at & 1));
            seen |= 1u << at;
        }
        if ((set & (set - 1)) == 0)
            assert_int_equal(seen, set);
    }
    assert_true(choice_pick(peers, 0, NOW_MS, &rng) == CHOICE_NONE);
}

static void test_pick_shares_among_equals(void **state)
{
    (void)state;
    struct choice_stats stats[4];
    unsigned percent[4];
    for (size_t i = 0; i < 4; i++)
        stats[i] = peer_with_latency(1000 + 20 * i);
    count_picks(stats, 4, NOW_MS, percent);
    for (size_t i = 0; i < 4; i++)
        assert_in_range(percent[i], 23, 27);
}

static void test_pick_avoids_what_is_worse(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct choice_stats worse;
    } rows[] = {
        { "in flight", { .in_flight = 3 } },
        { "latency", { .latency_us = 2000, .latency_at_ms = NOW_MS } },
        { "load", { .load_percent = 90, .load_at_ms = NOW_MS } },
        { "errors", { .errors = 1, .errors_at_ms = NOW_MS } },
        { "probation", { .is_on_probation = true, .probation_since_ms = NOW_MS } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct choice_stats stats[2] = { peer_with_latency(1000), rows[i].worse };
        if (stats[1].latency_us == 0)
            stats[1].latency_us = 1000;
        stats[1].latency_at_ms = NOW_MS;
        if (stats[1].load_at_ms == 0)
            stats[1].load_percent = CHOICE_NO_LOAD;
        unsigned percent[2];
        count_picks(stats, 2, NOW_MS, percent);
        assert_int_equal(percent[0], 100);
        /* With everything forgiven it is as good as the other, or better. */
        stats[1].in_flight = 0;
        stats[0].latency_at_ms = NOW_MS + 60000;
        count_picks(stats, 2, NOW_MS + 60000, percent);
        assert_true(percent[1] >= 45);
    }
}

static void test_score_grows_with_load(void **state)
{
    (void)state;
    struct choice_stats stats = peer_with_latency(1000);
    double before = choice_score(&stats, 0, NOW_MS);
    for (uint32_t load = 0; load <= 200; load += 10) {
        stats.load_percent = load;
        stats.load_at_ms = NOW_MS;
        double score = choice_score(&stats, 0, NOW_MS);
        assert_true(load <= 50 ? score == before : score > before);
        before = score;
    }
    /* An old report says nothing. */
    double fresh = choice_score(&stats, 0, NOW_MS + CHOICE_LOAD_VALID_MS - 1);
    assert_true(choice_score(&stats, 0, NOW_MS + CHOICE_LOAD_VALID_MS) < fresh / 10);
}

static void test_probation_ramps(void **state)
{
    (void)state;
    struct choice_stats stats = peer_with_latency(1000);
    stats.latency_us = 0;
    choice_start_probation(&stats, NOW_MS);
    double last = choice_score(&stats, 1000, NOW_MS);
    assert_true(last > 3999 && last < 4001);
    for (uint64_t ms = 1000; ms <= CHOICE_PROBATION_MS; ms += 1000) {
        double score = choice_score(&stats, 1000, NOW_MS + ms);
        assert_true(score < last);
        last = score;
    }
    assert_true(last > 999 && last < 1001);
}

static void test_ended_learns(void **state)
{
    (void)state;
    struct choice_stats stats = peer_with_latency(1000);
    assert_int_equal(stats.in_flight, 0);
    for (size_t i = 0; i < 100; i++) {
        choice_begun(&stats);
        choice_ended(&stats, &(struct choice_outcome){ false, 5000, 30 }, NOW_MS);
    }
    assert_in_range((unsigned)stats.latency_us, 4900, 5000);
    assert_int_equal(stats.load_percent, 30);
    /* A failure is no good latency, however fast it was; a report that is missing changes none. */
    choice_ended(&stats, &(struct choice_outcome){ true, 1, CHOICE_NO_LOAD }, NOW_MS);
    assert_in_range((unsigned)stats.latency_us, 4900, 5000);
    assert_int_equal(stats.load_percent, 30);
    assert_true(stats.errors == 1);
    choice_ended(&stats, &(struct choice_outcome){ true, 0, CHOICE_NO_LOAD },
                 NOW_MS + CHOICE_ERROR_HALF_LIFE_MS);
    assert_true(stats.errors > 1.49 && stats.errors < 1.51);
}

/* A peer of twice the speed gets about twice as much when all are busy. */
static void test_pick_balances_by_speed(void **state)
{
    (void)state;
    enum { STEPS = 100000, CONCURRENT = 30 };
    struct choice_stats stats[3];
    struct choice_peer peers[3];
    static const uint64_t service_ms[3] = { 10, 10, 20 };
    unsigned done[3] = { 0 };
    size_t of_slot[CONCURRENT];
    uint64_t end_ms[CONCURRENT] = { 0 };
    struct rng rng = rng_init(3);
    for (size_t i = 0; i < 3; i++) {
        choice_init(&stats[i], false, 0);
        peers[i] = (struct choice_peer){ &stats[i], true };
    }
    for (uint64_t now_ms = 1; now_ms < STEPS / CONCURRENT; now_ms++)
        for (size_t slot = 0; slot < CONCURRENT; slot++) {
            if (end_ms[slot] > now_ms)
                continue;
            if (end_ms[slot] > 0) {
                size_t at = of_slot[slot];
                choice_ended(
                    &stats[at],
                    &(struct choice_outcome){ false, service_ms[at] * 1000, CHOICE_NO_LOAD },
                    now_ms);
                done[at]++;
            }
            of_slot[slot] = choice_pick(peers, 3, now_ms, &rng);
            choice_begun(&stats[of_slot[slot]]);
            end_ms[slot] = now_ms + service_ms[of_slot[slot]];
        }
    assert_true(done[0] > done[2] * 3 / 2 && done[1] > done[2] * 3 / 2);
    assert_true(done[2] > done[0] / 8); /* slow, and not forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick_finds_the_usable_one),
        cmocka_unit_test(test_pick_shares_among_equals),
        cmocka_unit_test(test_pick_avoids_what_is_worse),
        cmocka_unit_test(test_score_grows_with_load),
        cmocka_unit_test(test_probation_ramps),
        cmocka_unit_test(test_ended_learns),
        cmocka_unit_test(test_pick_balances_by_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
