/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of an HTTP/1.1 connection, to an origin: one request at a time.
 *
 * Shape:     requests are written from validated fields only, with framing of our own making;
 *            responses are read strictly. The connection is good for a further request (room 1)
 *            only when both messages ended in good order; else it is over.
 * Threads:   one worker's own.
 * Ownership: as in codec.h; `limits` are copied, `events` and `pool` are borrowed until the
 *            session and all of its streams are gone.
 * Limits:    struct http_limits; H1_INFORMS_MAX interim responses for one request.
 * Source:    RFC 9112, RFC 6455 section 4.1
 */
#pragma once

#include "pop/http/codec.h"

enum { H1_INFORMS_MAX = 32 };

/* `seed`: from which the keys of WebSocket handshakes are drawn. There is room from the
 * beginning: nothing has to be exchanged before the first request. */
struct http_session *h1_client_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_client_events *events, void *owner,
                                   uint64_t seed);
