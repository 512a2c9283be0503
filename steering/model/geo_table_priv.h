/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled lookup structure: 16 bits of the address by direct index, then 8 bits a step.
 *
 * Shape:     a word is either a leaf (class, depth, special) or the index of a node. A node
 *            covers 256 slots; equal neighbouring slots are one run and share one word.
 *            `starts` has a bit for every slot that begins a run, so the word of a slot is the
 *            number of bits up to it. The first six words lie in the node itself: most lookups
 *            touch the direct index and one node.
 * Threads:   immutable once built.
 * Ownership: geo_table_fini.
 */
#pragma once

#include "steering/model/prefix_trie.h"

enum { GEO_TABLE_INLINE = 6, GEO_TABLE_DEPTH_SHIFT = 20 };
#define GEO_WORD_NODE ((uint32_t)1 << 31)
#define GEO_WORD_SPECIAL ((uint32_t)1 << 28)
#define GEO_WORD_CLASS_MASK (((uint32_t)1 << GEO_TABLE_DEPTH_SHIFT) - 1)

struct geo_table_node {
    uint64_t starts[4];
    uint8_t before[4]; /* runs that begin before each of the four */
    uint32_t base;     /* of the words behind the inline ones, in geo_table.words */
    uint32_t words[GEO_TABLE_INLINE];
};

struct geo_table {
    uint32_t *direct[2];          /* by enum addr_family, 65536 words each */
    struct geo_table_node *nodes; /* aligned to cache lines */
    uint32_t *words;
    size_t node_count, word_count;
};

/* Compiles a trie whose leaves carry classes; `is_special` by class. */
void geo_table_init(struct geo_table *table, const struct prefix_trie_node *nodes,
                    const uint32_t roots[2], const bool *is_special);
void geo_table_fini(struct geo_table *table);
size_t geo_table_memory_bytes(const struct geo_table *table);

/* Without branches, tables or the popcnt instruction, which plain x86-64 lacks. */
static inline unsigned geo_table_count_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(bits * 0x0101010101010101u >> 56);
}

static inline uint32_t geo_table_step(const struct geo_table *table, uint32_t word, unsigned slot)
{
    const struct geo_table_node *node = &table->nodes[word & ~GEO_WORD_NODE];
    uint64_t upto = node->starts[slot >> 6] & (~(uint64_t)0 >> (63 - (slot & 63)));
    unsigned run = node->before[slot >> 6] + geo_table_count_bits(upto) - 1;
    if (run < GEO_TABLE_INLINE)
        return node->words[run];
    return table->words[node->base + run - GEO_TABLE_INLINE];
}

/* The leaf of `addr`. */
static inline uint32_t geo_table_lookup(const struct geo_table *table, const struct addr *addr)
{
    const uint8_t *at = addr->bytes;
    uint32_t word = table->direct[addr->family][at[0] << 8 | at[1]];
    for (at += 2; word & GEO_WORD_NODE; at++)
        word = geo_table_step(table, word, *at);
    return word;
}
