/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/site_counts.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

/* Between the blocks of two workers: more than any prefetcher fetches. */
enum { APART = 256 / sizeof(struct counter) };

void site_counts_init(struct site_counts *counts, const struct topology *topology,
                      size_t worker_count)
{
    size_t used = topology->map_count * topology->site_count;
    *counts = (struct site_counts){ .worker_count = worker_count,
                                    .map_count = topology->map_count,
                                    .site_count = topology->site_count,
                                    .block = used + APART };
    counts->cells = mem_calloc(worker_count * counts->block, sizeof(*counts->cells));
}

void site_counts_fini(struct site_counts *counts)
{
    free(counts->cells);
    counts->cells = NULL;
}

static int compare(const struct site_total *total, const char *map, const char *site)
{
    int by_map = strcmp(total->map, map);
    return by_map != 0 ? by_map : strcmp(total->site, site);
}

static void add(struct site_totals *totals, const char *map, const char *site, uint64_t count)
{
    size_t low = 0, high = totals->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&totals->items[middle], map, site);
        if (order == 0) {
            totals->items[middle].count += count;
            return;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    totals->items =
        mem_grow(totals->items, totals->count, &totals->capacity, sizeof(*totals->items));
    memmove(&totals->items[low + 1], &totals->items[low],
            (totals->count - low) * sizeof(*totals->items));
    totals->items[low] =
        (struct site_total){ .map = mem_strdup(map), .site = mem_strdup(site), .count = count };
    totals->count++;
}

void site_totals_add(struct site_totals *totals, const struct site_counts *counts,
                     const struct topology *topology)
{
    for (size_t map = 0; map < counts->map_count; map++) {
        for (size_t site = 0; site < counts->site_count; site++) {
            uint64_t count = 0;
            for (size_t worker = 0; worker < counts->worker_count; worker++)
                count += counter_read(
                    &counts->cells[worker * counts->block + map * counts->site_count + site]);
            if (count > 0)
                add(totals, topology->maps[map].name, topology->sites[site].name, count);
        }
    }
}

void site_totals_copy(struct site_totals *totals, const struct site_totals *from)
{
    for (size_t i = 0; i < from->count; i++)
        add(totals, from->items[i].map, from->items[i].site, from->items[i].count);
}

void site_totals_fini(struct site_totals *totals)
{
    for (size_t i = 0; i < totals->count; i++) {
        free(totals->items[i].map);
        free(totals->items[i].site);
    }
    free(totals->items);
    *totals = (struct site_totals){ .items = NULL };
}
