/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP message, whatever the version that carries it: request line or status, and
 * fields with lower-case names.
 *
 * Shape:     request   method, scheme, authority, path (and protocol of an extended CONNECT)
 *            response  status
 *            both      fields in order; content_length as stated, or -1
 *            Framing (content-length, transfer-encoding), connection fields, host, and `cookie`
 *            crumbs are dealt with by the codecs: `fields` never holds transfer-encoding,
 *            connection, keep-alive, proxy-connection, upgrade or host, and at most one
 *            content-length. Whatever `Connection` named has been taken out.
 * Threads:   owner only.
 * Ownership: texts are borrowed, mostly from an arena that lives as long as the message.
 * Limits:    HEAD_FIELDS_MAX fields; what codecs accept is in struct http_limits (codec.h).
 * Source:    RFC 9110, RFC 9113 section 8.3, RFC 8441
 */
#pragma once

#include "steering/base/arena.h"
#include "steering/base/limits.h"
#include "steering/base/str.h"

enum { HEAD_FIELDS_MAX = 256 };

struct http_field {
    struct str name; /* lower-case */
    struct str value;
    bool is_sensitive; /* never put into an HPACK table: authorization, cookies, identity, and what
                          came as a never-indexed literal */
};

struct http_head {
    struct str method, scheme, authority, path; /* path: "/...", or "*" for OPTIONS */
    struct str protocol;                        /* ":protocol" of RFC 8441; empty: none */
    uint16_t status;                            /* of a response; 0 in a request */
    int64_t content_length;                     /* -1: not stated */
    struct http_field *fields;
    size_t field_count, field_capacity;
};

/* Appends; the array grows in `arena`. False, nothing added, at HEAD_FIELDS_MAX. */
bool http_head_add(struct http_head *head, struct arena *arena, struct str name, struct str value);
/* The first field of that (lower-case) name; NULL: none. */
const struct http_field *http_head_find(const struct http_head *head, struct str name);
/* Its value, or the empty string. */
struct str http_head_get(const struct http_head *head, struct str name);
/* Takes all fields of that name out; returns how many there were. */
size_t http_head_remove(struct http_head *head, struct str name);
/* Everything copied into `arena`. */
void http_head_copy(const struct http_head *from, struct arena *arena, struct http_head *out_head);

/* authorization, proxy-authorization, cookie, set-cookie and steer-identity. */
bool http_field_is_sensitive(struct str name);
/* Sum of name + value + 32 over all fields, as RFC 9113 section 6.5.2 counts. */
size_t http_head_size(const struct http_head *head);

/* GET, HEAD, OPTIONS, TRACE, PUT, DELETE: repeating it changes nothing (RFC 9110 9.2.2). */
bool http_method_is_idempotent(struct str method);
/* May this response have content at all? (not: HEAD, 1xx, 204, 304) */
bool http_response_has_body(struct str method, uint16_t status);

/* ---- grammar, shared by the codecs (RFC 9110 section 5) ------------------------------------- */

bool http_is_token(struct str text); /* at least one tchar, nothing else */
/* No CR, LF, NUL or other control but HTAB; no white space at the ends. */
bool http_is_field_value(struct str text);
/* "/..." without white space or controls, or "*". */
bool http_is_path(struct str text);
/* host[:port] of RFC 3986, without userinfo; lower and upper case. */
bool http_is_authority(struct str text);
