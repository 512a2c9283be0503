/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_input.h"
#include "pop/http/h1_out.h"
#include "pop/http/h1_parse.h"
#include "pop/http/h1_write.h"
#include "steering/base/mem.h"

enum { ARENA_CHUNK = LIMIT(4096, 64), REFUSAL_MAX = 256 };

struct stream {
    struct http_server_stream base;
    struct stream *next, **link; /* all that are not freed */
    struct h1_out out;
    struct str websocket_key;
    bool is_1_0, is_persistent, is_head;
    bool is_tunnel;
    bool is_dead; /* to be closed with `error`; nothing else happens to it */
    bool is_closed, is_released;
    enum http_error error;
};

enum state {
    READ_HEAD,
    READ_BODY,
    READ_TRAILERS,
    WAIT,   /* the request is complete, or a handshake is not answered */
    TUNNEL, /* bytes both ways */
    LINGER, /* answered, but the client still uploads */
    OVER,
};

struct server {
    struct http_session base;
    const struct http_server_events *events;
    const struct http_server_stream_ops *stream_ops;
    struct stream *current, *streams;
    enum state state;
    bool is_https;
    bool has_ended;      /* the client's FIN came */
    bool has_blank_line; /* one is tolerated before a request */
    bool is_paused;      /* wants_read was false */
    bool is_reading;     /* step() is on the stack */
    struct h1_input input;
    struct h1_scan scan;
    struct h1_body body;
    uint64_t linger_left;
    struct str refusal; /* to produce */
    char *refusal_text;
};

static struct server *server_of(struct http_session *session)
{
    return container_of(session, struct server, base);
}

static struct stream *stream_of(struct http_server_stream *stream)
{
    return container_of(stream, struct stream, base);
}

static void tell_wants_write(struct server *server)
{
    server->events->session.on_wants_write(server->base.owner);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void free_stream(struct stream *stream)
{
    *stream->link = stream->next;
    if (stream->next != NULL)
        stream->next->link = stream->link;
    pipe_fini(&stream->base.body);
    arena_fini(&stream->base.arena);
    free(stream);
}

static void be_over(struct server *server, enum http_error error)
{
    server->state = OVER;
    server->base.is_over = true;
    if (server->base.error == HTTP_ERROR_NONE)
        server->base.error = error;
}

/* The current stream is over, one way or the other. */
static void close_stream(struct server *server, enum http_error error)
{
    struct stream *stream = server->current;
    bool is_by_end =
        stream->out.is_started && stream->out.framing == H1_CLOSE && !stream->is_tunnel;
    if (error != HTTP_ERROR_NONE && is_by_end)
        server->base.is_cut = true;
    server->current = NULL;
    server->base.open_streams--;
    stream->is_dead = true;
    h1_out_stop(&stream->out);
    stream->base.body.on_consumed = NULL;
    if (!stream->base.body.is_ended)
        pipe_break(&stream->base.body, error != HTTP_ERROR_NONE ? error : HTTP_ERROR_CANCELLED);
    bool was_released = stream->is_released;
    stream->is_closed = true;
    server->events->on_closed(stream->base.owner, &stream->base, error);
    if (was_released)
        free_stream(stream);
}

static void on_release(struct http_server_stream *base)
{
    struct stream *stream = stream_of(base);
    stream->is_released = true;
    if (stream->is_closed)
        free_stream(stream);
}

/* ---- reading --------------------------------------------------------------------------------- */

static uint64_t unread(const struct stream *stream)
{
    return stream->base.body.written_bytes - stream->base.body.consumed_bytes;
}

static bool wants_read(const struct http_session *session)
{
    const struct server *server = (const struct server *)(const void *)session;
    switch (server->state) {
    case READ_BODY:
    case READ_TRAILERS:
    case TUNNEL:
        return unread(server->current) <= server->base.limits.h1_buffer_bytes;
    case WAIT: /* go on, so that an end is seen, until something comes that must wait */
        return h1_input_len(&server->input) == 0;
    case READ_HEAD:
    case LINGER:
    case OVER:
        break;
    }
    return true;
}

static void look_at_reading(struct server *server)
{
    bool was_paused = server->is_paused;
    server->is_paused = !wants_read(&server->base);
    if (was_paused && !server->is_paused)
        server->events->session.on_wants_read(server->base.owner);
}

static void on_consumed(void *writer, struct pipe *pipe, size_t bytes)
{
    (void)pipe;
    (void)bytes;
    look_at_reading(writer);
}

/* Says what is wrong, if nothing was said yet, and closes: whatever follows is poison. */
static void refuse(struct server *server, enum h1_fault fault)
{
    uint16_t status = h1_fault_status(fault);
    bool is_large = status == 431 || status == 414;
    bool may_speak = server->current == NULL ||
                     (!server->current->out.is_started && server->current->out.text.len == 0);
    server->base.reason = h1_fault_word(fault);
    be_over(server, is_large ? HTTP_ERROR_TOO_LARGE : HTTP_ERROR_PROTOCOL);
    if (may_speak) {
        const char *phrase = h1_reason_phrase(status);
        server->refusal_text = mem_resize(NULL, REFUSAL_MAX, 1);
        int len = snprintf(server->refusal_text, REFUSAL_MAX,
                           "HTTP/1.1 %u %s\r\ncontent-type: text/plain\r\n"
                           "content-length: %zu\r\n%sconnection: close\r\n\r\n%u %s\n",
                           status, phrase, strlen(phrase) + 5,
                           fault == H1_FAULT_WEBSOCKET_VERSION ? "sec-websocket-version: 13\r\n"
                                                                 "upgrade: websocket\r\n"
                                                               : "",
                           status, phrase);
        server->refusal = (struct str){ server->refusal_text, (size_t)len };
    }
    if (server->events->on_rejected != NULL)
        server->events->on_rejected(server->base.owner, status, server->base.reason);
    if (server->current != NULL)
        close_stream(server, server->base.error);
    tell_wants_write(server);
}

static struct stream *new_stream(struct server *server)
{
    struct stream *stream = mem_calloc(1, sizeof(*stream));
    stream->next = server->streams;
    stream->link = &server->streams;
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    server->streams = stream;
    stream->base.session = &server->base;
    arena_init(&stream->base.arena, ARENA_CHUNK);
    pipe_init(&stream->base.body, server->base.pool);
    h1_out_init(&stream->out, &stream->base.arena);
    return stream;
}

static void begin_stream(struct server *server, struct stream *stream,
                         const struct h1_message *message)
{
    bool has_content = message->framing == H1_CHUNKED || message->head.content_length > 0;
    stream->base.ops = server->stream_ops;
    stream->base.id = ++server->base.total_streams;
    stream->base.request = message->head;
    stream->base.is_upgrade = message->is_websocket;
    stream->base.has_body = has_content || message->is_websocket;
    stream->base.body.on_consumed = on_consumed;
    stream->base.body.writer = server;
    stream->websocket_key = message->websocket_key;
    stream->is_1_0 = message->is_1_0;
    stream->is_persistent = message->is_persistent;
    stream->is_head = str_eq(message->head.method, STR("HEAD"));
    server->base.version = message->is_1_0 ? HTTP_1_0 : HTTP_1_1;
    server->base.open_streams++;
    server->current = stream;
    if (server->base.limits.requests > 0 &&
        server->base.total_streams >= server->base.limits.requests)
        server->base.is_draining = true;
    server->state = has_content ? READ_BODY : WAIT;
    if (has_content)
        h1_body_init(&server->body, message->framing, (uint64_t)message->head.content_length);
    else if (!message->is_websocket)
        pipe_end(&stream->base.body, NULL);
    server->events->on_request(server->base.owner, &stream->base);
}

static struct h1_rules rules_of(const struct server *server, struct stream *stream)
{
    return (struct h1_rules){
        .arena = &stream->base.arena,
        .fields_max = server->base.limits.fields,
        .head_bytes = server->base.limits.head_bytes,
        .is_https = server->is_https,
    };
}

static bool step_head(struct server *server, struct str *in)
{
    size_t len;
    if (!server->has_blank_line && server->scan.lines == 0 && in->len >= 2 && in->ptr[0] == '\r' &&
        in->ptr[1] == '\n') {
        *in = (struct str){ .ptr = in->ptr + 2, .len = in->len - 2 };
        server->has_blank_line = true;
        server->scan = (struct h1_scan){ 0 };
        return true;
    }
    enum h1_fault fault =
        h1_scan_block(&server->scan, *in, true, server->base.limits.head_bytes, &len);
    if (fault == H1_FAULT_NONE && len == 0)
        return false;
    if (fault != H1_FAULT_NONE) {
        refuse(server, fault);
        return true;
    }
    struct stream *stream = new_stream(server);
    const struct h1_rules rules = rules_of(server, stream);
    char *block = (char *)arena_bytes(&stream->base.arena, len);
    struct h1_message message;
    memcpy(block, in->ptr, len);
    *in = (struct str){ .ptr = in->ptr + len, .len = in->len - len };
    server->scan = (struct h1_scan){ 0 };
    server->has_blank_line = false;
    fault = h1_parse_request(block, len, &rules, &message);
    if (fault == H1_FAULT_NONE) {
        begin_stream(server, stream, &message);
    } else {
        free_stream(stream);
        refuse(server, fault);
    }
    return true;
}

static bool step_body(struct server *server, struct str *in)
{
    struct str data;
    enum h1_fault fault = H1_FAULT_NONE;
    switch (h1_body_next(&server->body, in, &data, &fault)) {
    case H1_BODY_MORE:
        return false;
    case H1_BODY_DATA:
        pipe_write(&server->current->base.body, data.ptr, data.len);
        /* Ends with the data, not with the next byte that comes. */
        return server->body.framing == H1_CHUNKED || server->body.left == 0;
    case H1_BODY_TRAILERS:
        server->state = READ_TRAILERS;
        server->scan = (struct h1_scan){ 0 };
        return true;
    case H1_BODY_END:
        server->state = WAIT;
        pipe_end(&server->current->base.body, NULL);
        return true;
    case H1_BODY_BAD:
        refuse(server, fault);
        return true;
    }
    return false;
}

static bool step_trailers(struct server *server, struct str *in)
{
    struct stream *stream = server->current;
    const struct h1_rules rules = rules_of(server, stream);
    struct http_head trailers;
    bool is_whole;
    enum h1_fault fault = h1_take_trailers(&server->scan, in, &rules, &trailers, &is_whole);
    if (fault != H1_FAULT_NONE) {
        refuse(server, fault);
    } else if (is_whole) {
        server->state = WAIT;
        pipe_end(&stream->base.body, trailers.field_count > 0 ? &trailers : NULL);
    }
    return is_whole || fault != H1_FAULT_NONE;
}

static bool step_tunnel(struct server *server, struct str *in)
{
    struct pipe *body = &server->current->base.body;
    struct str all = *in;
    *in = (struct str){ .ptr = all.ptr + all.len, .len = 0 };
    if (all.len > 0 && !body->is_ended && !body->is_broken)
        pipe_write(body, all.ptr, all.len);
    return false;
}

/* Reads on for a while, so that the response is not lost to a RST. */
static bool step_linger(struct server *server, struct str *in)
{
    if (in->len < server->linger_left) {
        server->linger_left -= in->len;
    } else {
        be_over(server, HTTP_ERROR_NONE);
        tell_wants_write(server);
    }
    *in = (struct str){ .ptr = in->ptr + in->len, .len = 0 };
    return false;
}

/* One step forward through `in`; false: nothing further to do with it now. */
static bool step(struct server *server, struct str *in)
{
    switch (server->state) {
    case READ_HEAD:
        return in->len > 0 && step_head(server, in);
    case READ_BODY:
        return step_body(server, in);
    case READ_TRAILERS:
        return step_trailers(server, in);
    case WAIT:
        return false;
    case TUNNEL:
        return step_tunnel(server, in);
    case LINGER:
        return step_linger(server, in);
    case OVER:
        *in = (struct str){ .ptr = in->ptr + in->len, .len = 0 };
        break;
    }
    return false;
}

static void read_on(struct server *server, struct str fresh)
{
    if (server->is_reading)
        return;
    server->is_reading = true;
    struct str in = h1_input_join(&server->input, fresh);
    while (step(server, &in)) {
    }
    h1_input_keep(&server->input, in);
    server->is_reading = false;
    if (h1_input_is_overflown(&server->input) && server->state != OVER)
        refuse(server, H1_FAULT_HEAD_TOO_LARGE);
    if (server->state == READ_HEAD && server->has_ended) {
        be_over(server, HTTP_ERROR_NONE);
        tell_wants_write(server);
    }
}

static void receive(struct http_session *session, const uint8_t *bytes, size_t len)
{
    struct server *server = server_of(session);
    read_on(server, (struct str){ .ptr = (const char *)bytes, .len = len });
    look_at_reading(server);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void on_readable(void *reader, struct pipe *pipe)
{
    (void)pipe;
    tell_wants_write(reader);
}

static void on_inform(struct http_server_stream *base, const struct http_head *head)
{
    struct stream *stream = stream_of(base);
    const struct h1_frame frame = { .framing = H1_NO_BODY, .length = -1 };
    struct str text;
    if (stream->is_dead || stream->is_1_0 || base->is_responded || head->status < 100 ||
        head->status > 199 || head->status == 101 ||
        !h1_write_response(head, &frame, &base->arena, &text))
        return;
    h1_out_inform(&stream->out, text);
    tell_wants_write(server_of(base->session));
}

static void on_reset(struct http_server_stream *base, enum http_error error)
{
    struct stream *stream = stream_of(base);
    if (stream->is_dead)
        return;
    struct server *server = server_of(base->session);
    stream->is_dead = true;
    stream->error = error != HTTP_ERROR_NONE ? error : HTTP_ERROR_CANCELLED;
    h1_out_stop(&stream->out);
    be_over(server, stream->error);
    tell_wants_write(server);
}

/* How the response ends: by its length if that is known, else by chunks, else by closing. */
static struct h1_frame choose_framing(const struct stream *stream, const struct http_head *head,
                                      const struct pipe *body)
{
    bool may_state = stream->is_head || head->status == 304;
    if (stream->is_head || !http_response_has_body(stream->base.request.method, head->status))
        return (struct h1_frame){ .length = may_state ? head->content_length : -1 };
    if (body == NULL)
        return (struct h1_frame){ .length = 0 };
    if (head->content_length >= 0)
        return (struct h1_frame){ .framing = H1_LENGTH, .length = head->content_length };
    if (body->is_ended && body->consumed_bytes == 0 && body->trailers.field_count == 0)
        return (struct h1_frame){ .framing = H1_LENGTH, .length = (int64_t)body->len };
    return (struct h1_frame){ .framing = stream->is_1_0 ? H1_CLOSE : H1_CHUNKED, .length = -1 };
}

static bool is_complete(const struct server *server)
{
    return server->state == WAIT;
}

static void open_tunnel(struct server *server, struct stream *stream, const struct http_head *head,
                        struct pipe *body)
{
    char accept[H1_WEBSOCKET_ACCEPT_LEN];
    h1_websocket_accept(stream->websocket_key, accept);
    const struct h1_frame frame = { .length = -1, .websocket = { accept, sizeof(accept) } };
    struct str text;
    if (!h1_write_response(head, &frame, &stream->base.arena, &text)) {
        on_reset(&stream->base, HTTP_ERROR_INTERNAL);
        return;
    }
    stream->is_tunnel = true;
    server->state = TUNNEL;
    h1_out_start(&stream->out, text, H1_CLOSE, 0, body, on_readable, server);
    if (server->has_ended && !stream->base.body.is_ended)
        pipe_end(&stream->base.body, NULL);
    tell_wants_write(server);
}

static void on_respond(struct http_server_stream *base, const struct http_head *head,
                       struct pipe *body)
{
    struct stream *stream = stream_of(base);
    if (stream->is_dead)
        return;
    struct server *server = server_of(base->session);
    assert(!base->is_responded);
    base->is_responded = true;
    if (base->is_upgrade && head->status >= 200 && head->status < 300) {
        open_tunnel(server, stream, head, body);
        return;
    }
    struct h1_frame frame = choose_framing(stream, head, body);
    if (server->base.is_draining || !is_complete(server) || frame.framing == H1_CLOSE)
        stream->is_persistent = false;
    frame.connection = !stream->is_persistent ? "close" : stream->is_1_0 ? "keep-alive" : NULL;
    struct str text;
    if (!h1_write_response(head, &frame, &base->arena, &text)) {
        on_reset(base, HTTP_ERROR_INTERNAL);
        return;
    }
    uint64_t length = frame.framing == H1_LENGTH ? (uint64_t)frame.length : 0;
    h1_out_start(&stream->out, text, frame.framing, length, body, on_readable, server);
    if (base->is_upgrade && !base->body.is_ended) /* refused */
        pipe_end(&base->body, NULL);
    tell_wants_write(server);
}

/* The response has been produced whole. */
static void finish_response(struct server *server)
{
    struct stream *stream = server->current;
    if (stream->is_tunnel && !stream->base.body.is_ended) {
        server->base.is_write_ended = true;
        return;
    }
    if (stream->is_persistent) {
        server->state = READ_HEAD;
    } else if (!is_complete(server) && !stream->is_tunnel && !server->has_ended) {
        server->state = LINGER;
        server->linger_left = H1_LINGER_BYTES;
        server->base.is_write_ended = true;
    } else {
        be_over(server, HTTP_ERROR_NONE);
    }
    close_stream(server, HTTP_ERROR_NONE);
    bool is_idle = server->state == READ_HEAD && h1_input_len(&server->input) == 0;
    if (is_idle && (server->base.is_draining || server->has_ended))
        be_over(server, HTTP_ERROR_NONE);
}

/* What does not need room in the output; true: the state has changed. */
static bool settle(struct server *server)
{
    bool was_idle = server->current == NULL;
    if ((was_idle || server->state == TUNNEL) && h1_input_len(&server->input) > 0)
        read_on(server, STR(""));
    struct stream *stream = server->current;
    if (was_idle || stream == NULL)
        return stream != NULL;
    if (stream->is_dead) {
        close_stream(server, stream->error);
        return true;
    }
    if (stream->out.error != HTTP_ERROR_NONE) {
        be_over(server, stream->out.error);
        close_stream(server, stream->out.error);
        return true;
    }
    if (h1_out_is_done(&stream->out) && !server->base.is_write_ended) {
        finish_response(server);
        return true;
    }
    return false;
}

static size_t produce(struct http_session *session, uint8_t *out, size_t capacity)
{
    struct server *server = server_of(session);
    size_t made = 0;
    do {
        if (server->refusal.len > 0) {
            size_t room = capacity - made;
            size_t part = server->refusal.len < room ? server->refusal.len : room;
            memcpy(out + made, server->refusal.ptr, part);
            server->refusal.ptr += part;
            server->refusal.len -= part;
            made += part;
        } else if (server->current != NULL && !server->current->is_dead) {
            struct h1_out *from = &server->current->out;
            made += h1_out_produce(from, out + made, capacity - made);
            server->current->base.response_bytes = from->content_bytes;
        }
    } while (settle(server));
    look_at_reading(server);
    return made;
}

static bool wants_write(const struct http_session *session)
{
    const struct server *server = (const struct server *)(const void *)session;
    const struct stream *stream = server->current;
    if (server->refusal.len > 0)
        return true;
    return stream != NULL &&
           (stream->is_dead || h1_out_wants(&stream->out) || stream->out.error != HTTP_ERROR_NONE);
}

/* ---- the session ----------------------------------------------------------------------------- */

static void receive_end(struct http_session *session)
{
    struct server *server = server_of(session);
    struct stream *stream = server->current;
    server->has_ended = true;
    switch (server->state) {
    case READ_HEAD:
    case LINGER:
        be_over(server, HTTP_ERROR_NONE);
        break;
    case READ_BODY:
    case READ_TRAILERS: /* never to be taken for a whole request */
        be_over(server, HTTP_ERROR_CLOSED);
        if (stream->is_dead)
            break;
        close_stream(server, HTTP_ERROR_CLOSED);
        break;
    case TUNNEL:
        if (!stream->base.body.is_ended)
            pipe_end(&stream->base.body, NULL);
        if (server->base.is_write_ended) {
            be_over(server, HTTP_ERROR_NONE);
            close_stream(server, HTTP_ERROR_NONE);
        }
        break;
    case WAIT: /* half-closed: the response can still be sent */
    case OVER:
        break;
    }
    if (server->base.is_over)
        tell_wants_write(server);
}

static void drain(struct http_session *session, bool is_final)
{
    struct server *server = server_of(session);
    (void)is_final;
    session->is_draining = true;
    if (server->state != READ_HEAD || h1_input_len(&server->input) > 0)
        return;
    be_over(server, HTTP_ERROR_NONE);
    tell_wants_write(server);
}

static void ping(struct http_session *session)
{
    (void)session;
}

static void free_server(struct http_session *session)
{
    struct server *server = server_of(session);
    if (server->current != NULL) {
        struct stream *stream = server->current;
        enum http_error error = stream->is_dead ? stream->error : HTTP_ERROR_CLOSED;
        be_over(server, error);
        close_stream(server, error);
    }
    for (struct stream *stream = server->streams; stream != NULL;) {
        struct stream *next = stream->next;
        stream->base.session = NULL;
        stream->link = &stream->next; /* out of the list, whose head goes away */
        stream->next = NULL;
        stream = next;
    }
    h1_input_fini(&server->input);
    free(server->refusal_text);
    free(server);
}

struct http_session *h1_server_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_server_events *events, void *owner,
                                   bool is_https)
{
    static const struct http_session_ops ops = {
        .receive = receive,
        .receive_end = receive_end,
        .produce = produce,
        .wants_write = wants_write,
        .wants_read = wants_read,
        .drain = drain,
        .ping = ping,
        .free = free_server,
    };
    static const struct http_server_stream_ops stream_ops = {
        .inform = on_inform,
        .respond = on_respond,
        .reset = on_reset,
        .release = on_release,
    };
    struct server *server = mem_calloc(1, sizeof(*server));
    server->stream_ops = &stream_ops;
    server->base = (struct http_session){
        .ops = &ops,
        .events = &events->session,
        .owner = owner,
        .pool = pool,
        .limits = *limits,
        .version = HTTP_1_1,
    };
    server->events = events;
    server->is_https = is_https;
    h1_input_init(&server->input);
    return &server->base;
}
