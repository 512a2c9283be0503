/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/schema_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

static void *field_of(const struct schema_key *key, void *target)
{
    return (char *)target + key->offset;
}

/* "region 'us-east'" or "the file". */
enum { WHAT_MAX = 128 };
static const char *name_of(const struct schema *schema, struct str name, char out_text[WHAT_MAX])
{
    if (name.len == 0)
        snprintf(out_text, WHAT_MAX, "%s", schema->what);
    else
        snprintf(out_text, WHAT_MAX, "%s '%.*s'", schema->what,
                 (int)(name.len < SCHEMA_NAME_MAX ? name.len : SCHEMA_NAME_MAX), name.ptr);
    return out_text;
}

static const struct schema_key *find_key(const struct schema *schema, struct str name)
{
    for (size_t i = 0; i < schema->key_count; i++)
        if (str_eq_text(name, schema->keys[i].name))
            return &schema->keys[i];
    return NULL;
}

/* " under 'dns'", when that is where the key is known; "" when it is known nowhere. */
static void belongs_under(const struct schema *schema, struct str name, char *out_text,
                          size_t capacity)
{
    out_text[0] = '\0';
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *key = &schema->keys[i];
        if (key->kind == SCHEMA_MAPPING && find_key(key->child, name) != NULL)
            snprintf(out_text, capacity, "; it belongs under '%s'", key->name);
    }
}

bool schema_is_misspelt(const struct schema *schema, const struct yaml_tree_node *node,
                        const char *key)
{
    for (size_t i = 0; i < node->count; i++) {
        struct suggest suggest = suggest_init(node->items[2 * i]->text);
        if (find_key(schema, suggest.wanted) != NULL)
            continue;
        for (size_t j = 0; j < schema->key_count; j++)
            suggest_offer(&suggest, str_from(schema->keys[j].name));
        if (suggest_has(&suggest) && str_eq_text(suggest.best, key))
            return true;
    }
    return false;
}

static void report_unknown_key(const struct schema *schema, struct str owner,
                               const struct yaml_tree_node *key, struct diag *diag)
{
    char hint[SUGGEST_TEXT_MAX], found[YAML_TREE_FOUND_MAX], what[WHAT_MAX];
    struct suggest suggest = suggest_init(key->text);
    for (size_t i = 0; i < schema->key_count; i++)
        suggest_offer(&suggest, str_from(schema->keys[i].name));
    suggest_format(&suggest, hint, sizeof(hint));
    char place[SUGGEST_TEXT_MAX];
    belongs_under(schema, key->text, place, sizeof(place));
    diag_error(diag, key->line, key->column, "unknown key %s in %s%s", yaml_tree_found(key, found),
               name_of(schema, owner, what), place[0] != '\0' ? place : hint);
}

/* A mapping on its way into a struct. `node` NULL: it is absent, take the defaults. */
struct source {
    struct str name;         /* of a NAMED entry */
    struct schema_mark mark; /* where messages about the whole point */
    const struct yaml_tree_node *node;
};

static struct source source_of(const struct yaml_tree_node *node)
{
    return (struct source){ .name = { "", 0 }, .mark = { node->line, node->column }, .node = node };
}

/* One level of the recursion below. */
static void parse_mapping(const struct schema *schema, const struct source *source,
                          struct diag *diag, void *out);

static bool is_plain_name(const struct schema_key *key, const struct yaml_tree_node *name,
                          struct diag *diag)
{
    char found[YAML_TREE_FOUND_MAX];
    if (key->has_free_names || schema_is_name(name->text))
        return true;
    diag_error(diag, name->line, name->column,
               "%s cannot be the name of a %s: use at most %d letters, digits, '-', '_' and '.'",
               yaml_tree_found(name, found), key->child->what, SCHEMA_NAME_MAX);
    return false;
}

static void parse_named(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, struct schema_items *out)
{
    const struct schema *child = key->child;
    out->items = mem_calloc(node->count, child->size);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_tree_node *name = node->items[2 * i];
        struct source source = {
            .name = name->text,
            .mark = { name->line, name->column },
            .node = node->items[2 * i + 1],
        };
        if (is_plain_name(key, name, diag))
            parse_mapping(child, &source, diag, (char *)out->items + out->count++ * child->size);
    }
}

static void parse_list(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, struct schema_items *out)
{
    const struct schema *child = key->child;
    out->items = mem_calloc(node->count, child->size);
    for (size_t i = 0; i < node->count; i++) {
        struct source source = source_of(node->items[i]);
        parse_mapping(child, &source, diag, (char *)out->items + out->count++ * child->size);
    }
}

/* Rows that hold further mappings. Nothing behind the colon is an empty mapping or list. */
static void parse_nested(const struct schema_key *key, const struct yaml_tree_node *node,
                         struct diag *diag, void *field)
{
    enum yaml_tree_kind wanted = key->kind == SCHEMA_LIST ? YAML_TREE_LIST : YAML_TREE_MAP;
    if (key->kind == SCHEMA_MAPPING) {
        struct source source = source_of(node);
        parse_mapping(key->child, &source, diag, field);
        return;
    }
    if (!yaml_tree_is_null(node) && node->kind != wanted) {
        schema_value_mismatch(key, node, diag);
        return;
    }
    if (!schema_value_check_count(key, node, node->count, diag))
        return;
    if (key->kind == SCHEMA_NAMED)
        parse_named(key, node, diag, field);
    else
        parse_list(key, node, diag, field);
}

static void parse_field(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *out)
{
    if (key->child != NULL)
        parse_nested(key, node, diag, field_of(key, out));
    else
        schema_value_parse(key, node, diag, field_of(key, out));
}

/* Defaults go through the parser that files go through: what the help prints is what applies. */
static void apply_default(const struct schema_key *key, void *out)
{
    struct yaml_tree *tree = NULL;
    struct diag diag;
    if (key->kind == SCHEMA_MAPPING) {
        static const struct source absent = { .node = NULL };
        parse_mapping(key->child, &absent, NULL, field_of(key, out));
        return;
    }
    if (key->fallback == NULL)
        return;
    diag_init(&diag);
    enum err err = yaml_tree_parse(str_from(key->fallback), &diag, &tree);
    assert(err == ERR_OK);
    for (size_t i = 0; i < tree->node_count; i++) /* nowhere in the file */
        tree->nodes[i]->line = tree->nodes[i]->column = 0;
    parse_field(key, tree->root, &diag, out);
    assert(!diag_has_errors(&diag));
    yaml_tree_free(tree);
    diag_fini(&diag);
}

static void parse_keys(const struct schema *schema, const struct source *source, struct diag *diag,
                       void *out)
{
    const struct yaml_tree_node *node = source->node;
    for (size_t i = 0; i < node->count; i++) {
        const struct schema_key *key = find_key(schema, node->items[2 * i]->text);
        if (key == NULL)
            report_unknown_key(schema, source->name, node->items[2 * i], diag);
        else
            parse_field(key, node->items[2 * i + 1], diag, out);
    }
}

static void parse_mapping(const struct schema *schema, const struct source *source,
                          struct diag *diag, void *out)
{
    char what[WHAT_MAX], found[YAML_TREE_FOUND_MAX];
    const struct yaml_tree_node *node = source->node;
    bool is_empty = node == NULL || yaml_tree_is_null(node);
    if (schema->has_head)
        *(struct schema_head *)out =
            (struct schema_head){ .name = source->name, .mark = source->mark, .node = node };
    if (!is_empty && node->kind != YAML_TREE_MAP) {
        diag_error(diag, node->line, node->column, "%s must be a mapping, found %s",
                   name_of(schema, source->name, what), yaml_tree_found(node, found));
        return;
    }
    if (!is_empty)
        parse_keys(schema, source, diag, out);
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *key = &schema->keys[i];
        if (!is_empty && yaml_tree_find(node, key->name) != NULL)
            continue;
        if (key->is_required && node != NULL &&
            (is_empty || !schema_is_misspelt(schema, node, key->name)))
            diag_error(diag, source->mark.line, source->mark.column, "%s lacks '%s'",
                       name_of(schema, source->name, what), key->name);
        apply_default(key, out);
    }
}

enum err schema_parse(const struct schema *schema, const struct yaml_tree_node *node,
                      struct diag *diag, void *out)
{
    uint32_t errors_before = diag->error_count;
    struct source source = source_of(node);
    parse_mapping(schema, &source, diag, out);
    return diag->error_count > errors_before ? ERR_INVALID : ERR_OK;
}

static void fini_key(const struct schema_key *key, void *target)
{
    void *field = field_of(key, target);
    if (key->kind == SCHEMA_MAPPING) {
        schema_fini(key->child, field);
        return;
    }
    if (key->child == NULL) {
        schema_value_fini(key, field);
        return;
    }
    struct schema_items *list = field;
    for (size_t i = 0; i < list->count; i++)
        schema_fini(key->child, (char *)list->items + i * key->child->size);
    free(list->items);
    *list = (struct schema_items){ .items = NULL };
}

void schema_fini(const struct schema *schema, void *target)
{
    for (size_t i = 0; i < schema->key_count; i++)
        fini_key(&schema->keys[i], target);
}

bool schema_has(const struct schema_head *head, const char *key)
{
    return head->node != NULL && yaml_tree_find(head->node, key) != NULL;
}

struct schema_mark schema_mark_of(const struct schema_head *head, const char *key)
{
    const struct yaml_tree_node *value =
        head->node != NULL ? yaml_tree_find(head->node, key) : NULL;
    return value != NULL ? (struct schema_mark){ value->line, value->column } : head->mark;
}

/* "a.b.NAME" grows by one step per level; `path` is cut back by the caller. */
static void explain_level(const struct schema *schema, struct buf *path, struct buf *out);

static void explain_key(const struct schema_key *key, const struct buf *path, struct buf *out)
{
    buf_append_str(out, buf_str(path));
    buf_append_format(out, "%s   ", key->name);
    schema_expected(key, out);
    if (key->is_required)
        buf_append_text(out, "; required");
    else if (key->fallback_doc != NULL)
        buf_append_format(out, "; default: %s", key->fallback_doc);
    else if (key->fallback != NULL)
        buf_append_format(out, "; default: %s", key->fallback);
    else
        buf_append_text(out, "; optional");
    buf_append_format(out, "\n    %s\n", key->doc);
}

static void explain_level(const struct schema *schema, struct buf *path, struct buf *out)
{
    size_t len = path->len;
    for (size_t i = 0; i < schema->key_count; i++) {
        const struct schema_key *key = &schema->keys[i];
        explain_key(key, path, out);
        if (key->child == NULL)
            continue;
        buf_append_text(path, key->name);
        buf_append_text(path, key->kind == SCHEMA_NAMED  ? ".NAME."
                              : key->kind == SCHEMA_LIST ? "[]."
                                                         : ".");
        explain_level(key->child, path, out);
        path->len = len;
    }
}

void schema_explain(const struct schema *schema, struct buf *out)
{
    struct buf path;
    buf_init(&path, 1024);
    explain_level(schema, &path, out);
    buf_fini(&path);
}
