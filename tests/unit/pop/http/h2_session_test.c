/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of HTTP/2 against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>

#include "h2_pair.h"

static struct pair *ready_pair(void)
{
    struct http_limits limits = pair_limits();
    struct pair *pair = pair_new(&limits);
    assert_int_equal(http_client_room(pair->client), 0); /* no SETTINGS yet */
    pair_run(pair);
    assert_int_equal(pair->settings, 1);
    assert_int_equal(pair->settings_acks, 1);
    assert_int_equal(http_client_room(pair->client), 100);
    return pair;
}

static void test_request_and_response_cross(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct http_field fields[] = {
        { .name = STR("accept"), .value = STR("*/*") },
        { .name = STR("authorization"), .value = STR("secret"), .is_sensitive = true },
        { .name = STR("cookie"), .value = STR("a=1"), .is_sensitive = true },
        { .name = STR("cookie"), .value = STR("b=2"), .is_sensitive = true },
        { .name = STR("te"), .value = STR("trailers") },
    };
    struct http_head head = pair_request_head("GET", "/x?y");
    head.fields = fields;
    head.field_count = 5;
    struct pair_call *call = pair_call_with(pair, &head, false);
    assert_false(call->stream->is_produced);
    pair_run(pair);
    assert_true(call->stream->is_produced);
    assert_int_equal(pair->request_count, 1);
    struct pair_request *request = &pair->requests[0];
    const struct http_head *got = &request->stream->request;
    assert_true(str_eq(got->method, STR("GET")) && str_eq(got->path, STR("/x?y")));
    assert_true(str_eq(got->authority, STR("example.test")) && str_eq(got->scheme, STR("https")));
    assert_int_equal(got->field_count, 4);
    assert_true(str_eq(http_head_get(got, STR("cookie")), STR("a=1; b=2")));
    assert_true(http_head_find(got, STR("authorization"))->is_sensitive);
    assert_false(request->stream->has_body);
    assert_true(request->stream->body.is_ended);
    pipe_write(&request->body, "hello", 5);
    pair_respond(request, 200, true);
    pair_run(pair);
    assert_true(call->has_response);
    assert_int_equal(call->stream->response.status, 200);
    assert_false(call->is_closed);
    pipe_end(&request->body, NULL);
    pair_run(pair);
    assert_true(call->is_closed && request->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
    assert_int_equal(request->error, HTTP_ERROR_NONE);
    assert_int_equal(request->stream->response_bytes, 5);
    assert_memory_equal(pipe_peek(&call->stream->body).ptr, "hello", 5);
    assert_true(call->stream->body.is_ended);
    pair_free(pair);
}

static struct pair_request *last_request(struct pair *pair)
{
    assert_true(pair->request_count > 0);
    return &pair->requests[pair->request_count - 1];
}

static struct pair_call *post(struct pair *pair, const char *path)
{
    struct http_head head = pair_request_head("POST", path);
    return pair_call_with(pair, &head, true);
}

static void test_trailers_cross_both_ways_without_forbidden_fields(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct http_field fields[] = {
        { .name = STR("grpc-status"), .value = STR("0") },
        { .name = STR("content-length"), .value = STR("7") },
        { .name = STR("authorization"), .value = STR("x") },
        { .name = STR("steer-visited"), .value = STR("x") },
    };
    struct http_head trailers = { .content_length = -1, .fields = fields, .field_count = 4 };
    struct pair_call *call = post(pair, "/");
    pipe_write(&call->body, "up", 2);
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    assert_true(request->stream->has_body);
    pipe_end(&call->body, &trailers);
    pair_respond(request, 200, true);
    pair_run(pair);
    struct http_head *got = &request->stream->body.trailers;
    assert_true(request->stream->body.is_ended);
    assert_int_equal(got->field_count, 1);
    assert_true(str_eq(http_head_get(got, STR("grpc-status")), STR("0")));
    pipe_write(&request->body, "down", 4);
    pipe_end(&request->body, &trailers);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
    assert_int_equal(call->stream->body.len, 4);
    assert_int_equal(call->stream->body.trailers.field_count, 1);
    pair_free(pair);
}

static void test_trailers_without_content(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct http_field field = { .name = STR("grpc-status"), .value = STR("5") };
    struct http_head trailers = { .content_length = -1, .fields = &field, .field_count = 1 };
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    pipe_end(&request->body, &trailers);
    pair_respond(request, 200, true);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
    assert_int_equal(call->stream->body.trailers.field_count, 1);
    pair_free(pair);
}

static void test_informs_come_before_the_response(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = post(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    struct http_field link = { .name = STR("link"), .value = STR("</a>") };
    struct http_head head = {
        .status = 103, .content_length = -1, .fields = &link, .field_count = 1
    };
    http_server_inform(request->stream, &head);
    head.status = 100;
    head.field_count = 0;
    http_server_inform(request->stream, &head);
    pair_run(pair);
    assert_int_equal(call->informs, 2);
    assert_int_equal(call->inform_status, 100);
    assert_false(call->has_response);
    pipe_end(&call->body, NULL);
    pair_respond(request, 200, false);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_int_equal(call->stream->response.status, 200);
    assert_int_equal(call->stream->response.field_count, 0);
    pair_free(pair);
}

static void test_responses_without_content_keep_their_length(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        uint16_t status;
        int64_t length, want;
    } rows[] = {
        { "HEAD", 200, 1234, 1234 },
        { "GET", 304, 99, 99 },
        { "GET", 204, -1, -1 },
        { "GET", 200, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = ready_pair();
        struct http_head head = pair_request_head(rows[i].method, "/");
        struct pair_call *call = pair_call_with(pair, &head, false);
        pair_run(pair);
        struct http_head response = { .status = rows[i].status, .content_length = rows[i].length };
        struct pair_request *request = last_request(pair);
        if (rows[i].length != 0)
            pipe_write(&request->body, "must not leave", 14);
        pipe_end(&request->body, NULL);
        http_server_respond(request->stream, &response, &request->body);
        pair_run(pair);
        assert_true(call->is_closed);
        assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
        assert_int_equal(call->stream->response.content_length, rows[i].want);
        assert_int_equal(call->stream->body.len, 0);
        pair_free(pair);
    }
}

static void test_truncation_is_visible(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    pair_respond(request, 200, true);
    pipe_write(&request->body, "half", 4);
    pair_run(pair);
    pipe_write(&request->body, "more", 4);
    pipe_break(&request->body, HTTP_ERROR_CLOSED);
    pair_run(pair);
    assert_true(call->is_closed && request->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_RESET);
    assert_false(call->outcome.is_unprocessed);
    assert_true(call->outcome.has_response);
    assert_true(call->stream->body.is_broken);
    assert_int_equal(call->stream->body.len, 8); /* what there was came */
    pair_free(pair);
}

static void test_broken_request_is_cancelled(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = post(pair, "/");
    pipe_write(&call->body, "half", 4);
    pair_run(pair);
    pipe_break(&call->body, HTTP_ERROR_CANCELLED);
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    assert_true(request->is_closed && call->is_closed);
    assert_int_equal(request->error, HTTP_ERROR_CANCELLED);
    assert_true(request->stream->body.is_broken);
    assert_int_equal(call->outcome.error, HTTP_ERROR_CANCELLED);
    pair_free(pair);
}

static void test_resets_tell_what_happened(void **state)
{
    (void)state;
    static const struct {
        enum http_error reset, want;
        bool is_unprocessed;
    } rows[] = {
        { HTTP_ERROR_REFUSED, HTTP_ERROR_REFUSED, true },
        { HTTP_ERROR_INTERNAL, HTTP_ERROR_RESET, false },
        { HTTP_ERROR_TIMEOUT, HTTP_ERROR_RESET, false },
        { HTTP_ERROR_ENHANCE_YOUR_CALM, HTTP_ERROR_ENHANCE_YOUR_CALM, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = ready_pair();
        struct pair_call *call = pair_get(pair, "/");
        pair_run(pair);
        struct pair_request *request = last_request(pair);
        http_server_reset(request->stream, rows[i].reset);
        assert_false(request->is_closed); /* later */
        pair_run(pair);
        assert_true(call->is_closed && request->is_closed);
        assert_int_equal(call->outcome.error, rows[i].want);
        assert_int_equal(call->outcome.is_unprocessed, rows[i].is_unprocessed);
        assert_int_equal(request->error, rows[i].reset);
        pair_free(pair);
    }
}

static void test_cancel_reaches_the_server(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    pair_respond(request, 200, true);
    http_client_cancel(call->stream, HTTP_ERROR_CANCELLED);
    assert_false(call->is_closed);
    pair_run(pair);
    assert_true(call->is_closed && request->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_CANCELLED);
    assert_false(call->outcome.is_unprocessed);
    assert_int_equal(request->error, HTTP_ERROR_CANCELLED);
    pair_free(pair);
}

static void test_cancel_before_it_was_produced_is_proof(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = pair_get(pair, "/");
    assert_true(pair->client->ops->wants_write(pair->client));
    http_client_cancel(call->stream, HTTP_ERROR_TIMEOUT);
    assert_false(call->is_closed);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_TIMEOUT);
    assert_true(call->outcome.is_unprocessed);
    assert_int_equal(pair->request_count, 0);
    pair_free(pair);
}

static void test_early_response_stops_the_upload(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = post(pair, "/");
    pipe_write(&call->body, "part", 4);
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    struct http_head head = { .status = 413, .content_length = 0 };
    http_server_respond(request->stream, &head, NULL);
    pair_run(pair);
    assert_true(request->is_closed && call->is_closed);
    assert_int_equal(request->error, HTTP_ERROR_NONE);
    assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
    assert_int_equal(call->stream->response.status, 413);
    assert_null(call->body.on_readable);
    pipe_write(&call->body, "rest", 4); /* nobody listens, nothing happens */
    pair_run(pair);
    pair_free(pair);
}

static void test_goaway_closes_what_is_above_it(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *kept = pair_get(pair, "/kept");
    pair_run(pair);
    /* Final at once: what crosses it on the wire is above. */
    pair->server->ops->drain(pair->server, true);
    uint8_t goaway[64];
    size_t len = pair->server->ops->produce(pair->server, goaway, sizeof(goaway));
    struct pair_call *crossing = pair_get(pair, "/crossing");
    pair_move(pair, pair->client, pair->server);
    assert_true(crossing->stream->is_produced);
    pair->client->ops->receive(pair->client, goaway, len);
    pair_run(pair);
    assert_int_equal(pair->draining, 1);
    assert_int_equal(http_client_room(pair->client), 0);
    assert_true(crossing->is_closed);
    assert_int_equal(crossing->outcome.error, HTTP_ERROR_GOAWAY);
    assert_true(crossing->outcome.is_unprocessed);
    assert_false(kept->is_closed);
    assert_int_equal(pair->request_count, 1);
    assert_false(pair->server->is_over);
    pair_respond(&pair->requests[0], 200, false);
    pair_run(pair);
    assert_true(kept->is_closed);
    assert_int_equal(kept->outcome.error, HTTP_ERROR_NONE);
    assert_true(pair->server->is_over);
    assert_int_equal(pair->server->error, HTTP_ERROR_NONE);
    pair_free(pair);
}

static void test_goaway_counts_what_came_before_it_left(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    pair_get(pair, "/first");
    pair_run(pair);
    pair->server->ops->drain(pair->server, true);
    struct pair_call *late = pair_get(pair, "/late");
    pair_move(pair, pair->client, pair->server); /* taken: must not be called unprocessed */
    assert_int_equal(pair->request_count, 2);
    pair_run(pair);
    assert_false(late->is_closed);
    for (int i = 0; i < 2; i++)
        pair_respond(&pair->requests[i], 200, false);
    pair_run(pair);
    assert_int_equal(late->outcome.error, HTTP_ERROR_NONE);
    assert_true(pair->server->is_over);
    pair_free(pair);
}

static void test_shutdown_notice_loses_nothing(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    pair->server->ops->drain(pair->server, false);
    struct pair_call *crossing = pair_get(pair, "/crossing");
    pair_move(pair, pair->client, pair->server);
    pair_run(pair);
    assert_int_equal(pair->draining, 1);
    assert_int_equal(pair->request_count, 1);
    pair->server->ops->drain(pair->server, true);
    pair_run(pair);
    assert_false(crossing->is_closed);
    pair_respond(&pair->requests[0], 200, false);
    pair_run(pair);
    assert_true(crossing->is_closed);
    assert_int_equal(crossing->outcome.error, HTTP_ERROR_NONE);
    assert_true(pair->server->is_over);
    pair_free(pair);
}

static void test_goaway_before_anything_was_produced(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = pair_get(pair, "/");
    pair->server->ops->drain(pair->server, true);
    bool is_moving = true;
    while (is_moving)
        is_moving = pair_move(pair, pair->server, pair->client);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_true(call->outcome.is_unprocessed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_GOAWAY);
    assert_int_equal(pair->request_count, 0);
    pair_free(pair);
}

static void test_request_limit_drains_in_two_phases(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    limits.requests = 3;
    struct pair *pair = pair_new(&limits);
    pair->client->limits.requests = 0;
    pair_run(pair);
    for (int i = 0; i < 3; i++) {
        pair_get(pair, "/");
        pair_run(pair);
        pair_respond(last_request(pair), 200, false);
        pair_run(pair);
    }
    assert_int_equal(pair->draining, 1);
    assert_true(pair->server->is_over);
    for (size_t i = 0; i < pair->call_count; i++)
        assert_int_equal(pair->calls[i].outcome.error, HTTP_ERROR_NONE);
    pair_free(pair);
}

static void test_room_never_exceeds_what_the_peer_takes(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    limits.streams = 3;
    struct pair *pair = pair_new(&limits);
    pair->client->limits.streams = 50;
    pair_run(pair);
    for (int i = 0; i < 3; i++)
        pair_get(pair, "/");
    assert_int_equal(http_client_room(pair->client), 0);
    pair_run(pair);
    assert_int_equal(pair->request_count, 3);
    pair_respond(&pair->requests[0], 200, false);
    pair_run(pair);
    assert_int_equal(http_client_room(pair->client), 1);
    pair_free(pair);
}

static void test_websocket_is_an_extended_connect(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    assert_true(http_client_ops_of(pair->client)->takes_websocket(pair->client));
    struct http_head head = pair_request_head("GET", "/chat");
    head.protocol = STR("websocket");
    struct pair_call *call = pair_call_with(pair, &head, true);
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    assert_true(request->stream->is_upgrade && request->stream->has_body);
    assert_true(str_eq(request->stream->request.protocol, STR("websocket")));
    pair_respond(request, 200, true);
    pipe_write(&request->body, "down", 4);
    pipe_write(&call->body, "up", 2);
    pair_run(pair);
    assert_int_equal(pair_swallow(&call->stream->body), 4);
    assert_int_equal(pair_swallow(&request->stream->body), 2);
    pipe_end(&call->body, NULL); /* half-close */
    pair_run(pair);
    assert_true(request->stream->body.is_ended);
    assert_false(call->is_closed);
    pipe_write(&request->body, "bye", 3);
    pipe_end(&request->body, NULL);
    pair_run(pair);
    assert_int_equal(pair_swallow(&call->stream->body), 3);
    assert_true(call->is_closed);
    assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
    pair_free(pair);
}

static void test_large_heads_are_answered_431(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    limits.head_bytes = 400;
    struct pair *pair = pair_new(&limits);
    pair->client->limits.head_bytes = 100000;
    pair_run(pair);
    static char text[1000];
    memset(text, 'x', sizeof(text));
    struct http_field field = { .name = STR("big"), .value = { text, sizeof(text) } };
    struct http_head head = pair_request_head("GET", "/");
    head.fields = &field;
    head.field_count = 1;
    struct pair_call *call = pair_call_with(pair, &head, false);
    pair_run(pair);
    assert_int_equal(pair->request_count, 0);
    assert_int_equal(pair->rejected_status, 431);
    assert_true(call->is_closed);
    assert_int_equal(call->stream->response.status, 431);
    assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
    pair_free(pair);
}

static void test_large_response_heads_are_reset(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    pair->client->limits.head_bytes = 300;
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    static char text[400];
    memset(text, 'x', sizeof(text));
    struct http_field field = { .name = STR("big"), .value = { text, sizeof(text) } };
    struct http_head head = {
        .status = 200, .content_length = -1, .fields = &field, .field_count = 1
    };
    http_server_respond(last_request(pair)->stream, &head, NULL);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_false(call->has_response);
    assert_int_equal(call->outcome.error, HTTP_ERROR_TOO_LARGE);
    pair_free(pair);
}

/* Also at a bad time: with requests that live. */
static void test_rest_loses_nothing(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    for (uint32_t round = 0; round < 3; round++) {
        struct pair_call *call = pair_get(pair, "/");
        pair->server->ops->rest(pair->server);
        pair_run(pair);
        pair->server->ops->rest(pair->server);
        assert_int_equal(pair->request_count, round + 1);
        pipe_end(&pair->requests[round].body, NULL);
        pair_respond(&pair->requests[round], 200, true);
        pair_run(pair);
        assert_true(call->is_closed);
        assert_int_equal(call->outcome.error, HTTP_ERROR_NONE);
        pair->server->ops->rest(pair->server);
    }
    pair_free(pair);
}

static void test_ping_is_answered(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    for (int i = 0; i < 5000; i++) {
        pair->client->ops->ping(pair->client);
        pair_run(pair);
    }
    assert_int_equal(pair->pongs, 5000);
    assert_int_equal(pair->server->score, 0); /* now and then is no flood */
    pair_free(pair);
}

static void test_freed_session_closes_its_streams(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *sent = post(pair, "/sent");
    pair_run(pair);
    pair_respond(last_request(pair), 200, true);
    pair_run(pair);
    struct pair_call *unsent = post(pair, "/unsent");
    http_session_free(pair->client);
    pair->client = NULL;
    assert_true(sent->is_closed && unsent->is_closed);
    assert_int_equal(sent->outcome.error, HTTP_ERROR_CLOSED);
    assert_true(sent->outcome.has_response && !sent->outcome.is_unprocessed);
    assert_true(unsent->outcome.is_unprocessed);
    assert_null(sent->stream->session);
    assert_true(sent->stream->body.is_broken);
    pair->server->ops->receive_end(pair->server);
    assert_true(pair->server->is_over);
    http_session_free(pair->server);
    pair->server = NULL;
    struct pair_request *request = last_request(pair);
    assert_int_equal(request->error, HTTP_ERROR_CLOSED);
    http_server_reset(request->stream, HTTP_ERROR_INTERNAL); /* too late, harmless */
    pair_free(pair);
}

static unsigned released;

static void release_client_at_once(void *owner, struct http_client_stream *stream,
                                   struct http_outcome outcome)
{
    (void)owner, (void)outcome;
    http_client_release(stream);
    released++;
}

static void release_server_at_once(void *owner, struct http_server_stream *stream,
                                   enum http_error error)
{
    (void)owner, (void)error;
    http_server_release(stream);
    released++;
}

static void respond_at_once(void *owner, struct http_server_stream *stream)
{
    (void)owner;
    struct http_head head = { .status = 200, .content_length = 0 };
    http_server_respond(stream, &head, NULL);
}

static void ignore_response(void *owner, struct http_client_stream *stream)
{
    (void)owner, (void)stream;
}

static void test_streams_may_be_released_when_they_close(void **state)
{
    (void)state;
    struct http_client_events client_events = pair_client_events;
    client_events.on_response = ignore_response;
    client_events.on_closed = release_client_at_once;
    struct http_server_events server_events = pair_server_events;
    server_events.on_request = respond_at_once;
    server_events.on_closed = release_server_at_once;
    struct http_limits limits = pair_limits();
    struct pair *pair = pair_new(&limits);
    http_session_free(pair->client);
    http_session_free(pair->server);
    pair->client = h2_client_new(&limits, &pair->pool, &client_events, pair);
    pair->server = h2_server_new(&limits, &pair->pool, &server_events, pair);
    pair_run(pair);
    released = 0;
    struct http_head head = pair_request_head("GET", "/");
    for (int i = 0; i < 5; i++)
        http_client_request(pair->client, &head, NULL, pair);
    pair_run(pair);
    assert_int_equal(released, 10);
    for (int i = 0; i < 3; i++)
        http_client_request(pair->client, &head, NULL, pair);
    pair_move(pair, pair->client, pair->server);
    pair_free(pair); /* closes, and so releases, the rest */
    assert_int_equal(released, 16);
}

/* ---- flow control ---------------------------------------------------------------------------- */

static void test_unread_content_holds_back_its_own_stream_only(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *stalled = pair_get(pair, "/stalled");
    struct pair_call *flowing = pair_get(pair, "/flowing");
    pair_run(pair);
    static char block[16384];
    for (int i = 0; i < 2; i++)
        pair_respond(&pair->requests[i], 200, true);
    for (int i = 0; i < 64; i++)
        pipe_write(&pair->requests[0].body, block, sizeof(block));
    pair_run(pair);
    assert_int_equal(stalled->stream->body.len, 65536); /* the window, and not a byte more */
    assert_int_equal(pair->server->last_bytes_out_streams, 64 * sizeof(block) - 65536);
    size_t got = 0;
    for (int i = 0; i < 1000; i++) {
        pipe_write(&pair->requests[1].body, block, sizeof(block));
        pair_run(pair);
        got += pair_swallow(&flowing->stream->body);
    }
    assert_int_equal(got, 1000 * sizeof(block));
    assert_int_equal(stalled->stream->body.len, 65536);
    pipe_end(&pair->requests[0].body, NULL);
    got = 0;
    while (!stalled->is_closed) {
        got += pair_swallow(&stalled->stream->body);
        pair_run(pair);
    }
    got += pair_swallow(&stalled->stream->body);
    assert_int_equal(got, 64 * sizeof(block));
    assert_int_equal(pair->server->last_bytes_out_streams, 0);
    pair_free(pair);
}

static void test_content_of_reset_streams_is_credited(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    limits.connection_window = 65535;
    struct pair *pair = pair_new(&limits);
    pair_run(pair);
    static char block[30000];
    for (int i = 0; i < 50; i++) {
        struct pair_call *call = pair_get(pair, "/");
        pair_run(pair);
        struct pair_request *request = last_request(pair);
        pair_respond(request, 200, true);
        pipe_write(&request->body, block, sizeof(block));
        pair_move(pair, pair->server, pair->client);
        http_client_cancel(call->stream, HTTP_ERROR_CANCELLED);
        pair_run(pair);
        assert_true(call->is_closed);
    }
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    pair_respond(last_request(pair), 200, true);
    pipe_write(&last_request(pair)->body, block, sizeof(block));
    pair_run(pair);
    assert_int_equal(call->stream->body.len, sizeof(block));
    pair_free(pair);
}

static void test_window_grows_while_content_is_consumed(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    pair_respond(request, 200, true);
    static char block[16384];
    for (int i = 0; i < 400; i++) {
        pipe_write(&request->body, block, sizeof(block));
        pair_run(pair);
        pair_swallow(&call->stream->body);
    }
    for (int i = 0; i < 200; i++)
        pipe_write(&request->body, block, sizeof(block));
    pair_run(pair);
    /* stream_window_max, less what was consumed since the last WINDOW_UPDATE */
    assert_in_range(call->stream->body.len, 1 << 19, 1 << 20);
    pair_free(pair);
}

static void test_window_opens_for_announced_content(void **state)
{
    (void)state;
    const size_t announced = 100000; /* the window is 65536 */
    struct pair *pair = ready_pair();
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    struct http_head head = { .status = 200, .content_length = (int64_t)announced };
    http_server_respond(request->stream, &head, &request->body);
    static char block[100000];
    pipe_write(&request->body, block, sizeof(block));
    pair_run(pair);
    assert_int_equal(call->stream->body.len, announced); /* though nobody has read a byte */
    pipe_end(&request->body, NULL);
    pair_swallow(&call->stream->body);
    pair_run(pair);
    assert_true(call->is_closed);
    pair_free(pair);
}

static void test_one_byte_at_a_time(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = pair_new(&limits);
    pair->chunk = 1;
    pair_run(pair);
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    static char block[2000];
    pipe_write(&request->body, block, sizeof(block));
    pipe_end(&request->body, NULL);
    pair_respond(request, 200, true);
    pair_run(pair);
    assert_true(call->is_closed);
    assert_int_equal(call->stream->body.len, sizeof(block));
    pair_free(pair);
}

static void test_heads_and_content_of_many_streams_leave_together(void **state)
{
    (void)state;
    struct pair *pair = ready_pair();
    pair->chunk = 65536;
    for (int i = 0; i < 20; i++)
        pair_get(pair, "/");
    pair_run(pair);
    for (int i = 0; i < 20; i++) {
        pipe_write(&pair->requests[i].body, "0123456789", 10);
        pipe_end(&pair->requests[i].body, NULL);
        pair_respond(&pair->requests[i], 200, true);
    }
    pair_move(pair, pair->server, pair->client);
    assert_int_equal(pair->server->open_streams, 0);
    for (int i = 0; i < 20; i++)
        assert_true(pair->calls[i].is_closed);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_response_cross),
        cmocka_unit_test(test_trailers_cross_both_ways_without_forbidden_fields),
        cmocka_unit_test(test_trailers_without_content),
        cmocka_unit_test(test_informs_come_before_the_response),
        cmocka_unit_test(test_responses_without_content_keep_their_length),
        cmocka_unit_test(test_truncation_is_visible),
        cmocka_unit_test(test_broken_request_is_cancelled),
        cmocka_unit_test(test_resets_tell_what_happened),
        cmocka_unit_test(test_cancel_reaches_the_server),
        cmocka_unit_test(test_cancel_before_it_was_produced_is_proof),
        cmocka_unit_test(test_early_response_stops_the_upload),
        cmocka_unit_test(test_goaway_closes_what_is_above_it),
        cmocka_unit_test(test_goaway_counts_what_came_before_it_left),
        cmocka_unit_test(test_shutdown_notice_loses_nothing),
        cmocka_unit_test(test_goaway_before_anything_was_produced),
        cmocka_unit_test(test_request_limit_drains_in_two_phases),
        cmocka_unit_test(test_room_never_exceeds_what_the_peer_takes),
        cmocka_unit_test(test_websocket_is_an_extended_connect),
        cmocka_unit_test(test_large_heads_are_answered_431),
        cmocka_unit_test(test_large_response_heads_are_reset),
        cmocka_unit_test(test_rest_loses_nothing),
        cmocka_unit_test(test_ping_is_answered),
        cmocka_unit_test(test_freed_session_closes_its_streams),
        cmocka_unit_test(test_streams_may_be_released_when_they_close),
        cmocka_unit_test(test_unread_content_holds_back_its_own_stream_only),
        cmocka_unit_test(test_content_of_reset_streams_is_credited),
        cmocka_unit_test(test_window_grows_while_content_is_consumed),
        cmocka_unit_test(test_window_opens_for_announced_content),
        cmocka_unit_test(test_one_byte_at_a_time),
        cmocka_unit_test(test_heads_and_content_of_many_streams_leave_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
