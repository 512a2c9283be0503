/* SPDX-License-Identifier: Apache-2.0 */
/* One GET to the admin server of a node, over its unix socket.
 * Threads:   any.
 * Limits:    HTTP_ANSWER_MAX_BYTES of answer.
 */
#pragma once

#include "steering/base/diag.h"

enum { HTTP_ANSWER_MAX_BYTES = 16 << 20 };

/* `path` with its query, already escaped. ERR_UNREACHABLE: no connection, no answer in time, or
 * too large a one. */
MUST_USE enum err http_get(const char *socket_path, const char *path, uint64_t timeout_ms,
                           struct diag *diag, long *out_status, struct buf *out_body);
/* Appends "&key=value" (the first: "?key=value"), escaped. */
void http_add_argument(struct buf *path, const char *key, const char *value);
