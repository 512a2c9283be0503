/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/geo.h"

#include <assert.h>
#include <stdlib.h>

#include "steering/model/geo_class_priv.h"
#include "steering/model/geo_priv.h"

void geo_free(struct geo *geo)
{
    if (geo == NULL)
        return;
    for (size_t i = 0; i < geo->topology->map_count; i++)
        free(geo->cells[i].items);
    free(geo->cells);
    free(geo->class_cells);
    geo_table_fini(&geo->table);
    free(geo);
}

static inline struct geo_match match_of(uint32_t word, unsigned lead_bits)
{
    return (struct geo_match){
        .class_id = word & GEO_WORD_CLASS_MASK,
        .scope_bits = (uint8_t)(lead_bits + (word >> GEO_TABLE_DEPTH_SHIFT & 0xff)),
        .is_special = (word & GEO_WORD_SPECIAL) != 0,
    };
}

static __attribute__((noinline)) struct geo_match lookup_folded(const struct geo *geo,
                                                                const struct addr *client)
{
    struct addr v4;
    unsigned lead_bits = addr_fold(client, &v4);
    assert(lead_bits > 0); /* the trie calls folded what addr_fold folds */
    return match_of(geo_table_lookup(&geo->table, &v4), lead_bits);
}

struct geo_match geo_lookup(const struct geo *geo, const struct addr *client)
{
    uint32_t word = geo_table_lookup(&geo->table, client);
    if ((word & GEO_WORD_CLASS_MASK) == GEO_CLASS_FOLDED)
        return lookup_folded(geo, client);
    return match_of(word, 0);
}

void geo_prefetch(const struct geo *geo, const struct addr *client)
{
    const uint8_t *at = client->bytes;
    __builtin_prefetch(&geo->table.direct[client->family][at[0] << 8 | at[1]]);
}

void geo_prefetch_deeper(const struct geo *geo, const struct addr *client)
{
    const uint8_t *at = client->bytes;
    uint32_t word = geo->table.direct[client->family][at[0] << 8 | at[1]];
    if (word & GEO_WORD_NODE)
        __builtin_prefetch(&geo->table.nodes[word & ~GEO_WORD_NODE]);
}

struct cell_id geo_cell(const struct geo *geo, uint32_t class_id, struct map_id map)
{
    return (struct cell_id){ geo->class_cells[class_id * geo->topology->map_count + map.n] };
}

size_t geo_cell_count(const struct geo *geo, struct map_id map)
{
    return geo->cells[map.n].count;
}

const struct cell *geo_cell_at(const struct geo *geo, struct map_id map, struct cell_id cell)
{
    assert(cell.n < geo->cells[map.n].count);
    return &geo->cells[map.n].items[cell.n];
}

bool geo_is_uniform(const struct geo *geo, struct map_id map)
{
    return geo->cells[map.n].count == 1;
}

struct geo_stats geo_stats(const struct geo *geo)
{
    return geo->stats;
}
