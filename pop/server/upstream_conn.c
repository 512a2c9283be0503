/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/upstream_conn.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_client.h"
#include "pop/http/h2_client.h"
#include "pop/server/exchange.h"
#include "pop/server/upstream_priv.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"

enum { STALE_LOOK_MS = 1000 };

#define BIT(state) (1u << UPSTREAM_CONN_##state)

static const uint8_t allowed_moves[UPSTREAM_CONN_STATES] = {
    [UPSTREAM_CONN_CONNECTING] = BIT(SETTINGS) | BIT(WARM) | BIT(CLOSED),
    [UPSTREAM_CONN_SETTINGS] = BIT(WARM) | BIT(CLOSED),
    [UPSTREAM_CONN_WARM] = BIT(SUSPECT) | BIT(DRAINING) | BIT(CLOSED),
    [UPSTREAM_CONN_SUSPECT] = BIT(WARM) | BIT(DRAINING) | BIT(CLOSED),
    [UPSTREAM_CONN_DRAINING] = BIT(CLOSED),
};

const char *upstream_conn_state_name(enum upstream_conn_state state)
{
    static const char *const names[] = {
#define X(name, text) [UPSTREAM_CONN_##name] = text,
        UPSTREAM_CONN_LIST(X)
#undef X
    };
    return names[state];
}

bool upstream_conn_may_move(enum upstream_conn_state from, enum upstream_conn_state to)
{
    return (allowed_moves[from] >> to & 1) != 0;
}

static struct worker *worker_of(const struct upstream_conn *conn)
{
    return conn->peer->pool->upstream->worker;
}

static const struct upstream_how *how_of(const struct upstream_conn *conn)
{
    return &conn->peer->pool->how;
}

static void count_state(struct upstream_conn *conn, enum upstream_conn_state state, bool is_more)
{
    static const enum tally_id gauges[] = {
        [UPSTREAM_CONN_CONNECTING] = TALLY_PEER_CONNS_CONNECTING,
        [UPSTREAM_CONN_SETTINGS] = TALLY_PEER_CONNS_CONNECTING,
        [UPSTREAM_CONN_WARM] = TALLY_PEER_CONNS_WARM,
        [UPSTREAM_CONN_SUSPECT] = TALLY_PEER_CONNS_SUSPECT,
        [UPSTREAM_CONN_DRAINING] = TALLY_PEER_CONNS_DRAINING,
    };
    if (state == UPSTREAM_CONN_CLOSED)
        return;
    if (is_more) {
        conn->peer->counts[state]++;
        tally_add(worker_of(conn)->tally, gauges[state]);
    } else {
        conn->peer->counts[state]--;
        tally_sub(worker_of(conn)->tally, gauges[state]);
    }
}

/* ---- the list of free HTTP/1.1 connections --------------------------------------------------- */

static void leave_idle(struct upstream_conn *conn)
{
    if (conn->idle_link == NULL)
        return;
    *conn->idle_link = conn->idle_next;
    if (conn->idle_next != NULL)
        conn->idle_next->idle_link = conn->idle_link;
    conn->idle_next = NULL;
    conn->idle_link = NULL;
    conn->peer->idle_count--;
}

/* The latest first: the others grow old and are closed. */
static void enter_idle(struct upstream_conn *conn)
{
    struct upstream_peer *peer = conn->peer;
    conn->idle_ms = worker_of(conn)->io.now_ms;
    conn->idle_next = peer->idle;
    conn->idle_link = &peer->idle;
    if (peer->idle != NULL)
        peer->idle->idle_link = &conn->idle_next;
    peer->idle = conn;
    peer->idle_count++;
    /* The timer is left alone when it runs: it looks at idle_ms when it fires. */
    if (!io_timer_is_running(&conn->timer))
        upstream_conn_wake(conn, how_of(conn)->idle_ms);
}

void upstream_conn_move(struct upstream_conn *conn, enum upstream_conn_state to)
{
    assert(upstream_conn_may_move(conn->state, to));
    count_state(conn, conn->state, false);
    conn->state = to;
    count_state(conn, to, true);
    if (to != UPSTREAM_CONN_WARM)
        leave_idle(conn);
    upstream_warm_soon(conn->peer->pool);
}

static bool is_usable(const struct upstream_conn *conn)
{
    return conn->state == UPSTREAM_CONN_WARM || conn->state == UPSTREAM_CONN_SUSPECT;
}

static bool is_free(const struct upstream_conn *conn)
{
    return !conn->is_http2 && conn->state == UPSTREAM_CONN_WARM && conn->leases == 0 &&
           conn->idle_link == NULL && http_client_room(conn->session) > 0;
}

/* A connection that has carried its request may carry the next one. */
static void set_free(struct upstream_conn *conn)
{
    if (!is_free(conn))
        return;
    enter_idle(conn);
    if (conn->peer->pool->waiting > 0)
        upstream_pool_serve(conn->peer->pool);
    const struct upstream_how *how = how_of(conn);
    if (conn->idle_link != NULL && conn->peer->idle_count > how->idle_max)
        upstream_conn_drain(conn);
}

/* A look costs a system call: only after a while, right after a response it would be wasted. */
bool upstream_conn_is_stale(const struct upstream_conn *conn)
{
    if (conn->is_http2)
        return false;
    uint64_t now_ms = worker_of(conn)->io.now_ms;
    if (conn->requests == 0 || now_ms - conn->idle_ms < STALE_LOOK_MS)
        return false;
    int fd = transport_info(conn->transport).fd;
    struct pollfd look = { .fd = fd, .events = POLLIN | POLLRDHUP };
    return fd >= 0 && poll(&look, 1, 0) > 0;
}

uint32_t upstream_conn_room(const struct upstream_conn *conn)
{
    if (!is_usable(conn))
        return 0;
    if (!conn->is_http2)
        return conn->idle_link != NULL ? 1 : 0;
    uint32_t room = http_client_room(conn->session);
    uint32_t open = conn->session->open_streams;
    /* Leases whose request has not been started yet. */
    uint32_t pending = conn->leases > open ? conn->leases - open : 0;
    return room > pending ? room - pending : 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

void upstream_conn_unref(struct upstream_conn *conn)
{
    assert(conn->refs > 0);
    if (--conn->refs > 0)
        return;
    assert(conn->transport == NULL && conn->session == NULL);
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    settings_unref(conn->settings);
    free(conn->host);
    free(conn);
}

/* What is left to say still goes out. */
static void close_softly(struct upstream_conn *conn)
{
    if (conn->state == UPSTREAM_CONN_CLOSED)
        return;
    upstream_conn_move(conn, UPSTREAM_CONN_CLOSED);
    transport_close(conn->transport);
}

void upstream_conn_abort(struct upstream_conn *conn, const char *complaint)
{
    if (conn->transport == NULL)
        return;
    if (conn->complaint == NULL)
        conn->complaint = complaint;
    if (conn->state != UPSTREAM_CONN_CLOSED)
        upstream_conn_move(conn, UPSTREAM_CONN_CLOSED);
    io_timer_stop(&worker_of(conn)->io, &conn->timer);
    transport_abort(conn->transport);
}

/* After anything that may have ended the session or its last stream; from the loop or a
 * transport's event, never from inside the session. */
static void settle(struct upstream_conn *conn)
{
    if (conn->state == UPSTREAM_CONN_CLOSED || conn->session == NULL)
        return;
    const struct http_session *session = conn->session;
    bool is_busy = conn->leases > 0 || session->open_streams > 0;
    if (session->is_over && session->open_streams > 0) {
        /* Their answers will not come: end them now, not after a farewell. */
        upstream_conn_abort(conn, session->error == HTTP_ERROR_NONE
                                      ? "connection_over"
                                      : http_error_name(session->error));
    } else if (session->is_over || (conn->state == UPSTREAM_CONN_DRAINING && !is_busy)) {
        if (session->error != HTTP_ERROR_NONE)
            conn->complaint = http_error_name(session->error);
        else
            conn->is_ours = true; /* all was said and done */
        close_softly(conn);
    }
}

void upstream_conn_drain(struct upstream_conn *conn)
{
    if (conn->state == UPSTREAM_CONN_CONNECTING || conn->state == UPSTREAM_CONN_SETTINGS) {
        conn->is_ours = true;
        upstream_conn_abort(conn, "drained");
    } else if (is_usable(conn)) {
        conn->is_ours = true;
        upstream_conn_move(conn, UPSTREAM_CONN_DRAINING);
        upstream_conn_wake(conn, 0);
    }
}

/* ---- leases ---------------------------------------------------------------------------------- */

void upstream_conn_lease(struct upstream_conn *conn)
{
    leave_idle(conn);
    conn->leases++;
    conn->refs++;
    conn->requests++;
}

void upstream_conn_return(struct upstream_conn *conn)
{
    assert(conn->leases > 0);
    conn->leases--;
    if (conn->transport != NULL && conn->session != NULL) {
        set_free(conn);
        /* We may be inside of the session: look later. */
        if (conn->state == UPSTREAM_CONN_DRAINING || conn->session->is_over)
            upstream_conn_wake(conn, 0);
    }
    upstream_conn_unref(conn);
}

/* ---- session events -------------------------------------------------------------------------- */

static void on_wants_write(void *owner)
{
    struct upstream_conn *conn = owner;
    if (conn->transport != NULL)
        transport_mark(conn->transport);
}

static void on_wants_read(void *owner)
{
    struct upstream_conn *conn = owner;
    if (conn->transport != NULL && conn->state != UPSTREAM_CONN_CLOSED)
        transport_resume(conn->transport);
}

static void on_pong(void *owner)
{
    upstream_liveness_pong(owner);
}

static void become_warm(struct upstream_conn *conn)
{
    struct worker *worker = worker_of(conn);
    conn->is_warmed = true;
    conn->warm_ms = worker->io.now_ms;
    if (!conn->peer->pool->is_origin)
        conn->expires_ms = floor_plan_expiry_ms(conn->settings->node->backbone.max_age_ms,
                                                conn->warm_ms, &worker->rng);
    histogram_record(&worker->tally->histograms[TALLY_CONNECT_NS],
                     worker->io.now_ns - conn->started_ns, 1);
    tally_add(worker->tally, TALLY_CONNECTS_OK);
    io_timer_stop(&worker->io, &conn->timer);
    upstream_conn_move(conn, UPSTREAM_CONN_WARM);
    upstream_peer_on_warm(conn->peer, conn);
    if (conn->is_http2)
        upstream_liveness_look(conn);
}

static void on_settings(void *owner)
{
    struct upstream_conn *conn = owner;
    conn->has_settings = true;
    if (conn->has_settings_ack && conn->state == UPSTREAM_CONN_SETTINGS)
        become_warm(conn);
}

static void on_settings_ack(void *owner)
{
    struct upstream_conn *conn = owner;
    conn->has_settings_ack = true;
    if (conn->has_settings && conn->state == UPSTREAM_CONN_SETTINGS)
        become_warm(conn);
}

/* GOAWAY: what is open goes on, and a replacement is opened at once (upstream_warm.c). */
static void on_draining(void *owner)
{
    struct upstream_conn *conn = owner;
    if (conn->is_http2 && !conn->is_goaway) {
        tally_add(worker_of(conn)->tally, TALLY_GOAWAYS);
        conn->peer->goaways++;
    }
    conn->is_goaway = true;
    if (is_usable(conn)) {
        upstream_conn_move(conn, UPSTREAM_CONN_DRAINING);
        upstream_conn_wake(conn, 0);
    }
}

static const struct http_client_events session_events = {
    .session = { .on_wants_write = on_wants_write,
                 .on_wants_read = on_wants_read,
                 .on_pong = on_pong,
                 .on_settings = on_settings,
                 .on_settings_ack = on_settings_ack,
                 .on_draining = on_draining },
    .on_inform = exchange_on_inform,
    .on_response = exchange_on_response,
    .on_closed = exchange_on_closed,
};

/* ---- the timer ------------------------------------------------------------------------------- */

static void look_at_idle(struct upstream_conn *conn)
{
    if (conn->idle_link == NULL)
        return; /* set_free starts the timer */
    uint64_t idle_ms = worker_of(conn)->io.now_ms - conn->idle_ms;
    if (idle_ms >= how_of(conn)->idle_ms)
        upstream_conn_drain(conn);
    else
        upstream_conn_wake(conn, how_of(conn)->idle_ms - idle_ms);
}

static void on_timer(struct io_timer *timer)
{
    struct upstream_conn *conn = container_of(timer, struct upstream_conn, timer);
    if (conn->state == UPSTREAM_CONN_CLOSED)
        return;
    if (conn->state == UPSTREAM_CONN_SETTINGS) {
        upstream_conn_abort(conn, "settings_timeout");
        return;
    }
    settle(conn);
    if (conn->state == UPSTREAM_CONN_CLOSED)
        return;
    if (conn->is_http2) {
        upstream_liveness_look(conn);
    } else {
        set_free(conn);
        look_at_idle(conn);
    }
    if (conn->peer->pool->waiting > 0)
        upstream_pool_serve(conn->peer->pool);
}

void upstream_conn_wake(struct upstream_conn *conn, uint64_t after_ms)
{
    struct io *io = &worker_of(conn)->io;
    conn->check_ms = io->now_ms + after_ms;
    io_timer_start(io, &conn->timer, after_ms, on_timer);
}

/* ---- transport events ------------------------------------------------------------------------ */

/* What the TLS handshake must have agreed on. */
static const char *complaint_about(const struct upstream_conn *conn)
{
    const struct upstream_how *how = how_of(conn);
    if (how->tls == NULL)
        return NULL;
    const struct transport_info info = transport_info(conn->transport);
    if (!conn->peer->pool->is_origin && info.tls.version != TLS_VERSION_1_3)
        return "tls_version";
    if (how->is_http2 && !str_eq_text(info.tls.alpn, "h2"))
        return "alpn";
    return NULL;
}

static void on_open(void *owner)
{
    struct upstream_conn *conn = owner;
    struct worker *worker = worker_of(conn);
    if (conn->state != UPSTREAM_CONN_CONNECTING)
        return;
    const char *complaint = complaint_about(conn);
    if (complaint != NULL) {
        upstream_conn_abort(conn, complaint);
        return;
    }
    const struct upstream_how *how = how_of(conn);
    conn->heard_ms = worker->io.now_ms;
    if (conn->is_http2) {
        conn->session = h2_client_new(&how->limits, &worker->pipes, &session_events, conn);
        upstream_conn_move(conn, UPSTREAM_CONN_SETTINGS);
        upstream_conn_wake(conn, how->settings_ms);
        transport_mark(conn->transport);
    } else {
        conn->session = h1_client_new(&how->limits, &worker->pipes, &session_events, conn,
                                      rng_next(&worker->rng));
        become_warm(conn);
        set_free(conn);
    }
}

static void on_bytes(void *owner, const uint8_t *bytes, size_t len)
{
    struct upstream_conn *conn = owner;
    if (conn->session == NULL)
        return;
    upstream_liveness_heard(conn);
    conn->session->ops->receive(conn->session, bytes, len);
    settle(conn);
    if (conn->state == UPSTREAM_CONN_CLOSED)
        return;
    if (!conn->session->ops->wants_read(conn->session))
        transport_pause(conn->transport);
    set_free(conn);
    if (conn->peer->pool->waiting > 0)
        upstream_pool_serve(conn->peer->pool);
}

static void on_end(void *owner)
{
    struct upstream_conn *conn = owner;
    if (conn->session == NULL) {
        upstream_conn_abort(conn, "connection_closed");
        return;
    }
    conn->session->ops->receive_end(conn->session);
    settle(conn);
    if (conn->state == UPSTREAM_CONN_CLOSED)
        return;
    /* No answer can come any more. HTTP/1.1 with a stream open: a tunnel, of which one half is
     * closed; the session knows when it is over. */
    if (conn->is_http2 || conn->session->open_streams == 0)
        upstream_conn_abort(conn, "connection_closed");
    else if (is_usable(conn))
        upstream_conn_move(conn, UPSTREAM_CONN_DRAINING);
}

static size_t on_pull(void *owner, uint8_t *out, size_t capacity)
{
    struct upstream_conn *conn = owner;
    if (conn->session == NULL)
        return 0;
    bool was_ended = conn->session->is_write_ended;
    size_t len = conn->session->ops->produce(conn->session, out, capacity);
    if (conn->session->is_write_ended && !was_ended && !conn->session->is_over)
        transport_end(conn->transport);
    /* Closing from here would pull again from inside of a pull. */
    if (conn->state != UPSTREAM_CONN_CLOSED && (conn->session->is_over || is_free(conn)))
        upstream_conn_wake(conn, 0);
    return len;
}

/* The last event, with an empty stack below: now the session may go, and what is open ends. */
static void on_closed(void *owner, enum transport_cause cause)
{
    struct upstream_conn *conn = owner;
    struct upstream_peer *peer = conn->peer;
    struct upstream *upstream = peer->pool->upstream;
    const char *why = conn->complaint != NULL ? conn->complaint : transport_cause_name(cause);
    if (conn->complaint == NULL && cause == TRANSPORT_TLS)
        log_limited(LOG_LEVEL_WARN, "upstream.tls", "peer=%s reason=\"%s\"", peer->name,
                    transport_reason(conn->transport));
    conn->transport = NULL;
    if (conn->state != UPSTREAM_CONN_CLOSED)
        upstream_conn_move(conn, UPSTREAM_CONN_CLOSED);
    io_timer_stop(&upstream->worker->io, &conn->timer);
    upstream_peer_on_end(peer, conn, why);
    /* Raises on_closed of all streams: requests move on, and may come back to this pool. */
    http_session_free(conn->session);
    conn->session = NULL;
    upstream_conn_unref(conn);
    if (peer->pool->waiting > 0)
        upstream_pool_despair(peer->pool);
    upstream_on_transport_gone(upstream);
}

static const struct transport_events transport_handlers = {
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_pull = on_pull,
    .on_closed = on_closed,
};

struct upstream_conn *upstream_conn_open(struct upstream_peer *peer, const char *host)
{
    struct upstream *upstream = peer->pool->upstream;
    const struct upstream_how *how = &peer->pool->how;
    struct io *io = &upstream->worker->io;
    struct upstream_conn *conn = mem_calloc(1, sizeof(*conn));
    conn->peer = peer;
    conn->settings = settings_ref(upstream->settings);
    conn->is_http2 = how->is_http2;
    conn->started_ms = io->now_ms;
    conn->started_ns = io->now_ns;
    conn->refs = 1;
    conn->host = host != NULL ? mem_strdup(host) : NULL;
    conn->rtt = peer->rtt;
    conn->next = peer->conns;
    conn->link = &peer->conns;
    if (peer->conns != NULL)
        peer->conns->link = &conn->next;
    peer->conns = conn;
    count_state(conn, UPSTREAM_CONN_CONNECTING, true);
    upstream->transports++;
    const struct transport_settings settings = {
        .events = &transport_handlers,
        .owner = conn,
        .tls = how->tls,
        .server_name = conn->host != NULL ? conn->host : how->server_name,
        .connect_ms = (uint32_t)how->connect_ms,
        .handshake_ms = (uint32_t)how->tls_ms,
        .write_stall_ms = (uint32_t)how->write_stall_ms,
        .congestion = peer->pool->is_origin ? NULL : conn->settings->node->backbone.congestion.name,
    };
    conn->transport = transport_connect(io, &peer->addr, peer->port, &settings);
    return conn;
}
