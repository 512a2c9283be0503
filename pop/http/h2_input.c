/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_common_priv.h"

/* A stream below one that was opened, and never opened itself, can not be any more (RFC 9113
 * section 5.1.1). nghttp2 takes it for one that was closed, and ignores it. */
static void check_order(struct h2_session *session, int32_t id)
{
    if (id % 2 == 0 || session->base.is_over)
        return;
    if (id > session->newest_id) {
        if (id - session->newest_id > 2) {
            session->skipped_from = session->newest_id + 1;
            session->skipped_to = id - 1;
        }
        session->newest_id = id;
    } else if (id >= session->skipped_from && id <= session->skipped_to) {
        nghttp2_session_terminate_session(session->ng, NGHTTP2_PROTOCOL_ERROR);
        h2_fail(session, HTTP_ERROR_PROTOCOL, "stream_id");
        session->base.is_over = true;
    }
}

/* PRIORITY is told here only: nghttp2 skips what it does not use. */
static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *head, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    if (head->type == NGHTTP2_PRIORITY)
        h2_charge(session, SCORE_PRIORITY);
    else if (head->type == NGHTTP2_HEADERS && session->is_server)
        check_order(session, head->stream_id);
    return 0;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_session *session = user;
    session->base.is_head_open = true;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct h2_stream *stream = session->role->on_begin(session, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
        session->heading = stream;
        return 0;
    }
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    session->heading = stream;
    if (stream != NULL)
        stream->head_bytes = 0;
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)ng, (void)frame;
    struct h2_session *session = user;
    struct h2_stream *stream = session->heading;
    if (stream == NULL || stream->is_closed || h2_head_take(stream, name, value, flags))
        return 0;
    stream->error = HTTP_ERROR_TOO_LARGE;
    session->base.is_head_open = false; /* nghttp2 skips the rest of it, and does not say when */
    h2_charge(session, SCORE_LARGE_HEAD);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* reset it */
}

/* nghttp2 would drop the field and go on: what two hops read differently is a way to smuggle. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)ng, (void)frame, (void)value, (void)flags;
    struct h2_session *session = user;
    nghttp2_vec text = nghttp2_rcbuf_get_buf(name);
    /* "content-length: 0" of a 204, which many servers send, means nothing else to anybody. */
    if (!session->is_server &&
        str_eq((struct str){ .ptr = (const char *)text.base, .len = text.len },
               STR("content-length")))
        return 0;
    session->base.is_head_open = false;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    session->base.is_head_open = false;
    if (stream != NULL && stream->error == HTTP_ERROR_NONE)
        stream->error =
            code == NGHTTP2_ERR_REFUSED_STREAM ? HTTP_ERROR_REFUSED : HTTP_ERROR_PROTOCOL;
    h2_charge(session, SCORE_INDUCED_RESET);
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t len, void *user)
{
    (void)flags;
    struct h2_session *session = user;
    /* One slow stream must not hold back the others: the connection's credit is given back at
     * once, the stream's when its content was consumed. */
    nghttp2_session_consume_connection(ng, len);
    struct h2_stream *stream = h2_stream_of(session, id);
    if (stream != NULL && !stream->is_closed && !stream->in->is_broken && !stream->in->is_ended)
        pipe_write(stream->in, bytes, len);
    return 0;
}

static void take_data(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!is_end && frame->hd.length == frame->data.padlen)
        h2_charge(session, SCORE_EMPTY_DATA);
    if (is_end && stream != NULL && !stream->is_closed)
        h2_end(stream);
}

static void take_head(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_closed)
        return;
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!stream->has_head) {
        h2_head_finish(stream);
        session->role->on_head(stream, is_end);
    } else if (stream->is_too_large) {
        h2_charge(session, SCORE_LARGE_HEAD);
        h2_reset(stream, HTTP_ERROR_TOO_LARGE);
    } else if (is_end) {
        h2_end(stream);
    }
}

static void take_ping(struct h2_session *session, const nghttp2_ping *frame)
{
    const struct http_session *base = &session->base;
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        h2_charge(session, SCORE_PING);
    else if (frame->opaque_data[0] == H2_PING_OF_OWNER && base->events->on_pong != NULL)
        base->events->on_pong(base->owner);
    else if (frame->opaque_data[0] == H2_PING_OF_DRAIN && session->is_drain_pinged)
        h2_goaway(session, true);
}

static void take_settings(struct h2_session *session, const nghttp2_frame *frame)
{
    const struct http_session *base = &session->base;
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        if (base->events->on_settings_ack != NULL)
            base->events->on_settings_ack(base->owner);
        return;
    }
    for (size_t i = 0; i < frame->settings.niv; i++)
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
            hpack_encoder_limit(&session->encoder, frame->settings.iv[i].value);
    h2_charge(session, SCORE_SETTINGS);
    bool is_first = !session->has_settings;
    session->has_settings = true;
    if (is_first && base->events->on_settings != NULL)
        base->events->on_settings(base->owner);
}

static void take_reset(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = h2_stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_closed)
        return;
    stream->is_reset_by_peer = true;
    if (!stream->is_out_ended)
        h2_charge(session, stream->out == NULL ? SCORE_EARLY_RESET : SCORE_LATE_RESET);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        take_data(session, frame);
        break;
    case NGHTTP2_HEADERS:
        session->base.is_head_open = false;
        take_head(session, frame);
        break;
    case NGHTTP2_RST_STREAM:
        take_reset(session, frame);
        break;
    case NGHTTP2_SETTINGS:
        take_settings(session, frame);
        break;
    case NGHTTP2_PING:
        take_ping(session, &frame->ping);
        break;
    case NGHTTP2_GOAWAY:
        if (session->role->on_goaway != NULL)
            session->role->on_goaway(session, &frame->goaway);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        h2_charge(session, SCORE_WINDOW_UPDATE);
        break;
    case NGHTTP2_PRIORITY_UPDATE:
        h2_charge(session, SCORE_PRIORITY);
        break;
    default:
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    struct h2_stream *stream = h2_stream_of(session, id);
    if (stream != NULL && !stream->is_closed)
        session->role->on_close(stream, code);
    session->recent = NULL; /* from now on nghttp2 does not know it */
    return 0;
}

void h2_input_register(nghttp2_session_callbacks *calls)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(calls, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(calls, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(calls, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
}
