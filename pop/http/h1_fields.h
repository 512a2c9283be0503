/* SPDX-License-Identifier: Apache-2.0 */
/* The field section of an HTTP/1.1 message: strict reading, and what belongs to this connection
 * only taken out of it.
 *
 * Shape:     name ":" OWS value OWS CR LF ... CR LF
 * Threads:   any.
 * Ownership: names and values are views of the block, whose names are lower-cased in place.
 * Limits:    `fields_max`; H1_CONNECTION_MAX names in `Connection`.
 * Source:    RFC 9110 sections 5 and 7.6.1, RFC 9112 section 5
 */
#pragma once

#include "pop/http/h1_fault.h"
#include "pop/http/head.h"

enum { H1_CONNECTION_MAX = 32 };

/* Fields that say something about the connection or the framing. */
enum h1_special {
    H1_HOST,
    H1_CONTENT_LENGTH,
    H1_TRANSFER_ENCODING,
    H1_CONNECTION,
    H1_UPGRADE,
    H1_HOP, /* keep-alive, proxy-connection, te, http2-settings */
    H1_EXPECT,
    H1_COOKIE,
    H1_SEC_WEBSOCKET_KEY,
    H1_SEC_WEBSOCKET_ACCEPT,
    H1_SEC_WEBSOCKET_VERSION,
    H1_SPECIAL_COUNT,
    H1_ORDINARY = H1_SPECIAL_COUNT,
};

struct h1_fields {
    struct http_head *head; /* gets all that goes on */
    struct arena *arena;
    size_t max;
    struct str value[H1_SPECIAL_COUNT]; /* of the last one */
    uint16_t count[H1_SPECIAL_COUNT];
    struct str connections[H1_CONNECTION_MAX];
    bool has_close, has_keep_alive, has_upgrade; /* named in Connection */
};

/* H1_ORDINARY: nothing special. `name` is lower-case. */
enum h1_special h1_special_of(struct str name);

/* Reads `block`, which ends with an empty line (h1_scan_block). Host, content-length,
 * transfer-encoding and what belongs to the connection do not get into the head. */
enum h1_fault h1_fields_read(struct h1_fields *fields, char *block, size_t len);
/* Takes out what `Connection` names; fields that others depend on stay. */
enum h1_fault h1_fields_strip(struct h1_fields *fields);
/* Several cookie lines become one. */
void h1_fields_join_cookies(struct h1_fields *fields);
/* Trailers: without anything that would mean framing, routing or identity. */
enum h1_fault h1_fields_read_trailers(struct http_head *out_trailers, struct arena *arena,
                                      size_t max, struct str block);
