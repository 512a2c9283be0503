/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "config/load/domain.h"
#include "config/load/pop_node_build_priv.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

/* ---- origins -------------------------------------------------------------------------------- */

static void build_servers(const struct raw_origin *raw, struct pop_origin *origin,
                          struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "servers");
    char text[ADDR_TEXT_MAX];
    origin->servers = mem_calloc(raw->servers.count, sizeof(origin->servers[0]));
    for (size_t i = 0; i < raw->servers.count; i++) {
        const struct schema_listen *server = &raw->servers.items[i];
        for (size_t j = 0; j < i; j++)
            if (schema_listen_eq(server, &raw->servers.items[j]))
                diag_error(diag, mark.line, mark.column, "port %u of %s is listed twice",
                           server->port, addr_format(&server->addr, text));
        origin->servers[origin->server_count++] =
            (struct pop_origin_server){ .addr = server->addr, .port = server->port };
    }
}

static void build_origin(struct raw_origin *raw, const char *path, struct pop_origin *origin,
                         struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "idle_connections");
    char name[DOMAIN_TEXT_MAX];
    *origin = (struct pop_origin){
        .name = mem_strndup(raw->head.name.ptr, raw->head.name.len),
        .protocol = (enum pop_origin_protocol)raw->protocol,
        .is_tls = raw->tls.head.node != NULL,
        .tls_name = node_common_take(&raw->tls.name),
        .tls_ca = node_common_path(path, raw->tls.ca),
        .is_tls_verified = raw->tls.is_verified,
        .connections_max = raw->connections,
        .idle_max = raw->idle_connections,
        .idle_ms = raw->idle_ms,
        .connect_ms = raw->connect_ms,
        .eject_failures = raw->eject_failures,
        .eject_ms = raw->eject_ms,
    };
    build_servers(raw, origin, diag);
    if (raw->idle_connections > raw->connections && schema_has(&raw->head, "idle_connections"))
        diag_error(diag, mark.line, mark.column,
                   "'idle_connections' (%u) must not be larger than 'connections' (%u)",
                   raw->idle_connections, raw->connections);
    mark = schema_mark_of(&raw->tls.head, "name");
    const char *problem =
        origin->tls_name != NULL ? domain_parse(str_from(origin->tls_name), name) : NULL;
    if (problem != NULL)
        diag_error(diag, mark.line, mark.column, "the name '%s' %s", origin->tls_name, problem);
    mark = schema_mark_of(&raw->tls.head, "verify");
    if (origin->is_tls && !origin->is_tls_verified)
        diag_warning(diag, mark.line, mark.column,
                     "origin '%s' may be anybody: its certificate is not checked", origin->name);
}

void pop_node_build_origins(struct raw_pop_node *raw, struct pop_node *node, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "origins");
    if (node->role == POP_ROLE_POP && schema_has(&raw->head, "origins"))
        diag_error(diag, mark.line, mark.column,
                   "a PoP has no origins, gateways have; the role of this node is pop");
    node->origins = mem_calloc(raw->origins.count, sizeof(node->origins[0]));
    for (size_t i = 0; i < raw->origins.count; i++)
        build_origin(raw_origin_at(raw, i), node->path, &node->origins[node->origin_count++], diag);
}

/* ---- hosts and paths ------------------------------------------------------------------------ */

/* Lower-case, without final dot; owned by the caller. */
static char *build_host(const struct raw_route *raw, struct diag *diag)
{
    char name[DOMAIN_TEXT_MAX];
    struct schema_mark mark = schema_mark_of(&raw->head, "host");
    if (raw->host == NULL || strcmp(raw->host, "*") == 0)
        return mem_strdup("*");
    const char *problem = domain_parse_owner(str_from(raw->host), name);
    if (problem == NULL)
        return mem_strndup(name, strlen(name) - 1);
    if (strchr(raw->host, ':') != NULL)
        problem = "must stand without scheme and port";
    diag_error(diag, mark.line, mark.column, "the host '%.80s' %s", raw->host, problem);
    return mem_strdup("*");
}

/* What is wrong with a path prefix, or NULL. */
static const char *path_problem(struct str path)
{
    struct str rest = path, segment;
    bool has_more = true;
    if (path.len == 0 || path.ptr[0] != '/')
        return "must begin with '/'";
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] > '~' ||
            strchr("?#*\"<>\\^`{|}", path.ptr[i]) != NULL)
            return path.ptr[i] == '*' ? "is a prefix already and takes no '*'"
                                      : "holds a character that cannot stand in the path of a URL";
    while (has_more) {
        has_more = str_split(rest, '/', &segment, &rest);
        if (str_eq_text(segment, ".") || str_eq_text(segment, ".."))
            return "must not hold '.' or '..' as a segment";
    }
    return NULL;
}

/* Without final slashes; owned by the caller. */
static char *build_path(const struct raw_route *raw, struct diag *diag)
{
    struct str path = str_from(raw->path != NULL ? raw->path : "/");
    struct schema_mark mark = schema_mark_of(&raw->head, "path");
    const char *problem = path_problem(path);
    if (problem != NULL)
        diag_error(diag, mark.line, mark.column, "the path '%.80s' %s", raw->path, problem);
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    return mem_strndup(path.ptr, path.len);
}

/* ---- routes --------------------------------------------------------------------------------- */

static long find_origin(const struct raw_route *raw, const struct pop_node *node, struct diag *diag)
{
    char hint[SUGGEST_TEXT_MAX];
    struct schema_mark mark = schema_mark_of(&raw->head, "origin");
    bool is_written = schema_has(&raw->head, "origin");
    if (node->role == POP_ROLE_POP) {
        if (is_written)
            diag_error(diag, mark.line, mark.column,
                       "a PoP has no origins: leave 'origin' to the gateways");
        return -1;
    }
    if (!is_written)
        diag_error(diag, mark.line, mark.column, "a route of a gateway needs an 'origin'");
    if (raw->origin == NULL) /* or malformed: reported by the schema */
        return -1;
    struct suggest suggest = suggest_init(str_from(raw->origin));
    for (size_t i = 0; i < node->origin_count; i++) {
        if (strcmp(node->origins[i].name, raw->origin) == 0)
            return (long)i;
        suggest_offer(&suggest, str_from(node->origins[i].name));
    }
    diag_error(diag, mark.line, mark.column, "'%s' is not an origin of this file%s", raw->origin,
               suggest_format(&suggest, hint, sizeof(hint)));
    return -1;
}

/* The time of one attempt that nobody wrote follows the deadline down. */
static uint64_t build_try(const struct raw_route *raw, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "try");
    if (raw->try_ms <= raw->deadline_ms)
        return raw->try_ms;
    if (schema_has(&raw->head, "try") && raw->deadline_ms > 0)
        diag_error(diag, mark.line, mark.column, "'try' must not be longer than 'deadline'");
    return raw->deadline_ms;
}

static void build_route(struct raw_route *raw, const struct pop_node *node, struct pop_route *route,
                        struct diag *diag)
{
    const struct pop_timeouts *all = &node->timeouts;
    bool has_idle = schema_has(&raw->head, "body_idle");
    bool has_rate = schema_has(&raw->head, "body_min_rate");
    *route = (struct pop_route){
        .host = build_host(raw, diag),
        .path = build_path(raw, diag),
        .map = node_common_take(&raw->map),
        .origin = find_origin(raw, node, diag),
        .deadline_ms = raw->deadline_ms,
        .try_ms = build_try(raw, diag),
        .idle_ms = raw->idle_ms,
        .attempts = raw->attempts,
        .retries_status = raw->retries_status,
        .has_websocket = raw->has_websocket,
        .tunnel_idle_ms = raw->tunnel_idle_ms,
        .body_max_bytes = raw->body_max_bytes,
        .body_idle_ms = has_idle ? raw->body_idle_ms : all->body_idle_ms,
        .body_min_rate = has_rate ? raw->body_min_rate : all->body_min_rate,
        .mark = raw->head.mark,
        .map_mark = schema_mark_of(&raw->head, "map"),
    };
}

/* 0: a name, 1: "*.name", 2: "*". */
static int host_class(const char *host)
{
    return host[0] != '*' ? 0 : host[1] != '\0' ? 1 : 2;
}

/* What matches less comes first: names, long wildcards, short ones, "*"; then long paths. */
static int compare_routes(const void *left, const void *right)
{
    const struct pop_route *a = left, *b = right;
    int order = host_class(a->host) - host_class(b->host);
    if (order != 0)
        return order;
    size_t a_len = strlen(a->host), b_len = strlen(b->host);
    if (a_len != b_len)
        return a_len > b_len ? -1 : 1;
    order = strcmp(a->host, b->host);
    if (order != 0)
        return order;
    a_len = strlen(a->path);
    b_len = strlen(b->path);
    if (a_len != b_len)
        return a_len > b_len ? -1 : 1;
    order = strcmp(a->path, b->path);
    if (order != 0)
        return order;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    return (a->mark.column > b->mark.column) - (a->mark.column < b->mark.column);
}

static void check_unused_origins(const struct raw_pop_node *raw, const struct pop_node *node,
                                 struct diag *diag)
{
    bool *used = mem_calloc(node->origin_count, sizeof(bool));
    for (size_t i = 0; i < node->route_count; i++)
        if (node->routes[i].origin >= 0)
            used[node->routes[i].origin] = true;
    for (size_t i = 0; i < node->origin_count; i++) {
        struct schema_mark mark = raw_origin_at(raw, i)->head.mark;
        if (!used[i] && node->role == POP_ROLE_GATEWAY)
            diag_warning(diag, mark.line, mark.column, "no route leads to origin '%s'",
                         node->origins[i].name);
    }
    free(used);
}

void pop_node_build_routes(struct raw_pop_node *raw, struct pop_node *node, struct diag *diag)
{
    uint32_t errors_before = diag->error_count;
    node->routes = mem_calloc(raw->routes.count, sizeof(node->routes[0]));
    for (size_t i = 0; i < raw->routes.count; i++)
        build_route(raw_route_at(raw, i), node, &node->routes[node->route_count++], diag);
    if (diag->error_count > errors_before)
        return; /* broken hosts and paths stand as "*" and "/" */
    qsort(node->routes, node->route_count, sizeof(node->routes[0]), compare_routes);
    for (size_t i = 1; i < node->route_count; i++) {
        const struct pop_route *route = &node->routes[i], *before = route - 1;
        if (strcmp(route->host, before->host) == 0 && strcmp(route->path, before->path) == 0)
            diag_error(diag, route->mark.line, route->mark.column,
                       "host '%s' with path '%s' has a route on line %u already", route->host,
                       route->path, before->mark.line);
    }
    check_unused_origins(raw, node, diag);
}
