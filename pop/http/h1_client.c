/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_input.h"
#include "pop/http/h1_out.h"
#include "pop/http/h1_parse.h"
#include "pop/http/h1_write.h"
#include "steering/base/base64.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { ARENA_CHUNK = LIMIT(4096, 64) };

struct stream {
    struct http_client_stream base;
    struct stream *next, **link; /* all that are not freed */
    struct h1_out out;
    struct str method; /* what was written */
    bool is_websocket, is_tunnel;
    bool has_response;
    bool is_dead; /* to be closed with `error`; nothing else happens to it */
    bool is_closed, is_released;
    enum http_error error;
    char accept[H1_WEBSOCKET_ACCEPT_LEN]; /* what the server must say */
};

enum state {
    READ_HEAD, /* also: idle */
    READ_BODY,
    READ_TRAILERS,
    SENDING, /* the response is complete, the request is not */
    TUNNEL,
    OVER,
};

struct client {
    struct http_session base;
    const struct http_client_events *events;
    struct stream *current, *streams;
    enum state state;
    bool is_paused;
    bool is_reading; /* step() is on the stack */
    bool is_persistent;
    uint32_t informs;
    struct h1_input input;
    struct h1_scan scan;
    struct h1_body body;
    struct rng rng;
};

static struct client *client_of(struct http_session *session)
{
    return container_of(session, struct client, base);
}

static struct stream *stream_of(struct http_client_stream *stream)
{
    return container_of(stream, struct stream, base);
}

static void tell_wants_write(struct client *client)
{
    client->events->session.on_wants_write(client->base.owner);
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

static void be_draining(struct client *client)
{
    if (client->base.is_draining)
        return;
    client->base.is_draining = true;
    if (client->events->session.on_draining != NULL)
        client->events->session.on_draining(client->base.owner);
}

static void be_over(struct client *client, enum http_error error)
{
    client->state = OVER;
    client->base.is_over = true;
    if (client->base.error == HTTP_ERROR_NONE)
        client->base.error = error;
}

/* The current stream is over, one way or the other. */
static void close_stream(struct client *client, enum http_error error)
{
    struct stream *stream = client->current;
    const struct http_outcome outcome = {
        .error = error,
        .is_unprocessed = !stream->base.is_produced,
        .has_response = stream->has_response,
    };
    client->current = NULL;
    client->base.open_streams--;
    stream->is_dead = true;
    h1_out_stop(&stream->out);
    stream->base.body.on_consumed = NULL;
    if (!stream->base.body.is_ended)
        pipe_break(&stream->base.body, error != HTTP_ERROR_NONE ? error : HTTP_ERROR_CLOSED);
    bool was_released = stream->is_released;
    stream->is_closed = true;
    client->events->on_closed(stream->base.owner, &stream->base, outcome);
    if (was_released)
        free_stream(stream);
}

static void on_release(struct http_client_stream *base)
{
    struct stream *stream = stream_of(base);
    stream->is_released = true;
    if (stream->is_closed)
        free_stream(stream);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool wants_read(const struct http_session *session)
{
    const struct client *client = (const struct client *)(const void *)session;
    const struct stream *stream = client->current;
    if (stream == NULL)
        return true;
    const struct pipe *body = &stream->base.body;
    return body->written_bytes - body->consumed_bytes <= client->base.limits.h1_buffer_bytes;
}

static void look_at_reading(struct client *client)
{
    bool was_paused = client->is_paused;
    client->is_paused = !wants_read(&client->base);
    if (was_paused && !client->is_paused)
        client->events->session.on_wants_read(client->base.owner);
}

static void on_consumed(void *writer, struct pipe *pipe, size_t bytes)
{
    (void)pipe;
    (void)bytes;
    look_at_reading(writer);
}

/* What the server sent is not HTTP, or not an answer to us. */
static void give_up(struct client *client, enum h1_fault fault)
{
    uint16_t status = h1_fault_status(fault);
    bool is_large = status == 431 || status == 414;
    client->base.reason = h1_fault_word(fault);
    be_over(client, is_large ? HTTP_ERROR_TOO_LARGE : HTTP_ERROR_PROTOCOL);
    if (client->current != NULL)
        close_stream(client, client->base.error);
    tell_wants_write(client);
}

/* Both messages are complete. */
static void finish_exchange(struct client *client)
{
    if (client->is_persistent && !client->base.is_draining) {
        client->state = READ_HEAD;
    } else {
        be_draining(client);
        be_over(client, HTTP_ERROR_NONE);
        tell_wants_write(client);
    }
    close_stream(client, HTTP_ERROR_NONE);
}

/* The response is complete. What the server has not read of the request by now it does not want;
 * and where it would go on reading, nobody knows. */
static void finish_response(struct client *client, const struct http_head *trailers)
{
    struct stream *stream = client->current;
    if (!h1_out_is_whole(&stream->out))
        client->is_persistent = false;
    /* The readers of the pipe may cancel: no way back to READ_BODY from here. */
    client->state = SENDING;
    if (!stream->base.body.is_ended)
        pipe_end(&stream->base.body, trailers);
    if (client->current == stream && !stream->is_dead)
        finish_exchange(client);
}

static void begin_tunnel(struct client *client, struct stream *stream)
{
    stream->is_tunnel = true;
    stream->base.response.status = 200;
    client->state = TUNNEL;
    client->is_persistent = false;
    be_draining(client);
    client->events->on_response(stream->base.owner, &stream->base);
    if (client->state == TUNNEL)
        tell_wants_write(client);
}

static void begin_response(struct client *client, const struct h1_message *message)
{
    struct stream *stream = client->current;
    bool has_content = message->framing == H1_CHUNKED || message->framing == H1_CLOSE ||
                       message->head.content_length > 0;
    stream->base.response = message->head;
    stream->has_response = true;
    client->base.version = message->is_1_0 ? HTTP_1_0 : HTTP_1_1;
    client->is_persistent = message->is_persistent && h1_out_is_whole(&stream->out);
    if (stream->is_websocket && message->is_websocket) {
        begin_tunnel(client, stream);
        return;
    }
    if (!client->is_persistent)
        be_draining(client);
    has_content = has_content && message->framing != H1_NO_BODY;
    client->state = READ_BODY;
    h1_body_init(&client->body, has_content ? message->framing : H1_NO_BODY,
                 (uint64_t)message->head.content_length);
    client->events->on_response(stream->base.owner, &stream->base);
}

/* 1xx, and what may not come. */
static enum h1_fault judge_interim(struct client *client, const struct h1_message *message)
{
    struct stream *stream = client->current;
    if (message->head.status == 101) {
        bool is_right =
            stream->is_websocket && str_eq(message->websocket_accept,
                                           (struct str){ stream->accept, sizeof(stream->accept) });
        return is_right ? H1_FAULT_NONE : H1_FAULT_UPGRADE;
    }
    if (message->is_1_0 || ++client->informs > H1_INFORMS_MAX)
        return H1_FAULT_INFORMS;
    return H1_FAULT_NONE;
}

static void take_message(struct client *client, const struct h1_message *message)
{
    struct stream *stream = client->current;
    bool is_interim = message->head.status < 200;
    enum h1_fault fault = is_interim ? judge_interim(client, message) : H1_FAULT_NONE;
    /* Ignoring Upgrade is a server's right, but over HTTP/2 any 2xx would be taken for the tunnel.
     */
    if (stream->is_websocket && message->head.status >= 200 && message->head.status < 300)
        fault = H1_FAULT_UPGRADE;
    if (fault != H1_FAULT_NONE)
        give_up(client, fault);
    else if (!is_interim || message->is_websocket)
        begin_response(client, message);
    else
        client->events->on_inform(stream->base.owner, &stream->base, &message->head);
}

static struct h1_rules rules_of(const struct client *client, struct stream *stream)
{
    return (struct h1_rules){
        .arena = &stream->base.arena,
        .fields_max = client->base.limits.fields,
        .head_bytes = client->base.limits.head_bytes,
    };
}

static bool step_head(struct client *client, struct str *in)
{
    struct stream *stream = client->current;
    size_t len;
    if (stream == NULL || !stream->base.is_produced) {
        give_up(client, H1_FAULT_UNASKED);
        return true;
    }
    enum h1_fault fault =
        h1_scan_block(&client->scan, *in, true, client->base.limits.head_bytes, &len);
    if (fault == H1_FAULT_NONE && len == 0)
        return false;
    if (fault != H1_FAULT_NONE) {
        give_up(client, fault);
        return true;
    }
    const struct h1_rules rules = rules_of(client, stream);
    char *block = (char *)arena_bytes(&stream->base.arena, len);
    struct h1_message message;
    memcpy(block, in->ptr, len);
    *in = (struct str){ .ptr = in->ptr + len, .len = in->len - len };
    client->scan = (struct h1_scan){ 0 };
    fault = h1_parse_response(block, len, stream->method, &rules, &message);
    if (fault == H1_FAULT_NONE)
        take_message(client, &message);
    else
        give_up(client, fault);
    return true;
}

static bool step_body(struct client *client, struct str *in)
{
    struct str data;
    enum h1_fault fault = H1_FAULT_NONE;
    switch (h1_body_next(&client->body, in, &data, &fault)) {
    case H1_BODY_MORE:
        return false;
    case H1_BODY_DATA:
        pipe_write(&client->current->base.body, data.ptr, data.len);
        return true;
    case H1_BODY_TRAILERS:
        client->state = READ_TRAILERS;
        client->scan = (struct h1_scan){ 0 };
        return true;
    case H1_BODY_END:
        finish_response(client, NULL);
        return true;
    case H1_BODY_BAD:
        give_up(client, fault);
        return true;
    }
    return false;
}

static bool step_trailers(struct client *client, struct str *in)
{
    const struct h1_rules rules = rules_of(client, client->current);
    struct http_head trailers;
    bool is_whole;
    enum h1_fault fault = h1_take_trailers(&client->scan, in, &rules, &trailers, &is_whole);
    if (fault != H1_FAULT_NONE)
        give_up(client, fault);
    else if (is_whole)
        finish_response(client, trailers.field_count > 0 ? &trailers : NULL);
    return is_whole || fault != H1_FAULT_NONE;
}

static bool step_tunnel(struct client *client, struct str *in)
{
    struct pipe *body = &client->current->base.body;
    struct str all = *in;
    *in = (struct str){ .ptr = all.ptr + all.len, .len = 0 };
    if (all.len > 0 && !body->is_ended && !body->is_broken)
        pipe_write(body, all.ptr, all.len);
    return false;
}

/* One step forward through `in`; false: nothing further to do with it now. */
static bool step(struct client *client, struct str *in)
{
    switch (client->state) {
    case READ_HEAD:
        return in->len > 0 && step_head(client, in);
    case READ_BODY:
        return step_body(client, in);
    case READ_TRAILERS:
        return step_trailers(client, in);
    case TUNNEL:
        return step_tunnel(client, in);
    case SENDING:
        return false;
    case OVER:
        *in = (struct str){ .ptr = in->ptr + in->len, .len = 0 };
        break;
    }
    return false;
}

static void receive(struct http_session *session, const uint8_t *bytes, size_t len)
{
    struct client *client = client_of(session);
    struct str fresh = { .ptr = (const char *)bytes, .len = len };
    assert(!client->is_reading);
    client->is_reading = true;
    struct str in = h1_input_join(&client->input, fresh);
    while (step(client, &in)) {
    }
    h1_input_keep(&client->input, in);
    client->is_reading = false;
    if (h1_input_is_overflown(&client->input) && client->state != OVER)
        give_up(client, H1_FAULT_HEAD_TOO_LARGE);
    look_at_reading(client);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void on_readable(void *reader, struct pipe *pipe)
{
    (void)pipe;
    tell_wants_write(reader);
}

static bool has_room(const struct client *client)
{
    return client->current == NULL && client->state == READ_HEAD && !client->base.is_draining;
}

static uint32_t room(const struct http_session *session)
{
    return has_room((const struct client *)(const void *)session) ? 1 : 0;
}

static bool takes_websocket(const struct http_session *session)
{
    (void)session;
    return true;
}

/* A method of which servers expect content: they then want to hear that there is none. */
static bool expects_content(struct str method)
{
    return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
           str_eq(method, STR("PATCH"));
}

static struct h1_frame choose_framing(const struct http_head *head, const struct pipe *body)
{
    if (body == NULL)
        return (struct h1_frame){ .length = expects_content(head->method) ? 0 : -1 };
    if (head->content_length >= 0)
        return (struct h1_frame){ .framing = H1_LENGTH, .length = head->content_length };
    if (body->is_ended && body->consumed_bytes == 0 && body->trailers.field_count == 0)
        return (struct h1_frame){ .framing = H1_LENGTH, .length = (int64_t)body->len };
    return (struct h1_frame){ .framing = H1_CHUNKED, .length = -1 };
}

static void make_key(struct client *client, struct stream *stream,
                     char out_key[H1_WEBSOCKET_KEY_LEN])
{
    const uint64_t random[2] = { rng_next(&client->rng), rng_next(&client->rng) };
    base64_format(random, sizeof(random), out_key);
    h1_websocket_accept((struct str){ out_key, H1_WEBSOCKET_KEY_LEN }, stream->accept);
}

/* Content of a handshake waits for the 101: it begins with h1_out_start in on_switch. */
static void write_request(struct client *client, struct stream *stream,
                          const struct http_head *head, struct pipe *body)
{
    char key[H1_WEBSOCKET_KEY_LEN];
    struct str text = STR("");
    struct h1_frame frame = choose_framing(head, body);
    if (stream->is_websocket) {
        make_key(client, stream, key);
        frame = (struct h1_frame){ .framing = H1_CLOSE,
                                   .length = -1,
                                   .websocket = { key, sizeof(key) } };
    }
    if (!h1_write_request(head, &frame, &stream->base.arena, &text)) {
        stream->is_dead = true;
        stream->error = HTTP_ERROR_INTERNAL;
        return;
    }
    uint64_t length = frame.framing == H1_LENGTH ? (uint64_t)frame.length : 0;
    h1_out_start(&stream->out, text, frame.framing, length, body, on_readable, client);
}

static struct http_client_stream *request(struct http_session *session,
                                          const struct http_head *head, struct pipe *body,
                                          void *stream_owner)
{
    struct client *client = client_of(session);
    assert(has_room(client));
    struct stream *stream = mem_calloc(1, sizeof(*stream));
    stream->next = client->streams;
    stream->link = &client->streams;
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    client->streams = stream;
    stream->base.ops = http_client_ops_of(session);
    stream->base.session = session;
    stream->base.owner = stream_owner;
    stream->base.id = ++session->total_streams;
    stream->base.response.content_length = -1;
    arena_init(&stream->base.arena, ARENA_CHUNK);
    pipe_init(&stream->base.body, session->pool);
    stream->base.body.on_consumed = on_consumed;
    stream->base.body.writer = client;
    stream->is_websocket = head->protocol.len > 0;
    stream->method =
        stream->is_websocket ? STR("GET") : arena_str(&stream->base.arena, head->method);
    h1_out_init(&stream->out, &stream->base.arena);
    client->current = stream;
    client->informs = 0;
    session->open_streams++;
    if (session->limits.requests > 0 && session->total_streams >= session->limits.requests)
        be_draining(client);
    write_request(client, stream, head, body);
    tell_wants_write(client);
    return &stream->base;
}

static void cancel(struct http_client_stream *base, enum http_error error)
{
    struct stream *stream = stream_of(base);
    if (stream->is_dead)
        return;
    struct client *client = client_of(base->session);
    stream->is_dead = true;
    stream->error = error != HTTP_ERROR_NONE ? error : HTTP_ERROR_CANCELLED;
    h1_out_stop(&stream->out);
    /* Nothing has left: the connection is as good as before. */
    if (base->is_produced)
        be_over(client, HTTP_ERROR_NONE);
    tell_wants_write(client);
}

/* What does not need room in the output. */
static void settle(struct client *client)
{
    struct stream *stream = client->current;
    if (stream == NULL)
        return;
    if (stream->is_dead) {
        close_stream(client, stream->error);
    } else if (stream->out.error != HTTP_ERROR_NONE) {
        /* The request can not be completed: its end must not look like one. */
        be_over(client, stream->out.error);
        close_stream(client, stream->out.error);
    } else if (stream->is_tunnel && h1_out_is_done(&stream->out)) {
        client->base.is_write_ended = true;
        if (stream->base.body.is_ended) {
            be_over(client, HTTP_ERROR_NONE);
            close_stream(client, HTTP_ERROR_NONE);
        }
    }
}

/* Only the head of a handshake may leave before the server has agreed. */
static bool is_held(const struct stream *stream)
{
    return stream->is_websocket && !stream->is_tunnel;
}

static size_t produce(struct http_session *session, uint8_t *out, size_t capacity)
{
    struct client *client = client_of(session);
    struct stream *stream = client->current;
    size_t made = 0;
    if (stream != NULL && !stream->is_dead) {
        if (is_held(stream) && capacity > stream->out.text.len)
            capacity = stream->out.text.len;
        made = h1_out_produce(&stream->out, out, capacity);
        if (made > 0)
            stream->base.is_produced = true;
    }
    settle(client);
    look_at_reading(client);
    return made;
}

static bool wants_write(const struct http_session *session)
{
    const struct client *client = (const struct client *)(const void *)session;
    const struct stream *stream = client->current;
    if (stream == NULL)
        return false;
    if (stream->is_dead)
        return true;
    return is_held(stream) ? stream->out.text.len > 0 : h1_out_wants(&stream->out);
}

/* ---- the session ----------------------------------------------------------------------------- */

static void receive_end(struct http_session *session)
{
    struct client *client = client_of(session);
    struct stream *stream = client->current;
    be_draining(client);
    if (stream == NULL || stream->is_dead) {
        be_over(client, HTTP_ERROR_NONE);
    } else if (client->state == TUNNEL) {
        if (!stream->base.body.is_ended)
            pipe_end(&stream->base.body, NULL);
        if (client->base.is_write_ended && client->current == stream) {
            be_over(client, HTTP_ERROR_NONE);
            close_stream(client, HTTP_ERROR_NONE);
        }
    } else if (client->state == READ_BODY && client->body.framing == H1_CLOSE) {
        finish_response(client, NULL);
    } else {
        be_over(client, HTTP_ERROR_CLOSED);
        close_stream(client, HTTP_ERROR_CLOSED);
    }
    tell_wants_write(client);
}

static void drain(struct http_session *session, bool is_final)
{
    struct client *client = client_of(session);
    (void)is_final;
    session->is_draining = true;
    if (client->current == NULL) {
        be_over(client, HTTP_ERROR_NONE);
        tell_wants_write(client);
    }
}

static void ping(struct http_session *session)
{
    (void)session;
}

static void free_client(struct http_session *session)
{
    struct client *client = client_of(session);
    struct stream *stream = client->current;
    if (stream != NULL) {
        enum http_error error = stream->is_dead ? stream->error : HTTP_ERROR_CLOSED;
        be_over(client, error);
        close_stream(client, error);
    }
    for (stream = client->streams; stream != NULL;) {
        struct stream *next = stream->next;
        stream->base.session = NULL;
        stream->link = &stream->next; /* out of the list, whose head goes away */
        stream->next = NULL;
        stream = next;
    }
    h1_input_fini(&client->input);
    free(client);
}

struct http_session *h1_client_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_client_events *events, void *owner,
                                   uint64_t seed)
{
    static const struct http_client_ops ops = {
        .session = {
            .receive = receive,
            .receive_end = receive_end,
            .produce = produce,
            .wants_write = wants_write,
            .wants_read = wants_read,
            .drain = drain,
            .ping = ping,
            .free = free_client,
        },
        .request = request,
        .room = room,
        .takes_websocket = takes_websocket,
        .cancel = cancel,
        .release = on_release,
    };
    struct client *client = mem_calloc(1, sizeof(*client));
    client->base = (struct http_session){
        .ops = &ops.session,
        .events = &events->session,
        .owner = owner,
        .pool = pool,
        .limits = *limits,
        .version = HTTP_1_1,
    };
    client->events = events;
    client->rng = rng_init(seed);
    h1_input_init(&client->input);
    return &client->base;
}
