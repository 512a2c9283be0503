/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/upstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/upstream_priv.h"
#include "steering/base/mem.h"

enum { WARM_REGIONS = 2 }; /* the first and its fallback stand before the listener opens */

const char *upstream_lack_name(enum upstream_lack lack)
{
    static const char *const names[] = {
        [UPSTREAM_NO_PEER] = "no_peer",
        [UPSTREAM_RESTING] = "resting",
        [UPSTREAM_FULL] = "full",
        [UPSTREAM_TIMEOUT] = "acquire_timeout",
        [UPSTREAM_NO_WEBSOCKET] = "no_websocket",
    };
    return names[lack];
}

struct upstream *upstream_new(struct worker *worker)
{
    struct upstream *upstream = mem_calloc(1, sizeof(*upstream));
    upstream->worker = worker;
    upstream_configure(upstream);
    return upstream;
}

/* ---- warmth ---------------------------------------------------------------------------------- */

bool upstream_is_warm(const struct upstream *upstream)
{
    /* Gateways must not wait for each other to open: their own origins are what they are for. */
    if (upstream->worker->role == POP_ROLE_GATEWAY)
        return true;
    for (size_t i = 0; i < upstream->order_count && i < WARM_REGIONS; i++)
        if (upstream->order[i]->deficit > 0)
            return false;
    return true;
}

static void tell_warm(struct io_timer *timer)
{
    struct upstream *upstream = container_of(timer, struct upstream, warm_timer);
    void (*on_warm)(void *owner) = upstream->on_warm;
    upstream->on_warm = NULL;
    if (on_warm != NULL)
        on_warm(upstream->on_warm_owner);
}

void upstream_on_planned(struct upstream *upstream)
{
    uint64_t deficit = 0;
    for (size_t i = 0; i < upstream->region_count; i++)
        if (upstream->regions[i] != NULL)
            deficit += upstream->regions[i]->deficit;
    tally_set(upstream->worker->tally, TALLY_FLOOR_DEFICIT, deficit);
    if (upstream->was_warm || !upstream_is_warm(upstream))
        return;
    upstream->was_warm = true;
    io_timer_start(&upstream->worker->io, &upstream->warm_timer, 0, tell_warm);
}

void upstream_on_warm(struct upstream *upstream, void (*on_warm)(void *owner), void *owner)
{
    upstream->on_warm = on_warm;
    upstream->on_warm_owner = owner;
    if (upstream->was_warm)
        io_timer_start(&upstream->worker->io, &upstream->warm_timer, 0, tell_warm);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct upstream_pool *pool_of(const struct upstream *upstream,
                                     const struct upstream_target *target)
{
    if (target->is_origin)
        return target->origin < upstream->origin_count ? upstream->origins[target->origin] : NULL;
    return target->region.n < upstream->region_count ? upstream->regions[target->region.n] : NULL;
}

/* A reload may have numbered regions and origins anew: then only names mean the same. */
static struct upstream_pool *pool_wished(const struct upstream *upstream,
                                         const struct upstream_wish *wish)
{
    const struct settings *now = upstream->settings, *then = wish->settings;
    struct upstream_target target = wish->target;
    if (then == NULL || then == now)
        return pool_of(upstream, &target);
    if (!target.is_origin) {
        const struct site *site = &then->world->topology->sites[target.region.n];
        target.region = topology_find_site(now->world->topology, str_from(site->name));
        return pool_of(upstream, &target);
    }
    const char *name = then->node->origins[target.origin].name;
    for (size_t i = 0; i < upstream->origin_count; i++)
        if (strcmp(now->node->origins[i].name, name) == 0)
            return upstream->origins[i];
    return NULL;
}

/* Nothing has room. Waits if that may help. */
static void wait_or_fail(struct upstream_pool *pool, struct upstream_waiter *waiter,
                         enum upstream_lack lack)
{
    bool is_final = lack == UPSTREAM_NO_PEER || lack == UPSTREAM_NO_WEBSOCKET;
    uint64_t patience_ms = upstream_pool_patience_ms(pool, &waiter->wish);
    if (is_final || patience_ms == 0) {
        waiter->on_lack(waiter, lack);
        return;
    }
    if (!pool->is_origin)
        tally_add(pool->upstream->worker->tally, TALLY_WAITED_FOR_CONNECT);
    upstream_pool_queue(pool, waiter, patience_ms);
    upstream_warm_now(pool);
}

void upstream_acquire(struct upstream *upstream, struct upstream_waiter *waiter)
{
    struct upstream_pool *pool = pool_wished(upstream, &waiter->wish);
    waiter->upstream = upstream;
    waiter->since_ns = upstream->worker->io.now_ns;
    waiter->link = NULL;
    if (pool == NULL || upstream->is_closing) {
        waiter->on_lack(waiter, UPSTREAM_NO_PEER);
        return;
    }
    const struct upstream_pick pick = upstream_pool_pick(pool, &waiter->wish);
    /* It would have been better: it shall have a connection next time. */
    if (pick.conn != NULL && pick.wanted != NULL && upstream_peer_connecting(pick.wanted) == 0)
        (void)upstream_warm_open_origin(pick.wanted, &waiter->wish);
    if (pick.conn != NULL)
        upstream_pool_give(waiter, pick.conn, false);
    else
        wait_or_fail(pool, waiter, pick.lack);
}

void upstream_cancel(struct upstream_waiter *waiter)
{
    if (waiter->link != NULL)
        upstream_pool_unqueue(waiter);
}

/* cppcheck-suppress constParameter ; what the lease belongs to does change */
void upstream_done(struct upstream *upstream, const struct upstream_lease *lease,
                   const struct upstream_result *result)
{
    struct upstream_conn *conn = lease->conn;
    struct upstream_pool *pool = conn->peer->pool;
    assert(pool->upstream == upstream);
    upstream_peer_judge(conn->peer, lease, result);
    upstream_conn_return(conn);
    if (pool->waiting > 0)
        upstream_pool_serve(pool);
}

bool upstream_is_ping_dead(const struct upstream_lease *lease)
{
    return lease->conn->is_ping_dead;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void abort_all(struct upstream *upstream)
{
    for (size_t i = 0; i < upstream->peer_count; i++)
        for (struct upstream_conn *conn = upstream->peers[i]->conns; conn != NULL;
             conn = conn->next)
            upstream_conn_abort(conn, "closing");
}

static void on_close_timer(struct io_timer *timer)
{
    struct upstream *upstream = container_of(timer, struct upstream, close_timer);
    if (upstream->transports > 0) {
        abort_all(upstream);
        return;
    }
    void (*on_closed)(void *owner) = upstream->on_closed;
    upstream->on_closed = NULL;
    if (on_closed != NULL)
        on_closed(upstream->on_closed_owner);
}

void upstream_on_transport_gone(struct upstream *upstream)
{
    assert(upstream->transports > 0);
    upstream->transports--;
    if (upstream->is_closing && upstream->transports == 0)
        io_timer_start(&upstream->worker->io, &upstream->close_timer, 0, on_close_timer);
}

static void close_pool(struct upstream_pool *pool)
{
    io_timer_stop(&pool->upstream->worker->io, &pool->plan_timer);
    while (pool->first_waiter != NULL) {
        struct upstream_waiter *waiter = pool->first_waiter;
        upstream_pool_unqueue(waiter);
        waiter->on_lack(waiter, UPSTREAM_NO_PEER);
    }
}

void upstream_close(struct upstream *upstream, void (*on_closed)(void *owner), void *owner)
{
    struct io *io = &upstream->worker->io;
    upstream->is_closing = true;
    upstream->on_closed = on_closed;
    upstream->on_closed_owner = owner;
    io_timer_stop(io, &upstream->warm_timer);
    for (size_t i = 0; i < upstream->pool_count; i++)
        close_pool(upstream->pools[i]);
    for (size_t i = 0; i < upstream->peer_count; i++)
        upstream_peer_retire(upstream->peers[i]);
    io_timer_start(io, &upstream->close_timer, upstream->transports > 0 ? UPSTREAM_CLOSE_MS : 0,
                   on_close_timer);
}

/* Leases that nobody gave back: what they hold goes with the process. */
static void free_peer(struct upstream_peer *peer)
{
    while (peer->conns != NULL) {
        assert(peer->conns->transport == NULL);
        peer->conns->refs = 1;
        upstream_conn_unref(peer->conns);
    }
    upstream_peer_free(peer);
}

void upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    io_timer_stop(&upstream->worker->io, &upstream->warm_timer);
    io_timer_stop(&upstream->worker->io, &upstream->close_timer);
    for (size_t i = 0; i < upstream->peer_count; i++)
        free_peer(upstream->peers[i]);
    for (size_t i = 0; i < upstream->pool_count; i++)
        upstream_pool_free(upstream->pools[i]);
    settings_unref(upstream->settings);
    free(upstream->peers);
    free(upstream->pools);
    free(upstream->regions);
    free(upstream->origins);
    free(upstream->order);
    free(upstream);
}
