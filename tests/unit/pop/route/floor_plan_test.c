/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pop/route/floor_plan.h"
#include "steering/base/mem.h"

enum { NOW_MS = 1000000, PEERS_MAX = 5 };

/* ---- single plans ---------------------------------------------------------------------------- */

struct row {
    const char *what;
    uint32_t floor, max, waiting, count;
    struct floor_peer peers[3];
    const char *expected; /* "+0" opens to peer 0, "-1" retires of peer 1; in order of peers */
    uint64_t deficit;
};

#define FRESH .next_expiry_ms = UINT64_MAX
#define WARM(n, used) .warm = (n), .streams_used = (used), .streams_capacity = 100 * (n), FRESH

static const struct row rows[] = {
    { "nothing is wanted", 0, 8, 0, 2, { { FRESH }, { FRESH } }, "", 0 },
    { "nothing is wanted, but somebody waits", 0, 8, 1, 1, { { FRESH } }, "+0", 0 },
    { "one instance", 2, 8, 0, 1, { { FRESH } }, "+0+0", 2 },
    { "spread over both", 2, 8, 0, 2, { { FRESH }, { FRESH } }, "+0+1", 2 },
    { "a floor of one is of two, when there are two",
      1,
      8,
      0,
      2,
      { { FRESH }, { FRESH } },
      "+0+1",
      1 },
    { "at the floor", 2, 8, 0, 2, { { WARM(1, 5) }, { WARM(1, 5) } }, "", 0 },
    { "on their way",
      2,
      8,
      0,
      2,
      { { .connecting = 1, FRESH }, { .connecting = 1, FRESH } },
      "",
      2 },
    { "never above the ceiling", 4, 3, 0, 1, { { .warm = 1, .suspect = 1, FRESH } }, "+0", 2 },
    { "59 % is enough", 1, 8, 0, 1, { { WARM(1, 59) } }, "", 0 },
    { "61 % is not", 1, 8, 0, 1, { { WARM(1, 61) } }, "+0", 0 },
    { "those that wait count", 1, 8, 130, 1, { { WARM(1, 0) } }, "+0+0", 0 },
    { "all on one: one more to the other", 2, 8, 0, 2, { { WARM(2, 0) }, { FRESH } }, "+1", 0 },
    { "three to one", 4, 8, 0, 2, { { WARM(3, 0) }, { WARM(1, 0) } }, "+1", 0 },
    { "three to two is fine", 5, 8, 0, 2, { { WARM(3, 0) }, { WARM(2, 0) } }, "", 0 },
    { "ejected: neither counted nor opened",
      2,
      8,
      0,
      2,
      { { WARM(2, 0), .is_out = true }, { FRESH } },
      "+1+1",
      2 },
    { "failed: not before its time",
      2,
      8,
      0,
      2,
      { { .next_try_ms = NOW_MS + 1, FRESH }, { FRESH } },
      "+1+1",
      2 },
    { "failed: then one, not relied upon",
      2,
      8,
      0,
      2,
      { { .next_try_ms = NOW_MS, FRESH }, { FRESH } },
      "+0+1+1",
      2 },
    { "failed: one at a time",
      2,
      8,
      0,
      1,
      { { .next_try_ms = 1, .connecting = 1, FRESH } },
      "",
      2 },
    { "expired: replacement first", 1, 8, 0, 1, { { .warm = 1, .expired = 1, FRESH } }, "+0", 1 },
    { "expired: replaced",
      1,
      8,
      0,
      1,
      { { .warm = 2, .expired = 1, .streams_capacity = 100, FRESH } },
      "-0",
      0 },
    { "expired, at the ceiling: another serves",
      2,
      2,
      0,
      1,
      { { .warm = 2, .expired = 1, .streams_capacity = 100, FRESH } },
      "+0-0",
      1 },
    { "expired, at the ceiling: it is the last",
      1,
      1,
      0,
      1,
      { { .warm = 1, .expired = 1, FRESH } },
      "",
      1 },
    { "expired, all that its instance has: the replacement fills the ceiling",
      1,
      5,
      0,
      2,
      { { .warm = 1, .expired = 1, .connecting = 1, FRESH }, { WARM(3, 0) } },
      "",
      0 },
    { "expired, all that its instance has: the last connect failed, the next replaces it",
      1,
      5,
      0,
      2,
      { { .warm = 1, .expired = 1, .next_try_ms = NOW_MS, FRESH }, { WARM(2, 0) } },
      "+0",
      0 },
    { "expired, all that its instance has: nobody knows whether it can be replaced",
      1,
      5,
      0,
      2,
      { { .warm = 1, .expired = 1, .next_try_ms = NOW_MS + 5, FRESH }, { WARM(2, 0) } },
      "",
      0 },
    { "a ceiling full of what is on one instance",
      1,
      3,
      0,
      2,
      { { WARM(3, 0) }, { FRESH } },
      "-0+1",
      0 },
    { "a ceiling full of ejected ones",
      1,
      2,
      0,
      2,
      { { WARM(2, 0), .is_out = true }, { FRESH } },
      "-0+1",
      1 },
};

static void describe(const struct floor_plan *plan, size_t peers, char *out)
{
    for (size_t peer = 0; peer < peers; peer++)
        for (unsigned kind = FLOOR_OPEN; kind <= FLOOR_RETIRE; kind++)
            for (size_t i = 0; i < plan->count; i++)
                if (plan->actions[i].peer == peer && plan->actions[i].kind == kind) {
                    *out++ = kind == FLOOR_OPEN ? '+' : '-';
                    *out++ = (char)('0' + peer);
                }
    *out = '\0';
}

static void test_make_follows_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].what);
        struct floor_wish wish = { rows[i].peers, rows[i].count, rows[i].floor, rows[i].max,
                                   rows[i].waiting };
        struct connect_rate rate = connect_rate_init(100, NOW_MS);
        struct floor_state remembered = { 0 };
        struct rng rng = rng_init(i);
        struct floor_plan plan = floor_plan_make(&remembered, &wish, &rate, NOW_MS, &rng);
        if (strlen(rows[i].expected) / 2 > FLOOR_ACTIONS_MAX) {
            assert_int_equal(plan.next_ms, NOW_MS); /* tiny: the rest comes with the next plan */
            continue;
        }
        char text[4 * FLOOR_ACTIONS_MAX + 1];
        describe(&plan, rows[i].count, text);
        assert_string_equal(text, rows[i].expected);
        assert_int_equal(plan.deficit, rows[i].deficit);
    }
}

static void test_make_heeds_the_rate(void **state)
{
    (void)state;
    struct floor_peer peers[1] = { { FRESH } };
    struct floor_wish wish = { peers, 1, 2, 8, 0 };
    struct connect_rate rate = connect_rate_init(1, NOW_MS);
    struct floor_state remembered = { 0 };
    struct rng rng = rng_init(1);
    struct floor_plan plan = floor_plan_make(&remembered, &wish, &rate, NOW_MS, &rng);
    assert_int_equal(plan.count, 1);
    assert_int_equal(plan.next_ms, NOW_MS + 1000);
}

/* Eight connections, of which a floor of two would be enough. */
static struct floor_plan plan_of_eight(struct floor_state *remembered, uint32_t used,
                                       uint64_t now_ms)
{
    const struct floor_peer peers[2] = { { WARM(5, used) }, { WARM(3, 0) } };
    struct floor_wish wish = { peers, 2, 2, 8, 0 };
    struct connect_rate rate = connect_rate_init(1, now_ms);
    struct rng rng = rng_init(1);
    return floor_plan_make(remembered, &wish, &rate, now_ms, &rng);
}

static void test_make_shrinks_late(void **state)
{
    (void)state;
    struct floor_state remembered = { 0 };
    struct floor_plan plan = plan_of_eight(&remembered, 0, NOW_MS);
    assert_int_equal(plan.count, 0);
    assert_int_equal(plan.next_ms, NOW_MS + FLOOR_SHRINK_MS);
    /* Needed once in between: it begins again. */
    plan_of_eight(&remembered, 400, NOW_MS + 20000);
    plan = plan_of_eight(&remembered, 0, NOW_MS + FLOOR_SHRINK_MS);
    assert_int_equal(plan.count, 0);
    plan = plan_of_eight(&remembered, 0, NOW_MS + 2 * FLOOR_SHRINK_MS);
    char text[4 * FLOOR_ACTIONS_MAX + 1];
    describe(&plan, 2, text);
    if (FLOOR_ACTIONS_MAX > 2)
        assert_string_equal(text, "-0-0-0"); /* half, from where the most are */
}

static void test_backoff_and_expiry_ranges(void **state)
{
    (void)state;
    struct rng rng = rng_init(1);
    uint64_t full_ms = FLOOR_BACKOFF_MIN_MS;
    for (uint32_t failures = 1; failures < 40; failures++) {
        for (unsigned i = 0; i < 100; i++)
            assert_in_range(floor_plan_backoff_ms(failures, &rng), full_ms / 2, full_ms);
        full_ms = 2 * full_ms < FLOOR_BACKOFF_MAX_MS ? 2 * full_ms : FLOOR_BACKOFF_MAX_MS;
    }
    for (unsigned i = 0; i < 1000; i++)
        assert_in_range(floor_plan_expiry_ms(60000, NOW_MS, &rng), NOW_MS + 48000, NOW_MS + 60000);
    assert_true(floor_plan_expiry_ms(0, NOW_MS, &rng) == UINT64_MAX);
}

/* ---- a world that fails ---------------------------------------------------------------------- */

enum {
    CONNS_MAX = 64,
    STREAMS_EACH = 100,
    PER_S = 20,
    CONNECT_OK_MS = 60,
    CONNECT_FAIL_MS = 300,
    SUSPECT_MS = 500,
    AGE_MS = 20000,
    STORM_MS = 60000,
    /* Backoff, a failed and a good connect, and as many connects as the rate allows. */
    RESTORE_MS = FLOOR_BACKOFF_MAX_MS + CONNECT_FAIL_MS + CONNECT_OK_MS + 2000,
    CALM_MS = RESTORE_MS + 5000,
    WORLDS = 60,
};

enum conn_state { GONE = 0, CONNECTING, LIVE, SUSPECT };

struct conn {
    enum conn_state state;
    size_t peer;
    uint64_t due_ms; /* when the connect ends, or the suspect is given up */
    uint64_t expires_ms;
    bool will_succeed;
};

struct world {
    struct rng rng;
    struct conn conns[CONNS_MAX];
    struct floor_peer peers[PEERS_MAX];
    bool is_up[PEERS_MAX];
    uint32_t failures[PEERS_MAX];
    size_t count;
    struct floor_wish wish;
    struct floor_state remembered;
    struct connect_rate rate;
    uint64_t now_ms, plan_at_ms;
    uint32_t load; /* streams wanted */
    uint64_t opened;
    uint64_t opens_ms[64]; /* the latest, as a ring */
};

static uint32_t count_conns(const struct world *world, size_t peer, enum conn_state state)
{
    uint32_t count = 0;
    for (size_t i = 0; i < CONNS_MAX; i++)
        count +=
            world->conns[i].state == state && (peer == SIZE_MAX || world->conns[i].peer == peer);
    return count;
}

static uint32_t count_total(const struct world *world)
{
    return CONNS_MAX - count_conns(world, SIZE_MAX, GONE);
}

/* Warm ones that requests may use. */
static uint32_t count_usable(const struct world *world)
{
    uint32_t count = 0;
    for (size_t i = 0; i < world->count; i++)
        if (!world->peers[i].is_out)
            count += count_conns(world, i, LIVE);
    return count;
}

static void gather(struct world *world)
{
    uint32_t usable = count_usable(world);
    for (size_t i = 0; i < world->count; i++) {
        struct floor_peer *peer = &world->peers[i];
        peer->connecting = count_conns(world, i, CONNECTING);
        peer->warm = count_conns(world, i, LIVE);
        peer->suspect = count_conns(world, i, SUSPECT);
        peer->expired = 0;
        peer->next_expiry_ms = UINT64_MAX;
        for (size_t j = 0; j < CONNS_MAX; j++) {
            const struct conn *conn = &world->conns[j];
            if (conn->state != LIVE || conn->peer != i)
                continue;
            if (conn->expires_ms <= world->now_ms)
                peer->expired++;
            else if (conn->expires_ms < peer->next_expiry_ms)
                peer->next_expiry_ms = conn->expires_ms;
        }
        peer->streams_capacity = (peer->warm - peer->expired) * STREAMS_EACH;
        uint32_t room = usable * STREAMS_EACH;
        uint32_t used = world->load < room ? world->load : room;
        peer->streams_used = peer->is_out || usable == 0 ? 0 : used * peer->warm / usable;
    }
    uint32_t room = usable * STREAMS_EACH;
    world->wish.waiting = world->load > room ? world->load - room : 0;
}

static void open_conn(struct world *world, size_t peer)
{
    struct conn *conn = world->conns;
    while (conn->state != GONE)
        conn++;
    assert_true(conn < world->conns + CONNS_MAX);
    assert_false(world->peers[peer].is_out);
    assert_true(world->peers[peer].next_try_ms <= world->now_ms);
    bool is_up = world->is_up[peer];
    *conn = (struct conn){ .state = CONNECTING,
                           .peer = peer,
                           .will_succeed = is_up,
                           .due_ms = world->now_ms + (is_up ? CONNECT_OK_MS : CONNECT_FAIL_MS) };
    /* Of any PER_S + 1 in a row beyond the burst, the rate must hold. */
    uint64_t *slot = &world->opens_ms[world->opened % 64];
    if (world->opened >= 2 * PER_S)
        assert_true(world->now_ms - world->opens_ms[(world->opened - 2 * PER_S) % 64] >= 1000 - 50);
    *slot = world->now_ms;
    world->opened++;
}

static void retire_conn(struct world *world, size_t peer)
{
    struct conn *oldest = NULL;
    for (size_t i = 0; i < CONNS_MAX; i++) {
        struct conn *conn = &world->conns[i];
        if (conn->state == LIVE && conn->peer == peer &&
            (oldest == NULL || conn->expires_ms < oldest->expires_ms))
            oldest = conn;
    }
    assert_non_null(oldest);
    oldest->state = GONE;
}

static void plan_now(struct world *world)
{
    /* Each plan acts, and says when to come again; it must come to rest. */
    for (unsigned turns = 0;; turns++) {
        assert_true(turns < 200);
        gather(world);
        uint32_t usable = count_usable(world);
        struct floor_plan plan = floor_plan_make(&world->remembered, &world->wish, &world->rate,
                                                 world->now_ms, &world->rng);
        uint32_t wanted = world->wish.floor;
        for (size_t i = 0; i < plan.count; i++) {
            if (plan.actions[i].kind == FLOOR_OPEN)
                open_conn(world, plan.actions[i].peer);
            else
                retire_conn(world, plan.actions[i].peer);
        }
        assert_true(count_total(world) <= world->wish.connections_max);
        /* Whatever is retired, what serves stays, and the floor if there was one. */
        assert_true(usable == 0 || count_usable(world) > 0);
        if (usable >= wanted && count_total(world) < world->wish.connections_max)
            assert_true(count_usable(world) >= wanted);
        world->plan_at_ms = plan.next_ms;
        if (plan.count == 0) {
            assert_true(plan.next_ms > world->now_ms);
            return;
        }
    }
}

/* A connect that came through, one that failed, a suspect that is given up. True: something was. */
static bool settle(struct world *world)
{
    bool has_changed = false;
    for (size_t i = 0; i < CONNS_MAX; i++) {
        struct conn *conn = &world->conns[i];
        if ((conn->state != CONNECTING && conn->state != SUSPECT) || conn->due_ms > world->now_ms)
            continue;
        has_changed = true;
        struct floor_peer *peer = &world->peers[conn->peer];
        if (conn->state == SUSPECT) {
            conn->state = GONE;
        } else if (conn->will_succeed && world->is_up[conn->peer]) {
            conn->state = LIVE;
            conn->expires_ms = floor_plan_expiry_ms(AGE_MS, world->now_ms, &world->rng);
            world->failures[conn->peer] = 0;
            peer->next_try_ms = 0;
        } else {
            conn->state = GONE;
            peer->next_try_ms =
                world->now_ms + floor_plan_backoff_ms(++world->failures[conn->peer], &world->rng);
        }
    }
    return has_changed;
}

static void suspect_all(struct world *world, size_t peer)
{
    for (size_t i = 0; i < CONNS_MAX; i++)
        if (world->conns[i].state == LIVE && world->conns[i].peer == peer) {
            world->conns[i].state = SUSPECT;
            world->conns[i].due_ms = world->now_ms + SUSPECT_MS;
        }
}

/* Something happens to somebody. */
static void strike(struct world *world)
{
    size_t peer = rng_below(&world->rng, world->count);
    struct conn *conn = &world->conns[rng_below(&world->rng, CONNS_MAX)];
    switch (rng_below(&world->rng, 5)) {
    case 0:
        world->is_up[peer] = !world->is_up[peer];
        if (!world->is_up[peer])
            suspect_all(world, peer);
        break;
    case 1:
        if (conn->state == LIVE)
            conn->state = GONE; /* GOAWAY */
        break;
    case 2:
        world->peers[peer].is_out = !world->peers[peer].is_out;
        break;
    case 3:
        world->load = (uint32_t)rng_below(&world->rng, 3 * STREAMS_EACH);
        break;
    default:
        suspect_all(world, peer);
        break;
    }
}

/* `strikes_each_ms` 0: calm. */
static void run(struct world *world, uint64_t until_ms, uint64_t strikes_each_ms)
{
    for (; world->now_ms < until_ms; world->now_ms++) {
        bool must_plan = settle(world) || world->now_ms >= world->plan_at_ms;
        if (strikes_each_ms > 0 && rng_below(&world->rng, strikes_each_ms) == 0) {
            strike(world);
            must_plan = true;
        }
        if (must_plan)
            plan_now(world);
    }
}

static void heal(struct world *world)
{
    world->load = 0;
    for (size_t i = 0; i < world->count; i++) {
        world->is_up[i] = true;
        world->peers[i].is_out = false;
    }
    plan_now(world);
}

static size_t count_instances(const struct world *world)
{
    size_t instances = 0;
    for (size_t i = 0; i < world->count; i++)
        instances += count_conns(world, i, LIVE) > 0;
    return instances;
}

static void live_through(uint64_t seed)
{
    struct world world = { .rng = rng_init(seed), .now_ms = NOW_MS };
    world.count = 1 + rng_below(&world.rng, PEERS_MAX);
    world.wish = (struct floor_wish){ .peers = world.peers,
                                      .count = world.count,
                                      .floor = 1 + (uint32_t)rng_below(&world.rng, 4) };
    /* Room for every floor, for its replacement, and for the suspects of a moment. */
    world.wish.connections_max = world.wish.floor + 4 + (uint32_t)rng_below(&world.rng, 20);
    world.rate = connect_rate_init(PER_S, NOW_MS);
    for (size_t i = 0; i < world.count; i++)
        world.is_up[i] = true;
    run(&world, NOW_MS + 1000, 0);
    assert_true(count_usable(&world) >= world.wish.floor);

    run(&world, world.now_ms + STORM_MS, 20 + rng_below(&world.rng, 2000));
    heal(&world);
    run(&world, world.now_ms + RESTORE_MS, 0);
    /* Restored in time, and kept from then on, also while connections reach their age. */
    for (uint64_t end_ms = world.now_ms + 2 * AGE_MS; world.now_ms < end_ms;) {
        run(&world, world.now_ms + 1, 0);
        assert_true(count_usable(&world) >= world.wish.floor);
        if (world.count > 1)
            assert_true(count_instances(&world) >= 2);
    }
    /* And no more than is needed, when all has been quiet for long. */
    run(&world, world.now_ms + 5 * FLOOR_SHRINK_MS, 0);
    uint32_t needed = world.wish.floor > 1 || world.count == 1 ? world.wish.floor : 2;
    assert_true(count_usable(&world) <= needed + 2);
    uint64_t opened = world.opened;
    run(&world, world.now_ms + 2 * AGE_MS, 0);
    /* Replacement only: no connection is opened and closed in circles. */
    assert_true(world.opened - opened <= 4 * (needed + 2));
}

static void test_simulated_floor_is_restored(void **state)
{
    (void)state;
    const char *wanted = getenv("STEER_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : rng_seed() >> 16;
    print_message("STEER_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < WORLDS; i++)
        live_through(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_follows_table),
        cmocka_unit_test(test_make_heeds_the_rate),
        cmocka_unit_test(test_make_shrinks_late),
        cmocka_unit_test(test_backoff_and_expiry_ranges),
        cmocka_unit_test(test_simulated_floor_is_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
