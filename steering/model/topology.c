/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/topology.h"

#include <stdlib.h>

#include "steering/base/mem.h"

struct topology *topology_new(void)
{
    return mem_calloc(1, sizeof(struct topology));
}

static void free_sites(struct topology *topology)
{
    for (size_t i = 0; i < topology->site_count; i++) {
        struct site *site = &topology->sites[i];
        free(site->name);
        free(site->group);
        free(site->addresses);
        free(site->cname);
        free(site->gateways);
        free(site->identity);
    }
    free(topology->sites);
}

static void free_areas(struct topology *topology)
{
    for (size_t i = 0; i < topology->network_count; i++) {
        free(topology->networks[i].name);
        free(topology->networks[i].cidrs);
        free(topology->networks[i].asns);
    }
    free(topology->networks);
    for (size_t i = 0; i < topology->area_count; i++) {
        free(topology->areas[i].name);
        free(topology->areas[i].terms);
    }
    free(topology->areas);
}

static void free_maps(struct topology *topology)
{
    for (size_t i = 0; i < topology->map_count; i++) {
        struct map *map = &topology->maps[i];
        for (size_t j = 0; j < map->rule_count; j++) {
            free(map->rules[j].label);
            free(map->rules[j].sites);
        }
        free(map->rules);
        free(map->pool);
        free(map->all_down_sites);
        free(map->name);
    }
    free(topology->maps);
}

void topology_free(struct topology *topology)
{
    if (topology == NULL)
        return;
    free_sites(topology);
    free_areas(topology);
    free_maps(topology);
    for (size_t i = 0; i < topology->name_count; i++) {
        free(topology->names[i].name);
        free(topology->names[i].https_alpn);
    }
    free(topology->names);
    free(topology);
}

struct site_id topology_find_site(const struct topology *topology, struct str name)
{
    for (size_t i = 0; i < topology->site_count; i++)
        if (str_eq_text(name, topology->sites[i].name))
            return (struct site_id){ (uint16_t)i };
    return SITE_NONE;
}

static struct str without_final_dot(struct str name)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

/* Both look at every entry: they serve explain and the command line, never a query. */
long topology_find_name(const struct topology *topology, struct str name)
{
    struct str wanted = without_final_dot(name);
    for (size_t i = 0; i < topology->name_count; i++)
        if (str_eq_nocase(without_final_dot(str_from(topology->names[i].name)), wanted))
            return (long)i;
    return -1;
}

long topology_find_map(const struct topology *topology, struct str name)
{
    for (size_t i = 0; i < topology->map_count; i++)
        if (str_eq_text(name, topology->maps[i].name))
            return (long)i;
    return -1;
}
