/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pop/server/exchange_fixture.h"

static void test_begin_sends_to_the_first_region(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    struct fake_peer *peer = peer_at(0);
    assert_false(peer->target.is_origin);
    assert_int_equal(peer->target.region.n, US_EAST);
    assert_true(str_eq_text(peer_field(peer, "steer-client"), "203.0.113.9"));
    assert_true(str_eq_text(peer_field(peer, "steer-attempt"), "1"));
    assert_int_equal(peer_field(peer, "x-request-id").len, 32);
    assert_int_equal(peer_field(peer, "traceparent").len, TRACEPARENT_LEN);
    peer_answers(peer, 200, "steer-load", "40");
    assert_int_equal(seen.response.status, 200);
    assert_null(http_head_find(&seen.response, STR("steer-load")));
    peer_ends(peer, "hello");
    assert_int_equal(peer->result.load_percent, 40);
    assert_true(peer->result.is_success);
    seen.client.response_bytes = 5;
    client_closes(HTTP_ERROR_NONE);
    assert_int_equal(counted(TALLY_STATUS_2XX_ORIGIN), 1);
    assert_int_equal(counted(TALLY_STREAMS), 0);
    json_t *line = log_line();
    assert_true(str_eq_text(json_get_str(line, "path"), "/a?b=c"));
    assert_true(str_eq_text(json_get_str(line, "region"), "us-east"));
    assert_true(str_eq_text(json_get_str(line, "map"), "api"));
    assert_true(str_eq_text(json_get_str(line, "route"), "www.example.com/"));
    assert_int_equal(json_get_int(line, "bytes_out", -1), 5);
    const json_t *attempts = json_object_get(line, "attempts");
    assert_int_equal(json_array_size(attempts), 1);
    const json_t *attempt = json_array_get(attempts, 0);
    assert_true(str_eq_text(json_get_str(attempt, "peer"), "us-east/192.0.2.1:8443"));
    assert_true(str_eq_text(json_get_str(attempt, "cause"), "none"));
    assert_int_equal(json_get_int(attempt, "status", -1), 200);
    json_decref(line);
    fixture_stop();
}

/* ---- what is refused at once ----------------------------------------------------------------- */

static void test_begin_refuses_what_has_no_way(void **state)
{
    (void)state;
    static const struct {
        const char *method, *authority, *path, *name, *value;
        int64_t content_length;
        const char *cause;
        uint16_t status;
        bool is_upgrade;
    } rows[] = {
        { "GET", "else.example", "/", NULL, NULL, -1, "no_route", 404, false },
        { "CONNECT", "www.example.com", "/", NULL, NULL, -1, "connect", 501, false },
        { "CONNECT", "www.example.com", "/small", NULL, NULL, -1, "websocket", 501, true },
        { "POST", "www.example.com", "/small", NULL, NULL, 11, "body_too_large", 413, false },
        { "GET", "www.example.com", "/", "cdn-loop", "steer, steer", -1, "visited", 508, false },
        { "OPTIONS", "www.example.com", "/", "max-forwards", "0", -1, "max_forwards", 200, false },
        { "OPTIONS", "www.example.com", "*", "max-forwards", "0", -1, "max_forwards", 200, false },
        { "OPTIONS", "none.example", "/", "max-forwards", "0", -1, "max_forwards", 200, false },
        { "TRACE", "www.example.com", "/", "max-forwards", "0", -1, "max_forwards", 405, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        client_makes(rows[i].method, rows[i].path, rows[i].content_length > 0);
        seen.client.request.authority = str_from(rows[i].authority);
        seen.client.request.content_length = rows[i].content_length;
        seen.client.is_upgrade = rows[i].is_upgrade;
        if (rows[i].is_upgrade)
            seen.client.request.protocol = STR("websocket");
        if (rows[i].name != NULL)
            client_adds(rows[i].name, rows[i].value);
        client_asks();
        assert_int_equal(seen.peer_count, 0);
        assert_int_equal(seen.response.status, rows[i].status);
        bool is_answer = strcmp(rows[i].cause, "max_forwards") == 0; /* no failure */
        const char *field = is_answer ? "allow" : "proxy-status";
        assert_non_null(http_head_find(&seen.response, str_from(field)));
        client_closes(HTTP_ERROR_NONE);
        expect_log(rows[i].status, rows[i].cause);
        assert_int_equal(counted(TALLY_RESPONSES_OURS), 1);
        fixture_stop();
    }
}

/* ---- where strays go ------------------------------------------------------------------------- */

#define OUT "{\"us-east\":{\"mode\":\"evacuated\"}}"
#define OUT_SERVE "{\"us-east\":{\"mode\":\"evacuated\",\"stray\":\"serve\"}}"
#define OUT_REFUSE "{\"us-east\":{\"mode\":\"evacuated\",\"stray\":\"refuse\"}}"
#define DRAINING "{\"us-east\":{\"mode\":\"draining\"}}"
#define RESTORING "{\"us-east\":{\"mode\":\"restoring\"}}"
#define ALL_OUT                                                                                    \
    "{\"us-east\":{\"mode\":\"evacuated\"},\"us-west\":{\"mode\":\"evacuated\"},"                  \
    "\"eu-west\":{\"mode\":\"evacuated\"}}"

static void test_gateway_serves_or_passes_on(void **state)
{
    (void)state;
    enum { ORIGIN = -1, NOBODY = -2 };
    static const struct {
        const char *document, *visited;
        const char *unprocessed;
        int to;          /* a region, ORIGIN, or NOBODY */
        uint16_t status; /* with NOBODY */
        bool is_backbone, is_stray;
    } rows[] = {
        { "{}", NULL, NULL, ORIGIN, 0, true, false },
        { "{}", NULL, NULL, ORIGIN, 0, false, false },
        { DRAINING, NULL, NULL, ORIGIN, 0, true, false },
        { RESTORING, NULL, NULL, ORIGIN, 0, true, false },
        { OUT, NULL, NULL, US_WEST, 0, true, true },
        { OUT, NULL, NULL, US_WEST, 0, false, true },
        { OUT, "us-west", NULL, EU_WEST, 0, true, true },
        { OUT, "us-west,eu-west", NULL, NOBODY, 508, true, true },
        { OUT, "a,b,c", NULL, NOBODY, 508, true, true },
        { "{}", "us-east", NULL, NOBODY, 508, true, false },
        { OUT_SERVE, NULL, NULL, ORIGIN, 0, true, true },
        { OUT_REFUSE, NULL, "evacuated", NOBODY, 503, true, true },
        { OUT_REFUSE, NULL, NULL, NOBODY, 503, false, true },
        /* Steering never leaves a client without an answer. */
        { ALL_OUT, NULL, NULL, ORIGIN, 0, true, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fixture_start(POP_ROLE_GATEWAY, "us-east", rows[i].document);
        from.is_backbone = rows[i].is_backbone;
        from.source.n = rows[i].is_backbone ? GRU1 : UINT16_MAX;
        client_makes("GET", "/", false);
        if (rows[i].visited != NULL)
            client_adds("steer-visited", rows[i].visited);
        client_asks();
        assert_int_equal(seen.peer_count, rows[i].to == NOBODY ? 0 : 1);
        if (rows[i].to == NOBODY) {
            struct str said = http_head_get(&seen.response, STR("steer-not-processed"));
            assert_int_equal(seen.response.status, rows[i].status);
            assert_true(str_eq(said, str_from(rows[i].unprocessed)));
        } else {
            assert_int_equal(seen.peers[0].target.is_origin, rows[i].to == ORIGIN);
            if (rows[i].to != ORIGIN)
                assert_int_equal(seen.peers[0].target.region.n, rows[i].to);
            peer_answers(&seen.peers[0], 204, NULL, NULL);
            peer_ends(&seen.peers[0], "");
        }
        assert_int_equal(counted(TALLY_STRAYS), rows[i].is_stray);
        client_closes(HTTP_ERROR_NONE);
        json_t *line = log_line();
        assert_int_equal(json_get_bool(line, "stray", false), rows[i].is_stray);
        json_decref(line);
        fixture_stop();
    }
}

static void test_pop_skips_what_is_evacuated(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", OUT);
    client_get();
    assert_int_equal(peer_at(0)->target.region.n, US_WEST);
    peer_answers(peer_at(0), 200, NULL, NULL);
    peer_ends(peer_at(0), "");
    client_closes(HTTP_ERROR_NONE);
    fixture_stop();
}

static void test_gateway_tells_its_load_over_the_backbone_only(void **state)
{
    (void)state;
    for (int is_backbone = 0; is_backbone < 2; is_backbone++) {
        fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
        from.is_backbone = is_backbone == 1;
        from.source.n = GRU1;
        client_get();
        /* An origin cannot speak for us. */
        peer_answers(peer_at(0), 503, "steer-not-processed", "fake");
        assert_int_equal(seen.peer_count, 2); /* tried again, as any 503 */
        peer_answers(peer_at(1), 200, "steer-load", "99");
        peer_ends(peer_at(1), "");
        struct str load = http_head_get(&seen.response, STR("steer-load"));
        assert_true(str_eq_text(load, is_backbone == 1 ? "1" : ""));
        client_closes(HTTP_ERROR_NONE);
        fixture_stop();
    }
}

/* ---- the end of the client ------------------------------------------------------------------- */

static void test_client_abort_cancels_in_each_state(void **state)
{
    (void)state;
    enum when { WAITING, SENT, RESPONDING, BETWEEN };
    for (enum when when = WAITING; when <= BETWEEN; when++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        seen.wait_mask = when == WAITING ? 1 : when == BETWEEN ? 2 : 0;
        client_get();
        if (when == RESPONDING)
            peer_answers(peer_at(0), 200, NULL, NULL);
        if (when == BETWEEN)
            peer_fails(peer_at(0), HTTP_ERROR_REFUSED, true);
        client_closes(HTTP_ERROR_CANCELLED);
        assert_int_equal(seen.cancelled, when == WAITING || when == BETWEEN);
        if (when == SENT || when == RESPONDING) {
            assert_true(peer_at(0)->is_cancelled);
            settle_peers();
            assert_true(peer_at(0)->result.is_client_fault);
        }
        expect_log(when == RESPONDING ? 200 : 499, "client_abort");
        assert_int_equal(counted(TALLY_CLIENT_ABORTS), 1);
        fixture_stop();
    }
}

static void test_a_client_that_was_given_up_has_not_aborted(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
    client_get();
    exchange_client_lost(seen.client.owner, "client_ping_timeout");
    client_closes(HTTP_ERROR_CLOSED);
    assert_true(peer_at(0)->is_cancelled);
    settle_peers();
    assert_true(peer_at(0)->result.is_client_fault);
    expect_log(499, "client_ping_timeout");
    assert_int_equal(counted(TALLY_CLIENT_ABORTS), 0);
    fixture_stop();
}

static void test_broken_response_is_the_peers_fault(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    pipe_write(&peer_at(0)->stream.body, "half", 4);
    peer_fails(peer_at(0), HTTP_ERROR_RESET, false);
    assert_true(seen.response_body->is_broken); /* the client's codec makes it visible */
    client_closes(HTTP_ERROR_INTERNAL);
    expect_log(200, "reset");
    assert_int_equal(counted(TALLY_CLIENT_ABORTS), 0);
    assert_false(peer_at(0)->result.is_client_fault);
    fixture_stop();
}

/* Whether the peer's side or the client's is heard to end first: the codec only knows of a closed
 * connection, the connection knows that PING was not answered. */
static void test_response_cut_by_a_ping_timeout_says_so(void **state)
{
    (void)state;
    for (int is_client_first = 0; is_client_first < 2; is_client_first++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        client_get();
        peer_answers(peer_at(0), 200, NULL, NULL);
        pipe_write(&peer_at(0)->stream.body, "half", 4);
        seen.is_ping_dead = true;
        if (is_client_first == 1) {
            pipe_break(&peer_at(0)->stream.body, HTTP_ERROR_CLOSED);
            client_closes(HTTP_ERROR_INTERNAL);
            settle_peers();
        } else {
            peer_fails(peer_at(0), HTTP_ERROR_CLOSED, false);
            client_closes(HTTP_ERROR_INTERNAL);
        }
        expect_log(200, "ping_timeout");
        assert_int_equal(counted(TALLY_CLIENT_ABORTS), 0);
        fixture_stop();
    }
}

/* The response is whole before the request is: the client may stop, the peer is not to blame. */
static void test_early_response_lets_the_client_finish(void **state)
{
    (void)state;
    for (int is_peer_closed = 0; is_peer_closed < 2; is_peer_closed++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        client_makes("POST", "/", true);
        client_asks();
        client_sends("begin");
        peer_answers(peer_at(0), 413, NULL, NULL);
        pipe_end(&peer_at(0)->stream.body, NULL);
        if (is_peer_closed == 1) {
            peer_closes(peer_at(0), (struct http_outcome){ .has_response = true });
            client_sends("more that nobody reads");
            assert_int_equal(seen.client.body.len, 0);
        }
        client_closes(HTTP_ERROR_NONE);
        settle_peers();
        assert_int_equal(peer_at(0)->result.error, HTTP_ERROR_NONE);
        assert_false(peer_at(0)->result.is_client_fault);
        expect_log(413, NULL);
        fixture_stop();
    }
}

static void test_informs_pass_and_are_not_final(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    struct http_head hint = { .status = 103, .content_length = -1 };
    http_head_add(&hint, &peer_at(0)->stream.arena, STR("link"), STR("</a.css>"));
    exchange_on_inform(peer_at(0)->stream.owner, &peer_at(0)->stream, &hint);
    assert_int_equal(seen.inform_count, 1);
    assert_int_equal(seen.informs[0].status, 103);
    peer_fails(peer_at(0), HTTP_ERROR_CLOSED, false);
    peer_answers(peer_at(1), 200, NULL, NULL);
    peer_ends(peer_at(1), "");
    assert_int_equal(seen.response.status, 200);
    client_closes(HTTP_ERROR_NONE);
    fixture_stop();
}

static void test_tunnel_is_counted_and_idles_out(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("CONNECT", "/", true);
    seen.client.request.protocol = STR("websocket");
    seen.client.is_upgrade = true;
    client_asks();
    peer_answers(peer_at(0), 200, NULL, NULL);
    assert_int_equal(counted(TALLY_TUNNELS), 1);
    pass_ms(15000);
    client_sends("frame");
    peer_takes(peer_at(0));
    pass_ms(15000);
    assert_false(seen.is_reset);
    pass_ms(12000);
    assert_true(seen.is_reset);
    client_closes(HTTP_ERROR_TIMEOUT);
    expect_log(200, "tunnel_idle");
    assert_int_equal(counted(TALLY_TUNNELS), 0);
    fixture_stop();
}

static void test_abort_ends_all(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    exchanges_abort(worker.exchanges);
    assert_int_equal(seen.response.status, 503);
    assert_true(peer_at(0)->is_cancelled);
    client_closes(HTTP_ERROR_NONE);
    expect_log(503, "shutting_down");
    fixture_stop();
}

/* ---- the log --------------------------------------------------------------------------------- */

static void test_log_line_is_json_whatever_the_path(void **state)
{
    (void)state;
    char path[3 * ACCESS_LOG_LINE_MAX];
    memset(path, '\xff', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    memcpy(path, "/\"\\\x01", 4);
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("GET", path, false);
    client_adds("authorization", "Bearer secret");
    client_adds("cookie", "a=secret");
    client_asks();
    for (size_t i = 0; i < 3; i++)
        peer_fails(peer_at(i), HTTP_ERROR_REFUSED, true);
    peer_answers(peer_at(3), 200, NULL, NULL);
    peer_ends(peer_at(3), "");
    client_closes(HTTP_ERROR_NONE);
    json_t *line = log_line();
    assert_true(str_starts_with(json_get_str(line, "path"), STR("/\"\\\x01")));
    assert_null(strstr(seen.line, "secret"));
    json_decref(line);
    fixture_stop();
}

static void test_rejected_leaves_a_line(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    exchanges_rejected(worker.exchanges, &from, HTTP_1_1, 400, "cl_te");
    expect_log(400, "cl_te");
    fixture_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin_sends_to_the_first_region),
        cmocka_unit_test(test_begin_refuses_what_has_no_way),
        cmocka_unit_test(test_gateway_serves_or_passes_on),
        cmocka_unit_test(test_pop_skips_what_is_evacuated),
        cmocka_unit_test(test_gateway_tells_its_load_over_the_backbone_only),
        cmocka_unit_test(test_client_abort_cancels_in_each_state),
        cmocka_unit_test(test_a_client_that_was_given_up_has_not_aborted),
        cmocka_unit_test(test_broken_response_is_the_peers_fault),
        cmocka_unit_test(test_response_cut_by_a_ping_timeout_says_so),
        cmocka_unit_test(test_early_response_lets_the_client_finish),
        cmocka_unit_test(test_informs_pass_and_are_not_final),
        cmocka_unit_test(test_tunnel_is_counted_and_idles_out),
        cmocka_unit_test(test_abort_ends_all),
        cmocka_unit_test(test_log_line_is_json_whatever_the_path),
        cmocka_unit_test(test_rejected_leaves_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
