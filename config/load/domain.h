/* SPDX-License-Identifier: Apache-2.0 */
/* Domain names as settings files write them.
 *
 * Shape:     labels of letters, digits, '-' and '_'; no escapes.
 * Threads:   any.
 * Source:    RFC 1035 section 2.3.4 (sizes)
 */
#pragma once

#include "steering/base/str.h"

enum { DOMAIN_TEXT_MAX = 256 };

/* Writes the absolute, lower-case form with final dot ("www.example.com."). Returns NULL, or what
 * is wrong: "has an empty label". `out_name` is untouched then. */
const char *domain_parse(struct str text, char out_name[DOMAIN_TEXT_MAX]);
/* The same, but the first label may be the wildcard '*' (RFC 4592). */
const char *domain_parse_owner(struct str text, char out_name[DOMAIN_TEXT_MAX]);
