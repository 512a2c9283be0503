/* SPDX-License-Identifier: Apache-2.0 */
/* How many answers each map gave with each site in front.
 *
 * Shape:     live: one block per worker, [map][site], indexed like the topology that it belongs to;
 *            totals: (map name, site name) -> count, which outlives topologies, so that a reload
 *            loses no count even when it renumbers sites.
 * Threads:   live: each block by its worker; the rest by the main thread.
 * Limits:    maps x sites of the topology, per worker.
 */
#pragma once

#include "steering/model/topology.h"
#include "steering/runtime/counter.h"

struct site_counts {
    size_t worker_count, map_count, site_count;
    struct counter *cells; /* [worker][map][site], each worker's block on its own pages */
    size_t block;          /* counters from one worker's block to the next */
};

void site_counts_init(struct site_counts *counts, const struct topology *topology,
                      size_t worker_count);
void site_counts_fini(struct site_counts *counts);

static inline void site_counts_add(const struct site_counts *counts, size_t worker,
                                   struct map_id map, struct site_id site)
{
    counter_add(&counts->cells[worker * counts->block + map.n * counts->site_count + site.n], 1);
}

struct site_total {
    char *map, *site;
    uint64_t count;
};
struct site_totals {
    struct site_total *items; /* sorted by map, then site */
    size_t count, capacity;
};

void site_totals_fini(struct site_totals *totals);
/* Adds what `counts` holds; the names are those of `topology`. */
void site_totals_add(struct site_totals *totals, const struct site_counts *counts,
                     const struct topology *topology);
void site_totals_copy(struct site_totals *totals, const struct site_totals *from);
