/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "dns/server/dns_metrics.h"
#include "dns/server/server_priv.h"
#include "steering/base/mem.h"
#include "steering/runtime/steering_metrics.h"

enum { METRICS_ENUM(DNS_METRICS) };
static const struct metric table[] = { METRICS_TABLE(DNS_METRICS) };

enum transport { UDP, TCP, TRANSPORT_COUNT };
static const char *const transport_names[] = { [UDP] = "udp", [TCP] = "tcp" };

/* All workers of one transport added up. */
struct sums {
    uint64_t queries[TALLY_TYPE_COUNT][TALLY_RCODE_COUNT];
    uint64_t responses[TALLY_RCODE_COUNT];
    uint64_t edns, truncated;
    uint64_t scopes[TALLY_SCOPE_COUNT];
    struct histogram_totals latency;
};
struct all_sums {
    struct sums by[TRANSPORT_COUNT];
    uint64_t dropped[TALLY_DROP_COUNT];
    uint64_t tcp_accepted, tcp_refused, tcp_closed[TALLY_CLOSE_COUNT];
};

static void add_transport(struct sums *sums, const struct tally *tally)
{
    for (size_t type = 0; type < TALLY_TYPE_COUNT; type++) {
        for (size_t rcode = 0; rcode < TALLY_RCODE_COUNT; rcode++) {
            uint64_t count = counter_read(&tally->queries[type][rcode]);
            sums->queries[type][rcode] += count;
            sums->responses[rcode] += count;
        }
    }
    sums->edns += counter_read(&tally->edns);
    for (size_t i = 0; i < TALLY_SCOPE_COUNT; i++)
        sums->scopes[i] += counter_read(&tally->scopes[i]);
    sums->truncated += counter_read(&tally->truncated);
    histogram_collect(&tally->latency, &sums->latency);
}

static void add_tally(struct all_sums *sums, const struct tally *tally)
{
    for (size_t i = 0; i < TALLY_DROP_COUNT; i++)
        sums->dropped[i] += counter_read(&tally->dropped[i]);
    for (size_t i = 0; i < TALLY_CLOSE_COUNT; i++)
        sums->tcp_closed[i] += counter_read(&tally->tcp_closed[i]);
    sums->tcp_accepted += counter_read(&tally->tcp_accepted);
    sums->tcp_refused += counter_read(&tally->tcp_refused);
}

static void add_up(const struct server *server, struct all_sums *sums)
{
    size_t udp_count = server_udp_count(server);
    for (size_t i = 0; i < server->slot_count; i++) {
        add_transport(&sums->by[i < udp_count ? UDP : TCP], &server->tallies[i]);
        add_tally(sums, &server->tallies[i]);
    }
}

/* ---- queries ------------------------------------------------------------------------------- */

static void write_types(struct buf *out, const struct sums *sums, const char *transport)
{
    for (size_t type = 0; type < TALLY_TYPE_COUNT; type++) {
        for (size_t rcode = 0; rcode < TALLY_RCODE_COUNT; rcode++) {
            const struct metric_label labels[] = {
                { "transport", transport },
                { "type", tally_type_name((enum tally_type)type) },
                { "rcode", tally_rcode_name((enum tally_rcode)rcode) },
            };
            /* Only what occurred: most of the combinations never do. */
            if (sums->queries[type][rcode] > 0)
                metrics_sample(out, &table[METRIC_QUERIES], labels, ARRAY_SIZE(labels),
                               sums->queries[type][rcode]);
        }
    }
}

static void write_queries(struct buf *out, const struct all_sums *sums)
{
    metrics_head(out, &table[METRIC_QUERIES]);
    for (size_t i = 0; i < TRANSPORT_COUNT; i++)
        write_types(out, &sums->by[i], transport_names[i]);
    metrics_head(out, &table[METRIC_RESPONSES]);
    for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
        for (size_t rcode = 0; rcode < TALLY_RCODE_COUNT; rcode++) {
            const struct metric_label labels[] = {
                { "transport", transport_names[i] },
                { "rcode", tally_rcode_name((enum tally_rcode)rcode) },
            };
            metrics_sample(out, &table[METRIC_RESPONSES], labels, ARRAY_SIZE(labels),
                           sums->by[i].responses[rcode]);
        }
    }
}

static void write_per_transport(struct buf *out, size_t metric, uint64_t udp, uint64_t tcp)
{
    const struct metric_label labels[] = { { "transport", transport_names[UDP] },
                                           { "transport", transport_names[TCP] } };
    metrics_head(out, &table[metric]);
    metrics_sample(out, &table[metric], &labels[0], 1, udp);
    metrics_sample(out, &table[metric], &labels[1], 1, tcp);
}

/* Every query with ECS has counted its scope. */
static uint64_t scope_count(const struct sums *sums)
{
    uint64_t count = 0;
    for (size_t bits = 0; bits < TALLY_SCOPE_COUNT; bits++)
        count += sums->scopes[bits];
    return count;
}

static void write_scopes(struct buf *out, const struct all_sums *sums)
{
    static const uint8_t bounds[] = {
        0, 8, 12, 16, 18, 20, 22, 23, 24, 28, 32, 40, 48, 56, 64, 128
    };
    uint64_t cumulative = 0, sum = 0;
    size_t bits = 0;
    metrics_head(out, &table[METRIC_SCOPE]);
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        char bound[8];
        for (; bits <= bounds[i]; bits++) {
            uint64_t count = sums->by[UDP].scopes[bits] + sums->by[TCP].scopes[bits];
            cumulative += count;
            sum += bits * count;
        }
        snprintf(bound, sizeof(bound), "%u", bounds[i]);
        metrics_bucket(out, &table[METRIC_SCOPE], bound, cumulative);
    }
    metrics_bucket(out, &table[METRIC_SCOPE], "+Inf", cumulative);
    metrics_sum_count(out, &table[METRIC_SCOPE], sum, cumulative);
}

static void write_latency(struct buf *out, const struct all_sums *sums)
{
    metrics_head(out, &table[METRIC_LATENCY]);
    for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
        const struct metric_label label = { "transport", transport_names[i] };
        metrics_durations(out, &table[METRIC_LATENCY], &label, 1, &sums->by[i].latency);
    }
}

static void write_drops(struct buf *out, const struct all_sums *sums)
{
    metrics_head(out, &table[METRIC_DROPPED]);
    for (size_t i = 0; i < TALLY_DROP_COUNT; i++) {
        const struct metric_label label = { "reason", tally_drop_name((enum tally_drop)i) };
        metrics_sample(out, &table[METRIC_DROPPED], &label, 1, sums->dropped[i]);
    }
}

static void write_tcp(struct buf *out, const struct server *server, const struct all_sums *sums)
{
    uint64_t open = 0;
    for (size_t i = 0; i < server->daemon.sockets.worker_count; i++)
        open += tcp_connection_count(server->tcps[i]);
    metrics_single(out, &table[METRIC_TCP_OPEN], open);
    metrics_single(out, &table[METRIC_TCP_ACCEPTED], sums->tcp_accepted);
    metrics_single(out, &table[METRIC_TCP_REFUSED], sums->tcp_refused);
    metrics_head(out, &table[METRIC_TCP_CLOSED]);
    for (size_t i = 0; i < TALLY_CLOSE_COUNT; i++) {
        const struct metric_label label = { "reason", tally_close_name((enum tally_close)i) };
        metrics_sample(out, &table[METRIC_TCP_CLOSED], &label, 1, sums->tcp_closed[i]);
    }
}

/* ---- steering ------------------------------------------------------------------------------ */

static void write_answers(struct buf *out, const struct server *server)
{
    struct site_totals totals = { .items = NULL };
    site_totals_copy(&totals, &server->totals);
    for (const struct dataset *at = server->live; at != NULL; at = at->next_live)
        site_totals_add(&totals, &at->counts, at->world->topology);
    metrics_head(out, &table[METRIC_ANSWERS]);
    for (size_t i = 0; i < totals.count; i++) {
        const struct metric_label labels[] = { { "map", totals.items[i].map },
                                               { "site", totals.items[i].site } };
        metrics_sample(out, &table[METRIC_ANSWERS], labels, ARRAY_SIZE(labels),
                       totals.items[i].count);
    }
    site_totals_fini(&totals);
}

static void write_geo(struct buf *out, const struct world_info *info)
{
    metrics_head(out, &table[METRIC_GEO_BUILT]);
    for (size_t i = 0; i < info->database_count; i++) {
        const struct world_database *database = &info->databases[i];
        const struct metric_label labels[] = { { "path", database->path },
                                               { "type", database->info.type } };
        metrics_sample(out, &table[METRIC_GEO_BUILT], labels, ARRAY_SIZE(labels),
                       database->info.build_epoch);
    }
    metrics_single(out, &table[METRIC_GEO_CLASSES], info->geo.class_count);
    metrics_single(out, &table[METRIC_GEO_LEAVES], info->geo.leaf_count);
    metrics_single(out, &table[METRIC_GEO_BYTES], info->geo.memory_bytes);
}

static void write_dataset(struct buf *out, const struct dataset *dataset)
{
    metrics_single_real(out, &table[METRIC_LOAD], (double)dataset->load_ns / 1e9);
    metrics_single(out, &table[METRIC_LOADED], (uint64_t)dataset->loaded_unix_s);
    metrics_single(out, &table[METRIC_ZONES], zone_set_count(dataset->zones));
    metrics_single(out, &table[METRIC_RECORDS], zone_set_record_count(dataset->zones));
    write_geo(out, &dataset->info);
}

void exposition_write(const struct server *server, struct buf *out)
{
    struct all_sums *sums = mem_calloc(1, sizeof(*sums));
    const struct steering_report report = steering_report(server->daemon.steering);
    add_up(server, sums);
    const struct sums *udp = &sums->by[UDP], *tcp = &sums->by[TCP];
    write_queries(out, sums);
    write_per_transport(out, METRIC_EDNS, udp->edns, tcp->edns);
    write_per_transport(out, METRIC_ECS, scope_count(udp), scope_count(tcp));
    write_scopes(out, sums);
    write_per_transport(out, METRIC_TRUNCATED, udp->truncated, tcp->truncated);
    write_answers(out, server);
    write_drops(out, sums);
    write_latency(out, sums);
    write_tcp(out, server, sums);
    metrics_single(out, &table[METRIC_ALARMS],
                   answer_view_alarm_count(server_serving(server)->view));
    metrics_single_real(out, &table[METRIC_SWAP], (double)server->daemon.grace.latest_ns / 1e9);
    metrics_outcomes(out, &table[METRIC_RELOADS], server->daemon.reload.success_count,
                     server->daemon.reload.failure_count);
    metrics_single(out, &table[METRIC_WORKERS], server->daemon.sockets.worker_count);
    write_dataset(out, server->dataset);
    steering_metrics_write(out, &report);
    process_metrics_write(out, server->daemon.started_unix_s);
    free(sums);
}
