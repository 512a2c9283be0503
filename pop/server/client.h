/* SPDX-License-Identifier: Apache-2.0 */
/* Client connections: listeners, PROXY protocol, TLS, the choice of codec, timeouts, limits, drain.
 *
 * Shape:     accept -> [PROXY header] -> [TLS, ALPN] -> http session -> exchange_begin
 * Threads:   the worker's own; every worker has its own SO_REUSEPORT sockets.
 */
#pragma once

#include "pop/server/exchange.h"

/* `fds`: one listening socket for each of settings->node->listens; taken over. Does not accept yet.
 */
struct clients *clients_new(struct worker *worker, const int *fds);
/* Starts accepting: when upstream is warm, or has been waited for long enough. */
void clients_listen(struct clients *clients);
/* Two-phase GOAWAY on all HTTP/2 connections at once, `Connection: close` on HTTP/1.1; no further
 * accepts. `on_drained` when the last connection is gone, at the latest after `limit_ms`. */
void clients_drain(struct clients *clients, uint64_t limit_ms, void (*on_drained)(void *owner),
                   void *owner);
void clients_free(struct clients *clients); /* all connections are gone */
size_t clients_count(const struct clients *clients);
