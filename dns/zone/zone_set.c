/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/zone_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/zone/zone_set_priv.h"
#include "steering/base/mem.h"

struct zone_set *zone_set_new(size_t zone_count)
{
    struct zone_set *set = mem_calloc(1, sizeof(*set));
    atomic_init(&set->refs, 1);
    arena_init(&set->arena, ZONE_ARENA_CHUNK_BYTES);
    name_table_init(&set->table);
    set->zones = mem_calloc(zone_count, sizeof(set->zones[0]));
    set->zone_count = zone_count;
    return set;
}

struct zone_set *zone_set_ref(struct zone_set *zones)
{
    atomic_fetch_add_explicit(&zones->refs, 1, memory_order_relaxed);
    return zones;
}

void zone_set_unref(struct zone_set *zones)
{
    if (zones == NULL || atomic_fetch_sub_explicit(&zones->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < zones->chunk_count; i++)
        free(zones->chunks[i]);
    free(zones->chunks);
    name_table_fini(&zones->table);
    arena_fini(&zones->arena);
    free(zones->zones);
    free(zones);
}

static uint64_t hash_of_node(const void *context, uint32_t index)
{
    const struct zone_node *node = zone_set_node(context, index);
    return name_hash(node->name, node->name_len);
}

void zone_set_reserve_nodes(struct zone_set *set, size_t count)
{
    name_table_reserve(&set->table, count, hash_of_node, set);
}

struct zone_node *zone_set_add_node(struct zone_set *set, const struct zone_node *node,
                                    uint64_t hash)
{
    uint32_t index = (uint32_t)set->node_count;
    if (index >> NODE_CHUNK_BITS == set->chunk_count) {
        set->chunks =
            mem_grow(set->chunks, set->chunk_count, &set->chunk_capacity, sizeof(set->chunks[0]));
        set->chunks[set->chunk_count++] = mem_calloc(NODE_CHUNK, sizeof(set->chunks[0][0]));
    }
    struct zone_node *place = zone_set_node(set, index);
    *place = *node;
    set->node_count++;
    name_table_insert(&set->table, hash, index, hash_of_node, set);
    if (node->label_count > set->label_count_max)
        set->label_count_max = node->label_count;
    return place;
}

size_t zone_set_count(const struct zone_set *zones)
{
    return zones->zone_count;
}

const struct zone *zone_set_at(const struct zone_set *zones, size_t index)
{
    assert(index < zones->zone_count);
    return &zones->zones[index];
}

size_t zone_set_record_count(const struct zone_set *zones)
{
    return zones->record_count;
}

/* ---- search ---------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) struct zone_node *
probe(const struct zone_set *set, const uint8_t *name, size_t name_len)
{
    const struct name_table *table = &set->table;
    uint64_t hash = name_hash(name, name_len);
    for (uint32_t at = name_table_start(table, hash); !name_table_is_empty(table, at);
         at = name_table_next(table, at)) {
        if (!name_table_tag_matches(table, at, hash))
            continue;
        struct zone_node *node = zone_set_node(set, name_table_index(table, at));
        if (node->name_len == name_len && memcmp(node->name, name, name_len) == 0)
            return node;
    }
    return NULL;
}

/* The deepest node above the name. Deeper than the deepest node of all there is nothing to find,
 * so a name of many labels costs no more than the zones are deep. */
static struct zone_set_hit search_above(const struct zone_set *set, const uint8_t *name,
                                        size_t name_len)
{
    uint8_t offsets[NAME_MAX_LABELS];
    struct zone_set_hit hit = { .name_label_count = name_labels(name, offsets) };
    unsigned count = hit.name_label_count;
    unsigned depth = count < set->label_count_max + 1u ? count : set->label_count_max + 1u;
    while (hit.node == NULL && depth > 0) {
        size_t start = offsets[count - --depth];
        hit.node = probe(set, name + start, name_len - start);
    }
    hit.label_count = depth;
    return hit;
}

struct zone_set_hit zone_set_search(const struct zone_set *set, const uint8_t *name,
                                    size_t name_len)
{
    struct zone_node *node = probe(set, name, name_len);
    if (node == NULL)
        return search_above(set, name, name_len);
    return (struct zone_set_hit){ node, node->label_count, node->label_count };
}

enum zone_match zone_set_find(const struct zone_set *zones, const uint8_t *name, size_t name_len,
                              bool is_ds, const struct zone_node **out_node)
{
    const struct zone_node *node = probe(zones, name, name_len);
    bool is_exact = node != NULL;
    if (!is_exact)
        node = search_above(zones, name, name_len).node;
    if (node == NULL)
        return ZONE_MATCH_NONE;
    /* RFC 4035 section 3.1.4.1: the parent side answers for DS. */
    if (is_ds && is_exact && node->is_apex && node->zone->parent_side != NULL) {
        node = node->zone->parent_side;
        is_exact = node->name_len == name_len;
    }
    *out_node = node;
    if (node->cut != NULL && !(is_ds && is_exact && node->cut == node)) {
        *out_node = node->cut;
        return ZONE_MATCH_CUT;
    }
    if (is_exact)
        return ZONE_MATCH_EXACT;
    if (node->has_dname)
        return ZONE_MATCH_DNAME;
    if (node->wildcard != NULL) {
        *out_node = node->wildcard;
        return ZONE_MATCH_WILDCARD;
    }
    return ZONE_MATCH_NXDOMAIN;
}

const struct rrset *zone_node_rrset(const struct zone_node *node, uint16_t type)
{
    for (size_t i = 0; i < node->rrset_count; i++)
        if (node->rrsets[i].type == type)
            return &node->rrsets[i];
    return NULL;
}

const struct zone_node *zone_set_find_glue(const struct zone_set *zones, const uint8_t *name,
                                           size_t name_len)
{
    return probe(zones, name, name_len);
}
