/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/tally_metrics.h"

#include "steering/base/mem.h"
#include "steering/runtime/metrics.h"

/* Rows of one metric follow one another; the first of them has the help. */
static const struct row {
    struct metric metric;
    struct metric_label label; /* key NULL: none */
} rows[TALLY_COUNT] = {
#define X(id, kind, name, key, value, help)                                                        \
    [TALLY_##id] = { { "steer_pop_" name, help, METRIC_##kind }, { key, value } },
    TALLY_LIST(X)
#undef X
};

static const struct metric histograms[TALLY_HISTOGRAM_COUNT] = {
#define X(id, name, help) [TALLY_##id] = { "steer_pop_" name, help, METRIC_HISTOGRAM },
    TALLY_HISTOGRAM_LIST(X)
#undef X
};

uint64_t tally_sum(const struct tally *tallies, size_t count, enum tally_id id)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += counter_read(&tallies[i].counts[id]);
    return sum;
}

void tally_metrics_write(struct buf *out, const struct tally *tallies, size_t count)
{
    for (size_t id = 0; id < TALLY_COUNT; id++) {
        const struct row *row = &rows[id];
        if (row->metric.help != NULL)
            metrics_head(out, &row->metric);
        metrics_sample(out, &row->metric, &row->label, row->label.key == NULL ? 0 : 1,
                       tally_sum(tallies, count, (enum tally_id)id));
    }
    for (size_t id = 0; id < TALLY_HISTOGRAM_COUNT; id++) {
        struct histogram_totals totals = { .sum_ns = 0 };
        for (size_t i = 0; i < count; i++)
            histogram_collect(&tallies[i].histograms[id], &totals);
        metrics_head(out, &histograms[id]);
        metrics_durations(out, &histograms[id], NULL, 0, &totals);
    }
}
