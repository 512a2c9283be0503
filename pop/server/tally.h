/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker counts. The list is the table of /metrics: name, kind and help come from it.
 *
 * Threads:   written by the worker, read by the main thread (runtime/counter.h).
 */
#pragma once

#include <stddef.h>

#include "steering/runtime/counter.h"
#include "steering/runtime/histogram.h"

/* Plain counters and gauges. Metrics with labels are made of several rows: TALLY_LABELLED. */
/*    id                      kind     name without "steer_pop_"      label  value  help */
#define TALLY_LIST(X)                                                                              \
    X(CLIENT_CONNS_H1, GAUGE, "client_connections", "proto", "h1", "Open client connections.")     \
    X(CLIENT_CONNS_H2, GAUGE, "client_connections", "proto", "h2", NULL)                           \
    X(ACCEPTS, COUNTER, "accepts_total", NULL, NULL, "Connections accepted.")                      \
    X(ACCEPT_ERRORS, COUNTER, "accept_errors_total", NULL, NULL,                                   \
      "Connections that could not be accepted (out of descriptors, limits).")                      \
    X(HANDSHAKES_FULL, COUNTER, "tls_handshakes_total", "kind", "full", "TLS handshakes.")         \
    X(HANDSHAKES_RESUMED, COUNTER, "tls_handshakes_total", "kind", "resumed", NULL)                \
    X(HANDSHAKES_FAILED, COUNTER, "tls_handshakes_total", "kind", "failed", NULL)                  \
    X(STREAMS, GAUGE, "requests_in_flight", NULL, NULL, "Requests being served.")                  \
    X(REQUESTS, COUNTER, "requests_total", NULL, NULL, "Requests begun.")                          \
    X(STATUS_2XX_ORIGIN, COUNTER, "responses_total", "class", "2xx", "Responses by class.")        \
    X(STATUS_1XX_ORIGIN, COUNTER, "responses_total", "class", "1xx", NULL)                         \
    X(STATUS_3XX_ORIGIN, COUNTER, "responses_total", "class", "3xx", NULL)                         \
    X(STATUS_4XX_ORIGIN, COUNTER, "responses_total", "class", "4xx", NULL)                         \
    X(STATUS_5XX_ORIGIN, COUNTER, "responses_total", "class", "5xx", NULL)                         \
    X(RESPONSES_OURS, COUNTER, "own_responses_total", NULL, NULL,                                  \
      "Responses that this node made itself, for want of one from behind.")                        \
    X(REDIRECTS, COUNTER, "redirects_total", NULL, NULL, "Answers of the redirecting listeners.")  \
    X(CLIENT_ABORTS, COUNTER, "client_aborts_total", NULL, NULL,                                   \
      "Requests that the client gave up.")                                                         \
    X(CLIENT_PING_TIMEOUTS, COUNTER, "client_ping_timeouts_total", NULL, NULL,                     \
      "Backbone connections from PoPs or gateways that did not answer PING.")                      \
    X(BAD_REQUESTS, COUNTER, "bad_requests_total", NULL, NULL,                                     \
      "Requests that broke HTTP's rules.")                                                         \
    X(FLOODS_KILLED, COUNTER, "floods_killed_total", NULL, NULL,                                   \
      "Connections closed for their score of misbehaviour.")                                       \
    X(DEADLINE_EXCEEDED, COUNTER, "deadline_exceeded_total", NULL, NULL,                           \
      "Requests that ran out of their total time.")                                                \
    X(WAITED_FOR_CONNECT, COUNTER, "requests_waited_for_connect_total", NULL, NULL,                \
      "Requests that found no warm connection: breaches of the one-round-trip promise.")           \
    X(LEASES, COUNTER, "leases_total", NULL, NULL, "Connections handed to requests.")              \
    X(LEASES_REUSED, COUNTER, "leases_reused_total", NULL, NULL,                                   \
      "Of those, connections that stood already.")                                                 \
    X(CONNECTS_OK, COUNTER, "connects_total", "result", "ok", "Connections to peers.")             \
    X(CONNECTS_FAILED, COUNTER, "connects_total", "result", "failed", NULL)                        \
    X(PEER_CONNS_CONNECTING, GAUGE, "peer_connections", "state", "connecting",                     \
      "Connections to gateways and origins.")                                                      \
    X(PEER_CONNS_WARM, GAUGE, "peer_connections", "state", "warm", NULL)                           \
    X(PEER_CONNS_DRAINING, GAUGE, "peer_connections", "state", "draining", NULL)                   \
    X(PEER_CONNS_SUSPECT, GAUGE, "peer_connections", "state", "suspect", NULL)                     \
    X(FLOOR_DEFICIT, GAUGE, "floor_deficit", NULL, NULL,                                           \
      "Warm connections that are missing from the floor.")                                         \
    X(PING_TIMEOUTS, COUNTER, "ping_timeouts_total", NULL, NULL,                                   \
      "Peers that did not answer PING.")                                                           \
    X(GOAWAYS, COUNTER, "goaways_received_total", NULL, NULL, "GOAWAY frames from peers.")         \
    X(REFUSED_STREAMS, COUNTER, "refused_streams_total", NULL, NULL,                               \
      "Requests that a peer refused unprocessed.")                                                 \
    X(EJECTIONS, COUNTER, "ejections_total", NULL, NULL, "Peers taken out after failures.")        \
    X(TRIALS, COUNTER, "ejected_trials_total", NULL, NULL,                                         \
      "Requests given to an ejected peer, because nobody else was left.")                          \
    X(ATTEMPTS, COUNTER, "attempts_total", NULL, NULL,                                             \
      "Requests sent to peers, retries included.")                                                 \
    X(ATTEMPT_FAILS_PROOF, COUNTER, "attempt_failures_total", "proof", "yes",                      \
      "Attempts that failed, by proof that nothing was processed.")                                \
    X(ATTEMPT_FAILS_NO_PROOF, COUNTER, "attempt_failures_total", "proof", "no", NULL)              \
    X(RETRIES_SAME, COUNTER, "retries_total", "cross_region", "no", "Further attempts.")           \
    X(RETRIES_CROSS, COUNTER, "retries_total", "cross_region", "yes", NULL)                        \
    X(DENIED_BUDGET, COUNTER, "retry_denied_total", "reason", "budget", "Retries not made.")       \
    X(DENIED_METHOD, COUNTER, "retry_denied_total", "reason", "method", NULL)                      \
    X(DENIED_BODY, COUNTER, "retry_denied_total", "reason", "body", NULL)                          \
    X(DENIED_DEADLINE, COUNTER, "retry_denied_total", "reason", "deadline", NULL)                  \
    X(DENIED_STARTED, COUNTER, "retry_denied_total", "reason", "started", NULL)                    \
    X(DENIED_OTHER, COUNTER, "retry_denied_total", "reason", "other", NULL)                        \
    X(STRAYS, COUNTER, "stray_requests_total", NULL, NULL,                                         \
      "Requests that came although our site is evacuated.")                                        \
    X(LOOPS, COUNTER, "loop_rejected_total", NULL, NULL, "Requests that had been here before.")    \
    X(TUNNELS, GAUGE, "tunnels", NULL, NULL, "Open WebSocket tunnels.")                            \
    X(TRANSPORT_BYTES_IN, COUNTER, "client_bytes_total", "direction", "in",                        \
      "Bytes on client connections.")                                                              \
    X(TRANSPORT_BYTES_OUT, COUNTER, "client_bytes_total", "direction", "out", NULL)                \
    X(BUFFERED_BYTES, GAUGE, "buffered_bytes", "kind", "all", "Content held in pipes.")            \
    X(RETAINED_BYTES, GAUGE, "buffered_bytes", "kind", "replay", NULL)                             \
    X(LOG_LINES, COUNTER, "access_log_lines_total", NULL, NULL, "Lines given to the access log.")  \
    X(LOG_DROPPED, COUNTER, "access_log_dropped_total", NULL, NULL,                                \
      "Lines that found the access log's ring full.")

enum tally_id {
#define X(id, kind, name, label, value, help) TALLY_##id,
    TALLY_LIST(X)
#undef X
        TALLY_COUNT
};

/* Durations.
 *    id             name without "steer_pop_"   help */
#define TALLY_HISTOGRAM_LIST(X)                                                                    \
    X(REQUEST_NS, "request_seconds", "From a request's head to the end of its response.")          \
    X(TTFB_NS, "time_to_first_byte_seconds", "From a request's head to its response's head.")      \
    X(ADDED_NS, "added_seconds", "Of that, what was not spent waiting for a peer.")                \
    X(HANDSHAKE_NS, "tls_handshake_seconds", "TLS handshakes of clients.")                         \
    X(CONNECT_NS, "connect_seconds", "Connecting to peers, TLS and SETTINGS included.")            \
    X(PEER_RTT_NS, "peer_rtt_seconds", "Round trips to peers, by PING.")                           \
    X(LOOP_LAG_NS, "loop_lag_seconds", "How late the workers' loops fire their timers.")

enum tally_histogram_id {
#define X(id, name, help) TALLY_##id,
    TALLY_HISTOGRAM_LIST(X)
#undef X
        TALLY_HISTOGRAM_COUNT
};

/* On cache lines of its own. */
struct tally {
    _Alignas(64) struct counter counts[TALLY_COUNT];
    struct histogram histograms[TALLY_HISTOGRAM_COUNT];
};

/* Zeroed; one for each worker. Free with free(). */
struct tally *tally_new(size_t count);

static inline void tally_add(struct tally *tally, enum tally_id id)
{
    counter_add(&tally->counts[id], 1);
}
static inline void tally_add_many(struct tally *tally, enum tally_id id, uint64_t amount)
{
    counter_add(&tally->counts[id], amount);
}
/* Gauges go down by wrapping addition. */
static inline void tally_sub(struct tally *tally, enum tally_id id)
{
    counter_add(&tally->counts[id], UINT64_MAX);
}
static inline void tally_set(struct tally *tally, enum tally_id id, uint64_t value)
{
    atomic_store_explicit(&tally->counts[id].value, value, memory_order_relaxed);
}
