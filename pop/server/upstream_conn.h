/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one connection to a gateway or an origin: transport, client session, liveness.
 *
 * Shape:     CONNECTING ──> SETTINGS ──> WARM <──> SUSPECT
 *                 └─(HTTP/1.1)────────────^ │         │
 *                                           └──> DRAINING ──> CLOSED   (CLOSED from everywhere)
 *
 *              SETTINGS  TCP and TLS stand; HTTP/2: the peer's SETTINGS or its acknowledgement of
 *                        ours is missing
 *              SUSPECT   a PING is overdue: gets a request only where there is nothing better
 *              DRAINING  no new requests; closes after the last one
 *              CLOSED    waits for the transport's on_closed, then for leases to come back
 * Threads:   the worker's own.
 * Ownership: counted: the transport holds one reference, each lease another. The session is freed
 *            in the transport's on_closed only, where nothing of the session is on the stack.
 */
#pragma once

#include "pop/route/rtt.h"
#include "pop/server/transport.h"
#include "pop/server/upstream.h"

#define UPSTREAM_CONN_LIST(X)                                                                      \
    X(CONNECTING, "connecting")                                                                    \
    X(SETTINGS, "settings")                                                                        \
    X(WARM, "warm")                                                                                \
    X(SUSPECT, "suspect")                                                                          \
    X(DRAINING, "draining")                                                                        \
    X(CLOSED, "closed")

enum upstream_conn_state {
#define X(name, text) UPSTREAM_CONN_##name,
    UPSTREAM_CONN_LIST(X)
#undef X
        UPSTREAM_CONN_STATES
};
const char *upstream_conn_state_name(enum upstream_conn_state state);
/* The table of allowed moves. */
bool upstream_conn_may_move(enum upstream_conn_state from, enum upstream_conn_state to);

struct upstream_peer;

struct upstream_conn {
    struct upstream_conn *next, **link;           /* all of the peer */
    struct upstream_conn *idle_next, **idle_link; /* HTTP/1.1: free ones, the latest first */
    struct upstream_peer *peer;
    struct transport *transport;  /* NULL: gone */
    struct http_session *session; /* NULL before the transport is open, and after it is gone */
    struct settings *settings;
    char *host; /* the request's host, where TLS is by that name; NULL: fits all */
    enum upstream_conn_state state;
    bool is_http2, has_settings, has_settings_ack;
    bool is_warmed;    /* was WARM once */
    bool is_ours;      /* we ended it on purpose: says nothing about the peer */
    bool is_goaway;    /* the peer ends it on purpose */
    bool is_ping_dead; /* a PING was not answered */
    bool has_ping;
    bool is_asked_twice;   /* overdue, and the loop has polled since: see upstream_liveness.c */
    const char *complaint; /* why we aborted; NULL: ask the transport */
    uint32_t refs, leases;
    uint64_t requests;
    uint64_t started_ms, started_ns, warm_ms, expires_ms, heard_ms, idle_ms;
    uint64_t ping_ms, ping_ns;
    uint64_t check_ms; /* when `timer` fires */
    struct rtt rtt;
    struct io_timer timer;
};

/* Starts connecting; `host` is copied and may be NULL. */
struct upstream_conn *upstream_conn_open(struct upstream_peer *peer, const char *host);
void upstream_conn_unref(struct upstream_conn *conn);
/* Requests that may be started now; WARM and SUSPECT connections only. */
uint32_t upstream_conn_room(const struct upstream_conn *conn);
/* Has the server closed this HTTP/1.1 connection, or said something that nobody asked for, and the
 * loop has not come to it yet? A system call, when it was idle for long. */
bool upstream_conn_is_stale(const struct upstream_conn *conn);
/* Counts a lease, which holds a reference. */
void upstream_conn_lease(struct upstream_conn *conn);
/* The lease is over. */
void upstream_conn_return(struct upstream_conn *conn);
/* No new requests; closed when the last one ends. Not from inside the session's calls. */
void upstream_conn_drain(struct upstream_conn *conn);
/* At once: the transport's on_closed ends all streams. */
void upstream_conn_abort(struct upstream_conn *conn, const char *complaint);
/* Looks at the connection (liveness, end of draining) soon, from the loop. */
void upstream_conn_wake(struct upstream_conn *conn, uint64_t after_ms);
/* For upstream_liveness.c: asks, suspects, gives up; starts the timer for the next look. */
void upstream_liveness_look(struct upstream_conn *conn);
void upstream_liveness_heard(struct upstream_conn *conn);
void upstream_liveness_pong(struct upstream_conn *conn);
void upstream_liveness_begun(struct upstream_conn *conn); /* a stream was opened */
/* One step of the machine: asserts that it is allowed, keeps counts. */
void upstream_conn_move(struct upstream_conn *conn, enum upstream_conn_state to);
