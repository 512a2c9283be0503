/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/server_priv.h"
#include "steering/base/mem.h"
#include "steering/runtime/metrics.h"

enum { METRICS_MAX_BYTES = 64 << 20 };

static void on_metrics(void *owner, struct admin_request *request)
{
    struct buf text;
    buf_init(&text, METRICS_MAX_BYTES);
    exposition_write(owner, &text);
    if (text.is_overflown)
        admin_reply_error(request, 500, "more metrics than %d bytes", METRICS_MAX_BYTES);
    else
        admin_reply(request, 200, METRICS_CONTENT_TYPE, buf_str(&text));
    buf_fini(&text);
}

static void on_status(void *owner, struct admin_request *request)
{
    gather_status(owner, request);
}

static void on_traffic(void *owner, struct admin_request *request)
{
    const struct server *server = owner;
    json_t *value = traffic_value(server->traffics, server->worker_count);
    json_set_str(value, "site", str_from(server->node->site));
    json_set_int(value, "started", server->daemon.started_unix_s);
    admin_reply_json(request, 200, value);
}

static void on_explain(void *owner, struct admin_request *request)
{
    explaining_reply(owner, request);
}

static void on_ready(void *owner, struct admin_request *request)
{
    const struct server *server = owner;
    bool is_ready = server->state == SERVER_SERVING;
    json_t *value = json_object();
    json_object_set_new(value, "ready", json_boolean(is_ready));
    json_set_str(value, "state", str_from(server_state_name(server->state)));
    admin_reply_json(request, is_ready ? 200 : 503, value);
}

static void on_reload(void *owner, struct admin_request *request)
{
    struct server *server = owner;
    reload_begin(&server->daemon.reload, request);
}

static void on_drain(void *owner, struct admin_request *request)
{
    struct server *server = owner;
    json_t *value = json_object();
    json_set_int(value, "v", 1);
    json_object_set_new(value, "draining", json_true());
    json_set_int(value, "limit_ms", (int64_t)server->dataset->node->timeouts.drain_ms);
    admin_reply_json(request, 202, value);
    server_drain(server);
}

const struct admin_route server_routes[] = {
    { "GET", "/metrics", "Prometheus metrics", on_metrics },
    { "GET", "/status.json", "the state of this node and of its peers", on_status },
    { "GET", "/traffic.json", "requests and bytes by map, cell and site", on_traffic },
    { "GET", "/explain",
      "where a request would go: from=ADDRESS, and name=MAP or host=HOST[&path=PATH]", on_explain },
    { "GET", "/ready", "200 while clients are served, else 503", on_ready },
    { "POST", "/reload", "load all files anew; 422 with everything that is wrong, or 200",
      on_reload },
    { "POST", "/drain", "as SIGTERM: finish what is in flight, then end", on_drain },
};
const size_t server_route_count = ARRAY_SIZE(server_routes);
