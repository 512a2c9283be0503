/* SPDX-License-Identifier: Apache-2.0 */
/* The geo trie: from a client address to its class, in two or three cache lines, and to the
 * number of address bits that decided it, which is the ECS scope.
 *
 * Shape:     class -> one cell per map (geo_cell); cell -> rule and ordered candidates.
 *            Leaves are disjoint and cover both address families, so scopes never overlap.
 *            IPv4 inside IPv6 (addr_fold) is looked up as IPv4; its scope is shifted back.
 *            Special-purpose space (10/8, 127/8, fc00::/7 ...) that no network of the topology
 *            names has leaves of its own with `is_special`: its addresses say nothing about a
 *            client's place.
 * Threads:   builder: owner only. struct geo: immutable.
 * Ownership: geo keeps no pointer into the builder, but borrows the topology: free geo first.
 * Limits:    GEO_CLASS_MAX classes; a policy that needs more is refused with ERR_TOO_LARGE.
 * Source:    RFC 7871 section 7.2.1
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/model/topology.h"

enum { GEO_CLASS_MAX = 1 << 20, CELL_MAX = 65535 };

/* Collects what the databases say. Prefixes may come in any order; of nested ones the longest
 * wins, of equal ones the last. */
struct geo_builder;
struct geo_builder *geo_builder_new(void);
void geo_builder_free(struct geo_builder *builder);
void geo_builder_add_location(struct geo_builder *builder, const struct cidr *net,
                              const struct location *location);
/* The same in two steps, for databases that share one record among many prefixes: `number` is
 * what geo_builder_number_location said. */
uint32_t geo_builder_number_location(struct geo_builder *builder, const struct location *location);
void geo_builder_add_numbered(struct geo_builder *builder, const struct cidr *net, uint32_t number);
/* Prefixes in ascending order are fastest. */
void geo_builder_add_asn(struct geo_builder *builder, const struct cidr *net, uint32_t asn);

/* All clients that a map treats alike: same rule, same ordered candidates. */
struct cell {
    uint32_t rule; /* index into the map's rules */
    uint8_t candidate_count;
    struct site_id candidates[CANDIDATE_MAX];
    /* For ALL_DOWN_NEAREST: the map's pool by distance from the cell. */
    uint8_t spare_count;
    struct site_id spares[CANDIDATE_MAX];
};

struct cell_id {
    uint16_t n;
};

struct geo;
/* Compiles databases, networks and rules. `topology` must outlive the result. */
MUST_USE enum err geo_compile(const struct topology *topology, const struct geo_builder *builder,
                              struct diag *diag, struct geo **out_geo);
void geo_free(struct geo *geo);

struct geo_match {
    uint32_t class_id;
    uint8_t scope_bits; /* of the family of the address that was asked for */
    bool is_special;
};

/* Cannot fail. For a prefix, pass its first address; the scope may be longer than the prefix:
 * more bits would have decided better (RFC 7871 allows it and resolvers ask again). */
struct geo_match geo_lookup(const struct geo *geo, const struct addr *client);

/* Hints to the processor before a geo_lookup of the same address: fetch the first memory that it
 * will touch; and, when that has come, the next. */
void geo_prefetch(const struct geo *geo, const struct addr *client);
void geo_prefetch_deeper(const struct geo *geo, const struct addr *client);

struct cell_id geo_cell(const struct geo *geo, uint32_t class_id, struct map_id map);
size_t geo_cell_count(const struct geo *geo, struct map_id map);
const struct cell *geo_cell_at(const struct geo *geo, struct map_id map, struct cell_id cell);
/* True when the whole address space of the map is one cell: its answers have scope 0. */
bool geo_is_uniform(const struct geo *geo, struct map_id map);
struct geo_stats {
    size_t class_count, leaf_count, location_count;
    size_t memory_bytes; /* of the compiled result */
};
struct geo_stats geo_stats(const struct geo *geo);
