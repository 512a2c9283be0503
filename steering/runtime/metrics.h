/* SPDX-License-Identifier: Apache-2.0 */
/* Writes metrics in the Prometheus text format.
 *
 * Shape:     a daemon lists its metrics once, as a table; enum, name, kind and help come from it:
 *
 *                #define MY_METRICS(X) X(QUERIES, COUNTER, "my_queries_total", "Queries answered.")
 *                enum { METRICS_ENUM(MY_METRICS) };
 *                static const struct metric my_metrics[] = { METRICS_TABLE(MY_METRICS) };
 *
 *            A metric's head is written once, followed by its samples.
 * Threads:   owner of the buffer.
 * Source:    Prometheus text exposition format 0.0.4
 */
#pragma once

#include "steering/base/buf.h"
#include "steering/runtime/histogram.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name, *help;
    enum metric_kind kind;
};

#define METRICS_ENUM_ROW(id, kind, name, help) METRIC_##id,
#define METRICS_ENUM(LIST) LIST(METRICS_ENUM_ROW)
#define METRICS_TABLE_ROW(id, kind, name, help) { name, help, METRIC_##kind },
#define METRICS_TABLE(LIST) LIST(METRICS_TABLE_ROW)

struct metric_label {
    const char *key, *value;
};

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

void metrics_head(struct buf *out, const struct metric *metric);
/* One sample with `count` labels. Values of labels may hold any bytes. */
void metrics_sample(struct buf *out, const struct metric *metric, const struct metric_label *labels,
                    size_t count, uint64_t value);
void metrics_sample_real(struct buf *out, const struct metric *metric,
                         const struct metric_label *labels, size_t count, double value);
/* Head and one sample without labels. */
void metrics_single(struct buf *out, const struct metric *metric, uint64_t value);
void metrics_single_real(struct buf *out, const struct metric *metric, double value);
/* Head and two samples, with the label "outcome": "done" and "failed". */
void metrics_outcomes(struct buf *out, const struct metric *metric, uint64_t done, uint64_t failed);
/* Durations, in seconds: cumulative buckets, sum and count, without the head. */
void metrics_durations(struct buf *out, const struct metric *metric,
                       const struct metric_label *labels, size_t count,
                       const struct histogram_totals *totals);
/* One bucket of a histogram over other numbers than durations; `bound` "+Inf" is the last. */
void metrics_bucket(struct buf *out, const struct metric *metric, const char *bound,
                    uint64_t cumulative);
/* Its closing "_sum" and "_count" samples. */
void metrics_sum_count(struct buf *out, const struct metric *metric, uint64_t sum, uint64_t count);
