/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "steering/base/mem.h"

enum { ANCHOR_MAX = LIMIT(1000, 10) };

struct anchor {
    char *name;
    struct yaml_tree_node *node;
};

/* One run over a text. `open` holds the lists and maps that are being read, innermost last. */
struct reader {
    yaml_parser_t parser;
    struct str text;
    struct yaml_tree *tree;
    struct diag *diag;
    struct yaml_tree_node *open[YAML_TREE_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    bool is_ended;
};

static enum err fail_at(struct reader *reader, const yaml_mark_t *mark, const char *text)
{
    return diag_error(reader->diag, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1, "%s",
                      text);
}

static struct yaml_tree_node *new_node(struct reader *reader, enum yaml_tree_kind kind,
                                       const yaml_event_t *event, struct str text)
{
    struct yaml_tree *tree = reader->tree;
    /* One block holds the node and its text: most nodes are short scalars. */
    struct yaml_tree_node *node = mem_calloc(1, sizeof(*node) + text.len + 1);
    char *copy = (char *)(node + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    node->kind = kind;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    node->text = (struct str){ copy, text.len };
    node->weight = 1;
    tree->nodes =
        mem_grow(tree->nodes, tree->node_count, &tree->node_capacity, sizeof(tree->nodes[0]));
    tree->nodes[tree->node_count++] = node;
    return node;
}

/* Called after every addition, so the weights themselves cannot overflow. */
static enum err check_weight(struct reader *reader, const struct yaml_tree_node *parent,
                             const yaml_event_t *event)
{
    if (parent->weight > YAML_TREE_NODE_MAX || reader->tree->node_count > YAML_TREE_NODE_MAX)
        return fail_at(reader, &event->start_mark, "the file has too many values");
    return ERR_OK;
}

/* The text of a line, counted from 0. */
static struct str line_at(struct str text, size_t line)
{
    struct str rest = text, found = { "", 0 };
    for (size_t i = 0; i <= line; i++)
        str_split(rest, '\n', &found, &rest);
    return found;
}

static bool line_has(struct str line, const char *text)
{
    return line.len > 0 && memmem(line.ptr, line.len, text, strlen(text)) != NULL;
}

/* The commonest slip: a bare [::1] or [2001:db8::], where YAML sees colons of its own. */
static const char *ipv6_hint(struct str line)
{
    return line_has(line, "::") ? "; IPv6 addresses need quotes" : "";
}

/* Puts a finished or just opened node where it belongs. */
static enum err attach(struct reader *reader, struct yaml_tree_node *node,
                       const yaml_event_t *event)
{
    if (reader->depth == 0) {
        reader->tree->root = node;
        return ERR_OK;
    }
    struct yaml_tree_node *parent = reader->open[reader->depth - 1];
    bool is_key = parent->kind == YAML_TREE_MAP && parent->count % 2 == 0;
    if (is_key && node->kind != YAML_TREE_SCALAR)
        return diag_error(reader->diag, node->line, node->column,
                          "a key must be a plain word or a quoted text%s",
                          ipv6_hint(line_at(reader->text, node->line - 1)));
    parent->items =
        mem_grow(parent->items, parent->count, &parent->capacity, sizeof(parent->items[0]));
    parent->items[parent->count++] = node;
    if (!node->is_open)
        parent->weight += node->weight;
    return check_weight(reader, parent, event);
}

static enum err remember_anchor(struct reader *reader, const yaml_char_t *name,
                                struct yaml_tree_node *node)
{
    if (name == NULL)
        return ERR_OK;
    /* Aliases are looked up one by one; this keeps many times many from taking minutes. */
    if (reader->anchor_count == ANCHOR_MAX)
        return diag_error(reader->diag, node->line, node->column, "more than %d anchors",
                          ANCHOR_MAX);
    reader->anchors = mem_grow(reader->anchors, reader->anchor_count, &reader->anchor_capacity,
                               sizeof(reader->anchors[0]));
    reader->anchors[reader->anchor_count++] =
        (struct anchor){ .name = mem_strdup((const char *)name), .node = node };
    return ERR_OK;
}

static enum err read_alias(struct reader *reader, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = reader->anchor_count; i-- > 0;) {
        const struct anchor *anchor = &reader->anchors[i];
        if (strcmp(anchor->name, name) != 0)
            continue;
        if (anchor->node->is_open)
            return fail_at(reader, &event->start_mark, "this alias contains itself");
        return attach(reader, anchor->node, event);
    }
    return diag_error(reader->diag, (uint32_t)event->start_mark.line + 1,
                      (uint32_t)event->start_mark.column + 1, "unknown alias '*%.60s'", name);
}

static enum err read_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (event->data.scalar.tag != NULL)
        return fail_at(reader, &event->start_mark, "tags ('!...') are not supported");
    if (len > 0 && memchr(value, '\0', len) != NULL)
        return fail_at(reader, &event->start_mark, "a text must not contain a NUL character");
    struct yaml_tree_node *node =
        new_node(reader, YAML_TREE_SCALAR, event, (struct str){ value, len });
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    enum err err = remember_anchor(reader, event->data.scalar.anchor, node);
    return err != ERR_OK ? err : attach(reader, node, event);
}

static enum err open_node(struct reader *reader, const yaml_event_t *event)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (tag != NULL)
        return fail_at(reader, &event->start_mark, "tags ('!...') are not supported");
    if (reader->depth == YAML_TREE_DEPTH_MAX)
        return fail_at(reader, &event->start_mark, "lists and mappings are nested too deeply");
    struct yaml_tree_node *node =
        new_node(reader, is_map ? YAML_TREE_MAP : YAML_TREE_LIST, event, (struct str){ "", 0 });
    node->is_open = true;
    enum err err = remember_anchor(reader, anchor, node);
    if (err == ERR_OK)
        err = attach(reader, node, event);
    if (err == ERR_OK)
        reader->open[reader->depth++] = node;
    return err;
}

static int compare_keys(const void *left, const void *right)
{
    const struct yaml_tree_node *a = *(struct yaml_tree_node *const *)left;
    const struct yaml_tree_node *b = *(struct yaml_tree_node *const *)right;
    int order = str_compare(a->text, b->text);
    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

/* Sorting keeps a map of a hundred thousand names from costing its square. */
static void check_duplicates(struct reader *reader, const struct yaml_tree_node *map)
{
    if (map->count < 2)
        return;
    const struct yaml_tree_node **keys = mem_calloc(map->count, sizeof(keys[0]));
    for (size_t i = 0; i < map->count; i++)
        keys[i] = map->items[2 * i];
    qsort(keys, map->count, sizeof(keys[0]), compare_keys);
    for (size_t i = 1; i < map->count; i++)
        if (str_eq(keys[i]->text, keys[i - 1]->text))
            diag_error(reader->diag, keys[i]->line, keys[i]->column,
                       "duplicate key '%.*s'; it stands on line %u already",
                       (int)(keys[i]->text.len < 60 ? keys[i]->text.len : 60), keys[i]->text.ptr,
                       keys[i - 1]->line);
    free(keys);
}

static enum err close_node(struct reader *reader, const yaml_event_t *event)
{
    struct yaml_tree_node *node = reader->open[--reader->depth];
    node->is_open = false;
    if (node->kind == YAML_TREE_MAP) {
        node->count /= 2;
        check_duplicates(reader, node);
    }
    if (reader->depth == 0)
        return ERR_OK;
    struct yaml_tree_node *parent = reader->open[reader->depth - 1];
    parent->weight += node->weight;
    return check_weight(reader, parent, event);
}

static enum err read_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reader->tree->root != NULL)
            return fail_at(reader, &event->start_mark, "a second document starts here");
        return ERR_OK;
    case YAML_ALIAS_EVENT:
        return read_alias(reader, event);
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return open_node(reader, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(reader, event);
    case YAML_STREAM_END_EVENT:
        reader->is_ended = true;
        return ERR_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return ERR_OK;
}

/* Of a byte that is none of a text: the parser's own mark is where it had begun to read. */
static yaml_mark_t mark_at(struct str text, size_t offset)
{
    yaml_mark_t mark = { .index = offset };
    for (size_t i = 0; i < offset && i < text.len; i++) {
        bool is_continued = ((unsigned char)text.ptr[i] & 0xc0) == 0x80;
        mark.column += !is_continued;
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* libyaml tells what it met; this adds what people have mostly done to get there. `line` is where
 * it met that, `since` where what it was reading began. */
static const char *syntax_hint(const char *problem, const char *context, struct str line,
                               struct str since, size_t column)
{
    if (strstr(problem, "could not find expected ':'") != NULL && line_has(since, ":") &&
        !line_has(since, "::"))
        return "; between a key and its value stands a colon and a space";
    if (line_has(line, "::"))
        return ipv6_hint(line);
    if (strstr(problem, "expected key") != NULL && strstr(context, "block mapping") != NULL)
        return "; is the line indented as those that belong with it?";
    if (strstr(problem, "expected '-'") != NULL)
        return "; lists with '-' and mappings do not mix, and all their lines are indented alike";
    if (strstr(problem, "mapping values are not allowed") == NULL)
        return "";
    struct str before = { line.ptr, column < line.len ? column : line.len };
    return line_has(before, ":") ? "; a value with a colon and a space in it needs quotes"
                                 : "; does the key above lack its colon, or is the line indented "
                                   "unlike those that belong with it?";
}

/* Of a character that can begin nothing; most often a tab, which YAML does not take. */
static const char *strange_problem(struct str line, size_t column)
{
    char found = column < line.len ? line.ptr[column] : ' ';
    if (found == '\t')
        return "a tab; lines are indented with spaces";
    if (found == '@' || found == '`' || found == '%')
        return "a text that begins with '@', '%' or '`' needs quotes";
    return NULL;
}

/* libyaml splits a problem in two: what it met, and what it was doing since where. */
static enum err syntax_error(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";
    const char *context = parser->context != NULL ? parser->context : "";
    yaml_mark_t mark = parser->problem_mark;
    char since[64] = "";
    if (parser->error == YAML_READER_ERROR) /* has an offset only */
        mark = mark_at(reader->text, parser->problem_offset);
    else if (context[0] != '\0' && parser->context_mark.line != mark.line)
        snprintf(since, sizeof(since), " that begins on line %zu", parser->context_mark.line + 1);
    struct str line = line_at(reader->text, mark.line);
    bool is_strange = strstr(problem, "cannot start any token") != NULL;
    const char *strange = is_strange ? strange_problem(line, mark.column) : NULL;
    if (strange != NULL)
        return diag_error(reader->diag, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1,
                          "YAML syntax: %s", strange);
    return diag_error(reader->diag, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1,
                      "YAML syntax: %s%s%s%s%s", problem, context[0] != '\0' ? " " : "", context,
                      since,
                      syntax_hint(problem, context, line,
                                  line_at(reader->text, parser->context_mark.line), mark.column));
}

static enum err read_all(struct reader *reader)
{
    enum err err = ERR_OK;
    while (err == ERR_OK && !reader->is_ended) {
        yaml_event_t event;
        if (yaml_parser_parse(&reader->parser, &event) == 0) {
            if (reader->parser.error == YAML_MEMORY_ERROR)
                mem_exhausted();
            return syntax_error(reader);
        }
        err = read_event(reader, &event);
        yaml_event_delete(&event);
    }
    return err;
}

enum err yaml_tree_parse(struct str text, struct diag *diag, struct yaml_tree **out_tree)
{
    struct reader reader = { .text = text,
                             .diag = diag,
                             .tree = mem_calloc(1, sizeof(struct yaml_tree)) };
    uint32_t errors_before = diag->error_count;
    if (text.len > YAML_TREE_MAX_BYTES) {
        yaml_tree_free(reader.tree);
        diag_error(diag, 0, 0, "the file is larger than %d MiB", YAML_TREE_MAX_BYTES >> 20);
        return ERR_TOO_LARGE;
    }
    if (yaml_parser_initialize(&reader.parser) == 0)
        mem_exhausted(); /* the one cause */
    yaml_parser_set_input_string(&reader.parser,
                                 (const unsigned char *)(text.len > 0 ? text.ptr : ""), text.len);
    enum err err = read_all(&reader);
    if (err == ERR_OK && reader.tree->root == NULL)
        err = diag_error(diag, 1, 1, "the file is empty");
    if (err == ERR_OK && diag->error_count > errors_before)
        err = ERR_INVALID; /* duplicate keys, found on the way */
    yaml_parser_delete(&reader.parser);
    for (size_t i = 0; i < reader.anchor_count; i++)
        free(reader.anchors[i].name);
    free(reader.anchors);
    if (err == ERR_OK) {
        *out_tree = reader.tree;
        reader.tree = NULL; /* moved to the caller */
    }
    yaml_tree_free(reader.tree);
    return err;
}

void yaml_tree_free(struct yaml_tree *tree)
{
    if (tree == NULL)
        return;
    for (size_t i = 0; i < tree->node_count; i++) {
        free(tree->nodes[i]->items);
        free(tree->nodes[i]);
    }
    free(tree->nodes);
    free(tree);
}

const struct yaml_tree_node *yaml_tree_find(const struct yaml_tree_node *node, const char *key)
{
    if (node->kind != YAML_TREE_MAP)
        return NULL;
    for (size_t i = 0; i < node->count; i++)
        if (str_eq_text(node->items[2 * i]->text, key))
            return node->items[2 * i + 1];
    return NULL;
}

bool yaml_tree_is_null(const struct yaml_tree_node *node)
{
    return node->kind == YAML_TREE_SCALAR && node->is_plain &&
           (node->text.len == 0 || str_eq_text(node->text, "~") || str_eq_text(node->text, "null"));
}

const char *yaml_tree_found(const struct yaml_tree_node *node, char out_text[YAML_TREE_FOUND_MAX])
{
    enum { SHOWN_MAX = 40 };
    if (yaml_tree_is_null(node))
        snprintf(out_text, YAML_TREE_FOUND_MAX, "nothing");
    else if (node->kind == YAML_TREE_LIST)
        snprintf(out_text, YAML_TREE_FOUND_MAX, "a list");
    else if (node->kind == YAML_TREE_MAP)
        snprintf(out_text, YAML_TREE_FOUND_MAX, "a mapping");
    else if (node->text.len > SHOWN_MAX)
        snprintf(out_text, YAML_TREE_FOUND_MAX, "'%.*s...'", SHOWN_MAX, node->text.ptr);
    else
        snprintf(out_text, YAML_TREE_FOUND_MAX, "'%.*s'", STR_ARG(node->text));
    return out_text;
}
