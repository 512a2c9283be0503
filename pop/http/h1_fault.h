/* SPDX-License-Identifier: Apache-2.0 */
/* What can be wrong with an HTTP/1.1 message, what a client is told, and what we call it.
 *
 * Threads:   any.
 * Source:    RFC 9112
 */
#pragma once

#include <stdint.h>

/*    name              status  word for logs and metrics */
#define H1_FAULT_LIST(X)                                                                           \
    X(NONE, 0, "none")                                                                             \
    X(BARE_LF, 400, "bare_lf")                                                                     \
    X(BARE_CR, 400, "bare_cr")                                                                     \
    X(CONTROL, 400, "control")                                                                     \
    X(BLANK_LINES, 400, "blank_lines")                                                             \
    X(REQUEST_LINE, 400, "request_line")                                                           \
    X(METHOD, 400, "method")                                                                       \
    X(TARGET, 400, "target")                                                                       \
    X(ASTERISK, 400, "asterisk")                                                                   \
    X(CONNECT, 501, "connect")                                                                     \
    X(TARGET_TOO_LONG, 414, "target_too_long")                                                     \
    X(VERSION, 505, "version")                                                                     \
    X(FIELD_NAME, 400, "field_name")                                                               \
    X(SPACE_BEFORE_COLON, 400, "space_before_colon")                                               \
    X(FOLD, 400, "fold")                                                                           \
    X(HEAD_TOO_LARGE, 431, "head_too_large")                                                       \
    X(TOO_MANY_FIELDS, 431, "too_many_fields")                                                     \
    X(HOST_MISSING, 400, "host_missing")                                                           \
    X(HOST_REPEATED, 400, "host_repeated")                                                         \
    X(HOST, 400, "host")                                                                           \
    X(HOST_MISMATCH, 400, "host_mismatch")                                                         \
    X(CL, 400, "cl")                                                                               \
    X(CL_REPEATED, 400, "cl_repeated")                                                             \
    X(CL_TE, 400, "cl_te")                                                                         \
    X(TE, 400, "te")                                                                               \
    X(TE_1_0, 400, "te_1_0")                                                                       \
    X(TE_UNKNOWN, 501, "te_unknown")                                                               \
    X(CONNECTION, 400, "connection")                                                               \
    X(WEBSOCKET, 400, "websocket")                                                                 \
    X(WEBSOCKET_VERSION, 426, "websocket_version")                                                 \
    X(CHUNK_SIZE, 400, "chunk_size")                                                               \
    X(CHUNK_EXTENSION, 400, "chunk_extension")                                                     \
    X(CHUNK_END, 400, "chunk_end")                                                                 \
    /* of responses */                                                                             \
    X(STATUS_LINE, 502, "status_line")                                                             \
    X(UPGRADE, 502, "upgrade")                                                                     \
    X(UNASKED, 502, "unasked")                                                                     \
    X(INFORMS, 502, "informs")

enum h1_fault {
#define X(name, status, word) H1_FAULT_##name,
    H1_FAULT_LIST(X)
#undef X
};

uint16_t h1_fault_status(enum h1_fault fault);
const char *h1_fault_word(enum h1_fault fault);
