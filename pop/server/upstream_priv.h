/* SPDX-License-Identifier: Apache-2.0 */
/* How the files of the upstream hang together.
 *
 * Shape:     upstream ──> pool (a region, or an origin pool) ──> peer ──> conn
 *              upstream.c           targets, acquire, done, close
 *              upstream_configure.c settings -> pools and peers
 *              upstream_pool.c      choice among the peers of one target; who waits
 *              upstream_warm.c      which connections to open and retire
 *              upstream_peer.c      what is known of one peer
 *              upstream_conn.c, upstream_liveness.c   one connection
 * Threads:   the worker's own.
 */
#pragma once

#include "pop/route/floor_plan.h"
#include "pop/route/last_resort.h"
#include "pop/server/upstream_peer.h"

enum {
    UPSTREAM_CLOSE_MS = 2000,   /* upstream_close: then what is left is aborted */
    UPSTREAM_PLAN_GAP_MS = 10,  /* between two plans that only growing streams asked for */
    UPSTREAM_PROVEN_MS = 5000,  /* a connection that lived so long was no failed attempt */
    UPSTREAM_BACKOFF_STEPS = 5, /* doublings: who is back must be warm again within seconds */
    UPSTREAM_ORIGIN_STEPS = 4,  /* origins: fewer, demand asks for them and not time */
    /* For an origin whose last connect failed, while somebody else may serve: enough for TCP and
     * TLS within a site, and no delay to speak of when it is dead. */
    UPSTREAM_DOUBTED_WAIT_MS = 20,
};

/* How connections of one pool are made: from the settings. */
struct upstream_how {
    struct tls_context *tls; /* borrowed from the settings; NULL: plain */
    char *server_name;       /* NULL: the request's host (with TLS), or none */
    bool is_http2;
    struct http_limits limits;
    uint64_t connect_ms, tls_ms, settings_ms, acquire_ms, write_stall_ms;
    uint64_t last_resort_ms;  /* acquire_ms for peers that rest, while nobody else is left */
    uint32_t connections_max; /* backbone: of the pool; origins: of each server */
    uint32_t idle_max;
    uint64_t idle_ms;
    bool is_tls, is_tls_verified;
    struct ejection_settings ejection;
};

/* TLS by the name of each request's host: connections are for one host each. */
static inline bool upstream_is_by_host(const struct upstream_how *how)
{
    return how->tls != NULL && how->server_name == NULL;
}

struct upstream_pool {
    struct upstream *upstream;
    bool is_origin, is_gone;
    char *name; /* of the region or of the origin */
    struct upstream_how how;
    struct upstream_peer **peers;
    struct choice_peer *choices;      /* as many as peers: scratch */
    struct last_resort_peer *resorts; /* the same */
    size_t peer_count, peer_capacity;
    struct upstream_waiter *first_waiter, **last_waiter; /* in order */
    size_t waiting, last_resorts; /* who wait; of them, who have nowhere else to go */
    bool is_serving;
    /* ---- backbone only ---- */
    uint32_t floor, deficit;
    struct floor_state floor_state;
    struct io_timer plan_timer;
    uint64_t plan_at_ms, planned_ms;
};

struct upstream {
    struct worker *worker;
    struct settings *settings;    /* present ones */
    struct upstream_pool **pools; /* all that ever were; the names in them stay valid */
    size_t pool_count, pool_capacity;
    struct upstream_pool **regions; /* by site number; NULL: none */
    size_t region_count;
    struct upstream_pool **origins; /* by index of node->origins */
    size_t origin_count;
    struct upstream_peer **peers; /* all that ever were */
    size_t peer_count, peer_capacity;
    struct upstream_pool **order; /* the regions, first choice first */
    size_t order_count;
    struct connect_rate rate;
    size_t transports; /* connections whose transport is not gone */
    bool is_closing, was_warm;
    void (*on_warm)(void *owner);
    void *on_warm_owner;
    void (*on_closed)(void *owner);
    void *on_closed_owner;
    struct io_timer warm_timer;  /* telling on_warm */
    struct io_timer close_timer; /* telling on_closed; the bound of closing */
};

static inline uint64_t upstream_now_ms(const struct upstream *upstream)
{
    return upstream->worker->io.now_ms;
}

/* ---- upstream_configure.c ---- */
void upstream_order_by_distance(struct upstream *upstream);
void upstream_pool_free(struct upstream_pool *pool);

/* ---- upstream_pool.c ---- */
struct upstream_pick {
    struct upstream_conn *conn;   /* NULL: none has room */
    enum upstream_lack lack;      /* then: why */
    struct upstream_peer *wanted; /* origins: would have been better, but has no connection */
};
struct upstream_pick upstream_pool_pick(struct upstream_pool *pool,
                                        const struct upstream_wish *wish);
/* Its host without the port. */
struct str upstream_wish_host(const struct upstream_wish *wish);
bool upstream_wish_tried(const struct upstream_wish *wish, const struct upstream_peer *peer);
/* How long may a connection be waited for? 0: it would be in vain. */
uint64_t upstream_pool_patience_ms(const struct upstream_pool *pool,
                                   const struct upstream_wish *wish);
/* last_resort_choose for the wish; `may_use`: also a connection that stands. */
struct last_resort upstream_pool_last_resort(struct upstream_pool *pool,
                                             const struct upstream_wish *wish, bool may_use);
/* Hands the connection to the waiter. */
void upstream_pool_give(struct upstream_waiter *waiter, struct upstream_conn *conn,
                        bool has_waited);
void upstream_pool_queue(struct upstream_pool *pool, struct upstream_waiter *waiter,
                         uint64_t patience_ms);
void upstream_pool_unqueue(struct upstream_waiter *waiter);
/* There may be room: serves who waits, in order. */
void upstream_pool_serve(struct upstream_pool *pool);
/* A connection failed: who waits in vain is told. */
void upstream_pool_despair(struct upstream_pool *pool);

/* ---- upstream_warm.c ---- */
/* Something has changed: plans (backbone) or opens what waiters need (origins) in this turn. */
void upstream_warm_soon(struct upstream_pool *pool);
void upstream_warm_now(struct upstream_pool *pool);
/* A request was given to `conn`: grow ahead of need? */
void upstream_warm_on_lease(struct upstream_pool *pool, const struct upstream_conn *conn);
/* Origins: one more connection to `peer`, if it may have one. */
bool upstream_warm_open_origin(struct upstream_peer *peer, const struct upstream_wish *wish);

/* ---- upstream.c ---- */
/* A transport is gone. */
void upstream_on_transport_gone(struct upstream *upstream);
/* Deficits have changed. */
void upstream_on_planned(struct upstream *upstream);
