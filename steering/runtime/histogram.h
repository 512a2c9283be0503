/* SPDX-License-Identifier: Apache-2.0 */
/* Durations in fixed buckets, the same for every histogram of the program so that they can be
 * added up.
 * Threads:   histogram_record by the one owner, the rest by any.
 */
#pragma once

#include "steering/runtime/counter.h"

enum { HISTOGRAM_BUCKETS = 18 };

/* Upper bounds in nanoseconds; what is longer counts in the last bucket, without a bound. */
extern const uint64_t histogram_bounds_ns[HISTOGRAM_BUCKETS - 1];

struct histogram {
    struct counter buckets[HISTOGRAM_BUCKETS];
    struct counter sum_ns;
};

/* `weight` events that took `duration_ns` each. */
void histogram_record(struct histogram *histogram, uint64_t duration_ns, uint64_t weight);

struct histogram_totals {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t sum_ns;
};
/* Adds what `histogram` holds to `totals`. */
void histogram_collect(const struct histogram *histogram, struct histogram_totals *totals);
