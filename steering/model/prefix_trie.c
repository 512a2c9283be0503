/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/prefix_trie.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

void prefix_trie_init(struct prefix_trie *trie)
{
    *trie = (struct prefix_trie){ .count = 1 };
    trie->nodes = mem_calloc(1, sizeof(*trie->nodes));
    trie->capacity = 1;
}

void prefix_trie_fini(struct prefix_trie *trie)
{
    free(trie->nodes);
    free(trie->values);
    *trie = (struct prefix_trie){ .nodes = NULL };
}

static bool is_node(uint32_t ref)
{
    return ref != 0 && !(ref & PREFIX_TRIE_LEAF);
}

static void set_value(struct prefix_trie *trie, uint32_t node, uint32_t value)
{
    if (trie->values == NULL)
        trie->values = mem_calloc(trie->capacity, sizeof(*trie->values));
    trie->values[node] = value + 1;
}

/* Turns what `ref` stands for into a node. May move trie->nodes. */
static uint32_t make_node(struct prefix_trie *trie, uint32_t ref)
{
    size_t old_capacity = trie->capacity;
    assert(trie->count < PREFIX_TRIE_LEAF);
    trie->nodes = mem_grow(trie->nodes, trie->count, &trie->capacity, sizeof(*trie->nodes));
    if (trie->values != NULL && trie->capacity != old_capacity) {
        trie->values = mem_resize(trie->values, trie->capacity, sizeof(*trie->values));
        memset(trie->values + old_capacity, 0,
               (trie->capacity - old_capacity) * sizeof(*trie->values));
    }
    uint32_t fresh = (uint32_t)trie->count++;
    trie->nodes[fresh] = (struct prefix_trie_node){ { 0, 0 } };
    if (ref & PREFIX_TRIE_LEAF)
        set_value(trie, fresh, ref & ~PREFIX_TRIE_LEAF);
    return fresh;
}

static unsigned common_bits(const struct addr *a, const struct addr *b, unsigned max)
{
    for (unsigned i = 0; i < max / 8; i++) {
        unsigned differing = a->bytes[i] ^ b->bytes[i];
        if (differing != 0)
            return 8 * i + (unsigned)__builtin_clz(differing) - 24;
    }
    return max;
}

/* The node at the largest depth below `net->bits` that the path to `net` shares with the last
 * path; its depth goes to `*out_depth`. The root is a node by then. */
static uint32_t resume(struct prefix_trie *trie, const struct cidr *net, unsigned *out_depth)
{
    uint32_t *root = &trie->roots[net->addr.family];
    *out_depth = 0;
    if (!is_node(*root)) {
        uint32_t fresh = make_node(trie, *root);
        *root = fresh;
    } else if (trie->path_len > 0 && trie->last.family == net->addr.family) {
        unsigned depth = common_bits(&trie->last, &net->addr, addr_max_bits(&net->addr));
        if (depth > trie->path_len - 1)
            depth = trie->path_len - 1;
        if (depth > net->bits - 1u)
            depth = net->bits - 1u;
        *out_depth = depth;
        return trie->path[depth];
    }
    return *root;
}

static uint32_t with_value(struct prefix_trie *trie, uint32_t ref, uint32_t value)
{
    if (!is_node(ref))
        return PREFIX_TRIE_LEAF | value;
    set_value(trie, ref, value);
    return ref;
}

void prefix_trie_set(struct prefix_trie *trie, const struct cidr *net, uint32_t value)
{
    assert(value < PREFIX_TRIE_NO_VALUE);
    if (net->bits == 0) {
        uint32_t *root = &trie->roots[net->addr.family];
        *root = with_value(trie, *root, value);
        return;
    }
    unsigned depth;
    uint32_t at = resume(trie, net, &depth);
    trie->path[depth] = at;
    for (; depth + 1 < net->bits; depth++) {
        unsigned bit = addr_bit(&net->addr, depth);
        uint32_t next = trie->nodes[at].child[bit];
        if (!is_node(next)) {
            next = make_node(trie, next);
            trie->nodes[at].child[bit] = next;
        }
        at = next;
        trie->path[depth + 1] = at;
    }
    unsigned bit = addr_bit(&net->addr, depth);
    trie->nodes[at].child[bit] = with_value(trie, trie->nodes[at].child[bit], value);
    trie->last = net->addr;
    trie->path_len = net->bits;
}

uint32_t prefix_trie_find(const struct prefix_trie *trie, const struct cidr *net)
{
    uint32_t ref = trie->roots[net->addr.family];
    unsigned depth = 0;
    while (depth < net->bits && is_node(ref))
        ref = trie->nodes[ref].child[addr_bit(&net->addr, depth++)];
    if (depth < net->bits)
        return PREFIX_TRIE_NO_VALUE;
    if (ref & PREFIX_TRIE_LEAF)
        return ref & ~PREFIX_TRIE_LEAF;
    if (ref == 0 || trie->values == NULL || trie->values[ref] == 0)
        return PREFIX_TRIE_NO_VALUE;
    return trie->values[ref] - 1;
}
