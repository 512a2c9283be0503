/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pop/route/last_resort.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { NOW_MS = 1000, PEERS_MAX = 4, ROUNDS = 200000 };

static void test_choose_follows_table(void **state)
{
    (void)state;
    static const uint64_t just_ms = NOW_MS - LAST_RESORT_GAP_MS + 1;
    static const uint64_t long_ms = NOW_MS - LAST_RESORT_GAP_MS;
    const struct {
        const char *what;
        struct last_resort_peer peers[3];
        struct last_resort expected;
    } rows[] = {
        { "nobody",
          { { .is_excluded = true }, { .is_excluded = true }, { .is_excluded = true } },
          { LAST_RESORT_NONE, SIZE_MAX, UINT64_MAX } },
        { "of the connected the one that failed longest ago",
          { { .is_ready = true, .failed_ms = 7 }, { .is_ready = true, .failed_ms = 5 }, { 0 } },
          { LAST_RESORT_USE, 1, UINT64_MAX } },
        { "a connected one that was tried is none",
          { { .is_ready = true, .is_excluded = true }, { .failed_ms = 5 }, { .is_full = true } },
          { LAST_RESORT_OPEN, 1, UINT64_MAX } },
        { "one at a time",
          { { .is_coming = true }, { .is_full = true }, { .failed_ms = long_ms } },
          { LAST_RESORT_OPEN, 2, UINT64_MAX } },
        { "not within the gap",
          { { .is_coming = true }, { .failed_ms = just_ms }, { .failed_ms = just_ms + 1 } },
          { LAST_RESORT_WAIT, SIZE_MAX, NOW_MS + 1 } },
        { "for what is on its way",
          { { .is_coming = true }, { .is_coming = true }, { .is_excluded = true } },
          { LAST_RESORT_WAIT, SIZE_MAX, UINT64_MAX } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct last_resort found = last_resort_choose(rows[i].peers, 3, NOW_MS);
        if (found.action != rows[i].expected.action || found.peer != rows[i].expected.peer ||
            found.next_ms != rows[i].expected.next_ms)
            fail_msg("%s: action %d peer %zu", rows[i].what, (int)found.action, found.peer);
    }
}

/* ---- the twin: the rules one after the other, over all peers --------------------------------- */

/* Is no peer that `suits` better than `peer`? */
static bool is_first(const struct last_resort_peer *peers, size_t count, size_t peer,
                     bool (*suits)(const struct last_resort_peer *peer))
{
    const struct last_resort_peer *chosen = &peers[peer];
    for (const struct last_resort_peer *other = peers; other < peers + count; other++) {
        bool is_equal = other->failed_ms == chosen->failed_ms;
        bool is_better = other->failed_ms < chosen->failed_ms || (is_equal && other < chosen);
        if (suits(other) && is_better)
            return false;
    }
    return suits(chosen);
}

static bool suits_use(const struct last_resort_peer *peer)
{
    return !peer->is_excluded && peer->is_ready;
}

static bool suits_open(const struct last_resort_peer *peer)
{
    return !peer->is_excluded && !peer->is_coming && !peer->is_full;
}

static bool suits_wait(const struct last_resort_peer *peer)
{
    return !peer->is_excluded;
}

static bool has_any(const struct last_resort_peer *peers, size_t count,
                    bool (*suits)(const struct last_resort_peer *peer))
{
    for (size_t i = 0; i < count; i++)
        if (suits(&peers[i]))
            return true;
    return false;
}

static bool is_due(const struct last_resort_peer *peer)
{
    return peer->failed_ms == 0 || NOW_MS - peer->failed_ms >= LAST_RESORT_GAP_MS;
}

static void check(const struct last_resort_peer *peers, size_t count)
{
    struct last_resort found = last_resort_choose(peers, count, NOW_MS);
    switch (found.action) {
    case LAST_RESORT_USE:
        assert_true(is_first(peers, count, found.peer, suits_use));
        break;
    case LAST_RESORT_OPEN:
        assert_false(has_any(peers, count, suits_use));
        assert_true(is_first(peers, count, found.peer, suits_open));
        assert_true(is_due(&peers[found.peer]));
        break;
    case LAST_RESORT_WAIT:
        assert_false(has_any(peers, count, suits_use));
        assert_true(has_any(peers, count, suits_wait));
        assert_true(found.next_ms > NOW_MS);
        assert_int_equal(found.next_ms != UINT64_MAX, has_any(peers, count, suits_open));
        /* At that time somebody may be opened, and not before. */
        for (size_t i = 0; i < count; i++)
            if (suits_open(&peers[i]))
                assert_true(peers[i].failed_ms + LAST_RESORT_GAP_MS >= found.next_ms);
        break;
    case LAST_RESORT_NONE:
        assert_false(has_any(peers, count, suits_wait));
        break;
    }
}

static void test_choose_is_like_its_twin(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct last_resort_peer peers[PEERS_MAX];
        size_t count = rng_below(&rng, PEERS_MAX + 1);
        for (size_t i = 0; i < count; i++)
            peers[i] = (struct last_resort_peer){
                .is_excluded = rng_below(&rng, 4) == 0,
                .is_ready = rng_below(&rng, 4) == 0,
                .is_coming = rng_below(&rng, 3) == 0,
                .is_full = rng_below(&rng, 4) == 0,
                .failed_ms = rng_below(&rng, 3) == 0 ? 0 : NOW_MS - rng_below(&rng, 30),
            };
        check(peers, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose_follows_table),
        cmocka_unit_test(test_choose_is_like_its_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
