/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of steer-dns, one row each. Steering and process metrics are in
 * steering/runtime/steering_metrics.c. */
#pragma once

/*      id               kind       name                            help */
#define DNS_METRICS(X)                                                                             \
    X(QUERIES, COUNTER, "steer_dns_queries_total",                                                 \
      "Queries answered, by transport, type and RCODE.")                                           \
    X(RESPONSES, COUNTER, "steer_dns_responses_total", "Answers, by transport and RCODE.")         \
    X(EDNS, COUNTER, "steer_dns_edns_queries_total", "Queries with EDNS.")                         \
    X(ECS, COUNTER, "steer_dns_ecs_queries_total", "Queries with a client subnet.")                \
    X(SCOPE, HISTOGRAM, "steer_dns_ecs_scope_bits", "Scope of the answers to those.")              \
    X(TRUNCATED, COUNTER, "steer_dns_truncated_total", "Answers with TC set.")                     \
    X(ANSWERS, COUNTER, "steer_dns_answers_total",                                                 \
      "Answers that steering chose, by map and site in front.")                                    \
    X(DROPPED, COUNTER, "steer_dns_dropped_total",                                                 \
      "Queries without an answer and answers that could not be sent, by reason.")                  \
    X(LATENCY, HISTOGRAM, "steer_dns_latency_seconds",                                             \
      "From reading a batch of queries to having sent its answers, per query.")                    \
    X(TCP_OPEN, GAUGE, "steer_dns_tcp_connections", "Open TCP connections.")                       \
    X(TCP_ACCEPTED, COUNTER, "steer_dns_tcp_accepted_total", "TCP connections accepted.")          \
    X(TCP_REFUSED, COUNTER, "steer_dns_tcp_refused_total",                                         \
      "TCP connections that could not be accepted.")                                               \
    X(TCP_CLOSED, COUNTER, "steer_dns_tcp_closed_total", "TCP connections ended, by reason.")      \
    X(ALARMS, GAUGE, "steer_dns_alarms",                                                           \
      "Cells for which steering left nothing: they get their base answer.")                        \
    X(SWAP, GAUGE, "steer_dns_swap_seconds",                                                       \
      "How long the workers took to leave the former state, the last time.")                       \
    X(RELOADS, COUNTER, "steer_dns_reloads_total", "Reloads, by outcome.")                         \
    X(LOAD, GAUGE, "steer_dns_load_seconds", "How long loading the files in force took.")          \
    X(LOADED, GAUGE, "steer_dns_loaded_timestamp_seconds", "When that was, Unix time.")            \
    X(ZONES, GAUGE, "steer_dns_zones", "Zones served.")                                            \
    X(RECORDS, GAUGE, "steer_dns_records", "Static records in them.")                              \
    X(WORKERS, GAUGE, "steer_dns_workers", "Workers; each has a UDP thread per address.")          \
    X(GEO_BUILT, GAUGE, "steer_geo_database_built_timestamp_seconds",                              \
      "When the database in force was built, Unix time.")                                          \
    X(GEO_CLASSES, GAUGE, "steer_geo_classes", "Classes of clients that answers can tell apart.")  \
    X(GEO_LEAVES, GAUGE, "steer_geo_leaves", "Prefixes in the geo trie.")                          \
    X(GEO_BYTES, GAUGE, "steer_geo_bytes", "Memory of the geo trie.")
