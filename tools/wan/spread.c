/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/spread.h"

void spread_add(struct spread *spread, int64_t value_ns)
{
    int64_t at = (value_ns - SPREAD_LEAST_NS) / SPREAD_STEP_NS;
    if (value_ns < SPREAD_LEAST_NS)
        at = 0;
    if (at >= SPREAD_BUCKETS)
        at = SPREAD_BUCKETS - 1;
    spread->buckets[at]++;
    if (spread->count == 0 || value_ns > spread->max_ns)
        spread->max_ns = value_ns;
    spread->count++;
}

int64_t spread_quantile(const struct spread *spread, double part)
{
    uint64_t seen = 0;
    if (spread->count == 0)
        return 0;
    for (int i = 0; i < SPREAD_BUCKETS; i++) {
        seen += spread->buckets[i];
        if ((double)seen < part * (double)spread->count || seen == 0)
            continue;
        int64_t end_ns = SPREAD_LEAST_NS + (int64_t)(i + 1) * SPREAD_STEP_NS;
        return end_ns < spread->max_ns && i < SPREAD_BUCKETS - 1 ? end_ns : spread->max_ns;
    }
    return spread->max_ns;
}
