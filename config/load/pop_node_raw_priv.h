/* SPDX-License-Identifier: Apache-2.0 */
/* The node file of a steer-pop as it is written. pop_node.c makes a struct pop_node of it.
 *
 * Shape:     where a section needs no more than its values, the table fills the node's own struct.
 * Threads:   owner only.
 * Ownership: schema_fini(&pop_node_schema, raw); heads borrow from the tree.
 */
#pragma once

#include "config/load/node_common_priv.h"
#include "config/load/pop_node.h"

struct raw_listen {
    struct schema_head head;
    struct schema_listens at; /* one */
    unsigned kind;
    bool has_proxy_protocol;
    uint32_t redirect_port;
};
struct raw_certificate {
    struct schema_head head;
    struct pop_certificate files;
};
struct raw_tls {
    struct schema_head head;
    struct schema_items certificates; /* struct raw_certificate */
    char *tickets, *ciphers;
    uint64_t session_ms;
    unsigned min_version;
    bool is_strict_sni;
};
struct raw_backbone {
    struct schema_head head;
    struct pop_backbone values;
};
struct raw_origin_tls {
    struct schema_head head; /* absent: no TLS */
    char *name, *ca;
    bool is_verified;
};
struct raw_origin {
    struct schema_head head;
    struct schema_listens servers;
    unsigned protocol;
    struct raw_origin_tls tls;
    uint32_t connections, idle_connections, eject_failures;
    uint64_t idle_ms, connect_ms, eject_ms;
};
struct raw_route {
    struct schema_head head;
    char *host, *path, *map, *origin;
    uint64_t deadline_ms, try_ms, idle_ms, tunnel_idle_ms, body_max_bytes, body_idle_ms;
    uint32_t attempts, body_min_rate;
    bool retries_status, has_websocket;
};
struct raw_limits {
    struct schema_head head;
    struct pop_limits values;
    uint64_t head_bytes;
};
struct raw_pop_node {
    struct schema_head head;
    struct raw_common common;
    unsigned role;
    char *site;
    struct schema_items listens; /* struct raw_listen */
    uint32_t workers;
    char *user, *congestion;
    struct schema_cidrs proxy_trusted;
    struct raw_tls tls;
    struct raw_backbone backbone;
    struct schema_items origins; /* struct raw_origin */
    struct schema_items routes;  /* struct raw_route */
    struct raw_limits limits;
    struct pop_timeouts timeouts;
    char *access_log, *server_header;
    unsigned log_query;
};

extern const struct schema pop_node_schema; /* of struct raw_pop_node */

static inline struct raw_listen *raw_listen_at(const struct raw_pop_node *raw, size_t index)
{
    return (struct raw_listen *)raw->listens.items + index;
}
static inline struct raw_certificate *raw_certificate_at(const struct raw_tls *tls, size_t index)
{
    return (struct raw_certificate *)tls->certificates.items + index;
}
static inline struct raw_origin *raw_origin_at(const struct raw_pop_node *raw, size_t index)
{
    return (struct raw_origin *)raw->origins.items + index;
}
static inline struct raw_route *raw_route_at(const struct raw_pop_node *raw, size_t index)
{
    return (struct raw_route *)raw->routes.items + index;
}
