/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/topology_load_priv.h"
#include "steering/base/mem.h"

enum {
    LABEL_MAX_BYTES = 1 << 20, /* more than any list of names comes to */
    /* Terms that one area may come to with every area it contains written out: matching walks
     * them all. */
    EXPANDED_MAX = LIMIT(100000, 1000),
    NOT_BUILT = -1,
    IN_WORK = -2,
};

/* ---- terms --------------------------------------------------------------------------------- */

static bool is_same_term(const struct area_term *a, const struct area_term *b)
{
    return a->kind == b->kind && a->is_except == b->is_except && a->index == b->index &&
           strcmp(a->code, b->code) == 0 && strcmp(a->subdivision, b->subdivision) == 0;
}

/* False: it is there already. */
static bool add_term(struct draft *draft, struct area_term term)
{
    struct area *area = &draft->area;
    term.is_except = draft->is_except;
    for (size_t i = 0; i < area->term_count; i++)
        if (is_same_term(&area->terms[i], &term))
            return false;
    area->terms = mem_grow(area->terms, area->term_count, &draft->capacity, sizeof(area->terms[0]));
    area->terms[area->term_count++] = term;
    draft->expanded++;
    return true;
}

void draft_add_written(struct draft *draft, const struct schema_text *text, struct area_term term)
{
    if (!add_term(draft, term))
        diag_warning(draft->loader->diag, text->mark.line, text->mark.column,
                     "'%s' is listed twice", text->text);
}

void draft_report_misplaced(struct draft *draft, const struct schema_text *text, const char *is,
                            const char *key)
{
    diag_error(draft->loader->diag, text->mark.line, text->mark.column,
               "'%s' is %s; list it under '%s'", text->text, is, key);
}

static void report_unknown_name(struct draft *draft, const struct schema_text *text,
                                bool wants_area)
{
    const struct loader *loader = draft->loader;
    struct str name = str_from(text->text);
    if (wants_area && loader_find_network(loader, name) >= 0) {
        draft_report_misplaced(draft, text, "a network", "networks");
        return;
    }
    if (!wants_area && loader_find_raw_area(loader, name) >= 0) {
        draft_report_misplaced(draft, text, "an area", "areas");
        return;
    }
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; wants_area && i < loader->raw->areas.count; i++)
        suggest_offer(&suggest, raw_area_at(loader->raw, i)->terms.head.name);
    for (size_t i = 0; !wants_area && i < loader->raw->networks.count; i++)
        suggest_offer(&suggest, raw_network_at(loader->raw, i)->head.name);
    if (!loader->has_lost_areas)
        loader_unknown(draft->loader, text, wants_area ? "an area" : "a network", &suggest);
}

static void add_network_term(struct draft *draft, const struct schema_text *text)
{
    long index = loader_find_network(draft->loader, str_from(text->text));
    if (index < 0)
        report_unknown_name(draft, text, false);
    else
        draft_add_written(draft, text,
                          (struct area_term){ .kind = AREA_NETWORK, .index = (uint32_t)index });
}

/* Prefixes inside an area become a network without a name that others could use. */
static void add_cidrs(struct draft *draft, const struct raw_terms *terms)
{
    char name[SCHEMA_NAME_MAX + 64];
    struct schema_mark mark = schema_mark_of(&terms->head, "cidrs");
    if (terms->cidrs.count == 0)
        return;
    snprintf(name, sizeof(name), "area %s, line %u", draft->area.name, mark.line);
    struct network network = {
        .name = mem_strdup(name),
        .cidrs = mem_dup(terms->cidrs.items, terms->cidrs.count * sizeof(terms->cidrs.items[0])),
        .cidr_count = terms->cidrs.count,
    };
    uint32_t index = loader_add_network(draft->loader, &network);
    add_term(draft, (struct area_term){ .kind = AREA_NETWORK, .index = index });
}

/* ---- areas --------------------------------------------------------------------------------- */

/* The areas being built, outermost first, for the message about a circle. */
struct path {
    const struct path *outer;
    const struct raw_area *area;
};

static long build_area(struct loader *loader, size_t index, const struct path *outer,
                       size_t *expanded);

static void report_circle(struct loader *loader, const struct schema_text *text,
                          const struct path *path)
{
    struct buf chain;
    const struct path *step = path;
    buf_init(&chain, 1024);
    buf_append_text(&chain, text->text);
    /* Innermost first: each is contained in the next one written. */
    for (; step != NULL; step = step->outer) {
        buf_append_format(&chain, " in %.*s", STR_ARG(step->area->terms.head.name));
        if (str_eq_text(step->area->terms.head.name, text->text))
            break;
    }
    diag_error(loader->diag, text->mark.line, text->mark.column,
               "areas contain each other in a circle: %s", buf_text(&chain));
    buf_fini(&chain);
}

static void add_area_term(struct draft *draft, const struct schema_text *text,
                          const struct path *path, size_t *expanded)
{
    struct loader *loader = draft->loader;
    long raw_index = loader_find_raw_area(loader, str_from(text->text));
    if (raw_index < 0) {
        report_unknown_name(draft, text, true);
        return;
    }
    long index = build_area(loader, (size_t)raw_index, path, expanded);
    if (index == IN_WORK) {
        report_circle(loader, text, path);
        return;
    }
    draft_add_written(draft, text,
                      (struct area_term){ .kind = AREA_AREA, .index = (uint32_t)index });
    draft->expanded += expanded[raw_index];
}

static void add_terms(struct draft *draft, const struct raw_terms *terms, const struct path *path,
                      size_t *expanded)
{
    const struct {
        const struct schema_texts *texts;
        void (*add)(struct draft *draft, const struct schema_text *text);
    } lists[] = {
        { &terms->continents, draft_add_continent },
        { &terms->countries, draft_add_country },
        { &terms->subdivisions, draft_add_subdivision },
        { &terms->networks, add_network_term },
    };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        for (size_t j = 0; j < lists[i].texts->count; j++)
            lists[i].add(draft, &lists[i].texts->items[j]);
    add_cidrs(draft, terms);
    for (size_t i = 0; i < terms->asns.count; i++)
        add_term(draft, (struct area_term){ .kind = AREA_ASN, .index = terms->asns.items[i] });
    for (size_t i = 0; i < terms->areas.count; i++)
        add_area_term(draft, &terms->areas.items[i], path, expanded);
}

static uint32_t add_area(struct loader *loader, const struct area *area)
{
    struct topology *topology = loader->topology;
    topology->areas = mem_grow(topology->areas, topology->area_count, &loader->area_capacity,
                               sizeof(topology->areas[0]));
    topology->areas[topology->area_count] = *area;
    return (uint32_t)topology->area_count++;
}

static bool says_anything(const struct schema_head *head)
{
    return head->node != NULL && head->node->kind == YAML_TREE_MAP && head->node->count > 0;
}

/* Builds the area and, before it, those that it contains: the model wants smaller indexes.
 * `expanded` holds per raw area what its terms come to. Returns the index, or IN_WORK. */
static long build_area(struct loader *loader, size_t index, const struct path *outer,
                       size_t *expanded)
{
    long *state = &loader->area_index[index];
    const struct raw_area *raw = raw_area_at(loader->raw, index);
    const struct schema_head *head = &raw->terms.head;
    struct draft draft = { .loader = loader };
    struct path path = { .outer = outer, .area = raw };
    if (*state != NOT_BUILT)
        return *state;
    *state = IN_WORK;
    draft.area.name = mem_strndup(head->name.ptr, head->name.len);
    bool is_except_alone =
        says_anything(head) && head->node->count == 1 && schema_has(head, "except");
    bool has_except = says_anything(&raw->except.head);
    if (is_except_alone && has_except)
        add_term(&draft, (struct area_term){ .kind = AREA_ANY });
    add_terms(&draft, &raw->terms, &path, expanded);
    draft.is_except = true;
    add_terms(&draft, &raw->except, &path, expanded);
    if (!says_anything(head) || (is_except_alone && !has_except))
        diag_error(loader->diag, head->mark.line, head->mark.column,
                   "area '%.*s' is empty: name continents, countries, subdivisions, networks, "
                   "cidrs, asns or areas",
                   STR_ARG(head->name));
    if (draft.expanded > EXPANDED_MAX) {
        diag_error(loader->diag, head->mark.line, head->mark.column,
                   "area '%.*s' comes to more than %d terms, with the areas that it contains",
                   STR_ARG(head->name), EXPANDED_MAX);
        draft.expanded = 0; /* once is enough */
    }
    expanded[index] = draft.expanded;
    *state = (long)add_area(loader, &draft.area);
    return *state;
}

void loader_build_areas(struct loader *loader)
{
    size_t count = loader->raw->areas.count;
    size_t *expanded = mem_calloc(count, sizeof(expanded[0]));
    loader->area_index = mem_calloc(count, sizeof(loader->area_index[0]));
    for (size_t i = 0; i < count; i++)
        loader->area_index[i] = NOT_BUILT;
    for (size_t i = 0; i < count; i++)
        build_area(loader, i, NULL, expanded);
    free(expanded);
}

/* ---- areas of rules ------------------------------------------------------------------------ */

bool loader_is_everybody(const struct schema_texts *from)
{
    return from->count == 0 || (from->count == 1 && strcmp(from->items[0].text, "any") == 0);
}

static void add_from(struct draft *draft, const struct schema_text *text)
{
    const struct loader *loader = draft->loader;
    struct str name = str_from(text->text);
    long network = loader_find_network(loader, name);
    long area = loader_find_raw_area(loader, name);
    if (network >= 0) {
        draft_add_written(draft, text,
                          (struct area_term){ .kind = AREA_NETWORK, .index = (uint32_t)network });
    } else if (area >= 0) {
        uint32_t index = (uint32_t)loader->area_index[area];
        draft_add_written(draft, text, (struct area_term){ .kind = AREA_AREA, .index = index });
    } else if (strcmp(text->text, "any") == 0) {
        diag_error(loader->diag, text->mark.line, text->mark.column,
                   "'any' matches everybody; it stands alone");
    } else if (!loader->has_lost_areas) {
        struct suggest suggest = suggest_init(name);
        suggest_offer(&suggest, STR("any"));
        for (size_t i = 0; i < loader->raw->areas.count; i++)
            suggest_offer(&suggest, raw_area_at(loader->raw, i)->terms.head.name);
        for (size_t i = 0; i < loader->raw->networks.count; i++)
            suggest_offer(&suggest, raw_network_at(loader->raw, i)->head.name);
        loader_unknown(draft->loader, text, "an area or network", &suggest);
    }
}

/* Rules with equal `from` share an area; those made for rules stand behind the file's own. */
static uint32_t share_area(struct loader *loader, struct draft *draft)
{
    const struct topology *topology = loader->topology;
    for (size_t i = loader->raw->areas.count; i < topology->area_count; i++) {
        if (strcmp(topology->areas[i].name, draft->area.name) == 0) {
            free(draft->area.name);
            free(draft->area.terms);
            return (uint32_t)i;
        }
    }
    return add_area(loader, &draft->area);
}

uint32_t loader_area_of_rule(struct loader *loader, const struct schema_texts *from)
{
    struct draft draft = { .loader = loader };
    struct buf label;
    buf_init(&label, LABEL_MAX_BYTES);
    if (loader_is_everybody(from)) {
        buf_append_text(&label, "any");
        add_term(&draft, (struct area_term){ .kind = AREA_ANY });
    } else {
        for (size_t i = 0; i < from->count; i++) {
            buf_append_format(&label, "%s%s", i > 0 ? ", " : "", from->items[i].text);
            add_from(&draft, &from->items[i]);
        }
    }
    draft.area.name = mem_strdup(buf_text(&label));
    buf_fini(&label);
    bool is_one_area = draft.area.term_count == 1 && draft.area.terms[0].kind == AREA_AREA;
    if (!is_one_area)
        return share_area(loader, &draft);
    uint32_t index = draft.area.terms[0].index;
    free(draft.area.name);
    free(draft.area.terms);
    return index;
}
