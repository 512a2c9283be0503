/* SPDX-License-Identifier: Apache-2.0 */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "steering/base/mem.h"
#include "tests/bench/latency/codec.h"
#include "tests/bench/latency/pool.h"

enum {
    /* As browsers have them: no body of the bench is held up by the client's windows. */
    STREAM_WINDOW_BYTES = 6 << 20,
    CONNECTION_WINDOW_BYTES = 15 << 20,
    STREAMS_MAX = 100, /* until the server's SETTINGS say otherwise */
};

struct h2 {
    nghttp2_session *session;
    uint64_t now_ns; /* of what is being received */
};

static struct request *request_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *owner)
{
    const struct connection *connection = owner;
    const struct h2 *h2 = connection->session;
    struct request *request = request_of(session, frame->hd.stream_id);
    if (request != NULL && request->first_ns == 0)
        request->first_ns = h2->now_ns;
    return 0;
}

/* rule zero: the signature is nghttp2's */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *owner)
{
    struct request *request = request_of(session, frame->hd.stream_id);
    (void)flags;
    (void)owner;
    uint64_t status = 0;
    if (request != NULL && str_eq_text((struct str){ (const char *)name, name_len }, ":status") &&
        str_parse_u64((struct str){ (const char *)value, value_len }, 999, &status))
        request->status = (int)status;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *owner)
{
    struct request *request = request_of(session, stream_id);
    (void)flags;
    (void)bytes;
    (void)owner;
    if (request != NULL)
        request->bytes += len;
    return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *owner)
{
    struct connection *connection = owner;
    const struct h2 *h2 = connection->session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        connection->is_leaving = true;
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    /* The last byte is here, also when the stream goes on because the request is not out yet. */
    struct request *request = request_of(session, frame->hd.stream_id);
    if (request != NULL)
        request->last_ns = h2->now_ns;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *owner)
{
    struct connection *connection = owner;
    const struct h2 *h2 = connection->session;
    struct request *request = request_of(session, stream_id);
    char text[REQUEST_ERROR_MAX];
    if (request == NULL)
        return 0;
    if (code == NGHTTP2_REFUSED_STREAM)
        request_fail(request, "stream: not processed (REFUSED_STREAM or GOAWAY)");
    else if (code != NGHTTP2_NO_ERROR || request->last_ns == 0) {
        snprintf(text, sizeof(text), "stream: %s", nghttp2_http2_strerror(code));
        request_fail(request, text);
    }
    connection_finish(connection, request, request->last_ns != 0 ? request->last_ns : h2->now_ns);
    return 0;
}

static int before_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *owner)
{
    (void)owner;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct request *request = request_of(session, frame->hd.stream_id);
        if (request != NULL)
            request->is_encoded = true;
    }
    return 0;
}

static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int code,
                             void *owner)
{
    struct connection *connection = owner;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct request *request = request_of(session, frame->hd.stream_id);
    if (request == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, NULL);
    request_fail(request, nghttp2_strerror(code));
    connection_finish(connection, request, 0);
    return 0;
}

static nghttp2_session *make_session(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *session = NULL;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    nghttp2_session_client_new(&session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void h2_start(struct connection *connection)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES },
    };
    struct h2 *h2 = mem_calloc(1, sizeof(*h2));
    h2->session = make_session(connection);
    connection->session = h2;
    nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));
    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                          CONNECTION_WINDOW_BYTES);
}

static void h2_stop(struct connection *connection)
{
    struct h2 *h2 = connection->session;
    nghttp2_session_del(h2->session);
    free(h2);
    connection->session = NULL;
}

static bool h2_has_room(const struct connection *connection)
{
    const struct h2 *h2 = connection->session;
    if (h2 == NULL)
        return connection->request_count < STREAMS_MAX;
    uint32_t max =
        nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return connection->request_count < (max < STREAMS_MAX ? max : STREAMS_MAX) &&
           nghttp2_session_check_request_allowed(h2->session) != 0;
}

/* rule zero: the signature is nghttp2's */
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t max,
                         uint32_t *flags, nghttp2_data_source *source, void *owner)
{
    struct request *request = request_of(session, stream_id);
    (void)source;
    (void)owner;
    if (request == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t len = max < request->body_left ? max : (size_t)request->body_left;
    memset(out, 'x', len);
    request->body_left -= len;
    if (request->body_left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv field(const char *name, const char *value)
{
    /* nghttp2 only reads them, and copies. */
    union {
        const char *in;
        uint8_t *out;
    } n = { .in = name }, v = { .in = value };
    return (nghttp2_nv){
        .name = n.out, .value = v.out, .namelen = strlen(name), .valuelen = strlen(value)
    };
}

static void h2_submit(struct connection *connection, struct request *request)
{
    const struct client_options *options = connection->pool->options;
    const struct h2 *h2 = connection->session;
    nghttp2_data_provider body = { .read_callback = read_body };
    char length[24];
    snprintf(length, sizeof(length), "%llu", (unsigned long long)options->body_bytes);
    nghttp2_nv fields[] = {
        field(":method", options->is_post ? "POST" : "GET"),
        field(":scheme", "https"),
        field(":authority", options->host),
        field(":path", request->path),
        field("user-agent", "latency_client"),
        field("x-test-id", request->id),
        field("content-length", length),
    };
    request->stream_id =
        nghttp2_submit_request(h2->session, NULL, fields, ARRAY_SIZE(fields) - !options->is_post,
                               options->body_bytes > 0 ? &body : NULL, request);
    if (request->stream_id < 0)
        connection->is_leaving = true; /* it times out; cannot happen after h2_has_room */
}

static const char *h2_receive(struct connection *connection, const uint8_t *bytes, size_t len,
                              uint64_t now_ns)
{
    struct h2 *h2 = connection->session;
    h2->now_ns = now_ns;
    ssize_t used = nghttp2_session_mem_recv(h2->session, bytes, len);
    if (used < 0)
        return nghttp2_strerror((int)used);
    return NULL;
}

static void h2_fill(struct connection *connection)
{
    const struct h2 *h2 = connection->session;
    while (connection->out.len < CODEC_FILL_BYTES) {
        const uint8_t *bytes = NULL;
        ssize_t len = nghttp2_session_mem_send(h2->session, &bytes);
        if (len <= 0)
            break;
        buf_append(&connection->out, bytes, (size_t)len);
    }
    if (connection->out.len == 0 && nghttp2_session_want_read(h2->session) == 0 &&
        nghttp2_session_want_write(h2->session) == 0)
        connection->is_leaving = true;
}

static bool h2_cancel(struct connection *connection, struct request *request)
{
    const struct h2 *h2 = connection->session;
    nghttp2_session_set_stream_user_data(h2->session, request->stream_id, NULL);
    nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, request->stream_id, NGHTTP2_CANCEL);
    return true;
}

static void h2_on_end(struct connection *connection, uint64_t now_ns)
{
    (void)connection;
    (void)now_ns;
}

const struct codec codec_h2 = {
    .alpn = "h2",
    .start = h2_start,
    .stop = h2_stop,
    .has_room = h2_has_room,
    .submit = h2_submit,
    .receive = h2_receive,
    .fill = h2_fill,
    .cancel = h2_cancel,
    .on_end = h2_on_end,
};
