/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "pop/server/upstream_priv.h"
#include "steering/base/mem.h"

/* ---- what is wished -------------------------------------------------------------------------- */

struct str upstream_wish_host(const struct upstream_wish *wish)
{
    struct str host = wish->host;
    for (size_t i = host.len; i > 0; i--) {
        if (host.ptr[i - 1] == ']')
            break; /* "[2001:db8::1]" without a port */
        if (host.ptr[i - 1] == ':')
            return (struct str){ host.ptr, i - 1 };
    }
    return host;
}

bool upstream_wish_tried(const struct upstream_wish *wish, const struct upstream_peer *peer)
{
    for (size_t i = 0; i < wish->tried_count; i++)
        if (wish->tried[i] == peer->number)
            return true;
    return false;
}

/* ---- choice ---------------------------------------------------------------------------------- */

/* Which peers may be chosen: one after the other, until there is one. */
enum tier {
    TIER_GOOD,
    TIER_SUSPECT, /* their PING is overdue: better than to wait */
    TIER_EJECTED, /* backbone: a warm connection to a doubtful gateway is better than none */
    TIER_COUNT,
};

static bool is_eligible(struct upstream_peer *peer, const struct upstream_wish *wish,
                        enum tier tier, uint64_t now_ms)
{
    if (upstream_wish_tried(wish, peer))
        return false;
    if (ejection_poll(&peer->ejection, now_ms))
        choice_start_probation(&peer->choice, now_ms);
    if (tier == TIER_EJECTED)
        return !peer->pool->is_origin;
    return !ejection_is_out(&peer->ejection, now_ms);
}

/* Could an origin without a free connection get one? Then it takes part in the choice. */
static bool could_connect(const struct upstream_peer *peer, uint64_t now_ms)
{
    const struct upstream_pool *pool = peer->pool;
    return pool->is_origin && upstream_peer_may_connect(peer, now_ms) &&
           upstream_peer_live(peer) < pool->how.connections_max;
}

static size_t choose(struct upstream_pool *pool, const struct upstream_wish *wish, enum tier tier,
                     bool counts_connectable)
{
    struct worker *worker = pool->upstream->worker;
    uint64_t now_ms = worker->io.now_ms;
    for (size_t i = 0; i < pool->peer_count; i++) {
        struct upstream_peer *peer = pool->peers[i];
        pool->choices[i].stats = &peer->choice;
        pool->choices[i].is_usable =
            is_eligible(peer, wish, tier, now_ms) &&
            (upstream_peer_find(peer, wish, tier == TIER_SUSPECT) != NULL ||
             (counts_connectable && could_connect(peer, now_ms)));
    }
    return choice_pick(pool->choices, pool->peer_count, now_ms, &worker->rng);
}

static enum upstream_lack why_none(const struct upstream_pool *pool,
                                   const struct upstream_wish *wish)
{
    size_t untried = 0, deaf = 0;
    for (size_t i = 0; i < pool->peer_count; i++) {
        const struct upstream_peer *peer = pool->peers[i];
        if (upstream_wish_tried(wish, peer))
            continue;
        untried++;
        struct upstream_wish plain = *wish;
        plain.needs_websocket = false;
        deaf += wish->needs_websocket && upstream_peer_find(peer, &plain, false) != NULL;
    }
    if (untried == 0)
        return UPSTREAM_NO_PEER;
    if (deaf > 0)
        return UPSTREAM_NO_WEBSOCKET;
    return UPSTREAM_RESTING;
}

/* Connections of a pool to gateways have a ceiling together, those to origins one for each. */
static bool is_full(const struct upstream_peer *peer)
{
    const struct upstream_pool *pool = peer->pool;
    uint32_t live = 0;
    if (pool->is_origin)
        return upstream_peer_live(peer) >= pool->how.connections_max;
    for (size_t i = 0; i < pool->peer_count; i++)
        live += upstream_peer_live(pool->peers[i]);
    return live >= pool->how.connections_max;
}

struct last_resort upstream_pool_last_resort(struct upstream_pool *pool,
                                             const struct upstream_wish *wish, bool may_use)
{
    for (size_t i = 0; i < pool->peer_count; i++) {
        struct upstream_peer *peer = pool->peers[i];
        pool->resorts[i] = (struct last_resort_peer){
            .is_excluded = peer->is_gone || upstream_wish_tried(wish, peer),
            .is_ready = may_use && upstream_peer_find(peer, wish, false) != NULL,
            .is_coming = upstream_peer_connecting(peer) > 0,
            .is_full = is_full(peer),
            .failed_ms = peer->failed_ms,
        };
    }
    return last_resort_choose(pool->resorts, pool->peer_count, upstream_now_ms(pool->upstream));
}

/* Origins that are ejected, when nothing else is left. */
static size_t choose_last(struct upstream_pool *pool, const struct upstream_wish *wish)
{
    if (!pool->is_origin || !wish->is_last_resort)
        return CHOICE_NONE;
    struct last_resort last = upstream_pool_last_resort(pool, wish, true);
    return last.action == LAST_RESORT_USE ? last.peer : CHOICE_NONE;
}

static struct upstream_pick pick_any(struct upstream_pool *pool, const struct upstream_wish *wish)
{
    struct upstream_pick pick = { 0 };
    size_t at = choose(pool, wish, TIER_GOOD, pool->is_origin);
    if (at != CHOICE_NONE) {
        pick.conn = upstream_peer_find(pool->peers[at], wish, false);
        if (pick.conn != NULL)
            return pick;
        pick.wanted = pool->peers[at];
        at = choose(pool, wish, TIER_GOOD, false);
    }
    enum tier tier = TIER_GOOD;
    while (at == CHOICE_NONE && tier + 1 < TIER_COUNT) {
        tier++;
        at = choose(pool, wish, tier, false);
    }
    if (at == CHOICE_NONE && pick.wanted == NULL)
        at = choose_last(pool, wish);
    if (at != CHOICE_NONE)
        pick.conn = upstream_peer_find(pool->peers[at], wish, tier == TIER_SUSPECT);
    else
        pick.lack = why_none(pool, wish);
    return pick;
}

struct upstream_pick upstream_pool_pick(struct upstream_pool *pool,
                                        const struct upstream_wish *wish)
{
    for (;;) {
        struct upstream_pick pick = pick_any(pool, wish);
        if (pick.conn == NULL || !upstream_conn_is_stale(pick.conn))
            return pick;
        upstream_conn_drain(pick.conn);
    }
}

/* ---- hope ------------------------------------------------------------------------------------ */

/* Of the youngest connection that is on its way; UINT64_MAX: none is. */
static uint64_t connecting_for_ms(const struct upstream_peer *peer, uint64_t now_ms)
{
    uint64_t least_ms = UINT64_MAX;
    if (upstream_peer_connecting(peer) == 0)
        return least_ms;
    for (const struct upstream_conn *conn = peer->conns; conn != NULL; conn = conn->next) {
        bool is_coming =
            conn->state == UPSTREAM_CONN_CONNECTING || conn->state == UPSTREAM_CONN_SETTINGS;
        if (is_coming && now_ms - conn->started_ms < least_ms)
            least_ms = now_ms - conn->started_ms;
    }
    return least_ms;
}

static uint64_t patience_for_doubted_ms(const struct upstream_peer *peer, uint64_t now_ms)
{
    uint64_t since_ms = connecting_for_ms(peer, now_ms);
    if (!peer->pool->is_origin || ejection_is_out(&peer->ejection, now_ms))
        return 0;
    if (since_ms == UINT64_MAX)
        return upstream_peer_may_connect(peer, now_ms) ? UPSTREAM_DOUBTED_WAIT_MS : 0;
    return since_ms < UPSTREAM_DOUBTED_WAIT_MS ? UPSTREAM_DOUBTED_WAIT_MS - since_ms : 0;
}

/* It works, as far as is known. */
static bool has_hope(const struct upstream_peer *peer, uint64_t now_ms)
{
    if (peer->pool->is_origin && ejection_is_out(&peer->ejection, now_ms))
        return false;
    if (peer->counts[UPSTREAM_CONN_WARM] + peer->counts[UPSTREAM_CONN_SUSPECT] > 0)
        return true; /* busy: a stream will end */
    if (peer->connect_failures > 0 || peer->is_doubted)
        return false;
    return upstream_peer_connecting(peer) > 0 || upstream_peer_may_connect(peer, now_ms);
}

static bool is_excluded(const struct upstream_peer *peer, const struct upstream_wish *wish)
{
    return peer->is_gone || upstream_wish_tried(wish, peer);
}

static bool is_resting(const struct upstream_pool *pool, const struct upstream_wish *wish)
{
    uint64_t now_ms = upstream_now_ms(pool->upstream);
    for (size_t i = 0; i < pool->peer_count; i++)
        if (!is_excluded(pool->peers[i], wish) && has_hope(pool->peers[i], now_ms))
            return false;
    return true;
}

uint64_t upstream_pool_patience_ms(const struct upstream_pool *pool,
                                   const struct upstream_wish *wish)
{
    uint64_t now_ms = upstream_now_ms(pool->upstream);
    uint64_t most_ms = 0;
    for (size_t i = 0; i < pool->peer_count; i++) {
        const struct upstream_peer *peer = pool->peers[i];
        if (is_excluded(peer, wish))
            continue;
        uint64_t one_ms = pool->how.acquire_ms;
        if (!has_hope(peer, now_ms))
            one_ms = wish->is_last_resort ? pool->how.last_resort_ms
                                          : patience_for_doubted_ms(peer, now_ms);
        most_ms = one_ms > most_ms ? one_ms : most_ms;
    }
    return most_ms;
}

/* ---- who waits ------------------------------------------------------------------------------- */

void upstream_pool_give(struct upstream_waiter *waiter, struct upstream_conn *conn, bool has_waited)
{
    struct upstream_peer *peer = conn->peer;
    struct upstream_pool *pool = peer->pool;
    struct worker *worker = pool->upstream->worker;
    const struct upstream_lease lease = {
        .session = conn->session,
        .peer = peer->number,
        .peer_name = peer->name,
        .is_reused = conn->requests > 0 || !has_waited,
        .is_trial = ejection_is_out(&peer->ejection, worker->io.now_ms),
        .started_ns = worker->io.now_ns,
        .conn = conn,
    };
    tally_add(worker->tally, TALLY_LEASES);
    if (lease.is_reused)
        tally_add(worker->tally, TALLY_LEASES_REUSED);
    if (lease.is_trial)
        tally_add(worker->tally, TALLY_TRIALS);
    peer->requests++;
    choice_begun(&peer->choice);
    upstream_conn_lease(conn);
    conn->refs++; /* ours, during the call */
    waiter->on_lease(waiter, &lease);
    /* `waiter` may be gone. */
    if (conn->transport != NULL)
        upstream_liveness_begun(conn);
    upstream_warm_on_lease(pool, conn);
    upstream_conn_unref(conn);
}

static void on_wait_over(struct io_timer *timer)
{
    struct upstream_waiter *waiter = container_of(timer, struct upstream_waiter, timer);
    const struct upstream_pool *pool = waiter->pool;
    uint32_t connecting = 0, live = 0;
    for (size_t i = 0; i < pool->peer_count; i++) {
        connecting += upstream_peer_connecting(pool->peers[i]);
        live += upstream_peer_live(pool->peers[i]);
    }
    enum upstream_lack lack = connecting == 0 && live > 0 ? UPSTREAM_FULL : UPSTREAM_TIMEOUT;
    if (!waiter->wish.is_last_resort && is_resting(pool, &waiter->wish))
        lack = UPSTREAM_RESTING;
    upstream_pool_unqueue(waiter);
    waiter->on_lack(waiter, lack);
}

void upstream_pool_queue(struct upstream_pool *pool, struct upstream_waiter *waiter,
                         uint64_t patience_ms)
{
    waiter->pool = pool;
    waiter->next = NULL;
    waiter->link = pool->last_waiter;
    *pool->last_waiter = waiter;
    pool->last_waiter = &waiter->next;
    pool->waiting++;
    pool->last_resorts += waiter->wish.is_last_resort;
    io_timer_start(&pool->upstream->worker->io, &waiter->timer, patience_ms, on_wait_over);
}

void upstream_pool_unqueue(struct upstream_waiter *waiter)
{
    struct upstream_pool *pool = waiter->pool;
    *waiter->link = waiter->next;
    if (waiter->next != NULL)
        waiter->next->link = waiter->link;
    else
        pool->last_waiter = waiter->link;
    waiter->next = NULL;
    waiter->link = NULL;
    pool->waiting--;
    pool->last_resorts -= waiter->wish.is_last_resort;
    io_timer_stop(&pool->upstream->worker->io, &waiter->timer);
}

void upstream_pool_serve(struct upstream_pool *pool)
{
    if (pool->is_serving)
        return; /* the call further up goes on */
    pool->is_serving = true;
    struct upstream_waiter *waiter = pool->first_waiter;
    while (waiter != NULL) {
        struct upstream_pick pick = upstream_pool_pick(pool, &waiter->wish);
        if (pick.conn == NULL) {
            bool is_like_all = waiter->wish.is_last_resort || pool->last_resorts == 0;
            if (waiter->wish.tried_count == 0 && !waiter->wish.needs_websocket && is_like_all &&
                !upstream_is_by_host(&pool->how))
                break; /* nobody behind it is better off */
            waiter = waiter->next;
            continue;
        }
        upstream_pool_unqueue(waiter);
        upstream_pool_give(waiter, pick.conn, true);
        /* Anything may have happened to the queue. */
        waiter = pool->first_waiter;
    }
    pool->is_serving = false;
}

void upstream_pool_despair(struct upstream_pool *pool)
{
    upstream_warm_now(pool); /* perhaps there is another peer to open */
    if (pool->last_resorts > 0)
        upstream_pool_serve(pool); /* or one that is ejected */
    struct upstream_waiter *waiter = pool->first_waiter;
    while (waiter != NULL) {
        if (upstream_pool_patience_ms(pool, &waiter->wish) > 0) {
            waiter = waiter->next;
            continue;
        }
        enum upstream_lack lack = why_none(pool, &waiter->wish);
        upstream_pool_unqueue(waiter);
        waiter->on_lack(waiter, lack);
        waiter = pool->first_waiter;
    }
}
