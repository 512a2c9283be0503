/* SPDX-License-Identifier: Apache-2.0 */
/* The warm floor: which connections to open and which to retire, so that a request never waits
 * for a handshake.
 *
 * Shape:     one plan per target (a region's gateways), made again whenever a connection changes
 *            its state, a peer comes or goes, streams grow, or `next_ms` has come:
 *
 *              open    below the floor; above FLOOR_GROW_PERCENT of usable streams; when no more
 *                      than one peer carries everything (two connections at least, if there are
 *                      two peers) or one carries two more than another; to replace one that
 *                      expires; and one at a time to a peer that failed, when its time has come
 *              retire  (let it drain) the one of a peer that expires first: its time has come and
 *                      its replacement is warm; there have been more than needed for
 *                      FLOOR_SHRINK_MS; or to make room below the ceiling
 *
 *            A connection is: connecting -> warm -> draining or suspect -> gone. Draining ones
 *            count for nothing, suspect ones and those of ejected peers only against the ceiling.
 *            What is on its way to a peer that failed is not relied upon.
 * Threads:   any (pure; the state is the caller's).
 * Limits:    never more than `connections_max` that connect, are warm or suspect; connects as
 *            connect_rate allows; each peer waits after a failure (floor_plan_backoff_ms).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pop/route/connect_rate.h"
#include "steering/base/limits.h"
#include "steering/base/rng.h"

enum {
    FLOOR_PEERS_MAX = 64,             /* SITE_GATEWAY_MAX */
    FLOOR_ACTIONS_MAX = LIMIT(16, 2), /* of one plan; with more to do, `next_ms` is now */
    FLOOR_GROW_PERCENT = 60,
    FLOOR_KEEP_PERCENT = 40, /* fewer connections only if streams then stay below this */
    FLOOR_SHRINK_MS = 30000,
    FLOOR_BACKOFF_MIN_MS = 100,
    FLOOR_BACKOFF_MAX_MS = 10000,
};

struct floor_peer {
    uint32_t connecting, warm, suspect;
    uint32_t expired;          /* of the warm ones: expires_ms has come */
    uint64_t next_expiry_ms;   /* of the warm ones that have not; UINT64_MAX: none */
    uint32_t streams_used;     /* open on warm ones */
    uint32_t streams_capacity; /* of warm, not expired ones: open + room */
    uint64_t next_try_ms;      /* not before, after a failure; 0: the last connect went well */
    bool is_out;               /* ejected: open nothing to it */
};

struct floor_wish {
    const struct floor_peer *peers;
    size_t count;
    uint32_t floor; /* 0: nothing is wanted, but what there is may be used */
    uint32_t connections_max;
    uint32_t waiting; /* requests that wait for a connection */
};

/* What one target's plan remembers; zeroed at first. */
struct floor_state {
    uint64_t excess_since_ms; /* 0: there is none */
};

enum floor_action_kind { FLOOR_OPEN, FLOOR_RETIRE };
struct floor_action {
    enum floor_action_kind kind;
    size_t peer; /* index; RETIRE: its warm connection that expires first */
};
struct floor_plan {
    struct floor_action actions[FLOOR_ACTIONS_MAX];
    size_t count;
    uint64_t next_ms; /* plan again then; UINT64_MAX: at the next event */
    uint32_t
        deficit; /* warm connections that the floor lacks (what is on its way does not count) */
};

/* `rate` is charged for every OPEN. */
struct floor_plan floor_plan_make(struct floor_state *state, const struct floor_wish *wish,
                                  struct connect_rate *rate, uint64_t now_ms, struct rng *rng);

/* When a connection born now is to be replaced: 80 to 100 % of `max_age_ms`; 0: never. */
uint64_t floor_plan_expiry_ms(uint64_t max_age_ms, uint64_t now_ms, struct rng *rng);
/* How long a peer waits after that many failures in a row (from 1). */
uint64_t floor_plan_backoff_ms(uint32_t failures, struct rng *rng);
