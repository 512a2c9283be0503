/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of a client connection, from its first byte to its greatest age: with a clock that the
 * test turns, a session that says what it is told to, and no socket. */
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
    unsigned requests;

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

const struct tls_engine *transport_tls(const struct transport *transport)
{
    (void)transport;
    return NULL;
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
static struct topology no_sites;
static struct world world = { .topology = &no_sites };
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

static void pass_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        worker.io.now_ms++;
        io_wheel_advance(&worker.io.wheel, worker.io.now_ms);
    }
}

static bool is_clock_running(void)
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

static struct client_conn *conn_of(struct http_session *session)
{
    assert_ptr_equal(session, &seen.session);
    return session->owner;
}

static void fake_receive(struct http_session *session, const uint8_t *bytes, size_t len)
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

static bool fake_wants(const struct http_session *session)
{
    (void)session;
    return true;
}

static void fake_drain(struct http_session *session, bool is_final)
{
    (void)conn_of(session);
    seen.drains += !is_final;
    seen.final_drains += is_final;
}

static void fake_ping(struct http_session *session)
{
    (void)conn_of(session);
    seen.pings++;
}

static void fake_rest(struct http_session *session)
{
    (void)conn_of(session);
    seen.rests++;
}

static void fake_free(struct http_session *session)
{
    (void)conn_of(session);
    seen.is_freed = true;
}

static const struct http_session_ops fake_ops = { .receive = fake_receive,
                                                  .wants_write = fake_wants,
                                                  .wants_read = fake_wants,
                                                  .drain = fake_drain,
                                                  .ping = fake_ping,
                                                  .rest = fake_rest,
                                                  .free = fake_free };

static struct http_session *fake_session(const struct http_server_events *events, void *owner,
                                         enum http_version version)
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

static void connects(size_t listen, const char *alpn)
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

static void opens(void)
{
    seen.transport.settings.events->on_open(seen.transport.settings.owner);
}

static void starts(const char *alpn)
{
    connects(LISTEN_HTTPS, alpn);
    opens();
}

static void receives(enum order order)
{
    const uint8_t octet = (uint8_t)order;
    seen.transport.settings.events->on_bytes(seen.transport.settings.owner, &octet, 1);
}

/* The response has been produced whole. */
static void request_ends(void)
{
    seen.session.open_streams--;
    seen.events->on_closed(seen.stream.owner, &seen.stream, HTTP_ERROR_NONE);
}

static void is_gone(enum transport_cause cause)
{
    void *owner = seen.transport.settings.owner;
    seen.transport.settings.events->on_closed(owner, cause);
    seen.transport.is_there = false;
}

/* Whatever there is ends; nothing may stay behind. */
static void ends(void)
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
static void expect_close_in(uint64_t ms)
{
    pass_ms(ms - 1);
    assert_int_equal(seen.closes, 0);
    pass_ms(1);
    assert_int_equal(seen.closes, 1);
}

/* ---- before the first request ---------------------------------------------------------------- */

static void test_handshake_has_the_transports_clock(void **state)
{
    (void)state;
    connects(LISTEN_HTTPS, "h2");
    assert_int_equal(seen.transport.settings.handshake_ms, TLS_MS);
    assert_false(is_clock_running()); /* no second clock beside it */
    is_gone(TRANSPORT_TLS_TIMEOUT);
    assert_int_equal(counter_read(&worker.tally->counts[TALLY_HANDSHAKES_FAILED]), 1);
    ends();
}

static void test_proxy_header_that_does_not_come(void **state)
{
    (void)state;
    connects(LISTEN_PROXY, "");
    assert_int_equal(seen.proxy_starts, 1);
    assert_false(seen.transport.is_there);
    pass_ms(FIRST_BYTE_MS - 1);
    assert_int_equal(seen.proxy_stops, 0);
    pass_ms(1);
    assert_int_equal(seen.proxy_stops, 1);
    assert_null(seen.conn);
    ends();
}

static void test_proxy_header_hands_over_to_the_handshake(void **state)
{
    (void)state;
    connects(LISTEN_PROXY, "h2");
    pass_ms(FIRST_BYTE_MS - 1);
    client_conn_start(seen.conn, -1, NULL, 0);
    assert_false(is_clock_running());
    pass_ms(FIRST_BYTE_MS);
    opens();
    expect_close_in(FIRST_BYTE_MS); /* counted from here */
    ends();
}

static void test_silence_after_the_handshake(void **state)
{
    static const char *const protocols[] = { "http/1.1", "h2" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        connects(LISTEN_HTTPS, protocols[i]);
        pass_ms(FIRST_BYTE_MS); /* of handshake */
        opens();
        expect_close_in(FIRST_BYTE_MS);
        ends();
    }
}

static void test_backbone_without_identity_is_aborted(void **state)
{
    (void)state;
    connects(LISTEN_BACKBONE, "h2");
    opens();
    assert_int_equal(seen.aborts, 1);
    assert_null(seen.conn->session);
    ends();
}

/* ---- heads ----------------------------------------------------------------------------------- */

static void test_h1_head_must_end_in_time(void **state)
{
    (void)state;
    starts("http/1.1");
    pass_ms(FIRST_BYTE_MS - 1);
    receives(BEGIN_HEAD);
    for (int i = 0; i < 3; i++) { /* a trickle buys no time */
        pass_ms(HEAD_MS / 4);
        receives(MORE_HEAD);
    }
    expect_close_in(HEAD_MS - 3 * (HEAD_MS / 4));
    ends();
}

static void test_h1_second_head_has_its_own_time(void **state)
{
    (void)state;
    starts("http/1.1");
    receives(BEGIN_HEAD);
    pass_ms(HEAD_MS - 1);
    receives(REQUEST);
    pass_ms(HEAD_MS); /* in progress */
    request_ends();
    pass_ms(KEEPALIVE_H1_MS - 1);
    receives(BEGIN_HEAD);
    expect_close_in(HEAD_MS);
    ends();
}

static void test_h2_head_must_end_in_time(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    receives(BEGIN_HEAD);
    pass_ms(HEAD_MS - 1);
    receives(REQUEST); /* the first one has ended in time; another begins */
    request_ends();
    receives(BEGIN_HEAD);
    pass_ms(HEAD_MS / 2);
    receives(MORE_HEAD);
    expect_close_in(HEAD_MS - HEAD_MS / 2);
    ends();
}

static void test_requests_have_no_clock_here(void **state)
{
    static const char *const protocols[] = { "http/1.1", "h2" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        starts(protocols[i]);
        if (i == 1)
            receives(ACK);
        receives(REQUEST);
        pass_ms(AGE_MS / 2);
        assert_int_equal(seen.closes + seen.drains, 0);
        ends();
    }
}

/* ---- between requests ------------------------------------------------------------------------ */

static void test_h1_keepalive_ends_with_a_grace(void **state)
{
    (void)state;
    starts("http/1.1");
    receives(REQUEST);
    pass_ms(50);
    request_ends();
    pass_ms(KEEPALIVE_H1_MS);
    assert_true(seen.conn->is_draining);
    uint64_t grace_ms = seen.conn->drain_due_ms - worker.io.now_ms;
    assert_in_range(grace_ms, 1, GRACE_MS);
    expect_close_in(grace_ms); /* a request may be on its way */
    ends();
}

static void test_h1_request_in_the_grace_is_the_last(void **state)
{
    (void)state;
    starts("http/1.1");
    receives(REQUEST);
    request_ends();
    pass_ms(KEEPALIVE_H1_MS);
    receives(REQUEST);
    assert_int_equal(seen.drains, 1); /* its response says so */
    assert_int_equal(seen.requests, 2);
    pass_ms(GRACE_MS + 1);
    assert_int_equal(seen.closes, 0);
    ends();
}

/* As the one before, for a while: none of it is cut short by the time that had run out. */
static void test_h1_grace_is_as_long_for_each(void **state)
{
    (void)state;
    uint64_t longest_ms = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        starts("http/1.1");
        worker.rng = rng_init(seed);
        receives(REQUEST);
        request_ends();
        pass_ms(KEEPALIVE_H1_MS);
        uint64_t began_ms = worker.io.now_ms;
        while (seen.closes == 0)
            pass_ms(1);
        if (worker.io.now_ms - began_ms > longest_ms)
            longest_ms = worker.io.now_ms - began_ms;
        ends();
    }
    assert_in_range(longest_ms, GRACE_MS / 2, GRACE_MS);
}

/* Each request begins the time anew. */
static void test_keepalive_counts_from_the_last_request(void **state)
{
    (void)state;
    starts("http/1.1");
    for (int i = 0; i < 3; i++) {
        receives(REQUEST);
        request_ends();
        pass_ms(KEEPALIVE_H1_MS - 1);
        assert_false(seen.conn->is_draining);
    }
    pass_ms(1);
    assert_true(seen.conn->is_draining);
    ends();
}

static void test_h2_idle_end_waits_for_pong_or_its_limit(void **state)
{
    (void)state;
    for (int has_pong = 0; has_pong < 2; has_pong++) {
        starts("h2");
        receives(ACK);
        receives(REQUEST);
        request_ends();
        pass_ms(KEEPALIVE_H2_MS - 1);
        assert_int_equal(seen.drains, 0);
        pass_ms(1);
        assert_int_equal(seen.drains, 1);
        assert_int_equal(seen.pings, 1);
        assert_int_equal(seen.final_drains, 0);
        if (has_pong == 1)
            receives(PONG);
        pass_ms(has_pong == 1 ? 1 : PONG_MS - 1);
        assert_int_equal(seen.final_drains, has_pong);
        pass_ms(1);
        assert_int_equal(seen.final_drains, 1);
        receives(OVER);
        assert_int_equal(seen.closes, 1);
        ends();
    }
}

static void test_rest_once_for_each_idle_time(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    for (unsigned i = 0; i < 2; i++) {
        receives(REQUEST);
        pass_ms(2 * REST_MS);
        request_ends();
        pass_ms(REST_MS - 1);
        assert_int_equal(seen.rests, i);
        pass_ms(REST_MS);
        assert_int_equal(seen.rests, i + 1);
    }
    ends();
}

/* ---- the whole life -------------------------------------------------------------------------- */

static void test_settings_must_be_acknowledged(void **state)
{
    (void)state;
    starts("h2");
    pass_ms(10);
    receives(REQUEST); /* being busy is no excuse */
    expect_close_in(ACK_MS - 10);
    ends();
}

static void test_age_ends_a_busy_connection_in_good_order(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    receives(REQUEST);
    pass_ms(AGE_MS - AGE_MS / 10 - 1);
    assert_int_equal(seen.drains, 0); /* not all at once, but none before nine tenths */
    pass_ms(AGE_MS / 10 + 1);
    assert_int_equal(seen.drains, 1);
    pass_ms(PONG_MS);
    assert_int_equal(seen.final_drains, 1);
    assert_int_equal(seen.closes, 0); /* the request goes on */
    ends();
}

static void test_age_zero_is_no_limit(void **state)
{
    (void)state;
    age_ms = 0;
    starts("http/1.1");
    age_ms = AGE_MS;
    receives(REQUEST);
    pass_ms(2 * AGE_MS);
    assert_int_equal(seen.closes + seen.drains, 0);
    ends();
}

static void test_drain_during_the_handshake_is_carried_out_after_it(void **state)
{
    (void)state;
    connects(LISTEN_HTTPS, "h2");
    client_conn_drain(seen.conn);
    assert_int_equal(seen.closes, 0);
    opens();
    assert_int_equal(seen.drains, 1);
    pass_ms(PONG_MS);
    assert_int_equal(seen.final_drains, 1);
    ends();
}

static void test_closing_stops_the_clock(void **state)
{
    (void)state;
    starts("http/1.1");
    client_conn_close(seen.conn);
    client_conn_close(seen.conn); /* once */
    assert_int_equal(seen.closes, 1);
    assert_false(is_clock_running());
    is_gone(TRANSPORT_PEER);
    assert_true(seen.is_freed);
    ends();
}

static int fill_listens(void **state)
{
    (void)state;
    listens[LISTEN_HTTPS].kind = POP_LISTEN_HTTPS;
    listens[LISTEN_PROXY] =
        (struct pop_listen){ .kind = POP_LISTEN_HTTPS, .has_proxy_protocol = true };
    listens[LISTEN_BACKBONE].kind = POP_LISTEN_BACKBONE;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_has_the_transports_clock),
        cmocka_unit_test(test_proxy_header_that_does_not_come),
        cmocka_unit_test(test_proxy_header_hands_over_to_the_handshake),
        cmocka_unit_test(test_silence_after_the_handshake),
        cmocka_unit_test(test_backbone_without_identity_is_aborted),
        cmocka_unit_test(test_h1_head_must_end_in_time),
        cmocka_unit_test(test_h1_second_head_has_its_own_time),
        cmocka_unit_test(test_h2_head_must_end_in_time),
        cmocka_unit_test(test_requests_have_no_clock_here),
        cmocka_unit_test(test_h1_keepalive_ends_with_a_grace),
        cmocka_unit_test(test_h1_request_in_the_grace_is_the_last),
        cmocka_unit_test(test_h1_grace_is_as_long_for_each),
        cmocka_unit_test(test_keepalive_counts_from_the_last_request),
        cmocka_unit_test(test_h2_idle_end_waits_for_pong_or_its_limit),
        cmocka_unit_test(test_rest_once_for_each_idle_time),
        cmocka_unit_test(test_settings_must_be_acknowledged),
        cmocka_unit_test(test_age_ends_a_busy_connection_in_good_order),
        cmocka_unit_test(test_age_zero_is_no_limit),
        cmocka_unit_test(test_drain_during_the_handshake_is_carried_out_after_it),
        cmocka_unit_test(test_closing_stops_the_clock),
    };
    return cmocka_run_group_tests(tests, fill_listens, NULL);
}
