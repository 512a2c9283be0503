/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h2_server.h"

#include <assert.h>
#include <stdlib.h>

#include "pop/http/h2_common_priv.h"
#include "steering/base/mem.h"

struct server_stream {
    struct http_server_stream pub; /* first */
    struct h2_stream h2;
    bool is_raised; /* on_request was: on_closed follows */
};

struct server {
    struct h2_session h2; /* first */
    const struct http_server_events *events;
};

static struct server_stream *stream_of_pub(struct http_server_stream *pub)
{
    return (struct server_stream *)(void *)pub;
}

static struct server_stream *stream_of_h2(struct h2_stream *h2)
{
    return container_of(h2, struct server_stream, h2);
}

static struct server *server_of(const struct h2_stream *h2)
{
    return (struct server *)(void *)h2->session;
}

/* ---- life of a stream ------------------------------------------------------------------------ */

static void destroy(struct h2_stream *h2)
{
    struct server_stream *stream = stream_of_h2(h2);
    pipe_fini(&stream->pub.body);
    arena_fini(&stream->pub.arena);
    blocks_give(&stream->pub.body.pool->blocks, stream);
}

static const struct http_server_stream_ops stream_ops;

static struct h2_stream *on_begin(struct h2_session *session, int32_t id)
{
    struct arena arena;
    struct server_stream *stream = h2_stream_new(session->base.pool, sizeof(*stream), &arena);
    struct http_server_stream *pub = &stream->pub;
    pub->ops = &stream_ops;
    pub->session = &session->base;
    pub->id = (uint64_t)id;
    pub->request.content_length = -1;
    pub->arena = arena;
    pipe_init(&pub->body, session->base.pool);
    struct h2_stream *h2 = &stream->h2;
    h2->id = id;
    h2->arena = &pub->arena;
    h2->head = &pub->request;
    h2->in = &pub->body;
    h2->out_bytes = &pub->response_bytes;
    h2->destroy = destroy;
    h2_stream_open(h2, session);
    h2_listen(h2);
    return h2;
}

static enum http_error error_of(const struct h2_stream *h2, uint32_t code)
{
    if (h2->is_out_ended && code == NGHTTP2_NO_ERROR)
        return HTTP_ERROR_NONE;
    if (h2->error != HTTP_ERROR_NONE)
        return h2->error;
    if (!h2->is_reset_by_peer)
        return h2->is_out_ended ? HTTP_ERROR_NONE : HTTP_ERROR_PROTOCOL;
    bool is_cancel = code == NGHTTP2_CANCEL || code == NGHTTP2_NO_ERROR;
    return is_cancel ? HTTP_ERROR_CANCELLED : HTTP_ERROR_RESET;
}

static void close_stream(struct h2_stream *h2, enum http_error error)
{
    struct server_stream *stream = stream_of_h2(h2);
    struct server *server = server_of(h2);
    /* What was answered whole may still have asked for more than was read. */
    h2->is_telling = true; /* breaking the pipe wakes a reader, who may release */
    h2_stream_close(h2, error == HTTP_ERROR_NONE ? HTTP_ERROR_CANCELLED : error);
    if (stream->is_raised)
        server->events->on_closed(stream->pub.owner, &stream->pub, error);
    else
        h2->is_released = true;
    h2->is_telling = false;
    h2_stream_settle(h2);
}

static void on_close(struct h2_stream *h2, uint32_t code)
{
    enum http_error error = error_of(h2, code);
    struct server *server = server_of(h2);
    if (error == HTTP_ERROR_NONE && stream_of_h2(h2)->is_raised) {
        score_reward(&server->h2.score);
        server->h2.base.score = server->h2.score.points;
    }
    if (!stream_of_h2(h2)->is_raised && !h2->is_reset_by_peer && !h2->is_out_ended &&
        server->events->on_rejected != NULL)
        server->events->on_rejected(server->h2.base.owner, 0,
                                    error == HTTP_ERROR_TOO_LARGE ? "head_too_large" : "malformed");
    close_stream(h2, error);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Answers by itself. */
static void refuse(struct h2_stream *h2, uint16_t status, const char *reason)
{
    struct server *server = server_of(h2);
    const struct http_head head = { .status = status, .content_length = 0 };
    h2_queue_response(h2, &head);
    nghttp2_submit_response(server->h2.ng, h2->id, NULL, 0, NULL);
    h2_charge(&server->h2, SCORE_BAD_REQUEST);
    if (server->events->on_rejected != NULL)
        server->events->on_rejected(server->h2.base.owner, status, reason);
}

struct verdict {
    uint16_t status; /* 0: sound */
    const char *reason;
};

static struct verdict judge(const struct h2_stream *h2, struct http_head *head)
{
    if (h2->is_too_large)
        return (struct verdict){ 431, "head_too_large" };
    if (str_eq(head->method, STR("CONNECT")) && !str_eq(head->protocol, STR("websocket")))
        return (struct verdict){ 501, "connect" };
    if (head->authority.len == 0)
        head->authority = h2->host;
    else if (h2->host.len > 0 && !str_eq_nocase(head->authority, h2->host))
        return (struct verdict){ 400, "host_mismatch" };
    if (!http_is_authority(head->authority))
        return (struct verdict){ 400, "authority" };
    if (!http_is_path(head->path))
        return (struct verdict){ 400, "path" };
    if (!str_eq_nocase(head->scheme, STR("https")) && !str_eq_nocase(head->scheme, STR("http")))
        return (struct verdict){ 400, "scheme" };
    return (struct verdict){ 0, NULL };
}

/* RFC 9218 lets one response go before another whole. Without a wish, and among the requests of
 * different clients always, they share. */
static void share_fairly(const struct h2_stream *h2, const struct http_head *head)
{
    bool is_shared = h2->session->base.limits.is_shared;
    if (!is_shared && http_head_find(head, STR("priority")) != NULL)
        return;
    const nghttp2_extpri priority = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };
    nghttp2_session_change_extpri_stream_priority(h2->session->ng, h2->id, &priority, is_shared);
}

static void count_request(struct server *server)
{
    const struct http_session *base = &server->h2.base;
    if (base->limits.requests == 0 || base->is_draining ||
        base->total_streams < base->limits.requests)
        return;
    h2_goaway(&server->h2, false);
    h2_goaway_after_ping(&server->h2);
}

static void on_head(struct h2_stream *h2, bool is_end)
{
    struct server_stream *stream = stream_of_h2(h2);
    struct server *server = server_of(h2);
    struct http_head *head = &stream->pub.request;
    h2->has_head = true;
    struct verdict verdict = judge(h2, head);
    h2->is_too_large = false; /* from here on: of the trailers */
    if (is_end)
        h2_end(h2);
    if (server->h2.base.is_over)
        return;
    if (verdict.status != 0) {
        refuse(h2, verdict.status, verdict.reason);
        return;
    }
    stream->pub.has_body = !is_end;
    stream->pub.is_upgrade = head->protocol.len > 0;
    share_fairly(h2, head);
    h2_expect(h2);
    count_request(server);
    stream->is_raised = true;
    server->events->on_request(server->h2.base.owner, &stream->pub);
}

/* ---- responses ------------------------------------------------------------------------------- */

static void on_sent(struct h2_stream *h2, const nghttp2_frame *frame)
{
    /* Answered before all was said: ask it to stop (RFC 9113 section 8.1). */
    if (frame->hd.type != NGHTTP2_RST_STREAM && h2->is_out_ended && !h2->is_in_ended)
        nghttp2_submit_rst_stream(h2->session->ng, NGHTTP2_FLAG_NONE, h2->id, NGHTTP2_NO_ERROR);
}

static void inform(struct http_server_stream *pub, const struct http_head *head)
{
    struct h2_stream *h2 = &stream_of_pub(pub)->h2;
    if (h2->is_closed || pub->is_responded || head->status == 101)
        return;
    h2_queue_response(h2, head);
    nghttp2_submit_headers(h2->session->ng, NGHTTP2_FLAG_NONE, h2->id, NULL, NULL, 0, NULL);
    h2_wake(h2->session);
}

static void respond(struct http_server_stream *pub, const struct http_head *head, struct pipe *body)
{
    assert(!pub->is_responded);
    pub->is_responded = true;
    struct h2_stream *h2 = &stream_of_pub(pub)->h2;
    if (h2->is_closed || h2->error != HTTP_ERROR_NONE)
        return;
    if (body != NULL && !http_response_has_body(pub->request.method, head->status)) {
        pipe_discard(body);
        body = NULL;
    }
    if (body != NULL && body->is_ended && body->len == 0 && body->trailers.field_count == 0)
        body = NULL;
    h2_queue_response(h2, head);
    nghttp2_data_provider provider;
    if (body != NULL) {
        h2_attach(h2, body);
        provider = h2_provider(h2);
    }
    int failed =
        nghttp2_submit_response(h2->session->ng, h2->id, NULL, 0, body != NULL ? &provider : NULL);
    if (failed != 0)
        h2_reset(h2, HTTP_ERROR_INTERNAL);
    h2_wake(h2->session);
}

static void reset(struct http_server_stream *pub, enum http_error error)
{
    struct h2_stream *h2 = &stream_of_pub(pub)->h2;
    h2_unqueue(h2); /* what it points at may go now */
    h2_reset(h2, error);
}

static void release(struct http_server_stream *pub)
{
    struct h2_stream *h2 = &stream_of_pub(pub)->h2;
    h2->is_released = true;
    h2_stream_settle(h2);
}

static const struct http_server_stream_ops stream_ops = {
    .inform = inform,
    .respond = respond,
    .reset = reset,
    .release = release,
};

/* ---- the session ----------------------------------------------------------------------------- */

static void drain(struct http_session *session, bool is_final)
{
    h2_goaway(h2_session_of(session), is_final);
}

static void cut(struct h2_session *session)
{
    for (struct h2_stream *h2 = session->streams; h2 != NULL; h2 = h2->next)
        stream_of_h2(h2)->pub.session = NULL;
    h2_session_fini(session);
}

static void free_server(struct http_session *base)
{
    struct h2_session *session = h2_session_of(base);
    session->is_busy = true; /* nothing will be produced any more */
    struct h2_stream *h2;
    while ((h2 = h2_first_open(session)) != NULL)
        close_stream(h2, HTTP_ERROR_CLOSED);
    cut(session);
    free(session);
}

static const struct h2_role role = {
    .on_begin = on_begin,
    .on_head = on_head,
    .on_close = on_close,
    .on_sent = on_sent,
};

static const struct http_session_ops session_ops = {
    .receive = h2_receive,
    .receive_end = h2_receive_end,
    .produce = h2_produce,
    .wants_write = h2_wants_write,
    .wants_read = h2_wants_read,
    .drain = drain,
    .ping = h2_ping,
    .rest = h2_rest,
    .free = free_server,
};

struct http_session *h2_server_new(const struct http_limits *limits, struct pipe_pool *pool,
                                   const struct http_server_events *events, void *owner)
{
    struct server *server = mem_calloc(1, sizeof(*server));
    server->events = events;
    server->h2.base = (struct http_session){
        .ops = &session_ops,
        .events = &events->session,
        .owner = owner,
        .pool = pool,
        .limits = *limits,
    };
    h2_session_start(&server->h2, &role, true);
    return &server->h2.base;
}
