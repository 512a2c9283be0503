/* SPDX-License-Identifier: Apache-2.0 */
/* How many further attempts may go to one region: a token bucket fed by first attempts and by
 * time, charged when a retry is decided (not when it is sent). So retries can never be more than
 * a share of real traffic, however much of it fails.
 *
 * Threads:   one worker's own; the limits given are its share of the node's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct retry_budget {
    uint64_t milli_tokens; /* a retry costs 1000 */
    uint64_t max_milli_tokens;
    uint32_t percent, min_per_s;
    uint64_t filled_at_ms;
};

/* Starts full: ten seconds of `min_per_s` are the ceiling. Both 0: never a retry. */
struct retry_budget retry_budget_init(uint32_t percent, uint32_t min_per_s, uint64_t now_ms);
void retry_budget_feed(struct retry_budget *budget); /* a first attempt */
bool retry_budget_take(struct retry_budget *budget, uint64_t now_ms);
/* Would take succeed? */
bool retry_budget_has(struct retry_budget *budget, uint64_t now_ms);
uint64_t retry_budget_tokens(const struct retry_budget *budget);
