/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pop/http/h1_write.h"
#include "tests/unit/pop/http/h1_asker.h"

static void expect(struct str got, const char *want, const char *what)
{
    if (!str_eq_text(got, want))
        print_error("%s:\n got '%.*s'\nwant '%s'\n", what, STR_ARG(got), want);
    assert_true(str_eq_text(got, want));
}

static void expect_account(struct h1_asker *asker, const char *want, const char *what)
{
    expect(buf_str(&asker->account), want, what);
}

static struct http_head head_of(const char *method)
{
    return (struct http_head){ .method = str_from(method),
                               .scheme = STR("http"),
                               .authority = STR("a"),
                               .path = STR("/p"),
                               .content_length = -1 };
}

/* ---- requests -------------------------------------------------------------------------------- */

struct ask_row {
    const char *method;
    int64_t length;
    const char *content; /* NULL: no pipe */
    bool is_late;        /* the pipe ends after the head was written */
    const char *output;
};

static void test_request_frames_what_it_sends(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", -1, NULL, false, "GET /p HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n" },
        { "POST", -1, NULL, false,
          "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nx: y\r\n\r\n" },
        { "POST", 5, "hello", false,
          "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx: y\r\n\r\nhello" },
        { "POST", 5, "hello", true,
          "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx: y\r\n\r\nhello" },
        { "PUT", -1, "hello", true,
          "PUT /p HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n"
          "5\r\nhello\r\n0\r\n\r\n" },
        { "PUT", -1, "hello", false,
          "PUT /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx: y\r\n\r\nhello" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_asker asker;
        struct http_limits limits = h1_asker_limits();
        struct arena arena;
        struct pipe pipe;
        struct http_head head = head_of(rows[i].method);
        h1_asker_init(&asker, &limits);
        arena_init(&arena, 256);
        pipe_init(&pipe, &asker.pool);
        head.content_length = rows[i].length;
        /* Never copied, whatever the core forgot to take out. */
        http_head_add(&head, &arena, STR("transfer-encoding"), STR("gzip"));
        http_head_add(&head, &arena, STR("content-length"), STR("99"));
        http_head_add(&head, &arena, STR("host"), STR("evil"));
        http_head_add(&head, &arena, STR("x"), STR("y"));
        if (rows[i].content != NULL && !rows[i].is_late) {
            pipe_write(&pipe, rows[i].content, strlen(rows[i].content));
            pipe_end(&pipe, NULL);
        }
        h1_asker_ask(&asker, &head, rows[i].content != NULL ? &pipe : NULL);
        assert_false(asker.stream->is_produced);
        assert_int_equal(http_client_room(asker.session), 0);
        h1_asker_flush(&asker, i % 2 == 0 ? 4096 : 3);
        if (rows[i].content != NULL && rows[i].is_late) {
            pipe_write(&pipe, rows[i].content, strlen(rows[i].content));
            pipe_end(&pipe, NULL);
            h1_asker_flush(&asker, 4096);
        }
        assert_true(asker.stream->is_produced);
        expect(buf_str(&asker.out), rows[i].output, rows[i].method);
        h1_asker_feed(&asker, STR("HTTP/1.1 204 No Content\r\n\r\n"));
        assert_int_equal(http_client_room(asker.session), 1);
        expect_account(&asker, " 204:  end closed=none\n", rows[i].method);
        pipe_fini(&pipe);
        arena_fini(&arena);
        h1_asker_fini(&asker);
    }
}

static void test_request_can_not_be_split(void **state)
{
    (void)state;
    static const struct {
        const char *method, *authority, *path, *name, *value;
    } rows[] = {
        { "GET /x", "a", "/", "n", "v" },
        { "G\r\nT", "a", "/", "n", "v" },
        { "", "a", "/", "n", "v" },
        { "CONNECT", "a", "/", "n", "v" },
        { "GET", "a\r\nx: y", "/", "n", "v" },
        { "GET", "a b", "/", "n", "v" },
        { "GET", "a", "/ HTTP/1.1\r\nx: y", "n", "v" },
        { "GET", "a", "/ b", "n", "v" },
        { "GET", "a", "x", "n", "v" },
        { "GET", "a", "", "n", "v" },
        { "GET", "a", "/", "n:", "v" },
        { "GET", "a", "/", "n m", "v" },
        { "GET", "a", "/", "n\r\n", "v" },
        { "GET", "a", "/", "", "v" },
        { "GET", "a", "/", "n", "v\r\nx: y" },
        { "GET", "a", "/", "n", "v\n" },
        { "GET", "a", "/", "n", "\x01" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_asker asker;
        struct http_limits limits = h1_asker_limits();
        struct arena arena;
        struct http_head head = head_of(rows[i].method);
        h1_asker_init(&asker, &limits);
        arena_init(&arena, 256);
        head.authority = str_from(rows[i].authority);
        head.path = str_from(rows[i].path);
        http_head_add(&head, &arena, str_from(rows[i].name), str_from(rows[i].value));
        h1_asker_ask(&asker, &head, NULL);
        assert_int_equal(asker.closed, 0);
        h1_asker_flush(&asker, 4096);
        assert_int_equal(asker.out.len, 0);
        expect_account(&asker, " closed=internal_error unprocessed no-response\n", rows[i].path);
        /* Nothing has left: the connection is as good as before. */
        assert_int_equal(http_client_room(asker.session), 1);
        arena_fini(&arena);
        h1_asker_fini(&asker);
    }
}

static void test_request_of_another_length_kills_the_connection(void **state)
{
    (void)state;
    static const int64_t lengths[] = { 4, 6 };
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct h1_asker asker;
        struct http_limits limits = h1_asker_limits();
        struct pipe pipe;
        struct http_head head = head_of("POST");
        h1_asker_init(&asker, &limits);
        pipe_init(&pipe, &asker.pool);
        head.content_length = lengths[i];
        h1_asker_ask(&asker, &head, &pipe);
        pipe_write(&pipe, "hello", 5);
        pipe_end(&pipe, NULL);
        h1_asker_flush(&asker, 4096);
        expect_account(&asker, " closed=internal_error no-response\n", "length");
        assert_true(asker.session->is_over);
        assert_int_equal(http_client_room(asker.session), 0);
        pipe_fini(&pipe);
        h1_asker_fini(&asker);
    }
}

static void test_request_broken_never_looks_complete(void **state)
{
    (void)state;
    struct h1_asker asker;
    struct http_limits limits = h1_asker_limits();
    struct pipe pipe;
    struct http_head head = head_of("POST");
    h1_asker_init(&asker, &limits);
    pipe_init(&pipe, &asker.pool);
    h1_asker_ask(&asker, &head, &pipe);
    pipe_write(&pipe, "hello", 5);
    pipe_break(&pipe, HTTP_ERROR_CANCELLED);
    h1_asker_flush(&asker, 4096);
    expect(buf_str(&asker.out),
           "POST /p HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello", "broken");
    expect_account(&asker, " closed=cancelled no-response\n", "broken");
    assert_true(asker.session->is_over);
    pipe_fini(&pipe);
    h1_asker_fini(&asker);
}

/* ---- responses ------------------------------------------------------------------------------- */

enum after { OPEN, OVER };

struct row {
    const char *method, *bytes, *account;
    enum after after;
};

static void ask_cut(struct h1_asker *asker, const struct row *row, uint64_t cuts)
{
    struct http_limits limits = h1_asker_limits();
    struct http_head head = head_of(row->method);
    h1_asker_init(asker, &limits);
    h1_asker_ask(asker, &head, NULL);
    h1_asker_flush(asker, 4096);
    h1_asker_feed_cut(asker, str_from(row->bytes), cuts);
}

static void check_rows(const struct row *rows, size_t count)
{
    uint64_t seed = rng_seed() | 2;
    for (size_t i = 0; i < count; i++) {
        for (uint64_t round = 0; round < 12; round++) {
            struct h1_asker asker;
            uint64_t cuts = round < 2 ? round : seed + round;
            ask_cut(&asker, &rows[i], cuts);
            if (!str_eq_text(buf_str(&asker.account), rows[i].account))
                print_error("seed %llu\n", (unsigned long long)cuts);
            expect_account(&asker, rows[i].account, rows[i].bytes);
            if (asker.session->is_over != (rows[i].after == OVER))
                print_error("over: '%s'\n", rows[i].bytes);
            assert_int_equal(asker.session->is_over, rows[i].after == OVER);
            if (asker.closed > 0)
                assert_int_equal(http_client_room(asker.session), rows[i].after == OPEN);
            h1_asker_fini(&asker);
        }
    }
}

#define R200 "HTTP/1.1 200 OK\r\n"
#define DONE " closed=none\n"

static void test_receive_takes_sound_responses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "GET", R200 "Content-Length: 5\r\nX: y\r\n\r\nhello",
          " 200 length=5 x=[y]: hello end" DONE, OPEN },
        { "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", " 200 length=0:  end" DONE, OPEN },
        { "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", " 200 length=0:  end" DONE, OPEN },
        { "GET",
          R200 "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: v\r\nHost: b\r\n\r\n",
          " 200: hello end t=[v]" DONE, OPEN },
        { "GET", R200 "Content-Length: 0\r\nConnection: close\r\n\r\n", " 200 length=0:  end" DONE,
          OVER },
        { "GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", " 200 length=1: a end" DONE,
          OVER },
        { "GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\na",
          " 200 length=1: a end" DONE, OPEN },
        { "HEAD", R200 "Content-Length: 5\r\n\r\n", " 200 length=5:  end" DONE, OPEN },
        { "HEAD", R200 "Transfer-Encoding: chunked\r\n\r\n", " 200:  end" DONE, OPEN },
        { "HEAD", R200 "\r\n", " 200:  end" DONE, OPEN },
        { "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
          " 304 length=5:  end" DONE, OPEN },
        { "GET", "HTTP/1.1 204 No Content\r\n\r\n", " 204:  end" DONE, OPEN },
        { "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", " 204:  end" DONE, OPEN },
        { "GET",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" R200
          "Content-Length: 1\r\n\r\na",
          " inform 100 inform 103 link=[x] 200 length=1: a end" DONE, OPEN },
        { "GET",
          R200 "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 3\r\nUpgrade: h2\r\n"
               "Content-Length: 0\r\n\r\n",
          " 200 length=0:  end" DONE, OPEN },
        { "GET", R200 "Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
          " 200 length=0 set-cookie=[a] set-cookie=[b]:  end" DONE, OPEN },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

#define GONE " closed=protocol_error no-response\n"

static void test_receive_refuses_what_is_not_sound(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "GET", R200 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GONE,
          OVER },
        { "GET", R200 "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", GONE, OVER },
        { "GET", R200 "Content-Length: +5\r\n\r\nhello", GONE, OVER },
        { "GET", R200 "Content-Length: 5,5\r\n\r\nhello", GONE, OVER },
        { "GET", R200 "Transfer-Encoding: gzip, chunked\r\n\r\n", GONE, OVER },
        { "GET", R200 "Transfer-Encoding: chunked, gzip\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GONE, OVER },
        { "GET", R200 "X : y\r\n\r\n", GONE, OVER },
        { "GET", R200 "X: y\r\n z\r\n\r\n", GONE, OVER },
        { "GET", R200 "X: y\n\r\n", GONE, OVER },
        { "GET", R200 "X: y\rz\r\n\r\n", GONE, OVER },
        { "GET", R200 "X: \x01\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.1 200 OK\nX: y\r\n\r\n", GONE, OVER },
        { "GET", "\r\n" R200 "\r\n", GONE, OVER },
        { "GET", "HTTP/1.1 2000 OK\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.1 20 OK\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.1 099 OK\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.1 600 OK\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.1  200 OK\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/2.0 200 OK\r\n\r\n", GONE, OVER },
        { "GET", "HTTP/1.1\r\n\r\n", GONE, OVER },
        { "GET", "ICY 200 OK\r\n\r\n", GONE, OVER },
        { "GET",
          "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
          GONE, OVER },
        { "GET", "HTTP/1.0 100 Continue\r\n\r\n", GONE, OVER },
        { "GET", R200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhellox",
          " 200: hello broken closed=protocol_error\n", OVER },
        /* What comes unasked poisons the connection, but not the answer before it. */
        { "GET", R200 "Content-Length: 1\r\n\r\naX", " 200 length=1: a end" DONE, OVER },
        { "HEAD", R200 "Content-Length: 1\r\n\r\na", " 200 length=1:  end" DONE, OVER },
        { "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", " 204:  end" DONE, OVER },
        { "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", " 204:  end" DONE,
          OVER },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_receive_end_shows_truncation(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "GET", R200 "\r\nhello", " 200: hello end" DONE, OVER },
        { "GET", "HTTP/1.0 200 OK\r\n\r\n", " 200:  end" DONE, OVER },
        { "GET", R200 "Content-Length: 9\r\n\r\nhello",
          " 200 length=9: hello broken closed=connection_closed\n", OVER },
        { "GET", R200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
          " 200: hello broken closed=connection_closed\n", OVER },
        { "GET", R200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
          " 200: hello broken closed=connection_closed\n", OVER },
        { "GET", "HTTP/1.1 200 O", " closed=connection_closed no-response\n", OVER },
        { "GET", "", " closed=connection_closed no-response\n", OVER },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_asker asker;
        ask_cut(&asker, &rows[i], 0);
        asker.session->ops->receive_end(asker.session);
        expect_account(&asker, rows[i].account, rows[i].bytes);
        assert_true(asker.session->is_over);
        h1_asker_fini(&asker);
    }
}

static void test_receive_bounds_informs(void **state)
{
    (void)state;
    struct h1_asker asker;
    static const struct row row = { "GET", "", "", OPEN };
    ask_cut(&asker, &row, 0);
    for (int i = 0; i < H1_INFORMS_MAX; i++)
        h1_asker_feed(&asker, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    assert_false(asker.session->is_over);
    h1_asker_feed(&asker, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    assert_true(asker.session->is_over);
    assert_int_equal(asker.outcome.error, HTTP_ERROR_PROTOCOL);
    h1_asker_fini(&asker);
}

static void test_unasked_bytes_end_the_connection(void **state)
{
    (void)state;
    struct h1_asker asker;
    struct http_limits limits = h1_asker_limits();
    struct http_head head = head_of("GET");
    h1_asker_init(&asker, &limits);
    h1_asker_feed(&asker, STR("HTTP/1.1 408 Request Timeout\r\n\r\n"));
    assert_true(asker.session->is_over);
    assert_int_equal(http_client_room(asker.session), 0);
    h1_asker_fini(&asker);

    /* Before the request has left: proof that it was not processed. */
    h1_asker_init(&asker, &limits);
    h1_asker_ask(&asker, &head, NULL);
    h1_asker_feed(&asker, STR("HTTP/1.1 408 Request Timeout\r\n\r\n"));
    expect_account(&asker, " closed=protocol_error unprocessed no-response\n", "408");
    h1_asker_fini(&asker);

    h1_asker_init(&asker, &limits);
    h1_asker_ask(&asker, &head, NULL);
    asker.session->ops->receive_end(asker.session);
    expect_account(&asker, " closed=connection_closed unprocessed no-response\n", "end");
    h1_asker_fini(&asker);
}

static void test_early_response_is_not_reused(void **state)
{
    (void)state;
    struct h1_asker asker;
    struct http_limits limits = h1_asker_limits();
    struct pipe pipe;
    struct http_head head = head_of("POST");
    h1_asker_init(&asker, &limits);
    pipe_init(&pipe, &asker.pool);
    h1_asker_ask(&asker, &head, &pipe);
    pipe_write(&pipe, "hello", 5);
    h1_asker_flush(&asker, 4096);
    h1_asker_feed(&asker, STR("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"));
    expect_account(&asker, " 413 length=2: no end" DONE, "early");
    assert_null(pipe.on_readable);
    assert_true(asker.session->is_over);
    assert_int_equal(asker.draining, 1);
    pipe_fini(&pipe);
    h1_asker_fini(&asker);
}

static void test_cancel_is_told_later(void **state)
{
    (void)state;
    for (int is_produced = 0; is_produced < 2; is_produced++) {
        struct h1_asker asker;
        struct http_limits limits = h1_asker_limits();
        struct http_head head = head_of("GET");
        h1_asker_init(&asker, &limits);
        h1_asker_ask(&asker, &head, NULL);
        if (is_produced)
            h1_asker_flush(&asker, 4096);
        http_client_cancel(asker.stream, HTTP_ERROR_TIMEOUT);
        assert_int_equal(asker.closed, 0);
        assert_true(asker.session->ops->wants_write(asker.session));
        h1_asker_flush(&asker, 4096);
        expect_account(&asker,
                       is_produced ? " closed=timeout no-response\n"
                                   : " closed=timeout unprocessed no-response\n",
                       "cancel");
        assert_int_equal(asker.session->is_over, is_produced);
        assert_int_equal(http_client_room(asker.session), !is_produced);
        h1_asker_fini(&asker);
    }
}

static void test_wants_read_follows_the_pipe(void **state)
{
    (void)state;
    struct h1_asker asker;
    struct http_limits limits = h1_asker_limits();
    struct http_head head = head_of("GET");
    limits.h1_buffer_bytes = 4;
    h1_asker_init(&asker, &limits);
    asker.is_holding = true;
    h1_asker_ask(&asker, &head, NULL);
    h1_asker_flush(&asker, 4096);
    h1_asker_feed(&asker, STR(R200 "\r\nhello"));
    assert_false(asker.session->ops->wants_read(asker.session));
    pipe_consume(&asker.stream->body, 1);
    assert_true(asker.session->ops->wants_read(asker.session));
    h1_asker_fini(&asker);
}

static void test_requests_and_drain_limit_the_connection(void **state)
{
    (void)state;
    struct h1_asker asker;
    struct http_limits limits = h1_asker_limits();
    struct http_head head = head_of("GET");
    limits.requests = 2;
    h1_asker_init(&asker, &limits);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http_client_room(asker.session), 1);
        h1_asker_ask(&asker, &head, NULL);
        h1_asker_flush(&asker, 4096);
        h1_asker_feed(&asker, STR("HTTP/1.1 204 No Content\r\n\r\n"));
    }
    assert_true(asker.session->is_over);
    expect_account(&asker, " 204:  end" DONE " 204:  end" DONE, "two");
    h1_asker_fini(&asker);

    limits.requests = 0;
    h1_asker_init(&asker, &limits);
    h1_asker_ask(&asker, &head, NULL);
    h1_asker_flush(&asker, 4096);
    asker.session->ops->drain(asker.session, false);
    assert_false(asker.session->is_over);
    h1_asker_feed(&asker, STR("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_true(asker.session->is_over);
    h1_asker_fini(&asker);
}

/* ---- WebSocket ------------------------------------------------------------------------------- */

static struct http_head websocket_head(void)
{
    struct http_head head = head_of("CONNECT");
    head.protocol = STR("websocket");
    return head;
}

/* The answer to what `asker` has sent. */
static void answer_key(const struct h1_asker *asker, char out_accept[H1_WEBSOCKET_ACCEPT_LEN])
{
    static const char name[] = "sec-websocket-key: ";
    const char *at = memmem(asker->out.bytes, asker->out.len, name, sizeof(name) - 1);
    assert_non_null(at);
    h1_websocket_accept((struct str){ at + sizeof(name) - 1, H1_WEBSOCKET_KEY_LEN }, out_accept);
}

static void test_websocket_becomes_a_tunnel(void **state)
{
    (void)state;
    struct h1_asker asker;
    struct http_limits limits = h1_asker_limits();
    struct http_head head = websocket_head();
    struct pipe pipe;
    char accept[H1_WEBSOCKET_ACCEPT_LEN];
    h1_asker_init(&asker, &limits);
    pipe_init(&pipe, &asker.pool);
    pipe_write(&pipe, "early", 5);
    h1_asker_ask(&asker, &head, &pipe);
    h1_asker_flush(&asker, 4096);
    struct str out = buf_str(&asker.out);
    assert_true(str_starts_with(out, STR("GET /p HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n"
                                         "upgrade: websocket\r\nsec-websocket-key: ")));
    assert_true(str_ends_with(out, STR("==\r\nsec-websocket-version: 13\r\n\r\n")));
    answer_key(&asker, accept);
    buf_clear(&asker.out);
    h1_asker_feed(&asker, STR("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                              "Upgrade: WebSocket\r\nX: y\r\nSec-WebSocket-Accept: "));
    h1_asker_feed(&asker, (struct str){ accept, sizeof(accept) });
    h1_asker_feed(&asker, STR("\r\n\r\nfrom server"));
    h1_asker_flush(&asker, 4096);
    pipe_write(&pipe, " late", 5);
    pipe_end(&pipe, NULL);
    h1_asker_flush(&asker, 4096);
    expect(buf_str(&asker.out), "early late", "tunnel");
    assert_true(asker.session->is_write_ended);
    assert_false(asker.session->is_over);
    asker.session->ops->receive_end(asker.session);
    expect_account(&asker, " 200 x=[y]: from server end" DONE, "tunnel");
    assert_true(asker.session->is_over);
    pipe_fini(&pipe);
    h1_asker_fini(&asker);
}

static void test_websocket_wants_the_right_answer(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *account;
    } rows[] = {
        { "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
          GONE },
        { "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
          GONE },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", GONE },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", GONE },
        { "HTTP/1.1 204 No Content\r\n\r\n", GONE },
        { "HTTP/1.1 301 Moved\r\nContent-Length: 2\r\n\r\nno", " 301 length=2: no end" DONE },
        { "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", " 403 length=2: no end" DONE },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_asker asker;
        struct http_limits limits = h1_asker_limits();
        struct http_head head = websocket_head();
        struct pipe pipe;
        h1_asker_init(&asker, &limits);
        pipe_init(&pipe, &asker.pool);
        h1_asker_ask(&asker, &head, &pipe);
        h1_asker_flush(&asker, 4096);
        h1_asker_feed(&asker, str_from(rows[i].bytes));
        expect_account(&asker, rows[i].account, rows[i].bytes);
        pipe_fini(&pipe);
        h1_asker_fini(&asker);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_frames_what_it_sends),
        cmocka_unit_test(test_request_can_not_be_split),
        cmocka_unit_test(test_request_of_another_length_kills_the_connection),
        cmocka_unit_test(test_request_broken_never_looks_complete),
        cmocka_unit_test(test_receive_takes_sound_responses),
        cmocka_unit_test(test_receive_refuses_what_is_not_sound),
        cmocka_unit_test(test_receive_end_shows_truncation),
        cmocka_unit_test(test_receive_bounds_informs),
        cmocka_unit_test(test_unasked_bytes_end_the_connection),
        cmocka_unit_test(test_early_response_is_not_reused),
        cmocka_unit_test(test_cancel_is_told_later),
        cmocka_unit_test(test_wants_read_follows_the_pipe),
        cmocka_unit_test(test_requests_and_drain_limit_the_connection),
        cmocka_unit_test(test_websocket_becomes_a_tunnel),
        cmocka_unit_test(test_websocket_wants_the_right_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
