/* SPDX-License-Identifier: Apache-2.0 */
/* decide(): which sites, in which order, a cell is sent to. The one function that DNS server,
 * proxies and `steer explain` all call, so that they cannot disagree.
 *
 * Threads:   any (pure over an immutable snapshot).
 */
#pragma once

#include "steering/model/snapshot.h"

/* Which level had the last word, for explain and metrics. */
enum decision_level {
    DECISION_BASE,         /* the rule's own order, untouched */
    DECISION_STEERED,      /* some candidates were taken out by a mode */
    DECISION_SPARE,        /* all candidates were out: the map's all_down sites */
    DECISION_NOTHING_LEFT, /* even those were out, or there are none (ALL_DOWN_BASE): base order
                              again, alarm */
};

struct decision {
    struct site_id sites[CANDIDATE_MAX]; /* ordered, never empty */
    uint8_t count;
    enum decision_level level;
    bool is_moving; /* differs from the base: answers carry ttl_moving */
};

/* `key` is the hash of the client prefix; equal keys get equal answers. Shares of a cell will be
 * cut along it; whole cells, all there is today, do not depend on it. */
struct decision decide(const struct snapshot *snapshot, struct map_id map, struct cell_id cell,
                       uint64_t key);
/* The key of a client prefix: the ECS prefix as used, else /24 or /56 of the address. */
uint64_t decide_key(const struct cidr *client);
/* "base", "steered", "spare" or "nothing-left". */
const char *decision_level_name(enum decision_level level);
