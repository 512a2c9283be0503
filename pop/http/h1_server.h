/* SPDX-License-Identifier: Apache-2.0 */
/* The server's end of an HTTP/1.0 or HTTP/1.1 connection, strict in what it takes.
 *
 * Shape:     HEAD -> BODY -> WAIT (for the response) -> HEAD ...
 *                                \-> TUNNEL (after 101), LINGER (answered early, still uploading)
 *
 *            Pipelined requests wait inside: the next one is raised from produce(), as soon as the
 *            response before it has been produced whole.
 *            A WebSocket handshake is presented like RFC 8441 has it: method CONNECT, protocol
 *            "websocket"; a 2xx becomes 101 and a tunnel of bytes.
 * Threads:   one worker's own.
 * Ownership: as in codec.h; `limits` are copied, `events` and `pool` are borrowed until the
 *            session and all of its streams are gone.
 * Limits:    struct http_limits; H1_LINGER_BYTES of an upload that nobody wants.
 * Source:    RFC 9112, RFC 6455 section 4.2
 */
#pragma once

#include "pop/http/codec.h"

enum { H1_LINGER_BYTES = LIMIT(256 * 1024, 256) };

/* `is_https`: how the client came; becomes the scheme of its requests. */
struct http_session *h1_server_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_server_events *events, void *owner,
                                   bool is_https);
