/* SPDX-License-Identifier: Apache-2.0 */
/* The node file of a steer-pop (see config/examples/pop.yaml and gateway.yaml).
 *
 * Threads:   any; immutable once loaded.
 * Ownership: a node owns its texts and lists; pop_node_free.
 */
#pragma once

#include "config/load/node_common.h"

enum {
    POP_LISTEN_MAX = 64,
    POP_CONGESTION_MAX_BYTES = 15, /* the kernel's TCP_CA_NAME_MAX, less its NUL */
    POP_CERTIFICATE_MAX = 1000,
    POP_ORIGIN_MAX = 1000,
    POP_ORIGIN_SERVER_MAX = 256,
    POP_ROUTE_MAX = 10000,
};

enum pop_role { POP_ROLE_POP, POP_ROLE_GATEWAY };
/* "pop" or "gateway": also what a node calls itself in the store. */
const char *pop_role_name(enum pop_role role);

/* What a listener speaks. */
enum pop_listen_kind {
    POP_LISTEN_HTTPS,    /* TLS, HTTP/2 and HTTP/1.1: clients */
    POP_LISTEN_HTTP,     /* HTTP/1.1 without TLS: clients */
    POP_LISTEN_REDIRECT, /* HTTP/1.1 without TLS: 308 to https */
    POP_LISTEN_BACKBONE, /* mutual TLS 1.3, HTTP/2: PoPs and other gateways; role gateway only */
};

struct pop_listen {
    struct schema_listen at;
    struct schema_mark mark;
    enum pop_listen_kind kind;
    bool has_proxy_protocol; /* v1 or v2, from proxy_trusted; required there */
    uint16_t redirect_port;  /* of REDIRECT: 443 is not written */
};

struct pop_certificate {
    char *certificate, *key; /* PEM files */
};

struct pop_tls {
    struct pop_certificate *certificates;
    size_t certificate_count;
    char *tickets;        /* file; NULL: keys of this process alone */
    uint64_t session_ms;  /* how long tickets live */
    unsigned min_version; /* enum tls_version: 0 = 1.2, 1 = 1.3 */
    char *ciphers;        /* NULL: ours */
    bool is_strict_sni;
};

/* Of TCP; a key "congestion". Whether the kernel knows it is not looked at here. */
struct pop_congestion {
    char *name; /* NULL: the system's */
    struct schema_mark mark;
};

struct pop_backbone {
    char *certificate, *key, *ca; /* PEM files */
    uint32_t floor;               /* warm connections per worker to the first region */
    uint32_t fallback_floor;      /* ... and to each other region */
    uint32_t connections_max;     /* per worker and region */
    uint64_t warm_ms;             /* how long the listener waits for the floor */
    uint64_t max_age_ms;          /* replaced before */
    uint32_t connects_per_s;      /* per worker */
    uint64_t connect_ms, tls_ms, settings_ms, acquire_ms;
    uint64_t ping_idle_ms;        /* silence before a PING */
    uint64_t ping_timeout_min_ms; /* max(4 x smoothed RTT, this) */
    struct pop_congestion congestion;
};

struct pop_origin_server {
    struct addr addr;
    uint16_t port;
};

enum pop_origin_protocol { POP_ORIGIN_HTTP1, POP_ORIGIN_HTTP2 };

/* A pool of equal origin servers; role gateway. */
struct pop_origin {
    char *name;
    struct pop_origin_server *servers;
    size_t server_count;
    enum pop_origin_protocol protocol;
    bool is_tls;
    char *tls_name; /* SNI and expected name; NULL: the request's host */
    char *tls_ca;   /* NULL: the system's */
    bool is_tls_verified;
    uint32_t connections_max; /* per server and worker */
    uint32_t idle_max;        /* HTTP/1.1 keep-alive, per server and worker */
    uint64_t idle_ms;
    uint64_t connect_ms;
    uint32_t eject_failures; /* in a row; 0: never */
    uint64_t eject_ms;       /* the first time; doubled with each in a row */
};

struct pop_route {
    char *host;           /* lower-case; "*" any; "*.example.com" */
    char *path;           /* prefix by segments; "/" any */
    char *map;            /* whose decide() orders the regions */
    long origin;          /* index into origins; -1: none (role pop) */
    uint64_t deadline_ms; /* in all */
    uint64_t try_ms;      /* to the response head, each attempt */
    uint64_t idle_ms;     /* between two pieces of content */
    uint32_t attempts;    /* at most */
    bool retries_status;  /* idempotent requests: 502, 503 and 504 of origins are tried again */
    bool has_websocket;
    uint64_t tunnel_idle_ms;
    uint64_t body_max_bytes;           /* of a request; 0: any */
    uint64_t body_idle_ms;             /* silence within it */
    uint32_t body_min_rate;            /* bytes a second of it; 0: any */
    struct schema_mark mark, map_mark; /* in the file, for messages */
};

struct pop_limits {
    uint32_t connections; /* client connections, all workers */
    uint32_t per_client;  /* of those, from one address; 0: any */
    uint32_t streams;     /* per client connection */
    uint32_t requests;    /* per client connection, then it is drained; 0: any */
    uint32_t head_bytes, fields;
    uint64_t replay_bytes;       /* of one request */
    uint64_t replay_total_bytes; /* all workers */
    uint64_t buffer_bytes;       /* HTTP/1.1 high-water mark of a pipe */
    uint32_t retry_percent;      /* of first attempts */
    uint32_t retry_min_per_s;
    uint32_t score_max;
};

struct pop_timeouts { /* section "timeouts", all milliseconds, all of them client side */
    uint64_t tls_ms, first_byte_ms, head_ms, body_idle_ms, keepalive_h1_ms, keepalive_h2_ms;
    uint64_t write_stall_ms, settings_ack_ms, max_age_ms, drain_ms;
    uint32_t body_min_rate, write_min_rate; /* bytes a second; 0: any */
};                                          /* body_*: of routes that say nothing */

/* What of a request's query string comes into the access log. */
enum pop_log_query { POP_LOG_QUERY_REDACT, POP_LOG_QUERY_DROP, POP_LOG_QUERY_KEEP };

struct pop_node {
    char *path; /* of the file */
    struct node_common common;
    enum pop_role role;
    char *site; /* the region or PoP of the topology that this node is in */
    struct schema_mark site_mark;
    uint32_t workers;
    char *user;
    struct pop_congestion congestion; /* of clients */
    struct pop_listen *listens;
    size_t listen_count;
    struct schema_cidrs proxy_trusted;
    struct pop_tls tls;
    struct pop_backbone backbone;
    struct pop_origin *origins;
    size_t origin_count;
    struct pop_route *routes; /* sorted: the first that matches is the most specific */
    size_t route_count;
    struct pop_limits limits;
    struct pop_timeouts timeouts;
    char *server_header; /* of responses that we make; "" none */
    char *access_log;    /* file, "-" for stdout, NULL: none */
    enum pop_log_query log_query;
};

/* Parses and validates; every problem is in `diag`. Files that it names are not opened. */
MUST_USE enum err pop_node_load(const char *path, struct diag *diag, struct pop_node **out_node);
/* The same from text; `path` names it in messages, and the files in it lie beside it. */
MUST_USE enum err pop_node_load_text(struct str text, const char *path, struct diag *diag,
                                     struct pop_node **out_node);
/* What can only be checked with the topology: the site exists and has the role's kind, maps exist,
 * a map's rules lead to at least one region, gateways are there. */
MUST_USE enum err pop_node_check(const struct pop_node *node, const struct topology *topology,
                                 struct diag *diag);
void pop_node_free(struct pop_node *node); /* accepts NULL */
/* Every key of the file, for people. */
void pop_node_explain_config(struct buf *out);
