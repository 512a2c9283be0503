/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as a tree whose every node knows its line and column.
 *
 * Shape:     scalar (text, whatever it looks like: `NO` stays the text "NO"), list, map (keys are
 *            scalars, in the order of the file, no key twice). An alias is the same node as its
 *            anchor, so nodes may be shared, but never form a cycle.
 * Threads:   immutable once parsed.
 * Ownership: the tree owns its nodes and texts.
 * Limits:    YAML_TREE_MAX_BYTES of text, YAML_TREE_DEPTH_MAX levels, YAML_TREE_NODE_MAX nodes
 *            counted with every alias written out, so that walking the tree is always cheap.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/base/limits.h"

enum {
    YAML_TREE_MAX_BYTES = 16 << 20,
    YAML_TREE_DEPTH_MAX = 32,
    YAML_TREE_NODE_MAX = LIMIT(2000000, 20000),
};

enum yaml_tree_kind { YAML_TREE_SCALAR, YAML_TREE_LIST, YAML_TREE_MAP };

struct yaml_tree_node {
    enum yaml_tree_kind kind;
    uint32_t line, column; /* from 1 */
    bool is_plain;         /* a scalar without quotes */
    struct str text;       /* of a scalar; followed by a NUL, contains none */
    /* Of a list: `count` items. Of a map: `count` pairs, key at 2 * i, value at 2 * i + 1. */
    size_t count;
    struct yaml_tree_node **items;
    size_t capacity; /* of items */
    size_t weight;   /* nodes below and including this one, aliases written out */
    bool is_open;    /* still being read: an alias to it would be a cycle */
};

struct yaml_tree {
    struct yaml_tree_node *root; /* never NULL */
    struct yaml_tree_node **nodes;
    size_t node_count, node_capacity;
};

/* Parses one YAML document; `diag` must know the file's name. ERR_INVALID with every duplicate
 * key, or with the first syntax error: file, line and column are in `diag`. An empty document,
 * several documents, tags and NUL characters are errors. */
MUST_USE enum err yaml_tree_parse(struct str text, struct diag *diag, struct yaml_tree **out_tree);
void yaml_tree_free(struct yaml_tree *tree); /* accepts NULL */

/* The value of `key` in a map, or NULL when it has none or `node` is not a map. */
const struct yaml_tree_node *yaml_tree_find(const struct yaml_tree_node *node, const char *key);
/* Nothing was written: `key:`, `key: ~` or `key: null`. */
bool yaml_tree_is_null(const struct yaml_tree_node *node);
/* What a message says was found: "'text'", "a list", "a mapping", "nothing". */
enum { YAML_TREE_FOUND_MAX = 64 };
const char *yaml_tree_found(const struct yaml_tree_node *node, char out_text[YAML_TREE_FOUND_MAX]);
