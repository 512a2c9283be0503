/* SPDX-License-Identifier: Apache-2.0 */
/* A request of HTTP/1.1 that was accepted crosses HTTP/2 and comes out as HTTP/1.1 again: it must
 * be one request, with the same meaning and the same content, whatever it held.
 *
 * Shape:     bytes -> h1_server -> h2_client -> h2_server -> h1_client -> h1_server
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_client.h"
#include "pop/http/h1_server.h"
#include "pop/http/h2_client.h"
#include "pop/http/h2_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HOPS = 3, REQUESTS_MAX = 8, TURNS_MAX = 64 };

struct chain;

struct hop {
    struct chain *chain;
    struct http_session *server, *client; /* the last hop has no client */
    struct http_server_stream *requests[REQUESTS_MAX];
    struct http_client_stream *calls[REQUESTS_MAX];
    size_t count;
};

struct chain {
    struct pipe_pool pool;
    struct hop hops[HOPS];
};

static void on_wants(void *owner)
{
    (void)owner;
}

static void on_request(void *owner, struct http_server_stream *stream)
{
    struct hop *hop = owner;
    assert(hop->count < REQUESTS_MAX);
    /* As the request core does: TE is for one hop. */
    http_head_remove(&stream->request, STR("te"));
    hop->requests[hop->count] = stream;
    if (hop->client != NULL && http_client_room(hop->client) > 0)
        hop->calls[hop->count] = http_client_request(hop->client, &stream->request,
                                                     stream->has_body ? &stream->body : NULL, hop);
    hop->count++;
}

static void on_server_closed(void *owner, struct http_server_stream *stream, enum http_error error)
{
    (void)owner, (void)stream, (void)error;
}

static void on_inform(void *owner, struct http_client_stream *stream, const struct http_head *head)
{
    (void)owner, (void)stream, (void)head;
}

static void on_response(void *owner, struct http_client_stream *stream)
{
    (void)owner, (void)stream;
}

static void on_client_closed(void *owner, struct http_client_stream *stream,
                             struct http_outcome outcome)
{
    (void)owner, (void)stream, (void)outcome;
}

static const struct http_server_events server_events = {
    .session = { .on_wants_write = on_wants, .on_wants_read = on_wants },
    .on_request = on_request,
    .on_closed = on_server_closed,
};

static const struct http_client_events client_events = {
    .session = { .on_wants_write = on_wants, .on_wants_read = on_wants },
    .on_inform = on_inform,
    .on_response = on_response,
    .on_closed = on_client_closed,
};

static bool move(struct http_session *from, struct http_session *to)
{
    static uint8_t bytes[65536];
    size_t len = from->ops->produce(from, bytes, sizeof(bytes));
    if (len > 0 && !to->is_over)
        to->ops->receive(to, bytes, len);
    return len > 0;
}

static void run(struct chain *chain)
{
    bool is_moving = true;
    for (int turn = 0; turn < TURNS_MAX && is_moving; turn++) {
        is_moving = false;
        for (int i = 0; i + 1 < HOPS; i++) {
            is_moving |= move(chain->hops[i].client, chain->hops[i + 1].server);
            /* Back only between the two ends of HTTP/2: nobody answers. */
            if (chain->hops[i].client->version == HTTP_2)
                is_moving |= move(chain->hops[i + 1].server, chain->hops[i].client);
        }
    }
}

static void open_chain(struct chain *chain)
{
    const struct http_limits limits = {
        .head_bytes = 32 * 1024,
        .fields = 100,
        .streams = 100,
        .stream_window = 65536,
        .stream_window_max = 65536,
        .connection_window = 1 << 20,
        .hpack_table_bytes = 4096,
        .h1_buffer_bytes = 65536,
        .score_max = 1000,
    };
    pipe_pool_init(&chain->pool, 4, 0);
    struct hop *hops = chain->hops;
    hops[0].server = h1_server_new(&limits, &chain->pool, &server_events, &hops[0], true);
    hops[0].client = h2_client_new(&limits, &chain->pool, &client_events, &hops[0]);
    hops[1].server = h2_server_new(&limits, &chain->pool, &server_events, &hops[1]);
    hops[1].client = h1_client_new(&limits, &chain->pool, &client_events, &hops[1], 1);
    hops[2].server = h1_server_new(&limits, &chain->pool, &server_events, &hops[2], true);
    run(chain);
}

static void close_chain(struct chain *chain)
{
    for (int i = 0; i < HOPS; i++) {
        http_session_free(chain->hops[i].client);
        http_session_free(chain->hops[i].server);
    }
    for (int i = 0; i < HOPS; i++)
        for (size_t n = 0; n < chain->hops[i].count; n++) {
            if (chain->hops[i].calls[n] != NULL)
                http_client_release(chain->hops[i].calls[n]);
            http_server_release(chain->hops[i].requests[n]);
        }
    pipe_pool_fini(&chain->pool);
}

static bool is_compared(const struct http_field *field)
{
    /* Crumbs are joined, the length is written from what was understood, and keys of WebSocket
     * handshakes belong to one hop. */
    return !str_eq(field->name, STR("cookie")) && !str_eq(field->name, STR("content-length")) &&
           !str_starts_with(field->name, STR("sec-websocket-"));
}

static const struct http_field *next_compared(const struct http_head *head, size_t *at)
{
    while (*at < head->field_count) {
        const struct http_field *field = &head->fields[(*at)++];
        if (is_compared(field))
            return field;
    }
    return NULL;
}

static void compare(const struct http_head *a, const struct http_head *b)
{
    assert(str_eq(a->method, b->method) && str_eq(a->path, b->path));
    assert(str_eq_nocase(a->authority, b->authority) && str_eq(a->protocol, b->protocol));
    size_t at_a = 0, at_b = 0;
    for (;;) {
        const struct http_field *field_a = next_compared(a, &at_a);
        const struct http_field *field_b = next_compared(b, &at_b);
        assert((field_a == NULL) == (field_b == NULL));
        if (field_a == NULL)
            return;
        assert(str_eq(field_a->name, field_b->name) && str_eq(field_a->value, field_b->value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    struct chain chain = { 0 };
    open_chain(&chain);
    struct http_session *front = chain.hops[0].server;
    front->ops->receive(front, data, size);
    /* Further requests wait for a response, which never comes: so there is at most one. */
    run(&chain);
    const struct hop *first = &chain.hops[0], *last = &chain.hops[HOPS - 1];
    assert(first->count <= 1 && chain.hops[1].count <= first->count);
    assert(last->count <= chain.hops[1].count);
    if (chain.hops[1].count == 1)
        compare(&first->requests[0]->request, &chain.hops[1].requests[0]->request);
    if (last->count == 1) {
        const struct http_server_stream *in = first->requests[0], *out = last->requests[0];
        compare(&in->request, &out->request);
        /* Chunks of nothing that are all there when the head leaves are no content (END_STREAM). */
        bool is_empty =
            in->body.is_ended && in->body.written_bytes == 0 && in->body.trailers.field_count == 0;
        assert(in->has_body ? out->has_body || is_empty : !out->has_body);
        assert(out->body.written_bytes <= in->body.written_bytes);
        if (out->body.is_ended)
            assert(in->body.is_ended && out->body.written_bytes == in->body.written_bytes);
    }
    assert(!last->server->is_over || last->server->error == HTTP_ERROR_NONE);
    close_chain(&chain);
    return 0;
}
