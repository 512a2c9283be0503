/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/pop_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

struct run {
    struct diag diag;
    struct buf out;
    struct pop_node *node;
    enum err err;
};

static void start(struct run *run, const char *text)
{
    *run = (struct run){ .node = NULL };
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    run->err = pop_node_load_text(str_from(text), "/etc/n.yaml", &run->diag, &run->node);
    diag_format(&run->diag, &run->out);
    assert_int_equal(run->err == ERR_OK, !diag_has_errors(&run->diag));
    assert_int_equal(run->err == ERR_OK, run->node != NULL);
}

static void finish(struct run *run)
{
    pop_node_free(run->node);
    buf_fini(&run->out);
    diag_fini(&run->diag);
}

/* Lines 1 to 6 of most cases; `listen` is line 5. */
#define POP_WITH(listen)                                                                           \
    "topology: t\nrole: pop\nsite: gru1\n"                                                         \
    "backbone: { certificate: b.pem, key: b.key, ca: ca.pem }\n" listen                            \
    "tls: { certificates: [{ certificate: f.pem, key: f.key }] }\n"
#define POP POP_WITH("listen: [{ at: '0.0.0.0:443' }]\n")
#define GATEWAY_WITH(listen)                                                                       \
    "topology: t\nrole: gateway\nsite: us-east\n"                                                  \
    "backbone: { certificate: b.pem, key: b.key, ca: ca.pem }\n" listen                            \
    "origins: { web: { servers: ['10.0.0.1:80'] } }\n"
#define GATEWAY GATEWAY_WITH("listen: [{ at: '10.0.0.9:8443', kind: backbone }]\n")
#define POP_ROUTE "routes: [{ map: api }]\n"
#define GATEWAY_ROUTE "routes: [{ map: api, origin: web }]\n"

static void assert_edge_defaults(const struct pop_node *node)
{
    assert_int_equal(node->tls.session_ms, 12 * 3600000);
    assert_int_equal(node->tls.min_version, 0);
    assert_null(node->tls.tickets);
    assert_null(node->tls.ciphers);
    assert_false(node->tls.is_strict_sni);
    assert_int_equal(node->limits.connections, 20000);
    assert_int_equal(node->limits.per_client, 1000);
    assert_int_equal(node->limits.streams, 128);
    assert_int_equal(node->limits.requests, 1000000);
    assert_int_equal(node->limits.head_bytes, 32768);
    assert_int_equal(node->limits.fields, 128);
    assert_int_equal(node->limits.replay_bytes, 65536);
    assert_int_equal(node->limits.replay_total_bytes, 64 << 20);
    assert_int_equal(node->limits.buffer_bytes, 256 << 10);
    assert_int_equal(node->limits.retry_percent, 20);
    assert_int_equal(node->limits.retry_min_per_s, 10);
    assert_int_equal(node->limits.score_max, 1000);
    assert_int_equal(node->timeouts.tls_ms, 10000);
    assert_int_equal(node->timeouts.first_byte_ms, 10000);
    assert_int_equal(node->timeouts.head_ms, 10000);
    assert_int_equal(node->timeouts.body_idle_ms, 30000);
    assert_int_equal(node->timeouts.body_min_rate, 240);
    assert_int_equal(node->timeouts.keepalive_h1_ms, 60000);
    assert_int_equal(node->timeouts.keepalive_h2_ms, 180000);
    assert_int_equal(node->timeouts.write_stall_ms, 30000);
    assert_int_equal(node->timeouts.write_min_rate, 240);
    assert_int_equal(node->timeouts.settings_ack_ms, 10000);
    assert_int_equal(node->timeouts.max_age_ms, 3600000);
    assert_int_equal(node->timeouts.drain_ms, 30000);
}

static void assert_backbone_defaults(const struct pop_backbone *backbone)
{
    assert_string_equal(backbone->certificate, "/etc/b.pem");
    assert_string_equal(backbone->key, "/etc/b.key");
    assert_string_equal(backbone->ca, "/etc/ca.pem");
    assert_int_equal(backbone->floor, 2);
    assert_int_equal(backbone->fallback_floor, 1);
    assert_int_equal(backbone->connections_max, 64);
    assert_int_equal(backbone->warm_ms, 5000);
    assert_int_equal(backbone->max_age_ms, 3600000);
    assert_int_equal(backbone->connects_per_s, 20);
    assert_int_equal(backbone->connect_ms, 1000);
    assert_int_equal(backbone->tls_ms, 2000);
    assert_int_equal(backbone->settings_ms, 2000);
    assert_int_equal(backbone->acquire_ms, 250);
    assert_int_equal(backbone->ping_idle_ms, 5000);
    assert_int_equal(backbone->ping_timeout_min_ms, 500);
}

static void test_load_applies_defaults(void **state)
{
    struct run run;
    (void)state;
    start(&run, POP POP_ROUTE);
    const struct pop_node *node = run.node;
    assert_string_equal(buf_text(&run.out), "");
    assert_string_equal(node->path, "/etc/n.yaml");
    assert_int_equal(node->role, POP_ROLE_POP);
    assert_string_equal(node->site, "gru1");
    assert_int_equal(node->site_mark.line, 3);
    assert_string_equal(node->common.topology, "/etc/t");
    assert_string_equal(node->common.store_directory, "/var/lib/steer/store");
    assert_string_equal(node->common.state_directory, "/var/lib/steer/state");
    assert_null(node->common.break_glass);
    assert_true(node->workers >= 1);
    assert_string_equal(node->user, "steer");
    assert_string_equal(node->server_header, "");
    assert_null(node->congestion.name);
    assert_null(node->backbone.congestion.name);
    assert_null(node->access_log);
    assert_int_equal(node->log_query, POP_LOG_QUERY_REDACT);
    assert_string_equal(node->common.admin.socket, "/run/steer/pop.sock");
    assert_int_equal(node->common.geo.city_count, 1);
    assert_int_equal(node->common.log, LOG_LEVEL_INFO);
    assert_int_equal(node->proxy_trusted.count, 0);
    assert_int_equal(node->listen_count, 1);
    assert_int_equal(node->listens[0].kind, POP_LISTEN_HTTPS);
    assert_false(node->listens[0].has_proxy_protocol);
    assert_int_equal(node->listens[0].redirect_port, 443);
    assert_edge_defaults(node);
    assert_backbone_defaults(&node->backbone);
    finish(&run);
}

static void test_load_applies_defaults_of_routes_and_origins(void **state)
{
    struct run run;
    (void)state;
    start(&run, GATEWAY GATEWAY_ROUTE);
    assert_string_equal(buf_text(&run.out), "");
    const struct pop_origin *origin = &run.node->origins[0];
    assert_int_equal(run.node->role, POP_ROLE_GATEWAY);
    assert_int_equal(origin->protocol, POP_ORIGIN_HTTP1);
    assert_false(origin->is_tls);
    assert_true(origin->is_tls_verified);
    assert_null(origin->tls_name);
    assert_null(origin->tls_ca);
    assert_int_equal(origin->connections_max, 256);
    assert_int_equal(origin->idle_max, 32);
    assert_int_equal(origin->idle_ms, 4000);
    assert_int_equal(origin->connect_ms, 1000);
    assert_int_equal(origin->eject_failures, 5);
    assert_int_equal(origin->eject_ms, 5000);
    const struct pop_route *route = &run.node->routes[0];
    assert_string_equal(route->host, "*");
    assert_string_equal(route->path, "/");
    assert_string_equal(route->map, "api");
    assert_int_equal(route->origin, 0);
    assert_int_equal(route->deadline_ms, 30000);
    assert_int_equal(route->try_ms, 10000);
    assert_int_equal(route->idle_ms, 60000);
    assert_int_equal(route->attempts, 4);
    assert_false(route->retries_status);
    assert_false(route->has_websocket);
    assert_int_equal(route->tunnel_idle_ms, 600000);
    assert_int_equal(route->body_max_bytes, 0);
    assert_int_equal(route->body_idle_ms, 30000);
    assert_int_equal(route->body_min_rate, 240);
    finish(&run);
}

static const char whole_text[] =
    "topology: /etc/steer/t.yaml\n"
    "role: gateway\n"
    "site: us-east\n"
    "store: { directory: store }\n"
    "state: state\n"
    "break_glass: bg\n"
    "node: gw-7\n"
    "geo: { city: [embedded, c.mmdb], asn: a.mmdb, max_radius_km: 0 }\n"
    "listen:\n"
    "  - { at: '0.0.0.0:443', proxy_protocol: true }\n"
    "  - { at: '[::]:80', kind: redirect, redirect_port: 8443 }\n"
    "  - { at: '127.0.0.1:0', kind: http }\n"
    "  - { at: '127.0.0.1:0', kind: backbone }\n"
    "workers: 3\n"
    "user: \"\"\n"
    "proxy_protocol: [10.0.0.0/8]\n"
    "tls:\n"
    "  certificates: [{ certificate: /c/f.pem, key: f.key }, { certificate: g.pem, key: f.key }]\n"
    "  tickets: t.key\n"
    "  session: 1h\n"
    "  min_version: \"1.3\"\n"
    "  ciphers: ECDHE\n"
    "  strict_sni: true\n"
    "backbone: { certificate: b.pem, key: b.key, ca: ca.pem, floor: 5, fallback_floor: 4,\n"
    "            connections: 6, warm: 0, max_age: 10s, connects_per_second: 7, connect: 50ms,\n"
    "            tls: 60ms, settings: 70ms, acquire: 1ms, ping_idle: 100ms, ping_timeout: 10ms }\n"
    "origins:\n"
    "  web: { servers: ['10.0.0.1:80', '[2001:db8::1]:81'], protocol: http2, connections: 9,\n"
    "         idle_connections: 0, idle: 0, connect: 10ms, eject_failures: 0, eject: 100ms,\n"
    "         tls: { name: Web.internal, ca: o.pem, verify: false } }\n"
    "  tls: { servers: ['10.0.0.1:80'], tls: }\n"
    "routes:\n"
    "  - { map: m2, origin: tls }\n"
    "  - { host: WWW.Example.com., path: /api/, map: m1, origin: web, deadline: 5s, try: 4s,\n"
    "      idle: 100ms, attempts: 16, retry_status: true, websocket: true, tunnel_idle: 1s,\n"
    "      body_max: 1GiB, body_idle: 9s, body_min_rate: 0 }\n"
    "limits: { connections: 10, per_client: 5, streams: 100, requests: 0, head: 1KiB, fields: 10,\n"
    "          replay: 0, replay_total: 0, buffer: 4KiB, retry_percent: 0, retry_per_second: 0,\n"
    "          score: 10 }\n"
    "timeouts: { tls: 1s, first_byte: 2s, head: 3s, body_idle: 4s, body_min_rate: 100,\n"
    "            keepalive_http1: 5s, keepalive_http2: 6s, write_stall: 7s, settings_ack: 8s,\n"
    "            write_min_rate: 50, max_age: 0, drain: 0 }\n"
    "access_log: log/a.log\n"
    "access_log_query: keep\n"
    "server_header: steer\n"
    "congestion: bbr\n"
    "admin: { socket: a.sock, listen: \"[::1]:9110\", listen_orders: true }\n"
    "log: error\n";

static void test_load_reads_every_key_at_the_top(void **state)
{
    struct run run;
    (void)state;
    start(&run, whole_text);
    assert_string_equal(buf_text(&run.out),
                        "/etc/n.yaml:30:56: warning: origin 'web' may be anybody: its certificate "
                        "is not checked\n");
    const struct pop_node *node = run.node;
    assert_string_equal(node->common.topology, "/etc/steer/t.yaml");
    assert_string_equal(node->common.store_directory, "/etc/store");
    assert_string_equal(node->common.state_directory, "/etc/state");
    assert_string_equal(node->common.break_glass, "/etc/bg");
    assert_string_equal(node->common.name, "gw-7");
    assert_string_equal(node->common.geo.city[1], "/etc/c.mmdb");
    assert_int_equal(node->workers, 3);
    assert_string_equal(node->user, "");
    assert_int_equal(node->proxy_trusted.count, 1);
    assert_int_equal(node->listen_count, 4);
    assert_true(node->listens[0].has_proxy_protocol);
    assert_int_equal(node->listens[1].kind, POP_LISTEN_REDIRECT);
    assert_int_equal(node->listens[1].redirect_port, 8443);
    assert_int_equal(node->listens[1].at.addr.family, ADDR_V6);
    assert_int_equal(node->listens[2].kind, POP_LISTEN_HTTP);
    assert_int_equal(node->listens[3].kind, POP_LISTEN_BACKBONE);
    assert_int_equal(node->tls.certificate_count, 2);
    assert_string_equal(node->tls.certificates[0].certificate, "/c/f.pem");
    assert_string_equal(node->tls.certificates[1].key, "/etc/f.key");
    assert_string_equal(node->tls.tickets, "/etc/t.key");
    assert_int_equal(node->tls.session_ms, 3600000);
    assert_int_equal(node->tls.min_version, 1);
    assert_string_equal(node->tls.ciphers, "ECDHE");
    assert_true(node->tls.is_strict_sni);
    assert_string_equal(node->access_log, "/etc/log/a.log");
    assert_int_equal(node->log_query, POP_LOG_QUERY_KEEP);
    assert_string_equal(node->server_header, "steer");
    assert_string_equal(node->congestion.name, "bbr");
    assert_int_equal(node->congestion.mark.column, 13);
    assert_true(node->congestion.mark.line > 1);
    assert_string_equal(node->common.admin.socket, "/etc/a.sock");
    assert_int_equal(node->common.admin.listen.items[0].port, 9110);
    assert_true(node->common.admin.listen_takes_orders);
    assert_int_equal(node->common.log, LOG_LEVEL_ERROR);
    finish(&run);
}

static void test_load_reads_every_key_of_backbone_and_limits(void **state)
{
    struct run run;
    (void)state;
    start(&run, whole_text);
    const struct pop_backbone *backbone = &run.node->backbone;
    assert_int_equal(backbone->floor, 5);
    assert_int_equal(backbone->fallback_floor, 4);
    assert_int_equal(backbone->connections_max, 6);
    assert_int_equal(backbone->warm_ms, 0);
    assert_int_equal(backbone->max_age_ms, 10000);
    assert_int_equal(backbone->connects_per_s, 7);
    assert_int_equal(backbone->connect_ms, 50);
    assert_int_equal(backbone->tls_ms, 60);
    assert_int_equal(backbone->settings_ms, 70);
    assert_int_equal(backbone->acquire_ms, 1);
    assert_int_equal(backbone->ping_idle_ms, 100);
    assert_int_equal(backbone->ping_timeout_min_ms, 10);
    const struct pop_limits *limits = &run.node->limits;
    assert_int_equal(limits->connections, 10);
    assert_int_equal(limits->per_client, 5);
    assert_int_equal(limits->streams, 100);
    assert_int_equal(limits->requests, 0);
    assert_int_equal(limits->head_bytes, 1024);
    assert_int_equal(limits->fields, 10);
    assert_int_equal(limits->replay_bytes, 0);
    assert_int_equal(limits->buffer_bytes, 4096);
    assert_int_equal(limits->retry_percent, 0);
    assert_int_equal(limits->retry_min_per_s, 0);
    assert_int_equal(limits->score_max, 10);
    const struct pop_timeouts *timeouts = &run.node->timeouts;
    const uint64_t expected[] = { timeouts->tls_ms,          timeouts->first_byte_ms,
                                  timeouts->head_ms,         timeouts->body_idle_ms,
                                  timeouts->keepalive_h1_ms, timeouts->keepalive_h2_ms,
                                  timeouts->write_stall_ms,  timeouts->settings_ack_ms };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_int_equal(expected[i], (i + 1) * 1000);
    assert_int_equal(timeouts->body_min_rate, 100);
    assert_int_equal(timeouts->write_min_rate, 50);
    assert_int_equal(timeouts->max_age_ms + timeouts->drain_ms, 0);
    finish(&run);
}

static void test_load_reads_every_key_of_origins_and_routes(void **state)
{
    struct run run;
    (void)state;
    start(&run, whole_text);
    const struct pop_origin *web = &run.node->origins[0], *tls = &run.node->origins[1];
    assert_string_equal(web->name, "web");
    assert_int_equal(web->server_count, 2);
    assert_int_equal(web->servers[0].port, 80);
    assert_int_equal(web->servers[1].addr.family, ADDR_V6);
    assert_int_equal(web->protocol, POP_ORIGIN_HTTP2);
    assert_true(web->is_tls);
    assert_string_equal(web->tls_name, "Web.internal");
    assert_string_equal(web->tls_ca, "/etc/o.pem");
    assert_false(web->is_tls_verified);
    assert_int_equal(web->connections_max, 9);
    assert_int_equal(web->idle_max, 0);
    assert_int_equal(web->idle_ms, 0);
    assert_int_equal(web->connect_ms, 10);
    assert_int_equal(web->eject_failures, 0);
    assert_int_equal(web->eject_ms, 100);
    assert_true(tls->is_tls && tls->is_tls_verified);
    const struct pop_route *route = &run.node->routes[0];
    assert_string_equal(route->host, "www.example.com");
    assert_string_equal(route->path, "/api");
    assert_string_equal(route->map, "m1");
    assert_int_equal(route->origin, 0);
    assert_int_equal(route->deadline_ms, 5000);
    assert_int_equal(route->try_ms, 4000);
    assert_int_equal(route->idle_ms, 100);
    assert_int_equal(route->attempts, 16);
    assert_true(route->retries_status && route->has_websocket);
    assert_int_equal(route->tunnel_idle_ms, 1000);
    assert_int_equal(route->body_max_bytes, 1 << 30);
    assert_int_equal(route->body_idle_ms, 9000);
    assert_int_equal(route->body_min_rate, 0);
    assert_int_equal(route->mark.line, 34);
    assert_int_equal(run.node->routes[1].origin, 1);
    assert_int_equal(run.node->routes[1].body_idle_ms, 4000); /* of all */
    assert_int_equal(run.node->routes[1].body_min_rate, 100);
    finish(&run);
}

static void test_load_access_log_may_be_stdout(void **state)
{
    struct run run;
    (void)state;
    start(&run, POP POP_ROUTE "access_log: '-'\n");
    assert_string_equal(run.node->access_log, "-");
    finish(&run);
}

/* The default of one attempt follows a short deadline; what was written does not. */
static void test_load_try_follows_the_deadline(void **state)
{
    struct run run;
    (void)state;
    start(&run, POP "routes: [{ map: api, deadline: 2s }]\n");
    assert_int_equal(run.node->routes[0].try_ms, 2000);
    finish(&run);
}

static void test_load_sorts_routes(void **state)
{
    static const char *const expected[] = {
        "b.example.com/x/y", "b.example.com/x", "b.example.com/", "a.example/", "*.b.example.com/",
        "*.example.com/z",   "*.example.com/",  "*/longer",       "*/",
    };
    struct run run;
    char text[128];
    (void)state;
    start(&run, POP "routes:\n"
                    "  - { map: m }\n"
                    "  - { host: '*.example.com', map: m }\n"
                    "  - { host: a.example, map: m }\n"
                    "  - { host: b.example.com, map: m }\n"
                    "  - { path: /longer, map: m }\n"
                    "  - { host: b.example.com, path: /x, map: m }\n"
                    "  - { host: '*.example.com', path: /z, map: m }\n"
                    "  - { host: '*.b.example.com', map: m }\n"
                    "  - { host: b.example.com, path: /x/y, map: m }\n");
    assert_string_equal(buf_text(&run.out), "");
    assert_int_equal(run.node->route_count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        snprintf(text, sizeof(text), "%s%s", run.node->routes[i].host, run.node->routes[i].path);
        assert_string_equal(text, expected[i]);
    }
    finish(&run);
}

/* Both lack the file's name, which is the same in all lines. */
static const struct {
    const char *text, *expected;
} error_rows[] = {
    { "role: pap\n", "1:7: error: 'role' must be pop or gateway, found 'pap'; did you mean 'pop'?\n"
                     "1:1: error: the node file lacks 'topology'\n"
                     "1:1: error: the node file lacks 'site'\n"
                     "1:1: error: the node file lacks 'listen'\n"
                     "1:1: error: the node file lacks 'backbone'\n"
                     "1:1: error: the node file lacks 'routes'\n" },
    /* listeners */
    { POP_WITH("listen: [{ at: '0.0.0.0:443' }, { at: '10.0.0.1:1', kind: backbone }]\n") POP_ROUTE,
      "5:59: error: only gateways listen on the backbone; the role of this node is pop\n" },
    { GATEWAY_WITH("listen: [{ at: '0.0.0.0:80', kind: http }]\n") GATEWAY_ROUTE,
      "5:9: error: a gateway needs a listener of kind backbone\n" },
    { GATEWAY_WITH("listen: [{ at: '0.0.0.0:443' }, { at: '0.0.0.0:1', kind: backbone }]\n")
          GATEWAY_ROUTE,
      "5:10: error: a listener of kind https needs 'certificates' in 'tls'\n" },
    { POP_WITH("listen: [{ at: '0.0.0.0:443' }, { at: '0.0.0.0:443', kind: http }]\n") POP_ROUTE,
      "5:39: error: the same address and port as on line 5\n" },
    { POP_WITH("listen: [{ at: '0.0.0.0:443', kind: htps }]\n") POP_ROUTE,
      "5:37: error: 'kind' must be https, http, redirect or backbone, found 'htps'; did you mean "
      "'https'?\n" },
    { POP_WITH("listen: [{ at: '0.0.0.0:443', redirect_port: 8443 }]\n") POP_ROUTE,
      "5:46: error: 'redirect_port' is for listeners of kind redirect\n" },
    { POP_WITH("listen: [{ at: '0.0.0.0:443', proxy_protocol: true }]\n") POP_ROUTE,
      "5:47: error: whose PROXY headers? list the load balancers under 'proxy_protocol' at the "
      "top\n" },
    { GATEWAY_WITH("listen: [{ at: '0.0.0.0:1', kind: backbone, proxy_protocol: true }]\n")
          GATEWAY_ROUTE,
      "5:61: error: no PROXY header is taken on the backbone\n" },
    { POP POP_ROUTE "proxy_protocol: [10.0.0.0/8]\n",
      "8:17: warning: no listener has proxy_protocol: true, so this list is not used\n" },
    { POP_WITH("listen: [{ at: '0.0.0.0:80', kind: redirect }]\n") POP_ROUTE,
      "5:9: warning: no listener serves requests\n"
      "6:22: warning: no listener is of kind https, so these are not used\n" },
    { POP_WITH("listen: [{ kind: https }]\n") POP_ROUTE, "5:10: error: the listener lacks 'at'\n" },
    /* certificates */
    { "topology: t\nrole: pop\nsite: gru1\nlisten: [{ at: '0.0.0.0:443' }]\n"
      "backbone: { certificate: b.pem, key: b.key }\n"
      "tls: { certificates: [{ certificate: a }, { certificate: c, key: k }, { certificate: "
      "/etc/c, "
      "key: k }] }\n" POP_ROUTE,
      "5:11: error: 'backbone' lacks 'ca'\n"
      "6:23: error: the certificate lacks 'key'\n"
      "6:71: error: certificate '/etc/c' is listed twice\n" },
    /* backbone and limits */
    { "topology: t\nrole: pop\nsite: gru1\nlisten: [{ at: '0.0.0.0:80', kind: http }]\n"
      "backbone: { certificate: b, key: b, ca: c, floor: 9, fallback_floor: 9, connections: 8 }\n"
      "limits: { replay: 2MiB, replay_total: 1MiB, connections: 100, per_client: 101 }\n" POP_ROUTE,
      "5:51: error: 'floor' (9) must not be larger than 'connections' (8)\n"
      "5:70: error: 'fallback_floor' (9) must not be larger than 'connections' (8)\n"
      "6:19: error: 'replay' must not be larger than 'replay_total'\n"
      "6:75: error: 'per_client' (101) must not be larger than 'connections' (100)\n" },
    { POP POP_ROUTE "limits: { head: 1GiB }\n",
      "8:17: error: 'head' must be a size such as 4096, 64KiB or 1MiB, from 1KiB to 1MiB, found "
      "'1GiB'\n" },
    /* origins */
    { POP "origins: { web: { servers: ['10.0.0.1:80'] } }\n" POP_ROUTE,
      "7:10: error: a PoP has no origins, gateways have; the role of this node is pop\n" },
    { POP GATEWAY_ROUTE, "7:30: error: a PoP has no origins: leave 'origin' to the gateways\n" },
    { GATEWAY POP_ROUTE, "7:10: error: a route of a gateway needs an 'origin'\n" },
    { GATEWAY "routes: [{ map: api, origin: wep }]\n",
      "7:30: error: 'wep' is not an origin of this file; did you mean 'web'?\n" },
    { GATEWAY_WITH("listen: [{ at: '0.0.0.0:1', kind: backbone }]\norigins: { a: { servers: "
                   "['10.0.0.1:80', '10.0.0.1:80'], idle_connections: 9, connections: 8, tls: { "
                   "name: 'a b' } } }\n#") GATEWAY_ROUTE,
      "6:26: error: port 80 of 10.0.0.1 is listed twice\n"
      "6:76: error: 'idle_connections' (9) must not be larger than 'connections' (8)\n"
      "6:108: error: the name 'a b' may hold letters, digits, '-', '_' and dots only\n"
      "8:30: error: 'web' is not an origin of this file\n" },
    { GATEWAY_WITH("listen: [{ at: '0.0.0.0:1', kind: backbone }]\norigins: { web: { servers: "
                   "['10.0.0.1:80'] }, two: { servers: ['10.0.0.2:80'] } }\n#") GATEWAY_ROUTE,
      "6:47: warning: no route leads to origin 'two'\n" },
    /* routes */
    { POP "routes: []\n", "7:9: error: 'routes' needs at least 1 entry\n" },
    { POP "routes: [{ host: a }]\n", "7:10: error: the route lacks 'map'\n" },
    { POP "routes:\n  - { host: www.example.com, path: /a/, map: m }\n  - { map: m }\n"
          "  - { host: WWW.example.com., path: /a, map: m }\n",
      "10:5: error: host 'www.example.com' with path '/a' has a route on line 8 already\n" },
    { POP "routes: [{ host: 'https://x.example', map: m }, { host: 'x:443', map: m }, { host: "
          "'a.*.example', map: m }]\n",
      "7:18: error: the host 'https://x.example' must stand without scheme and port\n"
      "7:57: error: the host 'x:443' must stand without scheme and port\n"
      "7:84: error: the host 'a.*.example' may hold letters, digits, '-', '_' and dots only\n" },
    { POP "routes: [{ path: api, map: m }, { path: /api/*, map: m }, { path: '/a?b', map: m }, "
          "{ path: /a/../b, map: m }]\n",
      "7:18: error: the path 'api' must begin with '/'\n"
      "7:41: error: the path '/api/*' is a prefix already and takes no '*'\n"
      "7:67: error: the path '/a?b' holds a character that cannot stand in the path of a URL\n"
      "7:93: error: the path '/a/../b' must not hold '.' or '..' as a segment\n" },
    { POP "routes: [{ map: m, deadline: 5s, try: 6s }]\n",
      "7:39: error: 'try' must not be longer than 'deadline'\n" },
    { POP "routes: [{ map: m, body_idle: 50ms, body_min_rate: -1 }]\n",
      "7:31: error: 'body_idle' must be a duration such as 250ms, 30s or 5m, from 100ms to 86400s, "
      "found '50ms'\n"
      "7:52: error: 'body_min_rate' must be a whole number from 0 to 1000000000, found '-1'\n" },
    { POP "routes: [{ map: m, attempts: 17, retry_statuses: true }]\n",
      "7:30: error: 'attempts' must be a whole number from 1 to 16, found '17'\n"
      "7:34: error: unknown key 'retry_statuses' in the route; did you mean 'retry_status'?\n" },
    { POP POP_ROUTE "admin: { listen: '0.0.0.0:9111' }\n",
      "8:18: error: 'listen' of 'admin' must be a loopback address such as \"127.0.0.1:9110\"\n" },
    { POP POP_ROUTE "zones: []\n", "8:1: error: unknown key 'zones' in the node file\n" },
};

static void test_load_reports_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(error_rows); i++) {
        struct run run;
        struct buf expected;
        struct str rest = str_from(error_rows[i].expected), line;
        buf_init(&expected, 1 << 16);
        start(&run, error_rows[i].text);
        while (rest.len > 0) {
            str_split(rest, '\n', &line, &rest);
            buf_append_format(&expected, "/etc/n.yaml:%.*s\n", STR_ARG(line));
        }
        assert_string_equal(buf_text(&run.out), buf_text(&expected));
        buf_fini(&expected);
        finish(&run);
    }
}

static void test_load_missing_file(void **state)
{
    struct diag diag;
    struct pop_node *node = NULL;
    (void)state;
    diag_init(&diag);
    assert_int_equal(pop_node_load("/nonexistent/n.yaml", &diag, &node), ERR_NOT_FOUND);
    assert_null(node);
    assert_non_null(strstr(diag_first(&diag), "cannot read the node file"));
    diag_fini(&diag);
}

static void test_load_examples(void **state)
{
    static const char *const files[] = { "config/examples/pop.yaml",
                                         "config/examples/gateway.yaml" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct diag diag;
        struct pop_node *node = NULL;
        diag_init(&diag);
        assert_int_equal(pop_node_load(files[i], &diag, &node), ERR_OK);
        assert_int_equal(diag.count, 0);
        pop_node_free(node);
        diag_fini(&diag);
    }
}

static void test_explain_config_names_every_section(void **state)
{
    static const char *const keys[] = {
        "\nrole   pop or gateway; required\n",
        "\nlisten[].kind   ",
        "\ntls.certificates[].key   ",
        "\nbackbone.floor   ",
        "\norigins.NAME.tls.name   ",
        "\nroutes[].path   ",
        "\nroutes[].body_min_rate   ",
        "\nlimits.head   ",
        "\ntimeouts.drain   ",
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 20);
    pop_node_explain_config(&out);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_non_null(strstr(buf_text(&out), keys[i]));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_applies_defaults),
        cmocka_unit_test(test_load_applies_defaults_of_routes_and_origins),
        cmocka_unit_test(test_load_reads_every_key_at_the_top),
        cmocka_unit_test(test_load_reads_every_key_of_backbone_and_limits),
        cmocka_unit_test(test_load_reads_every_key_of_origins_and_routes),
        cmocka_unit_test(test_load_access_log_may_be_stdout),
        cmocka_unit_test(test_load_try_follows_the_deadline),
        cmocka_unit_test(test_load_sorts_routes),
        cmocka_unit_test(test_load_reports_errors),
        cmocka_unit_test(test_load_missing_file),
        cmocka_unit_test(test_load_examples),
        cmocka_unit_test(test_explain_config_names_every_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
