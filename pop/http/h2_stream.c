/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_common_priv.h"

#include <assert.h>
#include <stdlib.h>

void *h2_stream_new(struct pipe_pool *pool, size_t size, struct arena *out_arena)
{
    enum { ALIGNMENT = 16 };
    size_t start = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint8_t *bytes = blocks_take(&pool->blocks, start + H2_ARENA_BYTES);
    if (bytes == NULL)
        abort();
    memset(bytes, 0, size);
    arena_init(out_arena, H2_ARENA_BYTES);
    arena_lend(out_arena, bytes + start, H2_ARENA_BYTES);
    return bytes;
}

void h2_stream_open(struct h2_stream *stream, struct h2_session *session)
{
    stream->session = session;
    stream->next = session->streams;
    stream->link = &session->streams;
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    session->streams = stream;
    stream->trailers.content_length = -1;
    window_init(&stream->window, session->base.limits.stream_window,
                session->base.limits.stream_window_max);
    session->base.open_streams++;
    session->base.total_streams++;
}

void h2_stream_unlink(struct h2_stream *stream)
{
    if (stream->session == NULL)
        return;
    if (stream->session->heading == stream)
        stream->session->heading = NULL;
    if (stream->session->recent == stream)
        stream->session->recent = NULL;
    *stream->link = stream->next;
    if (stream->next != NULL)
        stream->next->link = stream->link;
    stream->session = NULL;
}

void h2_set_starved(struct h2_stream *stream, bool is_starved)
{
    if (stream->is_starved == is_starved)
        return;
    stream->is_starved = is_starved;
    if (is_starved)
        stream->session->starved++;
    else
        stream->session->starved--;
}

void h2_detach(struct h2_stream *stream)
{
    if (stream->out == NULL)
        return;
    pipe_detach(stream->out);
    stream->out = NULL;
}

void h2_stream_close(struct h2_stream *stream, enum http_error error)
{
    assert(!stream->is_closed);
    struct h2_session *session = stream->session;
    stream->is_closed = true;
    h2_set_starved(stream, false);
    window_fini(&stream->window, &session->budget);
    session->base.open_streams--;
    h2_detach(stream);
    stream->in->on_consumed = NULL;
    pipe_break(stream->in, error);
}

void h2_stream_settle(struct h2_stream *stream)
{
    if (!stream->is_closed || !stream->is_released || stream->is_telling)
        return;
    h2_stream_unlink(stream);
    stream->destroy(stream);
}

struct h2_stream *h2_first_open(const struct h2_session *session)
{
    struct h2_stream *stream = session->streams;
    while (stream != NULL && stream->is_closed)
        stream = stream->next;
    return stream;
}

uint32_t h2_code_of(enum http_error error)
{
    switch (error) {
    case HTTP_ERROR_NONE:
        return NGHTTP2_NO_ERROR;
    case HTTP_ERROR_CANCELLED:
    case HTTP_ERROR_TIMEOUT:
        return NGHTTP2_CANCEL;
    case HTTP_ERROR_REFUSED:
    case HTTP_ERROR_GOAWAY:
        return NGHTTP2_REFUSED_STREAM;
    case HTTP_ERROR_PROTOCOL:
        return NGHTTP2_PROTOCOL_ERROR;
    case HTTP_ERROR_ENHANCE_YOUR_CALM:
        return NGHTTP2_ENHANCE_YOUR_CALM;
    case HTTP_ERROR_TOO_LARGE:
    case HTTP_ERROR_RESET:
    case HTTP_ERROR_CLOSED:
    case HTTP_ERROR_INTERNAL:
        break;
    }
    return NGHTTP2_INTERNAL_ERROR;
}

void h2_reset(struct h2_stream *stream, enum http_error error)
{
    if (stream->is_closed)
        return;
    if (stream->error == HTTP_ERROR_NONE)
        stream->error = error;
    h2_detach(stream);
    nghttp2_submit_rst_stream(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id,
                              h2_code_of(error));
    h2_wake(stream->session);
}

/* ---- content in ------------------------------------------------------------------------------ */

/* Until the peer has acknowledged our SETTINGS, windows are those of the protocol's start; its
 * acknowledgement moves each one by the difference (RFC 9113 section 6.9.2), so that has to be
 * added now. */
static void set_window(struct h2_stream *stream, uint32_t bytes)
{
    nghttp2_session *ng = stream->session->ng;
    int64_t initial = nghttp2_session_get_local_settings(ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    int64_t wanted = (int64_t)bytes + initial - stream->window.min;
    if (wanted > INT32_MAX)
        wanted = INT32_MAX;
    nghttp2_session_set_local_window_size(ng, NGHTTP2_FLAG_NONE, stream->id, (int32_t)wanted);
}

static void on_consumed(void *writer, struct pipe *pipe, size_t bytes)
{
    struct h2_stream *stream = writer;
    struct h2_session *session = stream->session;
    if (session == NULL || stream->is_in_ended)
        return; /* no more will come: credit would be chatter */
    nghttp2_session_consume_stream(session->ng, stream->id, bytes);
    uint32_t grown = window_consume(&stream->window, &session->budget, bytes, pipe->len);
    if (grown > 0)
        set_window(stream, grown);
    h2_wake(session);
}

void h2_expect(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    if (stream->is_in_ended || stream->head->content_length <= 0)
        return;
    uint32_t grown =
        window_expect(&stream->window, &session->budget, (uint64_t)stream->head->content_length);
    if (grown == 0)
        return;
    set_window(stream, grown);
    h2_wake(session);
}

void h2_listen(struct h2_stream *stream)
{
    stream->in->on_consumed = on_consumed;
    stream->in->writer = stream;
}

void h2_end(struct h2_stream *stream)
{
    stream->is_in_ended = true;
    if (!stream->in->is_broken)
        pipe_end(stream->in, stream->trailers.field_count > 0 ? &stream->trailers : NULL);
}
