/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of steer-pop that are no rows of the tally (tally.h), one row each. Steering and
 * process metrics are in steering/runtime/steering_metrics.c. */
#pragma once

/*      id               kind       name                            help */
#define POP_METRICS(X)                                                                             \
    X(READY, GAUGE, "steer_pop_ready", "1 while clients are served.")                              \
    X(DRAINING, GAUGE, "steer_pop_draining", "1 while the node finishes what is in flight.")       \
    X(WORKERS, GAUGE, "steer_pop_workers", "Workers that run.")                                    \
    X(WORKER_REQUESTS, COUNTER, "steer_pop_worker_requests_total",                                 \
      "Requests begun, by worker: they should be alike.")                                          \
    X(WORKER_CLIENTS, GAUGE, "steer_pop_worker_client_connections",                                \
      "Open client connections, by worker.")                                                       \
    X(STRAYS, COUNTER, "steer_pop_strays_total",                                                   \
      "Requests that came to an evacuated region, by where from and where they went.")             \
    X(FALLBACKS, COUNTER, "steer_pop_fallbacks_total",                                             \
      "Requests that went to another than their first region, by both.")                           \
    X(LOG_LOST, COUNTER, "steer_pop_access_log_lost_total",                                        \
      "Lines that the access log's file did not take.")                                            \
    X(SWAP, GAUGE, "steer_pop_swap_seconds",                                                       \
      "How long the workers took to leave the former state, the last time.")                       \
    X(RELOADS, COUNTER, "steer_pop_reloads_total", "Reloads, by outcome.")                         \
    X(TICKET_KEYS, COUNTER, "steer_pop_ticket_key_reads_total",                                    \
      "Changed files of session ticket keys, by outcome.")                                         \
    X(LOAD, GAUGE, "steer_pop_load_seconds", "How long loading the files in force took.")          \
    X(LOADED, GAUGE, "steer_pop_loaded_timestamp_seconds", "When that was, Unix time.")            \
    X(CERTIFICATES, GAUGE, "steer_pop_certificate_expiry_timestamp_seconds",                       \
      "When the certificates in use expire, by path and use, Unix time.")                          \
    X(ROUTES, GAUGE, "steer_pop_routes", "Routes in force.")                                       \
    X(GEO_BYTES, GAUGE, "steer_geo_bytes", "Memory of the geo trie.")
