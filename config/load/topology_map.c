/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/topology_load_priv.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

enum { LABEL_MAX_BYTES = 1 << 20 };

/* The words that may stand instead of sites. */
static const char *const words_of_sites[] = { "regions", "pops", "all", NULL };
static const char *const words_of_all_down[] = { "base", "nearest", NULL };
static const char *const words_of_to[] = { "nearest", NULL };

/* A list of sites by name, in their order; unknown ones and repetitions are reported and left out.
 * `*out_sites` is owned by the caller. */
static size_t resolve_sites(struct loader *loader, const struct schema_texts *texts,
                            const char *const *words, struct site_id **out_sites)
{
    struct site_id *sites = mem_calloc(texts->count, sizeof(sites[0]));
    size_t count = 0;
    for (size_t i = 0; i < texts->count; i++) {
        const struct schema_text *text = &texts->items[i];
        struct site_id id = loader_find_site(loader, text, texts->is_list ? NULL : words);
        bool is_repeated = false;
        for (size_t j = 0; j < count; j++)
            is_repeated = is_repeated || site_id_eq(sites[j], id);
        if (is_repeated)
            diag_warning(loader->diag, text->mark.line, text->mark.column, "'%s' is listed twice",
                         text->text);
        else if (!site_is_none(id))
            sites[count++] = id;
    }
    *out_sites = sites;
    return count;
}

/* The sites with indexes first..end-1. */
static size_t range_of_sites(size_t first, size_t end, struct site_id **out_sites)
{
    struct site_id *sites = mem_calloc(end - first, sizeof(sites[0]));
    for (size_t i = first; i < end; i++)
        sites[i - first] = (struct site_id){ (uint16_t)i };
    *out_sites = sites;
    return end - first;
}

/* The one word of a value that is not a list; NULL when it is one. */
static const struct schema_text *single_word(const struct schema_texts *texts)
{
    return texts->count == 1 && !texts->is_list ? &texts->items[0] : NULL;
}

static void build_pool(struct loader *loader, const struct raw_map *raw, struct map *map)
{
    const struct topology *topology = loader->topology;
    const struct schema_text *word = single_word(&raw->sites);
    size_t regions = topology->region_count, all = topology->site_count;
    if (word != NULL && strcmp(word->text, "regions") == 0)
        map->pool_count = range_of_sites(0, regions, &map->pool);
    else if (word != NULL && strcmp(word->text, "pops") == 0)
        map->pool_count = range_of_sites(regions, all, &map->pool);
    else if (word != NULL && strcmp(word->text, "all") == 0)
        map->pool_count = range_of_sites(0, all, &map->pool);
    else
        map->pool_count = resolve_sites(loader, &raw->sites, words_of_sites, &map->pool);
}

static void build_all_down(struct loader *loader, const struct raw_map *raw, struct map *map)
{
    const struct schema_text *word = single_word(&raw->all_down);
    if (word != NULL && strcmp(word->text, "base") == 0) {
        map->all_down = ALL_DOWN_BASE;
    } else if (word != NULL && strcmp(word->text, "nearest") == 0) {
        map->all_down = ALL_DOWN_NEAREST;
    } else {
        map->all_down = ALL_DOWN_SITES;
        map->all_down_site_count =
            resolve_sites(loader, &raw->all_down, words_of_all_down, &map->all_down_sites);
    }
}

/* "nearest" or "nearest COUNT". False: it is something else; malformed counts are reported. */
static bool parse_nearest(struct loader *loader, const struct schema_text *word, struct rule *rule)
{
    struct str head, tail;
    uint64_t count = 0;
    bool has_count = str_split(str_from(word->text), ' ', &head, &tail);
    if (!str_eq(head, STR("nearest")))
        return false;
    if (has_count && (!str_parse_u64(str_trim(tail), CANDIDATE_MAX, &count) || count == 0))
        diag_error(loader->diag, word->mark.line, word->mark.column,
                   "expected 'nearest' or 'nearest COUNT' with 1 to %d, found '%.40s'",
                   CANDIDATE_MAX, word->text);
    rule->is_nearest = true;
    rule->nearest_count = (uint16_t)count;
    return true;
}

static void copy_pool(struct loader *loader, const struct schema_text *word, const struct map *map,
                      struct rule *rule)
{
    if (map->pool_count == 0 && !loader->has_lost_sites)
        diag_error(loader->diag, word->mark.line, word->mark.column,
                   "map '%s' has no sites to choose the nearest from", map->name);
    rule->sites = mem_dup(map->pool, map->pool_count * sizeof(map->pool[0]));
    rule->site_count = map->pool_count;
}

static void build_listed(struct loader *loader, const struct raw_rule *raw, struct rule *rule)
{
    for (size_t i = 0; i < raw->to.count; i++) {
        const struct schema_text *text = &raw->to.items[i];
        if (strncmp(text->text, "nearest", 7) == 0 && raw->to.is_list) {
            diag_error(loader->diag, text->mark.line, text->mark.column,
                       "'%s' stands alone: write 'to: %s'", text->text, text->text);
            return;
        }
    }
    rule->site_count = resolve_sites(loader, &raw->to, words_of_to, &rule->sites);
    if (rule->site_count > CANDIDATE_MAX) {
        const struct schema_text *text = &raw->to.items[CANDIDATE_MAX];
        diag_warning(loader->diag, text->mark.line, text->mark.column,
                     "only the first %d sites of a rule can ever be used", CANDIDATE_MAX);
        rule->site_count = CANDIDATE_MAX;
    }
}

static void build_rule(struct loader *loader, const struct raw_rule *raw, const struct map *map,
                       struct rule *rule)
{
    const struct schema_text *word = single_word(&raw->to);
    struct buf label;
    buf_init(&label, LABEL_MAX_BYTES);
    for (size_t i = 0; i < raw->from.count; i++)
        buf_append_format(&label, "%s%s", i > 0 ? ", " : "", raw->from.items[i].text);
    rule->label = mem_strdup(raw->from.count > 0 ? buf_text(&label) : "any");
    rule->area = loader_area_of_rule(loader, &raw->from);
    rule->line = raw->head.mark.line;
    if (word != NULL && parse_nearest(loader, word, rule))
        copy_pool(loader, word, map, rule);
    else
        build_listed(loader, raw, rule);
    buf_fini(&label);
}

static void check_last_rule(struct loader *loader, const struct raw_map *raw)
{
    if (raw->rules.count == 0) /* reported by the schema */
        return;
    const struct raw_rule *last = raw_rule_at(raw, raw->rules.count - 1);
    /* A `from` that did not parse leaves an empty list; whether it is there is what counts. */
    if (loader_is_everybody(&last->from) || last->head.node->kind != YAML_TREE_MAP)
        return;
    diag_error(loader->diag, last->head.mark.line, last->head.mark.column,
               "the last rule of map '%.*s' must match everybody: add one without 'from'",
               STR_ARG(raw->head.name));
}

static void build_map(struct loader *loader, const struct raw_map *raw, struct map *map)
{
    map->name = mem_strndup(raw->head.name.ptr, raw->head.name.len);
    map->answers = (uint8_t)raw->answers;
    build_pool(loader, raw, map);
    build_all_down(loader, raw, map);
    map->rules = mem_calloc(raw->rules.count, sizeof(map->rules[0]));
    for (size_t i = 0; i < raw->rules.count; i++)
        build_rule(loader, raw_rule_at(raw, i), map, &map->rules[map->rule_count++]);
    check_last_rule(loader, raw);
}

/* ---- sites that some map can choose --------------------------------------------------------- */

static void mark_sites(const struct site_id *sites, size_t count, const char **chooser,
                       const char *map)
{
    for (size_t i = 0; i < count; i++)
        if (chooser[sites[i].n] == NULL)
            chooser[sites[i].n] = map;
}

/* Whom a site without addresses would leave without an answer. */
static void check_reachable(struct loader *loader)
{
    const struct topology *topology = loader->topology;
    const char **chooser = mem_calloc(topology->site_count, sizeof(chooser[0]));
    for (size_t i = 0; i < topology->map_count; i++) {
        const struct map *map = &topology->maps[i];
        mark_sites(map->all_down_sites, map->all_down_site_count, chooser, map->name);
        if (map->all_down == ALL_DOWN_NEAREST)
            mark_sites(map->pool, map->pool_count, chooser, map->name);
        for (size_t j = 0; j < map->rule_count; j++)
            mark_sites(map->rules[j].sites, map->rules[j].site_count, chooser, map->name);
    }
    for (size_t i = 0; i < topology->site_count; i++) {
        const struct site *site = &topology->sites[i];
        bool is_pop = i >= topology->region_count;
        const struct raw_site *raw =
            is_pop ? raw_site_at(&loader->raw->pops, i - topology->region_count)
                   : raw_site_at(&loader->raw->regions, i);
        /* What is written but malformed has been reported. */
        bool has_any = schema_has(&raw->head, "addresses") || schema_has(&raw->head, "cname");
        if (chooser[i] != NULL && !has_any)
            diag_error(loader->diag, raw->head.mark.line, raw->head.mark.column,
                       "%s '%s' needs 'addresses' or 'cname': map '%s' can choose it",
                       is_pop ? "PoP" : "region", site->name, chooser[i]);
    }
    free(chooser);
}

void loader_build_maps(struct loader *loader)
{
    struct topology *topology = loader->topology;
    size_t count = loader->raw->maps.count;
    topology->maps = mem_calloc(count, sizeof(topology->maps[0]));
    for (size_t i = 0; i < count; i++)
        build_map(loader, raw_map_at(loader->raw, i), &topology->maps[topology->map_count++]);
    if (topology->area_count > AREA_MAX)
        diag_error(loader->diag, 0, 0, "%zu areas, with those of the rules; at most %d are allowed",
                   topology->area_count, AREA_MAX);
    if (topology->network_count > NETWORK_MAX)
        diag_error(loader->diag, 0, 0,
                   "%zu networks, with those inside areas; at most %d are allowed",
                   topology->network_count, NETWORK_MAX);
    check_reachable(loader);
}
