/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/histogram.h"

#include <stddef.h>

const uint64_t histogram_bounds_ns[HISTOGRAM_BUCKETS - 1] = {
    1000,    2500,    5000,    10000,    25000,    50000,     100000,    250000,     500000,
    1000000, 2500000, 5000000, 10000000, 25000000, 100000000, 250000000, 1000000000,
};

void histogram_record(struct histogram *histogram, uint64_t duration_ns, uint64_t weight)
{
    size_t at = 0;
    while (at < HISTOGRAM_BUCKETS - 1 && duration_ns > histogram_bounds_ns[at])
        at++;
    counter_add(&histogram->buckets[at], weight);
    counter_add(&histogram->sum_ns, duration_ns * weight);
}

void histogram_collect(const struct histogram *histogram, struct histogram_totals *totals)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        totals->buckets[i] += counter_read(&histogram->buckets[i]);
    totals->sum_ns += counter_read(&histogram->sum_ns);
}
