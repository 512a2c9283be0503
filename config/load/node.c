/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/domain.h"
#include "config/load/node_raw_priv.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

static void check_listen(const struct raw_node *raw, const struct yaml_tree_node *root,
                         struct diag *diag)
{
    const struct yaml_tree_node *dns = yaml_tree_find(root, "dns");
    const struct yaml_tree_node *written = dns != NULL ? yaml_tree_find(dns, "listen") : NULL;
    const struct schema_listens *listen = &raw->dns.listen;
    if (written == NULL || written->kind != YAML_TREE_LIST || written->count != listen->count)
        return;
    for (size_t i = 1; i < listen->count; i++)
        for (size_t j = 0; j < i; j++)
            if (listen->items[i].port != 0 &&
                schema_listen_eq(&listen->items[i], &listen->items[j]))
                diag_error(diag, written->items[i]->line, written->items[i]->column,
                           "'%.*s' is listed twice", STR_ARG(written->items[i]->text));
}

static void build_zone(const struct raw_zone *raw, const char *path, struct node *node,
                       struct diag *diag)
{
    char origin[DOMAIN_TEXT_MAX];
    struct schema_mark mark = schema_mark_of(&raw->head, "zone");
    if (raw->zone == NULL || raw->file == NULL) /* reported by the schema */
        return;
    const char *problem = domain_parse(str_from(raw->zone), origin);
    if (problem != NULL) {
        diag_error(diag, mark.line, mark.column, "the zone '%.80s' %s", raw->zone, problem);
        return;
    }
    node->zones[node->zone_count++] =
        (struct node_zone){ .origin = mem_strdup(origin),
                            .file = node_common_path(path, raw->file) };
}

struct sorted_zone {
    const char *origin;
    struct schema_mark mark;
};

static int compare_zones(const void *left, const void *right)
{
    const struct sorted_zone *a = left, *b = right;
    int order = strcmp(a->origin, b->origin);
    return order != 0 ? order : (a->mark.line > b->mark.line) - (a->mark.line < b->mark.line);
}

static void build_zones(const struct raw_node *raw, const char *path, struct node *node,
                        struct diag *diag)
{
    struct sorted_zone *sorted = mem_calloc(raw->zones.count, sizeof(sorted[0]));
    node->zones = mem_calloc(raw->zones.count, sizeof(node->zones[0]));
    for (size_t i = 0; i < raw->zones.count; i++) {
        const struct raw_zone *zone = (const struct raw_zone *)raw->zones.items + i;
        size_t before = node->zone_count;
        build_zone(zone, path, node, diag);
        if (node->zone_count > before)
            sorted[before] = (struct sorted_zone){ .origin = node->zones[before].origin,
                                                   .mark = schema_mark_of(&zone->head, "zone") };
    }
    qsort(sorted, node->zone_count, sizeof(sorted[0]), compare_zones);
    for (size_t i = 1; i < node->zone_count; i++)
        if (strcmp(sorted[i].origin, sorted[i - 1].origin) == 0)
            diag_error(diag, sorted[i].mark.line, sorted[i].mark.column,
                       "zone '%s' stands on line %u already", sorted[i].origin,
                       sorted[i - 1].mark.line);
    free(sorted);
}

static void build_dns(struct raw_dns *raw, const struct node *node, struct node_dns *dns)
{
    *dns = (struct node_dns){
        .listen = raw->listen,
        .workers = raw->workers > 0 ? raw->workers : node_common_cpus(NODE_WORKER_MAX),
        .user = node_common_take(&raw->user),
        .identity = raw->identity != NULL ? node_common_take(&raw->identity)
                                          : mem_strdup(node->common.name),
        .version = node_common_take(&raw->version),
        .edns_size = raw->edns_size,
        .has_chaos = raw->has_chaos,
        .has_debug_txt = raw->has_debug_txt,
        .uses_ecs = raw->uses_ecs,
        .ecs_trusted = raw->ecs_trusted,
        .tcp = { .connections = raw->tcp.connections,
                 .per_client = raw->tcp.per_client,
                 .idle_ms = raw->tcp.idle_ms,
                 .write_ms = raw->tcp.write_ms,
                 .pipeline = raw->tcp.pipeline },
    };
    raw->listen.items = NULL; /* moved to `dns` */
    raw->ecs_trusted.items = NULL;
}

/* Everything that the schema cannot check by itself; `raw` is emptied into the node. */
static struct node *build_node(struct raw_node *raw, const char *path,
                               const struct yaml_tree_node *root, struct diag *diag)
{
    struct node *node = mem_calloc(1, sizeof(*node));
    check_listen(raw, root, diag);
    node_common_build(&raw->common, path, &node->common, diag);
    build_dns(&raw->dns, node, &node->dns);
    build_zones(raw, path, node, diag);
    return node;
}

static enum err load_text(struct str text, const char *path, struct diag *diag,
                          struct node **out_node)
{
    struct raw_node raw = { .common = { .topology = NULL } };
    struct yaml_tree *tree = NULL;
    uint32_t errors_before = diag->error_count;
    enum err err = yaml_tree_parse(text, diag, &tree);
    if (err != ERR_OK)
        return err;
    err = schema_parse(&node_schema, tree->root, diag, &raw);
    struct node *node = build_node(&raw, path, tree->root, diag);
    if (err == ERR_OK && diag->error_count > errors_before)
        err = ERR_INVALID;
    if (err == ERR_OK) {
        *out_node = node;
        node = NULL; /* moved to the caller */
    }
    node_free(node);
    schema_fini(&node_schema, &raw);
    yaml_tree_free(tree);
    return err;
}

enum err node_load(const char *path, struct diag *diag, struct node **out_node)
{
    struct buf text;
    buf_init(&text, YAML_TREE_MAX_BYTES);
    diag_set_file(diag, path);
    enum err err = file_read(path, &text);
    if (err == ERR_OK)
        err = load_text(buf_str(&text), path, diag, out_node);
    else
        err = diag_errno(diag, errno, "cannot read the node file");
    diag_set_file(diag, NULL);
    buf_fini(&text);
    return err;
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    node_common_fini(&node->common);
    for (size_t i = 0; i < node->zone_count; i++) {
        free(node->zones[i].origin);
        free(node->zones[i].file);
    }
    free(node->zones);
    free(node->dns.listen.items);
    free(node->dns.user);
    free(node->dns.identity);
    free(node->dns.version);
    free(node->dns.ecs_trusted.items);
    free(node);
}
