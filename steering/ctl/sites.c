/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/topology_load.h"
#include "steering/base/mem.h"

static bool has_name(const struct sites *sites, enum site_kind kind, struct str name)
{
    for (size_t i = 0; i < sites->count[kind]; i++)
        if (str_eq_text(name, sites->names[kind][i]))
            return true;
    return false;
}

static void add(struct sites *sites, enum site_kind kind, struct str name)
{
    size_t count = sites->count[kind];
    if (name.len == 0 || count == SITE_MAX || has_name(sites, kind, name))
        return;
    sites->names[kind] = mem_resize(sites->names[kind], count + 1, sizeof(char *));
    sites->names[kind][count] = mem_strndup(name.ptr, name.len);
    sites->count[kind]++;
}

static void add_array(struct sites *sites, enum site_kind kind, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        if (json_is_string(name))
            add(sites, kind, (struct str){ json_string_value(name), json_string_length(name) });
    }
}

static void note_topology(struct sites *sites, const struct presence *node)
{
    if (!node->is_alive || node->topology.len == 0 || node->topology.len >= DIGEST_TEXT_MAX)
        return;
    if (sites->topology[0] == '\0')
        snprintf(sites->topology, sizeof(sites->topology), "%.*s", STR_ARG(node->topology));
    else if (!str_eq_text(node->topology, sites->topology))
        sites->has_several_topologies = true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void finish(struct sites *sites)
{
    for (int kind = SITE_REGION; kind <= SITE_POP; kind++) {
        size_t count = sites->count[kind];
        if (count > 1)
            qsort(sites->names[kind], count, sizeof(char *), compare_names);
        sites->views[kind] = mem_calloc(count + 1, sizeof(struct str));
        for (size_t i = 0; i < count; i++)
            sites->views[kind][i] = str_from(sites->names[kind][i]);
    }
}

void sites_collect(const struct presences *presences, const struct document *document,
                   struct sites *out_sites)
{
    struct sites sites = { .count = { 0 } };
    for (size_t i = 0; presences != NULL && i < presences->count; i++) {
        const struct presence *node = &presences->items[i];
        add_array(&sites, SITE_REGION, json_object_get(node->value, "regions"));
        add_array(&sites, SITE_POP, json_object_get(node->value, "pops"));
        note_topology(&sites, node);
    }
    if (sites.has_several_topologies)
        sites.topology[0] = '\0';
    for (int kind = SITE_REGION; document != NULL && kind <= SITE_POP; kind++)
        for (size_t i = 0; i < document->site_count[kind]; i++)
            add(&sites, (enum site_kind)kind, document->sites[kind][i].name);
    finish(&sites);
    *out_sites = sites;
}

enum err sites_load(const char *topology_path, struct diag *diag, struct sites *out_sites)
{
    struct topology *topology = NULL;
    struct sites sites = { .count = { 0 } };
    enum err err = topology_load(topology_path, diag, &topology);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < topology->site_count; i++)
        add(&sites, topology->sites[i].kind, str_from(topology->sites[i].name));
    digest_format(&topology->digest, sites.topology);
    topology_free(topology);
    finish(&sites);
    *out_sites = sites;
    return ERR_OK;
}

void sites_fini(struct sites *sites)
{
    for (int kind = SITE_REGION; kind <= SITE_POP; kind++) {
        for (size_t i = 0; i < sites->count[kind]; i++)
            free(sites->names[kind][i]);
        free(sites->names[kind]);
        free(sites->views[kind]);
    }
    *sites = (struct sites){ .count = { 0 } };
}

struct change_world sites_world(const struct sites *sites)
{
    return (struct change_world){
        .names = { sites->views[SITE_REGION], sites->views[SITE_POP] },
        .count = { sites->count[SITE_REGION], sites->count[SITE_POP] },
    };
}
