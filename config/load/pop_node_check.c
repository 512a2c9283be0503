/* SPDX-License-Identifier: Apache-2.0 */
/* A node file against the topology that it names. */
#include <stdlib.h>
#include <string.h>

#include "config/load/pop_node.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

/* ---- the own site --------------------------------------------------------------------------- */

static enum site_kind kind_of_role(enum pop_role role)
{
    return role == POP_ROLE_GATEWAY ? SITE_REGION : SITE_POP;
}

static const char *kind_text(enum site_kind kind)
{
    return kind == SITE_REGION ? "a region" : "a PoP";
}

static void report_unknown_site(const struct pop_node *node, const struct topology *topology,
                                struct diag *diag)
{
    char hint[SUGGEST_TEXT_MAX];
    enum site_kind wanted = kind_of_role(node->role);
    struct suggest suggest = suggest_init(str_from(node->site));
    for (size_t i = 0; i < topology->site_count; i++)
        if (topology->sites[i].kind == wanted)
            suggest_offer(&suggest, str_from(topology->sites[i].name));
    diag_error(diag, node->site_mark.line, node->site_mark.column,
               "'%s' is not %s of the topology%s", node->site, kind_text(wanted),
               suggest_format(&suggest, hint, sizeof(hint)));
}

/* Is this listener what the topology tells others to connect to? */
static bool is_listed(const struct pop_listen *listen, const struct site *site)
{
    static const struct addr any[2] = { { .family = ADDR_V4 }, { .family = ADDR_V6 } };
    const struct addr *own = &listen->at.addr;
    for (size_t i = 0; i < site->gateway_count; i++) {
        const struct site_gateway *gateway = &site->gateways[i];
        bool is_any = own->family == gateway->addr.family && addr_eq(own, &any[own->family]);
        if (gateway->port == listen->at.port && (is_any || addr_eq(own, &gateway->addr)))
            return true;
    }
    return false;
}

static void check_gateway(const struct pop_node *node, const struct site *site, struct diag *diag)
{
    if (site->gateway_count == 0) {
        diag_warning(diag, node->site_mark.line, node->site_mark.column,
                     "region '%s' has no 'gateways' in the topology: nobody will connect",
                     site->name);
        return;
    }
    for (size_t i = 0; i < node->listen_count; i++) {
        const struct pop_listen *listen = &node->listens[i];
        if (listen->kind == POP_LISTEN_BACKBONE && listen->at.port != 0 && !is_listed(listen, site))
            diag_warning(diag, listen->mark.line, listen->mark.column,
                         "no gateway of region '%s' in the topology has this address and port",
                         site->name);
    }
}

static void check_site(const struct pop_node *node, const struct topology *topology,
                       struct diag *diag)
{
    struct site_id id = topology_find_site(topology, str_from(node->site));
    if (site_is_none(id)) {
        report_unknown_site(node, topology, diag);
        return;
    }
    const struct site *site = &topology->sites[id.n];
    if (site->kind != kind_of_role(node->role))
        diag_error(diag, node->site_mark.line, node->site_mark.column,
                   "'%s' is %s of the topology; the role %s needs %s", node->site,
                   kind_text(site->kind), pop_role_name(node->role),
                   kind_text(kind_of_role(node->role)));
    else if (node->role == POP_ROLE_GATEWAY)
        check_gateway(node, site, diag);
}

/* ---- maps ----------------------------------------------------------------------------------- */

static void report_unknown_map(const struct pop_route *route, const struct topology *topology,
                               struct diag *diag)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(str_from(route->map));
    for (size_t i = 0; i < topology->map_count; i++)
        suggest_offer(&suggest, str_from(topology->maps[i].name));
    diag_error(diag, route->map_mark.line, route->map_mark.column,
               "'%s' is not a map of the topology%s", route->map,
               suggest_format(&suggest, hint, sizeof(hint)));
}

static bool has_region(const struct topology *topology, const struct rule *rule)
{
    for (size_t i = 0; i < rule->site_count; i++)
        if (topology->sites[rule->sites[i].n].kind == SITE_REGION)
            return true;
    return false;
}

/* Marks the regions that the map's rules may choose. */
static void check_map(const struct pop_route *route, const struct topology *topology,
                      const struct map *map, bool *regions, struct diag *diag)
{
    for (size_t i = 0; i < map->rule_count; i++) {
        const struct rule *rule = &map->rules[i];
        for (size_t j = 0; j < rule->site_count; j++)
            regions[rule->sites[j].n] = true;
        if (!has_region(topology, rule))
            diag_warning(diag, route->map_mark.line, route->map_mark.column,
                         "the rule for %s of map '%s' (line %u of the topology) leads to PoPs "
                         "only: its requests go to the regions in the order of the topology",
                         rule->label, map->name, rule->line);
    }
}

static void check_regions(const struct pop_node *node, const struct topology *topology,
                          const bool *regions, struct diag *diag)
{
    size_t with = 0;
    for (size_t i = 0; i < topology->region_count; i++)
        with += topology->sites[i].gateway_count > 0;
    if (with == 0) {
        diag_error(diag, node->site_mark.line, node->site_mark.column,
                   "no region has 'gateways' in the topology: there is nowhere to send requests");
        return;
    }
    for (size_t i = 0; i < topology->region_count; i++)
        if (regions[i] && topology->sites[i].gateway_count == 0)
            diag_warning(diag, node->site_mark.line, node->site_mark.column,
                         "region '%s' has no 'gateways' in the topology, but maps of the routes "
                         "lead there",
                         topology->sites[i].name);
}

static void check_maps(const struct pop_node *node, const struct topology *topology,
                       struct diag *diag)
{
    bool *seen = mem_calloc(topology->map_count, sizeof(bool));
    bool *regions = mem_calloc(topology->site_count, sizeof(bool));
    for (size_t i = 0; i < node->route_count; i++) {
        const struct pop_route *route = &node->routes[i];
        long map = topology_find_map(topology, str_from(route->map));
        if (map < 0) {
            report_unknown_map(route, topology, diag);
        } else if (!seen[map]) {
            seen[map] = true;
            check_map(route, topology, &topology->maps[map], regions, diag);
        }
    }
    if (node->role == POP_ROLE_POP)
        check_regions(node, topology, regions, diag);
    free(seen);
    free(regions);
}

enum err pop_node_check(const struct pop_node *node, const struct topology *topology,
                        struct diag *diag)
{
    uint32_t errors_before = diag->error_count;
    diag_set_file(diag, node->path);
    check_site(node, topology, diag);
    check_maps(node, topology, diag);
    diag_set_file(diag, NULL);
    return diag->error_count > errors_before ? ERR_INVALID : ERR_OK;
}
