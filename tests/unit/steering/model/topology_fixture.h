/* SPDX-License-Identifier: Apache-2.0 */
/* Topologies made in code, for tests. Every call appends; indexes come back in order. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/model/topology.h"

#define FIXTURE_APPEND(array, count)                                                               \
    ((array) = mem_resize((array), (count) + 1, sizeof(*(array))),                                 \
     memset(&(array)[count], 0, sizeof(*(array))), (count)++)

static inline struct addr fixture_addr(const char *text)
{
    struct addr addr = { .family = ADDR_V4 };
    if (!addr_parse(str_from(text), &addr))
        abort();
    return addr;
}

static inline struct cidr fixture_cidr(const char *text)
{
    struct cidr cidr = { .bits = 0 };
    if (cidr_parse(str_from(text), &cidr) != CIDR_FINE)
        abort();
    return cidr;
}

/* Regions first, then PoPs. `address` may be NULL. */
static inline struct site_id fixture_site(struct topology *topology, const char *name,
                                          enum site_kind kind, double lat_deg, double lon_deg,
                                          const char *address)
{
    size_t at = FIXTURE_APPEND(topology->sites, topology->site_count);
    struct site *site = &topology->sites[at];
    site->name = mem_strdup(name);
    site->kind = kind;
    site->lat_deg = lat_deg;
    site->lon_deg = lon_deg;
    if (kind == SITE_REGION)
        topology->region_count++;
    if (address != NULL) {
        FIXTURE_APPEND(site->addresses, site->address_count);
        site->addresses[0] = fixture_addr(address);
    }
    return (struct site_id){ (uint16_t)at };
}

static inline uint32_t fixture_network(struct topology *topology, const char *name)
{
    size_t at = FIXTURE_APPEND(topology->networks, topology->network_count);
    topology->networks[at].name = mem_strdup(name);
    return (uint32_t)at;
}

static inline void fixture_network_cidr(struct topology *topology, uint32_t network,
                                        struct cidr cidr)
{
    struct network *to = &topology->networks[network];
    FIXTURE_APPEND(to->cidrs, to->cidr_count);
    to->cidrs[to->cidr_count - 1] = cidr;
}

static inline void fixture_network_asn(struct topology *topology, uint32_t network, uint32_t asn)
{
    struct network *to = &topology->networks[network];
    FIXTURE_APPEND(to->asns, to->asn_count);
    to->asns[to->asn_count - 1] = asn;
}

static inline uint32_t fixture_area(struct topology *topology, const char *name)
{
    size_t at = FIXTURE_APPEND(topology->areas, topology->area_count);
    topology->areas[at].name = mem_strdup(name);
    return (uint32_t)at;
}

static inline void fixture_area_term(struct topology *topology, uint32_t area,
                                     struct area_term term)
{
    struct area *to = &topology->areas[area];
    FIXTURE_APPEND(to->terms, to->term_count);
    to->terms[to->term_count - 1] = term;
}

/* An area of one term. */
static inline uint32_t fixture_area_of(struct topology *topology, const char *name,
                                       struct area_term term)
{
    uint32_t area = fixture_area(topology, name);
    fixture_area_term(topology, area, term);
    return area;
}

static inline struct map_id fixture_map(struct topology *topology, const char *name,
                                        uint8_t answers, enum all_down all_down)
{
    size_t at = FIXTURE_APPEND(topology->maps, topology->map_count);
    topology->maps[at].name = mem_strdup(name);
    topology->maps[at].answers = answers;
    topology->maps[at].all_down = all_down;
    return (struct map_id){ (uint16_t)at };
}

static inline void fixture_map_pool(struct topology *topology, struct map_id map,
                                    struct site_id site)
{
    struct map *to = &topology->maps[map.n];
    FIXTURE_APPEND(to->pool, to->pool_count);
    to->pool[to->pool_count - 1] = site;
}

static inline void fixture_map_all_down_site(struct topology *topology, struct map_id map,
                                             struct site_id site)
{
    struct map *to = &topology->maps[map.n];
    FIXTURE_APPEND(to->all_down_sites, to->all_down_site_count);
    to->all_down_sites[to->all_down_site_count - 1] = site;
}

/* A rule with a list of sites; fixture_nearest turns the last one into `nearest COUNT`. */
static inline struct rule *fixture_rule(struct topology *topology, struct map_id map, uint32_t area,
                                        const struct site_id *sites, size_t count)
{
    struct map *to = &topology->maps[map.n];
    size_t at = FIXTURE_APPEND(to->rules, to->rule_count);
    struct rule *rule = &to->rules[at];
    rule->label = mem_strdup(topology->areas[area].name);
    rule->area = area;
    rule->line = (uint32_t)(100 + at);
    rule->sites = mem_dup(sites, count * sizeof(*sites));
    rule->site_count = count;
    return rule;
}

static inline void fixture_name(struct topology *topology, const char *name, struct map_id map)
{
    size_t at = FIXTURE_APPEND(topology->names, topology->name_count);
    topology->names[at] = (struct steered_name){
        .name = mem_strdup(name),
        .map = map,
        .ttl_s = 60,
        .ttl_moving_s = 20,
        .uses_ecs = true,
    };
}
