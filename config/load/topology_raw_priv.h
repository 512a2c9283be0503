/* SPDX-License-Identifier: Apache-2.0 */
/* The topology file as it is written: one struct per mapping, references still names. The topology
 * loader resolves it.
 *
 * Threads:   owner only.
 * Ownership: schema_fini(&topology_schema, raw); heads borrow from the tree.
 */
#pragma once

#include "config/load/schema.h"

struct raw_site {
    struct schema_head head;
    struct schema_coordinates at;
    uint32_t capacity;
    struct schema_addresses addresses;
    char *cname;
    char *group;
    struct schema_listens gateways; /* regions only */
    char *identity;
};

struct raw_network {
    struct schema_head head;
    struct schema_cidrs cidrs;
    struct schema_texts files;
    struct schema_numbers asns;
};

struct raw_terms {
    struct schema_head head;
    struct schema_texts continents, countries, subdivisions, networks, areas;
    struct schema_cidrs cidrs;
    struct schema_numbers asns;
};

struct raw_area {
    struct raw_terms terms; /* first: its head is the area's */
    struct raw_terms except;
};

struct raw_rule {
    struct schema_head head;
    struct schema_texts from, to;
};

struct raw_map {
    struct schema_head head;
    struct schema_texts sites, all_down;
    uint32_t answers;
    struct schema_items rules; /* struct raw_rule */
};

struct raw_https {
    struct schema_head head; /* absent: no HTTPS records */
    struct schema_texts alpn;
    uint32_t port; /* 0: not written */
};

struct raw_name {
    struct schema_head head;
    char *map;
    uint32_t ttl_s, ttl_moving_s;
    bool uses_ecs;
    struct raw_https https;
};

struct raw_topology {
    struct schema_items regions, pops; /* struct raw_site */
    struct schema_items networks;      /* struct raw_network */
    struct schema_items areas;         /* struct raw_area */
    struct schema_items maps;          /* struct raw_map */
    struct schema_items names;         /* struct raw_name */
};

enum { TTL_MAX_S = 604800, TTL_MOVING_DEFAULT_S = 20 };

extern const struct schema topology_schema; /* of struct raw_topology */

static inline struct raw_site *raw_site_at(const struct schema_items *items, size_t index)
{
    return (struct raw_site *)items->items + index;
}
static inline struct raw_network *raw_network_at(const struct raw_topology *raw, size_t index)
{
    return (struct raw_network *)raw->networks.items + index;
}
static inline struct raw_area *raw_area_at(const struct raw_topology *raw, size_t index)
{
    return (struct raw_area *)raw->areas.items + index;
}
static inline struct raw_map *raw_map_at(const struct raw_topology *raw, size_t index)
{
    return (struct raw_map *)raw->maps.items + index;
}
static inline struct raw_rule *raw_rule_at(const struct raw_map *map, size_t index)
{
    return (struct raw_rule *)map->rules.items + index;
}
static inline struct raw_name *raw_name_at(const struct raw_topology *raw, size_t index)
{
    return (struct raw_name *)raw->names.items + index;
}
