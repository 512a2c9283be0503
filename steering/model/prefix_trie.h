/* SPDX-License-Identifier: Apache-2.0 */
/* A binary trie from prefixes of both families to 31-bit values, for building: fast to fill in
 * ascending order and to walk, eight bytes a node.
 *
 * Shape:     a reference is 0 (nothing there), a leaf (top bit and value) or the index of a
 *            node. A prefix that has longer ones below it is a node with a value of its own.
 * Threads:   owner only while it is filled; then any may walk it.
 * Ownership: prefix_trie_fini.
 * Limits:    2^31 nodes, values below PREFIX_TRIE_NO_VALUE.
 */
#pragma once

#include "steering/base/cidr.h"

#define PREFIX_TRIE_LEAF ((uint32_t)1 << 31)
#define PREFIX_TRIE_NO_VALUE (PREFIX_TRIE_LEAF - 1)

struct prefix_trie_node {
    uint32_t child[2];
};

struct prefix_trie {
    struct prefix_trie_node *nodes; /* nodes[0] is not used */
    uint32_t *values;               /* value + 1 by node, 0 = none; NULL while no node has one */
    size_t count, capacity;
    uint32_t roots[2]; /* by enum addr_family */
    /* The nodes on the way to the prefix that was set last: its successor in an ascending walk
     * shares all but the last few. */
    struct addr last;
    unsigned path_len;
    uint32_t path[128];
};

void prefix_trie_init(struct prefix_trie *trie);
void prefix_trie_fini(struct prefix_trie *trie);
/* Of equal prefixes the last one set stands. */
void prefix_trie_set(struct prefix_trie *trie, const struct cidr *net, uint32_t value);
/* The value of exactly this prefix, or PREFIX_TRIE_NO_VALUE. */
uint32_t prefix_trie_find(const struct prefix_trie *trie, const struct cidr *net);

/* A place in the trie on a walk from the root down, with the value of the longest prefix on the
 * way. `node` is 0 where nothing longer exists: the value then holds for all below. */
struct prefix_trie_cursor {
    uint32_t node;
    uint32_t value;
};

static inline struct prefix_trie_cursor prefix_trie_enter(const struct prefix_trie *trie,
                                                          uint32_t ref, uint32_t inherited)
{
    if (ref & PREFIX_TRIE_LEAF)
        return (struct prefix_trie_cursor){ .value = ref & ~PREFIX_TRIE_LEAF };
    if (trie->values != NULL && trie->values[ref] != 0)
        inherited = trie->values[ref] - 1;
    return (struct prefix_trie_cursor){ .node = ref, .value = inherited };
}

static inline struct prefix_trie_cursor prefix_trie_top(const struct prefix_trie *trie,
                                                        enum addr_family family)
{
    return prefix_trie_enter(trie, trie->roots[family], PREFIX_TRIE_NO_VALUE);
}

/* The place one bit further. */
static inline struct prefix_trie_cursor prefix_trie_step(const struct prefix_trie *trie,
                                                         struct prefix_trie_cursor at, unsigned bit)
{
    if (at.node == 0)
        return at;
    return prefix_trie_enter(trie, trie->nodes[at.node].child[bit], at.value);
}
