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

/* `*out_json`: {"name","map","client" (the prefix that decided),"scope","special",
 * "rule":{"index","from","line"},"cell":{"id","candidates":[…]},
 * "sites":[{"name","kind","mode","source","chosen":true,"addresses":[…]}…],
 * "level","moving","ttl","gen","epoch"}; owned by the caller.
 * ERR_UNKNOWN with a suggestion in `diag` for a name that is not steered. */
MUST_USE enum err explain(const struct snapshot *snapshot, const struct explain_query *query,
                          struct diag *diag, json_t **out_json);
/* The same for people. */
void explain_format(const json_t *explanation, struct buf *out);
