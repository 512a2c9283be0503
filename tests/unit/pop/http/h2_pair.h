/* SPDX-License-Identifier: Apache-2.0 */
/* A client session and a server session wired to each other in memory, with everything that
 * happens written down. For tests and fuzz targets.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h2_client.h"
#include "pop/http/h2_server.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

#ifndef PAIR_STREAMS_MAX /* fuzz targets take fewer: they make a pair for each input */
#define PAIR_STREAMS_MAX 1024
#endif

struct pair;

/* One request as the server sees it. */
struct pair_request {
    struct pair *pair;
    struct http_server_stream *stream;
    struct pipe body; /* of the response */
    bool is_closed;
    enum http_error error;
};

/* One request as the client sees it. */
struct pair_call {
    struct pair *pair;
    struct http_client_stream *stream;
    struct pipe body; /* of the request */
    unsigned informs;
    uint16_t inform_status;
    bool has_response, is_closed;
    struct http_outcome outcome;
};

struct pair {
    struct pipe_pool pool;
    struct http_limits limits;
    struct http_session *client, *server;
    struct pair_request requests[PAIR_STREAMS_MAX];
    size_t request_count;
    struct pair_call calls[PAIR_STREAMS_MAX];
    size_t call_count;
    unsigned rejected, pongs, settings, settings_acks, draining, wakes;
    uint16_t rejected_status;
    char rejected_reason[64];
    size_t chunk; /* bytes moved at once; 0: random */
    struct rng rng;
    void (*on_request)(struct pair *pair, struct pair_request *request); /* NULL: collect */
};

static void pair_on_wake(void *owner)
{
    ((struct pair *)owner)->wakes++;
}
static void pair_on_pong(void *owner)
{
    ((struct pair *)owner)->pongs++;
}
static void pair_on_settings(void *owner)
{
    ((struct pair *)owner)->settings++;
}
static void pair_on_settings_ack(void *owner)
{
    ((struct pair *)owner)->settings_acks++;
}
static void pair_on_draining(void *owner)
{
    ((struct pair *)owner)->draining++;
}

static void pair_on_request(void *owner, struct http_server_stream *stream)
{
    struct pair *pair = owner;
    if (pair->request_count == PAIR_STREAMS_MAX)
        abort();
    struct pair_request *request = &pair->requests[pair->request_count++];
    *request = (struct pair_request){ .pair = pair, .stream = stream };
    pipe_init(&request->body, &pair->pool);
    stream->owner = request;
    if (pair->on_request != NULL)
        pair->on_request(pair, request);
}

static void pair_on_server_closed(void *owner, struct http_server_stream *stream,
                                  enum http_error error)
{
    (void)stream;
    struct pair_request *request = owner;
    if (request->is_closed)
        abort();
    request->is_closed = true;
    request->error = error;
}

static void pair_on_rejected(void *owner, uint16_t status, const char *reason)
{
    struct pair *pair = owner;
    pair->rejected++;
    pair->rejected_status = status;
    snprintf(pair->rejected_reason, sizeof(pair->rejected_reason), "%s", reason);
}

static void pair_on_inform(void *owner, struct http_client_stream *stream,
                           const struct http_head *head)
{
    (void)stream;
    struct pair_call *call = owner;
    call->informs++;
    call->inform_status = head->status;
}

static void pair_on_response(void *owner, struct http_client_stream *stream)
{
    (void)stream;
    ((struct pair_call *)owner)->has_response = true;
}

static void pair_on_client_closed(void *owner, struct http_client_stream *stream,
                                  struct http_outcome outcome)
{
    (void)stream;
    struct pair_call *call = owner;
    if (call->is_closed)
        abort();
    call->is_closed = true;
    call->outcome = outcome;
}

static const struct http_server_events pair_server_events = {
    .session = { .on_wants_write = pair_on_wake, .on_pong = pair_on_pong },
    .on_request = pair_on_request,
    .on_closed = pair_on_server_closed,
    .on_rejected = pair_on_rejected,
};

static const struct http_client_events pair_client_events = {
    .session = { .on_wants_write = pair_on_wake,
                 .on_pong = pair_on_pong,
                 .on_settings = pair_on_settings,
                 .on_settings_ack = pair_on_settings_ack,
                 .on_draining = pair_on_draining },
    .on_inform = pair_on_inform,
    .on_response = pair_on_response,
    .on_closed = pair_on_client_closed,
};

static inline struct http_limits pair_limits(void)
{
    return (struct http_limits){
        .head_bytes = 32 * 1024,
        .fields = 200,
        .streams = 100,
        .stream_window = 65536,
        .stream_window_max = 1 << 20,
        .connection_window = 4 << 20,
        .hpack_table_bytes = 4096,
        .h1_buffer_bytes = 65536,
        .score_max = 1000,
    };
}

/* With `client` or `server` missing, tests bring bytes of their own. */
static inline struct pair *pair_new(const struct http_limits *limits)
{
    struct pair *pair = mem_calloc(1, sizeof(*pair));
    pair->limits = *limits;
    pair->rng = rng_init(1);
    pipe_pool_init(&pair->pool, 16, 1 << 20);
    pair->client = h2_client_new(limits, &pair->pool, &pair_client_events, pair);
    pair->server = h2_server_new(limits, &pair->pool, &pair_server_events, pair);
    return pair;
}

/* Moves up to one chunk; false: nothing was there. */
static inline bool pair_move(struct pair *pair, struct http_session *from, struct http_session *to)
{
    static uint8_t bytes[65536];
    size_t want = pair->chunk > 0 ? pair->chunk : 1 + rng_below(&pair->rng, 20000);
    uint8_t *exact = malloc(want); /* so that sanitizers see a byte too many */
    if (exact == NULL)
        abort();
    size_t len = from->ops->produce(from, exact, want);
    if (len > want)
        abort();
    memcpy(bytes, exact, len);
    free(exact);
    size_t at = 0;
    while (at < len && to != NULL) {
        size_t part = pair->chunk > 0 ? len - at : 1 + rng_below(&pair->rng, len - at);
        to->ops->receive(to, bytes + at, part);
        at += part;
    }
    return len > 0;
}

/* Until both are silent. */
static inline void pair_run(struct pair *pair)
{
    bool is_moving = true;
    while (is_moving) {
        is_moving = pair_move(pair, pair->client, pair->server);
        is_moving |= pair_move(pair, pair->server, pair->client);
    }
}

static inline void pair_free(struct pair *pair)
{
    http_session_free(pair->client);
    http_session_free(pair->server);
    for (size_t i = 0; i < pair->call_count; i++) {
        if (!pair->calls[i].is_closed)
            abort();
        http_client_release(pair->calls[i].stream);
        pipe_fini(&pair->calls[i].body);
    }
    for (size_t i = 0; i < pair->request_count; i++) {
        if (!pair->requests[i].is_closed)
            abort();
        http_server_release(pair->requests[i].stream);
        pipe_fini(&pair->requests[i].body);
    }
    pipe_pool_fini(&pair->pool);
    free(pair);
}

static inline struct http_head pair_request_head(const char *method, const char *path)
{
    return (struct http_head){ .method = str_from(method),
                               .scheme = STR("https"),
                               .authority = STR("example.test"),
                               .path = str_from(path),
                               .content_length = -1 };
}

/* Starts a request; its body is `call->body` when `has_body`. */
static inline struct pair_call *pair_call_with(struct pair *pair, const struct http_head *head,
                                               bool has_body)
{
    if (pair->call_count == PAIR_STREAMS_MAX)
        abort();
    struct pair_call *call = &pair->calls[pair->call_count++];
    *call = (struct pair_call){ .pair = pair };
    pipe_init(&call->body, &pair->pool);
    call->stream = http_client_request(pair->client, head, has_body ? &call->body : NULL, call);
    return call;
}

static inline struct pair_call *pair_get(struct pair *pair, const char *path)
{
    struct http_head head = pair_request_head("GET", path);
    return pair_call_with(pair, &head, false);
}

static inline void pair_respond(struct pair_request *request, uint16_t status, bool has_body)
{
    struct http_head head = { .status = status, .content_length = -1 };
    http_server_respond(request->stream, &head, has_body ? &request->body : NULL);
}

/* Reads all that is there; returns how much. */
static inline size_t pair_swallow(struct pipe *pipe)
{
    size_t len = pipe->len;
    pipe_consume(pipe, len);
    return len;
}
