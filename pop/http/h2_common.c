/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_common_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

enum {
    FRAME_BYTES = 16 * 1024, /* of content; one TLS record's worth */
    SEND_HEAD_BYTES = 1 << 20,
    CONTINUATIONS_SPARE = 4,
    NO_LIMIT = 1 << 30,
};

/* The first byte of our PINGs says what its answer is for. */
enum { PING_OF_OWNER = 1, PING_OF_DRAIN = 2 };

static struct h2_stream *stream_of(const struct h2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session->ng, id);
}

/* ---- the session's state --------------------------------------------------------------------- */

static void fail(struct h2_session *session, enum http_error error, const char *reason)
{
    if (session->base.error == HTTP_ERROR_NONE) {
        session->base.error = error;
        session->base.reason = reason;
    }
}

static const char *reason_of(int code)
{
    switch (code) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        return "preface";
    case NGHTTP2_ERR_FLOODED:
        return "ack_flood";
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        return "continuation_flood";
    default:
        return "protocol_error";
    }
}

void h2_wake(struct h2_session *session)
{
    if (!session->is_busy && session->base.ops->wants_write(&session->base))
        session->base.events->on_wants_write(session->base.owner);
}

bool h2_wants_write(const struct http_session *base)
{
    const struct h2_session *session = (const struct h2_session *)(const void *)base;
    return session->left.len > 0 || session->spilt.len > 0 || session->goaway_due ||
           nghttp2_session_want_write(session->ng) != 0;
}

bool h2_wants_read(const struct http_session *base)
{
    (void)base;
    return true; /* windows hold the peer back; its WINDOW_UPDATEs must always be seen */
}

void h2_charge(struct h2_session *session, enum score_act act)
{
    if (!session->is_server || session->base.is_over)
        return;
    uint32_t before = session->score.points;
    enum score_verdict verdict = score_charge(&session->score, act);
    session->base.score = session->score.points;
    if (verdict == SCORE_GOOD || session->score.points == before)
        return;
    session->base.reason = session->score.reason;
    if (verdict == SCORE_CLOSE) {
        nghttp2_session_terminate_session(session->ng, NGHTTP2_ENHANCE_YOUR_CALM);
        fail(session, HTTP_ERROR_ENHANCE_YOUR_CALM, session->score.reason);
        session->base.is_over = true;
    } else if (!session->base.is_draining) {
        session->base.is_draining = true;
        session->goaway_due = true;
        session->goaway_code = NGHTTP2_ENHANCE_YOUR_CALM;
    }
}

void h2_goaway(struct h2_session *session, bool is_final)
{
    session->base.is_draining = true;
    if (is_final)
        session->goaway_due = true;
    else
        nghttp2_submit_shutdown_notice(session->ng);
    h2_wake(session);
}

/* Not before it can leave at once: a request that was taken while GOAWAY waited in a queue would
 * be above the id that GOAWAY says, and the client would send it a second time. */
static void submit_goaway(struct h2_session *session)
{
    if (!session->goaway_due || nghttp2_session_get_outbound_queue_size(session->ng) > 0)
        return;
    session->goaway_due = false;
    nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->ng),
                          session->goaway_code, NULL, 0);
}

static void submit_ping(struct h2_session *session, uint8_t kind)
{
    const uint8_t opaque[8] = { kind };
    nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, opaque);
    h2_wake(session);
}

void h2_goaway_after_ping(struct h2_session *session)
{
    session->is_drain_pinged = true;
    submit_ping(session, PING_OF_DRAIN);
}

void h2_ping(struct http_session *session)
{
    submit_ping(h2_session_of(session), PING_OF_OWNER);
}

/* ---- streams --------------------------------------------------------------------------------- */

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
    *stream->link = stream->next;
    if (stream->next != NULL)
        stream->next->link = stream->link;
    stream->session = NULL;
}

static void set_starved(struct h2_stream *stream, bool is_starved)
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
    set_starved(stream, false);
    window_fini(&stream->window, &session->budget);
    session->base.open_streams--;
    h2_detach(stream);
    stream->in->on_consumed = NULL;
    pipe_break(stream->in, error);
}

void h2_stream_settle(struct h2_stream *stream)
{
    if (!stream->is_closed || !stream->is_released)
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

/* ---- content out ----------------------------------------------------------------------------- */

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
    struct h2_fields fields;
    h2_fields_of_trailers(&fields, &stream->out->trailers, stream->arena);
    if (fields.count == 0)
        return;
    if (nghttp2_submit_trailer(stream->session->ng, stream->id, fields.items, fields.count) == 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

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
        set_starved(stream, ((const struct h2_session *)user)->is_window_bound);
        return (ssize_t)length;
    }
    set_starved(stream, false);
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

static ssize_t on_read_length(nghttp2_session *ng, uint8_t type, int32_t id, int32_t window,
                              int32_t stream_window, uint32_t frame_max, void *user)
{
    (void)ng, (void)type, (void)id;
    struct h2_session *session = user;
    size_t least = H2_ROOM_MIN - H2_FRAME_HEAD_BYTES;
    size_t room = session->room >= H2_ROOM_MIN ? session->room - H2_FRAME_HEAD_BYTES : least;
    size_t length = room < FRAME_BYTES ? room : FRAME_BYTES;
    if (length > frame_max)
        length = frame_max;
    int32_t credit = window < stream_window ? window : stream_window;
    session->is_window_bound = credit > 0 && length > (size_t)credit;
    return session->is_window_bound ? credit : (ssize_t)length;
}

static void put(struct h2_session *session, const void *bytes, size_t len)
{
    memcpy(session->out, bytes, len);
    session->out += len;
    session->room -= len;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t length, nghttp2_data_source *source, void *user)
{
    (void)ng, (void)frame;
    struct h2_session *session = user;
    struct h2_stream *stream = source->ptr;
    if (length + H2_FRAME_HEAD_BYTES > session->room)
        return NGHTTP2_ERR_WOULDBLOCK; /* the same frame comes again, with an empty buffer */
    struct pipe *pipe = stream->out;
    if (length > 0 && (pipe == NULL || pipe->len < length))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* taken away meanwhile */
    put(session, frame_head, H2_FRAME_HEAD_BYTES);
    session->content_frames++;
    if (stream->out_bytes != NULL)
        *stream->out_bytes += length;
    while (length > 0) {
        struct str next = pipe_peek(pipe);
        size_t part = next.len < length ? next.len : length;
        put(session, next.ptr, part);
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

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        !session->base.is_draining)
        fail(session, HTTP_ERROR_PROTOCOL, word_of(frame->goaway.error_code));
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS &&
        frame->hd.type != NGHTTP2_RST_STREAM)
        return 0;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_closed)
        return 0;
    if (frame->hd.type != NGHTTP2_RST_STREAM && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        stream->is_out_ended = true;
        h2_detach(stream);
    }
    session->role->on_sent(stream, frame);
    return 0;
}

/* What waits for the peer's windows: looked up only when something does. */
static void count_waiting(struct h2_session *session)
{
    session->base.last_bytes_out_streams = 0;
    if (session->starved == 0 && nghttp2_session_get_remote_window_size(session->ng) > 0 &&
        nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) > 0)
        return;
    for (const struct h2_stream *stream = session->streams; stream != NULL; stream = stream->next)
        if (stream->out != NULL)
            session->base.last_bytes_out_streams += stream->out->len;
}

static void take_piece(struct h2_session *session, struct h2_piece *piece)
{
    size_t part = piece->len < session->room ? piece->len : session->room;
    if (part == 0)
        return;
    put(session, piece->at, part);
    piece->at += part;
    piece->len -= part;
}

/* False: the buffer is full. */
static bool take_left(struct h2_session *session)
{
    take_piece(session, &session->spilt);
    take_piece(session, &session->left);
    return session->spilt.len == 0 && session->left.len == 0;
}

/* The next frames: content goes into `out` at once, others are `left` by nghttp2. */
static void take_frames(struct h2_session *session)
{
    submit_goaway(session);
    if (session->role->on_turn != NULL)
        session->role->on_turn(session);
    const uint8_t *frame = NULL;
    ssize_t len = nghttp2_session_mem_send(session->ng, &frame);
    if (len < 0) {
        fail(session, HTTP_ERROR_INTERNAL, nghttp2_strerror((int)len));
        session->base.is_over = true;
        len = 0;
    }
    session->left = (struct h2_piece){ .at = frame, .len = (size_t)len };
}

/* The same by way of `spill`: the buffer is too small to begin a frame of content in. */
static void take_frames_spilling(struct h2_session *session)
{
    uint8_t *out = session->out;
    size_t room = session->room;
    session->out = session->spill;
    session->room = sizeof(session->spill);
    take_frames(session);
    session->spilt =
        (struct h2_piece){ .at = session->spill, .len = sizeof(session->spill) - session->room };
    session->out = out;
    session->room = room;
}

static void fill(struct h2_session *session, size_t capacity)
{
    while (take_left(session) && session->room > 0) {
        size_t before = session->room;
        if (before >= H2_ROOM_MIN)
            take_frames(session);
        else if (before == capacity)
            take_frames_spilling(session);
        else
            break;
        if (session->room == before && session->left.len == 0 && session->spilt.len == 0)
            break; /* nothing more to say */
    }
}

size_t h2_produce(struct http_session *base, uint8_t *out, size_t capacity)
{
    struct h2_session *session = h2_session_of(base);
    bool was_busy = session->is_busy;
    session->is_busy = true;
    session->out = out;
    session->room = capacity;
    fill(session, capacity);
    size_t produced = capacity - session->room;
    session->out = NULL;
    session->room = 0;
    count_waiting(session);
    if (!base->ops->wants_write(base) && nghttp2_session_want_read(session->ng) == 0)
        base->is_over = true;
    session->is_busy = was_busy;
    return produced;
}

/* ---- receiving ------------------------------------------------------------------------------- */

void h2_receive(struct http_session *base, const uint8_t *bytes, size_t len)
{
    struct h2_session *session = h2_session_of(base);
    session->is_busy = true;
    score_allow(&session->score, session->content_frames);
    session->content_frames = 0;
    ssize_t taken = nghttp2_session_mem_recv(session->ng, bytes, len);
    if (taken < 0) {
        fail(session, HTTP_ERROR_PROTOCOL, reason_of((int)taken));
        base->is_over = true;
    }
    session->is_busy = false;
    h2_wake(session);
}

void h2_receive_end(struct http_session *base)
{
    base->is_over = true;
    if (base->open_streams > 0)
        fail(h2_session_of(base), HTTP_ERROR_CLOSED, NULL);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct h2_session *session = user;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct h2_stream *stream = session->role->on_begin(session, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
        return 0;
    }
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL)
        stream->head_bytes = 0;
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)ng, (void)flags;
    struct h2_session *session = user;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_closed || h2_head_take(stream, name, value))
        return 0;
    stream->error = HTTP_ERROR_TOO_LARGE;
    h2_charge(session, SCORE_LARGE_HEAD);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* reset it */
}

/* nghttp2 would drop the field and go on: what two hops read differently is a way to smuggle. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)ng, (void)frame, (void)value, (void)flags;
    const struct h2_session *session = user;
    nghttp2_vec text = nghttp2_rcbuf_get_buf(name);
    /* "content-length: 0" of a 204, which many servers send, means nothing else to anybody. */
    if (!session->is_server &&
        str_eq((struct str){ .ptr = (const char *)text.base, .len = text.len },
               STR("content-length")))
        return 0;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *user)
{
    (void)ng;
    struct h2_session *session = user;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
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
    struct h2_stream *stream = stream_of(session, id);
    if (stream != NULL && !stream->is_closed && !stream->in->is_broken && !stream->in->is_ended)
        pipe_write(stream->in, bytes, len);
    return 0;
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
        nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, stream->id,
                                              (int32_t)grown);
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

static void take_data(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!is_end && frame->hd.length == frame->data.padlen)
        h2_charge(session, SCORE_EMPTY_DATA);
    if (is_end && stream != NULL && !stream->is_closed)
        h2_end(stream);
}

static void take_head(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
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
    else if (frame->opaque_data[0] == PING_OF_OWNER && base->events->on_pong != NULL)
        base->events->on_pong(base->owner);
    else if (frame->opaque_data[0] == PING_OF_DRAIN && session->is_drain_pinged)
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
    h2_charge(session, SCORE_SETTINGS);
    bool is_first = !session->has_settings;
    session->has_settings = true;
    if (is_first && base->events->on_settings != NULL)
        base->events->on_settings(base->owner);
}

static void take_reset(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
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
    case NGHTTP2_PRIORITY:
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
    struct h2_stream *stream = stream_of(session, id);
    if (stream != NULL && !stream->is_closed)
        session->role->on_close(stream, code);
    return 0;
}

/* ---- birth and death ------------------------------------------------------------------------- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *calls;
    if (nghttp2_session_callbacks_new(&calls) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(calls, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(calls, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_send);
    nghttp2_session_callbacks_set_send_data_callback(calls, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(calls, on_read_length);
    return calls;
}

static nghttp2_option *make_options(const struct http_limits *limits)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        abort();
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_reserved_remote_streams(option, 0);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, limits->hpack_table_bytes);
    nghttp2_option_set_max_send_header_block_length(option, SEND_HEAD_BYTES);
    nghttp2_option_set_max_continuations(option,
                                         limits->head_bytes / FRAME_BYTES + CONTINUATIONS_SPARE);
    /* A PoP passes on the resets of all its clients. */
    if (limits->is_shared)
        nghttp2_option_set_stream_reset_rate_limit(option, NO_LIMIT, NO_LIMIT);
    else
        nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
    return option;
}

static void submit_settings(struct h2_session *session)
{
    const struct http_limits *limits = &session->base.limits;
    nghttp2_settings_entry entries[8];
    size_t count = 0;
#define ADD(id, number)                                                                            \
    entries[count++] = (nghttp2_settings_entry)                                                    \
    {                                                                                              \
        (id), (number)                                                                             \
    }
    if (session->is_server) {
        ADD(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams);
        ADD(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
        ADD(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
    } else {
        ADD(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
    }
    ADD(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window);
    ADD(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head_bytes);
    if (limits->hpack_table_bytes != NGHTTP2_DEFAULT_HEADER_TABLE_SIZE)
        ADD(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits->hpack_table_bytes);
#undef ADD
    if (nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, entries, count) != 0)
        abort();
    nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)limits->connection_window);
}

void h2_session_start(struct h2_session *session, const struct h2_role *role, bool is_server)
{
    const struct http_limits *limits = &session->base.limits;
    assert(limits->stream_window <= INT32_MAX && limits->connection_window <= INT32_MAX);
    session->role = role;
    session->is_server = is_server;
    session->base.version = HTTP_2;
    session->budget.bytes = limits->connection_window;
    score_init(&session->score, limits->score_max);
    nghttp2_session_callbacks *calls = make_callbacks();
    nghttp2_option *option = make_options(limits);
    int failed = is_server ? nghttp2_session_server_new2(&session->ng, calls, session, option)
                           : nghttp2_session_client_new2(&session->ng, calls, session, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    if (failed != 0)
        abort(); /* out of memory */
    submit_settings(session);
}

void h2_session_fini(struct h2_session *session)
{
    nghttp2_session_del(session->ng);
    while (session->streams != NULL)
        h2_stream_unlink(session->streams);
}
