/* SPDX-License-Identifier: Apache-2.0 */
/* The server's end of an HTTP/2 connection: for clients, and for PoPs on the backbone.
 *
 * Threads:   one worker's own.
 * Ownership: as in codec.h; `limits` are copied, `events` and `pool` are borrowed until the
 *            session and all of its streams are gone.
 * Limits:    struct http_limits.
 * Source:    RFC 9113, RFC 8441
 */
#pragma once

#include "pop/http/codec.h"

/* Its SETTINGS are to be sent: wants_write is true from the beginning (no event tells it). */
struct http_session *h2_server_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_server_events *events, void *owner);
