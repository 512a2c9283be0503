/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several equal peers gets the next request: the better of two that are drawn by lot.
 *
 * Shape:     score = (in flight + 1) x latency x load x errors x probation; less is better
 *
 *              latency    moving average of the time to the response head; halves with every
 *                         CHOICE_FORGET_MS without news, so that a slow peer is tried again
 *              load       what the gateway reported: nothing up to 50 %, then ever more
 *              errors     decaying count of failures
 *              probation  4 for a peer that is new or back, falling to 1 in CHOICE_PROBATION_MS
 *
 *            Two scores that are nearly the same are decided by a coin: else one of two equals
 *            would get everything while there is little to do.
 * Threads:   one worker's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/rng.h"

enum {
    CHOICE_PROBATION_MS = 10000,
    CHOICE_FORGET_MS = 10000,
    CHOICE_ERROR_HALF_LIFE_MS = 5000,
    CHOICE_LOAD_VALID_MS = 10000, /* what a gateway reported longer ago says nothing */
};
#define CHOICE_NONE SIZE_MAX
#define CHOICE_NO_LOAD UINT32_MAX

/* What is known of one peer; kept by its owner. */
struct choice_stats {
    uint32_t in_flight;
    uint32_t load_percent; /* CHOICE_NO_LOAD: never reported */
    uint64_t load_at_ms;
    double latency_us; /* 0: never measured */
    uint64_t latency_at_ms;
    double errors;
    uint64_t errors_at_ms;
    uint64_t probation_since_ms;
    bool is_on_probation;
};

/* A new peer. Without `is_on_probation` (all peers of a start are new: there is nobody to protect
 * them with) it is as good as any. */
void choice_init(struct choice_stats *stats, bool is_on_probation, uint64_t now_ms);
/* Back after an ejection or a restart. */
void choice_start_probation(struct choice_stats *stats, uint64_t now_ms);

/* A request was given to the peer; each is followed by one choice_ended. */
void choice_begun(struct choice_stats *stats);
struct choice_outcome {
    bool is_failure;        /* the peer's, not the client's */
    uint64_t first_byte_us; /* 0: no response head came */
    uint32_t load_percent;  /* CHOICE_NO_LOAD: not reported */
};
void choice_ended(struct choice_stats *stats, const struct choice_outcome *outcome,
                  uint64_t now_ms);

/* Less is better; `latency_us` stands in for a latency that was never measured. */
double choice_score(const struct choice_stats *stats, double latency_us, uint64_t now_ms);

struct choice_peer {
    const struct choice_stats *stats;
    bool is_usable; /* not tried, not ejected, with room */
};
/* The index of a usable peer; CHOICE_NONE only when there is none. */
size_t choice_pick(const struct choice_peer *peers, size_t count, uint64_t now_ms, struct rng *rng);
