/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/settings.h"

#include <assert.h>
#include <stdlib.h>

#include "steering/base/mem.h"

enum {
    /* Clients: a window is a promise of memory, and there are many of them. */
    CLIENT_WINDOW = LIMIT(64 << 10, 1024),
    CLIENT_WINDOW_MAX = LIMIT(1 << 20, 4096),
    CLIENT_CONNECTION_WINDOW = LIMIT(1 << 20, 65535),
    CLIENT_HPACK_BYTES = 4096,
    /* Backbone: few connections, 100 ms away, 1 Gb/s. */
    BACKBONE_WINDOW = LIMIT(1 << 20, 1024),
    BACKBONE_WINDOW_MAX = LIMIT(16 << 20, 4096),
    BACKBONE_CONNECTION_WINDOW = LIMIT(64 << 20, 65535),
    BACKBONE_HPACK_BYTES = 64 << 10,
    BACKBONE_STREAMS = LIMIT(1000, 3),
    BACKBONE_HEAD_EXTRA = 16 << 10, /* what hops add to a head that a client may send */
    BACKBONE_FIELDS_EXTRA = 32,
    /* Origins are near. */
    ORIGIN_WINDOW = LIMIT(1 << 20, 1024),
    ORIGIN_WINDOW_MAX = LIMIT(4 << 20, 4096),
    ORIGIN_CONNECTION_WINDOW = LIMIT(16 << 20, 65535),
    ORIGIN_HPACK_BYTES = 4096,
    ORIGIN_STREAMS = 100,
};

/* Clients misbehave through the backbone, too: what they do there is scored where they are. */
#define BACKBONE_SCORE_MAX (UINT32_MAX / 2)

static uint32_t least(uint64_t a, uint64_t b)
{
    uint64_t less = a < b ? a : b;
    return less > UINT32_MAX ? UINT32_MAX : (uint32_t)less;
}

static void fill_limits(struct settings *settings)
{
    const struct pop_limits *limits = &settings->node->limits;
    uint32_t h1_buffer = least(limits->buffer_bytes, UINT32_MAX);
    settings->client_limits = (struct http_limits){
        .head_bytes = limits->head_bytes,
        .fields = least(limits->fields, HEAD_FIELDS_MAX),
        .streams = limits->streams,
        .requests = limits->requests,
        .stream_window = CLIENT_WINDOW,
        .stream_window_max = CLIENT_WINDOW_MAX,
        .connection_window = CLIENT_CONNECTION_WINDOW,
        .hpack_table_bytes = CLIENT_HPACK_BYTES,
        .h1_buffer_bytes = h1_buffer,
        .score_max = limits->score_max,
    };
    settings->backbone_limits = (struct http_limits){
        .head_bytes = least((uint64_t)limits->head_bytes + BACKBONE_HEAD_EXTRA, UINT32_MAX),
        .fields = least((uint64_t)limits->fields + BACKBONE_FIELDS_EXTRA, HEAD_FIELDS_MAX),
        .streams = BACKBONE_STREAMS,
        .stream_window = BACKBONE_WINDOW,
        .stream_window_max = BACKBONE_WINDOW_MAX,
        .connection_window = BACKBONE_CONNECTION_WINDOW,
        .hpack_table_bytes = BACKBONE_HPACK_BYTES,
        .h1_buffer_bytes = h1_buffer,
        .score_max = BACKBONE_SCORE_MAX,
        .is_shared = true,
    };
    settings->origin_limits = (struct http_limits){
        .head_bytes = limits->head_bytes,
        .fields = least(limits->fields, HEAD_FIELDS_MAX),
        .streams = ORIGIN_STREAMS,
        .stream_window = ORIGIN_WINDOW,
        .stream_window_max = ORIGIN_WINDOW_MAX,
        .connection_window = ORIGIN_CONNECTION_WINDOW,
        .hpack_table_bytes = ORIGIN_HPACK_BYTES,
        .h1_buffer_bytes = h1_buffer,
        .score_max = BACKBONE_SCORE_MAX,
    };
}

static void fill_routes(struct settings *settings)
{
    const struct pop_node *node = settings->node;
    struct route_spec *specs = mem_calloc(node->route_count, sizeof(*specs));
    for (size_t i = 0; i < node->route_count; i++)
        specs[i] = (struct route_spec){ .host = str_from(node->routes[i].host),
                                        .path = str_from(node->routes[i].path) };
    settings->routes = route_table_new(specs, node->route_count);
    free(specs);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static enum tls_version min_version(const struct pop_tls *tls)
{
    return tls->min_version == 0 ? TLS_VERSION_1_2 : TLS_VERSION_1_3;
}

static enum err load_clients(const struct settings_source *source, struct diag *diag,
                             struct tls_context **out_context)
{
    const struct pop_tls *tls = &source->node->tls;
    struct tls_certificate_files *files = mem_calloc(tls->certificate_count, sizeof(*files));
    for (size_t i = 0; i < tls->certificate_count; i++)
        files[i] = (struct tls_certificate_files){ .certificate = tls->certificates[i].certificate,
                                                   .key = tls->certificates[i].key };
    const struct tls_server_settings settings = {
        .certificates = files,
        .certificate_count = tls->certificate_count,
        .min_version = min_version(tls),
        .ciphers = tls->ciphers,
        .is_http2 = true,
        .is_http1 = true,
        .session_s = least(tls->session_ms / 1000, UINT32_MAX),
        .is_strict_sni = tls->is_strict_sni,
    };
    enum err err = tls_server_new(&settings, source->keys, source->now_unix_s, diag, out_context);
    free(files);
    return err;
}

static struct tls_certificate_files backbone_files(const struct pop_backbone *backbone)
{
    return (struct tls_certificate_files){ .certificate = backbone->certificate,
                                           .key = backbone->key };
}

/* By which the other ends of the backbone know us; NULL: the topology does not have our site. */
static const char *own_identity(const struct settings_source *source)
{
    const struct topology *topology = source->world->topology;
    struct site_id site = topology_find_site(topology, str_from(source->node->site));
    return site_is_none(site) ? NULL : topology->sites[site.n].identity;
}

/* PoPs and other gateways come this way: nobody without a certificate of our own authority. */
static enum err load_backbone_server(const struct settings_source *source, struct diag *diag,
                                     struct tls_context **out_context)
{
    const struct pop_backbone *backbone = &source->node->backbone;
    const struct tls_certificate_files files = backbone_files(backbone);
    const struct tls_server_settings settings = {
        .certificates = &files,
        .certificate_count = 1,
        .min_version = TLS_VERSION_1_3,
        .is_http2 = true,
        .client_ca = backbone->ca,
        .session_s = least(source->node->tls.session_ms / 1000, UINT32_MAX),
    };
    return tls_server_new(&settings, NULL, source->now_unix_s, diag, out_context);
}

static enum err load_backbone_client(const struct settings_source *source, struct diag *diag,
                                     struct tls_context **out_context)
{
    const struct pop_backbone *backbone = &source->node->backbone;
    const struct tls_client_settings settings = { .certificate = backbone_files(backbone),
                                                  .ca = backbone->ca,
                                                  .is_verified = true,
                                                  .min_version = TLS_VERSION_1_3,
                                                  .is_http2 = true,
                                                  .now_unix_s = source->now_unix_s,
                                                  .own_name = own_identity(source) };
    return tls_client_new(&settings, diag, out_context);
}

static enum err load_origin(const struct pop_origin *origin, struct diag *diag,
                            struct tls_context **out_context)
{
    const struct tls_client_settings settings = {
        .ca = origin->tls_ca,
        .is_verified = origin->is_tls_verified,
        .min_version = TLS_VERSION_1_2,
        .is_http2 = origin->protocol == POP_ORIGIN_HTTP2,
        .is_http1 = origin->protocol == POP_ORIGIN_HTTP1,
    };
    return tls_client_new(&settings, diag, out_context);
}

static bool has_listener(const struct pop_node *node, enum pop_listen_kind kind)
{
    for (size_t i = 0; i < node->listen_count; i++)
        if (node->listens[i].kind == kind)
            return true;
    return false;
}

/* One context for all listeners of a kind: they belong to the same worker. */
static void give_listeners(struct settings *settings, enum pop_listen_kind kind,
                           struct tls_context *context)
{
    for (size_t i = 0; context != NULL && i < settings->node->listen_count; i++)
        if (settings->node->listens[i].kind == kind)
            settings->tls_listen[i] = tls_context_ref(context);
}

/* The first error counts, but all are looked for: every problem in one run. */
static enum err first_of(enum err so_far, enum err now)
{
    return so_far != ERR_OK ? so_far : now;
}

static enum err load_tls(struct settings *settings, const struct settings_source *source,
                         struct diag *diag)
{
    const struct pop_node *node = settings->node;
    enum err err = ERR_OK, backbone_err = ERR_OK;
    struct tls_context *clients = NULL, *backbone = NULL;
    settings->tls_listen = mem_calloc(node->listen_count, sizeof(*settings->tls_listen));
    settings->tls_origins = mem_calloc(node->origin_count, sizeof(*settings->tls_origins));
    if (has_listener(node, POP_LISTEN_HTTPS))
        err = load_clients(source, diag, &clients);
    if (has_listener(node, POP_LISTEN_BACKBONE))
        backbone_err = load_backbone_server(source, diag, &backbone);
    /* The same certificate once more: if it is bad, it has been said. */
    if (node->backbone.certificate != NULL && backbone_err == ERR_OK)
        backbone_err = load_backbone_client(source, diag, &settings->tls_backbone);
    err = first_of(err, backbone_err);
    for (size_t i = 0; i < node->origin_count; i++)
        if (node->origins[i].is_tls)
            err = first_of(err, load_origin(&node->origins[i], diag, &settings->tls_origins[i]));
    give_listeners(settings, POP_LISTEN_HTTPS, clients);
    give_listeners(settings, POP_LISTEN_BACKBONE, backbone);
    tls_context_unref(clients);
    tls_context_unref(backbone);
    return err;
}

/* ---- life ------------------------------------------------------------------------------------ */

enum err settings_new(const struct settings_source *source, struct diag *diag,
                      struct settings **out_settings)
{
    struct settings *settings = mem_calloc(1, sizeof(*settings));
    settings->refs = 1;
    settings->version = source->version;
    settings->node = source->node;
    settings->node_refs = source->node_refs;
    atomic_fetch_add(settings->node_refs, 1);
    settings->world = world_ref(source->world);
    fill_limits(settings);
    fill_routes(settings);
    enum err err = load_tls(settings, source, diag);
    if (err != ERR_OK) {
        settings_unref(settings);
        return err;
    }
    *out_settings = settings;
    return ERR_OK;
}

void settings_set_keys(struct settings *settings, const struct ticket_keys *keys)
{
    struct tls_context *done = NULL;
    for (size_t i = 0; i < settings->node->listen_count; i++) {
        struct tls_context *context = settings->tls_listen[i];
        if (settings->node->listens[i].kind != POP_LISTEN_HTTPS || context == done)
            continue;
        tls_context_set_keys(context, keys);
        done = context;
    }
}

void settings_release_node(struct pop_node *node, atomic_uint *node_refs)
{
    if (atomic_fetch_sub(node_refs, 1) != 1)
        return;
    pop_node_free(node);
    free(node_refs);
}

struct settings *settings_ref(struct settings *settings)
{
    settings->refs++;
    return settings;
}

static void unref_all(struct tls_context **contexts, size_t count)
{
    for (size_t i = 0; contexts != NULL && i < count; i++)
        tls_context_unref(contexts[i]);
    free(contexts);
}

void settings_unref(struct settings *settings)
{
    if (settings == NULL)
        return;
    assert(settings->refs > 0);
    if (--settings->refs > 0)
        return;
    unref_all(settings->tls_listen, settings->node->listen_count);
    unref_all(settings->tls_origins, settings->node->origin_count);
    tls_context_unref(settings->tls_backbone);
    route_table_free(settings->routes);
    world_unref(settings->world);
    settings_release_node(settings->node, settings->node_refs);
    free(settings);
}
