/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "pop/server/access_log.h"
#include "pop/server/pop_metrics.h"
#include "pop/server/server_priv.h"
#include "pop/server/tally_metrics.h"
#include "steering/base/mem.h"
#include "steering/runtime/metrics.h"
#include "steering/runtime/steering_metrics.h"

enum { METRICS_ENUM(POP_METRICS) };
static const struct metric table[] = { METRICS_TABLE(POP_METRICS) };

enum { WORKER_TEXT_MAX = 24 };

static void write_worker(struct buf *out, size_t metric, size_t worker, uint64_t value)
{
    char text[WORKER_TEXT_MAX];
    snprintf(text, sizeof(text), "%zu", worker);
    const struct metric_label label = { "worker", text };
    metrics_sample(out, &table[metric], &label, 1, value);
}

static void write_workers(struct buf *out, const struct server *server)
{
    metrics_single(out, &table[METRIC_WORKERS], server->thread_count);
    metrics_head(out, &table[METRIC_WORKER_REQUESTS]);
    for (size_t i = 0; i < server->worker_count; i++)
        write_worker(out, METRIC_WORKER_REQUESTS, i,
                     tally_sum(&server->tallies[i], 1, TALLY_REQUESTS));
    metrics_head(out, &table[METRIC_WORKER_CLIENTS]);
    for (size_t i = 0; i < server->worker_count; i++)
        write_worker(out, METRIC_WORKER_CLIENTS, i,
                     tally_sum(&server->tallies[i], 1, TALLY_CLIENT_CONNS_H1) +
                         tally_sum(&server->tallies[i], 1, TALLY_CLIENT_CONNS_H2));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void write_crossings(struct buf *out, size_t metric, const json_t *list)
{
    metrics_head(out, &table[metric]);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const struct metric_label labels[] = { { "from", text_of(row, "from") },
                                               { "to", text_of(row, "to") } };
        metrics_sample(out, &table[metric], labels, ARRAY_SIZE(labels),
                       (uint64_t)json_get_int(row, "requests", 0));
    }
}

static void write_traffic(struct buf *out, const struct server *server)
{
    json_t *traffic = traffic_value(server->traffics, server->worker_count);
    write_crossings(out, METRIC_STRAYS, json_object_get(traffic, "strays"));
    write_crossings(out, METRIC_FALLBACKS, json_object_get(traffic, "fallbacks"));
    json_decref(traffic);
}

static void write_certificates(struct buf *out, const struct dataset *dataset)
{
    metrics_head(out, &table[METRIC_CERTIFICATES]);
    for (size_t i = 0; i < dataset->certificate_count; i++) {
        const struct dataset_certificate *one = &dataset->certificates[i];
        const struct metric_label labels[] = { { "path", one->path }, { "use", one->use } };
        metrics_sample(out, &table[METRIC_CERTIFICATES], labels, ARRAY_SIZE(labels),
                       (uint64_t)one->expires_unix_s);
    }
}

static void write_dataset(struct buf *out, const struct dataset *dataset)
{
    write_certificates(out, dataset);
    metrics_single_real(out, &table[METRIC_LOAD], (double)dataset->load_ns / 1e9);
    metrics_single(out, &table[METRIC_LOADED], (uint64_t)dataset->loaded_unix_s);
    metrics_single(out, &table[METRIC_ROUTES], dataset->node->route_count);
    metrics_single(out, &table[METRIC_GEO_BYTES], dataset->info.geo.memory_bytes);
}

void exposition_write(const struct server *server, struct buf *out)
{
    const struct steering_report report = steering_report(server->daemon.steering);
    tally_metrics_write(out, server->tallies, server->worker_count);
    metrics_single(out, &table[METRIC_READY], server->state == SERVER_SERVING);
    metrics_single(out, &table[METRIC_DRAINING], server->state == SERVER_DRAINING);
    write_workers(out, server);
    write_traffic(out, server);
    metrics_single(out, &table[METRIC_LOG_LOST],
                   server->log == NULL ? 0 : access_log_lost(server->log));
    metrics_single_real(out, &table[METRIC_SWAP], (double)server->daemon.grace.latest_ns / 1e9);
    metrics_outcomes(out, &table[METRIC_RELOADS], server->daemon.reload.success_count,
                     server->daemon.reload.failure_count);
    metrics_outcomes(out, &table[METRIC_TICKET_KEYS], server->tickets.success_count,
                     server->tickets.failure_count);
    write_dataset(out, server->dataset);
    steering_metrics_write(out, &report);
    process_metrics_write(out, server->daemon.started_unix_s);
}
