/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/steering_metrics.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

#define STEERING_METRICS(X)                                                                        \
    X(BUILD_INFO, GAUGE, "steer_build_info", "1, with the version as a label.")                    \
    X(GENERATION, GAUGE, "steer_generation", "Generation of the document in force; 0 = none.")     \
    X(SETTLED, GAUGE, "steer_generation_settled", "Generation that every worker obeys.")           \
    X(AGE, GAUGE, "steer_generation_age_seconds",                                                  \
      "Since the document in force was taken; 0 = since before the start.")                        \
    X(STALE, GAUGE, "steer_stale_seconds",                                                         \
      "Since the store last confirmed the document in force; 0 = it does.")                        \
    X(SOURCE, GAUGE, "steer_source", "1 for where the document in force comes from.")              \
    X(STORE_PROBLEM, GAUGE, "steer_store_problem", "1 while the store has nothing usable.")        \
    X(CHANGES, COUNTER, "steer_document_changes_total", "Documents taken from the store.")         \
    X(REFUSALS, COUNTER, "steer_document_refusals_total",                                          \
      "Documents, or what stood in their place, that were refused.")                               \
    X(BREAK_GLASS, GAUGE, "steer_break_glass_orders", "Orders of the break-glass file in force.")  \
    X(BREAK_GLASS_PROBLEM, GAUGE, "steer_break_glass_problem",                                     \
      "1 while the break-glass file is damaged or gone.")                                          \
    X(LAST_GOOD_PROBLEM, GAUGE, "steer_last_good_problem",                                         \
      "1 while the last good document cannot be saved.")                                           \
    X(PRESENCE_PROBLEM, GAUGE, "steer_presence_problem",                                           \
      "1 while the node cannot announce itself in the store.")                                     \
    X(CPU, COUNTER, "process_cpu_seconds_total", "User and system time of the process.")           \
    X(RSS, GAUGE, "process_resident_memory_bytes", "Memory that is in RAM.")                       \
    X(START, GAUGE, "process_start_time_seconds", "Start of the process, Unix time.")

enum { METRICS_ENUM(STEERING_METRICS) };
static const struct metric table[] = { METRICS_TABLE(STEERING_METRICS) };

static void write_source(struct buf *out, enum steering_source source)
{
    static const enum steering_source all[] = { STEERING_BY_STORE, STEERING_BY_LAST_GOOD,
                                                STEERING_BY_BASE };
    metrics_head(out, &table[METRIC_SOURCE]);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        const struct metric_label label = { "source", steering_source_name(all[i]) };
        metrics_sample(out, &table[METRIC_SOURCE], &label, 1, all[i] == source);
    }
}

void steering_metrics_write(struct buf *out, const struct steering_report *report)
{
    static const struct metric_label version = { "version", STEER_VERSION };
    const struct metric_label reason = { "reason", report->store_reason };
    int64_t age_ms = report->changed_at_ms == 0 ? 0 : clock_unix_ms() - report->changed_at_ms;
    metrics_head(out, &table[METRIC_BUILD_INFO]);
    metrics_sample(out, &table[METRIC_BUILD_INFO], &version, 1, 1);
    metrics_single(out, &table[METRIC_GENERATION], report->generation);
    metrics_single(out, &table[METRIC_SETTLED], report->settled_generation);
    metrics_single_real(out, &table[METRIC_AGE], age_ms < 0 ? 0 : (double)age_ms / 1000);
    metrics_single(out, &table[METRIC_STALE], report->stale_seconds);
    write_source(out, report->source);
    metrics_head(out, &table[METRIC_STORE_PROBLEM]);
    metrics_sample(out, &table[METRIC_STORE_PROBLEM], &reason, 1, report->store_problem[0] != '\0');
    metrics_single(out, &table[METRIC_CHANGES], report->change_count);
    metrics_single(out, &table[METRIC_REFUSALS], report->refusal_count);
    metrics_single(out, &table[METRIC_BREAK_GLASS], report->break_glass_orders);
    metrics_single(out, &table[METRIC_BREAK_GLASS_PROBLEM], report->break_glass_problem[0] != '\0');
    metrics_single(out, &table[METRIC_LAST_GOOD_PROBLEM], report->last_good_problem[0] != '\0');
    metrics_single(out, &table[METRIC_PRESENCE_PROBLEM], report->presence_problem[0] != '\0');
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static uint64_t resident_bytes(void)
{
    unsigned long long total_pages = 0, resident_pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &total_pages, &resident_pages) != 2)
        resident_pages = 0;
    fclose(file);
    return resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void process_metrics_write(struct buf *out, int64_t started_unix_s)
{
    struct rusage usage = { 0 };
    getrusage(RUSAGE_SELF, &usage);
    metrics_single_real(out, &table[METRIC_CPU],
                        seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    metrics_single(out, &table[METRIC_RSS], resident_bytes());
    metrics_single(out, &table[METRIC_START], (uint64_t)started_unix_s);
}
