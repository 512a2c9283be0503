/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_common_priv.h"

static void on_readable(void *reader, struct pipe *pipe)
{
    struct h2_stream *stream = reader;
    struct h2_session *session = stream->session;
    /* Nobody wants the rest of a request that can not be completed; of a response, what there is
     * is sent first. */
    if (stream->id == 0)
        return; /* not submitted yet */
    if (pipe->is_broken && !session->is_server) {
        h2_reset(stream, HTTP_ERROR_CANCELLED);
        return;
    }
    if (!stream->is_deferred)
        return;
    stream->is_deferred = false;
    nghttp2_session_resume_data(session->ng, stream->id);
    h2_wake(session);
}

/* Trailers, if there are any, go out as HEADERS of their own after the last DATA. */
static void finish(struct h2_stream *stream, uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->out->trailers.field_count == 0)
        return;
    if (!h2_queue_trailers(stream, &stream->out->trailers))
        return;
    if (nghttp2_submit_trailer(stream->session->ng, stream->id, NULL, 0) == 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

/* rule zero: the parameters are nghttp2's.
 * NOLINTNEXTLINE(readability-non-const-parameter) */
static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *buffer, size_t length,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)ng, (void)id, (void)buffer;
    struct h2_stream *stream = source->ptr;
    struct pipe *pipe = stream->out;
    if (pipe == NULL) {
        stream->is_deferred = true; /* its RST_STREAM is on the way */
        return NGHTTP2_ERR_DEFERRED;
    }
    if (pipe->len == 0 && pipe->is_broken) {
        h2_reset(stream, HTTP_ERROR_INTERNAL);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (pipe->len == 0 && !pipe->is_ended) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (pipe->len > length) {
        h2_set_starved(stream, ((const struct h2_session *)user)->is_window_bound);
        return (ssize_t)length;
    }
    h2_set_starved(stream, false);
    if (pipe->is_ended)
        finish(stream, flags);
    return (ssize_t)pipe->len;
}

void h2_attach(struct h2_stream *stream, struct pipe *pipe)
{
    stream->out = pipe;
    pipe_attach(pipe, on_readable, stream);
}

nghttp2_data_provider h2_provider(struct h2_stream *stream)
{
    return (nghttp2_data_provider){ .source = { .ptr = stream }, .read_callback = on_read };
}

/* rule zero: the parameters are nghttp2's. */
static ssize_t on_read_length(nghttp2_session *ng, uint8_t type, int32_t id, int32_t window,
                              int32_t stream_window, uint32_t frame_max, void *user)
{
    (void)ng, (void)type, (void)id;
    struct h2_session *session = user;
    size_t least = H2_ROOM_MIN - H2_FRAME_HEAD_BYTES;
    size_t room = session->room >= H2_ROOM_MIN ? session->room - H2_FRAME_HEAD_BYTES : least;
    size_t length = room < H2_FRAME_BYTES ? room : H2_FRAME_BYTES;
    if (length > frame_max)
        length = frame_max;
    int32_t credit = window < stream_window ? window : stream_window;
    session->is_window_bound = credit > 0 && length > (size_t)credit;
    return session->is_window_bound ? credit : (ssize_t)length;
}

void h2_write_frame_head(uint8_t *at, const nghttp2_frame_hd *head)
{
    const uint8_t bytes[H2_FRAME_HEAD_BYTES] = {
        (uint8_t)(head->length >> 16),
        (uint8_t)(head->length >> 8),
        (uint8_t)head->length,
        head->type,
        head->flags,
        (uint8_t)((uint32_t)head->stream_id >> 24),
        (uint8_t)(head->stream_id >> 16),
        (uint8_t)(head->stream_id >> 8),
        (uint8_t)head->stream_id,
    };
    memcpy(at, bytes, sizeof(bytes));
}

/* Not from nghttp2's buffer: when the frame had to wait, other sessions have used that since. */
static void put_frame_head(struct h2_session *session, const nghttp2_frame_hd *head)
{
    h2_write_frame_head(session->out, head);
    session->out += H2_FRAME_HEAD_BYTES;
    session->room -= H2_FRAME_HEAD_BYTES;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t length, nghttp2_data_source *source, void *user)
{
    (void)ng, (void)frame_head;
    struct h2_session *session = user;
    struct h2_stream *stream = source->ptr;
    if (length + H2_FRAME_HEAD_BYTES > session->room)
        return NGHTTP2_ERR_WOULDBLOCK; /* the same frame comes again, with an empty buffer */
    struct pipe *pipe = stream->out;
    if (length > 0 && (pipe == NULL || pipe->len < length))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* taken away meanwhile */
    put_frame_head(session, &frame->hd);
    session->content_frames++;
    if (stream->out_bytes != NULL)
        *stream->out_bytes += length;
    while (length > 0) {
        struct str next = pipe_peek(pipe);
        size_t part = next.len < length ? next.len : length;
        h2_put(session, next.ptr, part);
        length -= part;
        pipe_consume(pipe, part);
    }
    return 0;
}

static const char *word_of(uint32_t code)
{
    switch (code) {
    case NGHTTP2_FLOW_CONTROL_ERROR:
        return "flow_control";
    case NGHTTP2_FRAME_SIZE_ERROR:
        return "frame_size";
    case NGHTTP2_COMPRESSION_ERROR:
        return "compression";
    case NGHTTP2_STREAM_CLOSED:
        return "stream_closed";
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return "flood";
    case NGHTTP2_INTERNAL_ERROR: /* its own limiter of resets says so */
        return "rapid_reset";
    default:
        return "protocol_error";
    }
}

/* Not later: when nghttp2 has given the frame away, the stream may be closed and gone. */
static int on_before_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->said == NULL)
        return NGHTTP2_ERR_CANCEL; /* not wanted any more */
    h2_say(stream, frame->hd.flags);
    return 0;
}

/* The stream is about to end another way: its heads stay in step with nghttp2's frames. */
static int on_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *user)
{
    (void)ng, (void)code;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct h2_stream *stream = h2_stream_of(user, frame->hd.stream_id);
    if (stream != NULL && stream->said != NULL)
        stream->said = stream->said->next;
    return 0;
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        !session->base.is_draining)
        h2_fail(session, HTTP_ERROR_PROTOCOL, word_of(frame->goaway.error_code));
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS &&
        frame->hd.type != NGHTTP2_RST_STREAM)
        return 0;
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_closed)
        return 0;
    if (frame->hd.type != NGHTTP2_RST_STREAM && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        stream->is_out_ended = true;
        h2_detach(stream);
    }
    session->role->on_sent(stream, frame);
    return 0;
}

void h2_output_register(nghttp2_session_callbacks *calls)
{
    nghttp2_session_callbacks_set_before_frame_send_callback(calls, on_before_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, on_not_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_send);
    nghttp2_session_callbacks_set_send_data_callback(calls, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(calls, on_read_length);
}
