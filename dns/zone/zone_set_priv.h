/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a zone set, for what builds it. */
#pragma once

#include <stdatomic.h>

#include "dns/zone/name_table.h"
#include "dns/zone/zone_set.h"
#include "steering/base/arena.h"
#include "steering/base/limits.h"

/* Nodes live in chunks, so that they never move while more are added. */
enum { NODE_CHUNK_BITS = LIMIT(12, 1), NODE_CHUNK = 1 << NODE_CHUNK_BITS };
enum { ZONE_ARENA_CHUNK_BYTES = LIMIT(256 * 1024, 64) };

struct zone_set {
    atomic_uint refs;
    struct arena arena;      /* names, RRsets, rdata */
    struct name_table table; /* name -> index of a node */
    struct zone_node **chunks;
    size_t chunk_count, chunk_capacity, node_count;
    struct zone *zones;
    size_t zone_count;
    size_t record_count;
    unsigned label_count_max; /* of any node: longer names need not be searched whole */
    bool is_bound;
};

static inline struct zone_node *zone_set_node(const struct zone_set *set, uint32_t index)
{
    return &set->chunks[index >> NODE_CHUNK_BITS][index & (NODE_CHUNK - 1)];
}

struct zone_set *zone_set_new(size_t zone_count);
/* Room for a node that is in the table by `hash` and `node->name`. */
struct zone_node *zone_set_add_node(struct zone_set *set, const struct zone_node *node,
                                    uint64_t hash);
void zone_set_reserve_nodes(struct zone_set *set, size_t count);

/* The deepest node at or above a name, whatever lies between. */
struct zone_set_hit {
    struct zone_node *node; /* NULL: no zone encloses the name */
    unsigned label_count;   /* of `node`, as part of the name */
    unsigned name_label_count;
};
struct zone_set_hit zone_set_search(const struct zone_set *set, const uint8_t *name,
                                    size_t name_len);
