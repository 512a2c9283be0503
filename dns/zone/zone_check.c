/* SPDX-License-Identifier: Apache-2.0 */
/* What a good authoritative server says about a zone before it serves it.
 * Source:    RFC 1034 sections 3.6.2 and 4.2.1, RFC 2181 sections 5 and 10, RFC 4035 section 2.4,
 *            RFC 4592 section 4, RFC 6672 section 2 */
#include <stdlib.h>
#include <string.h>

#include "dns/zone/type_name.h"
#include "dns/zone/zone_builder_priv.h"
#include "steering/base/mem.h"

enum { RRSET_MAX_RECORDS = UINT16_MAX, RR_FIXED_BYTES = 12 };

static const char *owner_text(const struct build_node *node, char out_text[NAME_TEXT_MAX])
{
    return name_format(node->name, out_text);
}

static bool is_wildcard(const struct build_node *node)
{
    return node->name[0] == 1 && node->name[1] == '*';
}

/* The target of an NS or MX record. */
static const uint8_t *target_of(const struct build_record *record)
{
    return record->bytes + (record->type == TYPE_MX ? 2 : 0);
}

static struct build_node *search_target(const struct zone_builder *builder,
                                        const struct build_record *record, bool *out_is_exact)
{
    const uint8_t *target = target_of(record);
    return zone_builder_search(builder, target,
                               name_length(target, (size_t)(record->bytes + record->len - target)),
                               out_is_exact);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static void mark_node(struct zone_builder *builder, uint32_t index)
{
    struct build_node *node = &builder->nodes[index];
    if (build_is_apex(node))
        return;
    const struct build_node *parent = &builder->nodes[node->parent];
    node->cut = parent->cut;
    node->is_below_dname = parent->is_below_dname || (parent->has & HAS_DNAME) != 0;
    node->is_left_out = parent->is_left_out || parent->child != NULL;
    if (node->cut == NO_INDEX && ((node->has & HAS_NS) != 0 || node->child != NULL)) {
        node->cut = index;
    } else if (node->child != NULL) {
        /* Below somebody else's zone: that one is its parent, not this. */
        node->child = NULL;
        node->is_left_out = true;
    }
}

static void mark_glue(struct zone_builder *builder, const struct build_node *node)
{
    for (uint32_t i = node->first; i != NO_INDEX; i = builder->records[i].next) {
        bool is_exact;
        if (builder->records[i].type != TYPE_NS)
            continue;
        struct build_node *target = search_target(builder, &builder->records[i], &is_exact);
        if (is_exact)
            target->is_glue = true;
    }
}

void zone_check_mark(struct zone_builder *builder)
{
    for (uint32_t i = 0; i < builder->node_count; i++)
        mark_node(builder, i);
    for (uint32_t i = 0; i < builder->node_count; i++) {
        const struct build_node *node = &builder->nodes[i];
        if ((node->has & HAS_NS) != 0 && (build_is_apex(node) || build_is_cut(builder, node)))
            mark_glue(builder, node);
    }
}

/* ---- one set --------------------------------------------------------------------------------- */

/* Where in the data of a type a domain name starts that reaches to the end: case is no difference
 * there. */
static size_t name_start(uint16_t type)
{
    switch (type) {
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
    case TYPE_DNAME:
        return 0;
    case TYPE_MX:
        return 2;
    default:
        return SIZE_MAX;
    }
}

static int compare_octets(const uint8_t *a, const uint8_t *b, size_t len, size_t fold_from)
{
    size_t exact = len < fold_from ? len : fold_from;
    int order = exact > 0 ? memcmp(a, b, exact) : 0;
    if (order != 0 || exact == len)
        return order;
    uint8_t lower_a[NAME_MAX_BYTES], lower_b[NAME_MAX_BYTES];
    name_lower(a + exact, len - exact, lower_a);
    name_lower(b + exact, len - exact, lower_b);
    return memcmp(lower_a, lower_b, len - exact);
}

static int compare_data(const void *a, const void *b)
{
    const struct build_record *left = *(struct build_record *const *)a;
    const struct build_record *right = *(struct build_record *const *)b;
    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    int order = compare_octets(left->bytes, right->bytes, left->len, name_start(left->type));
    return order != 0 ? order : (left > right) - (left < right);
}

static bool is_same_data(const struct build_record *a, const struct build_record *b)
{
    return a->len == b->len && compare_octets(a->bytes, b->bytes, a->len, name_start(a->type)) == 0;
}

static void merge_duplicates(struct zone_builder *builder, const struct build_set *set)
{
    enum { ON_STACK = 32 };
    struct build_record *few[ON_STACK];
    if (set->count < 2)
        return;
    struct build_record **sorted =
        set->count > ON_STACK ? mem_calloc(set->count, sizeof(sorted[0])) : few;
    memcpy(sorted, set->records, set->count * sizeof(sorted[0]));
    qsort(sorted, set->count, sizeof(sorted[0]), compare_data);
    const struct build_record *kept = sorted[0];
    for (size_t i = 1; i < set->count; i++) {
        char place[ZONE_REPORT_PLACE_MAX];
        if (!is_same_data(kept, sorted[i])) {
            kept = sorted[i];
            continue;
        }
        sorted[i]->is_dropped = true;
        diag_warning(
            build_at(builder, sorted[i]), sorted[i]->line, 0,
            "the same record stands in %s; merged",
            zone_report_place(builder->report, sorted[i]->file, kept->file, kept->line, place));
    }
    if (sorted != few)
        free(sorted);
}

static void unify_ttl(struct zone_builder *builder, struct build_set *set)
{
    const struct build_record *first = set->records[0], *differing = NULL;
    for (size_t i = 0; i < set->count; i++) {
        if (set->records[i]->ttl_s != first->ttl_s && differing == NULL)
            differing = set->records[i];
        if (set->records[i]->ttl_s < set->ttl_s)
            set->ttl_s = set->records[i]->ttl_s;
    }
    if (differing == NULL)
        return;
    char place[ZONE_REPORT_PLACE_MAX], type[TYPE_NAME_MAX];
    diag_warning(
        build_at(builder, differing), differing->line, 0,
        "TTL %u differs from %u in %s, and both are one %s set; %u is used", differing->ttl_s,
        first->ttl_s,
        zone_report_place(builder->report, differing->file, first->file, first->line, place),
        type_name_format(set->type, type), set->ttl_s);
}

static void drop(const struct build_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->records[i]->is_dropped = true;
}

/* What is too large is left out too: counts and lengths of a set are 16 bits. */
static void check_size(struct zone_builder *builder, const struct build_set *set)
{
    char type[TYPE_NAME_MAX];
    size_t count = 0, octets = 0;
    const struct build_record *first = set->records[0];
    for (size_t i = 0; i < set->count; i++) {
        if (set->records[i]->is_dropped)
            continue;
        count++;
        octets += set->records[i]->len + (size_t)RR_FIXED_BYTES;
    }
    if (count <= RRSET_MAX_RECORDS && octets <= ZONE_RRSET_MAX_BYTES)
        return;
    diag_error(build_at(builder, first), first->line, 0,
               "%zu records of type %s with %zu octets; a set of more than %d octets fits no "
               "message",
               count, type_name_format(set->type, type), octets, ZONE_RRSET_MAX_BYTES);
    drop(set);
}

/* ---- who may stand where --------------------------------------------------------------------- */

static const struct build_set *find_set(const struct build_set *sets, size_t count, uint16_t type)
{
    for (size_t i = 0; i < count; i++)
        if (sets[i].type == type)
            return &sets[i];
    return NULL;
}

/* SOA, CNAME and DNAME: more than one different record is an error. */
static void check_single(struct zone_builder *builder, const struct build_node *node,
                         const struct build_set *set)
{
    char owner[NAME_TEXT_MAX], type[TYPE_NAME_MAX], place[ZONE_REPORT_PLACE_MAX];
    if (set->type != TYPE_SOA && set->type != TYPE_CNAME && set->type != TYPE_DNAME)
        return;
    const struct build_record *first = set->records[0];
    for (size_t i = 1; i < set->count; i++) {
        const struct build_record *next = set->records[i];
        if (!next->is_dropped)
            diag_error(
                build_at(builder, next), next->line, 0,
                "second %s record at '%s'; the first is in %s", type_name_format(set->type, type),
                owner_text(node, owner),
                zone_report_place(builder->report, next->file, first->file, first->line, place));
    }
}

static void check_cname(struct zone_builder *builder, const struct build_node *node,
                        const struct build_set *sets, size_t count)
{
    char owner[NAME_TEXT_MAX], type[TYPE_NAME_MAX], place[ZONE_REPORT_PLACE_MAX];
    const struct build_set *set = find_set(sets, count, TYPE_CNAME);
    if (set == NULL)
        return;
    const struct build_record *alias = set->records[0];
    if (build_is_apex(node)) {
        diag_error(build_at(builder, alias), alias->line, 0,
                   "CNAME at the apex: list the name under `names:` in the topology to steer it");
        return;
    }
    if (count == 1)
        return;
    const struct build_record *other =
        sets[0].type == TYPE_CNAME ? sets[1].records[0] : sets[0].records[0];
    diag_error(build_at(builder, alias), alias->line, 0,
               "CNAME at '%s' beside %s in %s; a CNAME must be alone", owner_text(node, owner),
               type_name_format(other->type, type),
               zone_report_place(builder->report, alias->file, other->file, other->line, place));
}

static void check_dname(struct zone_builder *builder, const struct build_node *node,
                        const struct build_set *sets, size_t count)
{
    char owner[NAME_TEXT_MAX], place[ZONE_REPORT_PLACE_MAX];
    const struct build_set *dname = find_set(sets, count, TYPE_DNAME);
    const struct build_set *ns = find_set(sets, count, TYPE_NS);
    if (dname != NULL && ns != NULL && !build_is_apex(node))
        diag_error(build_at(builder, dname->records[0]), dname->records[0]->line, 0,
                   "DNAME at '%s' beside NS in %s; a name is either delegated or redirected",
                   owner_text(node, owner),
                   zone_report_place(builder->report, dname->records[0]->file, ns->records[0]->file,
                                     ns->records[0]->line, place));
    if (count == 0 || !node->is_below_dname)
        return;
    const struct build_node *above = &builder->nodes[node->parent];
    while ((above->has & HAS_DNAME) == 0)
        above = &builder->nodes[above->parent];
    char target[NAME_TEXT_MAX];
    diag_error(build_at(builder, sets[0].records[0]), sets[0].records[0]->line, 0,
               "'%s' is below the DNAME at '%s', where nothing else may stand",
               owner_text(node, owner), owner_text(above, target));
}

static void check_wildcard(struct zone_builder *builder, const struct build_node *node,
                           const struct build_set *set)
{
    char owner[NAME_TEXT_MAX], type[TYPE_NAME_MAX];
    if (!is_wildcard(node) || build_is_apex(node) ||
        (set->type != TYPE_NS && set->type != TYPE_DNAME))
        return;
    diag_error(build_at(builder, set->records[0]), set->records[0]->line, 0,
               "%s at the wildcard '%s' has no defined meaning (RFC 4592 section 4)",
               type_name_format(set->type, type), owner_text(node, owner));
}

static void check_ds(struct zone_builder *builder, const struct build_node *node,
                     const struct build_set *set)
{
    char owner[NAME_TEXT_MAX];
    const struct build_record *first = set->records[0];
    if (set->type != TYPE_DS || node->cut != NO_INDEX)
        return;
    if (build_is_apex(node))
        diag_warning(build_at(builder, first), first->line, 0,
                     "DS at the apex belongs into the parent zone; left out");
    else
        diag_warning(build_at(builder, first), first->line, 0,
                     "DS at '%s', which has no NS records; left out", owner_text(node, owner));
    drop(set);
}

/* At a cut only the delegation itself is ours to answer with, below it only glue. */
static void check_cut(struct zone_builder *builder, const struct build_node *node,
                      const struct build_set *set)
{
    char owner[NAME_TEXT_MAX], above[NAME_TEXT_MAX], type[TYPE_NAME_MAX];
    const struct build_record *first = set->records[0];
    bool is_address = set->type == TYPE_A || set->type == TYPE_AAAA;
    if (node->cut == NO_INDEX || (is_address && (node->is_glue || node->is_left_out)))
        return;
    if (!build_is_cut(builder, node)) {
        diag_warning(build_at(builder, first), first->line, 0,
                     "%s at '%s' is below the delegation of '%s'%s; left out",
                     type_name_format(set->type, type), owner_text(node, owner),
                     owner_text(&builder->nodes[node->cut], above),
                     is_address ? ", and no NS record names it" : "");
        drop(set);
    } else if (set->type != TYPE_NS && set->type != TYPE_DS) {
        diag_warning(build_at(builder, first), first->line, 0,
                     "%s at '%s' belongs into the zone that is delegated there; left out",
                     type_name_format(set->type, type), owner_text(node, owner));
        drop(set);
    }
}

/* ---- targets --------------------------------------------------------------------------------- */

static bool wildcard_has_address(const struct zone_builder *builder, const struct build_node *above)
{
    uint8_t name[NAME_MAX_BYTES + 2] = { 1, '*' };
    bool is_exact;
    if (above->name_len + 2u > NAME_MAX_BYTES)
        return false;
    memcpy(name + 2, above->name, above->name_len);
    const struct build_node *wildcard =
        zone_builder_search(builder, name, above->name_len + 2u, &is_exact);
    return is_exact && (wildcard->has & HAS_ADDRESS) != 0;
}

static void check_name_server(struct zone_builder *builder, const struct build_node *node,
                              const struct build_record *record)
{
    char text[NAME_TEXT_MAX];
    bool is_exact;
    const struct build_node *target = search_target(builder, record, &is_exact);
    if (target == NULL || target->is_left_out || target->child != NULL)
        return;
    name_format(target_of(record), text);
    if (is_exact && (target->has & HAS_CNAME) != 0)
        diag_warning(build_at(builder, record), record->line, 0,
                     "name server '%s' is an alias (CNAME); resolvers refuse that", text);
    else if (is_exact && (target->has & HAS_ADDRESS) != 0)
        return;
    else if (target->cut != NO_INDEX && target->cut == node->cut)
        diag_warning(
            build_at(builder, record), record->line, 0,
            "missing glue: add an A or AAAA record for '%s', which only the delegated zone "
            "could resolve",
            text);
    else if (target->cut == NO_INDEX && (is_exact || !wildcard_has_address(builder, target)))
        diag_warning(build_at(builder, record), record->line, 0,
                     "name server '%s' has no A or AAAA record in this zone", text);
}

static void check_mail_server(struct zone_builder *builder, const struct build_record *record)
{
    char text[NAME_TEXT_MAX];
    bool is_exact;
    const struct build_node *target = search_target(builder, record, &is_exact);
    if (is_exact && (target->has & HAS_CNAME) != 0)
        diag_warning(build_at(builder, record), record->line, 0,
                     "mail server '%s' is an alias (CNAME); many senders refuse that",
                     name_format(target_of(record), text));
}

static void check_targets(struct zone_builder *builder, const struct build_node *node,
                          const struct build_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->records[i]->is_dropped)
            continue;
        if (set->type == TYPE_NS && node->child == NULL)
            check_name_server(builder, node, set->records[i]);
        else if (set->type == TYPE_MX)
            check_mail_server(builder, set->records[i]);
    }
}

static void check_soa_place(struct zone_builder *builder, const struct build_node *node,
                            const struct build_set *set)
{
    char owner[NAME_TEXT_MAX], apex[NAME_TEXT_MAX];
    if (set->type != TYPE_SOA || build_is_apex(node))
        return;
    diag_error(build_at(builder, set->records[0]), set->records[0]->line, 0,
               "SOA at '%s'; it belongs at the apex '%s'", owner_text(node, owner),
               name_format(builder->zone->origin, apex));
}

void zone_check_node(struct zone_builder *builder, struct build_node *node, struct build_set *sets,
                     size_t count)
{
    check_cname(builder, node, sets, count);
    check_dname(builder, node, sets, count);
    for (size_t i = 0; i < count; i++) {
        merge_duplicates(builder, &sets[i]);
        unify_ttl(builder, &sets[i]);
        check_single(builder, node, &sets[i]);
        check_soa_place(builder, node, &sets[i]);
        check_wildcard(builder, node, &sets[i]);
        check_ds(builder, node, &sets[i]);
        check_cut(builder, node, &sets[i]);
        check_size(builder, &sets[i]);
        check_targets(builder, node, &sets[i]);
    }
}

void zone_check_apex(struct zone_builder *builder, bool saw_soa, bool saw_ns)
{
    char apex[NAME_TEXT_MAX];
    bool has_soa = false;
    const struct build_node *node = &builder->nodes[0];
    for (uint32_t i = node->first; i != NO_INDEX; i = builder->records[i].next)
        has_soa = has_soa || builder->records[i].type == TYPE_SOA;
    struct diag *diag = zone_report_at(builder->report, 0);
    name_format(builder->zone->origin, apex);
    if (!has_soa && !saw_soa)
        diag_error(diag, 0, 0, "no SOA record at the apex '%s'", apex);
    if ((node->has & HAS_NS) == 0 && !saw_ns)
        diag_error(diag, 0, 0, "no NS record at the apex '%s'", apex);
}
