/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings to pools and peers, at the start and after a reload: what stays keeps its
 * connections and what was learned about it. */
#include <stdlib.h>
#include <string.h>

#include "pop/server/upstream_priv.h"
#include "steering/base/mem.h"

enum {
    BACKBONE_EJECT_FAILURES = 5,
    BACKBONE_EJECT_MS = 1000,
    BACKBONE_STALL_MS = 10000,
    ORIGIN_STALL_MS = 60000, /* an application may take its time to read an upload */
};

static struct upstream_pool *pool_new(struct upstream *upstream, const char *name, bool is_origin)
{
    struct upstream_pool *pool = mem_calloc(1, sizeof(*pool));
    pool->upstream = upstream;
    pool->name = mem_strdup(name);
    pool->is_origin = is_origin;
    pool->last_waiter = &pool->first_waiter;
    upstream->pools = mem_grow(upstream->pools, upstream->pool_count, &upstream->pool_capacity,
                               sizeof(struct upstream_pool *));
    upstream->pools[upstream->pool_count++] = pool;
    return pool;
}

void upstream_pool_free(struct upstream_pool *pool)
{
    free(pool->how.server_name);
    free(pool->name);
    free(pool->peers);
    free(pool->choices);
    free(pool->resorts);
    free(pool);
}

/* The one that was there before, or a new one; marked as configured. */
static struct upstream_pool *pool_for(struct upstream *upstream, const char *name, bool is_origin)
{
    struct upstream_pool *pool = NULL;
    for (size_t i = 0; i < upstream->pool_count && pool == NULL; i++)
        if (upstream->pools[i]->is_origin == is_origin &&
            strcmp(upstream->pools[i]->name, name) == 0)
            pool = upstream->pools[i];
    if (pool == NULL)
        pool = pool_new(upstream, name, is_origin);
    pool->is_gone = false;
    return pool;
}

static bool is_same_name(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Connections that were made in another way than is wanted now drain. */
static void set_how(struct upstream_pool *pool, const struct upstream_how *how)
{
    const struct upstream_how *old = &pool->how;
    bool is_other = old->is_http2 != how->is_http2 || old->is_tls != how->is_tls ||
                    old->is_tls_verified != how->is_tls_verified ||
                    !is_same_name(old->server_name, how->server_name);
    for (size_t i = 0; is_other && i < pool->peer_count; i++) {
        upstream_peer_retire(pool->peers[i]);
        pool->peers[i]->is_gone = false;
    }
    char *server_name = how->server_name != NULL ? mem_strdup(how->server_name) : NULL;
    free(pool->how.server_name);
    pool->how = *how;
    pool->how.server_name = server_name;
}

/* ---- peers ----------------------------------------------------------------------------------- */

static struct upstream_peer *peer_for(struct upstream_pool *pool, const struct addr *addr,
                                      uint16_t port)
{
    struct upstream *upstream = pool->upstream;
    for (size_t i = 0; i < upstream->peer_count; i++) {
        struct upstream_peer *peer = upstream->peers[i];
        if (peer->pool == pool && peer->port == port && addr_eq(&peer->addr, addr)) {
            peer->is_gone = false;
            return peer;
        }
    }
    bool is_start = upstream->settings == NULL;
    struct upstream_peer *peer = upstream_peer_new(pool, addr, port, !is_start);
    upstream->peers = mem_grow(upstream->peers, upstream->peer_count, &upstream->peer_capacity,
                               sizeof(struct upstream_peer *));
    upstream->peers[upstream->peer_count++] = peer;
    return peer;
}

static void begin_peers(struct upstream_pool *pool, size_t count)
{
    for (size_t i = 0; i < pool->peer_count; i++)
        pool->peers[i]->is_gone = true;
    pool->peer_count = 0;
    pool->peers = mem_resize(pool->peers, count + 1, sizeof(struct upstream_peer *));
    pool->choices = mem_resize(pool->choices, count + 1, sizeof(*pool->choices));
    pool->resorts = mem_resize(pool->resorts, count + 1, sizeof(*pool->resorts));
}

static void add_peer(struct upstream_pool *pool, const struct addr *addr, uint16_t port)
{
    struct upstream_peer *peer = peer_for(pool, addr, port);
    for (size_t i = 0; i < pool->peer_count; i++)
        if (pool->peers[i] == peer)
            return; /* listed twice */
    pool->peers[pool->peer_count++] = peer;
}

/* ---- regions --------------------------------------------------------------------------------- */

static void configure_region(struct upstream *upstream, const struct settings *settings, size_t at)
{
    const struct site *site = &settings->world->topology->sites[at];
    const struct pop_backbone *backbone = &settings->node->backbone;
    /* Our own region is served from our origins. */
    bool is_own = upstream->worker->site.n == at;
    if (site->gateway_count == 0 || is_own || settings->tls_backbone == NULL)
        return;
    const struct upstream_how how = {
        .tls = settings->tls_backbone,
        .server_name = site->identity,
        .is_http2 = true,
        .limits = settings->backbone_limits,
        .connect_ms = backbone->connect_ms,
        .tls_ms = backbone->tls_ms,
        .settings_ms = backbone->settings_ms,
        .acquire_ms = backbone->acquire_ms,
        .last_resort_ms = backbone->acquire_ms,
        .write_stall_ms = BACKBONE_STALL_MS,
        .connections_max = backbone->connections_max,
        .is_tls = true,
        .is_tls_verified = true,
        .ejection = { .failures = BACKBONE_EJECT_FAILURES, .eject_ms = BACKBONE_EJECT_MS },
    };
    struct upstream_pool *pool = pool_for(upstream, site->name, false);
    set_how(pool, &how);
    begin_peers(pool, site->gateway_count);
    for (size_t i = 0; i < site->gateway_count; i++)
        add_peer(pool, &site->gateways[i].addr, site->gateways[i].port);
    upstream->regions[at] = pool;
}

static void configure_regions(struct upstream *upstream, const struct settings *settings)
{
    upstream->region_count = settings->world->topology->region_count;
    upstream->regions =
        mem_resize(upstream->regions, upstream->region_count + 1, sizeof(struct upstream_pool *));
    upstream->order =
        mem_resize(upstream->order, upstream->region_count + 1, sizeof(struct upstream_pool *));
    for (size_t i = 0; i < upstream->region_count; i++) {
        upstream->regions[i] = NULL;
        configure_region(upstream, settings, i);
    }
}

/* ---- origins --------------------------------------------------------------------------------- */

static void configure_origin(struct upstream *upstream, const struct settings *settings, size_t at)
{
    const struct pop_origin *origin = &settings->node->origins[at];
    const struct pop_backbone *backbone = &settings->node->backbone;
    bool is_slow = origin->connect_ms > backbone->acquire_ms;
    const struct upstream_how how = {
        .tls = settings->tls_origins[at],
        .server_name = origin->tls_name,
        .is_http2 = origin->protocol == POP_ORIGIN_HTTP2,
        .limits = settings->origin_limits,
        .connect_ms = origin->connect_ms,
        .tls_ms = origin->connect_ms,
        .settings_ms = origin->connect_ms,
        /* Connecting is part of it here, and then the queue of a full server. */
        .acquire_ms = is_slow ? origin->connect_ms : backbone->acquire_ms,
        .last_resort_ms = backbone->acquire_ms,
        .write_stall_ms = ORIGIN_STALL_MS,
        .connections_max = origin->connections_max,
        .idle_max = origin->idle_max,
        .idle_ms = origin->idle_ms,
        .is_tls = origin->is_tls,
        .is_tls_verified = origin->is_tls_verified,
        .ejection = { .failures = origin->eject_failures, .eject_ms = origin->eject_ms },
    };
    struct upstream_pool *pool = pool_for(upstream, origin->name, true);
    set_how(pool, &how);
    begin_peers(pool, origin->server_count);
    for (size_t i = 0; i < origin->server_count; i++)
        add_peer(pool, &origin->servers[i].addr, origin->servers[i].port);
    upstream->origins[at] = pool;
}

static void configure_origins(struct upstream *upstream, const struct settings *settings)
{
    upstream->origin_count = settings->node->origin_count;
    upstream->origins =
        mem_resize(upstream->origins, upstream->origin_count + 1, sizeof(struct upstream_pool *));
    for (size_t i = 0; i < upstream->origin_count; i++)
        configure_origin(upstream, settings, i);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* What the new settings do not have any more. */
static void drop_gone(struct upstream *upstream)
{
    for (size_t i = 0; i < upstream->pool_count; i++) {
        struct upstream_pool *pool = upstream->pools[i];
        if (!pool->is_gone)
            continue;
        begin_peers(pool, 0);
        pool->how.tls = NULL; /* the settings that it was borrowed from go */
        pool->floor = pool->deficit = 0;
        io_timer_stop(&upstream->worker->io, &pool->plan_timer);
    }
    for (size_t i = 0; i < upstream->peer_count; i++)
        if (upstream->peers[i]->is_gone)
            upstream_peer_retire(upstream->peers[i]);
}

static void tell_waiters(struct upstream *upstream)
{
    for (size_t i = 0; i < upstream->pool_count; i++)
        if (upstream->pools[i]->waiting > 0)
            upstream_pool_despair(upstream->pools[i]);
}

void upstream_configure(struct upstream *upstream)
{
    struct settings *settings = settings_ref(upstream->worker->settings);
    uint32_t per_s = settings->node->backbone.connects_per_s;
    uint64_t now_ms = upstream_now_ms(upstream);
    for (size_t i = 0; i < upstream->pool_count; i++)
        upstream->pools[i]->is_gone = true;
    if (upstream->settings == NULL)
        upstream->rate = connect_rate_init(per_s > 0 ? per_s : 1, now_ms);
    else
        connect_rate_configure(&upstream->rate, per_s > 0 ? per_s : 1, now_ms);
    configure_regions(upstream, settings);
    configure_origins(upstream, settings);
    drop_gone(upstream);
    settings_unref(upstream->settings);
    upstream->settings = settings;
    upstream_order_by_distance(upstream);
    tell_waiters(upstream);
}

/* ---- the order of regions -------------------------------------------------------------------- */

static void set_floors(struct upstream *upstream)
{
    const struct pop_backbone *backbone = &upstream->settings->node->backbone;
    for (size_t i = 0; i < upstream->region_count; i++) {
        struct upstream_pool *pool = upstream->regions[i];
        if (pool == NULL)
            continue;
        bool is_first = upstream->order_count > 0 && upstream->order[0] == pool;
        uint32_t floor = is_first ? backbone->floor : backbone->fallback_floor;
        if (floor > pool->floor)
            pool->deficit = floor; /* until the plan knows better */
        pool->floor = floor;
        upstream_warm_soon(pool);
    }
    upstream_on_planned(upstream);
}

void upstream_set_regions(struct upstream *upstream, const struct site_id *ordered, size_t count)
{
    upstream->order_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct upstream_pool *pool =
            ordered[i].n < upstream->region_count ? upstream->regions[ordered[i].n] : NULL;
        bool is_known = pool == NULL;
        for (size_t k = 0; k < upstream->order_count && !is_known; k++)
            is_known = upstream->order[k] == pool;
        if (!is_known)
            upstream->order[upstream->order_count++] = pool;
    }
    set_floors(upstream);
}

void upstream_order_by_distance(struct upstream *upstream)
{
    const struct topology *topology = upstream->settings->world->topology;
    const struct site *here = &topology->sites[upstream->worker->site.n];
    struct site_id ordered[SITE_MAX];
    double km[SITE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < upstream->region_count; i++) {
        double far_km = site_distance_km(&topology->sites[i], here->lat_deg, here->lon_deg);
        size_t at = count++;
        for (; at > 0 && km[at - 1] > far_km; at--) {
            km[at] = km[at - 1];
            ordered[at] = ordered[at - 1];
        }
        km[at] = far_km;
        ordered[at] = (struct site_id){ (uint16_t)i };
    }
    upstream_set_regions(upstream, ordered, count);
}
