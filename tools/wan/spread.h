/* SPDX-License-Identifier: Apache-2.0 */
/* How far things were off: a histogram with a fixed resolution, of values of either sign.
 *
 * Shape:     one count per 5 us from -10 ms to +40 ms; the ends count what lies beyond.
 * Threads:   owner only (plain value).
 */
#pragma once

#include <stdint.h>

enum {
    SPREAD_STEP_NS = 5000,
    SPREAD_LEAST_NS = -10000000,
    SPREAD_MOST_NS = 40000000,
    SPREAD_BUCKETS = (SPREAD_MOST_NS - SPREAD_LEAST_NS) / SPREAD_STEP_NS,
};

struct spread {
    uint32_t buckets[SPREAD_BUCKETS];
    uint64_t count;
    int64_t max_ns; /* meaningless while count is 0 */
};

void spread_add(struct spread *spread, int64_t value_ns);
/* The value that `part` (0 to 1) of all are not above, to the resolution; 0 when there is none. */
int64_t spread_quantile(const struct spread *spread, double part);
