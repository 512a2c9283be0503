/* SPDX-License-Identifier: Apache-2.0 */
/* Why a client gets the answer it gets: the same lookup and decide() as the query path, told
 * step by step.
 * Threads:   any (pure).
 */
#pragma once

#include "steering/base/json.h"
#include "steering/model/decide.h"

struct explain_query {
    struct str name;      /* a steered name or a map's name */
    struct addr resolver; /* who asks */
    bool has_ecs;
    struct cidr ecs;
};

/* `*out_json`: {"name" (absent when a map was asked for), "map",
 * "client" (the prefix that decided), "client_from" ("ecs" or "resolver"),
 * "scope" (address bits that decided; 0 when all clients of the map are alike),
 * "special" (the ECS prefix, or without one the resolver, is special-purpose space),
 * "rule":{"index","from","line"},"cell":{"id","candidates":[...]},
 * "sites":[{"name","kind","mode","source","chosen":true,"addresses":[...],
 *           and when stated "cname","who","why"}...],
 * "answer":[names of the chosen sites],"level","moving","ttl" (absent for a map),"gen","epoch"};
 * owned by the caller.
 * ERR_UNKNOWN with a suggestion in `diag` for a name that is not steered. */
MUST_USE enum err explain(const struct snapshot *snapshot, const struct explain_query *query,
                          struct diag *diag, json_t **out_json);
/* The same for people. */
void explain_format(const json_t *explanation, struct buf *out);
