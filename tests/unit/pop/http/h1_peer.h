/* SPDX-License-Identifier: Apache-2.0 */
/* A request core for tests: it writes down what an HTTP/1.1 session tells it, and answers when the
 * request is complete. Used by unit tests and fuzz targets: the same bytes must always give the
 * same account, however they are cut into pieces.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_server.h"
#include "steering/base/buf.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

struct h1_peer {
    struct pipe_pool pool;
    struct http_session *session;
    struct buf account;                /* what happened */
    struct buf out;                    /* what the session produced */
    struct pipe *reply;                /* given with every response; NULL: none */
    uint16_t status;                   /* of the responses */
    bool is_early;                     /* answer at the head, not at the end */
    bool is_silent;                    /* do not answer */
    bool is_echoing;                   /* tunnels: send back what came */
    struct http_server_stream *stream; /* the last one; NULL: released */
    unsigned requests, closed, rejected;
};

static inline void h1_peer_log_head(struct buf *account, const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++)
        buf_append_format(account, " %.*s=[%.*s]", STR_ARG(head->fields[i].name),
                          STR_ARG(head->fields[i].value));
}

static inline void h1_peer_on_wants(void *owner)
{
    (void)owner;
}

static inline void h1_peer_respond(struct h1_peer *peer, struct http_server_stream *stream)
{
    struct http_head head = { .status = peer->status, .content_length = -1 };
    http_head_add(&head, &stream->arena, STR("x-test"), STR("yes"));
    http_server_respond(stream, &head,
                        stream->is_upgrade && peer->is_echoing ? &stream->body : peer->reply);
}

/* Reads what is there, and answers at the end. */
static inline void h1_peer_on_readable(void *owner, struct pipe *pipe)
{
    struct h1_peer *peer = owner;
    for (struct str part; (part = pipe_peek(pipe)).len > 0; pipe_consume(pipe, part.len))
        buf_append_str(&peer->account, part);
    if (pipe->is_broken)
        buf_append_format(&peer->account, " broken=%s", http_error_name(pipe->error));
    if (!pipe->is_ended)
        return;
    buf_append_text(&peer->account, " end");
    h1_peer_log_head(&peer->account, &pipe->trailers);
    if (!peer->is_early && !peer->is_silent)
        h1_peer_respond(peer, peer->stream);
}

static inline void h1_peer_on_request(void *owner, struct http_server_stream *stream)
{
    struct h1_peer *peer = owner;
    const struct http_head *head = &stream->request;
    peer->requests++;
    peer->stream = stream;
    stream->owner = peer;
    buf_append_format(&peer->account, "%.*s %.*s %.*s %.*s", STR_ARG(head->method),
                      STR_ARG(head->scheme), STR_ARG(head->authority), STR_ARG(head->path));
    if (head->protocol.len > 0)
        buf_append_format(&peer->account, " protocol=%.*s", STR_ARG(head->protocol));
    if (head->content_length >= 0)
        buf_append_format(&peer->account, " length=%lld", (long long)head->content_length);
    h1_peer_log_head(&peer->account, head);
    if (stream->has_body)
        buf_append_text(&peer->account, " content: ");
    if (stream->is_upgrade && peer->is_echoing) {
        h1_peer_respond(peer, stream);
        return;
    }
    if (peer->is_early)
        h1_peer_respond(peer, stream);
    pipe_attach(&stream->body, h1_peer_on_readable, peer);
    h1_peer_on_readable(peer, &stream->body);
}

static inline void h1_peer_on_closed(void *owner, struct http_server_stream *stream,
                                     enum http_error error)
{
    struct h1_peer *peer = owner;
    peer->closed++;
    peer->stream = NULL;
    buf_append_format(&peer->account, " closed=%s\n", http_error_name(error));
    http_server_release(stream);
}

static inline void h1_peer_on_rejected(void *owner, uint16_t status, const char *reason)
{
    struct h1_peer *peer = owner;
    peer->rejected++;
    buf_append_format(&peer->account, " rejected %u %s\n", status, reason);
}

static inline void h1_peer_init(struct h1_peer *peer, const struct http_limits *limits)
{
    static const struct http_server_events events = {
        .session = { .on_wants_write = h1_peer_on_wants, .on_wants_read = h1_peer_on_wants },
        .on_request = h1_peer_on_request,
        .on_closed = h1_peer_on_closed,
        .on_rejected = h1_peer_on_rejected,
    };
    *peer = (struct h1_peer){ .status = 200 };
    pipe_pool_init(&peer->pool, 4, 1 << 20);
    buf_init(&peer->account, 1 << 24);
    buf_init(&peer->out, 1 << 24);
    peer->session = h1_server_new(limits, &peer->pool, &events, peer, true);
}

static inline struct http_limits h1_peer_limits(void)
{
    return (struct http_limits){ .head_bytes = 8192, .fields = 64, .h1_buffer_bytes = 1 << 16 };
}

/* Takes all that the session has to say, `step` bytes at a time. */
static inline void h1_peer_flush(struct h1_peer *peer, size_t step)
{
    uint8_t out[4096];
    for (unsigned idle = 0; idle < 2;) {
        size_t len = peer->session->ops->produce(peer->session, out,
                                                 step < sizeof(out) ? step : sizeof(out));
        buf_append(&peer->out, out, len);
        idle = len == 0 ? idle + 1 : 0;
    }
    assert(!peer->session->ops->wants_write(peer->session));
}

static inline void h1_peer_feed(struct h1_peer *peer, struct str bytes)
{
    /* Its own memory, of the exact size: the sanitizer then sees a read one octet too far. */
    uint8_t *copy = mem_dup(bytes.len > 0 ? bytes.ptr : "", bytes.len > 0 ? bytes.len : 1);
    if (bytes.len > 0)
        peer->session->ops->receive(peer->session, copy, bytes.len);
    free(copy);
}

/* Whole (seed 0), or cut at places that `seed` chooses; 1: byte by byte. */
static inline void h1_peer_feed_cut(struct h1_peer *peer, struct str bytes, uint64_t seed)
{
    struct rng rng = rng_init(seed);
    while (bytes.len > 0) {
        size_t len = seed == 0 ? bytes.len : seed == 1 ? 1 : (size_t)rng_below(&rng, 40) + 1;
        if (len > bytes.len)
            len = bytes.len;
        h1_peer_feed(peer, (struct str){ bytes.ptr, len });
        h1_peer_flush(peer, seed <= 1 ? 4096 : (size_t)rng_below(&rng, 60) + 1);
        bytes = (struct str){ bytes.ptr + len, bytes.len - len };
    }
}

static inline void h1_peer_fini(struct h1_peer *peer)
{
    http_session_free(peer->session);
    assert(peer->requests == peer->closed);
    buf_fini(&peer->account);
    buf_fini(&peer->out);
    pipe_pool_fini(&peer->pool);
}
