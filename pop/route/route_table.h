/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a request takes: by host (exact, then the longest wildcard, then "*") and by path
 * prefix (whole segments, the longest wins).
 *
 * Threads:   immutable once built.
 * Ownership: the table copies hosts and paths.
 */
#pragma once

#include <stddef.h>

#include "steering/base/str.h"

struct route_table;

struct route_spec {
    struct str host; /* "www.example.com", "*.example.com" or "*" */
    struct str path; /* "/", "/api", "/api/" (the same) */
};

/* Index i of `specs` is what route_table_find returns. */
struct route_table *route_table_new(const struct route_spec *specs, size_t count);
void route_table_free(struct route_table *table); /* accepts NULL */
/* `authority` may have a port, any case, a final dot; `path` may have a query, and is looked at
 * as it is written (no decoding: an encoded slash is no separator). -1: none. */
long route_table_find(const struct route_table *table, struct str authority, struct str path);
