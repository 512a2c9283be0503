/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/zone_builder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/octets.h"
#include "dns/zone/zone_builder_priv.h"
#include "dns/zone/zone_name.h"
#include "steering/base/mem.h"

enum { NODE_MAX = 2 * ZONE_RECORD_MAX, RR_FIXED_BYTES = 12 /* owner pointer to RDLENGTH */ };

static uint64_t hash_of_node(const void *context, uint32_t index)
{
    const struct zone_builder *builder = context;
    return builder->nodes[index].hash;
}

static uint32_t add_node(struct zone_builder *builder, const struct build_node *node)
{
    uint32_t index = (uint32_t)builder->node_count;
    builder->nodes = mem_grow(builder->nodes, builder->node_count, &builder->node_capacity,
                              sizeof(builder->nodes[0]));
    builder->nodes[builder->node_count++] = *node;
    name_table_insert(&builder->table, node->hash, index, hash_of_node, builder);
    return index;
}

struct zone_builder *zone_builder_new(struct zone_set *set, struct zone *zone,
                                      struct zone_report *report)
{
    struct zone_builder *builder = mem_calloc(1, sizeof(*builder));
    uint8_t offsets[NAME_MAX_LABELS];
    builder->set = set;
    builder->zone = zone;
    builder->report = report;
    builder->apex_label_count = name_labels(zone->origin, offsets);
    arena_init(&builder->rdata, ZONE_ARENA_CHUNK_BYTES);
    name_table_init(&builder->table);
    add_node(builder, &(struct build_node){
                          .name = zone->origin,
                          .name_len = zone->origin_len,
                          .label_count = (uint8_t)builder->apex_label_count,
                          .hash = name_hash(zone->origin, zone->origin_len),
                          .parent = NO_INDEX,
                          .first = NO_INDEX,
                          .last = NO_INDEX,
                          .cut = NO_INDEX,
                      });
    return builder;
}

void zone_builder_free(struct zone_builder *builder)
{
    if (builder == NULL)
        return;
    arena_fini(&builder->rdata);
    name_table_fini(&builder->table);
    free(builder->nodes);
    free(builder->records);
    free(builder->sorted);
    free(builder);
}

static uint32_t find_node(const struct zone_builder *builder, uint64_t hash, const uint8_t *name,
                          size_t name_len)
{
    const struct name_table *table = &builder->table;
    for (uint32_t at = name_table_start(table, hash); !name_table_is_empty(table, at);
         at = name_table_next(table, at)) {
        if (!name_table_tag_matches(table, at, hash))
            continue;
        uint32_t index = name_table_index(table, at);
        const struct build_node *node = &builder->nodes[index];
        if (node->name_len == name_len && memcmp(node->name, name, name_len) == 0)
            return index;
    }
    return NO_INDEX;
}

/* A name of the zone taken apart: hashes[i] is that of its last i labels, for those
 * that are no nodes yet. */
struct parsed_name {
    uint8_t offsets[NAME_MAX_LABELS];
    uint64_t hashes[NAME_MAX_LABELS];
    unsigned label_count;
};

/* The deepest existing node at or above a lower-case name inside the zone. */
static uint32_t find_deepest(const struct zone_builder *builder, const uint8_t *name,
                             size_t name_len, struct parsed_name *out_parsed)
{
    unsigned count = name_labels(name, out_parsed->offsets);
    unsigned apex = builder->apex_label_count;
    out_parsed->label_count = count;
    for (unsigned i = count; i > apex; i--) {
        size_t start = out_parsed->offsets[count - i];
        out_parsed->hashes[i] = name_hash(name + start, name_len - start);
        uint32_t found = find_node(builder, out_parsed->hashes[i], name + start, name_len - start);
        if (found != NO_INDEX)
            return found;
    }
    return 0;
}

/* The node of a lower-case name inside the zone, made with all its ancestors when missing: so a
 * parent's index is always smaller. */
static uint32_t node_of(struct zone_builder *builder, const uint8_t *name, size_t name_len)
{
    struct parsed_name parsed;
    uint32_t at = find_deepest(builder, name, name_len, &parsed);
    unsigned have = builder->nodes[at].label_count;
    if (have == parsed.label_count)
        return at;
    uint8_t *copy = arena_bytes(&builder->set->arena, name_len);
    memcpy(copy, name, name_len);
    for (unsigned i = have + 1; i <= parsed.label_count; i++) {
        size_t start = parsed.offsets[parsed.label_count - i];
        at = add_node(builder, &(struct build_node){
                                   .name = copy + start,
                                   .name_len = (uint8_t)(name_len - start),
                                   .label_count = (uint8_t)i,
                                   .hash = parsed.hashes[i],
                                   .parent = at,
                                   .first = NO_INDEX,
                                   .last = NO_INDEX,
                                   .cut = NO_INDEX,
                               });
    }
    return at;
}

static uint8_t has_bit(uint16_t type)
{
    switch (type) {
    case TYPE_NS:
        return HAS_NS;
    case TYPE_CNAME:
        return HAS_CNAME;
    case TYPE_DNAME:
        return HAS_DNAME;
    case TYPE_A:
    case TYPE_AAAA:
        return HAS_ADDRESS;
    default:
        return HAS_OTHER;
    }
}

enum err zone_builder_add(struct zone_builder *builder, const struct zone_record *record)
{
    if (builder->set->record_count + builder->record_count >= ZONE_RECORD_MAX ||
        builder->set->node_count + builder->node_count + NAME_MAX_LABELS >= NODE_MAX)
        return ERR_TOO_LARGE;
    struct build_node *node = &builder->nodes[builder->latest];
    if (node->name_len != record->owner_len ||
        memcmp(node->name, record->owner, record->owner_len) != 0) {
        builder->latest = node_of(builder, record->owner, record->owner_len);
        node = &builder->nodes[builder->latest];
    }
    uint8_t *bytes = arena_bytes(&builder->rdata, record->len);
    if (record->len > 0)
        memcpy(bytes, record->bytes, record->len);
    uint32_t index = (uint32_t)builder->record_count;
    builder->records = mem_grow(builder->records, builder->record_count, &builder->record_capacity,
                                sizeof(builder->records[0]));
    builder->records[builder->record_count++] = (struct build_record){
        .bytes = bytes,
        .next = NO_INDEX,
        .line = record->line,
        .ttl_s = record->ttl_s,
        .type = record->type,
        .len = record->len,
        .file = record->file,
    };
    if (node->first == NO_INDEX)
        node->first = index;
    else
        builder->records[node->last].next = index;
    node->last = index;
    node->has |= has_bit(record->type);
    return ERR_OK;
}

void zone_builder_add_child(struct zone_builder *builder, struct zone *child)
{
    uint32_t index = node_of(builder, child->origin, child->origin_len);
    builder->nodes[index].child = child;
}

struct build_node *zone_builder_search(const struct zone_builder *builder, const uint8_t *name,
                                       size_t name_len, bool *out_is_exact)
{
    uint8_t lower[NAME_MAX_BYTES];
    struct parsed_name parsed;
    name_lower(name, name_len, lower);
    *out_is_exact = false;
    if (!zone_name_is_within(lower, name_len, builder->zone->origin, builder->zone->origin_len))
        return NULL;
    struct build_node *node = &builder->nodes[find_deepest(builder, lower, name_len, &parsed)];
    *out_is_exact = node->label_count == parsed.label_count;
    return node;
}

struct diag *build_at(const struct zone_builder *builder, const struct build_record *record)
{
    return zone_report_at(builder->report, record->file);
}

/* ---- compiling ------------------------------------------------------------------------------- */

/* By type; the sort must be stable for the file order within a type, and pointers into one array
 * keep that order. */
static int compare_records(const void *a, const void *b)
{
    const struct build_record *left = *(struct build_record *const *)a;
    const struct build_record *right = *(struct build_record *const *)b;
    if (left->type != right->type)
        return left->type < right->type ? -1 : 1;
    return (left > right) - (left < right);
}

/* Fills builder->sorted; returns the count. */
static size_t sort_records(struct zone_builder *builder, const struct build_node *node)
{
    size_t count = 0;
    for (uint32_t i = node->first; i != NO_INDEX; i = builder->records[i].next) {
        builder->sorted =
            mem_grow(builder->sorted, count, &builder->sorted_capacity, sizeof(builder->sorted[0]));
        builder->sorted[count++] = &builder->records[i];
    }
    if (count > 1)
        qsort(builder->sorted, count, sizeof(builder->sorted[0]), compare_records);
    return count;
}

/* At most one set per type; `sets` has room for `count`. */
static size_t group_records(struct build_record **sorted, size_t count, struct build_set *sets)
{
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (made == 0 || sets[made - 1].type != sorted[i]->type)
            sets[made++] = (struct build_set){
                .records = &sorted[i],
                .type = sorted[i]->type,
                .ttl_s = sorted[i]->ttl_s,
            };
        sets[made - 1].count++;
    }
    return made;
}

/* RFC 3597 section 4: only the types of RFC 1035 may have their names compressed, and of these
 * only the living ones are worth it. */
static struct rdata make_rdata(uint16_t type, const uint8_t *bytes, uint16_t len)
{
    struct rdata rdata = { .bytes = bytes, .len = len };
    switch (type) {
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
        rdata.name_len = len;
        break;
    case TYPE_MX:
        rdata.name_at = 2;
        rdata.name_len = (uint16_t)(len - 2);
        break;
    case TYPE_SOA:
        rdata.name_len = (uint16_t)name_length(bytes, len);
        break;
    default:
        break;
    }
    return rdata;
}

static bool is_compressible(uint16_t type)
{
    return type == TYPE_NS || type == TYPE_CNAME || type == TYPE_PTR || type == TYPE_MX ||
           type == TYPE_SOA;
}

static uint8_t *encode_head(uint8_t *at, const struct rrset *rrset, uint16_t len)
{
    at = octets_put_u16(at, 0xC000 | WIRE_HEADER_BYTES);
    at = octets_put_u16(at, rrset->type);
    at = octets_put_u16(at, CLASS_IN);
    at = octets_put_u32(at, rrset->ttl_s);
    return octets_put_u16(at, len);
}

/* The data of a set without names stands in its encoded form, once. */
static void make_rrset(struct zone_builder *builder, const struct build_set *from,
                       struct rrset *out_rrset)
{
    struct arena *arena = &builder->set->arena;
    struct rrset rrset = { .type = from->type, .ttl_s = from->ttl_s };
    bool is_encoded = !is_compressible(from->type);
    size_t total = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (from->records[i]->is_dropped)
            continue;
        rrset.count++;
        total += from->records[i]->len + (is_encoded ? RR_FIXED_BYTES : 0u);
    }
    struct rdata *rdata = arena_alloc(arena, rrset.count * sizeof(*rdata));
    uint8_t *at = arena_bytes(arena, total);
    rrset.rdata = rdata;
    if (is_encoded) {
        rrset.encoded = at;
        rrset.encoded_len = (uint32_t)total;
    }
    for (size_t i = 0; i < from->count; i++) {
        const struct build_record *record = from->records[i];
        if (record->is_dropped)
            continue;
        if (is_encoded)
            at = encode_head(at, &rrset, record->len);
        if (record->len > 0)
            memcpy(at, record->bytes, record->len);
        *rdata++ = make_rdata(from->type, at, record->len);
        at += record->len;
    }
    builder->set->record_count += rrset.count;
    *out_rrset = rrset;
}

static bool is_empty(const struct build_set *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!from->records[i]->is_dropped)
            return false;
    return true;
}

static void make_rrsets(struct zone_builder *builder, const struct build_set *sets, size_t count,
                        struct zone_node *out_node)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += is_empty(&sets[i]) ? 0 : 1;
    if (kept == 0)
        return;
    struct rrset *rrsets = arena_alloc(&builder->set->arena, kept * sizeof(*rrsets));
    out_node->rrsets = rrsets;
    out_node->rrset_count = (uint16_t)kept;
    for (size_t i = 0; i < count; i++)
        if (!is_empty(&sets[i]))
            make_rrset(builder, &sets[i], rrsets++);
}

/* A child zone's apex is the child's node; the parent's lives beside the table. */
static void make_node(struct zone_builder *builder, struct build_node *from,
                      const struct build_set *sets, size_t count)
{
    struct zone_node node = {
        .name = from->name,
        .name_len = from->name_len,
        .label_count = from->label_count,
        .is_wildcard = from->name[0] == 1 && from->name[1] == '*',
        .is_apex = build_is_apex(from),
        .has_dname = (from->has & HAS_DNAME) != 0,
        .steered = NODE_NOT_STEERED,
        .zone = builder->zone,
    };
    make_rrsets(builder, sets, count, &node);
    if (from->child != NULL) {
        from->made = arena_alloc(&builder->set->arena, sizeof(node));
        *from->made = node;
        from->child->parent_side = from->made;
    } else {
        from->made = zone_set_add_node(builder->set, &node, from->hash);
    }
    if (from->cut != NO_INDEX)
        from->made->cut = builder->nodes[from->cut].made;
    if (node.is_wildcard && !node.is_apex && from->child == NULL)
        builder->nodes[from->parent].made->wildcard = from->made;
}

/* Below a DNAME a zone has no names (RFC 6672 section 2.4), not even empty ones on the way to a
 * zone of ours: what is found there is the DNAME. */
static void leave_to_dname(struct zone_builder *builder, const struct build_node *node)
{
    if (node->child == NULL)
        return;
    const struct build_node *above = &builder->nodes[node->parent];
    while (above->is_below_dname)
        above = &builder->nodes[above->parent];
    node->child->parent_side = above->made;
}

static void finish_node(struct zone_builder *builder, struct build_node *node)
{
    enum { SETS_ON_STACK = 16 };
    struct build_set few[SETS_ON_STACK];
    size_t count = sort_records(builder, node);
    struct build_set *sets = count > SETS_ON_STACK ? mem_calloc(count, sizeof(sets[0])) : few;
    size_t set_count = group_records(builder->sorted, count, sets);
    zone_check_node(builder, node, sets, set_count);
    if (node->is_below_dname)
        leave_to_dname(builder, node);
    else if (!node->is_left_out)
        make_node(builder, node, sets, set_count);
    if (sets != few)
        free(sets);
}

/* SOA data end in serial, refresh, retry, expire and minimum. */
static void read_soa(struct zone *zone)
{
    enum { TAIL_BYTES = 20 };
    const struct rrset *soa = zone_node_rrset(zone->apex, TYPE_SOA);
    if (soa == NULL)
        return;
    const uint8_t *tail = soa->rdata[0].bytes + soa->rdata[0].len - TAIL_BYTES;
    uint32_t minimum_s = octets_u32(tail + 16);
    zone->serial = octets_u32(tail);
    zone->negative_ttl_s = minimum_s < soa->ttl_s ? minimum_s : soa->ttl_s;
}

void zone_builder_finish(struct zone_builder *builder, bool saw_soa, bool saw_ns)
{
    zone_check_mark(builder);
    zone_set_reserve_nodes(builder->set, builder->node_count);
    for (size_t i = 0; i < builder->node_count; i++)
        finish_node(builder, &builder->nodes[i]);
    builder->zone->apex = builder->nodes[0].made;
    zone_check_apex(builder, saw_soa, saw_ns);
    if (zone_report_error_count(builder->report) == 0)
        read_soa(builder->zone);
}
