/* SPDX-License-Identifier: Apache-2.0 */
/* One gateway instance or origin server, and what a worker has learned about it.
 *
 * Threads:   the worker's own.
 * Ownership: peers live as long as the upstream, also those that the configuration has dropped:
 *            their names are in leases and logs, and they may come back.
 */
#pragma once

#include "pop/route/choice.h"
#include "pop/route/ejection.h"
#include "pop/server/upstream_conn.h"

struct upstream_pool;

struct upstream_peer {
    struct upstream_pool *pool;
    uint32_t number; /* unique in the process */
    char *name;      /* "us-east/192.0.2.1:8443" */
    struct addr addr;
    uint16_t port;
    bool is_gone;    /* not configured any more */
    bool is_doubted; /* a connection was lost, and none has come to stand since */
    struct upstream_conn *conns, *idle;
    uint32_t idle_count;
    uint32_t counts[UPSTREAM_CONN_STATES]; /* of conns, by state; CLOSED stays 0 */
    struct choice_stats choice;
    struct ejection ejection;
    struct rtt rtt;
    uint32_t connect_failures; /* in a row */
    uint64_t next_try_ms;      /* no connecting before */
    uint64_t failed_ms;        /* when it was last put to rest: backoff or ejection; 0: never */
    uint64_t requests, failures, connects_ok, connects_failed, ping_timeouts, goaways;
    const char *last_problem; /* a stable word; NULL: none yet */
    uint64_t last_problem_ms;
};

struct upstream_peer *upstream_peer_new(struct upstream_pool *pool, const struct addr *addr,
                                        uint16_t port, bool is_on_probation);
void upstream_peer_free(struct upstream_peer *peer); /* no connection is left */

/* Connections that count against the ceiling: all but draining and closed ones. */
uint32_t upstream_peer_live(const struct upstream_peer *peer);
uint32_t upstream_peer_connecting(const struct upstream_peer *peer);
/* The connection that would carry `wish`; NULL: none has room. `accepts_suspect`: also those with
 * an overdue PING. */
struct upstream_conn *upstream_peer_find(const struct upstream_peer *peer,
                                         const struct upstream_wish *wish, bool accepts_suspect);
/* May a connection be opened now (backoff, ejection)? */
bool upstream_peer_may_connect(const struct upstream_peer *peer, uint64_t now_ms);
/* A connection became warm; ended (after on_closed, `cause` a stable word). */
void upstream_peer_on_warm(struct upstream_peer *peer, struct upstream_conn *conn);
void upstream_peer_on_end(struct upstream_peer *peer, struct upstream_conn *conn,
                          const char *cause);
/* A request ended. */
void upstream_peer_judge(struct upstream_peer *peer, const struct upstream_lease *lease,
                         const struct upstream_result *result);
/* Drops out of the configuration: all connections drain. */
void upstream_peer_retire(struct upstream_peer *peer);
