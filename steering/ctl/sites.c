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

static int compare_name_to(const void *key, const void *name)
{
    return strcmp(key, *(char *const *)name);
}

/* The index of a region, or their count. */
static size_t find_region(const struct sites *sites, const json_t *name)
{
    size_t count = sites->count[SITE_REGION];
    if (!json_is_string(name))
        return count;
    char *const *found = bsearch(json_string_value(name), sites->names[SITE_REGION], count,
                                 sizeof(char *), compare_name_to);
    return found == NULL ? count : (size_t)(found - sites->names[SITE_REGION]);
}

/* Nodes that tell no region at all do not count. `knowers` has one counter for each region. */
static size_t count_knowers(const struct sites *sites, const struct presences *presences,
                            size_t *knowers)
{
    size_t tellers = 0;
    size_t *last = mem_calloc(sites->count[SITE_REGION], sizeof(last[0])); /* who told it */
    for (size_t i = 0; i < presences->count; i++) {
        const struct presence *node = &presences->items[i];
        const json_t *names = node->is_alive ? json_object_get(node->value, "regions") : NULL;
        tellers += json_array_size(names) > 0;
        for (size_t j = 0; j < json_array_size(names); j++) {
            size_t at = find_region(sites, json_array_get(names, j));
            if (at == sites->count[SITE_REGION] || last[at] == i + 1)
                continue;
            last[at] = i + 1;
            knowers[at]++;
        }
    }
    free(last);
    return tellers;
}

/* A node that is gone may have known a region that is gone, too; and while a topology is being
 * replaced some know more than others. */
static void find_everywhere(struct sites *sites, const struct presences *presences)
{
    size_t count = sites->count[SITE_REGION];
    if (presences == NULL || count == 0)
        return;
    size_t *knowers = mem_calloc(count, sizeof(knowers[0]));
    size_t tellers = count_knowers(sites, presences, knowers);
    sites->is_everywhere = mem_calloc(count, sizeof(sites->is_everywhere[0]));
    for (size_t i = 0; i < count; i++)
        sites->is_everywhere[i] = knowers[i] == tellers;
    free(knowers);
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
    find_everywhere(&sites, presences);
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
    free(sites->is_everywhere);
    *sites = (struct sites){ .count = { 0 } };
}

struct change_world sites_world(const struct sites *sites)
{
    return (struct change_world){
        .names = { sites->views[SITE_REGION], sites->views[SITE_POP] },
        .count = { sites->count[SITE_REGION], sites->count[SITE_POP] },
        .is_everywhere = sites->is_everywhere,
    };
}
