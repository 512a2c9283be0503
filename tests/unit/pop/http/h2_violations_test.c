/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that break the rules of HTTP/2, or bend them in bulk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "h2_pair.h"
#include "h2_raw.h"

static struct raw raw;

enum { NO_ERROR = 0, PROTOCOL = 1, INTERNAL = 2, FLOW = 3, CLOSED = 5, SIZE = 6, REFUSED = 7 };
enum { COMPRESSION = 9, CALM = 11 };

#define GET ":method=GET|:scheme=https|:authority=a.test|:path=/"
#define POST ":method=POST|:scheme=https|:authority=a.test|:path=/"

/* A server that has seen the preface. */
static struct pair *server_pair(void)
{
    struct http_limits limits = pair_limits();
    struct pair *pair = pair_new(&limits);
    raw.len = 0;
    raw_preface(&raw);
    raw_send(&raw, pair->server);
    struct seen seen = raw_read(pair->server, 0);
    assert_int_equal(seen.frames[RAW_SETTINGS], 2);
    return pair;
}

enum outcome { SOUND, STATUS_400, STATUS_501, STREAM_ERROR };

/* rule zero: one table, whose rows are read side by side. */
static void test_requests_that_are_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        enum outcome want;
    } rows[] = {
        { GET, SOUND },
        { GET "|te=trailers", SOUND },
        { GET "|host=a.test", SOUND },
        { GET "|host=A.TEST", SOUND },
        { ":method=GET|:scheme=https|:path=/|host=a.test", SOUND },
        { ":method=OPTIONS|:scheme=https|:authority=a.test|:path=*", SOUND },
        { GET "|x=", SOUND },
        { GET "|host=b.test", STATUS_400 },
        { ":method=GET|:scheme=https|:authority=u@a.test|:path=/", STATUS_400 },
        { ":method=GET|:scheme=ftp|:authority=a.test|:path=/", STATUS_400 },
        { ":method=CONNECT|:authority=a.test:443", STATUS_501 },
        { ":method=CONNECT|:protocol=connect-udp|:scheme=https|:authority=a.test|:path=/",
          STATUS_501 },
        { ":method=CONNECT|:protocol=websocket|:scheme=https|:authority=a.test|:path=/", SOUND },
        { ":method=GET|:protocol=websocket|:scheme=https|:authority=a.test|:path=/", STREAM_ERROR },
        { GET "|Upper=1", STREAM_ERROR },
        { GET "|connection=close", STREAM_ERROR },
        { GET "|transfer-encoding=chunked", STREAM_ERROR },
        { GET "|keep-alive=1", STREAM_ERROR },
        { GET "|proxy-connection=1", STREAM_ERROR },
        { GET "|upgrade=websocket", STREAM_ERROR },
        { GET "|te=gzip", STREAM_ERROR },
        { GET "|a=b~r~nc: d", STREAM_ERROR },
        { GET "|a=b~nc", STREAM_ERROR },
        { GET "|a=b~0c", STREAM_ERROR },
        { GET "|a= b", STREAM_ERROR },
        { GET "|a b=c", STREAM_ERROR },
        { GET "|a:b=c", STREAM_ERROR },
        { GET "|=c", STREAM_ERROR },
        { GET "|:path=/2", STREAM_ERROR },
        { "a=b|" GET, STREAM_ERROR },
        { GET "|:status=200", STREAM_ERROR },
        { GET "|:unknown=1", STREAM_ERROR },
        { ":scheme=https|:authority=a.test|:path=/", STREAM_ERROR },
        { ":method=GET|:authority=a.test|:path=/", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a.test", STREAM_ERROR },
        { ":method=GET|:scheme=https|:path=/", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a.test|:path=x", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a.test|:path=*", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a.test|:path=/ x", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a.test|:path=/~rx", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a.test|:path=", STREAM_ERROR },
        { ":method=GE T|:scheme=https|:authority=a.test|:path=/", STREAM_ERROR },
        { ":method=GET|:scheme=https|:authority=a test|:path=/", STREAM_ERROR },
        { GET "|host=a.test|host=a.test", STREAM_ERROR },
        { POST "|content-length=1|content-length=1", STREAM_ERROR },
        { POST "|content-length=+1", STREAM_ERROR },
        { POST "|content-length=1,1", STREAM_ERROR },
        { POST "|content-length=99999999999999999999", STREAM_ERROR },
        { POST "|content-length=5", STREAM_ERROR }, /* and no content */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = server_pair();
        raw_headers(&raw, 1, rows[i].fields, true);
        raw_send(&raw, pair->server);
        struct seen seen = raw_read(pair->server, 0);
        enum outcome got = SOUND;
        if (pair->rejected > 0)
            got = pair->rejected_status == 400   ? STATUS_400
                  : pair->rejected_status == 501 ? STATUS_501
                                                 : STREAM_ERROR;
        if (got != rows[i].want || (got == STREAM_ERROR) != (seen.frames[RAW_RST] == 1))
            fail_msg("%s: %d instead of %d (%s)", rows[i].fields, (int)got, (int)rows[i].want,
                     pair->rejected_reason);
        assert_int_equal(pair->request_count, got == SOUND ? 1 : 0);
        assert_int_equal(seen.frames[RAW_GOAWAY], 0);
        if (got == STREAM_ERROR)
            assert_int_equal(seen.rst_code, PROTOCOL);
        /* The connection lives on. */
        raw_headers(&raw, 3, GET, true);
        raw_send(&raw, pair->server);
        assert_int_equal(pair->request_count, got == SOUND ? 2 : 1);
        pair_free(pair);
    }
}

static void test_authority_comes_from_host(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    raw_headers(&raw, 1, ":method=GET|:scheme=https|:path=/|host=h.test|cookie=a|x=y|cookie=b",
                true);
    raw_send(&raw, pair->server);
    assert_int_equal(pair->request_count, 1);
    const struct http_head *head = &pair->requests[0].stream->request;
    assert_true(str_eq(head->authority, STR("h.test")));
    assert_null(http_head_find(head, STR("host")));
    assert_int_equal(head->field_count, 2);
    assert_true(str_eq(head->fields[0].value, STR("a; b")));
    assert_true(str_eq(head->fields[1].name, STR("x")));
    pair_free(pair);
}

/* ---- content --------------------------------------------------------------------------------- */

static void test_content_must_be_as_long_as_stated(void **state)
{
    (void)state;
    static const struct {
        size_t stated, sent;
        bool is_sound;
    } rows[] = { { 4, 4, true }, { 4, 3, false }, { 4, 5, false }, { 0, 1, false } };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = server_pair();
        char list[200];
        snprintf(list, sizeof(list), POST "|content-length=%zu", rows[i].stated);
        raw_headers(&raw, 1, list, false);
        raw_frame(&raw, RAW_DATA, RAW_END_STREAM, 1, "12345", rows[i].sent);
        raw_send(&raw, pair->server);
        assert_int_equal(pair->request_count, 1);
        const struct pair_request *request = &pair->requests[0];
        struct seen seen = raw_read(pair->server, 0);
        assert_int_equal(request->stream->body.is_ended, rows[i].is_sound);
        assert_int_equal(seen.frames[RAW_RST], rows[i].is_sound ? 0 : 1);
        assert_int_equal(request->is_closed, !rows[i].is_sound);
        if (!rows[i].is_sound) {
            assert_int_equal(seen.rst_code, PROTOCOL);
            assert_int_equal(request->error, HTTP_ERROR_PROTOCOL);
            assert_true(request->stream->body.is_broken);
        }
        pair_free(pair);
    }
}

static void test_trailers_may_not_hold_pseudo_fields(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    raw_headers(&raw, 1, POST, false);
    raw_headers(&raw, 1, ":path=/other", true);
    raw_headers(&raw, 3, POST, false);
    raw_headers(&raw, 3, "x=y|authorization=z", true);
    raw_send(&raw, pair->server);
    raw_read(pair->server, 0);
    assert_true(pair->requests[0].is_closed);
    assert_int_equal(pair->requests[0].error, HTTP_ERROR_PROTOCOL);
    assert_true(pair->requests[1].stream->body.is_ended);
    assert_int_equal(pair->requests[1].stream->body.trailers.field_count, 1);
    pair_free(pair);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void data_on_connection(void)
{
    raw_frame(&raw, RAW_DATA, 0, 0, "x", 1);
}
static void data_on_idle(void)
{
    raw_frame(&raw, RAW_DATA, 0, 5, "x", 1);
}
static void even_stream(void)
{
    raw_headers(&raw, 2, GET, true);
}
static void smaller_stream(void)
{
    raw_headers(&raw, 5, GET, true);
    raw_headers(&raw, 3, GET, true);
}
static void window_zero(void)
{
    raw_u32(&raw, RAW_WINDOW, 0, 0);
}
static void window_overflow(void)
{
    raw_u32(&raw, RAW_WINDOW, 0, INT32_MAX);
}
static void frame_too_large(void)
{
    static const uint8_t big[16385];
    raw_frame(&raw, RAW_DATA, 0, 1, big, sizeof(big));
}
static void settings_bad_length(void)
{
    raw_frame(&raw, RAW_SETTINGS, 0, 0, "12345", 5);
}
static void settings_bad_value(void)
{
    raw_setting(&raw, 2, 7);
}
static void ping_bad_length(void)
{
    raw_frame(&raw, RAW_PING, 0, 0, "1234567", 7);
}
static void hpack_garbage(void)
{
    raw_frame(&raw, RAW_HEADERS, RAW_END_HEADERS | RAW_END_STREAM, 1, "\xff\xff\xff\xff\xff\xff",
              6);
}
static void continuation_alone(void)
{
    raw_frame(&raw, RAW_CONTINUATION, RAW_END_HEADERS, 1, "", 0);
}
static void continuation_interrupted(void)
{
    raw_frame(&raw, RAW_HEADERS, 0, 1, "", 0);
    raw_frame(&raw, RAW_PING, 0, 0, "12345678", 8);
}
static void pushed(void)
{
    raw_frame(&raw, RAW_PUSH, RAW_END_HEADERS, 1, "\0\0\0\2", 4);
}
static void rst_on_idle(void)
{
    raw_u32(&raw, RAW_RST, 9, 8);
}

static void test_frames_that_end_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*make)(void);
        uint32_t code;
    } rows[] = {
        { "DATA on stream 0", data_on_connection, PROTOCOL },
        { "DATA on an idle stream", data_on_idle, PROTOCOL },
        { "HEADERS on an even stream", even_stream, PROTOCOL },
        { "HEADERS below the newest", smaller_stream, PROTOCOL },
        { "WINDOW_UPDATE by 0", window_zero, PROTOCOL },
        { "WINDOW_UPDATE overflow", window_overflow, FLOW },
        { "frame too large", frame_too_large, SIZE },
        { "SETTINGS of 5 octets", settings_bad_length, SIZE },
        { "SETTINGS_ENABLE_PUSH 7", settings_bad_value, PROTOCOL },
        { "PING of 7 octets", ping_bad_length, SIZE },
        { "HPACK garbage", hpack_garbage, COMPRESSION },
        { "CONTINUATION alone", continuation_alone, PROTOCOL },
        { "CONTINUATION interrupted", continuation_interrupted, PROTOCOL },
        { "PUSH_PROMISE from a client", pushed, PROTOCOL },
        { "RST_STREAM on an idle stream", rst_on_idle, PROTOCOL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = server_pair();
        rows[i].make();
        raw_send(&raw, pair->server);
        struct seen seen = raw_read(pair->server, 0);
        if (seen.frames[RAW_GOAWAY] != 1 || seen.goaway_code != rows[i].code ||
            !pair->server->is_over || pair->server->error != HTTP_ERROR_PROTOCOL)
            fail_msg("%s: %u GOAWAY with %u, over %d", rows[i].name, seen.frames[RAW_GOAWAY],
                     seen.goaway_code, pair->server->is_over);
        assert_non_null(pair->server->reason);
        pair_free(pair);
    }
}

static void test_wrong_preface_ends_the_connection(void **state)
{
    (void)state;
    struct http_limits limits = pair_limits();
    struct pair *pair = pair_new(&limits);
    raw.len = 0;
    raw_bytes(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    raw_send(&raw, pair->server);
    assert_true(pair->server->is_over);
    assert_string_equal(pair->server->reason, "preface");
    raw_read(pair->server, 0);
    pair_free(pair);
}

static void test_unknown_frames_and_settings_are_ignored(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    raw_frame(&raw, 0x77, 0xff, 3, "what", 4);
    raw_setting(&raw, 0x7777, 1);
    raw_headers(&raw, 1, GET, true);
    raw_send(&raw, pair->server);
    struct seen seen = raw_read(pair->server, 0);
    assert_int_equal(seen.frames[RAW_GOAWAY], 0);
    assert_int_equal(pair->request_count, 1);
    pair_free(pair);
}

static void test_content_beyond_the_window_is_refused(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    static uint8_t block[16384];
    raw_headers(&raw, 1, POST, false);
    for (int i = 0; i < 5; i++)
        raw_frame(&raw, RAW_DATA, 0, 1, block, sizeof(block));
    raw_send(&raw, pair->server);
    struct seen seen = raw_read(pair->server, 0);
    assert_int_equal(seen.frames[RAW_RST] + seen.frames[RAW_GOAWAY], 1);
    pair_free(pair);
}

/* ---- floods ---------------------------------------------------------------------------------- */

struct flood_row {
    const char *name, *reason;
    void (*make)(uint32_t i);
    unsigned count;
    bool is_harmless; /* so many of them are nothing special */
};

static void flood_reset(uint32_t i)
{
    raw_headers(&raw, 2 * i + 1, GET, true);
    raw_u32(&raw, RAW_RST, 2 * i + 1, 8);
}
static void flood_made_reset(uint32_t i)
{
    raw_headers(&raw, 2 * i + 1, GET, true);
    raw_u32(&raw, RAW_WINDOW, 2 * i + 1, INT32_MAX); /* beyond what windows can be */
}
static void flood_ping(uint32_t i)
{
    (void)i;
    raw_frame(&raw, RAW_PING, 0, 0, "12345678", 8);
}
static void flood_settings(uint32_t i)
{
    raw_setting(&raw, 4, 65535 + i % 2);
}
static void flood_window(uint32_t i)
{
    (void)i;
    raw_u32(&raw, RAW_WINDOW, 0, 1);
}
static void flood_priority(uint32_t i)
{
    raw_frame(&raw, RAW_PRIORITY, 0, 2 * i + 1, "\0\0\0\0\1", 5);
}
static void flood_empty_data(uint32_t i)
{
    if (i == 0)
        raw_headers(&raw, 1, POST, false);
    else
        raw_frame(&raw, RAW_DATA, 0, 1, "", 0);
}
static void flood_padded_data(uint32_t i)
{
    if (i == 0)
        raw_headers(&raw, 1, POST, false);
    else
        raw_frame(&raw, RAW_DATA, 8, 1, "\2\0\0", 3);
}
static void flood_bad(uint32_t i)
{
    raw_headers(&raw, 2 * i + 1, GET "|host=other.test", true);
}
static void flood_malformed(uint32_t i)
{
    raw_headers(&raw, 2 * i + 1, GET "|Bad=x", true);
}

static void test_floods_drain_and_then_close(void **state)
{
    (void)state;
    static const struct flood_row rows[] = {
        { "rapid reset", "rapid_reset", flood_reset, 400, false },
        { "made you reset", "made_reset", flood_made_reset, 400, false },
        { "PING", "ping_flood", flood_ping, 3000, false },
        { "SETTINGS", "settings_flood", flood_settings, 400, false },
        { "WINDOW_UPDATE", "window_update_flood", flood_window, 3000, false },
        { "PRIORITY", "priority_flood", flood_priority, 3000, false },
        { "empty DATA", "empty_data_flood", flood_empty_data, 3000, false },
        { "padding only", "empty_data_flood", flood_padded_data, 3000, false },
        { "bad requests", "bad_requests", flood_bad, 1000, false },
        { "malformed requests", "made_reset", flood_malformed, 400, false },
        { "some resets", NULL, flood_reset, 60, true },
        { "some PINGs", NULL, flood_ping, 60, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = server_pair();
        bool was_draining = false;
        for (uint32_t n = 0; n < rows[i].count && !pair->server->is_over; n++) {
            rows[i].make(n);
            if (n % 50 == 49 || n + 1 == rows[i].count) {
                raw_send(&raw, pair->server);
                struct seen seen = raw_read(pair->server, 0);
                was_draining |= pair->server->is_draining;
                if (seen.frames[RAW_GOAWAY] > 0)
                    assert_int_equal(seen.goaway_code, CALM);
            }
        }
        raw.len = 0;
        if (pair->server->is_over == rows[i].is_harmless || was_draining == rows[i].is_harmless)
            fail_msg("%s: over %d, draining %d, score %u", rows[i].name, pair->server->is_over,
                     was_draining, pair->server->score);
        if (!rows[i].is_harmless) {
            assert_string_equal(pair->server->reason, rows[i].reason);
            assert_int_equal(pair->server->error, HTTP_ERROR_ENHANCE_YOUR_CALM);
        }
        pair_free(pair);
    }
}

static void test_continuation_flood_ends_the_connection(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    raw_frame(&raw, RAW_HEADERS, 0, 1, "", 0);
    for (int i = 0; i < 100; i++)
        raw_frame(&raw, RAW_CONTINUATION, 0, 1, "\0\1a\1b", 5);
    raw_send(&raw, pair->server);
    assert_true(pair->server->is_over);
    assert_string_equal(pair->server->reason, "continuation_flood");
    raw_read(pair->server, 0);
    pair_free(pair);
}

/* One large entry in the table, then one octet for each repetition. */
static void test_a_head_is_open_until_its_end(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        size_t first; /* octets of the block in HEADERS */
        bool is_open; /* then */
    } rows[] = {
        { GET, 5, true },
        { GET, 0, true },
        { GET "|Bad=x|y=z", SIZE_MAX, false }, /* the rest is skipped */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = server_pair();
        uint8_t block[256];
        size_t len = raw_block(block, rows[i].fields);
        size_t first = rows[i].first < len ? rows[i].first : len;
        assert_false(pair->server->is_head_open);
        raw_frame(&raw, RAW_HEADERS, RAW_END_STREAM, 1, block, first);
        raw_send(&raw, pair->server);
        assert_int_equal(pair->server->is_head_open, rows[i].is_open);
        raw_frame(&raw, RAW_CONTINUATION, RAW_END_HEADERS, 1, block + first, len - first);
        raw_send(&raw, pair->server);
        assert_false(pair->server->is_head_open);
        pair_free(pair);
    }
}

static void test_header_bomb_costs_no_memory(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    for (uint32_t n = 0; n < 30 && !pair->server->is_over; n++) {
        uint8_t block[16384];
        size_t len = raw_block(block, GET);
        block[len++] = 0x40; /* with indexing */
        len += raw_text(block + len, "bomb", 4);
        char text[126];
        memset(text, 'x', sizeof(text));
        len += raw_text(block + len, text, sizeof(text));
        while (len < sizeof(block))
            block[len++] = 0x80 | 62;
        raw_frame(&raw, RAW_HEADERS, RAW_END_HEADERS | RAW_END_STREAM, 2 * n + 1, block, len);
        raw_send(&raw, pair->server);
        raw_read(pair->server, 0);
    }
    assert_int_equal(pair->request_count, 0);
    assert_true(pair->server->is_over);
    assert_string_equal(pair->server->reason, "header_bomb");
    pair_free(pair);
}

/* Whoever drains waits for the last stream, however that ends: nothing is to be sent then. */
static void test_a_drained_session_is_over_when_the_client_resets_its_last_stream(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    raw_headers(&raw, 1, GET, true);
    raw_send(&raw, pair->server);
    assert_int_equal(pair->request_count, 1);
    pair->server->ops->drain(pair->server, false);
    pair->server->ops->drain(pair->server, true);
    struct seen seen = raw_read(pair->server, 0);
    assert_int_equal(seen.frames[RAW_GOAWAY], 2);
    assert_false(pair->server->is_over);
    raw_u32(&raw, RAW_RST, 1, 8);
    raw_send(&raw, pair->server);
    assert_true(pair->requests[0].is_closed);
    assert_true(pair->server->is_over);
    assert_int_equal(pair->server->error, HTTP_ERROR_NONE);
    pair_free(pair);
}

static void test_good_requests_pay_back(void **state)
{
    (void)state;
    struct pair *pair = server_pair();
    uint32_t id = 1;
    for (int round = 0; round < 100; round++) {
        raw_headers(&raw, id, GET, true);
        raw_u32(&raw, RAW_RST, id, 8);
        raw_send(&raw, pair->server);
        id += 2;
        for (int i = 0; i < 3; i++, id += 2) {
            raw_headers(&raw, id, GET, true);
            raw_send(&raw, pair->server);
            pair_respond(&pair->requests[pair->request_count - 1], 200, false);
            raw_read(pair->server, 0);
        }
    }
    assert_false(pair->server->is_draining);
    assert_int_equal(pair->server->score, 0);
    pair_free(pair);
}

/* ---- servers that misbehave ------------------------------------------------------------------ */

/* A client that has sent one POST and has its response to come. */
static struct pair *client_pair(void)
{
    struct http_limits limits = pair_limits();
    struct pair *pair = pair_new(&limits);
    raw.len = 0;
    raw_setting(&raw, 3, 10);
    raw_send(&raw, pair->client);
    assert_int_equal(http_client_room(pair->client), 10);
    struct http_head head = pair_request_head("POST", "/");
    pair_call_with(pair, &head, true);
    struct seen seen = raw_read(pair->client, 24);
    assert_int_equal(seen.frames[RAW_HEADERS], 1);
    return pair;
}

static void test_responses_that_are_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        bool is_sound;
    } rows[] = {
        { ":status=200", true },
        { ":status=204|content-length=0", true },
        { "server=x", false },
        { ":status=20", false },
        { ":status=101", false },
        { ":status=2000", false },
        { ":status=200|:status=200", false },
        { "a=b|:status=200", false },
        { ":status=200|:path=/", false },
        { ":status=200|Upper=x", false },
        { ":status=200|connection=close", false },
        { ":status=200|transfer-encoding=chunked", false },
        { ":status=200|a=b~r~nc", false },
        { ":status=200|content-length=3", false },
        { ":status=103", false }, /* with END_STREAM */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pair *pair = client_pair();
        const struct pair_call *call = &pair->calls[0];
        raw_headers(&raw, 1, rows[i].fields, true);
        raw_send(&raw, pair->client);
        pipe_end(&pair->calls[0].body, NULL);
        raw_read(pair->client, 0);
        if (!call->is_closed || (call->outcome.error == HTTP_ERROR_NONE) != rows[i].is_sound)
            fail_msg("%s: closed %d, %s", rows[i].fields, call->is_closed,
                     http_error_name(call->outcome.error));
        assert_false(call->outcome.is_unprocessed);
        pair_free(pair);
    }
}

static void test_reset_after_a_complete_response_is_success(void **state)
{
    (void)state;
    struct pair *pair = client_pair();
    raw_headers(&raw, 1, ":status=413", true);
    raw_u32(&raw, RAW_RST, 1, NO_ERROR);
    raw_send(&raw, pair->client);
    assert_true(pair->calls[0].is_closed);
    assert_int_equal(pair->calls[0].outcome.error, HTTP_ERROR_NONE);
    pair_free(pair);
}

static void test_reset_amid_a_response_is_none(void **state)
{
    (void)state;
    struct pair *pair = client_pair();
    raw_headers(&raw, 1, ":status=200", false);
    raw_frame(&raw, RAW_DATA, 0, 1, "half", 4);
    raw_u32(&raw, RAW_RST, 1, NO_ERROR);
    raw_send(&raw, pair->client);
    assert_true(pair->calls[0].is_closed);
    assert_int_equal(pair->calls[0].outcome.error, HTTP_ERROR_RESET);
    assert_true(pair->calls[0].stream->body.is_broken);
    pair_free(pair);
}

static void test_push_ends_the_connection(void **state)
{
    (void)state;
    struct pair *pair = client_pair();
    uint8_t payload[200] = { 0, 0, 0, 2 };
    size_t len = 4 + raw_block(payload + 4, GET);
    raw_frame(&raw, RAW_SETTINGS, RAW_ACK, 0, NULL, 0); /* it knows that we take none */
    raw_frame(&raw, RAW_PUSH, RAW_END_HEADERS, 1, payload, len);
    raw_send(&raw, pair->client);
    struct seen seen = raw_read(pair->client, 0);
    assert_int_equal(seen.goaway_code, PROTOCOL);
    assert_true(pair->client->is_over);
    pair_free(pair);
}

static void test_settings_may_lower_the_limit_in_flight(void **state)
{
    (void)state;
    struct pair *pair = client_pair();
    struct pair_call *waiting[3];
    for (int i = 0; i < 3; i++)
        waiting[i] = pair_get(pair, "/");
    raw_setting(&raw, 3, 2); /* one is open, so one of three may go */
    raw_send(&raw, pair->client);
    assert_int_equal(http_client_room(pair->client), 0);
    struct seen seen = raw_read(pair->client, 0);
    assert_int_equal(seen.frames[RAW_HEADERS], 1);
    assert_false(waiting[0]->is_closed);
    for (int i = 1; i < 3; i++) {
        assert_true(waiting[i]->is_closed);
        assert_true(waiting[i]->outcome.is_unprocessed);
        assert_int_equal(waiting[i]->outcome.error, HTTP_ERROR_REFUSED);
    }
    raw_setting(&raw, 3, 0);
    raw_send(&raw, pair->client);
    assert_int_equal(http_client_room(pair->client), 0);
    raw_setting(&raw, 3, 100);
    raw_send(&raw, pair->client);
    assert_int_equal(http_client_room(pair->client), 98);
    pair_free(pair);
}

static void test_endless_informs_are_reset(void **state)
{
    (void)state;
    struct pair *pair = client_pair();
    for (int i = 0; i < 100; i++)
        raw_headers(&raw, 1, ":status=103|link=x", false);
    raw_send(&raw, pair->client);
    raw_read(pair->client, 0);
    assert_true(pair->calls[0].is_closed);
    assert_int_equal(pair->calls[0].outcome.error, HTTP_ERROR_PROTOCOL);
    assert_in_range(pair->calls[0].informs, 1, 40);
    pair_free(pair);
}

static void test_goaway_with_an_error_still_lets_streams_end(void **state)
{
    (void)state;
    struct pair *pair = client_pair();
    pair_get(pair, "/");
    raw_read(pair->client, 0);
    uint8_t payload[8] = { 0, 0, 0, 1, 0, 0, 0, CALM };
    raw_frame(&raw, RAW_GOAWAY, 0, 0, payload, sizeof(payload));
    raw_send(&raw, pair->client);
    assert_int_equal(pair->draining, 1);
    assert_false(pair->calls[0].is_closed);
    assert_true(pair->calls[1].is_closed);
    assert_int_equal(pair->calls[1].outcome.error, HTTP_ERROR_GOAWAY);
    assert_true(pair->calls[1].outcome.is_unprocessed);
    raw_headers(&raw, 1, ":status=200", true);
    raw_send(&raw, pair->client);
    pipe_end(&pair->calls[0].body, NULL);
    raw_read(pair->client, 0);
    assert_int_equal(pair->calls[0].outcome.error, HTTP_ERROR_NONE);
    assert_true(pair->client->is_over);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_that_are_malformed),
        cmocka_unit_test(test_authority_comes_from_host),
        cmocka_unit_test(test_content_must_be_as_long_as_stated),
        cmocka_unit_test(test_trailers_may_not_hold_pseudo_fields),
        cmocka_unit_test(test_frames_that_end_the_connection),
        cmocka_unit_test(test_wrong_preface_ends_the_connection),
        cmocka_unit_test(test_unknown_frames_and_settings_are_ignored),
        cmocka_unit_test(test_content_beyond_the_window_is_refused),
        cmocka_unit_test(test_floods_drain_and_then_close),
        cmocka_unit_test(test_continuation_flood_ends_the_connection),
        cmocka_unit_test(test_a_head_is_open_until_its_end),
        cmocka_unit_test(test_header_bomb_costs_no_memory),
        cmocka_unit_test(test_a_drained_session_is_over_when_the_client_resets_its_last_stream),
        cmocka_unit_test(test_good_requests_pay_back),
        cmocka_unit_test(test_responses_that_are_malformed),
        cmocka_unit_test(test_reset_after_a_complete_response_is_success),
        cmocka_unit_test(test_reset_amid_a_response_is_none),
        cmocka_unit_test(test_push_ends_the_connection),
        cmocka_unit_test(test_settings_may_lower_the_limit_in_flight),
        cmocka_unit_test(test_endless_informs_are_reset),
        cmocka_unit_test(test_goaway_with_an_error_still_lets_streams_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
