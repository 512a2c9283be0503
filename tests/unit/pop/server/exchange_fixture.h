/* SPDX-License-Identifier: Apache-2.0 */
/* A request core with a client, peers, a clock and an access log that the test plays. The functions
 * below stand in for those of upstream.c, io.c, settings.c and access_log.c at link time.
 *
 * The world: regions us-east, us-west, eu-west (in this order for every client) and PoP gru1.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/exchange_priv.h"
#include "steering/base/json.h"
#include "steering/base/mem.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum { PEERS_MAX = 32, HEADS_MAX = 8, FIXTURE_LINE_MAX = 32 * 1024 };
enum { US_EAST, US_WEST, EU_WEST, GRU1 };

/* ---- what happened --------------------------------------------------------------------------- */

struct fake_peer {
    struct http_client_stream stream; /* first */
    struct upstream_target target;
    struct http_head request;
    struct pipe *body;
    char taken[1024]; /* of the request's content */
    size_t taken_len;
    bool is_cancelled, is_released, is_closed;
    struct upstream_result result;
    bool is_done;
};

static struct {
    struct fake_peer peers[PEERS_MAX];
    size_t peer_count;
    enum upstream_lack lacks[PEERS_MAX]; /* by number of acquisition; see lack_mask */
    uint64_t lack_mask;                  /* which acquisitions find nothing */
    uint64_t wait_mask;                  /* which wait */
    size_t acquired, cancelled;
    struct upstream_waiter *waiter;

    struct http_server_stream client;
    struct http_head response, informs[HEADS_MAX];
    size_t inform_count;
    struct pipe *response_body;
    enum http_error reset;
    bool is_responded, is_reset, is_released;
    bool is_ping_dead; /* what the upstream says of every lease */

    char line[FIXTURE_LINE_MAX];
    size_t line_len, line_count;
} seen;

/* ---- stand-ins ------------------------------------------------------------------------------- */

struct settings *settings_ref(struct settings *settings)
{
    settings->refs++;
    return settings;
}

void settings_unref(struct settings *settings)
{
    settings->refs--;
}

bool access_log_line(struct access_log *log, struct str line)
{
    (void)log;
    assert_true(line.len < sizeof(seen.line));
    memcpy(seen.line, line.ptr, line.len);
    seen.line_len = line.len;
    seen.line_count++;
    return true;
}

void io_timer_start(struct io *io, struct io_timer *timer, uint64_t after_ms,
                    void (*on_fire)(struct io_timer *timer))
{
    io_wheel_remove(timer);
    timer->at_ms = io->now_ms + (after_ms > 0 ? after_ms : 1);
    timer->on_fire = on_fire;
    io_wheel_insert(&io->wheel, timer);
}

void io_timer_stop(struct io *io, struct io_timer *timer)
{
    (void)io;
    io_wheel_remove(timer);
}

static struct http_session fake_peer_session;

static inline void give_lease(struct upstream_waiter *waiter)
{
    struct upstream_lease lease = { .session = &fake_peer_session,
                                    .peer = (uint32_t)(100 + seen.peer_count),
                                    .peer_name = "us-east/192.0.2.1:8443" };
    seen.peers[seen.peer_count].target = waiter->wish.target;
    waiter->on_lease(waiter, &lease);
}

void upstream_acquire(struct upstream *upstream, struct upstream_waiter *waiter)
{
    (void)upstream;
    uint64_t bit = (uint64_t)1 << seen.acquired;
    size_t at = seen.acquired++;
    if ((seen.lack_mask & bit) != 0) {
        waiter->on_lack(waiter, seen.lacks[at]);
    } else if ((seen.wait_mask & bit) != 0) {
        seen.waiter = waiter;
        waiter->link = &seen.waiter;
    } else {
        give_lease(waiter);
    }
}

void upstream_cancel(struct upstream_waiter *waiter)
{
    if (waiter->link == NULL)
        return;
    waiter->link = NULL;
    seen.waiter = NULL;
    seen.cancelled++;
}

void upstream_done(struct upstream *upstream, const struct upstream_lease *lease,
                   const struct upstream_result *result)
{
    (void)upstream;
    struct fake_peer *peer = &seen.peers[lease->peer - 100];
    assert_false(peer->is_done); /* exactly once */
    peer->is_done = true;
    peer->result = *result;
}

bool upstream_is_ping_dead(const struct upstream_lease *lease)
{
    /* Only while the lease is held. */
    assert_false(seen.peers[lease->peer - 100].is_done);
    return seen.is_ping_dead;
}

/* ---- the peers' codec ------------------------------------------------------------------------ */

static inline void on_request_readable(void *reader, struct pipe *pipe)
{
    (void)reader;
    (void)pipe;
}

static const struct http_client_ops fake_client_ops;

static inline struct http_client_stream *fake_request(struct http_session *session,
                                                      const struct http_head *head,
                                                      struct pipe *body, void *owner)
{
    assert_true(seen.peer_count < PEERS_MAX);
    struct fake_peer *peer = &seen.peers[seen.peer_count++];
    peer->stream.ops = &fake_client_ops;
    peer->stream.session = session;
    peer->stream.owner = owner;
    peer->stream.response.content_length = -1;
    peer->stream.is_produced = true;
    arena_init(&peer->stream.arena, 1024);
    pipe_init(&peer->stream.body, session->pool);
    http_head_copy(head, &peer->stream.arena, &peer->request);
    peer->body = body;
    if (body != NULL)
        pipe_attach(body, on_request_readable, peer);
    return &peer->stream;
}

static inline void fake_cancel(struct http_client_stream *stream, enum http_error error)
{
    struct fake_peer *peer = (struct fake_peer *)(void *)stream;
    (void)error;
    assert_false(peer->is_closed);
    if (peer->body != NULL)
        pipe_detach(peer->body);
    peer->body = NULL;
    peer->is_cancelled = true;
}

static inline void fake_client_release(struct http_client_stream *stream)
{
    struct fake_peer *peer = (struct fake_peer *)(void *)stream;
    assert_true(peer->is_closed);
    assert_false(peer->is_released);
    peer->is_released = true;
    pipe_fini(&stream->body);
    arena_fini(&stream->arena);
}

static const struct http_client_ops fake_client_ops = { .request = fake_request,
                                                        .cancel = fake_cancel,
                                                        .release = fake_client_release };

static inline struct fake_peer *peer_at(size_t at)
{
    assert_true(at < seen.peer_count);
    return &seen.peers[at];
}

static inline void peer_closes(struct fake_peer *peer, struct http_outcome outcome)
{
    assert_false(peer->is_closed);
    peer->is_closed = true;
    if (peer->body != NULL)
        pipe_detach(peer->body);
    peer->body = NULL;
    pipe_break(&peer->stream.body, outcome.error);
    exchange_on_closed(peer->stream.owner, &peer->stream, outcome);
}

static inline void peer_fails(struct fake_peer *peer, enum http_error error, bool is_unprocessed)
{
    peer_closes(peer, (struct http_outcome){ .error = error, .is_unprocessed = is_unprocessed });
}

/* What was cancelled closes later. */
static inline void settle_peers(void)
{
    for (size_t i = 0; i < seen.peer_count; i++)
        if (seen.peers[i].is_cancelled && !seen.peers[i].is_closed)
            peer_fails(&seen.peers[i], HTTP_ERROR_CANCELLED, false);
}

static inline void peer_answers(struct fake_peer *peer, uint16_t status, const char *name,
                                const char *value)
{
    struct http_client_stream *stream = &peer->stream;
    stream->response.status = status;
    if (name != NULL)
        http_head_add(&stream->response, &stream->arena, str_from(name), str_from(value));
    exchange_on_response(stream->owner, stream);
}

static inline void peer_ends(struct fake_peer *peer, const char *content)
{
    pipe_write(&peer->stream.body, content, strlen(content));
    pipe_end(&peer->stream.body, NULL);
    peer_closes(peer, (struct http_outcome){ .has_response = true });
}

/* The peer's codec sends what there is of the request. */
static inline void peer_takes(struct fake_peer *peer)
{
    for (;;) {
        struct str next = pipe_peek(peer->body);
        if (next.len == 0)
            return;
        assert_true(peer->taken_len + next.len <= sizeof(peer->taken));
        memcpy(peer->taken + peer->taken_len, next.ptr, next.len);
        peer->taken_len += next.len;
        pipe_consume(peer->body, next.len);
    }
}

static inline struct str peer_field(const struct fake_peer *peer, const char *name)
{
    return http_head_get(&peer->request, str_from(name));
}

/* ---- the client's codec ---------------------------------------------------------------------- */

static inline void on_response_readable(void *reader, struct pipe *pipe)
{
    (void)reader;
    (void)pipe;
}

static inline void fake_inform(struct http_server_stream *stream, const struct http_head *head)
{
    http_head_copy(head, &stream->arena, &seen.informs[seen.inform_count++]);
}

static inline void fake_respond(struct http_server_stream *stream, const struct http_head *head,
                                struct pipe *body)
{
    assert_false(stream->is_responded); /* once */
    stream->is_responded = true;
    seen.is_responded = true;
    http_head_copy(head, &stream->arena, &seen.response);
    seen.response_body = body;
    if (body != NULL)
        pipe_attach(body, on_response_readable, stream);
}

static inline void fake_reset(struct http_server_stream *stream, enum http_error error)
{
    (void)stream;
    seen.is_reset = true;
    seen.reset = error;
    if (seen.response_body != NULL)
        pipe_detach(seen.response_body);
    seen.response_body = NULL;
}

static inline void fake_server_release(struct http_server_stream *stream)
{
    assert_false(seen.is_released);
    seen.is_released = true;
    pipe_fini(&stream->body);
}

static const struct http_server_stream_ops fake_server_ops = { .inform = fake_inform,
                                                               .respond = fake_respond,
                                                               .reset = fake_reset,
                                                               .release = fake_server_release };

/* ---- the worker ------------------------------------------------------------------------------ */

static struct http_session client_session;
static struct worker worker;
static struct settings fixture_settings;
static struct pop_node node;
static struct pop_route routes[2];
static struct pop_origin origin;
static struct exchange_origin from;
static struct transport_flow flow; /* to the client */

struct transport_flow transport_flow(const struct transport *transport)
{
    assert_true(transport == from.transport);
    return flow;
}

static inline struct world *fixture_world(void)
{
    struct diag diag;
    struct geo *geo = NULL;
    struct topology *topology = topology_new();
    struct geo_builder *builder = geo_builder_new();
    static const char *const regions[] = { "us-east", "us-west", "eu-west" };
    struct site_id ids[3];
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
        ids[i] = fixture_site(topology, regions[i], SITE_REGION, 0, (double)i, "192.0.2.1");
    fixture_site(topology, "gru1", SITE_POP, 0, 0, "192.0.2.9");
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id map = fixture_map(topology, "api", 1, ALL_DOWN_BASE);
    fixture_rule(topology, map, any, ids, ARRAY_SIZE(ids));
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return world_new(topology, geo);
}

static inline void free_snapshot(void *snapshot)
{
    snapshot_unref(snapshot);
}

static inline struct snapshot *fixture_snapshot(struct world *world, const char *document_text)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    assert_int_equal(document_parse(str_from(document_text), &diag, &document), ERR_OK);
    diag_fini(&diag);
    return snapshot_new(world, document, NULL);
}

static inline void fixture_routes(void)
{
    routes[0] = (struct pop_route){ .host = (char *)(uintptr_t) "www.example.com",
                                    .path = (char *)(uintptr_t) "/",
                                    .map = (char *)(uintptr_t) "api",
                                    .origin = -1,
                                    .deadline_ms = 10000,
                                    .try_ms = 3000,
                                    .idle_ms = 4000,
                                    .attempts = 4,
                                    .retries_status = true,
                                    .has_websocket = true,
                                    .tunnel_idle_ms = 20000,
                                    .body_idle_ms = 2000 };
    routes[1] = routes[0];
    routes[1].path = (char *)(uintptr_t) "/small";
    routes[1].body_max_bytes = 10;
    routes[1].has_websocket = false;
}

static inline void fixture_node(enum pop_role role, const char *site)
{
    fixture_routes();
    origin = (struct pop_origin){ .server_count = 2, .connections_max = 50 };
    node = (struct pop_node){ .role = role,
                              .site = (char *)(uintptr_t)site,
                              .origins = &origin,
                              .origin_count = 1,
                              .routes = routes,
                              .route_count = ARRAY_SIZE(routes),
                              .limits = { .replay_bytes = 256 },
                              .timeouts = { .write_stall_ms = 5000 },
                              .server_header = (char *)(uintptr_t) "steer" };
    for (size_t i = 0; role == POP_ROLE_GATEWAY && i < ARRAY_SIZE(routes); i++)
        routes[i].origin = 0;
}

/* `document`: the regions of it, {"us-east":{"mode":"evacuated"}}. */
static inline void fixture_start(enum pop_role role, const char *site, const char *document_regions)
{
    char text[512];
    memset(&seen, 0, sizeof(seen));
    memset(&worker, 0, sizeof(worker));
    snprintf(text, sizeof(text), "{\"v\":1,\"epoch\":\"E\",\"gen\":1,\"regions\":%s}",
             document_regions);
    fixture_node(role, site);
    struct world *world = fixture_world();
    struct route_spec specs[] = { { STR("www.example.com"), STR("/") },
                                  { STR("www.example.com"), STR("/small") } };
    fixture_settings = (struct settings){ .refs = 1,
                                          .version = 1,
                                          .node = &node,
                                          .world = world,
                                          .routes = route_table_new(specs, ARRAY_SIZE(specs)) };
    worker.count = 1;
    worker.role = role;
    worker.site = topology_find_site(world->topology, str_from(site));
    worker.settings = &fixture_settings;
    worker.rng = rng_init(7);
    worker.io.now_ms = worker.io.wheel.now_ms = 1000000;
    worker.budgets = mem_calloc(SITE_MAX, sizeof(*worker.budgets));
    for (size_t i = 0; i < SITE_MAX; i++)
        worker.budgets[i] = retry_budget_init(20, 10, worker.io.now_ms);
    worker.tally = mem_calloc(1, sizeof(*worker.tally));
    worker.traffic = traffic_new();
    worker.log = (struct access_log *)(void *)&seen; /* only its presence counts */
    worker.snapshots = publisher_new(1, fixture_snapshot(world, text), free_snapshot);
    pipe_pool_init(&worker.pipes, 16, (size_t)1 << 20);
    client_session = (struct http_session){ .version = HTTP_2, .pool = &worker.pipes };
    fake_peer_session =
        (struct http_session){ .ops = &fake_client_ops.session, .pool = &worker.pipes };
    flow = (struct transport_flow){ 0 };
    from = (struct exchange_origin){ .peer = fixture_addr("203.0.113.9"),
                                     .is_https = true,
                                     .source = SITE_NONE,
                                     .tls_version = "TLSv1.3" };
    worker.exchanges = exchanges_new(&worker);
}

static inline void fixture_stop(void)
{
    settle_peers();
    for (size_t i = 0; i < seen.peer_count; i++)
        assert_true(seen.peers[i].is_released && seen.peers[i].is_done);
    assert_int_equal(exchanges_count(worker.exchanges), 0);
    assert_int_equal(fixture_settings.refs, 1);
    exchanges_free(worker.exchanges);
    assert_int_equal(io_wheel_next_ms(&worker.io.wheel), UINT64_MAX);
    arena_fini(&seen.client.arena);
    publisher_free(worker.snapshots);
    traffic_free(worker.traffic);
    route_table_free(fixture_settings.routes);
    world_unref(fixture_settings.world);
    pipe_pool_fini(&worker.pipes);
    free(worker.budgets);
    free(worker.tally);
}

/* ---- the client ------------------------------------------------------------------------------ */

static inline void client_makes(const char *method, const char *path, bool has_body)
{
    struct http_server_stream *client = &seen.client;
    client->ops = &fake_server_ops;
    client->session = &client_session;
    client->has_body = has_body;
    client->request = (struct http_head){ .method = str_from(method),
                                          .scheme = STR("https"),
                                          .authority = STR("www.example.com"),
                                          .path = str_from(path),
                                          .content_length = -1 };
    arena_init(&client->arena, 1024);
    pipe_init(&client->body, &worker.pipes);
}

static inline void client_adds(const char *name, const char *value)
{
    http_head_add(&seen.client.request, &seen.client.arena, str_from(name), str_from(value));
}

static inline void client_asks(void)
{
    exchange_begin(worker.exchanges, &seen.client, &from);
}

static inline void client_get(void)
{
    client_makes("GET", "/a?b=c", false);
    client_asks();
}

static inline void client_sends(const char *content)
{
    pipe_write(&seen.client.body, content, strlen(content));
}

/* The response was produced whole, or the client has gone. */
static inline void client_closes(enum http_error error)
{
    if (seen.response_body != NULL) {
        if (error == HTTP_ERROR_NONE)
            while (pipe_peek(seen.response_body).len > 0)
                pipe_consume(seen.response_body, pipe_peek(seen.response_body).len);
        pipe_detach(seen.response_body);
    }
    seen.response_body = NULL;
    exchange_client_closed(seen.client.owner, &seen.client, error);
    assert_true(seen.is_released);
}

static inline void pass_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 10) {
        worker.io.now_ms += 10;
        worker.io.now_ns = worker.io.now_ms * 1000000;
        io_wheel_advance(&worker.io.wheel, worker.io.now_ms);
    }
}

static inline uint64_t counted(enum tally_id id)
{
    return counter_read(&worker.tally->counts[id]);
}

/* The line of the access log; owned by the caller. */
static inline json_t *log_line(void)
{
    struct diag diag;
    json_t *value = NULL;
    diag_init(&diag);
    assert_int_equal(seen.line_count, 1);
    struct str text = { .ptr = seen.line, .len = seen.line_len };
    assert_int_equal(json_parse(text, &diag, &value), ERR_OK);
    diag_fini(&diag);
    return value;
}

static inline void expect_log(uint16_t status, const char *cause)
{
    json_t *line = log_line();
    assert_int_equal(json_get_int(line, "status", -1), status);
    if (cause == NULL)
        assert_null(json_object_get(line, "cause"));
    else
        assert_true(str_eq_text(json_get_str(line, "cause"), cause));
    json_decref(line);
}
