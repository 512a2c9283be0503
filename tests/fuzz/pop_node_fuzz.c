/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as the node file of a steer-pop: refused with a message, or a node that keeps what the
 * server relies on; and then held against a topology. */
#include <assert.h>
#include <string.h>

#include "config/load/pop_node.h"
#include "config/load/topology_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char topology_text[] =
    "regions:\n"
    "  us-east: { at: [1, 2], addresses: [192.0.2.1], gateways: ['10.0.0.1:8443'] }\n"
    "  us-west: { at: [1, 3], addresses: [192.0.2.2] }\n"
    "pops: { gru1: { at: [4, 5], addresses: [192.0.2.3] } }\n"
    "maps: { api: { sites: all, rules: [{ to: nearest }] } }\n";

static void check_edge(const struct pop_node *node)
{
    bool has_backbone = false;
    assert(node->listen_count >= 1 && node->listen_count <= POP_LISTEN_MAX);
    for (size_t i = 0; i < node->listen_count; i++) {
        const struct pop_listen *listen = &node->listens[i];
        assert(listen->kind != POP_LISTEN_HTTPS || node->tls.certificate_count > 0);
        assert(!listen->has_proxy_protocol || listen->kind != POP_LISTEN_BACKBONE);
        assert(listen->redirect_port > 0);
        has_backbone = has_backbone || listen->kind == POP_LISTEN_BACKBONE;
    }
    assert(has_backbone == (node->role == POP_ROLE_GATEWAY));
    for (size_t i = 0; i < node->tls.certificate_count; i++)
        assert(node->tls.certificates[i].certificate != NULL &&
               node->tls.certificates[i].key != NULL);
}

static void check_route(const struct pop_node *node, const struct pop_route *route)
{
    size_t len = strlen(route->path);
    assert(route->host[0] != '\0' && route->path[0] == '/');
    assert(len == 1 || route->path[len - 1] != '/');
    assert(route->map != NULL && route->attempts >= 1 && route->deadline_ms > 0);
    assert(route->try_ms > 0 && route->try_ms <= route->deadline_ms);
    if (node->role == POP_ROLE_POP)
        assert(route->origin == -1);
    else
        assert(route->origin >= 0 && (size_t)route->origin < node->origin_count);
}

static void check_node(const struct pop_node *node)
{
    const struct pop_backbone *backbone = &node->backbone;
    assert(node->site != NULL && node->common.topology != NULL && node->workers >= 1);
    assert(backbone->certificate != NULL && backbone->key != NULL && backbone->ca != NULL);
    assert(backbone->floor <= backbone->connections_max);
    assert(node->limits.replay_bytes <= node->limits.replay_total_bytes);
    check_edge(node);
    for (size_t i = 0; i < node->origin_count; i++)
        assert(node->origins[i].server_count > 0);
    assert(node->route_count > 0);
    for (size_t i = 0; i < node->route_count; i++)
        check_route(node, &node->routes[i]);
}

/* The findings of pop_node_check are its result: any set of them will do, a crash will not. */
static void check_against_topology(const struct pop_node *node)
{
    struct diag diag;
    struct topology *topology = NULL;
    diag_init(&diag);
    enum err err = topology_load_text(str_from(topology_text), "t", &diag, &topology);
    assert(err == ERR_OK);
    err = pop_node_check(node, topology, &diag);
    assert((err == ERR_OK) == !diag_has_errors(&diag));
    topology_free(topology);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag;
    struct pop_node *node = NULL;
    struct str text = { (const char *)data, size };
    diag_init(&diag);
    enum err err = pop_node_load_text(text, "fuzz.yaml", &diag, &node);
    assert((err == ERR_OK) == (node != NULL) && (err == ERR_OK) == !diag_has_errors(&diag));
    for (size_t i = 0; i < diag.count; i++)
        assert(diag.entries[i].text[0] != '\0');
    if (node != NULL) {
        check_node(node);
        check_against_topology(node);
    }
    pop_node_free(node);
    diag_fini(&diag);
    return 0;
}
