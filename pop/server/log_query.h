/* SPDX-License-Identifier: Apache-2.0 */
/* What of a request's target may stand in the access log.
 *
 * Shape:     /reset?user=7&token=c2VjcmV0&x-sig=ab  ->  /reset?user=7&token=redacted&x-sig=redacted
 * Threads:   any (pure).
 */
#pragma once

#include "steering/base/arena.h"
#include "steering/base/str.h"

/* `path` with the values of parameters whose names or looks say that they are secret replaced by
 * "redacted". In `arena`, or borrowed from `path` when there is nothing to hide. */
struct str log_query_redact(struct str path, struct arena *arena);
/* `path` up to its query. */
struct str log_query_drop(struct str path);
/* Is the value of a parameter of this name (still percent-encoded) to be hidden? */
bool log_query_is_secret_name(struct str name);
