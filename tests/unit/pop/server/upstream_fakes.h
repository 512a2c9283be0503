/* SPDX-License-Identifier: Apache-2.0 */
/* A world for the upstream without sockets, HTTP and time: transports and sessions are records
 * that the test plays the far end of. The functions below stand in for those of io.c,
 * transport.c, settings.c, exchange.c and the client codecs at link time.
 *
 * Shape:     upstream_conn <-> fake_link {transport, session, streams}
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_client.h"
#include "pop/http/h2_client.h"
#include "pop/server/exchange.h"
#include "pop/server/upstream_priv.h"
#include "steering/base/mem.h"

enum { LINKS_MAX = 4096, STREAMS_MAX = 512, TIMERS_MAX = 4096 };

struct fake_stream {
    struct http_client_stream stream; /* first */
    struct fake_link *link;
    bool is_open;
};

struct fake_link {
    struct http_session session; /* first */
    struct transport_events const *events;
    void *owner;
    struct addr addr;
    uint16_t port;
    char server_name[64];
    bool is_there, is_opened, is_marked, is_closing, is_aborted, has_session;
    const struct http_client_events *session_events;
    uint32_t peer_streams; /* what the peer allows; HTTP/1.1: 1 */
    unsigned pings;
    struct fake_stream streams[STREAMS_MAX];
};

/* What transports are to the upstream. */
struct transport {
    struct fake_link link;
};

static struct {
    struct transport *links[LINKS_MAX];
    size_t link_count; /* ever made */
    struct io_timer *timers[TIMERS_MAX];
    size_t timer_count;
    struct io *io;
    struct transport *opening; /* whose on_open runs: it makes a session */
} fakes;

/* ---- timers ---------------------------------------------------------------------------------- */

void io_timer_start(struct io *io, struct io_timer *timer, uint64_t after_ms,
                    void (*on_fire)(struct io_timer *timer))
{
    io_timer_stop(io, timer);
    assert_true(fakes.timer_count < TIMERS_MAX);
    fakes.timers[fakes.timer_count++] = timer;
    timer->at_ms = io->now_ms + after_ms;
    timer->on_fire = on_fire;
    timer->link = &timer->next;
}

void io_timer_stop(struct io *io, struct io_timer *timer)
{
    (void)io;
    for (size_t i = 0; i < fakes.timer_count; i++) {
        if (fakes.timers[i] == timer) {
            fakes.timers[i] = fakes.timers[--fakes.timer_count];
            break;
        }
    }
    timer->link = NULL;
}

static struct io_timer *next_due(uint64_t until_ms)
{
    struct io_timer *due = NULL;
    for (size_t i = 0; i < fakes.timer_count; i++)
        if (fakes.timers[i]->at_ms <= until_ms &&
            (due == NULL || fakes.timers[i]->at_ms < due->at_ms))
            due = fakes.timers[i];
    return due;
}

static inline void end_links(void);

static inline void set_time(uint64_t now_ms)
{
    fakes.io->now_ms = now_ms;
    fakes.io->now_ns = now_ms * 1000000;
}

/* Lets time pass: what is due runs, and transports that ended are told. */
static inline void pass(uint64_t ms)
{
    uint64_t until_ms = fakes.io->now_ms + ms;
    end_links();
    for (;;) {
        struct io_timer *due = next_due(until_ms);
        if (due == NULL)
            break;
        if (due->at_ms > fakes.io->now_ms)
            set_time(due->at_ms);
        io_timer_stop(fakes.io, due);
        due->on_fire(due);
        end_links();
    }
    set_time(until_ms);
}

/* ---- transports ------------------------------------------------------------------------------ */

struct transport *transport_connect(struct io *io, const struct addr *addr, uint16_t port,
                                    const struct transport_settings *settings)
{
    (void)io;
    assert_true(fakes.link_count < LINKS_MAX);
    struct transport *transport = mem_calloc(1, sizeof(*transport));
    transport->link.events = settings->events;
    transport->link.owner = settings->owner;
    transport->link.addr = *addr;
    transport->link.port = port;
    transport->link.is_there = true;
    transport->link.peer_streams = 100;
    if (settings->server_name != NULL)
        strncpy(transport->link.server_name, settings->server_name, 63);
    fakes.links[fakes.link_count++] = transport;
    return transport;
}

void transport_mark(struct transport *transport)
{
    assert_true(transport->link.is_there);
    transport->link.is_marked = true;
}
void transport_pause(struct transport *transport)
{
    (void)transport;
}
void transport_resume(struct transport *transport)
{
    (void)transport;
}
void transport_end(struct transport *transport)
{
    assert_true(transport->link.is_there);
}
void transport_close(struct transport *transport)
{
    assert_true(transport->link.is_there);
    transport->link.is_closing = true;
}
void transport_abort(struct transport *transport)
{
    assert_true(transport->link.is_there);
    transport->link.is_aborted = true;
}
struct transport_info transport_info(const struct transport *transport)
{
    return (struct transport_info){
        .is_open = transport->link.is_opened,
        .tls = { .is_tls = true, .version = TLS_VERSION_1_3, .alpn = STR("h2") },
        .fd = -1,
    };
}
uint32_t transport_rtt_us(const struct transport *transport)
{
    (void)transport;
    return 1000;
}
const char *transport_reason(const struct transport *transport)
{
    (void)transport;
    return "";
}
const char *transport_cause_name(enum transport_cause cause)
{
    return cause == TRANSPORT_REFUSED ? "connect_refused" : "reset";
}

/* The connection has ended, for whatever reason. */
static inline void end_link(struct transport *transport, enum transport_cause cause)
{
    transport->link.is_there = false;
    transport->link.events->on_closed(transport->link.owner, cause);
}

static inline void end_links(void)
{
    for (size_t i = 0; i < fakes.link_count; i++) {
        struct transport *transport = fakes.links[i];
        if (transport->link.is_there && (transport->link.is_closing || transport->link.is_aborted))
            end_link(transport, TRANSPORT_LOCAL);
    }
}

/* ---- sessions -------------------------------------------------------------------------------- */

static struct fake_link *link_of(const struct http_session *session)
{
    return container_of((struct http_session *)(uintptr_t)session, struct fake_link, session);
}

static void fake_receive(struct http_session *session, const uint8_t *bytes, size_t len)
{
    (void)session;
    (void)bytes;
    (void)len;
}
static void fake_receive_end(struct http_session *session)
{
    session->is_over = true;
}
static size_t fake_produce(struct http_session *session, uint8_t *out, size_t capacity)
{
    assert_non_null(session);
    if (capacity > 0)
        out[0] = 0;
    return 0;
}
static bool fake_wants_write(const struct http_session *session)
{
    (void)session;
    return false;
}
static bool fake_wants_read(const struct http_session *session)
{
    (void)session;
    return true;
}
static void fake_drain(struct http_session *session, bool is_final)
{
    (void)is_final;
    session->is_draining = true;
}
static void fake_ping(struct http_session *session)
{
    link_of(session)->pings++;
}

static void end_stream(struct fake_stream *stream, enum http_error error)
{
    assert_true(stream->is_open);
    stream->is_open = false;
    stream->link->session.open_streams--;
    stream->link->session_events->on_closed(
        stream->stream.owner, &stream->stream,
        (struct http_outcome){ .error = error, .has_response = error == HTTP_ERROR_NONE });
}

static void fake_free(struct http_session *session)
{
    struct fake_link *link = link_of(session);
    assert_true(link->has_session);
    assert_false(link->is_there); /* only when the transport is gone */
    for (size_t i = 0; i < STREAMS_MAX; i++)
        if (link->streams[i].is_open)
            end_stream(&link->streams[i], HTTP_ERROR_CLOSED);
    link->has_session = false;
}

static uint32_t fake_room(const struct http_session *session)
{
    const struct fake_link *link = link_of(session);
    if (session->is_draining || session->is_over)
        return 0;
    return link->peer_streams > session->open_streams ? link->peer_streams - session->open_streams
                                                      : 0;
}

static struct http_client_stream *fake_request(struct http_session *session,
                                               const struct http_head *head, struct pipe *body,
                                               void *stream_owner)
{
    struct fake_link *link = link_of(session);
    (void)head;
    (void)body;
    assert_true(link->is_there);
    assert_true(fake_room(session) > 0); /* never more than the peer allows */
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        struct fake_stream *stream = &link->streams[i];
        if (stream->is_open)
            continue;
        stream->is_open = true;
        stream->link = link;
        stream->stream.owner = stream_owner;
        stream->stream.session = session;
        session->open_streams++;
        return &stream->stream;
    }
    fail();
    return NULL;
}

static bool fake_takes_websocket(const struct http_session *session)
{
    return link_of(session)->peer_streams == 99;
}
static void fake_cancel(struct http_client_stream *stream, enum http_error error)
{
    (void)stream;
    (void)error;
}
static void fake_release(struct http_client_stream *stream)
{
    (void)stream;
}

static const struct http_client_ops fake_ops = {
    .session = { .receive = fake_receive,
                 .receive_end = fake_receive_end,
                 .produce = fake_produce,
                 .wants_write = fake_wants_write,
                 .wants_read = fake_wants_read,
                 .drain = fake_drain,
                 .ping = fake_ping,
                 .free = fake_free },
    .request = fake_request,
    .room = fake_room,
    .takes_websocket = fake_takes_websocket,
    .cancel = fake_cancel,
    .release = fake_release,
};

static struct http_session *make_session(const struct http_client_events *events, void *owner,
                                         bool is_http2)
{
    struct fake_link *link = &fakes.opening->link;
    link->session = (struct http_session){
        .ops = &fake_ops.session,
        .events = &events->session,
        .owner = owner,
        .version = is_http2 ? HTTP_2 : HTTP_1_1,
    };
    link->session_events = events;
    link->has_session = true;
    if (!is_http2)
        link->peer_streams = 1;
    return &link->session;
}
struct http_session *h2_client_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_client_events *events, void *owner)
{
    (void)limits;
    (void)pool;
    return make_session(events, owner, true);
}
struct http_session *h1_client_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_client_events *events, void *owner,
                                   uint64_t seed)
{
    (void)limits;
    (void)pool;
    (void)seed;
    return make_session(events, owner, false);
}

/* ---- the far end ----------------------------------------------------------------------------- */

static inline void far_accepts(struct transport *transport)
{
    transport->link.is_opened = true;
    fakes.opening = transport;
    transport->link.events->on_open(transport->link.owner);
    fakes.opening = NULL;
}
static inline void far_speaks(struct transport *transport)
{
    static const uint8_t byte;
    transport->link.events->on_bytes(transport->link.owner, &byte, 1);
}
static inline void far_settles(struct transport *transport)
{
    struct fake_link *link = &transport->link;
    link->session_events->session.on_settings(link->session.owner);
    link->session_events->session.on_settings_ack(link->session.owner);
    far_speaks(transport);
}
static inline void far_goes_away(struct transport *transport)
{
    struct fake_link *link = &transport->link;
    link->session.is_draining = true;
    link->session_events->session.on_draining(link->session.owner);
    far_speaks(transport);
}
static inline void far_pongs(struct transport *transport)
{
    struct fake_link *link = &transport->link;
    link->session_events->session.on_pong(link->session.owner);
    far_speaks(transport);
}
static inline bool is_pending(const struct transport *transport)
{
    const struct fake_link *link = &transport->link;
    return link->is_there && !link->is_opened && !link->is_closing && !link->is_aborted;
}
/* Everything that connects comes to stand. Returns how many did. */
static inline size_t far_accepts_all(bool is_http2)
{
    size_t count = 0;
    for (size_t i = 0; i < fakes.link_count; i++) {
        if (!is_pending(fakes.links[i]))
            continue;
        far_accepts(fakes.links[i]);
        if (is_http2)
            far_settles(fakes.links[i]);
        count++;
    }
    return count;
}
static inline size_t far_refuses_all(void)
{
    size_t count = 0;
    size_t until = fakes.link_count; /* not what is opened instead */
    for (size_t i = 0; i < until; i++) {
        if (!is_pending(fakes.links[i]))
            continue;
        end_link(fakes.links[i], TRANSPORT_REFUSED);
        count++;
    }
    return count;
}
static inline size_t count_there(uint16_t port)
{
    size_t count = 0;
    for (size_t i = 0; i < fakes.link_count; i++)
        count += fakes.links[i]->link.is_there && (port == 0 || fakes.links[i]->link.port == port);
    return count;
}

/* ---- settings -------------------------------------------------------------------------------- */

struct settings *settings_ref(struct settings *settings)
{
    settings->refs++;
    return settings;
}
void settings_unref(struct settings *settings)
{
    if (settings != NULL)
        settings->refs--;
}

/* ---- who asks -------------------------------------------------------------------------------- */

struct asker {
    struct upstream_waiter waiter;
    struct upstream_lease lease;
    struct http_client_stream *stream;
    unsigned leases, lacks, ends;
    enum upstream_lack lack;
    enum http_error error;
    bool was_ping_dead, is_lazy; /* lazy: starts no request */
    uint16_t status;
};

static void on_lease(struct upstream_waiter *waiter, const struct upstream_lease *lease)
{
    struct asker *asker = container_of(waiter, struct asker, waiter);
    const struct http_head head = { .method = STR("GET"), .path = STR("/") };
    asker->leases++;
    asker->lease = *lease;
    if (!asker->is_lazy)
        asker->stream = http_client_request(lease->session, &head, NULL, asker);
}

static void on_lack(struct upstream_waiter *waiter, enum upstream_lack lack)
{
    struct asker *asker = container_of(waiter, struct asker, waiter);
    asker->lacks++;
    asker->lack = lack;
}

void exchange_on_inform(void *stream_owner, struct http_client_stream *stream,
                        const struct http_head *head)
{
    (void)stream_owner;
    (void)stream;
    (void)head;
}
void exchange_on_response(void *stream_owner, struct http_client_stream *stream)
{
    (void)stream_owner;
    (void)stream;
}
void exchange_on_closed(void *stream_owner, struct http_client_stream *stream,
                        struct http_outcome outcome)
{
    struct asker *asker = stream_owner;
    (void)stream;
    asker->ends++;
    asker->error = outcome.error;
    asker->stream = NULL;
    asker->was_ping_dead = upstream_is_ping_dead(&asker->lease);
    const struct upstream_result result = {
        .is_success = outcome.error == HTTP_ERROR_NONE,
        .status = outcome.error != HTTP_ERROR_NONE ? 0
                  : asker->status != 0             ? asker->status
                                                   : 200,
        .error = outcome.error,
        .first_byte_us = 1000,
        .load_percent = UINT32_MAX,
    };
    upstream_done(asker->waiter.upstream, &asker->lease, &result);
}

static inline void ask_with(struct upstream *upstream, struct asker *asker,
                            const struct upstream_wish *wish)
{
    memset(asker, 0, sizeof(*asker));
    asker->waiter.wish = *wish;
    asker->waiter.wish.host = STR("www.example.com:443");
    asker->waiter.on_lease = on_lease;
    asker->waiter.on_lack = on_lack;
    upstream_acquire(upstream, &asker->waiter);
}

/* `target` in the numbers of `settings`; NULL: the present ones. */
static inline void ask_by(struct upstream *upstream, struct asker *asker,
                          const struct upstream_target *target, const struct settings *settings)
{
    ask_with(upstream, asker, &(struct upstream_wish){ .target = *target, .settings = settings });
}

static inline void ask_as(struct upstream *upstream, struct asker *asker,
                          const struct upstream_target *target, bool is_last_resort)
{
    const struct upstream_wish wish = { .target = *target, .is_last_resort = is_last_resort };
    ask_with(upstream, asker, &wish);
}

static inline void ask(struct upstream *upstream, struct asker *asker,
                       const struct upstream_target *target)
{
    ask_by(upstream, asker, target, NULL);
}

/* The response is complete; the transport delivers it. */
static inline void answer(struct asker *asker)
{
    struct fake_stream *stream = (struct fake_stream *)(void *)asker->stream;
    struct transport *transport = container_of(stream->link, struct transport, link);
    end_stream(stream, HTTP_ERROR_NONE);
    far_speaks(transport);
}

static inline struct transport *transport_of(const struct asker *asker)
{
    return container_of(link_of(asker->lease.session), struct transport, link);
}

/* ---- the world ------------------------------------------------------------------------------- */

enum { US, EU, ASIA, GRU, SITES };

static struct {
    struct tally tally;
    struct upstream *upstream;
    struct world world;
    struct topology topology;
    struct pop_origin origins[2];
    struct settings settings;
    struct site sites[SITES];
    struct pop_node node;
    struct worker worker;
    unsigned warm_calls, closed_calls;
    struct pop_origin_server servers[2][3];
    struct site_gateway gateways[3][3];
} all;

static uint64_t tallied(enum tally_id id)
{
    return counter_read(&all.tally.counts[id]);
}

static void on_warm(void *owner)
{
    (void)owner;
    all.warm_calls++;
}
static void on_closed(void *owner)
{
    (void)owner;
    all.closed_calls++;
}

static inline struct upstream_target region(unsigned number)
{
    return (struct upstream_target){ .region = { (uint16_t)number } };
}
static inline struct upstream_target origin(size_t index)
{
    return (struct upstream_target){ .is_origin = true, .origin = index };
}

/* Regions us and eu with two gateways each (ports 1001, 1002; 2001, 2002), asia without; origin
 * pools "h1" (ports 81, 82) and "h2" (91, 92). We are in gru, near us. */
static inline void make_world(void)
{
    /* Not const: the structs own their texts. */
    /* cppcheck-suppress constVariable */
    static char names[SITES][8] = { "us", "eu", "asia", "gru" };
    /* cppcheck-suppress constVariable */
    static char identities[SITES][8] = { "us.id", "eu.id", "asia.id", "gru.id" };
    static char h1_name[] = "h1", h2_name[] = "h2";
    static const double longitudes[SITES] = { -80, 0, 100, -46 };
    memset(&all, 0, sizeof(all));
    for (size_t i = 0; i < fakes.link_count; i++)
        free(fakes.links[i]);
    memset(&fakes, 0, sizeof(fakes));
    for (size_t i = 0; i < SITES; i++) {
        all.sites[i] = (struct site){ .name = names[i],
                                      .identity = identities[i],
                                      .kind = i == GRU ? SITE_POP : SITE_REGION,
                                      .lon_deg = longitudes[i] };
        for (size_t k = 0; k < 2 && i < ASIA; k++)
            all.gateways[i][k] = (struct site_gateway){ addr_from_v4_u32(0x7f000001),
                                                        (uint16_t)(1000 * (i + 1) + k + 1) };
        all.sites[i].gateways = i < ASIA ? all.gateways[i] : NULL;
        all.sites[i].gateway_count = i < ASIA ? 2 : 0;
    }
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 2; k++)
            all.servers[i][k] = (struct pop_origin_server){ addr_from_v4_u32(0x7f000001),
                                                            (uint16_t)(81 + 10 * i + k) };
        all.origins[i] = (struct pop_origin){
            .name = i == 0 ? h1_name : h2_name,
            .servers = all.servers[i],
            .server_count = 2,
            .protocol = i == 0 ? POP_ORIGIN_HTTP1 : POP_ORIGIN_HTTP2,
            .connections_max = 4,
            .idle_max = 2,
            .idle_ms = 30000,
            .connect_ms = 500,
            .eject_failures = 3,
            .eject_ms = 10000,
        };
    }
    all.topology = (struct topology){ .sites = all.sites, .site_count = SITES, .region_count = 3 };
    all.world.topology = &all.topology;
    all.node = (struct pop_node){ .origins = all.origins, .origin_count = 2 };
    all.node.backbone = (struct pop_backbone){ .floor = 2,
                                               .fallback_floor = 1,
                                               .connections_max = 8,
                                               .max_age_ms = 0,
                                               .connects_per_s = 1000,
                                               .connect_ms = 1000,
                                               .tls_ms = 2000,
                                               .settings_ms = 2000,
                                               .acquire_ms = 250,
                                               .ping_idle_ms = 5000,
                                               .ping_timeout_min_ms = 500 };
    static struct tls_context *no_tls[2];
    all.settings = (struct settings){ .refs = 1,
                                      .node = &all.node,
                                      .world = &all.world,
                                      .tls_backbone = (struct tls_context *)(void *)&all,
                                      .tls_origins = no_tls };
    all.worker.role = POP_ROLE_POP;
    all.worker.site = (struct site_id){ GRU };
    all.worker.settings = &all.settings;
    all.worker.tally = &all.tally;
    all.worker.rng = rng_init(7);
    fakes.io = &all.worker.io;
    set_time(1000000);
}

static inline void start(void)
{
    make_world();
    all.upstream = upstream_new(&all.worker);
    upstream_on_warm(all.upstream, on_warm, NULL);
}

static inline void start_warm(void)
{
    start();
    for (int i = 0; i < 20; i++) {
        pass(0);
        far_accepts_all(true);
    }
    pass(0);
    assert_true(upstream_is_warm(all.upstream));
}

static inline void stop(void)
{
    upstream_close(all.upstream, on_closed, NULL);
    pass(10000);
    assert_int_equal(all.closed_calls, 1);
    assert_int_equal(count_there(0), 0);
    for (enum tally_id id = TALLY_PEER_CONNS_CONNECTING; id <= TALLY_PEER_CONNS_SUSPECT; id++)
        assert_int_equal(tallied(id), 0);
    upstream_free(all.upstream);
    assert_int_equal(all.settings.refs, 1);
    assert_int_equal(fakes.timer_count, 0);
}
