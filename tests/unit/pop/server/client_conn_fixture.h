/* SPDX-License-Identifier: Apache-2.0 */
/* A client connection with a clock that the test turns, a session that says what it is told to, and
 * no socket. The functions below stand in for those of the files around it at link time.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_server.h"
#include "pop/http/h2_server.h"
#include "pop/server/client_conn.h"
#include "steering/base/mem.h"

enum {
    TLS_MS = 700,
    FIRST_BYTE_MS = 3000,
    HEAD_MS = 4000,
    KEEPALIVE_H1_MS = 6000,
    KEEPALIVE_H2_MS = 9000,
    ACK_MS = 5000,
    AGE_MS = 100000,
    STALL_MS = 8000,
    /* What client_conn.c has of its own. */
    PONG_MS = LIMIT(1000, 100),
    REST_MS = 2000,
    GRACE_MS = 1000,
};

enum { LISTEN_HTTPS, LISTEN_PROXY, LISTEN_BACKBONE, LISTEN_COUNT };

/* ---- what the connection does to its surroundings -------------------------------------------- */

struct transport {
    struct transport_settings settings;
    bool is_there;
};

static struct {
    struct transport transport;
    struct str alpn;
    unsigned closes, aborts, cuts, marks, pauses;

    struct http_session session;
    const struct http_server_events *events;
    unsigned drains, final_drains, pings, rests;
    bool is_freed;
    struct http_server_stream stream;
    unsigned requests, ended;
    const char *lost; /* what was said of the last one before */
    struct transport_flow flow;

    unsigned proxy_starts, proxy_stops, drained_checks;
    size_t conn_count;
    struct client_conn *conn; /* the only one; NULL: gone */
} seen;

struct transport *transport_accept(struct io *io, int fd, const struct transport_settings *settings,
                                   const uint8_t *head, size_t head_len)
{
    (void)io;
    (void)fd;
    (void)head;
    (void)head_len;
    seen.transport = (struct transport){ .settings = *settings, .is_there = true };
    return &seen.transport;
}

void transport_mark(struct transport *transport)
{
    assert_true(transport->is_there);
    seen.marks++;
}

void transport_pause(struct transport *transport)
{
    assert_true(transport->is_there);
    seen.pauses++;
}

void transport_resume(struct transport *transport)
{
    assert_true(transport->is_there);
}

void transport_end(struct transport *transport)
{
    assert_true(transport->is_there);
}

void transport_close(struct transport *transport)
{
    assert_true(transport->is_there);
    seen.closes++;
}

void transport_cut(struct transport *transport)
{
    assert_true(transport->is_there);
    seen.cuts++;
}

void transport_abort(struct transport *transport)
{
    assert_true(transport->is_there);
    seen.aborts++;
}

struct transport_info transport_info(const struct transport *transport)
{
    assert_true(transport->is_there);
    return (struct transport_info){
        .is_open = true, .tls = { .is_tls = true, .version = TLS_VERSION_1_3, .alpn = seen.alpn }
    };
}

struct transport_flow transport_flow(const struct transport *transport)
{
    assert_true(transport->is_there);
    return seen.flow;
}

uint32_t transport_rtt_us(const struct transport *transport)
{
    assert_true(transport->is_there);
    return 1000;
}

const struct tls_engine *transport_tls(const struct transport *transport)
{
    return (const struct tls_engine *)(const void *)transport;
}

struct str tls_peer_name(const struct tls_engine *engine, size_t index)
{
    assert_ptr_equal(engine, &seen.transport);
    return index == 0 ? STR("gru1.pop.steer") : STR("");
}

void client_proxy_start(struct client_conn *conn, int fd)
{
    (void)conn;
    (void)fd;
    seen.proxy_starts++;
}

void client_proxy_stop(struct client_conn *conn)
{
    (void)conn;
    seen.proxy_stops++;
}

void clients_add(struct clients *clients, struct client_conn *conn)
{
    (void)clients;
    seen.conn_count++;
    seen.conn = conn;
}

void clients_remove(struct clients *clients, struct client_conn *conn)
{
    client_addrs_remove(&clients->addrs, &conn->member);
    seen.conn_count--;
    seen.conn = NULL;
}

void clients_set_idle(struct client_conn *conn, bool is_idle)
{
    conn->is_idle = is_idle;
}

void clients_check_drained(struct clients *clients)
{
    (void)clients;
    seen.drained_checks++;
}

struct settings *settings_ref(struct settings *settings)
{
    settings->refs++;
    return settings;
}

void settings_unref(struct settings *settings)
{
    settings->refs--;
}

void exchange_begin(struct exchanges *exchanges, struct http_server_stream *stream,
                    const struct exchange_origin *origin)
{
    (void)exchanges;
    (void)origin;
    stream->owner = &seen;
    seen.requests++;
}

void exchange_client_closed(void *stream_owner, struct http_server_stream *stream,
                            enum http_error error)
{
    (void)stream;
    (void)error;
    assert_ptr_equal(stream_owner, &seen);
    seen.ended++;
}

void exchange_client_lost(void *stream_owner, const char *cause)
{
    assert_ptr_equal(stream_owner, &seen);
    seen.lost = cause;
}

void exchanges_rejected(struct exchanges *exchanges, const struct exchange_origin *origin,
                        enum http_version version, uint16_t status, const char *reason)
{
    (void)exchanges;
    (void)origin;
    (void)version;
    (void)status;
    (void)reason;
}

const struct http_server_events client_redirect_events;

/* ---- the clock ------------------------------------------------------------------------------- */

static struct worker worker;
static struct clients clients;
static struct settings settings;
static struct pop_node node;
static struct topology topology;
static struct world world = { .topology = &topology };
static struct pop_listen listens[LISTEN_COUNT];
static struct tls_context *contexts[LISTEN_COUNT];

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

static inline void pass_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        worker.io.now_ms++;
        io_wheel_advance(&worker.io.wheel, worker.io.now_ms);
    }
}

static inline bool is_clock_running(void)
{
    return io_wheel_next_ms(&worker.io.wheel) != UINT64_MAX;
}

/* ---- the session: each octet that it receives is an order ------------------------------------ */

enum order {
    BEGIN_HEAD = 'h', /* the first octets of a head, and no more */
    MORE_HEAD = '.',
    REQUEST = 'r', /* a whole one; ends what was begun */
    ACK = 'a',
    PONG = 'p',
    OVER = 'x',
};

static inline struct client_conn *conn_of(struct http_session *session)
{
    assert_ptr_equal(session, &seen.session);
    return session->owner;
}

static inline void fake_receive(struct http_session *session, const uint8_t *bytes, size_t len)
{
    assert_int_equal(len, 1);
    switch ((enum order)bytes[0]) {
    case BEGIN_HEAD:
        session->is_head_open = session->version == HTTP_2;
        return;
    case MORE_HEAD:
        return;
    case REQUEST:
        session->is_head_open = false;
        session->total_streams++;
        session->open_streams++;
        seen.stream = (struct http_server_stream){ .session = session };
        seen.events->on_request(session->owner, &seen.stream);
        return;
    case ACK:
        seen.events->session.on_settings_ack(session->owner);
        return;
    case PONG:
        seen.events->session.on_pong(session->owner);
        return;
    case OVER:
        session->is_over = true;
        return;
    }
    fail();
}

static inline bool fake_wants(const struct http_session *session)
{
    (void)session;
    return true;
}

static inline void fake_drain(struct http_session *session, bool is_final)
{
    (void)conn_of(session);
    seen.drains += !is_final;
    seen.final_drains += is_final;
}

static inline void fake_ping(struct http_session *session)
{
    (void)conn_of(session);
    seen.pings++;
}

static inline void fake_rest(struct http_session *session)
{
    (void)conn_of(session);
    seen.rests++;
}

static inline void fake_free(struct http_session *session)
{
    (void)conn_of(session);
    for (; session->open_streams > 0; session->open_streams--)
        seen.events->on_closed(seen.stream.owner, &seen.stream, HTTP_ERROR_CLOSED);
    seen.is_freed = true;
}

static const struct http_session_ops fake_ops = { .receive = fake_receive,
                                                  .wants_write = fake_wants,
                                                  .wants_read = fake_wants,
                                                  .drain = fake_drain,
                                                  .ping = fake_ping,
                                                  .rest = fake_rest,
                                                  .free = fake_free };

static inline struct http_session *fake_session(const struct http_server_events *events,
                                                void *owner, enum http_version version)
{
    seen.events = events;
    seen.session = (struct http_session){ .ops = &fake_ops, .owner = owner, .version = version };
    return &seen.session;
}

struct http_session *h2_server_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_server_events *events, void *owner)
{
    (void)limits;
    (void)pool;
    return fake_session(events, owner, HTTP_2);
}

struct http_session *h1_server_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_server_events *events, void *owner,
                                   bool is_https)
{
    (void)limits;
    (void)pool;
    (void)is_https;
    return fake_session(events, owner, HTTP_1_1);
}

/* ---- fixture --------------------------------------------------------------------------------- */

static uint64_t age_ms = AGE_MS;

static inline void connects(size_t listen, const char *alpn)
{
    const struct addr peer = { .family = ADDR_V4, .bytes = { 203, 0, 113, 9 } };
    memset(&seen, 0, sizeof(seen));
    memset(&worker, 0, sizeof(worker));
    memset(&clients, 0, sizeof(clients));
    seen.alpn = str_from(alpn);
    node = (struct pop_node){ .listens = listens,
                              .listen_count = LISTEN_COUNT,
                              .timeouts = { .tls_ms = TLS_MS,
                                            .first_byte_ms = FIRST_BYTE_MS,
                                            .head_ms = HEAD_MS,
                                            .keepalive_h1_ms = KEEPALIVE_H1_MS,
                                            .keepalive_h2_ms = KEEPALIVE_H2_MS,
                                            .settings_ack_ms = ACK_MS,
                                            .write_stall_ms = STALL_MS,
                                            .max_age_ms = age_ms } };
    settings =
        (struct settings){ .refs = 1, .node = &node, .tls_listen = contexts, .world = &world };
    contexts[LISTEN_HTTPS] = (struct tls_context *)(void *)&seen; /* only its presence counts */
    worker.settings = &settings;
    worker.tally = mem_calloc(1, sizeof(*worker.tally));
    worker.rng = rng_init(7);
    worker.io.now_ms = worker.io.wheel.now_ms = 1000000;
    clients.worker = &worker;
    client_addrs_init(&clients.addrs, 4, 1);
    client_conn_new(&clients, listen, -1, &peer, 40000);
}

static inline void opens(void)
{
    seen.transport.settings.events->on_open(seen.transport.settings.owner);
}

static inline void starts(const char *alpn)
{
    connects(LISTEN_HTTPS, alpn);
    opens();
}

static inline void receives(enum order order)
{
    const uint8_t octet = (uint8_t)order;
    seen.transport.settings.events->on_bytes(seen.transport.settings.owner, &octet, 1);
}

/* The response has been produced whole. */
static inline void request_ends(void)
{
    seen.session.open_streams--;
    seen.events->on_closed(seen.stream.owner, &seen.stream, HTTP_ERROR_NONE);
}

static inline void is_gone(enum transport_cause cause)
{
    void *owner = seen.transport.settings.owner;
    seen.transport.settings.events->on_closed(owner, cause);
    seen.transport.is_there = false;
}

/* Whatever there is ends; nothing may stay behind. */
static inline void ends(void)
{
    if (seen.conn != NULL && seen.conn->transport != NULL)
        is_gone(TRANSPORT_LOCAL);
    else if (seen.conn != NULL)
        client_conn_close(seen.conn);
    assert_int_equal(seen.conn_count, 0);
    assert_int_equal(seen.drained_checks, 1);
    assert_int_equal(settings.refs, 1);
    assert_false(is_clock_running());
    assert_int_equal(clients.addrs.count, 0);
    client_addrs_fini(&clients.addrs);
    free(worker.tally);
}

/* It closes in exactly `ms`, orderly. */
static inline void expect_close_in(uint64_t ms)
{
    pass_ms(ms - 1);
    assert_int_equal(seen.closes, 0);
    pass_ms(1);
    assert_int_equal(seen.closes, 1);
}

static inline int fill_listens(void **state)
{
    (void)state;
    listens[LISTEN_HTTPS].kind = POP_LISTEN_HTTPS;
    listens[LISTEN_PROXY] =
        (struct pop_listen){ .kind = POP_LISTEN_HTTPS, .has_proxy_protocol = true };
    listens[LISTEN_BACKBONE].kind = POP_LISTEN_BACKBONE;
    return 0;
}
