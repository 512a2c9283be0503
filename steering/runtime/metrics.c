/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BOUND_TEXT_MAX = 32, LABELS_MAX = 8 };

static const char *const kind_names[] = {
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
};

void metrics_head(struct buf *out, const struct metric *metric)
{
    buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                      kind_names[metric->kind]);
}

static void append_escaped(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\' || *p == '"')
            buf_append_format(out, "\\%c", *p);
        else if (*p == '\n')
            buf_append_text(out, "\\n");
        else
            buf_append(out, p, 1);
    }
}

static void append_name(struct buf *out, const struct metric *metric, const char *suffix,
                        const struct metric_label *labels, size_t count)
{
    buf_append_text(out, metric->name);
    buf_append_text(out, suffix);
    for (size_t i = 0; i < count; i++) {
        buf_append_text(out, i == 0 ? "{" : ",");
        buf_append_text(out, labels[i].key);
        buf_append_text(out, "=\"");
        append_escaped(out, labels[i].value);
        buf_append_text(out, "\"");
    }
    buf_append_text(out, count == 0 ? " " : "} ");
}

void metrics_sample(struct buf *out, const struct metric *metric, const struct metric_label *labels,
                    size_t count, uint64_t value)
{
    append_name(out, metric, "", labels, count);
    buf_append_format(out, "%" PRIu64 "\n", value);
}

void metrics_sample_real(struct buf *out, const struct metric *metric,
                         const struct metric_label *labels, size_t count, double value)
{
    append_name(out, metric, "", labels, count);
    buf_append_format(out, "%.9g\n", value);
}

void metrics_single(struct buf *out, const struct metric *metric, uint64_t value)
{
    metrics_head(out, metric);
    metrics_sample(out, metric, NULL, 0, value);
}

void metrics_single_real(struct buf *out, const struct metric *metric, double value)
{
    metrics_head(out, metric);
    metrics_sample_real(out, metric, NULL, 0, value);
}

void metrics_outcomes(struct buf *out, const struct metric *metric, uint64_t done, uint64_t failed)
{
    static const struct metric_label labels[] = { { "outcome", "done" }, { "outcome", "failed" } };
    metrics_head(out, metric);
    metrics_sample(out, metric, &labels[0], 1, done);
    metrics_sample(out, metric, &labels[1], 1, failed);
}

static void append_bucket(struct buf *out, const struct metric *metric,
                          const struct metric_label *labels, size_t count, const char *bound,
                          uint64_t cumulative)
{
    struct metric_label all[LABELS_MAX + 1];
    size_t used = count < LABELS_MAX ? count : LABELS_MAX;
    if (used > 0)
        memcpy(all, labels, used * sizeof(*labels));
    all[used] = (struct metric_label){ "le", bound };
    append_name(out, metric, "_bucket", all, used + 1);
    buf_append_format(out, "%" PRIu64 "\n", cumulative);
}

void metrics_durations(struct buf *out, const struct metric *metric,
                       const struct metric_label *labels, size_t count,
                       const struct histogram_totals *totals)
{
    uint64_t cumulative = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        char bound[BOUND_TEXT_MAX] = "+Inf";
        if (i < HISTOGRAM_BUCKETS - 1)
            snprintf(bound, sizeof(bound), "%.9g", (double)histogram_bounds_ns[i] / 1e9);
        cumulative += totals->buckets[i];
        append_bucket(out, metric, labels, count, bound, cumulative);
    }
    append_name(out, metric, "_sum", labels, count);
    buf_append_format(out, "%.9g\n", (double)totals->sum_ns / 1e9);
    append_name(out, metric, "_count", labels, count);
    buf_append_format(out, "%" PRIu64 "\n", cumulative);
}

void metrics_bucket(struct buf *out, const struct metric *metric, const char *bound,
                    uint64_t cumulative)
{
    append_bucket(out, metric, NULL, 0, bound, cumulative);
}

void metrics_sum_count(struct buf *out, const struct metric *metric, uint64_t sum, uint64_t count)
{
    buf_append_format(out, "%s_sum %" PRIu64 "\n%s_count %" PRIu64 "\n", metric->name, sum,
                      metric->name, count);
}
