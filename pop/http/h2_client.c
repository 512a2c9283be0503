/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_client.h"

#include <assert.h>
#include <stdlib.h>

#include "pop/http/h2_common_priv.h"
#include "steering/base/mem.h"

enum { STREAM_IDS_SPARE = 2000 }; /* the connection is given up before its ids run out */

struct client_stream {
    struct http_client_stream pub; /* first */
    struct h2_stream h2;
    struct client_stream *next; /* in client->pending */
};

/* Requests wait here, not in nghttp2's queue, until the moment they are produced: one that the
 * peer's limit or GOAWAY stops has then certainly not been sent, and can go elsewhere at once. */
struct client {
    struct h2_session h2; /* first */
    const struct http_client_events *events;
    struct client_stream *pending, **pending_end;
    uint32_t pending_count;
    int32_t last_id; /* of GOAWAY */
};

static struct client_stream *stream_of_pub(struct http_client_stream *pub)
{
    return (struct client_stream *)(void *)pub;
}

static struct client_stream *stream_of_h2(struct h2_stream *h2)
{
    return container_of(h2, struct client_stream, h2);
}

static struct client *client_of(const struct h2_stream *h2)
{
    return (struct client *)(void *)h2->session;
}

static struct client *client_of_base(const struct http_session *session)
{
    return (struct client *)(uintptr_t)session;
}

/* ---- life of a stream ------------------------------------------------------------------------ */

static void destroy(struct h2_stream *h2)
{
    struct client_stream *stream = stream_of_h2(h2);
    pipe_fini(&stream->pub.body);
    arena_fini(&stream->pub.arena);
    blocks_give(&stream->pub.body.pool->blocks, stream);
}

static void close_stream(struct h2_stream *h2, struct http_outcome outcome)
{
    struct client_stream *stream = stream_of_h2(h2);
    struct client *client = client_of(h2);
    h2->is_telling = true; /* breaking the pipe wakes a reader, who may release */
    h2_stream_close(h2, outcome.error);
    client->events->on_closed(stream->pub.owner, &stream->pub, outcome);
    h2->is_telling = false;
    h2_stream_settle(h2);
}

static enum http_error error_of(const struct h2_stream *h2, uint32_t code)
{
    if (h2->is_in_ended)
        return HTTP_ERROR_NONE; /* complete, whatever the peer thinks of the rest of the request */
    if (h2->error != HTTP_ERROR_NONE)
        return h2->error;
    if (!h2->has_head && h2->id > client_of(h2)->last_id)
        return HTTP_ERROR_GOAWAY;
    if (!h2->is_reset_by_peer)
        return HTTP_ERROR_PROTOCOL;
    if (code == NGHTTP2_REFUSED_STREAM && !h2->has_head)
        return HTTP_ERROR_REFUSED;
    return code == NGHTTP2_ENHANCE_YOUR_CALM ? HTTP_ERROR_ENHANCE_YOUR_CALM : HTTP_ERROR_RESET;
}

static void on_close(struct h2_stream *h2, uint32_t code)
{
    enum http_error error = error_of(h2, code);
    bool is_proof = error == HTTP_ERROR_REFUSED || error == HTTP_ERROR_GOAWAY;
    close_stream(h2, (struct http_outcome){
                         .error = error,
                         .is_unprocessed = is_proof || !stream_of_h2(h2)->pub.is_produced,
                         .has_response = h2->has_head,
                     });
}

/* Streams that nghttp2 never knew. */
static void close_pending(struct client_stream *stream, enum http_error error)
{
    close_stream(&stream->h2, (struct http_outcome){ .error = error, .is_unprocessed = true });
}

static struct client_stream *take_pending(struct client *client)
{
    struct client_stream *stream = client->pending;
    client->pending = stream->next;
    if (client->pending == NULL)
        client->pending_end = &client->pending;
    client->pending_count--;
    return stream;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What the peer, and our own limits, let us have at once. */
static uint32_t streams_max(const struct client *client)
{
    const struct h2_session *session = &client->h2;
    uint32_t max =
        nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return max < session->base.limits.streams ? max : session->base.limits.streams;
}

static uint32_t room(const struct http_session *base)
{
    const struct client *client = client_of_base(base);
    if (!client->h2.has_settings || base->is_draining || base->is_over)
        return 0;
    uint32_t max = streams_max(client);
    return max > base->open_streams ? max - base->open_streams : 0;
}

static bool takes_websocket(const struct http_session *base)
{
    const struct client *client = client_of_base(base);
    return nghttp2_session_get_remote_settings(client->h2.ng,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

static void set_draining(struct client *client)
{
    struct http_session *base = &client->h2.base;
    if (base->is_draining)
        return;
    base->is_draining = true;
    if (base->events->on_draining != NULL)
        base->events->on_draining(base->owner);
}

static const struct http_client_ops client_ops;

static struct http_client_stream *request(struct http_session *base, const struct http_head *head,
                                          struct pipe *body, void *stream_owner)
{
    assert(room(base) > 0);
    struct client *client = client_of_base(base);
    struct arena arena;
    struct client_stream *stream = h2_stream_new(base->pool, sizeof(*stream), &arena);
    struct http_client_stream *pub = &stream->pub;
    pub->ops = &client_ops;
    pub->session = base;
    pub->owner = stream_owner;
    pub->response.content_length = -1;
    pub->arena = arena;
    pipe_init(&pub->body, base->pool);
    struct h2_stream *h2 = &stream->h2;
    h2->arena = &pub->arena;
    h2->head = &pub->response;
    h2->in = &pub->body;
    h2->destroy = destroy;
    h2_stream_open(h2, &client->h2);
    h2_listen(h2);
    if (body != NULL)
        h2_attach(h2, body);
    h2_queue_request(h2, head);
    *client->pending_end = stream;
    client->pending_end = &stream->next;
    client->pending_count++;
    h2_wake(&client->h2);
    return pub;
}

static void submit(struct client *client, struct client_stream *stream)
{
    struct h2_stream *h2 = &stream->h2;
    nghttp2_data_provider provider = h2_provider(h2);
    const struct pipe *body = h2->out;
    bool has_body =
        body != NULL && !(body->is_ended && body->len == 0 && body->trailers.field_count == 0);
    /* What a response may be like depends on the method: that much it must know. */
    struct str method = h2->said->head.method;
    const nghttp2_nv field = { .name = (uint8_t *)(uintptr_t) ":method",
                               .namelen = sizeof(":method") - 1,
                               .value = (uint8_t *)(uintptr_t)method.ptr,
                               .valuelen = method.len,
                               .flags =
                                   NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE };
    int32_t id =
        nghttp2_submit_request(client->h2.ng, NULL, &field, 1, has_body ? &provider : NULL, h2);
    if (id < 0) {
        set_draining(client);
        close_pending(stream, HTTP_ERROR_REFUSED);
        return;
    }
    h2->id = id;
    stream->pub.id = (uint64_t)id;
    if (id > INT32_MAX - STREAM_IDS_SPARE)
        set_draining(client);
    const struct http_session *base = &client->h2.base;
    if (base->limits.requests > 0 && base->total_streams >= base->limits.requests)
        set_draining(client);
}

/* Is it still wanted, allowed, and possible? */
static enum http_error error_of_pending(const struct client *client,
                                        const struct client_stream *stream)
{
    if (stream->h2.error != HTTP_ERROR_NONE)
        return stream->h2.error;
    if (stream->h2.out != NULL && stream->h2.out->is_broken)
        return HTTP_ERROR_CANCELLED;
    if (client->last_id != INT32_MAX || client->h2.base.is_over)
        return HTTP_ERROR_GOAWAY;
    uint32_t submitted = client->h2.base.open_streams - client->pending_count - 1;
    return submitted < streams_max(client) ? HTTP_ERROR_NONE : HTTP_ERROR_REFUSED;
}

/* One at a time, and only when no other frame waits: the HEADERS are what nghttp2 makes next. */
static void on_turn(struct h2_session *session)
{
    struct client *client = (struct client *)(void *)session;
    while (client->pending != NULL && nghttp2_session_get_outbound_queue_size(session->ng) == 0) {
        struct client_stream *stream = take_pending(client);
        enum http_error error = error_of_pending(client, stream);
        if (error == HTTP_ERROR_NONE)
            submit(client, stream);
        else
            close_pending(stream, error);
    }
}

static void on_sent(struct h2_stream *h2, const nghttp2_frame *frame)
{
    (void)frame;
    stream_of_h2(h2)->pub.is_produced = true;
}

static void cancel(struct http_client_stream *pub, enum http_error error)
{
    struct h2_stream *h2 = &stream_of_pub(pub)->h2;
    if (h2->is_closed)
        return;
    if (error == HTTP_ERROR_NONE)
        error = HTTP_ERROR_CANCELLED;
    h2_unqueue(h2); /* what it points at may go now */
    if (h2->id > 0) {
        h2_reset(h2, error);
        return;
    }
    h2->error = error; /* on_turn closes it */
    h2_detach(h2);
    h2_wake(h2->session);
}

static void release(struct http_client_stream *pub)
{
    struct h2_stream *h2 = &stream_of_pub(pub)->h2;
    h2->is_released = true;
    h2_stream_settle(h2);
}

/* ---- responses ------------------------------------------------------------------------------- */

static void forget_head(struct h2_stream *h2)
{
    *h2->head = (struct http_head){ .content_length = -1 };
    h2->cookies = 0;
}

static void on_head(struct h2_stream *h2, bool is_end)
{
    struct client_stream *stream = stream_of_h2(h2);
    struct client *client = client_of(h2);
    if (h2->is_too_large) {
        h2_reset(h2, HTTP_ERROR_TOO_LARGE);
        return;
    }
    if (h2->error != HTTP_ERROR_NONE)
        return; /* cancelled */
    /* nghttp2 takes any three digits. Below 100 there is no class to pass it on as. */
    if (h2->head->status < 100) {
        h2_reset(h2, HTTP_ERROR_PROTOCOL);
        return;
    }
    if (h2->head->status < 200) {
        if (++h2->informs > H2_INFORMS_MAX) {
            h2_reset(h2, HTTP_ERROR_PROTOCOL);
            return;
        }
        client->events->on_inform(stream->pub.owner, &stream->pub, h2->head);
        forget_head(h2);
        return;
    }
    h2->has_head = true;
    if (is_end)
        h2_end(h2);
    h2_expect(h2);
    client->events->on_response(stream->pub.owner, &stream->pub);
}

static void on_goaway(struct h2_session *session, const nghttp2_goaway *frame)
{
    struct client *client = (struct client *)(void *)session;
    if (frame->last_stream_id < client->last_id)
        client->last_id = frame->last_stream_id;
    if (frame->error_code != NGHTTP2_NO_ERROR)
        session->base.reason = "goaway";
    set_draining(client);
}

/* ---- the session ----------------------------------------------------------------------------- */

static bool wants_write(const struct http_session *base)
{
    return client_of_base(base)->pending != NULL || h2_wants_write(base);
}

static void drain(struct http_session *base, bool is_final)
{
    (void)is_final;
    base->is_draining = true; /* a client that sends GOAWAY confuses some servers; it just stops */
}

static void free_client(struct http_session *base)
{
    struct client *client = client_of_base(base);
    struct h2_session *session = &client->h2;
    session->is_busy = true; /* nothing will be produced any more */
    base->is_draining = true;
    struct h2_stream *open;
    while ((open = h2_first_open(session)) != NULL) {
        enum http_error error = open->error != HTTP_ERROR_NONE ? open->error : HTTP_ERROR_CLOSED;
        close_stream(open, (struct http_outcome){
                               .error = open->is_in_ended ? HTTP_ERROR_NONE : error,
                               .is_unprocessed = !stream_of_h2(open)->pub.is_produced,
                               .has_response = open->has_head,
                           });
    }
    for (struct h2_stream *h2 = session->streams; h2 != NULL; h2 = h2->next)
        stream_of_h2(h2)->pub.session = NULL;
    h2_session_fini(session);
    free(client);
}

static const struct h2_role role = {
    .on_head = on_head,
    .on_close = on_close,
    .on_goaway = on_goaway,
    .on_sent = on_sent,
    .on_turn = on_turn,
};

static const struct http_client_ops client_ops = {
    .session = {
        .receive = h2_receive,
        .receive_end = h2_receive_end,
        .produce = h2_produce,
        .wants_write = wants_write,
        .wants_read = h2_wants_read,
        .drain = drain,
        .ping = h2_ping,
        .free = free_client,
    },
    .request = request,
    .room = room,
    .takes_websocket = takes_websocket,
    .cancel = cancel,
    .release = release,
};

struct http_session *h2_client_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_client_events *events, void *owner)
{
    struct client *client = mem_calloc(1, sizeof(*client));
    client->events = events;
    client->pending_end = &client->pending;
    client->last_id = INT32_MAX;
    client->h2.base = (struct http_session){
        .ops = &client_ops.session,
        .events = &events->session,
        .owner = owner,
        .pool = pool,
        .limits = *limits,
    };
    h2_session_start(&client->h2, &role, false);
    return &client->h2.base;
}
