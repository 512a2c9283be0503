/* SPDX-License-Identifier: Apache-2.0 */
/* Where the parts of an HTTP/1.1 message end: blocks of lines, and content.
 *
 * Shape:     a block (head, or trailers) ends with an empty line. Content follows by one of
 *
 *              LENGTH   so many bytes
 *              CHUNKED  { size [; extension] CR LF data CR LF } 0 CR LF, then a block of trailers
 *              CLOSE    all that comes before the connection ends (responses only)
 * Threads:   any (plain values).
 * Limits:    what h1_scan_block is given; H1_EXTENSION_MAX bytes of chunk extensions in a message.
 * Source:    RFC 9112 sections 2.2, 6, 7.1
 */
#pragma once

#include "pop/http/h1_fault.h"
#include "steering/base/limits.h"
#include "steering/base/str.h"

enum { H1_EXTENSION_MAX = LIMIT(4096, 64) };

/* ---- blocks of lines ------------------------------------------------------------------------- */

/* Zeroed at the begin of a block. */
struct h1_scan {
    size_t line;  /* where the present line begins */
    size_t at;    /* octets before this were looked at */
    size_t lines; /* complete ones */
};

/* Looks for the end of the block at the front of `input`, of which former calls saw a beginning.
 * `*out_len`: the block with its empty line; 0: not all there. `has_start_line`: a head, whose
 * first line is not empty (414 when that is too long); else trailers, which may be nothing but the
 * empty line. */
enum h1_fault h1_scan_block(struct h1_scan *scan, struct str input, bool has_start_line,
                            size_t max_bytes, size_t *out_len);

/* ---- content --------------------------------------------------------------------------------- */

enum h1_framing { H1_NO_BODY, H1_LENGTH, H1_CHUNKED, H1_CLOSE };

struct h1_body {
    enum h1_framing framing;
    enum h1_chunk_state {
        H1_CHUNK_SIZE,
        H1_CHUNK_EXTENSION,
        H1_CHUNK_LF, /* of the size line */
        H1_CHUNK_DATA,
        H1_CHUNK_END_CR,
        H1_CHUNK_END_LF,
        H1_CHUNK_TRAILERS,
    } state;
    uint64_t left; /* of the length, or of the chunk */
    uint8_t digits;
    uint32_t extension_bytes;
};

void h1_body_init(struct h1_body *body, enum h1_framing framing, uint64_t length);

enum h1_body_step {
    H1_BODY_MORE,     /* all taken; more is to come */
    H1_BODY_DATA,     /* `*out_data` is content */
    H1_BODY_TRAILERS, /* chunked: `*input` begins with the block of trailers */
    H1_BODY_END,
    H1_BODY_BAD, /* `*out_fault` says why */
};

/* Takes the next piece off the front of `*input`. */
enum h1_body_step h1_body_next(struct h1_body *body, struct str *input, struct str *out_data,
                               enum h1_fault *out_fault);
