/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP/1.1 messages, strictly: what two hops could read in two ways is refused.
 *
 * Threads:   any.
 * Ownership: everything in a message is a view of the block, or lies in the arena: the block must
 *            live as long. Names in it are lower-cased in place.
 * Limits:    `fields_max`, `head_bytes` as struct http_limits has them.
 * Source:    RFC 9112, RFC 9110 section 7.8, RFC 6455 section 4
 */
#pragma once

#include "pop/http/h1_body.h"
#include "pop/http/h1_fault.h"
#include "pop/http/head.h"

struct h1_rules {
    struct arena *arena;
    size_t fields_max, head_bytes;
    bool is_https; /* scheme of requests */
};

struct h1_message {
    struct http_head head;
    enum h1_framing framing; /* with H1_LENGTH: head.content_length */
    bool is_1_0;
    /* Is the connection good for a further message? As far as this head says. */
    bool is_persistent;
    /* A WebSocket handshake: the head says CONNECT and protocol; or 101 with `accept`. */
    bool is_websocket;
    struct str websocket_key, websocket_accept;
};

/* `block`: from request line to empty line (h1_scan_block). */
enum h1_fault h1_parse_request(char *block, size_t len, const struct h1_rules *rules,
                               struct h1_message *out_message);

/* `method`: of the request that this answers. */
enum h1_fault h1_parse_response(char *block, size_t len, struct str method,
                                const struct h1_rules *rules, struct h1_message *out_message);

/* Takes the trailers off the front of `*input`, if they are all there, and tells so. `scan` is what
 * h1_scan_block goes on with. */
enum h1_fault h1_take_trailers(struct h1_scan *scan, struct str *input,
                               const struct h1_rules *rules, struct http_head *out_trailers,
                               bool *out_is_whole);
