/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/client_conn.h"

#include <assert.h>
#include <stdlib.h>

#include "pop/http/h1_server.h"
#include "pop/http/h2_server.h"
#include "steering/base/mem.h"

enum {
    NS_PER_US = 1000,
    JITTER_PERCENT = 10,            /* of the greatest age: connections made together part again */
    PONG_MAX_MS = LIMIT(1000, 100), /* then the final GOAWAY goes without the PING's answer */
    REST_AFTER_MS =
        2000,           /* idle; giving memory back costs about a microsecond, and its return too */
    H1_GRACE_MS = 1000, /* a request may be on its way while we decide to close */
};

static void close_if_over(struct client_conn *conn);

/* ---- what the session says ------------------------------------------------------------------- */

void client_on_wants_write(void *owner)
{
    struct client_conn *conn = owner;
    if (conn->transport != NULL)
        transport_mark(conn->transport);
}

void client_on_wants_read(void *owner)
{
    struct client_conn *conn = owner;
    if (conn->transport != NULL)
        transport_resume(conn->transport);
}

static void drain_finally(struct client_conn *conn)
{
    conn->is_drain_final = true;
    conn->session->ops->drain(conn->session, true);
    close_if_over(conn);
}

void client_on_pong(void *owner)
{
    struct client_conn *conn = owner;
    conn->pings -= conn->pings > 0;
    /* Called from inside the session: the timer does the rest. They come in the order of the PINGs:
     * the last one is that of the drain. */
    if (conn->is_draining && !conn->is_drain_final && conn->pings == 0) {
        conn->drain_due_ms = conn->clients->worker->io.now_ms;
        client_conn_arm(conn);
    }
}

void client_on_settings_ack(void *owner)
{
    struct client_conn *conn = owner;
    conn->has_settings_ack = true;
}

void client_on_rejected(void *owner, uint16_t status, const char *reason)
{
    struct client_conn *conn = owner;
    struct worker *worker = conn->clients->worker;
    tally_add(worker->tally, TALLY_BAD_REQUESTS);
    exchanges_rejected(worker->exchanges, &conn->origin, conn->session->version, status, reason);
}

void client_conn_busy(struct client_conn *conn)
{
    conn->streams++;
    conn->head_since_ms = 0;
    conn->phase = conn->phase == CLIENT_SILENT ? CLIENT_OPEN : conn->phase;
    conn->is_rested = false;
    clients_set_idle(conn, false);
    if (conn->origin.is_backbone && conn->streams == 1) {
        client_liveness_begun(conn);
        client_conn_arm(conn);
    }
    /* It came while we were about to close: its response says so. */
    if (conn->is_draining && !conn->is_h2)
        conn->session->ops->drain(conn->session, false);
}

void client_conn_done(struct client_conn *conn)
{
    assert(conn->streams > 0);
    if (--conn->streams > 0)
        return;
    conn->idle_since_ms = conn->clients->worker->io.now_ms;
    if (conn->phase == CLIENT_OPEN) {
        clients_set_idle(conn, true);
        client_conn_arm(conn);
    }
}

/* ---- whom a backbone connection comes from --------------------------------------------------- */

static struct site_id find_source(const struct client_conn *conn, const struct topology *topology)
{
    const struct tls_engine *engine = transport_tls(conn->transport);
    for (size_t at = 0; engine != NULL; at++) {
        struct str name = tls_peer_name(engine, at);
        if (name.len == 0)
            break;
        for (size_t i = 0; i < topology->site_count; i++)
            if (str_eq_nocase(name, str_from(topology->sites[i].identity)))
                return (struct site_id){ (uint16_t)i };
    }
    return SITE_NONE;
}

/* In the numbers of the present settings, which requests begin with. */
static void name_source(struct client_conn *conn)
{
    const struct settings *settings = conn->clients->worker->settings;
    conn->origin.source = find_source(conn, settings->world->topology);
    conn->source_version = settings->version;
}

/* Sites are numbered anew by each topology. Who is in none of them any more shall go. */
static void rename_source(struct client_conn *conn)
{
    name_source(conn);
    if (!site_is_none(conn->origin.source))
        return;
    conn->retire_ms = conn->clients->worker->io.now_ms;
    client_conn_arm(conn);
}

static void on_request(void *owner, struct http_server_stream *stream)
{
    struct client_conn *conn = owner;
    client_conn_busy(conn);
    if (conn->origin.is_backbone &&
        conn->source_version != conn->clients->worker->settings->version)
        rename_source(conn);
    exchange_begin(conn->clients->worker->exchanges, stream, &conn->origin);
}

static void on_request_closed(void *stream_owner, struct http_server_stream *stream,
                              enum http_error error)
{
    struct client_conn *conn = stream->session == NULL ? NULL : stream->session->owner;
    if (conn != NULL && conn->lost != NULL)
        exchange_client_lost(stream_owner, conn->lost);
    exchange_client_closed(stream_owner, stream, error);
    if (conn != NULL)
        client_conn_done(conn);
}

static const struct http_server_events request_events = {
    .session = CLIENT_SESSION_EVENTS,
    .on_request = on_request,
    .on_closed = on_request_closed,
    .on_rejected = client_on_rejected,
};

/* ---- clocks ---------------------------------------------------------------------------------- */

static const struct pop_timeouts *limits_of(const struct client_conn *conn)
{
    return &conn->settings->node->timeouts;
}

static uint64_t keepalive_ms(const struct client_conn *conn)
{
    return conn->is_h2 ? limits_of(conn)->keepalive_h2_ms : limits_of(conn)->keepalive_h1_ms;
}

static bool is_ack_missing(const struct client_conn *conn)
{
    return conn->is_h2 && !conn->has_settings_ack;
}

static uint64_t rest_due_ms(const struct client_conn *conn)
{
    bool is_open = conn->phase == CLIENT_OPEN && conn->is_idle && !conn->is_rested;
    return is_open ? conn->idle_since_ms + REST_AFTER_MS : UINT64_MAX;
}

/* How long a connection without a request may stay as it is. */
static uint64_t idle_due_ms(const struct client_conn *conn)
{
    if (conn->streams > 0)
        return UINT64_MAX;
    if (conn->head_since_ms != 0)
        return conn->head_since_ms + limits_of(conn)->head_ms;
    return conn->idle_since_ms + keepalive_ms(conn);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t due_ms(const struct client_conn *conn)
{
    const struct pop_timeouts *limits = limits_of(conn);
    switch (conn->phase) {
    case CLIENT_PROXY:
    case CLIENT_SILENT:
        return least(conn->opened_ms + limits->first_byte_ms, conn->drain_due_ms);
    case CLIENT_OPEN:
        break;
    case CLIENT_HANDSHAKE:
    case CLIENT_CLOSING:
        return UINT64_MAX; /* the transport's clocks run */
    }
    uint64_t due = least(least(idle_due_ms(conn), rest_due_ms(conn)), conn->drain_due_ms);
    due = least(due, client_liveness_due_ms(conn));
    if (is_ack_missing(conn))
        due = least(due, conn->opened_ms + limits->settings_ack_ms);
    return conn->is_draining ? due : least(due, conn->retire_ms);
}

static void rest_if_due(struct client_conn *conn, uint64_t now_ms)
{
    if (now_ms < rest_due_ms(conn))
        return;
    conn->is_rested = true;
    if (conn->session->ops->rest != NULL)
        conn->session->ops->rest(conn->session);
}

/* The next step of a drain. */
static void go_on_draining(struct client_conn *conn)
{
    conn->drain_due_ms = UINT64_MAX;
    if (conn->is_h2 && !conn->is_drain_final)
        drain_finally(conn);
    else if (!conn->is_h2 && conn->streams == 0)
        client_conn_close(conn);
}

static void look_at_clocks(struct client_conn *conn, uint64_t now_ms)
{
    const struct pop_timeouts *limits = limits_of(conn);
    if (conn->phase == CLIENT_OPEN && now_ms >= client_liveness_due_ms(conn)) {
        client_liveness_look(conn); /* what else is due has its turn next */
        return;
    }
    if (now_ms >= conn->drain_due_ms && conn->session != NULL) {
        go_on_draining(conn);
        return;
    }
    if (conn->phase != CLIENT_OPEN) {
        if (now_ms >= conn->opened_ms + limits->first_byte_ms)
            client_conn_close(conn);
        return;
    }
    if (is_ack_missing(conn) && now_ms >= conn->opened_ms + limits->settings_ack_ms) {
        client_conn_close(conn);
        return;
    }
    bool is_retired = now_ms >= conn->retire_ms;
    if (now_ms < idle_due_ms(conn) && !is_retired)
        return;
    /* A head that does not end, or silence after the drain: nothing is in flight. A head that only
     * happens to be on its way when the connection is old may still end. */
    bool is_late = conn->head_since_ms != 0 && now_ms >= idle_due_ms(conn);
    if (is_late || conn->is_draining)
        client_conn_close(conn);
    else
        client_conn_drain(conn);
}

static void on_timer(struct io_timer *timer)
{
    struct client_conn *conn = container_of(timer, struct client_conn, timer);
    uint64_t now_ms = conn->clients->worker->io.now_ms;
    rest_if_due(conn, now_ms);
    bool is_due = now_ms >= due_ms(conn);
    if (is_due && conn->phase == CLIENT_PROXY) {
        client_conn_close(conn); /* and it is gone */
        return;
    }
    if (is_due)
        look_at_clocks(conn, now_ms);
    client_conn_arm(conn);
}

void client_conn_ping(struct client_conn *conn)
{
    conn->session->ops->ping(conn->session);
    conn->pings++;
}

void client_conn_arm(struct client_conn *conn)
{
    struct io *io = &conn->clients->worker->io;
    uint64_t due = due_ms(conn);
    if (due == UINT64_MAX || (io_timer_is_running(&conn->timer) && conn->timer.at_ms <= due))
        return;
    io_timer_start(io, &conn->timer, due > io->now_ms ? due - io->now_ms : 0, on_timer);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void count_open(const struct client_conn *conn, bool is_open)
{
    struct tally *tally = conn->clients->worker->tally;
    enum tally_id id = conn->is_h2 ? TALLY_CLIENT_CONNS_H2 : TALLY_CLIENT_CONNS_H1;
    if (is_open)
        tally_add(tally, id);
    else
        tally_sub(tally, id);
}

/* Memory goes; nothing that libuv or the transport holds is left. */
static void destroy(struct client_conn *conn)
{
    struct clients *clients = conn->clients;
    io_timer_stop(&clients->worker->io, &conn->timer);
    clients_remove(clients, conn);
    settings_unref(conn->settings);
    free(conn);
    clients_check_drained(clients);
}

void client_conn_discard(struct client_conn *conn)
{
    assert(conn->transport == NULL && conn->proxy == NULL);
    destroy(conn);
}

void client_conn_close(struct client_conn *conn)
{
    if (conn->phase == CLIENT_CLOSING)
        return;
    if (conn->phase == CLIENT_PROXY) {
        client_proxy_stop(conn);
        client_conn_discard(conn);
        return;
    }
    conn->phase = CLIENT_CLOSING;
    clients_set_idle(conn, false);
    io_timer_stop(&conn->clients->worker->io, &conn->timer);
    transport_close(conn->transport);
}

void client_conn_abort(struct client_conn *conn)
{
    if (conn->phase == CLIENT_PROXY) {
        client_conn_close(conn);
        return;
    }
    conn->phase = CLIENT_CLOSING;
    transport_abort(conn->transport);
}

static void count_end(const struct client_conn *conn)
{
    const struct http_session *session = conn->session;
    struct worker *worker = conn->clients->worker;
    bool is_flood = session->error == HTTP_ERROR_ENHANCE_YOUR_CALM ||
                    (session->limits.score_max != 0 && session->score >= session->limits.score_max);
    if (!is_flood)
        return;
    tally_add(worker->tally, TALLY_FLOODS_KILLED);
    char text[ADDR_TEXT_MAX];
    log_limited(LOG_LEVEL_WARN, "client.flood", "client=%s reason=%s score=%u",
                addr_format(&conn->origin.peer, text),
                session->reason == NULL ? "score" : session->reason, session->score);
}

/* A session that has come to its end is closed with what it still has to say. */
static void close_if_over(struct client_conn *conn)
{
    if (conn->phase == CLIENT_CLOSING || !conn->session->is_over)
        return;
    count_end(conn);
    client_conn_close(conn);
}

/* ---- drain ----------------------------------------------------------------------------------- */

static uint64_t below(struct client_conn *conn, uint64_t bound)
{
    return rng_below(&conn->clients->worker->rng, bound);
}

void client_conn_drain(struct client_conn *conn)
{
    if (conn->is_draining || conn->phase == CLIENT_CLOSING)
        return;
    conn->is_draining = true;
    if (conn->session == NULL)
        return; /* on_open goes on */
    uint64_t now_ms = conn->clients->worker->io.now_ms;
    /* Its keep-alive may be what has run out: what is on its way is waited for all the same. */
    conn->idle_since_ms = now_ms;
    if (conn->is_h2) {
        conn->session->ops->drain(conn->session, false);
        client_conn_ping(conn);
        conn->drain_due_ms = now_ms + PONG_MAX_MS;
    } else if (conn->streams > 0) {
        conn->session->ops->drain(conn->session, false);
    } else {
        /* Its next request may be on the way; and clients shall not all come back at once. */
        conn->drain_due_ms = now_ms + 1 + below(conn, H1_GRACE_MS);
    }
    close_if_over(conn);
    client_conn_arm(conn);
}

/* ---- what the transport says ----------------------------------------------------------------- */

static bool accept_backbone(struct client_conn *conn)
{
    char text[ADDR_TEXT_MAX];
    conn->origin.is_backbone = true;
    name_source(conn);
    const char *problem = NULL;
    if (!conn->is_h2)
        problem = "alpn";
    else if (site_is_none(conn->origin.source))
        problem = "unknown_identity";
    if (problem == NULL)
        return true;
    log_limited(LOG_LEVEL_WARN, "client.backbone", "peer=%s reason=%s",
                addr_format(&conn->origin.peer, text), problem);
    return false;
}

static void make_session(struct client_conn *conn, enum pop_listen_kind kind)
{
    struct worker *worker = conn->clients->worker;
    const struct settings *settings = conn->settings;
    const struct http_limits *limits =
        kind == POP_LISTEN_BACKBONE ? &settings->backbone_limits : &settings->client_limits;
    const struct http_server_events *events =
        kind == POP_LISTEN_REDIRECT ? &client_redirect_events : &request_events;
    if (conn->is_h2)
        conn->session = h2_server_new(limits, &worker->pipes, events, conn);
    else
        conn->session = h1_server_new(limits, &worker->pipes, events, conn, conn->origin.is_https);
}

static void note_tls(struct client_conn *conn, const struct transport_info *info)
{
    struct tally *tally = conn->clients->worker->tally;
    conn->is_h2 = str_eq(info->tls.alpn, STR("h2"));
    conn->origin.is_https = info->tls.is_tls;
    conn->origin.server_name = info->tls.server_name;
    if (!info->tls.is_tls)
        return;
    conn->origin.tls_version = info->tls.version == TLS_VERSION_1_3 ? "TLSv1.3" : "TLSv1.2";
    tally_add(tally, info->tls.is_resumed ? TALLY_HANDSHAKES_RESUMED : TALLY_HANDSHAKES_FULL);
    histogram_record(&tally->histograms[TALLY_HANDSHAKE_NS], info->handshake_us * NS_PER_US, 1);
}

static void on_open(void *owner)
{
    struct client_conn *conn = owner;
    if (conn->phase == CLIENT_CLOSING)
        return;
    struct transport_info info = transport_info(conn->transport);
    enum pop_listen_kind kind = conn->settings->node->listens[conn->listen].kind;
    note_tls(conn, &info);
    if (kind == POP_LISTEN_BACKBONE && !accept_backbone(conn)) {
        client_conn_abort(conn);
        return;
    }
    make_session(conn, kind);
    conn->origin.transport = conn->transport;
    count_open(conn, true);
    conn->phase = CLIENT_SILENT;
    conn->opened_ms = conn->idle_since_ms = conn->clients->worker->io.now_ms;
    clients_set_idle(conn, true);
    if (conn->session->ops->wants_write(conn->session))
        transport_mark(conn->transport);
    if (conn->is_draining || conn->clients->is_draining) {
        conn->is_draining = false;
        client_conn_drain(conn);
    }
    client_conn_arm(conn);
}

/* CONTINUATION must follow HEADERS: while a head is open, nothing else can come. */
static void watch_h2_head(struct client_conn *conn)
{
    const struct http_session *session = conn->session;
    if (!session->is_head_open) {
        conn->head_since_ms = 0;
    } else if (conn->head_since_ms == 0 || conn->head_stream != session->total_streams) {
        conn->head_since_ms = conn->clients->worker->io.now_ms;
        conn->head_stream = session->total_streams;
    }
}

/* A head may arrive in pieces; one that takes too long is an attack. */
static void watch_head(struct client_conn *conn, uint64_t streams_before)
{
    uint64_t now_ms = conn->clients->worker->io.now_ms;
    if (conn->phase == CLIENT_SILENT) {
        conn->phase = CLIENT_OPEN;
        conn->idle_since_ms = now_ms;
    }
    bool is_new = conn->session->total_streams != streams_before;
    if (!conn->is_h2 && conn->streams == 0 && !is_new && conn->head_since_ms == 0)
        conn->head_since_ms = now_ms;
    client_conn_arm(conn);
}

static void on_bytes(void *owner, const uint8_t *bytes, size_t len)
{
    struct client_conn *conn = owner;
    struct http_session *session = conn->session;
    uint64_t streams_before = session->total_streams;
    if (conn->origin.is_backbone)
        client_liveness_heard(conn);
    session->ops->receive(session, bytes, len);
    if (conn->phase == CLIENT_CLOSING)
        return;
    if (session->is_over) {
        close_if_over(conn);
        return;
    }
    if (conn->is_h2)
        watch_h2_head(conn);
    if (conn->streams == 0 || conn->phase == CLIENT_SILENT)
        watch_head(conn, streams_before);
    if (!session->ops->wants_read(session))
        transport_pause(conn->transport);
    if (session->ops->wants_write(session))
        transport_mark(conn->transport);
}

static void on_end(void *owner)
{
    struct client_conn *conn = owner;
    conn->session->ops->receive_end(conn->session);
    if (conn->phase == CLIENT_CLOSING)
        return;
    close_if_over(conn);
    if (conn->streams == 0)
        client_conn_close(conn);
}

static size_t on_pull(void *owner, uint8_t *out, size_t capacity)
{
    struct client_conn *conn = owner;
    if (conn->session == NULL)
        return 0;
    struct http_session *session = conn->session;
    bool was_ended = session->is_write_ended;
    size_t len = session->ops->produce(session, out, capacity);
    if (session->is_cut)
        transport_cut(conn->transport);
    if (session->is_write_ended && !was_ended && !session->is_over)
        transport_end(conn->transport);
    if (session->is_over && !session->ops->wants_write(session))
        close_if_over(conn);
    return len;
}

static void count_bytes(const struct client_conn *conn)
{
    struct transport_info info = transport_info(conn->transport);
    struct tally *tally = conn->clients->worker->tally;
    tally_add_many(tally, TALLY_TRANSPORT_BYTES_IN, info.bytes_in);
    tally_add_many(tally, TALLY_TRANSPORT_BYTES_OUT, info.bytes_out);
}

static void on_transport_closed(void *owner, enum transport_cause cause)
{
    struct client_conn *conn = owner;
    bool was_open = conn->session != NULL;
    bool is_tls = conn->settings->tls_listen[conn->listen] != NULL;
    struct http_session *session = conn->session;
    count_bytes(conn);
    conn->transport = NULL;
    conn->phase = CLIENT_CLOSING;
    if (was_open)
        count_open(conn, false);
    else if (is_tls && cause != TRANSPORT_LOCAL)
        tally_add(conn->clients->worker->tally, TALLY_HANDSHAKES_FAILED);
    if (cause == TRANSPORT_WRITE_STALL && conn->lost == NULL)
        conn->lost = "client_stalled"; /* as where one request finds out */
    http_session_free(session);        /* requests in progress learn that their client is gone */
    destroy(conn);
}

static const struct transport_events transport_events = {
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_pull = on_pull,
    .on_closed = on_transport_closed,
};

/* ---- the beginning --------------------------------------------------------------------------- */

void client_conn_start(struct client_conn *conn, int fd, const uint8_t *rest, size_t rest_len)
{
    const struct pop_timeouts *limits = limits_of(conn);
    const struct pop_node *node = conn->settings->node;
    bool is_backbone = node->listens[conn->listen].kind == POP_LISTEN_BACKBONE;
    struct transport_settings settings = {
        .events = &transport_events,
        .owner = conn,
        .tls = conn->settings->tls_listen[conn->listen],
        .handshake_ms = (uint32_t)limits->tls_ms,
        .write_stall_ms = (uint32_t)limits->write_stall_ms,
        .congestion = is_backbone ? node->backbone.congestion.name : node->congestion.name,
        .is_client_leg = !is_backbone,
    };
    conn->phase = CLIENT_HANDSHAKE;
    io_timer_stop(&conn->clients->worker->io, &conn->timer);
    conn->transport = transport_accept(&conn->clients->worker->io, fd, &settings, rest, rest_len);
}

static uint64_t retire_at(struct client_conn *conn, uint64_t now_ms)
{
    uint64_t age_ms = limits_of(conn)->max_age_ms;
    if (age_ms == 0)
        return UINT64_MAX;
    return now_ms + age_ms - below(conn, age_ms * JITTER_PERCENT / 100 + 1);
}

void client_conn_new(struct clients *clients, size_t listen, int fd, const struct addr *peer,
                     uint16_t peer_port)
{
    struct worker *worker = clients->worker;
    struct client_conn *conn = mem_calloc(1, sizeof(*conn));
    const struct pop_listen *listen_on = &worker->settings->node->listens[listen];
    conn->clients = clients;
    conn->settings = settings_ref(worker->settings);
    conn->listen = listen;
    conn->origin = (struct exchange_origin){ .peer = *peer,
                                             .peer_port = peer_port,
                                             .source = SITE_NONE,
                                             .connection_id = ++clients->next_id };
    conn->opened_ms = worker->io.now_ms;
    conn->drain_due_ms = UINT64_MAX;
    conn->retire_ms = retire_at(conn, conn->opened_ms);
    clients_add(clients, conn);
    if (listen_on->has_proxy_protocol) {
        conn->phase = CLIENT_PROXY;
        client_conn_arm(conn);
        client_proxy_start(conn, fd);
        return;
    }
    if (listen_on->kind != POP_LISTEN_BACKBONE)
        client_addrs_add(&clients->addrs, &conn->member, peer);
    client_conn_start(conn, fd, NULL, 0);
}
