/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections to open and to retire: the warm floor of the backbone by floor_plan, the pools
 * of origins by demand. */
#include <string.h>

#include "pop/server/upstream_priv.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"

enum { HOST_BYTES_MAX = 255, PERCENT = 100 };

/* ---- backbone -------------------------------------------------------------------------------- */

static uint32_t capacity_of(const struct upstream_conn *conn)
{
    return conn->session->open_streams + http_client_room(conn->session);
}

static void add_warm(const struct upstream_conn *conn, uint64_t now_ms, struct floor_peer *facts)
{
    facts->warm++;
    facts->streams_used += conn->session->open_streams;
    if (conn->expires_ms != 0 && conn->expires_ms <= now_ms) {
        facts->expired++;
        return;
    }
    facts->streams_capacity += capacity_of(conn);
    if (conn->expires_ms != 0 && conn->expires_ms < facts->next_expiry_ms)
        facts->next_expiry_ms = conn->expires_ms;
}

static struct floor_peer facts_of(const struct upstream_peer *peer, uint64_t now_ms)
{
    struct floor_peer facts = {
        .connecting = upstream_peer_connecting(peer),
        .suspect = peer->counts[UPSTREAM_CONN_SUSPECT],
        .next_expiry_ms = UINT64_MAX,
        .next_try_ms = peer->next_try_ms,
        .is_out = ejection_is_out(&peer->ejection, now_ms),
    };
    for (const struct upstream_conn *conn = peer->conns; conn != NULL; conn = conn->next)
        if (conn->state == UPSTREAM_CONN_WARM)
            add_warm(conn, now_ms, &facts);
    return facts;
}

/* Ages are jittered: who expires first need not be who came first. */
static void retire_first(struct upstream_peer *peer)
{
    struct upstream_conn *first = NULL;
    for (struct upstream_conn *conn = peer->conns; conn != NULL; conn = conn->next)
        if (conn->state == UPSTREAM_CONN_WARM &&
            (first == NULL || conn->expires_ms < first->expires_ms))
            first = conn;
    if (first != NULL)
        upstream_conn_drain(first);
}

static void on_plan(struct io_timer *timer)
{
    upstream_warm_now(container_of(timer, struct upstream_pool, plan_timer));
}

static void plan_at(struct upstream_pool *pool, uint64_t at_ms)
{
    struct io *io = &pool->upstream->worker->io;
    if (io_timer_is_running(&pool->plan_timer) && pool->plan_at_ms <= at_ms)
        return;
    pool->plan_at_ms = at_ms;
    io_timer_start(io, &pool->plan_timer, at_ms > io->now_ms ? at_ms - io->now_ms : 0, on_plan);
}

static void apply(struct upstream_pool *pool, const struct floor_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct upstream_peer *peer = pool->peers[plan->actions[i].peer];
        if (plan->actions[i].kind == FLOOR_OPEN)
            upstream_conn_open(peer, NULL);
        else
            retire_first(peer);
    }
}

static void plan_backbone(struct upstream_pool *pool)
{
    struct upstream *upstream = pool->upstream;
    uint64_t now_ms = upstream_now_ms(upstream);
    struct floor_peer facts[FLOOR_PEERS_MAX];
    size_t count = pool->peer_count < FLOOR_PEERS_MAX ? pool->peer_count : FLOOR_PEERS_MAX;
    for (size_t i = 0; i < count; i++)
        facts[i] = facts_of(pool->peers[i], now_ms);
    const struct floor_wish wish = {
        .peers = facts,
        .count = count,
        .floor = pool->floor,
        .connections_max = pool->how.connections_max,
        .waiting = (uint32_t)pool->waiting,
    };
    struct floor_plan plan =
        floor_plan_make(&pool->floor_state, &wish, &upstream->rate, now_ms, &upstream->worker->rng);
    io_timer_stop(&upstream->worker->io, &pool->plan_timer);
    pool->planned_ms = now_ms;
    pool->deficit = plan.deficit;
    apply(pool, &plan);
    if (plan.next_ms != UINT64_MAX)
        plan_at(pool, plan.next_ms);
    upstream_on_planned(upstream);
}

/* ---- origins --------------------------------------------------------------------------------- */

static bool may_open(const struct upstream_peer *peer)
{
    /* One at a time to a peer whose last one failed. */
    if (peer->next_try_ms != 0 && upstream_peer_connecting(peer) > 0)
        return false;
    return upstream_peer_may_connect(peer, upstream_now_ms(peer->pool->upstream)) &&
           upstream_peer_live(peer) < peer->pool->how.connections_max;
}

static bool open_for(struct upstream_peer *peer, const struct upstream_wish *wish)
{
    char text[HOST_BYTES_MAX + 1];
    const char *host = NULL;
    if (upstream_is_by_host(&peer->pool->how)) {
        struct str name = upstream_wish_host(wish);
        if (name.len > HOST_BYTES_MAX)
            return false;
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        host = text;
    }
    upstream_conn_open(peer, host);
    return true;
}

bool upstream_warm_open_origin(struct upstream_peer *peer, const struct upstream_wish *wish)
{
    return may_open(peer) && open_for(peer, wish);
}

static struct upstream_peer *choose_to_open(struct upstream_pool *pool,
                                            const struct upstream_wish *wish)
{
    struct worker *worker = pool->upstream->worker;
    for (size_t i = 0; i < pool->peer_count; i++) {
        pool->choices[i].stats = &pool->peers[i]->choice;
        pool->choices[i].is_usable =
            may_open(pool->peers[i]) && !upstream_wish_tried(wish, pool->peers[i]);
    }
    size_t at = choice_pick(pool->choices, pool->peer_count, worker->io.now_ms, &worker->rng);
    return at == CHOICE_NONE ? NULL : pool->peers[at];
}

/* One connection on its way for each who waits, as far as there may be. HTTP/2: one carries many,
 * so one at a time. */
static void open_for_waiters(struct upstream_pool *pool)
{
    size_t coming = 0;
    for (size_t i = 0; i < pool->peer_count; i++)
        coming += upstream_peer_connecting(pool->peers[i]);
    if (pool->how.is_http2 && coming > 0)
        return;
    struct upstream_waiter *waiter = pool->first_waiter;
    for (; waiter != NULL; waiter = waiter->next) {
        if (coming > 0) {
            coming--;
            continue;
        }
        struct upstream_peer *peer = choose_to_open(pool, &waiter->wish);
        if (peer != NULL && upstream_warm_open_origin(peer, &waiter->wish) && pool->how.is_http2)
            return;
        if (peer == NULL && waiter->wish.tried_count == 0)
            return; /* nobody behind it is better off */
    }
}

/* ---- last resort ----------------------------------------------------------------------------- */

/* Backbone: the connect rate holds for these, too. */
static bool may_hurry(struct upstream_pool *pool)
{
    struct upstream *upstream = pool->upstream;
    uint64_t now_ms = upstream_now_ms(upstream);
    if (pool->is_origin || connect_rate_take(&upstream->rate, now_ms))
        return true;
    plan_at(pool, connect_rate_next_ms(&upstream->rate, now_ms));
    return false;
}

/* Who has nowhere else to go does not wait until peers may be tried again. */
static void open_last_resorts(struct upstream_pool *pool)
{
    for (struct upstream_waiter *waiter = pool->first_waiter; waiter != NULL;
         waiter = waiter->next) {
        const struct upstream_wish *wish = &waiter->wish;
        if (!wish->is_last_resort)
            continue;
        struct last_resort next = upstream_pool_last_resort(pool, wish, false);
        for (; next.action == LAST_RESORT_OPEN; next = upstream_pool_last_resort(pool, wish, false))
            if (!may_hurry(pool) || !open_for(pool->peers[next.peer], wish))
                return;
        if (next.next_ms != UINT64_MAX)
            plan_at(pool, next.next_ms);
        if (wish->tried_count == 0)
            return; /* nobody behind it is better off */
    }
}

/* ---- both ------------------------------------------------------------------------------------ */

void upstream_warm_now(struct upstream_pool *pool)
{
    if (pool->upstream->is_closing || pool->is_gone)
        return;
    if (pool->is_origin)
        open_for_waiters(pool);
    else
        plan_backbone(pool);
    if (pool->last_resorts > 0)
        open_last_resorts(pool);
}

void upstream_warm_soon(struct upstream_pool *pool)
{
    if (pool->upstream->is_closing || pool->is_gone)
        return;
    if (!pool->is_origin || pool->waiting > 0)
        plan_at(pool, upstream_now_ms(pool->upstream));
}

void upstream_warm_on_lease(struct upstream_pool *pool, const struct upstream_conn *conn)
{
    if (!conn->is_http2 || conn->session == NULL)
        return;
    uint32_t open = conn->session->open_streams;
    if ((uint64_t)open * PERCENT < (uint64_t)capacity_of(conn) * FLOOR_GROW_PERCENT)
        return;
    if (!pool->is_origin)
        plan_at(pool, pool->planned_ms + UPSTREAM_PLAN_GAP_MS);
    else if (conn->host == NULL && upstream_peer_connecting(conn->peer) == 0 &&
             may_open(conn->peer))
        upstream_conn_open(conn->peer, NULL);
}
