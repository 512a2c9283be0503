/* SPDX-License-Identifier: Apache-2.0 */
/* Record types as they stand in zone files: "AAAA", "HTTPS", "TYPE4711".
 *
 * Threads:   any.
 * Source:    RFC 3597 section 5, RFC 6895 section 3.1
 */
#pragma once

#include "steering/base/str.h"

enum { TYPE_NAME_MAX = 32 };

bool type_name_parse(struct str text, uint16_t *out_type);
const char *type_name_format(uint16_t type, char out_text[TYPE_NAME_MAX]);
/* "; did you mean 'MX'?" for an unknown type, or "". Returns `out_text`. */
const char *type_name_suggest(struct str text, char *out_text, size_t capacity);
/* Question and meta types (OPT, AXFR, ANY, ...) that no zone may hold. */
bool type_name_is_meta(uint16_t type);
