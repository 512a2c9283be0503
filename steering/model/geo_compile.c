/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/model/geo_class_priv.h"
#include "steering/model/geo_priv.h"

/* ---- what of the topology matters ---------------------------------------------------------- */

/* Networks and AS numbers that no rule mentions must not split leaves. */
struct relevance {
    bool *areas, *networks; /* by index */
    struct intern asns;     /* uint32_t */
};

static void mark_area(const struct topology *topology, struct relevance *relevance, uint32_t at)
{
    if (relevance->areas[at])
        return;
    relevance->areas[at] = true;
    const struct area *area = &topology->areas[at];
    for (size_t i = 0; i < area->term_count; i++) {
        const struct area_term *term = &area->terms[i];
        if (term->kind == AREA_AREA)
            mark_area(topology, relevance, term->index);
        else if (term->kind == AREA_NETWORK)
            relevance->networks[term->index] = true;
        else if (term->kind == AREA_ASN)
            intern_put(&relevance->asns, &term->index);
    }
}

static void relevance_init(struct relevance *relevance, const struct topology *topology)
{
    relevance->areas = mem_calloc(topology->area_count, sizeof(bool));
    relevance->networks = mem_calloc(topology->network_count, sizeof(bool));
    intern_init(&relevance->asns, sizeof(uint32_t));
    for (size_t i = 0; i < topology->map_count; i++)
        for (size_t j = 0; j < topology->maps[i].rule_count; j++)
            mark_area(topology, relevance, topology->maps[i].rules[j].area);
    for (size_t i = 0; i < topology->network_count; i++)
        for (size_t j = 0; relevance->networks[i] && j < topology->networks[i].asn_count; j++)
            intern_put(&relevance->asns, &topology->networks[i].asns[j]);
}

static void relevance_fini(struct relevance *relevance)
{
    free(relevance->areas);
    free(relevance->networks);
    intern_fini(&relevance->asns);
}

/* ---- the four tries that are walked together ----------------------------------------------- */

/* Networks whose prefixes end at the same place form a list. */
struct network_end {
    uint32_t network, next; /* index into ends, NO_END = last */
};
#define NO_END UINT32_MAX

struct compiler {
    const struct geo_builder *builder;
    struct geo_classifier classifier;
    uint32_t *asn_of; /* by the builder's number: the AS number, or 0 when no rule names it */
    bool has_asns;
    struct prefix_trie network_trie; /* values: indexes into `ends` */
    struct network_end *ends;
    size_t end_count, end_capacity;
    struct prefix_trie space_trie; /* values: enum geo_space */
    /* The result: a trie whose leaves carry classes, equal siblings merged. */
    struct prefix_trie_node *nodes;
    size_t node_count, node_capacity;
    uint32_t roots[2];
};

struct place {
    struct prefix_trie_cursor location, asn, network, space;
    uint32_t set; /* of the networks around here */
};

static const struct space_block {
    const char *net;
    enum geo_space space;
} space_blocks[] = {
    { "0.0.0.0/8", GEO_SPECIAL },
    { "10.0.0.0/8", GEO_SPECIAL },
    { "100.64.0.0/10", GEO_SPECIAL },
    { "127.0.0.0/8", GEO_SPECIAL },
    { "169.254.0.0/16", GEO_SPECIAL },
    { "172.16.0.0/12", GEO_SPECIAL },
    { "192.168.0.0/16", GEO_SPECIAL },
    { "::1/128", GEO_SPECIAL },
    { "fc00::/7", GEO_SPECIAL },
    { "fe80::/10", GEO_SPECIAL },
    /* What addr_fold takes away: no scope beside may cover it. */
    { "::ffff:0:0/96", GEO_FOLDED },
    { "64:ff9b::/96", GEO_FOLDED },
    { "2001::/32", GEO_FOLDED },
    { "2002::/16", GEO_FOLDED },
};

static void fill_space_trie(struct prefix_trie *trie)
{
    prefix_trie_init(trie);
    for (size_t i = 0; i < ARRAY_SIZE(space_blocks); i++) {
        struct cidr net;
        if (cidr_parse(str_from(space_blocks[i].net), &net) == CIDR_FINE)
            prefix_trie_set(trie, &net, space_blocks[i].space);
    }
}

static void fill_network_trie(struct compiler *compiler, const struct topology *topology,
                              const struct relevance *relevance)
{
    prefix_trie_init(&compiler->network_trie);
    for (uint32_t i = 0; i < topology->network_count; i++) {
        const struct network *network = &topology->networks[i];
        for (size_t j = 0; relevance->networks[i] && j < network->cidr_count; j++) {
            uint32_t before = prefix_trie_find(&compiler->network_trie, &network->cidrs[j]);
            compiler->ends = mem_grow(compiler->ends, compiler->end_count, &compiler->end_capacity,
                                      sizeof(*compiler->ends));
            compiler->ends[compiler->end_count] = (struct network_end){
                .network = i,
                .next = before != PREFIX_TRIE_NO_VALUE ? before : NO_END,
            };
            prefix_trie_set(&compiler->network_trie, &network->cidrs[j],
                            (uint32_t)compiler->end_count++);
        }
    }
}

static void fill_asns(struct compiler *compiler, struct relevance *relevance)
{
    const struct intern *asns = &compiler->builder->asns;
    size_t named = relevance->asns.count;
    compiler->asn_of = mem_calloc(asns->count, sizeof(*compiler->asn_of));
    for (uint32_t i = 0; i < asns->count; i++) {
        const uint32_t *asn = intern_at(asns, i);
        if (intern_put(&relevance->asns, asn) >= named)
            continue;
        compiler->asn_of[i] = *asn;
        compiler->has_asns = true;
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* The networks that end exactly here join those from further up. */
static void collect_networks(struct compiler *compiler, struct place *place)
{
    uint32_t at = place->network.value;
    place->network.value = PREFIX_TRIE_NO_VALUE;
    if (at == PREFIX_TRIE_NO_VALUE)
        return;
    for (; at != NO_END; at = compiler->ends[at].next)
        place->set = geo_classifier_add_network(&compiler->classifier, place->set,
                                                compiler->ends[at].network);
}

static struct place step(struct compiler *compiler, const struct place *from, unsigned bit)
{
    const struct geo_builder *builder = compiler->builder;
    struct place place = {
        .location = prefix_trie_step(&builder->location_trie, from->location, bit),
        .asn = prefix_trie_step(&builder->asn_trie, from->asn, bit),
        .network = prefix_trie_step(&compiler->network_trie, from->network, bit),
        .space = prefix_trie_step(&compiler->space_trie, from->space, bit),
        .set = from->set,
    };
    collect_networks(compiler, &place);
    return place;
}

static uint32_t class_of(struct compiler *compiler, const struct place *place)
{
    uint32_t location = place->location.value, asn = 0;
    enum geo_space space = GEO_ORDINARY;
    if (location == PREFIX_TRIE_NO_VALUE)
        location = 0;
    if (place->asn.value != PREFIX_TRIE_NO_VALUE)
        asn = compiler->asn_of[place->asn.value];
    if (place->space.value != PREFIX_TRIE_NO_VALUE)
        space = (enum geo_space)place->space.value;
    if (space == GEO_SPECIAL && place->set != 0) /* the operator knows it by name */
        space = GEO_ORDINARY;
    return geo_classifier_class(&compiler->classifier, location, asn, place->set, space);
}

/* Nothing splits the place any further, or nothing that does counts. */
static bool is_settled(const struct compiler *compiler, const struct place *place)
{
    if ((place->location.node | place->asn.node | place->network.node | place->space.node) == 0)
        return true;
    return place->space.value == GEO_FOLDED || compiler->classifier.err != ERR_OK;
}

/* Returns a reference: a leaf with its class, or a node. Recursion ends with the address. */
static uint32_t walk(struct compiler *compiler, const struct place *place)
{
    if (is_settled(compiler, place))
        return PREFIX_TRIE_LEAF | class_of(compiler, place);
    struct prefix_trie_node node;
    for (unsigned bit = 0; bit < 2; bit++) {
        struct place below = step(compiler, place, bit);
        node.child[bit] = walk(compiler, &below);
    }
    if (node.child[0] == node.child[1] && (node.child[0] & PREFIX_TRIE_LEAF))
        return node.child[0];
    compiler->nodes = mem_grow(compiler->nodes, compiler->node_count, &compiler->node_capacity,
                               sizeof(*compiler->nodes));
    compiler->nodes[compiler->node_count] = node;
    return (uint32_t)compiler->node_count++;
}

static void walk_family(struct compiler *compiler, enum addr_family family)
{
    const struct geo_builder *builder = compiler->builder;
    struct place top = {
        .location = prefix_trie_top(&builder->location_trie, family),
        .asn = { .value = PREFIX_TRIE_NO_VALUE },
        .network = prefix_trie_top(&compiler->network_trie, family),
        .space = prefix_trie_top(&compiler->space_trie, family),
    };
    if (compiler->has_asns)
        top.asn = prefix_trie_top(&builder->asn_trie, family);
    collect_networks(compiler, &top);
    compiler->roots[family] = walk(compiler, &top);
}

/* ---- the result ------------------------------------------------------------------------------ */

static struct geo *finish(struct compiler *compiler, const struct topology *topology)
{
    struct geo_classifier *classifier = &compiler->classifier;
    struct geo *geo = mem_calloc(1, sizeof(*geo));
    size_t classes = classifier->classes.count;
    size_t maps = topology->map_count;
    geo->topology = topology;
    geo->class_cells = mem_calloc(classes * maps, sizeof(*geo->class_cells));
    bool *is_special = mem_calloc(classes, sizeof(*is_special));
    for (uint32_t i = 0; i < classes; i++) {
        const uint16_t *item = intern_at(&classifier->classes, i);
        is_special[i] = item[0] == GEO_SPECIAL;
        if (maps > 0)
            memcpy(geo->class_cells + i * maps, item + 1, maps * sizeof(*item));
    }
    geo->cells = mem_calloc(maps, sizeof(*geo->cells));
    for (size_t i = 0; i < maps; i++) {
        geo->cells[i].count = classifier->cells[i].count;
        geo->cells[i].items = intern_take(&classifier->cells[i]);
        geo->stats.memory_bytes += geo->cells[i].count * sizeof(struct cell);
    }
    geo_table_init(&geo->table, compiler->nodes, compiler->roots, is_special);
    free(is_special);
    geo->stats.class_count = classes - 1;                 /* the folded one is no answer */
    geo->stats.leaf_count = compiler->node_count - 1 + 2; /* of two binary trees */
    geo->stats.location_count = compiler->builder->locations.count - 1;
    geo->stats.memory_bytes += sizeof(*geo) + geo_table_memory_bytes(&geo->table) +
                               classes * maps * sizeof(*geo->class_cells);
    return geo;
}

enum err geo_compile(const struct topology *topology, const struct geo_builder *builder,
                     struct diag *diag, struct geo **out_geo)
{
    struct compiler compiler = { .builder = builder, .node_count = 1 }; /* 0 is no node */
    struct relevance relevance;
    relevance_init(&relevance, topology);
    geo_classifier_init(&compiler.classifier, topology, builder, diag);
    fill_space_trie(&compiler.space_trie);
    fill_network_trie(&compiler, topology, &relevance);
    fill_asns(&compiler, &relevance);
    compiler.nodes = mem_calloc(1, sizeof(*compiler.nodes));
    compiler.node_capacity = 1;
    for (int family = ADDR_V4; family <= ADDR_V6; family++)
        walk_family(&compiler, (enum addr_family)family);
    enum err err = compiler.classifier.err;
    if (err == ERR_OK)
        *out_geo = finish(&compiler, topology);
    geo_classifier_fini(&compiler.classifier);
    relevance_fini(&relevance);
    prefix_trie_fini(&compiler.space_trie);
    prefix_trie_fini(&compiler.network_trie);
    free(compiler.asn_of);
    free(compiler.ends);
    free(compiler.nodes);
    return err;
}
