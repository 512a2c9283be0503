/* SPDX-License-Identifier: Apache-2.0 */
/* What asks an HTTP/1.1 client session, for tests: it writes down what the session tells it. Used
 * by unit tests and the fuzz target: the same bytes must always give the same account.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/h1_client.h"
#include "steering/base/buf.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

struct h1_asker {
    struct pipe_pool pool;
    struct http_session *session;
    struct buf account, out;
    struct http_client_stream *stream; /* NULL: closed */
    struct http_outcome outcome;
    unsigned asked, closed, draining;
    bool is_holding; /* leave content in the pipe */
};

static inline void h1_asker_log_head(struct buf *account, const struct http_head *head)
{
    buf_append_format(account, " %u", head->status);
    if (head->content_length >= 0)
        buf_append_format(account, " length=%lld", (long long)head->content_length);
    for (size_t i = 0; i < head->field_count; i++)
        buf_append_format(account, " %.*s=[%.*s]", STR_ARG(head->fields[i].name),
                          STR_ARG(head->fields[i].value));
}

static inline void h1_asker_on_wants(void *owner)
{
    (void)owner;
}

static inline void h1_asker_on_draining(void *owner)
{
    struct h1_asker *asker = owner;
    asker->draining++;
}

static inline void h1_asker_on_inform(void *owner, struct http_client_stream *stream,
                                      const struct http_head *head)
{
    struct h1_asker *asker = owner;
    (void)stream;
    buf_append_text(&asker->account, " inform");
    h1_asker_log_head(&asker->account, head);
}

static inline void h1_asker_on_readable(void *owner, struct pipe *pipe)
{
    struct h1_asker *asker = owner;
    for (struct str part; (part = pipe_peek(pipe)).len > 0; pipe_consume(pipe, part.len))
        buf_append_str(&asker->account, part);
    if (pipe->is_ended) {
        buf_append_text(&asker->account, " end");
        for (size_t i = 0; i < pipe->trailers.field_count; i++)
            buf_append_format(&asker->account, " %.*s=[%.*s]",
                              STR_ARG(pipe->trailers.fields[i].name),
                              STR_ARG(pipe->trailers.fields[i].value));
    }
    if (pipe->is_broken)
        buf_append_text(&asker->account, " broken");
}

static inline void h1_asker_on_response(void *owner, struct http_client_stream *stream)
{
    struct h1_asker *asker = owner;
    h1_asker_log_head(&asker->account, &stream->response);
    buf_append_text(&asker->account, ": ");
    if (!asker->is_holding)
        pipe_attach(&stream->body, h1_asker_on_readable, asker);
}

static inline void h1_asker_on_closed(void *owner, struct http_client_stream *stream,
                                      struct http_outcome outcome)
{
    struct h1_asker *asker = owner;
    assert(stream->body.is_ended || stream->body.is_broken);
    asker->closed++;
    asker->outcome = outcome;
    asker->stream = NULL;
    buf_append_format(&asker->account, " closed=%s%s%s\n", http_error_name(outcome.error),
                      outcome.is_unprocessed ? " unprocessed" : "",
                      outcome.has_response ? "" : " no-response");
    http_client_release(stream);
}

static inline struct http_limits h1_asker_limits(void)
{
    return (struct http_limits){ .head_bytes = 8192, .fields = 64, .h1_buffer_bytes = 1 << 16 };
}

static inline void h1_asker_init(struct h1_asker *asker, const struct http_limits *limits)
{
    static const struct http_client_events events = {
        .session = { .on_wants_write = h1_asker_on_wants,
                     .on_wants_read = h1_asker_on_wants,
                     .on_draining = h1_asker_on_draining },
        .on_inform = h1_asker_on_inform,
        .on_response = h1_asker_on_response,
        .on_closed = h1_asker_on_closed,
    };
    *asker = (struct h1_asker){ .session = NULL };
    pipe_pool_init(&asker->pool, 4, 1 << 20);
    buf_init(&asker->account, 1 << 24);
    buf_init(&asker->out, 1 << 24);
    asker->session = h1_client_new(limits, &asker->pool, &events, asker, 42);
}

static inline void h1_asker_flush(struct h1_asker *asker, size_t step)
{
    uint8_t out[4096];
    for (unsigned idle = 0; idle < 2;) {
        size_t len = asker->session->ops->produce(asker->session, out,
                                                  step < sizeof(out) ? step : sizeof(out));
        buf_append(&asker->out, out, len);
        idle = len == 0 ? idle + 1 : 0;
    }
    assert(!asker->session->ops->wants_write(asker->session));
}

static inline void h1_asker_ask(struct h1_asker *asker, const struct http_head *head,
                                struct pipe *body)
{
    asker->asked++;
    asker->stream = http_client_request(asker->session, head, body, asker);
}

static inline void h1_asker_feed(struct h1_asker *asker, struct str bytes)
{
    uint8_t *copy = mem_dup(bytes.len > 0 ? bytes.ptr : "", bytes.len > 0 ? bytes.len : 1);
    if (bytes.len > 0)
        asker->session->ops->receive(asker->session, copy, bytes.len);
    free(copy);
}

/* Whole (seed 0), byte by byte (1), or cut at places that `seed` chooses. */
static inline void h1_asker_feed_cut(struct h1_asker *asker, struct str bytes, uint64_t seed)
{
    struct rng rng = rng_init(seed);
    while (bytes.len > 0) {
        size_t len = seed == 0 ? bytes.len : seed == 1 ? 1 : (size_t)rng_below(&rng, 40) + 1;
        if (len > bytes.len)
            len = bytes.len;
        h1_asker_feed(asker, (struct str){ bytes.ptr, len });
        bytes = (struct str){ bytes.ptr + len, bytes.len - len };
    }
}

static inline void h1_asker_fini(struct h1_asker *asker)
{
    http_session_free(asker->session);
    assert(asker->asked == asker->closed);
    buf_fini(&asker->account);
    buf_fini(&asker->out);
    pipe_pool_fini(&asker->pool);
}
