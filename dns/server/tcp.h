/* SPDX-License-Identifier: Apache-2.0 */
/* One worker's TCP side: its listeners, its connections, its loop and thread.
 *
 * Shape:     a connection's bytes are cut into messages (frames.h), each is answered in the
 *            worker's output area, and what gathered is written at once. Only what the kernel does
 *            not take is kept with the connection; until that has gone, its input waits.
 *
 *                 reading ──kernel full──> blocked ──all written──> reading
 *                    │ end, idle, error       │ too slow, evicted
 *                    └───────> closing <──────┘
 *
 * Threads:   tcp_start, tcp_stop and tcp_free by the main thread, the rest by the worker's own.
 * Ownership: takes the descriptors.
 * Limits:    connections per worker and per client (an IPv6 client is a /64): the one that has
 *            been silent longest makes room. `pipeline` answers gather before they are written.
 *            Idle and write timeouts. A connection keeps at most two messages' worth of input
 *            and TCP_OUTPUT_BYTES of output.
 * Source:    RFC 7766, RFC 7828
 */
#pragma once

#include "steering/runtime/sockets.h"
#include "dns/server/tally.h"
#include "steering/runtime/publisher.h"

enum { TCP_OUTPUT_BYTES = 2 * (2 + 65535) };

struct tcp_settings {
    const int *fds; /* bound, not listening yet; `fd_count` of them */
    size_t fd_count;
    struct publisher *publisher; /* of struct serving */
    size_t slot;
    struct tally *tally;
    uint32_t connections_max, per_client_max; /* of this worker; at least 1 */
    uint64_t idle_ms, write_ms;
    uint32_t pipeline;
    const char *name; /* of the thread */
};

struct tcp;

/* Listens and starts the thread. On failure `diag` says why and the descriptors are closed. */
MUST_USE enum err tcp_start(const struct tcp_settings *settings, struct diag *diag,
                            struct tcp **out_tcp);
/* Asks the thread to close everything and end. */
void tcp_stop(struct tcp *tcp);
/* Waits for the thread, which needs tcp_stop first. Accepts NULL. */
void tcp_join(struct tcp *tcp);
/* Open connections, now. Any thread. */
uint64_t tcp_connection_count(const struct tcp *tcp);
