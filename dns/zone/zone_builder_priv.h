/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by zone_builder.c (collect, compile) and zone_check.c (judge). */
#pragma once

#include "dns/wire/query.h"
#include "dns/zone/zone_builder.h"

#define NO_INDEX UINT32_MAX

enum {
    HAS_NS = 1,
    HAS_CNAME = 2,
    HAS_DNAME = 4,
    HAS_ADDRESS = 8, /* A or AAAA */
    HAS_OTHER = 16,
};

struct build_record {
    const uint8_t *bytes;
    uint32_t next; /* of the same owner, in file order */
    uint32_t line;
    uint32_t ttl_s;
    uint16_t type, len, file;
    bool is_dropped; /* merged with an equal one, or left out of the answers */
};

struct build_node {
    const uint8_t *name; /* lower case, in the set's arena */
    uint64_t hash;
    uint32_t parent;      /* always a smaller index; NO_INDEX for the apex */
    uint32_t first, last; /* records */
    uint32_t cut;         /* nearest delegation at or above, or NO_INDEX */
    uint8_t name_len, label_count;
    uint8_t has;         /* HAS_ bits */
    bool is_glue;        /* some NS of the zone names it */
    bool is_below_dname; /* some ancestor has a DNAME */
    bool is_left_out;    /* below the apex of a child zone that we serve */
    struct zone *child;  /* the zone of ours with this apex, or NULL */
    struct zone_node *made;
};

struct zone_builder {
    struct zone_set *set;
    struct zone *zone;
    struct zone_report *report;
    struct arena rdata;
    struct name_table table;
    struct build_node *nodes;
    size_t node_count, node_capacity;
    struct build_record *records;
    size_t record_count, record_capacity;
    uint32_t latest; /* node of the record before: the owner often stays */
    unsigned apex_label_count;
    /* the records of one node, sorted by type: scratch of zone_builder_finish */
    struct build_record **sorted;
    size_t sorted_capacity;
};

/* The records of one owner and type, file order kept. */
struct build_set {
    struct build_record **records;
    size_t count;
    uint16_t type;
    uint32_t ttl_s;
};

static inline bool build_is_apex(const struct build_node *node)
{
    return node->parent == NO_INDEX;
}
/* A delegation, or the apex of a child zone of ours. */
static inline bool build_is_cut(const struct zone_builder *builder, const struct build_node *node)
{
    return node->cut == (uint32_t)(node - builder->nodes);
}
static inline bool build_is_below_cut(const struct zone_builder *builder,
                                      const struct build_node *node)
{
    return node->cut != NO_INDEX && !build_is_cut(builder, node);
}

/* The node of a name of any case, or the deepest one above it. NULL: outside the zone. */
struct build_node *zone_builder_search(const struct zone_builder *builder, const uint8_t *name,
                                       size_t name_len, bool *out_is_exact);
struct diag *build_at(const struct zone_builder *builder, const struct build_record *record);

/* zone_check.c, in this order. First: cuts, glue, what lies below a DNAME. */
void zone_check_mark(struct zone_builder *builder);
/* Then node by node: the sets of one owner, sorted by type. Marks records as dropped. */
void zone_check_node(struct zone_builder *builder, struct build_node *node, struct build_set *sets,
                     size_t count);
/* At last the zone as a whole. */
void zone_check_apex(struct zone_builder *builder, bool saw_soa, bool saw_ns);
