/* SPDX-License-Identifier: Apache-2.0 */
/* All connections of one worker towards gateways (the backbone, always warm) and towards origins
 * (pools), and the choice among them.
 *
 * Shape:     target  a region, or an origin pool of this gateway
 *            peer    one gateway instance or one origin server
 *
 *              upstream_acquire(target) -> lease {peer, session with room} -> http_client_request
 *                                       -> upstream_done(lease, how it went)
 *
 *            Backbone peers: a floor of warm connections (TLS done, SETTINGS exchanged) to the
 *            first and to the fallback regions, spread over the region's instances; grown ahead
 *            of need, replaced before their age, on GOAWAY and after failure. An acquire that
 *            finds nothing warm waits for a connection that is on its way, at most acquire_ms:
 *            each such wait is counted as TALLY_WAITED_FOR_CONNECT.
 *            Peers that have just failed rest: they are ejected, or wait before the next connect.
 *            They are not waited for (origins: no longer than a connect in the same site takes)
 *            but by requests that have nowhere else to go: pop/route/last_resort.h.
 * Threads:   the worker's own.
 * Ownership: leases are values; a session in a lease is valid while its stream is open, and the
 *            stream's on_closed always comes before the session goes.
 * Limits:    backbone.connections_max per region, origin.connections_max per server.
 */
#pragma once

#include "pop/server/transport.h"
#include "pop/server/worker.h"

struct upstream;

/* Builds peers from worker->settings and starts warming. */
struct upstream *upstream_new(struct worker *worker);
/* After a reload: peers that stay keep their connections; those that are gone drain. */
void upstream_configure(struct upstream *upstream);
/* The order of regions has changed (document, health): warm what is now first. */
void upstream_set_regions(struct upstream *upstream, const struct site_id *ordered, size_t count);
/* Is the floor complete, to the first and fallback region? */
bool upstream_is_warm(const struct upstream *upstream);
/* Once, when it first is. */
void upstream_on_warm(struct upstream *upstream, void (*on_warm)(void *owner), void *owner);
/* Closes everything; `on_closed` when the last transport is gone. Then upstream_free. */
void upstream_close(struct upstream *upstream, void (*on_closed)(void *owner), void *owner);
void upstream_free(struct upstream *upstream); /* accepts NULL */

struct upstream_target {
    bool is_origin;
    struct site_id region; /* unless is_origin */
    size_t origin;         /* index into settings->node->origins */
};

enum { UPSTREAM_TRIED_MAX = 16 };

struct upstream_wish {
    struct upstream_target target;
    /* Whose numbers `target` holds: a request keeps the settings that it began with. NULL: the
     * present ones. */
    const struct settings *settings;
    struct str host; /* of the request: SNI of TLS origins without a name */
    bool needs_websocket;
    bool is_last_resort; /* nobody else can serve: try and wait for peers that rest, too */
    uint32_t tried[UPSTREAM_TRIED_MAX]; /* peer numbers that failed for this request already */
    size_t tried_count;
};

struct upstream_lease {
    struct http_session *session;
    uint32_t peer;         /* its number: unique in the process, never reused */
    const char *peer_name; /* "us-east/192.0.2.1:8443", valid as long as the upstream */
    bool is_reused;        /* the connection carried a request before, or was warm */
    bool is_trial;         /* the peer is ejected: nobody else was left */
    uint64_t started_ns;
    struct upstream_conn *conn; /* of upstream alone; lives until upstream_done */
};

/* Why there is no lease; stable words. */
enum upstream_lack {
    UPSTREAM_NO_PEER, /* none configured, or all were tried */
    UPSTREAM_RESTING, /* all have just failed; never told to a last resort */
    UPSTREAM_FULL,    /* connections_max and no room */
    UPSTREAM_TIMEOUT, /* nothing came within acquire_ms */
    UPSTREAM_NO_WEBSOCKET,
};
const char *upstream_lack_name(enum upstream_lack lack);

/* Embedded in the asker. */
struct upstream_waiter {
    struct upstream_waiter *next, **link; /* NULL link: not waiting */
    struct upstream_wish wish;
    struct io_timer timer;
    uint64_t since_ns;
    struct upstream *upstream;
    struct upstream_pool *pool; /* of upstream alone */
    void (*on_lease)(struct upstream_waiter *waiter, const struct upstream_lease *lease);
    void (*on_lack)(struct upstream_waiter *waiter, enum upstream_lack lack);
};

/* Calls on_lease or on_lack: at once, from inside the call, if it can; else later. */
void upstream_acquire(struct upstream *upstream, struct upstream_waiter *waiter);
/* Not wanted any more; a waiter that does not wait is left alone. */
void upstream_cancel(struct upstream_waiter *waiter);

struct upstream_result {
    bool is_success; /* a response head came; 5xx of an origin counts as success here... */
    uint16_t status; /* ...and is judged by this; 0: none */
    enum http_error error;
    bool is_client_fault;   /* cancelled by the client: says nothing about the peer */
    uint64_t first_byte_us; /* from request to response head */
    uint32_t load_percent;  /* as the gateway reported (steer-load); UINT32_MAX: not */
};
/* Exactly once per lease, after the stream closed. */
void upstream_done(struct upstream *upstream, const struct upstream_lease *lease,
                   const struct upstream_result *result);

/* Did the lease's connection end because the peer did not answer PING? (the stream's own outcome
 * says no more than HTTP_ERROR_CLOSED) Before upstream_done. */
bool upstream_is_ping_dead(const struct upstream_lease *lease);

/* For /status.json and /metrics: everything about the peers, as JSON; the worker's thread. */
json_t *upstream_status(const struct upstream *upstream);
