/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a peer out of its pool for a while when requests fail on it in a row.
 *
 * Shape:     IN --`failures` in a row--> OUT for `eject_ms` x 2^n --time--> IN, on probation:
 *            one failure puts it out again, for twice as long; successes make it forget that.
 *            At most half of a pool is out at once: a fault that all peers show is not theirs.
 * Threads:   one worker's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pop/http/pipe.h"
#include "steering/base/rng.h"

enum { EJECTION_MAX_MS = 5 * 60 * 1000 };

struct ejection_settings {
    uint32_t failures; /* in a row; 0: never out */
    uint64_t eject_ms; /* the first time */
};

/* One per peer; zeroed is IN. */
struct ejection {
    uint32_t failures; /* in a row */
    uint32_t times;    /* out in a row, without a good time between */
    uint64_t until_ms; /* out until then; 0: not */
    uint64_t back_at_ms;
    uint64_t duration_ms; /* of the last time */
    bool is_on_probation; /* back, and no success yet */
};

enum ejection_verdict { EJECTION_NEUTRAL, EJECTION_SUCCESS, EJECTION_FAILURE };

/* What one request says about its peer. */
struct ejection_evidence {
    bool is_client_fault;    /* cancelled by the client */
    bool is_connect_failure; /* of a connection, not of a request */
    bool is_not_processed;   /* the gateway said so itself: it lives, and it said the truth */
    uint16_t status;         /* 0: no response */
    enum http_error error;
};
/* Client faults, refusals and a gateway's own "not processed" are neutral; 502, 503, 504 and
 * losing the connection are failures; any other response is a success (4xx and 500, too: the
 * server works, the request or the application may not). */
enum ejection_verdict ejection_judge(const struct ejection_evidence *evidence);

/* How the pool stands, this peer included. */
struct ejection_pool {
    size_t peers, out;
};
/* True: the peer is out from now on. */
bool ejection_observe(struct ejection *ejection, const struct ejection_settings *settings,
                      enum ejection_verdict verdict, struct ejection_pool pool, uint64_t now_ms,
                      struct rng *rng);
bool ejection_is_out(const struct ejection *ejection, uint64_t now_ms);
/* A request succeeded that was begun while the peer was out: it is back at once, on probation. */
void ejection_pardon(struct ejection *ejection, uint64_t now_ms);
/* True once, when the time is over: the peer is back, on probation (choice_start_probation). */
bool ejection_poll(struct ejection *ejection, uint64_t now_ms);
