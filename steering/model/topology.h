/* SPDX-License-Identifier: Apache-2.0 */
/* The static map of the world: sites, areas, networks, maps and names. One file, the same on
 * every node, identified by its digest.
 *
 * Shape:     plain arrays; ids are indexes. config/load fills and validates it:
 *            - every map's last rule matches everything (AREA_ANY), so no client is without a rule
 *            - every rule has at least one candidate site
 *            - names are unique, absolute, lower-case, with final dot
 * Threads:   immutable once built.
 * Ownership: topology_free frees everything below.
 * Limits:    SITE_MAX sites, MAP_MAX maps, NETWORK_MAX networks, CANDIDATE_MAX candidates a cell.
 */
#pragma once

#include "steering/base/digest.h"
#include "steering/model/area.h"
#include "steering/model/site.h"

enum {
    MAP_MAX = 256,
    AREA_MAX = 4096,
    NETWORK_MAX = 4096,
    RULE_MAX = 1024, /* per map */
    NAME_MAX_COUNT = 100000,
    CANDIDATE_MAX = 16,   /* ordered sites of one cell; the rest could never be reached */
    ANSWER_SITES_MAX = 8, /* `answers: N` */
};

struct map_id {
    uint16_t n;
};

struct rule {
    char *label;            /* what the file wrote behind `from`, or "any" */
    uint32_t area;          /* index into topology->areas */
    uint32_t line;          /* in the topology file, for explain */
    bool is_nearest;        /* order `sites` by distance from the client; else as listed */
    uint16_t nearest_count; /* keep that many of the ordered sites; 0 = all */
    struct site_id *sites;  /* candidates: the list, or the pool for nearest */
    size_t site_count;
};

/* What a map answers for a cell when steering left none of its candidates. */
enum all_down {
    ALL_DOWN_BASE,    /* the rule's own candidates, as if nothing had been steered */
    ALL_DOWN_NEAREST, /* any other usable site of the map's pool, nearest first; then base */
    ALL_DOWN_SITES,   /* the sites listed; then base */
};

struct map {
    char *name;
    struct rule *rules;
    size_t rule_count;
    struct site_id *pool; /* sites that `nearest` may choose from */
    size_t pool_count;
    uint8_t answers; /* 1..ANSWER_SITES_MAX sites per answer */
    enum all_down all_down;
    struct site_id *all_down_sites;
    size_t all_down_site_count;
};

struct steered_name {
    char *name;
    struct map_id map;
    uint32_t ttl_s;
    uint32_t ttl_moving_s; /* while steering changes what the client's cell gets */
    bool uses_ecs;
    char *https_alpn;    /* comma list such as "h2,http/1.1"; NULL: no HTTPS records */
    uint16_t https_port; /* 0: the default port, no port parameter */
};

struct topology {
    struct digest digest; /* of the file and of every CIDR file that it names */
    struct site *sites;
    size_t site_count, region_count; /* sites[0..region_count-1] are the regions */
    struct network *networks;
    size_t network_count;
    struct area *areas;
    size_t area_count;
    struct map *maps;
    size_t map_count;
    struct steered_name *names;
    size_t name_count;
};

struct topology *topology_new(void);
void topology_free(struct topology *topology); /* accepts NULL */
/* SITE_NONE when there is none. */
struct site_id topology_find_site(const struct topology *topology, struct str name);
/* Index of the steered name equal to `name` (case ignored, final dot optional), or -1. */
long topology_find_name(const struct topology *topology, struct str name);
long topology_find_map(const struct topology *topology, struct str name);
