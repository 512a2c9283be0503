/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/geo.h"

#include <assert.h>
#include <stdlib.h>

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

struct geo_match geo_lookup(const struct geo *geo, const struct addr *client)
{
    struct addr v4;
    unsigned lead_bits = addr_fold(client, &v4);
    uint32_t word = geo_table_lookup(&geo->table, lead_bits > 0 ? &v4 : client);
    return (struct geo_match){
        .class_id = word & GEO_WORD_CLASS_MASK,
        .scope_bits = (uint8_t)(lead_bits + (word >> GEO_TABLE_DEPTH_SHIFT & 0xff)),
        .is_special = (word & GEO_WORD_SPECIAL) != 0,
    };
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
