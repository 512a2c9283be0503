/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pop/http/h1_body.h"
#include "tests/unit/pop/http/h1_peer.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /p HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"
#define X "x-test: yes\r\n\r\n"
#define WS                                                                                         \
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
#define WS_KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define WS_VERSION "Sec-WebSocket-Version: 13\r\n"

static struct str account(struct h1_peer *peer)
{
    return buf_str(&peer->account);
}

static struct str output(struct h1_peer *peer)
{
    return buf_str(&peer->out);
}

static void expect(struct str got, const char *want, const char *what)
{
    if (!str_eq_text(got, want))
        print_error("%s:\n got '%.*s'\nwant '%s'\n", what, STR_ARG(got), want);
    assert_true(str_eq_text(got, want));
}

static bool holds(struct str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void expect_part(struct str got, const char *part)
{
    if (!holds(got, part))
        print_error("no '%s' in\n'%.*s'\n", part, STR_ARG(got));
    assert_true(holds(got, part));
}

struct row {
    const char *bytes;
    const char *account; /* what the core was told */
};

/* Whole, byte by byte, and at random places: the same account and the same output. */
static void check_row(struct str bytes, const char *want, uint64_t seed)
{
    struct h1_peer whole, cut;
    struct http_limits limits = h1_peer_limits();
    h1_peer_init(&whole, &limits);
    h1_peer_feed_cut(&whole, bytes, 0);
    h1_peer_flush(&whole, 4096);
    if (want != NULL)
        expect(account(&whole), want, bytes.ptr);
    for (int round = 0; round < 12; round++) {
        uint64_t cuts = round == 0 ? 1 : seed + (uint64_t)round;
        h1_peer_init(&cut, &limits);
        h1_peer_feed_cut(&cut, bytes, cuts);
        h1_peer_flush(&cut, 4096);
        if (!str_eq(account(&cut), account(&whole)) || !str_eq(output(&cut), output(&whole)))
            print_error("seed %llu, cut '%.*s'\nwhole '%.*s'\n", (unsigned long long)cuts,
                        STR_ARG(account(&cut)), STR_ARG(account(&whole)));
        assert_true(str_eq(account(&cut), account(&whole)));
        assert_true(str_eq(output(&cut), output(&whole)));
        assert_int_equal(cut.session->is_over, whole.session->is_over);
        h1_peer_fini(&cut);
    }
    h1_peer_fini(&whole);
}

static void check_rows(const struct row *rows, size_t count)
{
    uint64_t seed = rng_seed() | 2;
    for (size_t i = 0; i < count; i++)
        check_row(str_from(rows[i].bytes), rows[i].account, seed);
}

#define DONE " closed=none\n"
#define ROOT "GET https a /"

static void test_receive_takes_sound_requests(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { GET "\r\n", ROOT " end" DONE },
        { "\r\n" GET "\r\n", ROOT " end" DONE },
        { GET "\r\n" GET "\r\n", ROOT " end" DONE ROOT " end" DONE },
        { GET "\r\n\r\n" GET "\r\n", ROOT " end" DONE ROOT " end" DONE },
        { GET "X-A:  b c\t \r\nEmpty:\r\n\r\n", ROOT " x-a=[b c] empty=[] end" DONE },
        { GET "X: caf\xc3\xa9\r\n\r\n", ROOT " x=[caf\xc3\xa9] end" DONE },
        { POST "Content-Length: 5\r\n\r\nhello" GET "\r\n",
          "POST https a /p length=5 content: hello end" DONE ROOT " end" DONE },
        { POST "Content-Length: 0\r\n\r\n", "POST https a /p length=0 end" DONE },
        { CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "POST https a /p content: hello! end" DONE },
        { CHUNKED "00005;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n",
          "POST https a /p content: hello end" DONE },
        { CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\nX-T: v\r\nHost: b\r\n"
                  "Authorization: c\r\nContent-Length: 3\r\nSteer-Map: q\r\n\r\n",
          "POST https a /p content: 01234567890123456789 end x-t=[v]" DONE },
        { POST "TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n",
          "POST https a /p content:  end" DONE },
        { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS https a * end" DONE },
        { "GET http://A.b:80/x?y HTTP/1.1\r\nHost: a.B:80\r\n\r\n",
          "GET https a.B:80 /x?y end" DONE },
        { "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n", ROOT " end" DONE },
        { "GET https://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET https a /?q end" DONE },
        { "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS https a * end" DONE },
        { GET "Cookie: a=1\r\nX: y\r\nCookie: b=2\r\nCookie:\r\nCookie: c=3\r\n\r\n",
          ROOT " cookie=[a=1; b=2; c=3] x=[y] end" DONE },
        { GET "Cookie:\r\nCookie: b=2\r\n\r\n", ROOT " cookie=[b=2] end" DONE },
        { GET
          "Connection: X-Hop, close ,, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
          "Proxy-Connection: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
          ROOT " end" DONE },
        /* What others depend on can not be named away. */
        { GET "Connection: Host, Authorization, X-Forwarded-For, Steer-Client, forwarded, via\r\n"
              "Authorization: t\r\nX-Forwarded-For: 1\r\nSteer-Client: 2\r\nForwarded: 3\r\nVia: "
              "4\r\n\r\n",
          ROOT " authorization=[t] x-forwarded-for=[1] steer-client=[2] forwarded=[3] via=[4] "
               "end" DONE },
        { GET "Expect: 100-continue\r\n\r\n", ROOT " expect=[100-continue] end" DONE },
        { "GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", ROOT " end" DONE },
        /* Without `Connection: upgrade`, or in HTTP/1.0, Upgrade means nothing. */
        { GET "Upgrade: websocket\r\n" WS_KEY WS_VERSION "\r\n", ROOT
          " sec-websocket-key=[dGhlIHNhbXBsZSBub25jZQ==] sec-websocket-version=[13] end" DONE },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

#define NO(status, word) " rejected " #status " " word "\n"

static void test_receive_refuses_heads_that_could_be_read_in_two_ways(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "GET / HTTP/1.1\nHost: a\r\n\r\n", NO(400, "bare_lf") },
        { GET "X: y\n\r\n", NO(400, "bare_lf") },
        { GET "\n", NO(400, "bare_lf") },
        { "\n" GET "\r\n", NO(400, "bare_lf") },
        { GET "X: y\rZ: 1\r\n\r\n", NO(400, "bare_cr") },
        { "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "bare_cr") },
        { GET "X\r: y\r\n\r\n", NO(400, "bare_cr") },
        { GET "X: y\x01\r\n\r\n", NO(400, "control") },
        { GET "X: y\x7f\r\n\r\n", NO(400, "control") },
        { "GET /\x02 HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "control") },
        { "\r\n\r\n" GET "\r\n", NO(400, "blank_lines") },
        { "GET /\r\n\r\n", NO(400, "request_line") },
        { "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "request_line") },
        { "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", NO(400, "request_line") },
        { "GET / a HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "request_line") },
        { " GET / HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "request_line") },
        { "GET / http/1.1\r\nHost: a\r\n\r\n", NO(400, "request_line") },
        { "GET / HTTP/11\r\nHost: a\r\n\r\n", NO(400, "request_line") },
        { "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "method") },
        { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", NO(505, "version") },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NO(505, "version") },
        { "GET / HTTP/1.2\r\nHost: a\r\n\r\n", NO(505, "version") },
        { "GET / HTTP/0.9\r\nHost: a\r\n\r\n", NO(505, "version") },
        { "GET x HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { "GET * HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "asterisk") },
        { "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", NO(501, "connect") },
        { "CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "target") },
        { GET "X : y\r\n\r\n", NO(400, "space_before_colon") },
        { GET "X\t: y\r\n\r\n", NO(400, "space_before_colon") },
        { GET "X: y\r\n z\r\n\r\n", NO(400, "fold") },
        { "GET / HTTP/1.1\r\n Host: a\r\n\r\n", NO(400, "fold") },
        { GET "no colon\r\n\r\n", NO(400, "space_before_colon") },
        { GET "nocolon\r\n\r\n", NO(400, "field_name") },
        { GET ": y\r\n\r\n", NO(400, "field_name") },
        { GET "X(: y\r\n\r\n", NO(400, "field_name") },
        { GET "X\xc3: y\r\n\r\n", NO(400, "field_name") },
        { "GET / HTTP/1.1\r\n\r\n", NO(400, "host_missing") },
        { "GET / HTTP/1.0\r\n\r\n", NO(400, "host_missing") },
        { GET "Host: a\r\n\r\n", NO(400, "host_repeated") },
        { "GET / HTTP/1.1\r\nHost:\r\n\r\n", NO(400, "host") },
        { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", NO(400, "host") },
        { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", NO(400, "host") },
        { "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", NO(400, "host") },
        { "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", NO(400, "host") },
        { "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", NO(400, "host_mismatch") },
        { GET "Connection: a b\r\n\r\n", NO(400, "connection") },
    };
    check_rows(rows, ARRAY_SIZE(rows));
    check_row((struct str){ GET "X: a\0b\r\n\r\n", sizeof(GET "X: a\0b\r\n\r\n") - 1 },
              NO(400, "control"), 7);
}

static void test_receive_refuses_framing_that_could_be_read_in_two_ways(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          NO(400, "cl_te") },
        { POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
          NO(400, "cl_te") },
        { POST "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n", NO(400, "cl_te") },
        { POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", NO(400, "cl_repeated") },
        { POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", NO(400, "cl_repeated") },
        { POST "Content-Length: 5, 5\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length: +5\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length: -5\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length: 5 5\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length: 0x5\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length: 5.0\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length:\r\n\r\nhello", NO(400, "cl") },
        { POST "Content-Length: 9223372036854775808\r\n\r\n", NO(400, "cl") },
        { POST "Content-Length: 18446744073709551621\r\n\r\n", NO(400, "cl") },
        { POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: chunked, chunked\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: chunked, gzip\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: identity\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: xchunked\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: \"chunked\"\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding:\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: chunked;q=1\r\n\r\n", NO(400, "te") },
        { POST "Transfer-Encoding: gzip, chunked\r\n\r\n", NO(501, "te_unknown") },
        { "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", NO(400, "te_1_0") },
        { POST "Transfer_Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
          "POST https a /p length=1 transfer_encoding=[chunked] content: x end" DONE },
        /* The space makes it no field of ours, and no field at all. */
        { POST "Transfer-Encoding : chunked\r\nContent-Length: 1\r\n\r\nx",
          NO(400, "space_before_colon") },
        { POST "Transfer-Encoding:\x0b"
               "chunked\r\n\r\n",
          NO(400, "control") },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

#define BROKEN(word)                                                                               \
    "POST https a /p content:  rejected 400 " word "\n broken=protocol_error"                      \
    " closed=protocol_error\n"

static void test_receive_refuses_bad_chunks(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { CHUNKED "g\r\n", BROKEN("chunk_size") },
        { CHUNKED "\r\n", BROKEN("chunk_size") },
        { CHUNKED " 5\r\nhello\r\n", BROKEN("chunk_size") },
        { CHUNKED "5 \r\nhello\r\n", BROKEN("chunk_size") },
        { CHUNKED "-5\r\nhello\r\n", BROKEN("chunk_size") },
        { CHUNKED "+5\r\nhello\r\n", BROKEN("chunk_size") },
        { CHUNKED "0x5\r\nhello\r\n", BROKEN("chunk_size") },
        { CHUNKED "8000000000000000\r\n", BROKEN("chunk_size") },
        { CHUNKED "10000000000000005\r\n", BROKEN("chunk_size") },
        { CHUNKED "00000000000000005\r\n", BROKEN("chunk_size") },
        { CHUNKED "5\nhello\r\n", BROKEN("bare_lf") },
        { CHUNKED "5;a\nhello\r\n", BROKEN("bare_lf") },
        { CHUNKED "5\rhello\r\n", BROKEN("bare_cr") },
        { CHUNKED "5;\x01\r\nhello\r\n", BROKEN("chunk_extension") },
        { CHUNKED "0\r\nX : y\r\n\r\n", BROKEN("space_before_colon") },
        { CHUNKED "0\r\nX: y\n\r\n", BROKEN("bare_lf") },
        { CHUNKED "0\r\n x\r\n\r\n", BROKEN("fold") },
        { CHUNKED "0\r\n\n", BROKEN("bare_lf") },
        { CHUNKED "1\r\nab\r\n", "POST https a /p content: a rejected 400 chunk_end\n"
                                 " broken=protocol_error closed=protocol_error\n" },
        { CHUNKED "1\r\na\n0\r\n\r\n", "POST https a /p content: a rejected 400 chunk_end\n"
                                       " broken=protocol_error closed=protocol_error\n" },
        { CHUNKED "1\r\na\rb", "POST https a /p content: a rejected 400 chunk_end\n"
                               " broken=protocol_error closed=protocol_error\n" },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_receive_bounds_what_a_client_can_grow(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    buf_append_text(&bytes, "GET /");
    for (int i = 0; i < 9000; i++)
        buf_append_text(&bytes, "a");
    buf_append_text(&bytes, " HTTP/1.1\r\nHost: a\r\n\r\n");
    check_row(buf_str(&bytes), NO(414, "target_too_long"), 3);
    buf_clear(&bytes);
    buf_append_text(&bytes, GET "X: ");
    for (int i = 0; i < 9000; i++)
        buf_append_text(&bytes, "a");
    buf_append_text(&bytes, "\r\n\r\n");
    check_row(buf_str(&bytes), NO(431, "head_too_large"), 4);
    buf_clear(&bytes);
    buf_append_text(&bytes, GET);
    for (int i = 0; i < 65; i++)
        buf_append_text(&bytes, "a: b\r\n");
    buf_append_text(&bytes, "\r\n");
    check_row(buf_str(&bytes), NO(431, "too_many_fields"), 5);
    buf_clear(&bytes);
    /* Small ones count with what they cost. */
    buf_append_text(&bytes, GET);
    for (int i = 0; i < 62; i++)
        buf_append_format(&bytes, "a: %0100d\r\n", i);
    buf_append_text(&bytes, "\r\n");
    check_row(buf_str(&bytes), NO(431, "head_too_large"), 6);
    buf_clear(&bytes);
    buf_append_text(&bytes, CHUNKED "1;");
    for (int i = 0; i <= H1_EXTENSION_MAX; i++)
        buf_append_text(&bytes, "e");
    check_row(buf_str(&bytes), BROKEN("chunk_extension"), 8);
    buf_clear(&bytes);
    buf_append_text(&bytes, GET "Connection: ");
    for (int i = 0; i < 40; i++)
        buf_append_text(&bytes, "x,");
    buf_append_text(&bytes, "\r\n\r\n");
    check_row(buf_str(&bytes), NO(400, "connection"), 9);
    buf_fini(&bytes);
}

static void test_refusal_is_said_and_what_follows_is_poison(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    h1_peer_init(&peer, &limits);
    h1_peer_feed(&peer, STR("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET "\r\n"));
    h1_peer_feed(&peer, STR(GET "\r\n"));
    h1_peer_flush(&peer, 4096);
    assert_int_equal(peer.requests, 0);
    assert_true(peer.session->is_over);
    assert_int_equal(peer.session->error, HTTP_ERROR_PROTOCOL);
    expect(output(&peer),
           "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 16\r\n"
           "connection: close\r\n\r\n400 Bad Request\n",
           "refusal");
    h1_peer_fini(&peer);
}

/* ---- responses ------------------------------------------------------------------------------- */

struct reply_row {
    const char *request;
    int64_t status, length;
    const char *content; /* NULL: no pipe */
    const char *output;
    bool is_open; /* the connection lives on */
};

static void run_reply(const struct reply_row *row, bool is_ended_late, size_t step)
{
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    struct pipe pipe;
    h1_peer_init(&peer, &limits);
    peer.is_silent = true;
    pipe_init(&pipe, &peer.pool);
    h1_peer_feed(&peer, str_from(row->request));
    assert_non_null(peer.stream);
    struct http_head head = { .status = (uint16_t)row->status, .content_length = row->length };
    http_head_add(&head, &peer.stream->arena, STR("transfer-encoding"), STR("gzip"));
    http_head_add(&head, &peer.stream->arena, STR("content-length"), STR("77"));
    http_head_add(&head, &peer.stream->arena, STR("connection"), STR("x"));
    http_head_add(&head, &peer.stream->arena, STR("a"), STR("b"));
    if (row->content != NULL && !is_ended_late) {
        pipe_write(&pipe, row->content, strlen(row->content));
        pipe_end(&pipe, NULL);
        pipe.consumed_bytes = 0;
    }
    http_server_respond(peer.stream, &head, row->content != NULL ? &pipe : NULL);
    h1_peer_flush(&peer, step);
    if (row->content != NULL && is_ended_late) {
        pipe_write(&pipe, row->content, strlen(row->content));
        h1_peer_flush(&peer, step);
        pipe_end(&pipe, NULL);
        h1_peer_flush(&peer, step);
    }
    expect(output(&peer), row->output, row->request);
    assert_int_equal(peer.closed, 1);
    assert_int_equal(peer.session->is_over, !row->is_open);
    pipe_fini(&pipe);
    h1_peer_fini(&peer);
}

#define KEEP_1_0 "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
#define HTTP_1_0_GET "GET / HTTP/1.0\r\nHost: a\r\n\r\n"
#define CLOSE GET "Connection: close\r\n\r\n"

static void test_respond_frames_by_length_chunks_or_close(void **state)
{
    (void)state;
    static const struct reply_row late[] = {
        { GET "\r\n", 200, 5, "hello", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\na: b\r\n\r\nhello",
          true },
        { GET "\r\n", 200, -1, "hello",
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\na: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
          true },
        { GET "\r\n", 200, -1, "",
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\na: b\r\n\r\n0\r\n\r\n", true },
        { GET "\r\n", 200, -1, NULL, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\na: b\r\n\r\n", true },
        { GET "\r\n", 204, 9, NULL, "HTTP/1.1 204 No Content\r\na: b\r\n\r\n", true },
        { GET "\r\n", 304, 9, NULL,
          "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\na: b\r\n\r\n", true },
        { GET "\r\n", 304, -1, "", "HTTP/1.1 304 Not Modified\r\na: b\r\n\r\n", true },
        { "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, 9, "",
          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\na: b\r\n\r\n", true },
        /* Content where none may be is swallowed. */
        { "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, -1, "hello", "HTTP/1.1 200 OK\r\na: b\r\n\r\n",
          true },
        { CLOSE, 299, 5, "hello",
          "HTTP/1.1 299 \r\ncontent-length: 5\r\nconnection: close\r\na: b\r\n\r\nhello", false },
        { HTTP_1_0_GET, 200, 5, "hello",
          "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\na: b\r\n\r\nhello", false },
        { HTTP_1_0_GET, 200, -1, "hello",
          "HTTP/1.1 200 OK\r\nconnection: close\r\na: b\r\n\r\nhello", false },
        { KEEP_1_0, 200, -1, "hello", "HTTP/1.1 200 OK\r\nconnection: close\r\na: b\r\n\r\nhello",
          false },
        { KEEP_1_0, 200, 5, "hello",
          "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\na: b\r\n\r\nhello",
          true },
        /* Less and more than stated: visible, and the end of the connection. */
        { GET "\r\n", 200, 6, "hello", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\na: b\r\n\r\nhello",
          false },
        { GET "\r\n", 200, 4, "hello", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\na: b\r\n\r\n",
          false },
    };
    static const struct reply_row at_once[] = {
        { GET "\r\n", 200, -1, "hello", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\na: b\r\n\r\nhello",
          true },
        { KEEP_1_0, 200, -1, "hello",
          "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\na: b\r\n\r\nhello",
          true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
        run_reply(&late[i], true, 4096);
        run_reply(&late[i], true, 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(at_once); i++)
        run_reply(&at_once[i], false, 3);
}

/* Only where the end of the connection would be taken for the content's. */
static void test_what_is_missing_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        bool is_early; /* broken before anything was produced */
        bool is_reset; /* by the request core, else by the pipe */
        bool is_broken, is_cut;
    } rows[] = {
        { HTTP_1_0_GET, false, false, true, true },
        { HTTP_1_0_GET, false, true, true, true },
        { HTTP_1_0_GET, false, false, false, false },
        { GET "\r\n", false, false, true, false },
        { GET "\r\n", false, true, true, false },
        { HTTP_1_0_GET, true, false, true, true },
        { "HEAD / HTTP/1.0\r\nHost: a\r\n\r\n", false, false, true, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_peer peer;
        struct http_limits limits = h1_peer_limits();
        struct pipe pipe;
        h1_peer_init(&peer, &limits);
        pipe_init(&pipe, &peer.pool);
        peer.reply = &pipe;
        h1_peer_feed(&peer, str_from(rows[i].request));
        pipe_write(&pipe, "one", 3);
        if (!rows[i].is_early)
            h1_peer_flush(&peer, 4096);
        if (rows[i].is_reset)
            http_server_reset(peer.stream, HTTP_ERROR_TIMEOUT);
        else if (rows[i].is_broken)
            pipe_break(&pipe, HTTP_ERROR_CLOSED);
        else
            pipe_end(&pipe, NULL);
        h1_peer_flush(&peer, 4096);
        assert_int_equal(peer.session->is_cut, rows[i].is_cut);
        pipe_fini(&pipe);
        h1_peer_fini(&peer);
    }
}

static void test_respond_sends_trailers_and_several_chunks(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    struct pipe pipe;
    struct arena arena;
    struct http_head trailers = { .content_length = -1 };
    h1_peer_init(&peer, &limits);
    arena_init(&arena, 256);
    pipe_init(&pipe, &peer.pool);
    peer.reply = &pipe;
    http_head_add(&trailers, &arena, STR("grpc-status"), STR("0"));
    http_head_add(&trailers, &arena, STR("transfer-encoding"), STR("chunked"));
    http_head_add(&trailers, &arena, STR("bad\r\nname"), STR("0"));
    http_head_add(&trailers, &arena, STR("bad"), STR("0\r\nx: y"));
    h1_peer_feed(&peer, STR(GET "\r\n"));
    pipe_write(&pipe, "one", 3);
    h1_peer_flush(&peer, 4096);
    pipe_write(&pipe, "twotwotwotwotwotwo", 18);
    h1_peer_flush(&peer, 2);
    pipe_end(&pipe, &trailers);
    h1_peer_flush(&peer, 4096);
    expect(output(&peer),
           "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-test: yes\r\n\r\n3\r\none\r\n12\r\n"
           "twotwotwotwotwotwo\r\n0\r\ngrpc-status: 0\r\n\r\n",
           "trailers");
    pipe_fini(&pipe);
    h1_peer_fini(&peer);
    arena_fini(&arena);
}

static void test_respond_keeps_truncation_visible(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    struct pipe pipe;
    h1_peer_init(&peer, &limits);
    pipe_init(&pipe, &peer.pool);
    peer.reply = &pipe;
    h1_peer_feed(&peer, STR(GET "\r\n" GET "\r\n"));
    pipe_write(&pipe, "one", 3);
    pipe_break(&pipe, HTTP_ERROR_RESET);
    h1_peer_flush(&peer, 4096);
    expect(output(&peer),
           "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-test: yes\r\n\r\n3\r\none", "cut");
    assert_true(peer.session->is_over);
    assert_int_equal(peer.session->error, HTTP_ERROR_RESET);
    expect(account(&peer), ROOT " end closed=reset\n", "account");
    pipe_fini(&pipe);
    h1_peer_fini(&peer);
}

static void test_respond_refuses_injected_fields(void **state)
{
    (void)state;
    static const struct http_field bad[] = {
        { .name = { "a\r\nb", 4 }, .value = { "c", 1 } },
        { .name = { "a b", 3 }, .value = { "c", 1 } },
        { .name = { "a:", 2 }, .value = { "c", 1 } },
        { .name = { "", 0 }, .value = { "c", 1 } },
        { .name = { "a", 1 }, .value = { "c\r\nd: e", 7 } },
        { .name = { "a", 1 }, .value = { "c\0", 2 } },
        { .name = { "a", 1 }, .value = { "c\n", 2 } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct h1_peer peer;
        struct http_limits limits = h1_peer_limits();
        h1_peer_init(&peer, &limits);
        peer.is_silent = true;
        h1_peer_feed(&peer, STR(GET "\r\n"));
        struct http_head head = { .status = 200, .content_length = -1 };
        http_head_add(&head, &peer.stream->arena, bad[i].name, bad[i].value);
        http_server_respond(peer.stream, &head, NULL);
        h1_peer_flush(&peer, 4096);
        assert_int_equal(peer.out.len, 0);
        assert_true(peer.session->is_over);
        assert_int_equal(peer.closed, 1);
        h1_peer_fini(&peer);
    }
}

static void test_inform_is_for_1_1_before_the_response(void **state)
{
    (void)state;
    static const struct {
        const char *request, *output;
    } rows[] = {
        { POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" OK X },
        { "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n", OK "connection: close\r\n" X },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_peer peer;
        struct http_limits limits = h1_peer_limits();
        struct http_head head = { .content_length = -1 };
        h1_peer_init(&peer, &limits);
        h1_peer_feed(&peer, str_from(rows[i].request));
        static const uint16_t statuses[] = { 100, 101, 103, 200 };
        for (size_t k = 0; k < ARRAY_SIZE(statuses); k++) {
            head.status = statuses[k];
            http_server_inform(peer.stream, &head);
        }
        h1_peer_flush(&peer, 5);
        h1_peer_feed(&peer, STR("hi"));
        h1_peer_flush(&peer, 4096);
        expect(output(&peer), rows[i].output, "informs");
        h1_peer_fini(&peer);
    }
}

static void test_respond_early_closes_after_lingering(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    static char upload[H1_LINGER_BYTES];
    h1_peer_init(&peer, &limits);
    peer.is_early = true;
    peer.status = 413;
    h1_peer_feed(&peer, STR(POST "Content-Length: 900000000\r\n\r\nhel"));
    h1_peer_flush(&peer, 4096);
    expect(output(&peer),
           "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n" X,
           "early");
    expect(account(&peer), "POST https a /p length=900000000 content: hel broken=cancelled" DONE,
           "early");
    assert_false(peer.session->is_over);
    assert_true(peer.session->is_write_ended);
    assert_true(peer.session->ops->wants_read(peer.session));
    h1_peer_feed(&peer, (struct str){ upload, sizeof(upload) - 1 });
    assert_false(peer.session->is_over);
    h1_peer_feed(&peer, STR("x"));
    assert_true(peer.session->is_over);
    assert_int_equal(peer.session->error, HTTP_ERROR_NONE);
    h1_peer_fini(&peer);
}

static void test_drain_closes_idle_ones_and_says_so_to_others(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    h1_peer_init(&peer, &limits);
    peer.session->ops->drain(peer.session, false);
    assert_true(peer.session->is_over);
    h1_peer_fini(&peer);

    h1_peer_init(&peer, &limits);
    h1_peer_feed(&peer, STR("GET /"));
    peer.session->ops->drain(peer.session, false);
    assert_false(peer.session->is_over);
    h1_peer_feed(&peer, STR(" HTTP/1.1\r\nHost: a\r\n\r\n" GET "\r\n"));
    h1_peer_flush(&peer, 4096);
    expect(output(&peer), OK "connection: close\r\n" X, "drained");
    assert_true(peer.session->is_over);
    assert_int_equal(peer.requests, 1);
    h1_peer_fini(&peer);

    limits.requests = 2;
    h1_peer_init(&peer, &limits);
    h1_peer_feed(&peer, STR(GET "\r\n" GET "\r\n" GET "\r\n"));
    h1_peer_flush(&peer, 4096);
    expect(output(&peer), OK X OK "connection: close\r\n" X, "two requests");
    assert_int_equal(peer.requests, 2);
    h1_peer_fini(&peer);
}

static void test_receive_end_is_half_a_close(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *account, *output;
    } rows[] = {
        { "", "", "" },
        { "GET /", "", "" },
        { GET "\r\n" GET "\r\n", ROOT " end" DONE ROOT " end" DONE, OK X OK X },
        { POST "Content-Length: 5\r\n\r\nhell",
          "POST https a /p length=5 content: hell broken=connection_closed "
          "closed=connection_closed\n",
          "" },
        { CHUNKED "5\r\nhello\r\n",
          "POST https a /p content: hello broken=connection_closed closed=connection_closed\n",
          "" },
        { CHUNKED "5\r\nhello\r\n0\r\n",
          "POST https a /p content: hello broken=connection_closed closed=connection_closed\n",
          "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct h1_peer peer;
        struct http_limits limits = h1_peer_limits();
        h1_peer_init(&peer, &limits);
        h1_peer_feed(&peer, str_from(rows[i].bytes));
        peer.session->ops->receive_end(peer.session);
        h1_peer_flush(&peer, 4096);
        expect(account(&peer), rows[i].account, rows[i].bytes);
        expect(output(&peer), rows[i].output, rows[i].bytes);
        assert_true(peer.session->is_over);
        h1_peer_fini(&peer);
    }
}

static void test_wants_read_follows_the_pipe_and_pipelining(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    limits.h1_buffer_bytes = 4;
    h1_peer_init(&peer, &limits);
    peer.is_silent = true;
    h1_peer_feed(&peer, STR(POST "Content-Length: 10\r\n\r\n"));
    pipe_detach(&peer.stream->body);
    h1_peer_feed(&peer, STR("1234"));
    assert_true(peer.session->ops->wants_read(peer.session));
    h1_peer_feed(&peer, STR("5"));
    assert_false(peer.session->ops->wants_read(peer.session));
    pipe_consume(&peer.stream->body, 1);
    assert_true(peer.session->ops->wants_read(peer.session));
    h1_peer_feed(&peer, STR("67890"));
    /* Complete: an end must be seen; but what is pipelined waits outside. */
    assert_true(peer.session->ops->wants_read(peer.session));
    h1_peer_feed(&peer, STR("G"));
    assert_false(peer.session->ops->wants_read(peer.session));
    h1_peer_respond(&peer, peer.stream);
    h1_peer_flush(&peer, 4096);
    assert_true(peer.session->ops->wants_read(peer.session));
    h1_peer_fini(&peer);
}

static void test_free_ends_what_lives(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    h1_peer_init(&peer, &limits);
    h1_peer_feed(&peer, STR(POST "Content-Length: 10\r\n\r\nabc"));
    http_session_free(peer.session);
    peer.session = NULL;
    expect(account(&peer),
           "POST https a /p length=10 content: abc broken=connection_closed"
           " closed=connection_closed\n",
           "freed");
    h1_peer_fini(&peer);
}

static void test_reset_is_told_later(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    h1_peer_init(&peer, &limits);
    peer.is_silent = true;
    h1_peer_feed(&peer, STR(GET "\r\n" GET "\r\n"));
    struct http_server_stream *stream = peer.stream;
    http_server_reset(stream, HTTP_ERROR_TIMEOUT);
    assert_int_equal(peer.closed, 0);
    assert_true(peer.session->ops->wants_write(peer.session));
    h1_peer_respond(&peer, stream); /* too late: ignored */
    h1_peer_flush(&peer, 4096);
    assert_int_equal(peer.closed, 1);
    assert_int_equal(peer.requests, 1);
    assert_int_equal(peer.out.len, 0);
    assert_true(peer.session->is_over);
    h1_peer_fini(&peer);
}

/* ---- WebSocket ------------------------------------------------------------------------------- */

#define SWITCHED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"            \
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nx-test: yes\r\n\r\n"

static void test_websocket_becomes_a_tunnel(void **state)
{
    (void)state;
    uint64_t seed = rng_seed() | 2;
    for (uint64_t round = 0; round < 20; round++) {
        struct h1_peer peer;
        struct http_limits limits = h1_peer_limits();
        h1_peer_init(&peer, &limits);
        peer.is_echoing = true;
        h1_peer_feed_cut(&peer, STR(WS WS_KEY WS_VERSION "\r\nframes \r\n\r\n and GET"),
                         round < 2 ? round : seed + round);
        expect(output(&peer), SWITCHED "frames \r\n\r\n and GET", "tunnel");
        assert_true(peer.session->ops->wants_read(peer.session));
        assert_false(peer.session->is_over);
        peer.session->ops->receive_end(peer.session);
        h1_peer_flush(&peer, 4096);
        assert_true(peer.session->is_over);
        assert_int_equal(peer.session->error, HTTP_ERROR_NONE);
        expect(account(&peer),
               "CONNECT https a /chat protocol=websocket sec-websocket-version=[13] content: " DONE,
               "tunnel");
        h1_peer_fini(&peer);
    }
}

static void test_websocket_half_closes_both_ways(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    struct pipe pipe;
    h1_peer_init(&peer, &limits);
    pipe_init(&pipe, &peer.pool);
    peer.is_silent = true;
    h1_peer_feed(&peer, STR(WS WS_KEY WS_VERSION "\r\n"));
    peer.reply = &pipe;
    h1_peer_respond(&peer, peer.stream);
    pipe_write(&pipe, "bye", 3);
    pipe_end(&pipe, NULL);
    h1_peer_flush(&peer, 4096);
    expect(output(&peer), SWITCHED "bye", "half");
    assert_true(peer.session->is_write_ended);
    assert_false(peer.session->is_over);
    h1_peer_feed(&peer, STR("still here"));
    expect_part(account(&peer), "still here");
    peer.session->ops->receive_end(peer.session);
    assert_true(peer.session->is_over);
    assert_int_equal(peer.closed, 1);
    pipe_fini(&pipe);
    h1_peer_fini(&peer);
}

static void test_websocket_may_be_refused(void **state)
{
    (void)state;
    struct h1_peer peer;
    struct http_limits limits = h1_peer_limits();
    h1_peer_init(&peer, &limits);
    peer.is_silent = true;
    peer.status = 403;
    h1_peer_feed(&peer, STR(WS WS_KEY WS_VERSION "\r\n" GET "\r\n"));
    h1_peer_respond(&peer, peer.stream);
    peer.is_silent = false;
    peer.status = 200;
    h1_peer_flush(&peer, 4096);
    expect(output(&peer), "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n" X OK X, "refused");
    h1_peer_fini(&peer);
}

static void test_websocket_handshakes_are_validated(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { WS WS_KEY "\r\n", NO(426, "websocket_version") },
        { WS WS_KEY "Sec-WebSocket-Version: 8\r\n\r\n", NO(426, "websocket_version") },
        { WS WS_KEY WS_VERSION WS_VERSION "\r\n", NO(426, "websocket_version") },
        { WS WS_VERSION "\r\n", NO(400, "websocket") },
        { WS WS_KEY WS_KEY WS_VERSION "\r\n", NO(400, "websocket") },
        { WS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" WS_VERSION "\r\n",
          NO(400, "websocket") },
        { WS "Sec-WebSocket-Key: AAAA\r\n" WS_VERSION "\r\n", NO(400, "websocket") },
        { WS WS_KEY WS_VERSION "Content-Length: 1\r\n\r\na", NO(400, "websocket") },
        { WS WS_KEY WS_VERSION "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          NO(400, "websocket") },
        { POST "Connection: upgrade\r\nUpgrade: websocket\r\n" WS_KEY WS_VERSION "\r\n",
          NO(400, "websocket") },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive_takes_sound_requests),
        cmocka_unit_test(test_receive_refuses_heads_that_could_be_read_in_two_ways),
        cmocka_unit_test(test_receive_refuses_framing_that_could_be_read_in_two_ways),
        cmocka_unit_test(test_receive_refuses_bad_chunks),
        cmocka_unit_test(test_receive_bounds_what_a_client_can_grow),
        cmocka_unit_test(test_refusal_is_said_and_what_follows_is_poison),
        cmocka_unit_test(test_respond_frames_by_length_chunks_or_close),
        cmocka_unit_test(test_what_is_missing_is_told),
        cmocka_unit_test(test_respond_sends_trailers_and_several_chunks),
        cmocka_unit_test(test_respond_keeps_truncation_visible),
        cmocka_unit_test(test_respond_refuses_injected_fields),
        cmocka_unit_test(test_inform_is_for_1_1_before_the_response),
        cmocka_unit_test(test_respond_early_closes_after_lingering),
        cmocka_unit_test(test_drain_closes_idle_ones_and_says_so_to_others),
        cmocka_unit_test(test_receive_end_is_half_a_close),
        cmocka_unit_test(test_wants_read_follows_the_pipe_and_pipelining),
        cmocka_unit_test(test_free_ends_what_lives),
        cmocka_unit_test(test_reset_is_told_later),
        cmocka_unit_test(test_websocket_becomes_a_tunnel),
        cmocka_unit_test(test_websocket_half_closes_both_ways),
        cmocka_unit_test(test_websocket_may_be_refused),
        cmocka_unit_test(test_websocket_handshakes_are_validated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
