/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop/route/hop.h"
#include "steering/base/buf.h"
#include "steering/base/mem.h"

/* A head is written as lines "name: value\n". */
static struct http_head head_of(struct arena *arena, const char *lines)
{
    struct http_head head = { .method = STR("GET"),
                              .scheme = STR("https"),
                              .authority = STR("www.example.com"),
                              .path = STR("/x?y"),
                              .content_length = -1 };
    struct str rest = str_from(lines);
    while (rest.len > 0) {
        struct str line;
        str_split(rest, '\n', &line, &rest);
        struct str name;
        struct str value;
        assert_true(str_split(line, ':', &name, &value));
        assert_true(http_head_add(&head, arena, name, str_trim(value)));
    }
    return head;
}

static void assert_fields(const struct http_head *head, const char *expected)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < head->field_count; i++)
        buf_append_format(&text, "%.*s: %.*s\n", STR_ARG(head->fields[i].name),
                          STR_ARG(head->fields[i].value));
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}

static void assert_str(struct str text, const char *expected)
{
    if (!str_eq_text(text, expected))
        fail_msg("'%.*s', not '%s'", STR_ARG(text), expected);
}

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(str_from(text), &addr));
    return addr;
}

struct fixture {
    struct arena arena;
    struct hop_in in;
    struct hop_out out;
};

static void fixture_init(struct fixture *fixture, const char *client, bool is_trusted)
{
    arena_init(&fixture->arena, 4096);
    fixture->in = (struct hop_in){ .is_trusted = is_trusted, .client = addr_of(client) };
    fixture->out = (struct hop_out){
        .in = &fixture->in,
        .client_text = str_from(client),
        .is_https = true,
        .pseudonym = STR("gru1"),
        .cdn_id = STR("steer"),
        .site = STR("gru1"),
        .map = STR("api"),
        .attempt = 1,
        .deadline_ms_left = 14850,
        .is_last_resort = true,
        .request_id = STR("r-1"),
        .traceparent = STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        .from = HOP_FROM_H2,
    };
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char everything[] = "steer-client: 2001:db8::7\n"
                                 "steer-visited: us-east, us-west,,b@d\n"
                                 "steer-attempt: 2\n"
                                 "steer-deadline-ms: 14850\n"
                                 "steer-last-resort: 1\n"
                                 "steer-last-resort: 1\n"
                                 "steer-map: api\n"
                                 "steer-source: gru1\n"
                                 "x-request-id: 01J-x/y+z=\n"
                                 "cdn-loop: other; v=\"a,\\\",steer\", Steer;x=1\n"
                                 "cdn-loop: steer\n"
                                 "max-forwards: 0\n";

static void test_read_believes_the_backbone_only(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct http_head head = head_of(&arena, everything);
    struct addr peer = addr_of("192.0.2.9");
    struct hop_in in;
    hop_read(&head, true, &peer, STR("steer"), &in);
    struct addr client = addr_of("2001:db8::7");
    assert_true(addr_eq(&in.client, &client));
    assert_str(in.client_text, "2001:db8::7");
    assert_int_equal(in.visited_count, 2);
    assert_true(hop_has_visited(&in, STR("us-east")) && hop_has_visited(&in, STR("us-west")));
    assert_false(hop_has_visited(&in, STR("us")));
    assert_int_equal(in.attempts_used, 2);
    assert_int_equal(in.deadline_ms_left, 14850);
    assert_true(in.is_last_resort);
    assert_str(in.map, "api");
    assert_str(in.source, "gru1");
    assert_str(in.request_id, "01J-x/y+z=");
    assert_int_equal(in.cdn_loops, 2);
    assert_false(in.is_last_recipient); /* GET does not count forwards */

    hop_read(&head, false, &peer, STR("steer"), &in);
    assert_true(addr_eq(&in.client, &peer));
    assert_int_equal(in.client_text.len + in.visited_count + in.attempts_used +
                         in.deadline_ms_left + in.is_last_resort + in.map.len + in.source.len,
                     0);
    assert_str(in.request_id, "01J-x/y+z=");
    assert_int_equal(in.cdn_loops, 2);
    arena_fini(&arena);
}

static void test_read_ignores_what_is_malformed(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct http_head head = head_of(&arena, "steer-client: 2001:db8::7:443x\n"
                                            "steer-visited: ,\n"
                                            "steer-attempt: 1e3\n"
                                            "steer-deadline-ms: -5\n"
                                            "steer-last-resort: yes\n"
                                            "steer-map: a b\n"
                                            "steer-source: \"x\"\n"
                                            "x-request-id: a b\n"
                                            "traceparent: 00-0-0-00\n");
    struct addr peer = addr_of("192.0.2.9");
    struct hop_in in;
    hop_read(&head, true, &peer, STR("steer"), &in);
    assert_true(addr_eq(&in.client, &peer));
    assert_int_equal(in.client_text.len + in.visited_count + in.attempts_used +
                         in.deadline_ms_left + in.is_last_resort + in.map.len + in.source.len +
                         in.request_id.len + in.traceparent.len,
                     0);
    head = head_of(&arena, "steer-deadline-ms: 0\nsteer-visited: a,b,c,d,e,f,g,h\n");
    hop_read(&head, true, &peer, STR("steer"), &in);
    assert_int_equal(in.deadline_ms_left, 1); /* over, not "none" */
    assert_int_equal(in.visited_count, HOP_VISITED_MAX);
    assert_false(in.is_visited_too_long);
    head = head_of(&arena, "steer-visited: a,b,c,d,e,f,g,h,i\n");
    hop_read(&head, true, &peer, STR("steer"), &in);
    assert_true(in.is_visited_too_long);
    arena_fini(&arena);
}

static void test_read_max_forwards(void **state)
{
    (void)state;
    static const struct {
        const char *method, *value;
        bool is_last;
    } rows[] = {
        { "OPTIONS", "0", true },   { "TRACE", "0", true }, { "TRACE", "00", true },
        { "OPTIONS", "1", false },  { "GET", "0", false },  { "OPTIONS", "", false },
        { "OPTIONS", "-0", false },
    };
    struct addr peer = addr_of("192.0.2.9");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena arena;
        arena_init(&arena, 4096);
        struct http_head head = head_of(&arena, "");
        head.method = str_from(rows[i].method);
        http_head_add(&head, &arena, STR("max-forwards"), str_from(rows[i].value));
        struct hop_in in;
        hop_read(&head, false, &peer, STR("steer"), &in);
        assert_int_equal(in.is_last_recipient, rows[i].is_last);
        arena_fini(&arena);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static void test_request_at_the_entry(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "203.0.113.7", false);
    f.out.to_backbone = true;
    struct http_head request = head_of(&f.arena, "accept: */*\n"
                                                 "forwarded: for=evil\n"
                                                 "x-forwarded-for: 1.2.3.4\n"
                                                 "x_forwarded_for: 1.2.3.4\n"
                                                 "x-forwarded-prefix: /admin\n"
                                                 "x-real-ip: 1.2.3.4\n"
                                                 "steer-client: 1.2.3.4\n"
                                                 "steer_client: 1.2.3.4\n"
                                                 "steer-not-processed: x\n"
                                                 "traceparent: junk\n"
                                                 "tracestate: a=1\n"
                                                 "x-request-id: client's\n"
                                                 "te: trailers\n"
                                                 "via: 1.1 other\n"
                                                 "cdn-loop: other\n"
                                                 "cookie: a=b\n");
    struct http_head made;
    assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
    assert_fields(&made, "accept: */*\n"
                         "te: trailers\n"
                         "cdn-loop: other\n"
                         "cookie: a=b\n"
                         "forwarded: for=203.0.113.7;proto=https;host=www.example.com\n"
                         "x-forwarded-for: 203.0.113.7\n"
                         "x-forwarded-proto: https\n"
                         "x-forwarded-host: www.example.com\n"
                         "cdn-loop: steer\n"
                         "via: 1.1 other, 2 gru1\n"
                         "x-request-id: r-1\n"
                         "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
                         "steer-client: 203.0.113.7\n"
                         "steer-attempt: 1\n"
                         "steer-deadline-ms: 14850\n"
                         "steer-last-resort: 1\n"
                         "steer-map: api\n"
                         "steer-source: gru1\n");
    assert_str(made.path, "/x?y");
    assert_str(made.authority, "www.example.com");
    assert_true(http_head_find(&made, STR("cookie"))->is_sensitive);
    assert_true(http_head_find(&made, STR("x-request-id"))->is_sensitive); /* not in the table */
    assert_false(http_head_find(&made, STR("accept"))->is_sensitive);
    arena_fini(&f.arena);
}

static void test_request_behind_the_entry(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "203.0.113.7", true);
    f.in.source = STR("gru1");
    f.in.traceparent = f.out.traceparent;
    f.in.visited[f.in.visited_count++] = STR("us-west");
    f.out.pseudonym = f.out.site = STR("us-east");
    f.out.is_region = true;
    f.out.to_backbone = true;
    f.out.attempt = 12;
    static const char lines[] = "forwarded: for=203.0.113.7;proto=http\n"
                                "x-forwarded-for: 203.0.113.7\n"
                                "x-forwarded-proto: http\n"
                                "steer-client: 203.0.113.7\n"
                                "tracestate: a=1\n"
                                "cdn-loop: steer\n"
                                "te: gzip\n";
    struct http_head request = head_of(&f.arena, lines);
    request.fields[1].is_sensitive = true; /* a never-indexed literal stays one */
    struct http_head made;
    assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
    assert_fields(&made, "x-forwarded-for: 203.0.113.7\n"
                         "x-forwarded-proto: http\n"
                         "tracestate: a=1\n"
                         "cdn-loop: steer\n"
                         "forwarded: for=203.0.113.7;proto=http, for=_gru1;proto=https\n"
                         "via: 2 us-east\n"
                         "x-request-id: r-1\n"
                         "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
                         "steer-client: 203.0.113.7\n"
                         "steer-visited: us-west,us-east\n"
                         "steer-attempt: 12\n"
                         "steer-deadline-ms: 14850\n"
                         "steer-last-resort: 1\n"
                         "steer-map: api\n"
                         "steer-source: us-east\n");
    assert_true(made.fields[0].is_sensitive);

    /* The same to an origin: nothing of ours; and a region is not named twice. */
    f.out.to_backbone = false;
    assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
    for (size_t i = 0; i < made.field_count; i++)
        assert_false(str_starts_with(made.fields[i].name, STR("steer-")));
    f.out.to_backbone = true;
    f.out.site = STR("us-west");
    assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
    assert_str(http_head_get(&made, STR("steer-visited")), "us-west");
    arena_fini(&f.arena);
}

static void test_request_forwarded_quoting(void **state)
{
    (void)state;
    static const struct {
        const char *client, *authority;
        bool is_https;
        const char *expected;
    } rows[] = {
        { "192.0.2.1", "a.example", false, "for=192.0.2.1;proto=http;host=a.example" },
        { "192.0.2.1", "a.example:8443", true,
          "for=192.0.2.1;proto=https;host=\"a.example:8443\"" },
        { "2001:db8::1", "[2001:db8::2]:80", true,
          "for=\"[2001:db8::1]\";proto=https;host=\"[2001:db8::2]:80\"" },
        { "192.0.2.1", "", true, "for=192.0.2.1;proto=https" },
        { "192.0.2.1", "a\"b\\c", true, "for=192.0.2.1;proto=https;host=\"a\\\"b\\\\c\"" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture f;
        fixture_init(&f, rows[i].client, false);
        f.out.is_https = rows[i].is_https;
        f.out.from = HOP_FROM_H1;
        struct http_head request = head_of(&f.arena, "");
        request.authority = str_from(rows[i].authority);
        struct http_head made;
        assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
        assert_str(http_head_get(&made, STR("forwarded")), rows[i].expected);
        assert_str(http_head_get(&made, STR("x-forwarded-for")), rows[i].client);
        assert_str(http_head_get(&made, STR("via")), "1.1 gru1");
        arena_fini(&f.arena);
    }
}

static void test_request_counts_forwards(void **state)
{
    (void)state;
    static const struct {
        const char *method, *value, *expected;
    } rows[] = {
        { "OPTIONS", "10", "9" }, { "TRACE", "1", "0" },   { "GET", "10", "10" },
        { "OPTIONS", "x", "x" },  { "OPTIONS", "0", "0" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture f;
        fixture_init(&f, "192.0.2.1", false);
        struct http_head request = head_of(&f.arena, "");
        request.method = str_from(rows[i].method);
        http_head_add(&request, &f.arena, STR("max-forwards"), str_from(rows[i].value));
        struct http_head made;
        assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
        assert_str(http_head_get(&made, STR("max-forwards")), rows[i].expected);
        arena_fini(&f.arena);
    }
}

static void test_request_with_too_many_fields(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "192.0.2.1", false);
    struct http_head request = head_of(&f.arena, "");
    while (http_head_add(&request, &f.arena, STR("x"), STR("y"))) {
    }
    struct http_head made;
    assert_false(hop_make_request(&request, &f.out, &f.arena, &made));
    assert_false(hop_make_response(&request, &f.out, &f.arena, &made));
    request.field_count -= HOP_FIELDS_MAX;
    f.out.to_backbone = true;
    assert_true(hop_make_request(&request, &f.out, &f.arena, &made));
    arena_fini(&f.arena);
}

/* ---- responses ------------------------------------------------------------------------------- */

static void test_response_loses_our_fields(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "192.0.2.1", false);
    struct http_head response = head_of(&f.arena, "server: x\n"
                                                  "steer-not-processed: forged\n"
                                                  "steer-load: 3\n"
                                                  "proxy-status: origin; error=dns_error\n"
                                                  "set-cookie: a=b\n"
                                                  "via: 1.1 cache\n");
    response.status = 200;
    struct http_head made;
    assert_true(hop_make_response(&response, &f.out, &f.arena, &made));
    static const char client_side[] = "server: x\n"
                                      "proxy-status: origin; error=dns_error\n"
                                      "set-cookie: a=b\n"
                                      "via: 1.1 cache, 2 gru1\n";
    assert_fields(&made, client_side);
    assert_int_equal(made.status, 200);
    f.out.load_percent = 37;
    assert_true(hop_make_response(&response, &f.out, &f.arena, &made));
    assert_fields(&made, client_side);
    f.out.to_backbone = true;
    assert_true(hop_make_response(&response, &f.out, &f.arena, &made));
    assert_str(http_head_get(&made, STR("steer-load")), "37");
    assert_null(http_head_find(&made, STR("steer-not-processed")));
    arena_fini(&f.arena);
}

static void test_response_cause(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        uint16_t status;
        enum attempt_cause from_backbone, from_origin;
    } rows[] = {
        { "", 200, ATTEMPT_NONE, ATTEMPT_NONE },
        { "", 503, ATTEMPT_NONE, ATTEMPT_NONE },
        { "", 421, ATTEMPT_STATUS_421, ATTEMPT_STATUS_421 },
        { "steer-not-processed: evacuated\n", 503, ATTEMPT_NOT_PROCESSED, ATTEMPT_NONE },
        { "steer-failed: connection_terminated\n", 502, ATTEMPT_GATEWAY, ATTEMPT_NONE },
    };
    struct arena arena;
    arena_init(&arena, 4096);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_head response = head_of(&arena, rows[i].lines);
        response.status = rows[i].status;
        assert_int_equal(hop_response_cause(&response, true), rows[i].from_backbone);
        assert_int_equal(hop_response_cause(&response, false), rows[i].from_origin);
    }
    struct http_head loaded = head_of(&arena, "steer-load: 91\n");
    assert_int_equal(hop_response_load(&loaded, true), 91);
    assert_int_equal(hop_response_load(&loaded, false), UINT32_MAX);
    loaded = head_of(&arena, "steer-load: 91%\n");
    assert_int_equal(hop_response_load(&loaded, true), UINT32_MAX);
    arena_fini(&arena);
}

static void test_refusal_follows_table(void **state)
{
    (void)state;
    static const struct {
        struct hop_refusal refusal;
        bool to_backbone;
        const char *expected, *body;
    } rows[] = {
        { { 200, NULL, "max_forwards", false, 0, "GET, OPTIONS" },
          false,
          "allow: GET, OPTIONS\n"
          "cache-control: no-store\n"
          "x-request-id: r-1\n",
          "" },
        { { 404, NULL, "no_route", false, 0, NULL },
          false,
          "content-type: text/plain; charset=utf-8\n"
          "cache-control: no-store\n"
          "x-request-id: r-1\n",
          "404 no_route\nrequest r-1\n" },
        { { 503, "destination_unavailable", "evacuated", true, 5, NULL },
          true,
          "content-type: text/plain; charset=utf-8\n"
          "cache-control: no-store\n"
          "proxy-status: gru1; error=destination_unavailable; details=\"evacuated\"\n"
          "x-request-id: r-1\n"
          "retry-after: 5\n"
          "steer-not-processed: evacuated\n",
          "503 evacuated\nrequest r-1\n" },
        { { 503, "destination_unavailable", "say \"no\"\n", true, 0, NULL },
          false,
          "content-type: text/plain; charset=utf-8\n"
          "cache-control: no-store\n"
          "proxy-status: gru1; error=destination_unavailable; details=\"say \\\"no\\\"?\"\n"
          "x-request-id: r-1\n",
          "503 say \"no\"\n\nrequest r-1\n" },
        { { 502, "connection_terminated", NULL, false, 0, NULL },
          true,
          "content-type: text/plain; charset=utf-8\n"
          "cache-control: no-store\n"
          "proxy-status: gru1; error=connection_terminated\n"
          "x-request-id: r-1\n"
          "steer-failed: connection_terminated\n",
          "502 connection_terminated\nrequest r-1\n" },
        { { 508, "proxy_loop_detected", NULL, false, 0, NULL },
          true,
          "content-type: text/plain; charset=utf-8\n"
          "cache-control: no-store\n"
          "proxy-status: gru1; error=proxy_loop_detected\n"
          "x-request-id: r-1\n",
          "508 proxy_loop_detected\nrequest r-1\n" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture f;
        fixture_init(&f, "192.0.2.1", false);
        f.out.to_backbone = rows[i].to_backbone;
        struct http_head made;
        struct str body;
        hop_make_refusal(&rows[i].refusal, &f.out, &f.arena, &made, &body);
        assert_fields(&made, rows[i].expected);
        assert_str(body, rows[i].body);
        assert_int_equal(made.content_length, body.len);
        assert_int_equal(made.status, rows[i].refusal.status);
        arena_fini(&f.arena);
    }
    /* A name that no token can be is quoted. */
    struct fixture f;
    fixture_init(&f, "192.0.2.1", false);
    f.out.pseudonym = STR("1x");
    struct http_head made;
    struct str body;
    hop_make_refusal(&rows[5].refusal, &f.out, &f.arena, &made, &body);
    assert_str(http_head_get(&made, STR("proxy-status")), "\"1x\"; error=proxy_loop_detected");
    arena_fini(&f.arena);
}

static void test_proxy_error_for_each_cause(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= ATTEMPT_GATEWAY; i++)
        assert_true(http_is_token(str_from(hop_proxy_error((enum attempt_cause)i))));
}

/* ---- traces and ids -------------------------------------------------------------------------- */

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define NEW_TRACE "00000000000000110000000000000023"

static void test_traceparent_continues_or_starts(void **state)
{
    (void)state;
    static const struct {
        const char *incoming, *expected;
    } rows[] = {
        { "", "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-" TRACE "-" SPAN "-01", "00-" TRACE "-0000000000000033-01" },
        { "00-" TRACE "-" SPAN "-00", "00-" TRACE "-0000000000000033-00" },
        { "00-" TRACE "-" SPAN "-fe", "00-" TRACE "-0000000000000033-00" },
        { "00-" TRACE "-" SPAN "-ff", "00-" TRACE "-0000000000000033-01" },
        { "cc-" TRACE "-" SPAN "-01", "00-" TRACE "-0000000000000033-01" },
        { "cc-" TRACE "-" SPAN "-01-more", "00-" TRACE "-0000000000000033-01" },
        { "cc-" TRACE "-" SPAN "-01.more", "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-" TRACE "-" SPAN "-01-more", "00-" NEW_TRACE "-0000000000000033-00" },
        { "ff-" TRACE "-" SPAN "-01", "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-" TRACE "-0000000000000000-01", "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-00000000000000000000000000000000-" SPAN "-01",
          "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01",
          "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-" TRACE "-" SPAN "-0", "00-" NEW_TRACE "-0000000000000033-00" },
        { "00-" TRACE "-" SPAN "-0g", "00-" NEW_TRACE "-0000000000000033-00" },
        { "00_" TRACE "-" SPAN "-01", "00-" NEW_TRACE "-0000000000000033-00" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[TRACEPARENT_LEN + 1];
        hop_traceparent(str_from(rows[i].incoming), 0x11, 0x22, 0x33, text);
        assert_string_equal(text, rows[i].expected);
    }
    char text[TRACEPARENT_LEN + 1];
    hop_traceparent(STR(""), 0, 0, 0, text); /* all zeros would be invalid */
    assert_string_equal(text, "00-00000000000000000000000000000001-0000000000000001-00");
}

static void test_traceparent_twice_is_none(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct addr peer = addr_of("192.0.2.9");
    struct hop_in in;
    struct http_head head = head_of(&arena, "traceparent: 00-" TRACE "-" SPAN "-01\n");
    hop_read(&head, false, &peer, STR("steer"), &in);
    assert_str(in.traceparent, "00-" TRACE "-" SPAN "-01");
    http_head_add(&head, &arena, STR("traceparent"), STR("00-" TRACE "-" SPAN "-00"));
    hop_read(&head, false, &peer, STR("steer"), &in);
    assert_int_equal(in.traceparent.len, 0);
    arena_fini(&arena);
}

static void test_request_id_follows_table(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_id;
    } rows[] = {
        { "a", true },     { "01J5-aZ_9.:+/=", true }, { "", false },      { "a b", false },
        { "a\"b", false }, { "a\xc3\xa9", false },     { "a\r\n", false }, { "a;b", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(hop_is_request_id(str_from(rows[i].text)), rows[i].is_id);
    char longest[REQUEST_ID_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    assert_true(hop_is_request_id((struct str){ longest, REQUEST_ID_MAX }));
    assert_false(hop_is_request_id((struct str){ longest, REQUEST_ID_MAX + 1 }));
    assert_false(hop_is_request_id(STR("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_believes_the_backbone_only),
        cmocka_unit_test(test_read_ignores_what_is_malformed),
        cmocka_unit_test(test_read_max_forwards),
        cmocka_unit_test(test_request_at_the_entry),
        cmocka_unit_test(test_request_behind_the_entry),
        cmocka_unit_test(test_request_forwarded_quoting),
        cmocka_unit_test(test_request_counts_forwards),
        cmocka_unit_test(test_request_with_too_many_fields),
        cmocka_unit_test(test_response_loses_our_fields),
        cmocka_unit_test(test_response_cause),
        cmocka_unit_test(test_refusal_follows_table),
        cmocka_unit_test(test_proxy_error_for_each_cause),
        cmocka_unit_test(test_traceparent_continues_or_starts),
        cmocka_unit_test(test_traceparent_twice_is_none),
        cmocka_unit_test(test_request_id_follows_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
