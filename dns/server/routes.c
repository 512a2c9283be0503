/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/server_priv.h"
#include "steering/base/mem.h"
#include "steering/model/explain.h"
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
    admin_reply_json(request, 200, status_value(owner));
}

static void on_ready(void *owner, struct admin_request *request)
{
    const struct server *server = owner;
    json_t *value = json_object();
    json_object_set_new(value, "ready", json_boolean(server->is_ready));
    admin_reply_json(request, server->is_ready ? 200 : 503, value);
}

static void on_reload(void *owner, struct admin_request *request)
{
    struct server *server = owner;
    reload_begin(&server->daemon.reload, request);
}

/* An address, or a prefix of which the first address stands for all. */
static bool parse_client(const char *text, struct addr *out_addr)
{
    struct cidr cidr;
    if (cidr_parse(str_from(text), &cidr) == CIDR_SYNTAX)
        return false;
    *out_addr = cidr.addr;
    return true;
}

static void on_explain(void *owner, struct admin_request *request)
{
    const struct server *server = owner;
    const char *name = admin_argument(request, "name");
    const char *from = admin_argument(request, "from");
    const char *ecs = admin_argument(request, "ecs");
    struct explain_query query = { .has_ecs = ecs != NULL };
    struct diag diag;
    json_t *explanation = NULL;
    if (name == NULL || from == NULL) {
        admin_reply_error(request, 400, "expected name=NAME&from=ADDRESS, and perhaps ecs=PREFIX");
        return;
    }
    if (!parse_client(from, &query.resolver)) {
        admin_reply_error(request, 400, "from: '%s' is not an address", from);
        return;
    }
    if (ecs != NULL && cidr_parse(str_from(ecs), &query.ecs) == CIDR_SYNTAX) {
        admin_reply_error(request, 400, "ecs: '%s' is not a prefix such as 192.0.2.0/24", ecs);
        return;
    }
    query.name = str_from(name);
    diag_init(&diag);
    enum err err =
        explain(answer_view_snapshot(server_serving(server)->view), &query, &diag, &explanation);
    if (err != ERR_OK) {
        admin_reply_error(request, 404, "%s", diag_first(&diag));
    } else {
        json_t *value = json_object();
        json_t *list = json_array();
        json_array_append_new(list, explanation);
        json_set_int(value, "v", 1);
        json_object_set_new(value, "explanations", list);
        admin_reply_json(request, 200, value);
    }
    diag_fini(&diag);
}

const struct admin_route server_routes[] = {
    { "GET", "/metrics", "Prometheus metrics", on_metrics },
    { "GET", "/status.json", "the state of this node", on_status },
    { "GET", "/explain", "why a client gets its answer: name=NAME&from=ADDRESS[&ecs=PREFIX]",
      on_explain },
    { "GET", "/ready", "200 while queries are answered, else 503", on_ready },
    { "POST", "/reload", "load all files anew; 422 with everything that is wrong, or 200",
      on_reload },
};
const size_t server_route_count = ARRAY_SIZE(server_routes);
