/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings: what is legal but hardly meant. Called on topologies without errors only. */
#include "config/load/topology_load_priv.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum { UDP_ANSWER_MAX_BYTES = 1232 };

static void warn_head(struct loader *loader, const struct schema_head *head, const char *what,
                      const char *problem)
{
    diag_warning(loader->diag, head->mark.line, head->mark.column, "%s '%.*s' %s", what,
                 STR_ARG(head->name), problem);
}

/* ---- used at all --------------------------------------------------------------------------- */

struct usage {
    bool *areas, *networks, *maps; /* by raw index */
};

static void use_names(const struct loader *loader, const struct schema_texts *texts, bool *areas,
                      bool *networks)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct str name = str_from(texts->items[i].text);
        long area = areas != NULL ? loader_find_raw_area(loader, name) : -1;
        long network = networks != NULL ? loader_find_network(loader, name) : -1;
        if (area >= 0)
            areas[area] = true;
        if (network >= 0)
            networks[network] = true;
    }
}

static void use_terms(const struct loader *loader, const struct raw_terms *terms,
                      struct usage *usage)
{
    use_names(loader, &terms->areas, usage->areas, NULL);
    use_names(loader, &terms->networks, NULL, usage->networks);
}

static void lint_unused(struct loader *loader)
{
    const struct raw_topology *raw = loader->raw;
    struct usage usage = { .areas = mem_calloc(raw->areas.count, sizeof(bool)),
                           .networks = mem_calloc(raw->networks.count, sizeof(bool)),
                           .maps = mem_calloc(raw->maps.count, sizeof(bool)) };
    for (size_t i = 0; i < raw->areas.count; i++) {
        use_terms(loader, &raw_area_at(raw, i)->terms, &usage);
        use_terms(loader, &raw_area_at(raw, i)->except, &usage);
    }
    for (size_t i = 0; i < raw->maps.count; i++)
        for (size_t j = 0; j < raw_map_at(raw, i)->rules.count; j++)
            use_names(loader, &raw_rule_at(raw_map_at(raw, i), j)->from, usage.areas,
                      usage.networks);
    for (size_t i = 0; i < loader->topology->name_count; i++)
        usage.maps[loader->topology->names[i].map.n] = true;
    for (size_t i = 0; i < raw->networks.count; i++)
        if (!usage.networks[i])
            warn_head(loader, &raw_network_at(raw, i)->head, "network", "is never used");
    for (size_t i = 0; i < raw->areas.count; i++)
        if (!usage.areas[i])
            warn_head(loader, &raw_area_at(raw, i)->terms.head, "area", "is never used");
    for (size_t i = 0; i < raw->maps.count; i++)
        if (!usage.maps[i])
            warn_head(loader, &raw_map_at(raw, i)->head, "map", "answers no name");
    free(usage.areas);
    free(usage.networks);
    free(usage.maps);
}

/* ---- rules that never match ----------------------------------------------------------------- */

/* The earlier rule that takes all of `text`, or 0. */
static uint32_t taken_on_line(const struct raw_map *map, size_t rule, const char *text)
{
    for (size_t i = 0; i < rule; i++) {
        const struct raw_rule *earlier = raw_rule_at(map, i);
        for (size_t j = 0; j < earlier->from.count; j++)
            if (strcmp(earlier->from.items[j].text, text) == 0)
                return earlier->head.mark.line;
    }
    return 0;
}

static void lint_rule(struct loader *loader, const struct raw_map *map, size_t index,
                      uint32_t catch_all_line)
{
    const struct raw_rule *rule = raw_rule_at(map, index);
    const struct schema_mark mark = rule->head.mark;
    uint32_t line = 0;
    size_t taken = 0;
    if (catch_all_line > 0) {
        diag_warning(loader->diag, mark.line, mark.column,
                     "this rule is never reached: the one on line %u matches everybody",
                     catch_all_line);
        return;
    }
    for (size_t i = 0; i < rule->from.count; i++) {
        uint32_t earlier = taken_on_line(map, index, rule->from.items[i].text);
        taken += earlier > 0;
        line = earlier > line ? earlier : line;
    }
    if (taken > 0 && taken == rule->from.count)
        diag_warning(loader->diag, mark.line, mark.column,
                     "this rule is never reached: line %u takes the same clients before", line);
}

static void lint_rules(struct loader *loader)
{
    for (size_t i = 0; i < loader->raw->maps.count; i++) {
        const struct raw_map *map = raw_map_at(loader->raw, i);
        uint32_t catch_all_line = 0;
        for (size_t j = 0; j < map->rules.count; j++) {
            const struct raw_rule *rule = raw_rule_at(map, j);
            lint_rule(loader, map, j, catch_all_line);
            if (catch_all_line == 0 && loader_is_everybody(&rule->from))
                catch_all_line = rule->head.mark.line;
        }
    }
}

/* ---- sites of a map ------------------------------------------------------------------------ */

static void collect(const struct site_id *sites, size_t count, bool *used)
{
    for (size_t i = 0; i < count; i++)
        used[sites[i].n] = true;
}

static void collect_map(const struct map *map, bool *used)
{
    for (size_t i = 0; i < map->rule_count; i++)
        collect(map->rules[i].sites, map->rules[i].site_count, used);
    collect(map->all_down_sites, map->all_down_site_count, used);
    if (map->all_down == ALL_DOWN_NEAREST)
        collect(map->pool, map->pool_count, used);
}

static bool is_cname_only(const struct site *site)
{
    return site->address_count == 0 && site->cname != NULL;
}

/* `is_reported` spans all maps: a site is not named twice for the same lack. */
static void lint_family(struct loader *loader, const struct map *map, const bool *used,
                        enum addr_family family, bool *is_reported)
{
    const struct topology *topology = loader->topology;
    bool somebody_has = false;
    for (size_t i = 0; i < topology->site_count; i++)
        somebody_has = somebody_has || (used[i] && site_has_family(&topology->sites[i], family));
    for (size_t i = 0; somebody_has && i < topology->site_count; i++) {
        const struct site *site = &topology->sites[i];
        if (!used[i] || is_reported[i] || is_cname_only(site) || site_has_family(site, family))
            continue;
        is_reported[i] = true;
        const struct schema_mark mark = loader_raw_site(loader, i)->head.mark;
        diag_warning(loader->diag, mark.line, mark.column,
                     "%s '%s' has no IPv%d address; other sites of map '%s' have one",
                     site->kind == SITE_POP ? "PoP" : "region", site->name,
                     family == ADDR_V4 ? 4 : 6, map->name);
    }
}

static void lint_cname(struct loader *loader, const struct raw_map *raw, const struct map *map,
                       const bool *used)
{
    const struct topology *topology = loader->topology;
    for (size_t i = 0; map->answers > 1 && i < topology->site_count; i++) {
        if (!used[i] || !is_cname_only(&topology->sites[i]))
            continue;
        const struct schema_mark mark = schema_mark_of(&raw->head, "answers");
        diag_warning(loader->diag, mark.line, mark.column,
                     "site '%s' answers with a CNAME, which cannot stand beside other answers",
                     topology->sites[i].name);
        return;
    }
}

static void lint_sites(struct loader *loader)
{
    const struct topology *topology = loader->topology;
    bool *reported[2] = { mem_calloc(topology->site_count, sizeof(bool)),
                          mem_calloc(topology->site_count, sizeof(bool)) };
    bool *used = mem_calloc(topology->site_count, sizeof(bool));
    for (size_t i = 0; i < topology->map_count; i++) {
        const struct map *map = &topology->maps[i];
        memset(used, 0, topology->site_count * sizeof(bool));
        collect_map(map, used);
        lint_family(loader, map, used, ADDR_V4, reported[ADDR_V4]);
        lint_family(loader, map, used, ADDR_V6, reported[ADDR_V6]);
        lint_cname(loader, raw_map_at(loader->raw, i), map, used);
    }
    free(reported[0]);
    free(reported[1]);
    free(used);
}

static void lint_capacity(struct loader *loader, size_t first, size_t end, const char *what)
{
    const struct topology *topology = loader->topology;
    size_t stated = 0;
    for (size_t i = first; i < end; i++)
        stated += topology->sites[i].capacity > 0;
    for (size_t i = first; stated > 0 && i < end; i++)
        if (topology->sites[i].capacity == 0)
            warn_head(loader, &loader_raw_site(loader, i)->head, what,
                      "states no capacity, others of its kind do");
}

static void lint_gateways(struct loader *loader)
{
    const struct topology *topology = loader->topology;
    size_t with = 0;
    for (size_t i = 0; i < topology->region_count; i++)
        with += topology->sites[i].gateway_count > 0;
    for (size_t i = 0; with > 0 && i < topology->region_count; i++)
        if (topology->sites[i].gateway_count == 0)
            warn_head(loader, &loader_raw_site(loader, i)->head, "region",
                      "has no gateways, other regions do: PoPs cannot reach it");
}

/* ---- addresses that two sites have ---------------------------------------------------------- */

struct owned {
    struct addr addr;
    size_t site;
};

static int compare_owned(const void *left, const void *right)
{
    const struct owned *a = left, *b = right;
    if (a->addr.family != b->addr.family)
        return a->addr.family < b->addr.family ? -1 : 1;
    int order = memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
    return order != 0 ? order : (a->site > b->site) - (a->site < b->site);
}

/* Once for each site: where one address was copied, the others were, too. */
static void lint_shared(struct loader *loader)
{
    const struct topology *topology = loader->topology;
    char text[ADDR_TEXT_MAX];
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < topology->site_count; i++)
        capacity += topology->sites[i].address_count;
    struct owned *all = mem_calloc(capacity, sizeof(all[0]));
    bool *is_reported = mem_calloc(topology->site_count, sizeof(bool));
    for (size_t i = 0; i < topology->site_count; i++)
        for (size_t j = 0; j < topology->sites[i].address_count; j++)
            all[count++] = (struct owned){ .addr = topology->sites[i].addresses[j], .site = i };
    qsort(all, count, sizeof(all[0]), compare_owned);
    for (size_t i = 1; i < count; i++) {
        const struct owned *one = &all[i - 1], *other = &all[i];
        if (!addr_eq(&one->addr, &other->addr) || one->site == other->site ||
            is_reported[other->site])
            continue;
        is_reported[other->site] = true;
        const struct schema_mark mark =
            schema_mark_of(&loader_raw_site(loader, other->site)->head, "addresses");
        diag_warning(loader->diag, mark.line, mark.column,
                     "%s is an address of '%s', too: who is sent from one to the other gets the "
                     "same answer",
                     addr_format(&other->addr, text), topology->sites[one->site].name);
    }
    free(all);
    free(is_reported);
}

/* ---- protocols of HTTPS records ------------------------------------------------------------- */

static void lint_protocol(struct loader *loader, const struct schema_text *text)
{
    static const char *const known[] = { "h2", "http/1.1", "h3", "http/1.0" };
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(str_from(text->text));
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(text->text, known[i]) == 0)
            return;
        suggest_offer(&suggest, str_from(known[i]));
    }
    diag_warning(loader->diag, text->mark.line, text->mark.column,
                 "'%.40s' is no protocol that clients of HTTP know (h2, http/1.1, h3)%s",
                 text->text, suggest_format(&suggest, hint, sizeof(hint)));
}

static void lint_protocols(struct loader *loader)
{
    for (size_t i = 0; i < loader->raw->names.count; i++) {
        const struct raw_https *https = &raw_name_at(loader->raw, i)->https;
        for (size_t j = 0; https->head.node != NULL && j < https->alpn.count; j++)
            lint_protocol(loader, &https->alpn.items[j]);
    }
}

/* ---- sizes of answers ----------------------------------------------------------------------- */

/* The most addresses of one family that `count` of the sites can have together. */
static size_t most_addresses(const struct topology *topology, const struct map *map,
                             const bool *used, enum addr_family family)
{
    size_t best[ANSWER_SITES_MAX] = { 0 }, total = 0;
    for (size_t i = 0; i < topology->site_count; i++) {
        const struct site *site = &topology->sites[i];
        size_t count = 0;
        for (size_t j = 0; j < site->address_count; j++)
            count += site->addresses[j].family == family;
        for (size_t k = 0; used[i] && k < map->answers; k++) {
            size_t larger = best[k] > count ? best[k] : count;
            count = best[k] > count ? count : best[k];
            best[k] = larger;
        }
    }
    for (size_t k = 0; k < map->answers; k++)
        total += best[k];
    return total;
}

/* Header, question, OPT with a full IPv6 ECS option and a cookie; then 16 or 28 bytes a record,
 * whose owner is a compression pointer. */
static size_t answer_bytes(size_t name_len, size_t count, enum addr_family family)
{
    size_t fixed = 12 + (name_len + 1 + 4) + 11 + 24 + 28;
    return fixed + count * (family == ADDR_V4 ? 16 : 28);
}

static void lint_answer_sizes(struct loader *loader)
{
    const struct topology *topology = loader->topology;
    size_t(*most)[2] = mem_calloc(topology->map_count, sizeof(most[0]));
    bool *used = mem_calloc(topology->site_count, sizeof(bool));
    for (size_t i = 0; i < topology->map_count; i++) {
        memset(used, 0, topology->site_count * sizeof(bool));
        collect_map(&topology->maps[i], used);
        most[i][ADDR_V4] = most_addresses(topology, &topology->maps[i], used, ADDR_V4);
        most[i][ADDR_V6] = most_addresses(topology, &topology->maps[i], used, ADDR_V6);
    }
    for (size_t i = 0; i < topology->name_count; i++) {
        const struct steered_name *name = &topology->names[i];
        size_t len = strlen(name->name);
        size_t v4 = answer_bytes(len, most[name->map.n][ADDR_V4], ADDR_V4);
        size_t v6 = answer_bytes(len, most[name->map.n][ADDR_V6], ADDR_V6);
        size_t bytes = v4 > v6 ? v4 : v6;
        const struct schema_mark mark = raw_name_at(loader->raw, i)->head.mark;
        if (bytes > UDP_ANSWER_MAX_BYTES)
            diag_warning(loader->diag, mark.line, mark.column,
                         "answers of '%s' may take %zu bytes; beyond %d, resolvers come back by "
                         "TCP",
                         name->name, bytes, UDP_ANSWER_MAX_BYTES);
    }
    free(most);
    free(used);
}

void topology_lint(struct loader *loader)
{
    const struct topology *topology = loader->topology;
    lint_rules(loader);
    lint_unused(loader);
    lint_sites(loader);
    lint_capacity(loader, 0, topology->region_count, "region");
    lint_capacity(loader, topology->region_count, topology->site_count, "PoP");
    lint_gateways(loader);
    lint_shared(loader);
    lint_protocols(loader);
    lint_answer_sizes(loader);
}
