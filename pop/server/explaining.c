/* SPDX-License-Identifier: Apache-2.0 */
/* /explain: where this proxy would send a client's request, told with the code that does it. */
#include <stdlib.h>

#include "pop/server/regions.h"
#include "pop/server/server_priv.h"
#include "steering/base/mem.h"
#include "steering/model/explain.h"

struct question {
    const struct snapshot *snapshot;
    const struct pop_node *node;
    const struct pop_route *route; /* NULL: a map or name was asked for */
    struct explain_query query;
};

static const struct pop_route *find_route(const struct pop_node *node, const char *host,
                                          const char *path)
{
    struct route_spec *specs = mem_calloc(node->route_count, sizeof(*specs));
    for (size_t i = 0; i < node->route_count; i++)
        specs[i] = (struct route_spec){ .host = str_from(node->routes[i].host),
                                        .path = str_from(node->routes[i].path) };
    struct route_table *table = route_table_new(specs, node->route_count);
    long found = route_table_find(table, str_from(host), str_from(path));
    route_table_free(table);
    free(specs);
    return found < 0 ? NULL : &node->routes[found];
}

static json_t *tell_route(const struct question *question)
{
    const struct pop_route *route = question->route;
    json_t *value = json_object();
    json_set_str(value, "host", str_from(route->host));
    json_set_str(value, "path", str_from(route->path));
    json_set_str(value, "map", str_from(route->map));
    if (route->origin >= 0)
        json_set_str(value, "origin", str_from(question->node->origins[route->origin].name));
    return value;
}

/* The regions that a request would be tried at, in order. A gateway serves what it can itself. */
static json_t *tell_regions(const struct question *question, struct map_id map)
{
    const struct snapshot *snapshot = question->snapshot;
    const struct topology *topology = snapshot->world->topology;
    struct regions regions;
    json_t *list = json_array();
    regions_for_client(snapshot, map, &question->query.resolver, &regions, NULL);
    for (size_t i = 0; i < regions.count; i++) {
        const struct site *site = &topology->sites[regions.items[i].n];
        json_t *row = json_object();
        json_set_str(row, "name", str_from(site->name));
        json_set_str(row, "mode", str_from(mode_name(snapshot->states[regions.items[i].n].mode)));
        json_set_int(row, "gateways", (int64_t)site->gateway_count);
        json_object_set_new(row, "here",
                            json_boolean(str_eq_text(str_from(site->name), question->node->site)));
        json_array_append_new(list, row);
    }
    return list;
}

static bool serves_here(const struct question *question)
{
    const struct topology *topology = question->snapshot->world->topology;
    struct site_id own = topology_find_site(topology, str_from(question->node->site));
    return question->node->role == POP_ROLE_GATEWAY && !site_is_none(own) &&
           mode_is_usable(question->snapshot->states[own.n].mode) &&
           (question->route == NULL || question->route->origin >= 0);
}

static void answer(const struct question *question, struct admin_request *request)
{
    struct diag diag;
    json_t *explanation = NULL;
    diag_init(&diag);
    enum err err = explain(question->snapshot, &question->query, &diag, &explanation);
    if (err != ERR_OK) {
        admin_reply_error(request, 404, "%s", diag_first(&diag));
        diag_fini(&diag);
        return;
    }
    diag_fini(&diag);
    const struct topology *topology = question->snapshot->world->topology;
    long map = topology_find_map(topology, json_get_str(explanation, "map"));
    json_object_set_new(explanation, "regions",
                        tell_regions(question, (struct map_id){ (uint16_t)map }));
    json_object_set_new(explanation, "serves_here", json_boolean(serves_here(question)));
    if (question->route != NULL)
        json_object_set_new(explanation, "route", tell_route(question));
    json_t *value = json_object();
    json_t *list = json_array();
    json_array_append_new(list, explanation);
    json_set_int(value, "v", 1);
    json_object_set_new(value, "explanations", list);
    admin_reply_json(request, 200, value);
}

void explaining_reply(const struct server *server, struct admin_request *request)
{
    const char *name = admin_argument(request, "name");
    const char *host = admin_argument(request, "host");
    const char *path = admin_argument(request, "path");
    const char *from = admin_argument(request, "from");
    struct question question = { .snapshot = server_snapshot(server),
                                 .node = server->dataset->node };
    struct cidr client;
    if ((name == NULL) == (host == NULL) || from == NULL) {
        admin_reply_error(request, 400,
                          "expected from=ADDRESS, and either name=MAP or host=HOST[&path=PATH]");
        return;
    }
    /* Of a prefix the first address stands for all. */
    if (cidr_parse(str_from(from), &client) == CIDR_SYNTAX) {
        admin_reply_error(request, 400, "from: '%s' is not an address", from);
        return;
    }
    question.query.resolver = client.addr;
    question.query.name = str_from(name);
    if (host != NULL) {
        question.route = find_route(question.node, host, path == NULL ? "/" : path);
        if (question.route == NULL) {
            admin_reply_error(request, 404, "no route takes host '%s'", host);
            return;
        }
        question.query.name = str_from(question.route->map);
    }
    answer(&question, request);
}
