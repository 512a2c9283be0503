/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/node.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/load/domain.h"
#include "config/load/node_raw_priv.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

static char *take_text(char **text)
{
    char *taken = *text;
    *text = NULL; /* moved to the caller */
    return taken;
}

/* NULL stays NULL. */
static char *resolve_path(const char *file, const char *path)
{
    return path != NULL ? file_beside(file, path) : NULL;
}

static uint32_t usable_cpus(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > NODE_WORKER_MAX ? NODE_WORKER_MAX : (uint32_t)count;
}

static char *host_name(void)
{
    char host[SCHEMA_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof(host) - 1) != 0 || !schema_is_name(str_from(host)))
        return mem_strdup("localhost");
    return mem_strdup(host);
}

static bool is_loopback(const struct addr *addr)
{
    static const struct addr v6 = { .family = ADDR_V6, .bytes = { [15] = 1 } };
    return addr->family == ADDR_V4 ? addr->bytes[0] == 127 : addr_eq(addr, &v6);
}

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

/* The admin interface changes what is served and asks for no password. */
static void check_admin(const struct raw_admin *raw, const char *socket, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "socket");
    if (socket != NULL && strlen(socket) > SOCKET_PATH_MAX)
        diag_error(diag, mark.line, mark.column,
                   "the path of a socket has at most %d characters, '%s' has %zu", SOCKET_PATH_MAX,
                   socket, strlen(socket));
    mark = schema_mark_of(&raw->head, "listen");
    if (raw->listen.count > 0 && !is_loopback(&raw->listen.items[0].addr))
        diag_error(diag, mark.line, mark.column,
                   "'listen' of 'admin' must be a loopback address such as \"127.0.0.1:9110\"");
}

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
            if (listen->items[i].port != 0 && listen->items[i].port == listen->items[j].port &&
                addr_eq(&listen->items[i].addr, &listen->items[j].addr))
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
        (struct node_zone){ .origin = mem_strdup(origin), .file = resolve_path(path, raw->file) };
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

static void build_geo(struct raw_geo *raw, const char *path, struct geo_settings *geo)
{
    geo->max_radius_km = raw->max_radius_km;
    geo->asn = resolve_path(path, raw->asn);
    geo->city = mem_calloc(raw->city.count, sizeof(geo->city[0]));
    for (size_t i = 0; i < raw->city.count; i++) {
        const char *text = raw->city.items[i].text;
        bool is_embedded = strcmp(text, GEO_EMBEDDED) == 0;
        geo->city[geo->city_count++] = is_embedded ? mem_strdup(text) : resolve_path(path, text);
    }
}

static void build_dns(struct raw_dns *raw, const struct node *node, struct node_dns *dns)
{
    *dns = (struct node_dns){
        .listen = raw->listen,
        .workers = raw->workers > 0 ? raw->workers : usable_cpus(),
        .user = take_text(&raw->user),
        .identity = raw->identity != NULL ? take_text(&raw->identity) : mem_strdup(node->name),
        .version = take_text(&raw->version),
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
    node->topology = resolve_path(path, raw->topology);
    node->store_directory = resolve_path(path, raw->store.directory);
    node->state_directory = resolve_path(path, raw->state);
    node->break_glass = resolve_path(path, raw->break_glass);
    node->name = raw->name != NULL ? take_text(&raw->name) : host_name();
    node->log = (enum log_level)raw->log;
    node->admin.socket = resolve_path(path, raw->admin.socket);
    check_admin(&raw->admin, node->admin.socket, diag);
    node->admin.listen = raw->admin.listen;
    raw->admin.listen.items = NULL; /* moved to the node */
    build_geo(&raw->geo, path, &node->geo);
    build_dns(&raw->dns, node, &node->dns);
    build_zones(raw, path, node, diag);
    return node;
}

static enum err load_text(struct str text, const char *path, struct diag *diag,
                          struct node **out_node)
{
    struct raw_node raw = { .topology = NULL };
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
    free(node->topology);
    free(node->store_directory);
    free(node->state_directory);
    free(node->break_glass);
    free(node->name);
    geo_settings_fini(&node->geo);
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
    free(node->admin.socket);
    free(node->admin.listen.items);
    free(node);
}
