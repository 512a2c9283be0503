/* SPDX-License-Identifier: Apache-2.0 */
/* Heads on their way out: the frames they take, and when they count as sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/pop/http/h2_pair.h"

static struct pair *ready_pair(const struct http_limits *limits)
{
    struct pair *pair = pair_new(limits);
    pair_run(pair);
    return pair;
}

static struct pair_request *last_request(struct pair *pair)
{
    assert_true(pair->request_count > 0);
    return &pair->requests[pair->request_count - 1];
}

static size_t produce(struct http_session *session, size_t capacity)
{
    uint8_t *out = malloc(capacity);
    assert_non_null(out);
    size_t len = session->ops->produce(session, out, capacity);
    free(out);
    return len;
}

static size_t length_of_get(void)
{
    struct http_limits limits = pair_limits();
    struct pair *pair = ready_pair(&limits);
    struct pair_call *call = pair_get(pair, "/");
    size_t len = produce(pair->client, 65536);
    assert_true(len > 9 && call->stream->is_produced);
    http_session_free(pair->client);
    pair->client = NULL;
    http_session_free(pair->server);
    pair->server = NULL;
    pair_free(pair);
    return len;
}

/* The peer may have it all: that the connection ends is no proof of anything. Whatever the room
 * in the buffer is in which its octets leave. */
static void test_requests_count_as_produced_with_their_first_octet(void **state)
{
    (void)state;
    size_t len = length_of_get();
    for (size_t capacity = 1; capacity <= len + 300; capacity++) {
        struct http_limits limits = pair_limits();
        struct pair *pair = ready_pair(&limits);
        struct pair_call *call = pair_get(pair, "/");
        assert_true(produce(pair->client, capacity) > 0);
        http_session_free(pair->client);
        pair->client = NULL;
        assert_true(call->is_closed);
        assert_false(call->outcome.is_unprocessed);
        http_session_free(pair->server);
        pair->server = NULL;
        pair_free(pair);
    }
}

enum { LARGE_FIELDS = 40, LARGE_VALUE = 1500 };

static struct http_head large_head(struct http_field fields[LARGE_FIELDS], char *text)
{
    memset(text, 'x', LARGE_VALUE);
    for (size_t i = 0; i < LARGE_FIELDS; i++)
        fields[i] = (struct http_field){ .name = STR("x-large"),
                                         .value = { .ptr = text, .len = LARGE_VALUE - i } };
    return (struct http_head){
        .status = 200, .content_length = 3, .fields = fields, .field_count = LARGE_FIELDS
    };
}

static void check_large(const struct http_head *head)
{
    assert_int_equal(head->content_length, 3);
    assert_int_equal(head->field_count, LARGE_FIELDS + 1); /* and content-length */
    for (size_t i = 0; i < LARGE_FIELDS; i++)
        assert_int_equal(head->fields[i].value.len, LARGE_VALUE - i);
}

/* More than one frame holds, both ways, through buffers of all sizes. (Not of one octet: nghttp2
 * counts a CONTINUATION again for each piece in which its head arrives.) */
static void test_large_heads_go_on_in_continuations(void **state)
{
    (void)state;
    static const size_t chunks[] = { 255, 256, 257, 10000, 16384, 16393, 65536 };
    for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
        struct http_limits limits = pair_limits();
        limits.head_bytes = 256 * 1024;
        struct pair *pair = ready_pair(&limits);
        pair->chunk = chunks[i];
        struct http_field fields[LARGE_FIELDS];
        char text[LARGE_VALUE];
        struct http_head head = large_head(fields, text);
        struct http_head request = pair_request_head("POST", "/");
        request.fields = head.fields;
        request.field_count = head.field_count;
        request.content_length = 3;
        struct pair_call *call = pair_call_with(pair, &request, true);
        pipe_write(&call->body, "abc", 3);
        pipe_end(&call->body, NULL);
        struct pair_call *other = pair_get(pair, "/other");
        pair_run(pair);
        assert_int_equal(pair->request_count, 2);
        check_large(&pair->requests[0].stream->request);
        pipe_write(&pair->requests[0].body, "abc", 3);
        pipe_end(&pair->requests[0].body, NULL);
        http_server_respond(pair->requests[0].stream, &head, &pair->requests[0].body);
        pair_respond(&pair->requests[1], 204, false);
        pair_run(pair);
        check_large(&call->stream->response);
        assert_int_equal(pair_swallow(&call->stream->body), 3);
        assert_int_equal(other->stream->response.status, 204);
        assert_true(call->is_closed && call->outcome.error == HTTP_ERROR_NONE);
        pair_free(pair);
    }
}

static void exchange_once(struct pair *pair)
{
    struct http_field fields[] = { { .name = STR("x-one"), .value = STR("1") },
                                   { .name = STR("x-two"), .value = STR("22") },
                                   { .name = STR("cookie"), .value = STR("c=1"), true } };
    struct http_head request = pair_request_head("GET", "/somewhere");
    request.fields = fields;
    request.field_count = ARRAY_SIZE(fields);
    struct pair_call *call = pair_call_with(pair, &request, false);
    pair_run(pair);
    struct pair_request *seen = last_request(pair);
    assert_int_equal(seen->stream->request.field_count, ARRAY_SIZE(fields));
    assert_true(str_eq(http_head_get(&seen->stream->request, STR("x-two")), STR("22")));
    struct http_head head = {
        .status = 200, .content_length = 0, .fields = fields, .field_count = 2
    };
    http_server_respond(seen->stream, &head, NULL);
    pair_run(pair);
    assert_true(call->is_closed && call->outcome.error == HTTP_ERROR_NONE);
    assert_true(str_eq(http_head_get(&call->stream->response, STR("x-one")), STR("1")));
}

/* Also where one end announces another size of its table than the other wants. */
static void test_heads_cross_with_any_size_of_table(void **state)
{
    (void)state;
    static const uint32_t sizes[] = { 0, 60, 100, 4096, 65536 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct http_limits limits = pair_limits();
        limits.hpack_table_bytes = sizes[i];
        struct pair *pair = pair_new(&limits);
        http_session_free(pair->server);
        limits.hpack_table_bytes = sizes[ARRAY_SIZE(sizes) - 1 - i];
        pair->server = h2_server_new(&limits, &pair->pool, &pair_server_events, pair);
        pair_run(pair);
        for (int round = 0; round < 6; round++)
            exchange_once(pair);
        pair_free(pair);
    }
}

/* An inform, a response and trailers that wait together leave in this order. */
static void test_heads_of_one_stream_keep_their_order(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = ready_pair(&limits);
    struct pair_call *call = pair_get(pair, "/");
    pair_run(pair);
    struct pair_request *request = last_request(pair);
    struct http_field field = { .name = STR("x-sum"), .value = STR("7") };
    struct http_head inform = { .status = 103, .content_length = -1 };
    struct http_head trailers = { .content_length = -1, .fields = &field, .field_count = 1 };
    http_server_inform(request->stream, &inform);
    http_server_inform(request->stream, &inform);
    pipe_write(&request->body, "abc", 3);
    pipe_end(&request->body, &trailers);
    pair_respond(request, 203, true);
    pair_run(pair);
    assert_int_equal(call->informs, 2);
    assert_int_equal(call->inform_status, 103);
    assert_int_equal(call->stream->response.status, 203);
    assert_int_equal(pair_swallow(&call->stream->body), 3);
    assert_true(str_eq(http_head_get(&call->stream->body.trailers, STR("x-sum")), STR("7")));
    assert_true(call->is_closed && call->outcome.error == HTTP_ERROR_NONE);
    pair_free(pair);
}

/* Heads that were queued and then are not wanted do not come out as those of another stream. */
static void test_heads_of_reset_streams_are_left_out(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = ready_pair(&limits);
    struct pair_call *dropped = pair_get(pair, "/dropped");
    struct pair_call *kept = pair_get(pair, "/kept");
    pair_run(pair);
    pair_respond(&pair->requests[0], 201, false);
    http_server_reset(pair->requests[0].stream, HTTP_ERROR_INTERNAL);
    pair_respond(&pair->requests[1], 202, false);
    http_client_cancel(dropped->stream, HTTP_ERROR_CANCELLED);
    pair_run(pair);
    assert_true(dropped->is_closed && kept->is_closed);
    assert_int_equal(kept->stream->response.status, 202);
    pair_free(pair);
}

static bool is_hidden(const struct http_head *head, const char *name)
{
    const struct http_field *field = http_head_find(head, str_from(name));
    assert_non_null(field);
    return field->is_sensitive;
}

/* RFC 7541 section 6.2.3: who passes a never-indexed literal on must code it so again. */
static void test_never_indexed_literals_are_known_as_such(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = ready_pair(&limits);
    struct http_field fields[] = { { .name = STR("x-key"), .value = STR("s3cret"), true },
                                   { .name = STR("x-open"), .value = STR("1") } };
    struct http_head request = pair_request_head("GET", "/");
    request.fields = fields;
    request.field_count = ARRAY_SIZE(fields);
    struct http_head head = {
        .status = 200, .content_length = -1, .fields = fields, .field_count = ARRAY_SIZE(fields)
    };
    struct http_head trailers = head;
    struct pair_call *call = pair_call_with(pair, &request, false);
    pair_run(pair);
    struct pair_request *seen = last_request(pair);
    assert_true(is_hidden(&seen->stream->request, "x-key"));
    assert_false(is_hidden(&seen->stream->request, "x-open"));
    http_server_respond(seen->stream, &head, &seen->body);
    pipe_end(&seen->body, &trailers);
    pair_run(pair);
    assert_true(is_hidden(&call->stream->response, "x-key"));
    assert_false(is_hidden(&call->stream->response, "x-open"));
    assert_true(is_hidden(&call->stream->body.trailers, "x-key"));
    assert_false(is_hidden(&call->stream->body.trailers, "x-open"));
    pair_free(pair);
}

/* What a request's head points at may go as soon as it was cancelled. */
static void test_cancelled_requests_let_go_of_their_head(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = ready_pair(&limits);
    enum { LEN = 100 };
    char *text = malloc(LEN);
    assert_non_null(text);
    memset(text, 'x', LEN);
    struct http_field *field = mem_calloc(1, sizeof(*field));
    *field = (struct http_field){ .name = STR("x-own"), .value = { .ptr = text, .len = LEN } };
    struct http_head head = pair_request_head("GET", "/");
    head.fields = field;
    head.field_count = 1;
    struct pair_call *call = pair_call_with(pair, &head, false);
    http_client_cancel(call->stream, HTTP_ERROR_CANCELLED);
    free(text);
    free(field);
    struct pair_call *other = pair_get(pair, "/other");
    pair_run(pair);
    assert_true(call->is_closed && call->outcome.is_unprocessed);
    assert_int_equal(pair->request_count, 1);
    pair_respond(last_request(pair), 200, false);
    pair_run(pair);
    assert_int_equal(other->stream->response.status, 200);
    pair_free(pair);
}

static void test_reset_responses_let_go_of_their_texts(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = ready_pair(&limits);
    struct pair_call *call = pair_get(pair, "/");
    struct pair_call *other = pair_get(pair, "/other");
    pair_run(pair);
    assert_int_equal(pair->request_count, 2);
    enum { LEN = 100 };
    char *text = malloc(LEN);
    assert_non_null(text);
    memset(text, 'x', LEN);
    struct http_field field = { .name = STR("x-own"), .value = { .ptr = text, .len = LEN } };
    struct http_head head = {
        .status = 200, .content_length = 0, .fields = &field, .field_count = 1
    };
    http_server_respond(pair->requests[0].stream, &head, NULL);
    http_server_reset(pair->requests[0].stream, HTTP_ERROR_INTERNAL);
    free(text);
    pair_respond(&pair->requests[1], 201, false);
    pair_run(pair);
    assert_true(call->is_closed && !call->outcome.has_response);
    assert_int_equal(other->stream->response.status, 201);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_count_as_produced_with_their_first_octet),
        cmocka_unit_test(test_large_heads_go_on_in_continuations),
        cmocka_unit_test(test_heads_cross_with_any_size_of_table),
        cmocka_unit_test(test_heads_of_one_stream_keep_their_order),
        cmocka_unit_test(test_heads_of_reset_streams_are_left_out),
        cmocka_unit_test(test_never_indexed_literals_are_known_as_such),
        cmocka_unit_test(test_cancelled_requests_let_go_of_their_head),
        cmocka_unit_test(test_reset_responses_let_go_of_their_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
