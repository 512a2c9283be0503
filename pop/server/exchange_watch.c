/* SPDX-License-Identifier: Apache-2.0 */
/* What may take too long. One timer for each request, started once and looked at when it fires:
 * bytes are counted by the pipes anyway, so movement costs nothing.
 *
 * Shape:     before the response   deadline of all attempts, time of the present one, and a client
 *                                  that does not send what it has announced
 *            after it              silence on both sides; a client that does not take what is there
 *
 *            The deadline and the time of a try count while the peer is waited for, and end with
 *            the response's head. While it is the client's turn to send its content they stand
 *            still, and `body_idle` counts: a large upload is no slow answer, and a client that
 *            has stalled is no peer's fault. With `Expect: 100-continue` it is the peer's turn
 *            first. Whose turn it is in a conversation, nobody knows: there they count while
 *            nothing moves.
 *
 *            A client that moves, but next to nothing, would hold a peer's connection as long as
 *            it likes: a least rate in either direction. Clients are for the hop to judge that
 *            they are connected to: windows let the backbone move in leaps. */
#include "pop/server/exchange_priv.h"
#include "steering/base/mem.h"

enum { LOOKS = 4, LOOK_MIN_MS = 10 };

static uint64_t look_ms(uint64_t limit_ms)
{
    uint64_t each = limit_ms / LOOKS;
    return each < LOOK_MIN_MS ? LOOK_MIN_MS : each;
}

static bool is_uploading(const struct exchange *exchange)
{
    const struct pipe *body = &exchange->client->body;
    return exchange->client->has_body && !exchange->client->is_upgrade && !body->is_ended &&
           !body->is_broken;
}

static bool is_responding(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_RESPONDING || exchange->state == EXCHANGE_TUNNEL;
}

static const struct pipe *response_of(const struct exchange *exchange)
{
    if (exchange->has_own_body)
        return &exchange->own_body;
    return exchange->try == NULL ? NULL : &exchange->try->stream->body;
}

/* All streams of a connection share its rate. */
static uint32_t sharers(const struct exchange *exchange)
{
    uint32_t streams = exchange->client->session->open_streams;
    return streams > 0 ? streams : 1;
}

/* The kernel takes a response in leaps of tens of kilobytes, and the streams of a connection take
 * turns: on a slow line, either may last longer than a client may be silent. It is not while what
 * is on the line goes on arriving, be it others' in front of this one; only one that lacks the
 * client's credit, with nothing on the line any more, is the client's fault at once. */
static void observe_line(struct exchange *exchange, const struct pipe *response, uint64_t now_ms)
{
    struct exchange_line *line = &exchange->line;
    uint64_t consumed = response == NULL ? 0 : response->consumed_bytes;
    uint64_t own = consumed > line->consumed_bytes ? consumed - line->consumed_bytes : 0;
    uint64_t worth = own * sharers(exchange);
    line->consumed_bytes = consumed;
    if (exchange->origin.transport != NULL) {
        struct transport_flow flow = transport_flow(exchange->origin.transport);
        uint64_t arrived = flow.arrived_bytes - line->arrived_bytes;
        if (own > 0)
            line->end_bytes = flow.put_bytes;
        bool is_behind = flow.is_blocked || line->arrived_bytes < line->end_bytes;
        if (is_behind && arrived > 0)
            exchange->down_ms = now_ms;
        if (is_behind && arrived > worth)
            worth = arrived;
        line->arrived_bytes = flow.arrived_bytes;
    }
    line->worth_bytes += worth;
}

/* Notes since when nothing has moved. */
static void observe(struct exchange *exchange, uint64_t now_ms)
{
    const struct pipe *request = &exchange->client->body;
    const struct pipe *response = response_of(exchange);
    uint64_t up = request->written_bytes + request->consumed_bytes + exchange->is_continued;
    uint64_t down = exchange->client->response_bytes;
    uint64_t arrived = 0;
    if (response != NULL) {
        down += response->consumed_bytes;
        arrived = response->written_bytes;
    }
    if (up != exchange->seen_up)
        exchange->moved_ms = exchange->up_ms = now_ms;
    if (down != exchange->seen_down)
        exchange->moved_ms = exchange->down_ms = now_ms;
    if (arrived != exchange->seen_arrived)
        exchange->moved_ms = now_ms;
    if (is_responding(exchange))
        observe_line(exchange, response, now_ms);
    exchange->seen_up = up;
    exchange->seen_down = down;
    exchange->seen_arrived = arrived;
}

/* ---- whose turn it is ------------------------------------------------------------------------ */

/* Messages that come when there is something to say, at any rate: tunnels, calls of gRPC. */
static bool is_conversation(const struct http_server_stream *client)
{
    const struct str grpc = STR("application/grpc"); /* and "+proto" or the like */
    struct str type = http_head_get(&client->request, STR("content-type"));
    if (type.len > grpc.len)
        type.len = grpc.len;
    return client->is_upgrade || (client->request.content_length < 0 && str_eq_nocase(type, grpc));
}

/* RFC 9110 section 10.1.1: a client may hold its content back until it is asked for it. */
static bool is_waiting_for_100(const struct exchange *exchange)
{
    const struct http_server_stream *client = exchange->client;
    struct str expectation = http_head_get(&client->request, STR("expect"));
    return !exchange->is_continued && client->body.written_bytes == 0 &&
           str_eq_nocase(expectation, STR("100-continue"));
}

/* It could send, but does not: what it has sent was taken. */
static bool is_request_awaited(const struct exchange *exchange)
{
    const struct http_server_stream *client = exchange->client;
    if (!is_uploading(exchange) || client->body.len > 0 || client->body.is_drained ||
        is_waiting_for_100(exchange))
        return false;
    /* Begun before its request has ended, a response may be one side of a conversation; but not
     * with somebody who has announced how much there is to come. */
    return exchange->state == EXCHANGE_SENT ||
           (exchange->state == EXCHANGE_RESPONDING && client->request.content_length >= 0);
}

static bool is_clients_turn(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_SENT && is_request_awaited(exchange) &&
           !is_conversation(exchange->client);
}

/* ---- the least rate -------------------------------------------------------------------------- */

static bool has_rate(const struct exchange *exchange)
{
    return !exchange->origin.is_backbone && !is_conversation(exchange->client);
}

/* Without a route nobody waits for the content. */
static uint64_t body_idle_ms(const struct exchange *exchange)
{
    return exchange->route != NULL ? exchange->route->body_idle_ms
                                   : exchange->settings->node->timeouts.body_idle_ms;
}

static bool is_request_slow(struct exchange *exchange, uint64_t now_ms)
{
    bool is_counted = exchange->route != NULL && has_rate(exchange);
    const struct pace_look look = {
        .now_ms = now_ms,
        .bytes = exchange->client->body.written_bytes,
        .is_awaited = is_request_awaited(exchange),
        .rate = is_counted ? exchange->route->body_min_rate : 0,
        .sharers = sharers(exchange),
        .grace_ms = body_idle_ms(exchange),
    };
    return pace_look(&exchange->request_pace, &look);
}

static bool is_response_slow(struct exchange *exchange, uint64_t now_ms)
{
    const struct pop_timeouts *limits = &exchange->settings->node->timeouts;
    const struct pipe *response = response_of(exchange);
    const struct pace_look look = {
        .now_ms = now_ms,
        .bytes = exchange->line.worth_bytes,
        .is_awaited = response != NULL && response->len > 0,
        .rate = response != NULL && has_rate(exchange) ? limits->write_min_rate : 0,
        .sharers = 1, /* who share are in `worth_bytes` */
        .grace_ms = limits->write_stall_ms,
    };
    return pace_look(&exchange->response_pace, &look);
}

/* ---- before the response --------------------------------------------------------------------- */

static bool is_client_silent(const struct exchange *exchange, uint64_t now_ms)
{
    return is_clients_turn(exchange) && !exchange->origin.is_backbone &&
           now_ms - exchange->up_ms >= body_idle_ms(exchange);
}

static void refuse(struct exchange *exchange, uint16_t status, const char *error,
                   const char *details)
{
    struct hop_refusal refusal = { .status = status, .error = error, .details = details };
    exchange_refuse(exchange, &refusal);
}

/* Moves the ends of time along while an upload makes progress, or the client could go on. */
static void extend(struct exchange *exchange, uint64_t now_ms)
{
    bool is_moving = exchange->client->has_body && exchange->up_ms == now_ms;
    if (!is_moving && !is_clients_turn(exchange))
        return;
    exchange->deadline_ms = now_ms + exchange->deadline_span_ms;
    exchange->attempts.settings.deadline_ms = exchange->deadline_ms;
    if (exchange->state == EXCHANGE_SENT)
        exchange->try_due_ms = now_ms + exchange->route->try_ms;
}

static void check_request(struct exchange *exchange, uint64_t now_ms)
{
    const struct pop_route *route = exchange->route;
    if (route->body_max_bytes != 0 &&
        exchange->client->body.written_bytes > route->body_max_bytes) {
        refuse(exchange, 413, "http_request_denied", "body_too_large");
        return;
    }
    extend(exchange, now_ms);
    if (is_client_silent(exchange, now_ms))
        refuse(exchange, 408, "http_request_error", "client_body_timeout");
    else if (is_request_slow(exchange, now_ms))
        refuse(exchange, 408, "http_request_error", "client_body_slow");
    else if (now_ms >= exchange->deadline_ms)
        exchange_expire(exchange);
    else if (exchange->state == EXCHANGE_SENT && now_ms >= exchange->try_due_ms)
        exchange_fail(exchange, ATTEMPT_TRY_TIMEOUT, !exchange->try->stream->is_produced, 0);
}

/* ---- after it -------------------------------------------------------------------------------- */

static uint64_t silence_ms(const struct exchange *exchange)
{
    const struct pop_timeouts *limits = &exchange->settings->node->timeouts;
    if (exchange->route == NULL)
        return limits->write_stall_ms;
    return exchange->state == EXCHANGE_TUNNEL ? exchange->route->tunnel_idle_ms
                                              : exchange->route->idle_ms;
}

static void check_response(struct exchange *exchange, uint64_t now_ms)
{
    const struct pop_timeouts *limits = &exchange->settings->node->timeouts;
    const struct pipe *response = response_of(exchange);
    bool is_for_client = response == NULL || response->len > 0 || pipe_is_finished(response);
    uint64_t limit_ms = is_for_client ? limits->write_stall_ms : silence_ms(exchange);
    /* A PoP gives credit by half a window, which may last a slow client for minutes; and it watches
     * the client itself. */
    if (is_for_client && exchange->origin.is_backbone)
        limit_ms = UINT64_MAX;
    uint64_t since_ms = is_for_client ? exchange->down_ms : exchange->moved_ms;
    const char *cause = NULL;
    if (is_request_slow(exchange, now_ms))
        cause = "client_body_slow";
    if (is_response_slow(exchange, now_ms))
        cause = "client_slow";
    if (now_ms - since_ms >= limit_ms)
        cause = is_for_client                        ? "client_stalled"
                : exchange->state == EXCHANGE_TUNNEL ? "tunnel_idle"
                                                     : "upstream_idle";
    if (cause != NULL)
        exchange_reset(exchange, HTTP_ERROR_TIMEOUT, cause);
}

/* ---- the timer ------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t due_ms(const struct exchange *exchange, uint64_t now_ms)
{
    const struct pop_timeouts *limits = &exchange->settings->node->timeouts;
    if (is_responding(exchange))
        return now_ms + look_ms(least(limits->write_stall_ms, silence_ms(exchange)));
    uint64_t due = exchange->deadline_ms;
    if (exchange->state == EXCHANGE_SENT)
        due = least(due, exchange->try_due_ms);
    if (is_uploading(exchange))
        due = least(due, now_ms + look_ms(body_idle_ms(exchange)));
    return due;
}

static void on_timer(struct io_timer *timer)
{
    struct exchange *exchange = container_of(timer, struct exchange, timer);
    uint64_t now_ms = exchange->worker->io.now_ms;
    exchange_hold(exchange);
    observe(exchange, now_ms);
    if (is_responding(exchange))
        check_response(exchange, now_ms);
    else
        check_request(exchange, now_ms);
    exchange_watch(exchange);
    exchange_let_go(exchange);
}

void exchange_watch(struct exchange *exchange)
{
    struct io *io = &exchange->worker->io;
    if (exchange->is_client_closed)
        return;
    uint64_t due = due_ms(exchange, io->now_ms);
    if (io_timer_is_running(&exchange->timer) && exchange->timer.at_ms <= due)
        return; /* it looks early enough, and will see what has changed */
    io_timer_start(io, &exchange->timer, due > io->now_ms ? due - io->now_ms : 0, on_timer);
}

/* ---- content of unknown length --------------------------------------------------------------- */

static void on_body_consumed(void *writer, struct pipe *pipe, size_t bytes)
{
    struct exchange *exchange = writer;
    if (pipe->written_bytes > exchange->route->body_max_bytes && !is_responding(exchange))
        io_timer_start(&exchange->worker->io, &exchange->timer, 0, on_timer);
    if (exchange->on_consumed != NULL)
        exchange->on_consumed(exchange->writer, pipe, bytes);
}

void exchange_watch_length(struct exchange *exchange)
{
    struct http_server_stream *client = exchange->client;
    if (exchange->route->body_max_bytes == 0 || !is_uploading(exchange) ||
        client->request.content_length >= 0)
        return;
    exchange->on_consumed = client->body.on_consumed;
    exchange->writer = client->body.writer;
    client->body.on_consumed = on_body_consumed;
    client->body.writer = exchange;
}
