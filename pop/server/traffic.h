/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests and bytes each map, cell and site got: the planner's demand, in /traffic.json.
 *
 * Threads:   traffic_count by the worker, traffic_value by the main thread; counts are atomics in
 *            tables that only grow, behind a lock that the worker takes when it meets a new cell.
 * Limits:    TRAFFIC_CELLS_MAX cells a worker; later ones are counted as "other".
 */
#pragma once

#include "steering/base/json.h"
#include "steering/base/limits.h"
#include "steering/model/snapshot.h"

enum { TRAFFIC_CELLS_MAX = LIMIT(65536, 4) };

struct traffic;

struct traffic *traffic_new(void);
void traffic_free(struct traffic *traffic); /* accepts NULL */
struct traffic_event {
    struct map_id map;
    struct cell_id cell;
    struct site_id site;   /* that served it; SITE_NONE: nobody */
    struct site_id source; /* that a stray came from; SITE_NONE: none */
    bool is_stray, is_fallback;
    uint64_t bytes_in, bytes_out; /* content */
};
/* The ids of `event` are those of `world`. */
void traffic_count(struct traffic *traffic, struct world *world, const struct traffic_event *event);
/* {"v":1,"maps":{"api":{"cells":[{"cell":…,"rule":…,"sites":{"us-east":{"requests":…,…}}}]}},
 *  "strays":[{"from":…,"to":…,"requests":…}],"fallbacks":[…]} over all workers, since the start;
 * "cell" is a name that outlives reloads: RULE/SITE,SITE. Owned by the caller. */
json_t *traffic_value(struct traffic *const *workers, size_t count);
