/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_common_priv.h"

#include <assert.h>
#include <stdlib.h>

#include "steering/base/mem.h"

enum {
    SEND_HEAD_BYTES = 1 << 20,
    CONTINUATIONS_SPARE = 4,
    NO_LIMIT = 1 << 30,
};

/* ---- the session's state --------------------------------------------------------------------- */

void h2_fail(struct h2_session *session, enum http_error error, const char *reason)
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
    h2_fail(session, HTTP_ERROR_ENHANCE_YOUR_CALM, session->score.reason);
    if (verdict == SCORE_CLOSE) {
        nghttp2_session_terminate_session(session->ng, NGHTTP2_ENHANCE_YOUR_CALM);
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
    submit_ping(session, H2_PING_OF_DRAIN);
}

void h2_ping(struct http_session *session)
{
    submit_ping(h2_session_of(session), H2_PING_OF_OWNER);
}

/* ---- producing ------------------------------------------------------------------------------- */

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
    h2_put(session, piece->at, part);
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
        h2_fail(session, HTTP_ERROR_INTERNAL, nghttp2_strerror((int)len));
        session->base.is_over = true;
        len = 0;
    }
    session->left = (struct h2_piece){ .at = frame, .len = (size_t)len };
    if (session->has_said)
        session->left = session->said; /* in place of nghttp2's HEADERS, which have no fields */
    session->has_said = false;
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

/* The next session uses the same memory for its frames. */
static void keep_left(struct h2_session *session)
{
    uint8_t *kept = session->left.len > 0 ? mem_dup(session->left.at, session->left.len) : NULL;
    free(session->block);
    session->block = NULL;
    free(session->kept);
    session->kept = kept;
    session->left.at = kept;
}

/* GOAWAY has left, and so has the last stream. */
static void look_for_end(struct h2_session *session)
{
    struct http_session *base = &session->base;
    if (!base->ops->wants_write(base) && nghttp2_session_want_read(session->ng) == 0)
        base->is_over = true;
}

size_t h2_produce(struct http_session *base, uint8_t *out, size_t capacity)
{
    struct h2_session *session = h2_session_of(base);
    bool was_busy = session->is_busy;
    assert(!base->pool->is_frame_busy);
    base->pool->is_frame_busy = true;
    session->is_busy = true;
    session->out = out;
    session->room = capacity;
    fill(session, capacity);
    keep_left(session);
    base->pool->is_frame_busy = false;
    size_t produced = capacity - session->room;
    session->out = NULL;
    session->room = 0;
    count_waiting(session);
    look_for_end(session);
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
        h2_fail(session, HTTP_ERROR_PROTOCOL, reason_of((int)taken));
        base->is_over = true;
    }
    if (base->is_draining)
        look_for_end(session); /* the peer may have ended the last stream: nothing is produced */
    session->is_busy = false;
    h2_wake(session);
}

void h2_receive_end(struct http_session *base)
{
    base->is_over = true;
    if (base->open_streams > 0)
        h2_fail(h2_session_of(base), HTTP_ERROR_CLOSED, NULL);
}

/* ---- birth and death ------------------------------------------------------------------------- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *calls;
    if (nghttp2_session_callbacks_new(&calls) != 0)
        abort();
    h2_input_register(calls);
    h2_output_register(calls);
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
    nghttp2_option_set_max_deflate_dynamic_table_size(option, 0); /* field blocks are ours */
    nghttp2_option_set_max_send_header_block_length(option, SEND_HEAD_BYTES);
    nghttp2_option_set_max_continuations(option,
                                         limits->head_bytes / H2_FRAME_BYTES + CONTINUATIONS_SPARE);
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
    hpack_encoder_init(&session->encoder, &session->base.pool->blocks, limits->hpack_table_bytes);
    nghttp2_session_callbacks *calls = make_callbacks();
    nghttp2_option *option = make_options(limits);
    nghttp2_mem memory = h2_memory_begin(session);
    int failed = is_server
                     ? nghttp2_session_server_new3(&session->ng, calls, session, option, &memory)
                     : nghttp2_session_client_new3(&session->ng, calls, session, option, &memory);
    h2_memory_end(session);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    if (failed != 0)
        abort(); /* out of memory */
    submit_settings(session);
}

void h2_session_fini(struct h2_session *session)
{
    nghttp2_session_del(session->ng);
    hpack_encoder_fini(&session->encoder);
    free(session->kept);
    while (session->streams != NULL)
        h2_stream_unlink(session->streams);
}
