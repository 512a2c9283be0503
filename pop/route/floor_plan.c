/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/floor_plan.h"

#include <assert.h>

enum { STREAMS_UNKNOWN = 100 /* of a connection, until one is warm: HTTP/2's usual offer */ };

/* What a peer is worth to the plan. */
struct share {
    uint32_t serving; /* warm and not expired */
    uint32_t active;  /* ... and what will be */
    uint32_t connecting;
    bool is_out;
    bool is_doubtful; /* its last connect failed */
};

struct work {
    const struct floor_wish *wish;
    struct share shares[FLOOR_PEERS_MAX];
    size_t count;
    uint32_t total; /* against the ceiling */
    uint32_t serving, active;
    uint32_t target, keep;
    uint64_t now_ms;
    struct connect_rate *rate;
    struct rng *rng;
    struct floor_plan plan;
};

static void plan_again(struct work *work, uint64_t at_ms)
{
    if (at_ms < work->plan.next_ms)
        work->plan.next_ms = at_ms;
}

/* False: the plan is full. */
static bool act(struct work *work, enum floor_action_kind kind, size_t peer)
{
    if (work->plan.count == FLOOR_ACTIONS_MAX) {
        plan_again(work, work->now_ms);
        return false;
    }
    work->plan.actions[work->plan.count++] = (struct floor_action){ .kind = kind, .peer = peer };
    return true;
}

static void count_up(struct work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct floor_peer *peer = &work->wish->peers[i];
        struct share *share = &work->shares[i];
        assert(peer->expired <= peer->warm);
        work->total += peer->connecting + peer->warm + peer->suspect;
        share->connecting = peer->connecting;
        share->is_out = peer->is_out;
        share->is_doubtful = peer->next_try_ms != 0;
        if (peer->is_out)
            continue;
        share->serving = peer->warm - peer->expired;
        share->active = share->serving + (share->is_doubtful ? 0 : peer->connecting);
        work->serving += share->serving;
        work->active += share->active;
        plan_again(work, peer->next_expiry_ms);
        if (peer->next_try_ms > work->now_ms && work->wish->floor > 0)
            plan_again(work, peer->next_try_ms);
    }
}

/* Connections for `used` streams, of `each` a connection, at `percent` of use. */
static uint32_t connections_for(uint64_t used, uint64_t each, uint64_t percent)
{
    uint64_t needed = (used * 100 + each * percent - 1) / (each * percent);
    return needed < UINT32_MAX ? (uint32_t)needed : UINT32_MAX;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void set_target(struct work *work)
{
    uint64_t used = work->wish->waiting;
    uint64_t capacity = 0;
    uint32_t instances = 0;
    for (size_t i = 0; i < work->count; i++) {
        const struct floor_peer *peer = &work->wish->peers[i];
        if (peer->is_out)
            continue;
        used += peer->streams_used;
        capacity += peer->streams_capacity;
        instances += !work->shares[i].is_doubtful || work->shares[i].serving > 0;
    }
    uint64_t each = work->serving > 0 ? capacity / work->serving : STREAMS_UNKNOWN;
    if (each == 0)
        each = 1;
    uint32_t floor = work->wish->floor;
    if (floor > 0)
        floor = most(floor, least(2, instances));
    uint32_t max = work->wish->connections_max;
    work->target = least(max, most(floor, connections_for(used, each, FLOOR_GROW_PERCENT)));
    work->keep = least(max, most(floor, connections_for(used, each, FLOOR_KEEP_PERCENT)));
    uint32_t wanted = least(work->wish->floor, max);
    work->plan.deficit = work->serving < wanted ? wanted - work->serving : 0;
}

static bool may_open(struct work *work)
{
    if (work->total >= work->wish->connections_max)
        return false;
    if (work->plan.count == FLOOR_ACTIONS_MAX) {
        plan_again(work, work->now_ms);
        return false;
    }
    if (connect_rate_take(work->rate, work->now_ms))
        return true;
    plan_again(work, connect_rate_next_ms(work->rate, work->now_ms));
    return false;
}

/* False: not now. */
static bool open_to(struct work *work, size_t peer)
{
    if (!may_open(work) || !act(work, FLOOR_OPEN, peer))
        return false;
    work->shares[peer].connecting++;
    work->total++;
    if (!work->shares[peer].is_doubtful) {
        work->shares[peer].active++;
        work->active++;
    }
    return true;
}

/* The peer with the fewest that can be relied upon; of equals a random one, so that the workers of
 * a node do not all begin with the same. SIZE_MAX: none. */
static size_t find_least(const struct work *work)
{
    size_t best = SIZE_MAX;
    size_t start = work->count > 0 ? rng_below(work->rng, work->count) : 0;
    for (size_t i = 0; i < work->count; i++) {
        size_t at = (start + i) % work->count;
        const struct share *share = &work->shares[at];
        if (share->is_out || share->is_doubtful)
            continue;
        if (best == SIZE_MAX || share->active < work->shares[best].active)
            best = at;
    }
    return best;
}

/* The peer with the most that serve; SIZE_MAX: none serves. */
static size_t find_most(const struct work *work)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < work->count; i++)
        if (work->shares[i].serving > 0 &&
            (best == SIZE_MAX || work->shares[i].active > work->shares[best].active))
            best = i;
    return best;
}

static size_t count_active_peers(const struct work *work)
{
    size_t count = 0;
    for (size_t i = 0; i < work->count; i++)
        count += work->shares[i].active > 0;
    return count;
}

/* One that is more than needed, from where all are: at the ceiling, to make room for another
 * instance. */
static void make_room_elsewhere(struct work *work, size_t from)
{
    if (from == SIZE_MAX || count_active_peers(work) > 1 || work->serving <= work->target ||
        work->total < work->wish->connections_max || !act(work, FLOOR_RETIRE, from))
        return;
    work->shares[from].serving--;
    work->shares[from].active--;
    work->serving--;
    work->active--;
    work->total--;
}

/* Is the peer that failed back? One connection will tell. */
static void probe_doubtful(struct work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct share *share = &work->shares[i];
        bool is_due = share->is_doubtful && !share->is_out && share->connecting == 0 &&
                      work->wish->peers[i].next_try_ms <= work->now_ms;
        bool is_wanted =
            work->active < work->target || (work->wish->floor > 0 && share->serving == 0);
        if (!is_due || !is_wanted)
            continue;
        make_room_elsewhere(work, find_most(work));
        if (!open_to(work, i))
            return;
    }
}

static void open_needed(struct work *work)
{
    while (work->active < work->target) {
        size_t peer = find_least(work);
        if (peer == SIZE_MAX || !open_to(work, peer))
            break;
    }
    /* Nobody to rely upon: then whoever may be tried first. */
    for (size_t i = 0; i < work->count && work->active < work->target; i++)
        if (!work->shares[i].is_out && work->wish->peers[i].next_try_ms > work->now_ms)
            plan_again(work, work->wish->peers[i].next_try_ms);
}

static size_t count_serving_peers(const struct work *work)
{
    size_t count = 0;
    for (size_t i = 0; i < work->count; i++)
        count += work->shares[i].serving > 0;
    return count;
}

/* One more than needed, to where the fewest are; FLOOR_SHRINK_MS later one goes where the most
 * are. */
static void spread(struct work *work)
{
    size_t from = find_most(work);
    size_t to = find_least(work);
    if (from == SIZE_MAX || to == SIZE_MAX)
        return;
    bool is_in_one_place = count_active_peers(work) < 2;
    /* With some to spare already only when they are all in one place. */
    if (work->active > work->target && (work->target < 2 || !is_in_one_place))
        return;
    if (work->shares[from].active < work->shares[to].active + 2)
        return;
    make_room_elsewhere(work, from);
    open_to(work, to);
}

/* As many of the oldest of one peer as may go. */
static void retire_of(struct work *work, size_t peer, uint32_t count)
{
    for (uint32_t i = 0; i < count && act(work, FLOOR_RETIRE, peer); i++)
        work->total--;
}

/* Would all that serves be on one instance without the expired ones of `peer`, though it could be
 * otherwise: below the ceiling, with another on its way that may be what fills it, or with some to
 * spare? */
static bool is_needed_for_spread(const struct work *work, size_t peer)
{
    bool is_replaceable = work->total < work->wish->connections_max ||
                          count_active_peers(work) > 1 || work->serving > work->target;
    return work->shares[peer].serving == 0 && work->count > 1 && count_serving_peers(work) == 1 &&
           is_replaceable;
}

static void retire_expired(struct work *work)
{
    bool is_replaced = work->serving >= work->target;
    for (size_t i = 0; i < work->count; i++) {
        bool is_out = work->wish->peers[i].is_out;
        if (is_out || (is_replaced && !is_needed_for_spread(work, i)))
            retire_of(work, i, work->wish->peers[i].expired);
    }
}

/* At the ceiling, with too few to serve: what serves nobody must go first. */
static void make_room(struct work *work)
{
    if (work->active >= work->target || work->total < work->wish->connections_max)
        return;
    for (size_t i = 0; i < work->count; i++) {
        const struct floor_peer *peer = &work->wish->peers[i];
        uint32_t idle = peer->is_out ? peer->warm - peer->expired : 0;
        /* One that expired still serves: it goes only when another does. */
        if (!peer->is_out && work->serving > 0)
            idle = peer->expired;
        if (idle > 0) {
            retire_of(work, i, 1);
            return;
        }
    }
}

static void retire_excess(struct work *work, struct floor_state *state)
{
    if (work->serving <= work->keep) {
        state->excess_since_ms = 0;
        return;
    }
    if (state->excess_since_ms == 0)
        state->excess_since_ms = work->now_ms > 0 ? work->now_ms : 1;
    uint64_t due_ms = state->excess_since_ms + FLOOR_SHRINK_MS;
    if (work->now_ms < due_ms) {
        plan_again(work, due_ms);
        return;
    }
    /* Half of it at a time: load that went may come back. */
    uint32_t count = (work->serving - work->keep + 1) / 2;
    for (size_t peer = find_most(work); peer != SIZE_MAX && count > 0; peer = find_most(work)) {
        if (!act(work, FLOOR_RETIRE, peer))
            return;
        work->shares[peer].serving--;
        work->shares[peer].active--;
        work->serving--;
        work->total--;
        count--;
    }
    state->excess_since_ms = work->now_ms;
    if (work->serving > work->keep)
        plan_again(work, work->now_ms + FLOOR_SHRINK_MS);
}

struct floor_plan floor_plan_make(struct floor_state *state, const struct floor_wish *wish,
                                  struct connect_rate *rate, uint64_t now_ms, struct rng *rng)
{
    assert(wish->count <= FLOOR_PEERS_MAX);
    struct work work = {
        .wish = wish,
        .count = wish->count,
        .now_ms = now_ms,
        .rate = rate,
        .rng = rng,
        .plan = { .next_ms = UINT64_MAX },
    };
    count_up(&work);
    set_target(&work);
    retire_expired(&work);
    make_room(&work);
    open_needed(&work);
    probe_doubtful(&work);
    spread(&work);
    retire_excess(&work, state);
    return work.plan;
}

uint64_t floor_plan_expiry_ms(uint64_t max_age_ms, uint64_t now_ms, struct rng *rng)
{
    if (max_age_ms == 0)
        return UINT64_MAX;
    return now_ms + max_age_ms - rng_below(rng, max_age_ms / 5 + 1);
}

uint64_t floor_plan_backoff_ms(uint32_t failures, struct rng *rng)
{
    uint64_t wait_ms = FLOOR_BACKOFF_MIN_MS;
    for (uint32_t i = 1; i < failures && wait_ms < FLOOR_BACKOFF_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > FLOOR_BACKOFF_MAX_MS)
        wait_ms = FLOOR_BACKOFF_MAX_MS;
    return wait_ms / 2 + rng_below(rng, wait_ms / 2 + 1);
}
