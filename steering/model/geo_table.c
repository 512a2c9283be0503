/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/geo_table_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum {
    DIRECT_BITS = 16,
    STRIDE_BITS = 8,
    SLOTS = 1 << STRIDE_BITS,
    CACHE_LINE = 64,
    FIRST_NODES = LIMIT(1024, 1),
};
_Static_assert(sizeof(struct geo_table_node) == CACHE_LINE, "a node is one cache line");

struct builder {
    struct geo_table *table;
    const struct prefix_trie_node *nodes;
    const bool *is_special;
    size_t node_capacity, word_capacity;
};

static uint32_t leaf_word(const struct builder *builder, uint32_t ref, unsigned depth)
{
    uint32_t class_id = ref & ~PREFIX_TRIE_LEAF;
    assert(class_id <= GEO_WORD_CLASS_MASK);
    return class_id | depth << GEO_TABLE_DEPTH_SHIFT |
           (builder->is_special[class_id] ? GEO_WORD_SPECIAL : 0);
}

/* Fills `slots`, which cover what lies below `ref`, with leaf words and, where the trie goes
 * deeper than `bits`, with GEO_WORD_NODE and the index of the binary node. */
static void expand(const struct builder *builder, uint32_t ref, unsigned depth, unsigned bits,
                   uint32_t *slots)
{
    if (ref & PREFIX_TRIE_LEAF) {
        uint32_t word = leaf_word(builder, ref, depth);
        for (size_t i = 0; i < (size_t)1 << bits; i++)
            slots[i] = word;
        return;
    }
    if (bits == 0) {
        slots[0] = GEO_WORD_NODE | ref;
        return;
    }
    const struct prefix_trie_node *node = &builder->nodes[ref];
    expand(builder, node->child[0], depth + 1, bits - 1, slots);
    expand(builder, node->child[1], depth + 1, bits - 1, slots + ((size_t)1 << (bits - 1)));
}

static uint32_t add_node(struct builder *builder)
{
    struct geo_table *table = builder->table;
    if (table->node_count == builder->node_capacity) {
        builder->node_capacity =
            builder->node_capacity == 0 ? FIRST_NODES : builder->node_capacity * 2;
        table->nodes = mem_resize(table->nodes, builder->node_capacity, sizeof(*table->nodes));
    }
    return (uint32_t)table->node_count++;
}

/* The index of the first of `count` words in a row. */
static uint32_t add_words(struct builder *builder, size_t count)
{
    struct geo_table *table = builder->table;
    while (table->word_count + count > builder->word_capacity) {
        builder->word_capacity =
            builder->word_capacity == 0 ? FIRST_NODES : builder->word_capacity * 2;
        table->words = mem_resize(table->words, builder->word_capacity, sizeof(*table->words));
    }
    table->word_count += count;
    return (uint32_t)(table->word_count - count);
}

/* Sets the bits of `node` and moves the word of each run to the front of `slots`. Returns the
 * number of runs. Two leaves beside each other with the same class and depth are one run. */
static size_t gather_runs(struct geo_table_node *node, uint32_t *slots)
{
    size_t runs = 0;
    memset(node, 0, sizeof(*node));
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (slot % 64 == 0)
            node->before[slot / 64] = (uint8_t)runs;
        if (slot > 0 && slots[slot] == slots[runs - 1])
            continue;
        node->starts[slot / 64] |= (uint64_t)1 << slot % 64;
        slots[runs++] = slots[slot];
    }
    return runs;
}

/* Recursion ends with the address: at most 14 deep. */
static uint32_t compile_node(struct builder *builder, uint32_t ref, unsigned depth)
{
    struct geo_table *table = builder->table;
    struct geo_table_node node;
    uint32_t slots[SLOTS];
    uint32_t at = add_node(builder);
    expand(builder, ref, depth, STRIDE_BITS, slots);
    size_t runs = gather_runs(&node, slots);
    if (runs > GEO_TABLE_INLINE)
        node.base = add_words(builder, runs - GEO_TABLE_INLINE);
    for (size_t i = 0; i < runs; i++) {
        uint32_t word = slots[i];
        if (word & GEO_WORD_NODE)
            word = compile_node(builder, word & ~GEO_WORD_NODE, depth + STRIDE_BITS);
        if (i < GEO_TABLE_INLINE)
            node.words[i] = word;
        else
            table->words[node.base + i - GEO_TABLE_INLINE] = word;
    }
    table->nodes[at] = node;
    return GEO_WORD_NODE | at;
}

/* mem_resize knows nothing of alignment: the finished nodes move once. */
static void align_nodes(struct geo_table *table)
{
    size_t bytes = (table->node_count + 1) * sizeof(*table->nodes);
    struct geo_table_node *aligned = aligned_alloc(CACHE_LINE, bytes);
    assert(aligned != NULL);
    if (table->node_count > 0)
        memcpy(aligned, table->nodes, table->node_count * sizeof(*aligned));
    free(table->nodes);
    table->nodes = aligned;
}

void geo_table_init(struct geo_table *table, const struct prefix_trie_node *nodes,
                    const uint32_t roots[2], const bool *is_special)
{
    struct builder builder = { .table = table, .nodes = nodes, .is_special = is_special };
    *table = (struct geo_table){ .nodes = NULL };
    for (int family = ADDR_V4; family <= ADDR_V6; family++) {
        uint32_t *direct = mem_calloc((size_t)1 << DIRECT_BITS, sizeof(*direct));
        expand(&builder, roots[family], 0, DIRECT_BITS, direct);
        for (size_t i = 0; i < (size_t)1 << DIRECT_BITS; i++)
            if (direct[i] & GEO_WORD_NODE)
                direct[i] = compile_node(&builder, direct[i] & ~GEO_WORD_NODE, DIRECT_BITS);
        table->direct[family] = direct;
    }
    align_nodes(table);
    if (table->word_count > 0)
        table->words = mem_resize(table->words, table->word_count, sizeof(*table->words));
}

void geo_table_fini(struct geo_table *table)
{
    free(table->direct[ADDR_V4]);
    free(table->direct[ADDR_V6]);
    free(table->nodes);
    free(table->words);
    *table = (struct geo_table){ .nodes = NULL };
}

size_t geo_table_memory_bytes(const struct geo_table *table)
{
    return 2 * ((size_t)1 << DIRECT_BITS) * sizeof(uint32_t) +
           table->node_count * sizeof(*table->nodes) + table->word_count * sizeof(*table->words);
}
