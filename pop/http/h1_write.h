/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP/1.1 messages as text. Every part is judged again on its way out, and framing is
 * always of our own making: this is where a request of HTTP/2 could be smuggled into HTTP/1.1.
 *
 * Threads:   any.
 * Ownership: the text lies in the given arena.
 * Source:    RFC 9112, RFC 9113 section 8.2.1, RFC 6455 section 4
 */
#pragma once

#include "pop/http/h1_body.h"
#include "pop/http/head.h"

enum { H1_WEBSOCKET_KEY_LEN = 24, H1_WEBSOCKET_ACCEPT_LEN = 28 };

/* Beside the head. */
struct h1_frame {
    enum h1_framing framing;
    int64_t length;         /* stated when >= 0, also without a body (HEAD, 304) */
    const char *connection; /* "close", "keep-alive"; NULL: nothing to say */
    struct str websocket;   /* key of a request, accept of a response; empty: no handshake */
};

/* False: some part of the head can not be written in HTTP/1.1. */
bool h1_write_request(const struct http_head *head, const struct h1_frame *frame,
                      struct arena *arena, struct str *out_text);
/* Also 1xx. With `frame->websocket` it is a 101. */
bool h1_write_response(const struct http_head *head, const struct h1_frame *frame,
                       struct arena *arena, struct str *out_text);
/* The last chunk, with what of `trailers` may stand there. Fields that can not be written are
 * left out. */
struct str h1_write_last_chunk(const struct http_head *trailers, struct arena *arena);

/* "Not Found"; empty when we know no better. */
const char *h1_reason_phrase(uint16_t status);
/* What the server must say to `key`. */
void h1_websocket_accept(struct str key, char out_accept[H1_WEBSOCKET_ACCEPT_LEN]);
