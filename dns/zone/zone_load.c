/* SPDX-License-Identifier: Apache-2.0 */
/* All zone files into one set. */
#include <string.h>
#include <stdlib.h>

#include "dns/wire/query.h"
#include "dns/zone/zone_parser.h"
#include "dns/zone/zone_set_priv.h"
#include "steering/base/mem.h"

#define NO_PARENT SIZE_MAX

/* The zones to be loaded, before any file is read: who lies below whom. */
struct plan {
    struct zone_set *set;
    const struct zone_source *sources;
    size_t count;
    struct name_table origins; /* -> index */
    size_t *parents;           /* nearest enclosing zone of ours, or NO_PARENT */
    bool *is_good;
};

static uint64_t hash_of_origin(const void *context, uint32_t index)
{
    const struct plan *plan = context;
    const struct zone *zone = &plan->set->zones[index];
    return name_hash(zone->origin, zone->origin_len);
}

static size_t find_origin(const struct plan *plan, const uint8_t *name, size_t name_len)
{
    uint64_t hash = name_hash(name, name_len);
    for (uint32_t at = name_table_start(&plan->origins, hash);
         !name_table_is_empty(&plan->origins, at); at = name_table_next(&plan->origins, at)) {
        const struct zone *zone = &plan->set->zones[name_table_index(&plan->origins, at)];
        if (name_table_tag_matches(&plan->origins, at, hash) && zone->origin_len == name_len &&
            memcmp(zone->origin, name, name_len) == 0)
            return name_table_index(&plan->origins, at);
    }
    return NO_PARENT;
}

static void plan_zone(struct plan *plan, size_t index, struct diag *diag)
{
    uint8_t wire[NAME_MAX_BYTES];
    const struct zone_source *source = &plan->sources[index];
    struct zone *zone = &plan->set->zones[index];
    size_t len = name_parse(str_from(source->origin), wire);
    diag_set_file(diag, source->file);
    if (len == 0) {
        diag_error(diag, 0, 0, "zone '%s': not a domain name", source->origin);
        return;
    }
    name_lower(wire, len, wire);
    size_t twin = find_origin(plan, wire, len);
    if (twin != NO_PARENT) {
        diag_error(diag, 0, 0, "zone '%s' is given twice; the other file is '%s'", source->origin,
                   plan->sources[twin].file);
        return;
    }
    uint8_t *origin = arena_bytes(&plan->set->arena, len);
    memcpy(origin, wire, len);
    zone->origin = origin;
    zone->origin_len = (uint8_t)len;
    name_table_insert(&plan->origins, name_hash(origin, len), (uint32_t)index, hash_of_origin,
                      plan);
    plan->is_good[index] = true;
}

static void plan_parent(struct plan *plan, size_t index)
{
    const struct zone *zone = &plan->set->zones[index];
    plan->parents[index] = NO_PARENT;
    size_t at = 0;
    while (plan->is_good[index] && zone->origin[at] != 0 && plan->parents[index] == NO_PARENT) {
        at += 1 + (size_t)zone->origin[at];
        plan->parents[index] = find_origin(plan, zone->origin + at, zone->origin_len - at);
    }
}

static void plan_init(struct plan *plan, struct zone_set *set, const struct zone_source *sources,
                      size_t count, struct diag *diag)
{
    *plan = (struct plan){ .set = set, .sources = sources, .count = count };
    plan->parents = mem_calloc(count, sizeof(plan->parents[0]));
    plan->is_good = mem_calloc(count, sizeof(plan->is_good[0]));
    name_table_init(&plan->origins);
    for (size_t i = 0; i < count; i++)
        plan_zone(plan, i, diag);
    for (size_t i = 0; i < count; i++)
        plan_parent(plan, i);
}

static void plan_fini(struct plan *plan)
{
    name_table_fini(&plan->origins);
    free(plan->parents);
    free(plan->is_good);
}

static void load_zone(struct plan *plan, const size_t *first_child, const size_t *next_child,
                      size_t index, struct diag *diag)
{
    struct zone *zone = &plan->set->zones[index];
    struct zone_report report;
    struct zone_parser_seen seen;
    zone_report_init(&report, diag);
    struct zone_builder *builder = zone_builder_new(plan->set, zone, &report);
    zone_parser_run(plan->sources[index].file, zone, builder, &report, &seen);
    for (size_t i = first_child[index]; i != NO_PARENT; i = next_child[i])
        zone_builder_add_child(builder, &plan->set->zones[i]);
    zone_builder_finish(builder, seen.soa, seen.ns);
    zone_builder_free(builder);
    zone_report_fini(&report);
}

static void load_zones(struct plan *plan, struct diag *diag)
{
    size_t *first_child = mem_calloc(plan->count, sizeof(first_child[0]));
    size_t *next_child = mem_calloc(plan->count, sizeof(next_child[0]));
    for (size_t i = 0; i < plan->count; i++)
        first_child[i] = NO_PARENT;
    for (size_t i = plan->count; i-- > 0;) {
        size_t parent = plan->parents[i];
        if (parent == NO_PARENT)
            continue;
        next_child[i] = first_child[parent];
        first_child[parent] = i;
    }
    for (size_t i = 0; i < plan->count; i++)
        if (plan->is_good[i])
            load_zone(plan, first_child, next_child, i, diag);
    free(first_child);
    free(next_child);
}

static bool has_target(const struct rrset *rrset, const struct rdata *wanted)
{
    for (size_t i = 0; i < rrset->count; i++)
        if (name_eq_nocase(rrset->rdata[i].bytes, rrset->rdata[i].len, wanted->bytes, wanted->len))
            return true;
    return false;
}

static bool is_same_ns(const struct rrset *a, const struct rrset *b)
{
    enum { COMPARED_MAX = 256 }; /* quadratic, and no delegation is larger */
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count && a->count <= COMPARED_MAX; i++)
        if (!has_target(b, &a->rdata[i]))
            return false;
    return true;
}

/* The parent's idea of a child that we serve too. */
static void check_delegation(const struct plan *plan, size_t index, struct diag *diag)
{
    const struct zone *zone = &plan->set->zones[index];
    if (zone->parent_side == NULL || zone->apex == NULL)
        return;
    char child[NAME_TEXT_MAX], parent[NAME_TEXT_MAX], owner[NAME_TEXT_MAX];
    const struct rrset *above = zone_node_rrset(zone->parent_side, TYPE_NS);
    const struct rrset *own = zone_node_rrset(zone->apex, TYPE_NS);
    name_format(zone->origin, child);
    name_format(zone->parent_side->zone->origin, parent);
    diag_set_file(diag, plan->sources[plan->parents[index]].file);
    if (zone->parent_side->name_len != zone->origin_len)
        diag_warning(diag, 0, 0,
                     "'%s', which is served as a zone of its own from '%s', is below the DNAME at "
                     "'%s': other servers of '%s' will redirect it",
                     child, plan->sources[index].file, name_format(zone->parent_side->name, owner),
                     parent);
    else if (above == NULL)
        diag_warning(diag, 0, 0,
                     "no NS records for '%s', which is served as a zone of its own from '%s': "
                     "other servers of '%s' will deny it",
                     child, plan->sources[index].file, parent);
    else if (own != NULL && !is_same_ns(above, own))
        diag_warning(diag, 0, 0,
                     "the NS records for '%s' differ from those of the zone itself in "
                     "'%s'",
                     child, plan->sources[index].file);
}

enum err zone_set_load(const struct zone_source *sources, size_t count, struct diag *diag,
                       struct zone_set **out_zones)
{
    if (count > ZONE_MAX)
        return diag_error(diag, 0, 0, "%zu zones; at most %d can be served", count, ZONE_MAX);
    uint32_t errors_before = diag->error_count;
    struct zone_set *set = zone_set_new(count);
    struct plan plan;
    plan_init(&plan, set, sources, count, diag);
    load_zones(&plan, diag);
    for (size_t i = 0; i < count && diag->error_count == errors_before; i++)
        check_delegation(&plan, i, diag);
    plan_fini(&plan);
    diag_set_file(diag, NULL);
    if (diag->error_count > errors_before) {
        zone_set_unref(set);
        return ERR_INVALID;
    }
    *out_zones = set;
    return ERR_OK;
}
