/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/pop_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/pop_node_build_priv.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

/* ---- listeners ------------------------------------------------------------------------------ */

static void check_kind(const struct raw_pop_node *raw, const struct raw_listen *listen,
                       struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&listen->head, "kind");
    if (listen->kind == POP_LISTEN_BACKBONE && raw->role == POP_ROLE_POP)
        diag_error(diag, mark.line, mark.column,
                   "only gateways listen on the backbone; the role of this node is pop");
    if (listen->kind == POP_LISTEN_HTTPS && raw->tls.certificates.count == 0 &&
        !schema_has(&raw->tls.head, "certificates"))
        diag_error(diag, mark.line, mark.column,
                   "a listener of kind https needs 'certificates' in 'tls'");
    mark = schema_mark_of(&listen->head, "redirect_port");
    if (listen->kind != POP_LISTEN_REDIRECT && schema_has(&listen->head, "redirect_port"))
        diag_error(diag, mark.line, mark.column,
                   "'redirect_port' is for listeners of kind redirect");
    mark = schema_mark_of(&listen->head, "proxy_protocol");
    if (!listen->has_proxy_protocol)
        return;
    if (listen->kind == POP_LISTEN_BACKBONE)
        diag_error(diag, mark.line, mark.column, "no PROXY header is taken on the backbone");
    else if (raw->proxy_trusted.count == 0 && !schema_has(&raw->head, "proxy_protocol"))
        diag_error(
            diag, mark.line, mark.column,
            "whose PROXY headers? list the load balancers under 'proxy_protocol' at the top");
}

static void build_listen(const struct raw_listen *raw, struct pop_node *node, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "at");
    if (raw->at.count == 0) /* reported by the schema */
        return;
    for (size_t i = 0; i < node->listen_count; i++)
        if (raw->at.items[0].port != 0 && schema_listen_eq(&node->listens[i].at, &raw->at.items[0]))
            diag_error(diag, mark.line, mark.column, "the same address and port as on line %u",
                       node->listens[i].mark.line);
    node->listens[node->listen_count++] = (struct pop_listen){
        .at = raw->at.items[0],
        .mark = mark,
        .kind = (enum pop_listen_kind)raw->kind,
        .has_proxy_protocol = raw->has_proxy_protocol,
        .redirect_port = (uint16_t)raw->redirect_port,
    };
}

static void build_listens(struct raw_pop_node *raw, struct pop_node *node, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "listen");
    size_t kinds[POP_LISTEN_BACKBONE + 1] = { 0 }, proxied = 0;
    node->listens = mem_calloc(raw->listens.count, sizeof(node->listens[0]));
    for (size_t i = 0; i < raw->listens.count; i++) {
        const struct raw_listen *listen = raw_listen_at(raw, i);
        build_listen(listen, node, diag);
        check_kind(raw, listen, diag);
        kinds[listen->kind]++;
        proxied += listen->has_proxy_protocol;
    }
    if (raw->role == POP_ROLE_GATEWAY && raw->listens.count > 0 && kinds[POP_LISTEN_BACKBONE] == 0)
        diag_error(diag, mark.line, mark.column, "a gateway needs a listener of kind backbone");
    if (raw->role == POP_ROLE_POP && kinds[POP_LISTEN_REDIRECT] == raw->listens.count &&
        raw->listens.count > 0)
        diag_warning(diag, mark.line, mark.column, "no listener serves requests");
    node->proxy_trusted = raw->proxy_trusted;
    raw->proxy_trusted.items = NULL; /* moved to the node */
    mark = schema_mark_of(&raw->head, "proxy_protocol");
    if (node->proxy_trusted.count > 0 && proxied == 0)
        diag_warning(diag, mark.line, mark.column,
                     "no listener has proxy_protocol: true, so this list is not used");
}

/* ---- certificates and backbone -------------------------------------------------------------- */

static void build_certificates(struct raw_tls *raw, const char *path, struct pop_tls *tls,
                               struct diag *diag)
{
    tls->certificates = mem_calloc(raw->certificates.count, sizeof(tls->certificates[0]));
    for (size_t i = 0; i < raw->certificates.count; i++) {
        struct raw_certificate *files = raw_certificate_at(raw, i);
        if (files->files.certificate == NULL || files->files.key == NULL) /* reported */
            continue;
        struct pop_certificate *own = &tls->certificates[tls->certificate_count++];
        *own = (struct pop_certificate){
            .certificate = node_common_path(path, files->files.certificate),
            .key = node_common_path(path, files->files.key),
        };
        for (size_t j = 0; j + 1 < tls->certificate_count; j++)
            if (strcmp(tls->certificates[j].certificate, own->certificate) == 0)
                diag_error(diag, files->head.mark.line, files->head.mark.column,
                           "certificate '%.200s' is listed twice", files->files.certificate);
    }
}

static void build_tls(struct raw_tls *raw, const char *path, struct pop_node *node,
                      struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "certificates");
    bool has_https = false;
    node->tls = (struct pop_tls){
        .tickets = node_common_path(path, raw->tickets),
        .session_ms = raw->session_ms,
        .min_version = raw->min_version,
        .ciphers = node_common_take(&raw->ciphers),
        .is_strict_sni = raw->is_strict_sni,
    };
    build_certificates(raw, path, &node->tls, diag);
    for (size_t i = 0; i < node->listen_count; i++)
        has_https = has_https || node->listens[i].kind == POP_LISTEN_HTTPS;
    if (node->tls.certificate_count > 0 && !has_https && node->listen_count > 0)
        diag_warning(diag, mark.line, mark.column,
                     "no listener is of kind https, so these are not used");
}

static void build_backbone(struct raw_backbone *raw, const char *path, struct pop_node *node,
                           struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "floor");
    struct pop_backbone *backbone = &node->backbone;
    *backbone = raw->values;
    backbone->certificate = node_common_path(path, raw->values.certificate);
    backbone->key = node_common_path(path, raw->values.key);
    backbone->ca = node_common_path(path, raw->values.ca);
    backbone->congestion.name = node_common_take(&raw->values.congestion.name);
    backbone->congestion.mark = schema_mark_of(&raw->head, "congestion");
    if (backbone->floor > backbone->connections_max)
        diag_error(diag, mark.line, mark.column,
                   "'floor' (%u) must not be larger than 'connections' (%u)", backbone->floor,
                   backbone->connections_max);
    mark = schema_mark_of(&raw->head, "fallback_floor");
    if (backbone->fallback_floor > backbone->connections_max)
        diag_error(diag, mark.line, mark.column,
                   "'fallback_floor' (%u) must not be larger than 'connections' (%u)",
                   backbone->fallback_floor, backbone->connections_max);
    if (backbone->fallback_floor == 0)
        diag_warning(diag, mark.line, mark.column,
                     "without warm connections to other regions, the first requests after a "
                     "failure wait for new ones");
}

/* ---- limits --------------------------------------------------------------------------------- */

static void build_limits(const struct raw_limits *raw, struct pop_limits *limits, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "replay");
    *limits = raw->values;
    limits->head_bytes = (uint32_t)raw->head_bytes;
    if (limits->replay_bytes > limits->replay_total_bytes)
        diag_error(diag, mark.line, mark.column, "'replay' must not be larger than 'replay_total'");
    mark = schema_mark_of(&raw->head, "per_client");
    if (limits->per_client > limits->connections && schema_has(&raw->head, "per_client"))
        diag_error(diag, mark.line, mark.column,
                   "'per_client' (%u) must not be larger than 'connections' (%u)",
                   limits->per_client, limits->connections);
}

/* ---- whole ---------------------------------------------------------------------------------- */

static char *log_path(const char *file, const char *path)
{
    bool is_stdout = path != NULL && strcmp(path, "-") == 0;
    return is_stdout ? mem_strdup(path) : node_common_path(file, path);
}

static void build_congestion(struct raw_pop_node *raw, struct pop_node *node)
{
    node->congestion.name = node_common_take(&raw->congestion);
    node->congestion.mark = schema_mark_of(&raw->head, "congestion");
}

/* Everything that the schema cannot check by itself; `raw` is emptied into the node. */
static struct pop_node *build_node(struct raw_pop_node *raw, const char *path, struct diag *diag)
{
    struct pop_node *node = mem_calloc(1, sizeof(*node));
    node->path = mem_strdup(path);
    node_common_build(&raw->common, path, &node->common, diag);
    node->role = (enum pop_role)raw->role;
    node->site = node_common_take(&raw->site);
    node->site_mark = schema_mark_of(&raw->head, "site");
    node->workers = raw->workers > 0 ? raw->workers : node_common_cpus(NODE_WORKER_MAX);
    node->user = node_common_take(&raw->user);
    build_congestion(raw, node);
    node->timeouts = raw->timeouts;
    node->server_header = node_common_take(&raw->server_header);
    node->access_log = log_path(path, raw->access_log);
    node->log_query = (enum pop_log_query)raw->log_query;
    build_listens(raw, node, diag);
    build_tls(&raw->tls, path, node, diag);
    build_backbone(&raw->backbone, path, node, diag);
    build_limits(&raw->limits, &node->limits, diag);
    pop_node_build_origins(raw, node, diag);
    pop_node_build_routes(raw, node, diag);
    return node;
}

static enum err load_text(struct str text, const char *path, struct diag *diag,
                          struct pop_node **out_node)
{
    struct raw_pop_node raw = { .common = { .topology = NULL } };
    struct yaml_tree *tree = NULL;
    uint32_t errors_before = diag->error_count;
    enum err err = yaml_tree_parse(text, diag, &tree);
    if (err != ERR_OK)
        return err;
    err = schema_parse(&pop_node_schema, tree->root, diag, &raw);
    struct pop_node *node = build_node(&raw, path, diag);
    if (err == ERR_OK && diag->error_count > errors_before)
        err = ERR_INVALID;
    if (err == ERR_OK) {
        *out_node = node;
        node = NULL; /* moved to the caller */
    }
    pop_node_free(node);
    schema_fini(&pop_node_schema, &raw);
    yaml_tree_free(tree);
    return err;
}

enum err pop_node_load_text(struct str text, const char *path, struct diag *diag,
                            struct pop_node **out_node)
{
    diag_set_file(diag, path);
    enum err err = load_text(text, path, diag, out_node);
    diag_set_file(diag, NULL);
    return err;
}

enum err pop_node_load(const char *path, struct diag *diag, struct pop_node **out_node)
{
    struct buf text;
    buf_init(&text, YAML_TREE_MAX_BYTES);
    enum err err = file_read(path, &text);
    if (err == ERR_OK) {
        err = pop_node_load_text(buf_str(&text), path, diag, out_node);
    } else {
        diag_set_file(diag, path);
        err = diag_errno(diag, errno, "cannot read the node file");
        diag_set_file(diag, NULL);
    }
    buf_fini(&text);
    return err;
}

static void free_lists(struct pop_node *node)
{
    for (size_t i = 0; i < node->tls.certificate_count; i++) {
        free(node->tls.certificates[i].certificate);
        free(node->tls.certificates[i].key);
    }
    free(node->tls.certificates);
    for (size_t i = 0; i < node->origin_count; i++) {
        free(node->origins[i].name);
        free(node->origins[i].servers);
        free(node->origins[i].tls_name);
        free(node->origins[i].tls_ca);
    }
    free(node->origins);
    for (size_t i = 0; i < node->route_count; i++) {
        free(node->routes[i].host);
        free(node->routes[i].path);
        free(node->routes[i].map);
    }
    free(node->routes);
    free(node->listens);
    free(node->proxy_trusted.items);
}

void pop_node_free(struct pop_node *node)
{
    if (node == NULL)
        return;
    free_lists(node);
    node_common_fini(&node->common);
    free(node->path);
    free(node->site);
    free(node->user);
    free(node->tls.tickets);
    free(node->tls.ciphers);
    free(node->backbone.certificate);
    free(node->backbone.key);
    free(node->backbone.ca);
    free(node->backbone.congestion.name);
    free(node->server_header);
    free(node->access_log);
    free(node->congestion.name);
    free(node);
}
