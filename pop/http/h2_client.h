/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of an HTTP/2 connection: to gateways over the backbone, and to origins.
 *
 * Threads:   one worker's own.
 * Ownership: as in codec.h; `limits` are copied, `events` and `pool` are borrowed until the
 *            session and all of its streams are gone.
 * Limits:    struct http_limits (`streams` and `requests` bound what we ask, too).
 * Source:    RFC 9113, RFC 8441
 */
#pragma once

#include "pop/http/codec.h"

/* The preface is to be sent: wants_write is true from the beginning (no event tells it). */
struct http_session *h2_client_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_client_events *events, void *owner);
