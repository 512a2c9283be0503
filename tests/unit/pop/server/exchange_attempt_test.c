/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a failure: who is asked next, with what, and what the client gets in the end. */
#include "tests/unit/pop/server/exchange_fixture.h"

static void finish(uint16_t status, const char *cause)
{
    client_closes(HTTP_ERROR_NONE);
    expect_log(status, cause);
    fixture_stop();
}

/* ---- proof and methods ----------------------------------------------------------------------- */

static void test_failures_move_on_by_proof(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        size_t peers;
        enum http_error error;
        uint16_t status; /* with one peer */
        bool is_unprocessed;
    } rows[] = {
        { "POST", 2, HTTP_ERROR_REFUSED, 0, true },
        { "POST", 2, HTTP_ERROR_GOAWAY, 0, true },
        { "POST", 2, HTTP_ERROR_CLOSED, 0, true },
        { "POST", 1, HTTP_ERROR_CLOSED, 502, false },
        { "POST", 1, HTTP_ERROR_RESET, 502, false },
        { "PATCH", 1, HTTP_ERROR_PROTOCOL, 502, false },
        { "GET", 2, HTTP_ERROR_CLOSED, 0, false },
        { "GET", 2, HTTP_ERROR_RESET, 0, false },
        { "PUT", 2, HTTP_ERROR_CLOSED, 0, false },
        { "GET", 2, HTTP_ERROR_NONE, 0, false }, /* an end without a response */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        client_makes(rows[i].method, "/", false);
        client_asks();
        peer_fails(peer_at(0), rows[i].error, rows[i].is_unprocessed);
        assert_int_equal(seen.peer_count, rows[i].peers);
        if (rows[i].peers == 2) {
            assert_true(str_eq_text(peer_field(peer_at(1), "steer-attempt"), "2"));
            peer_answers(peer_at(1), 200, NULL, NULL);
            peer_ends(peer_at(1), "");
        } else {
            assert_int_equal(seen.response.status, rows[i].status);
        }
        client_closes(HTTP_ERROR_NONE);
        fixture_stop();
    }
}

static void test_a_gateways_word_is_proof(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", false);
    client_asks();
    peer_answers(peer_at(0), 503, "steer-not-processed", "evacuated");
    assert_false(seen.is_responded);
    assert_int_equal(peer_at(1)->target.region.n, US_WEST);
    assert_true(peer_at(0)->is_cancelled);
    assert_true(peer_at(0)->result.is_success || !peer_at(0)->is_done);
    peer_answers(peer_at(1), 201, NULL, NULL);
    peer_ends(peer_at(1), "");
    client_closes(HTTP_ERROR_NONE);
    json_t *line = log_line();
    const json_t *first = json_array_get(json_object_get(line, "attempts"), 0);
    assert_true(str_eq_text(json_get_str(first, "cause"), "not_processed"));
    assert_true(json_get_bool(first, "proof", false));
    assert_true(json_get_bool(line, "fallback", false));
    assert_int_equal(counted(TALLY_RETRIES_CROSS), 1);
    json_decref(line);
    fixture_stop();
}

/* One more POST, which us-east declines with `word` when it comes there; who was asked first. */
static uint16_t asks_first(const char *word)
{
    size_t at = seen.peer_count;
    if (seen.is_released)
        arena_fini(&seen.client.arena);
    seen.client = (struct http_server_stream){ 0 };
    seen.is_released = seen.is_responded = false;
    client_makes("POST", "/", false);
    client_asks();
    uint16_t first = peer_at(at)->target.region.n;
    if (first == US_EAST && word != NULL)
        peer_answers(peer_at(at++), 503, "steer-not-processed", word);
    peer_answers(peer_at(at), 200, NULL, NULL);
    peer_ends(peer_at(at), "");
    client_closes(HTTP_ERROR_NONE);
    return first;
}

/* Its document says more than ours, for a moment or because ours does not arrive: a round trip for
 * nothing is enough once. */
static void test_a_region_that_is_out_is_asked_last(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    assert_int_equal(asks_first("evacuated"), US_EAST);
    assert_int_equal(asks_first(NULL), US_WEST);
    pass_ms(1000);
    assert_int_equal(asks_first("evacuated"), US_EAST);
    assert_int_equal(asks_first(NULL), US_WEST);
    struct world *world = fixture_settings.world;
    publisher_publish(worker.snapshots,
                      fixture_snapshot(world, "{\"v\":1,\"epoch\":\"E\",\"gen\":2}"));
    assert_int_equal(asks_first(NULL), US_EAST);
    /* What concerns one request, or one moment, is no matter of others. */
    assert_int_equal(asks_first("no_peer"), US_EAST);
    assert_int_equal(asks_first(NULL), US_EAST);
    fixture_stop();
}

/* A gateway that was told so by its own failure: no proof for a POST. */
static void test_a_gateways_failure_is_no_proof(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", false);
    client_asks();
    peer_answers(peer_at(0), 502, "steer-failed", "connection_terminated");
    assert_int_equal(seen.peer_count, 1);
    assert_int_equal(seen.response.status, 502);
    assert_null(http_head_find(&seen.response, STR("steer-failed")));
    settle_peers();
    finish(502, "gateway_failed");
}

static void test_an_origins_503_passes_for_a_post(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
    client_makes("POST", "/", false);
    client_asks();
    peer_answers(peer_at(0), 503, "retry-after", "9");
    assert_int_equal(seen.peer_count, 1);
    assert_true(str_eq_text(http_head_get(&seen.response, STR("retry-after")), "9"));
    assert_null(http_head_find(&seen.response, STR("proxy-status")));
    peer_ends(peer_at(0), "");
    finish(503, NULL);
}

/* ---- too many fields ------------------------------------------------------------------------- */

static const char *many_names(size_t i)
{
    static char name[16];
    snprintf(name, sizeof(name), "x-%zu", i);
    return name;
}

static void test_a_request_that_outgrows_the_head_is_431(void **state)
{
    (void)state;
    enum { JUST_TOO_MANY = HEAD_FIELDS_MAX - 2 };
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", true);
    for (size_t i = 0; i < JUST_TOO_MANY; i++) {
        struct arena *arena = &seen.client.arena;
        http_head_add(&seen.client.request, arena, arena_str(arena, str_from(many_names(i))),
                      STR("y"));
    }
    client_asks();
    assert_int_equal(seen.response.status, 431);
    assert_true(seen.peer_count == 0 && seen.peers[0].is_done); /* the lease went back */
    finish(431, "too_many_fields");
}

static void test_a_response_that_outgrows_the_head_is_502(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    struct http_client_stream *stream = &peer_at(0)->stream;
    for (size_t i = 0; i < HEAD_FIELDS_MAX; i++)
        http_head_add(&stream->response, &stream->arena,
                      arena_str(&stream->arena, str_from(many_names(i))), STR("y"));
    peer_answers(peer_at(0), 200, NULL, NULL);
    assert_int_equal(seen.response.status, 502);
    assert_non_null(http_head_find(&seen.response, STR("proxy-status")));
    assert_true(peer_at(0)->is_cancelled);
    settle_peers();
    finish(502, "too_many_fields");
}

/* ---- content --------------------------------------------------------------------------------- */

static void test_content_is_sent_again_from_the_first_byte(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", true);
    client_asks();
    client_sends("one ");
    peer_takes(peer_at(0));
    client_sends("two");
    peer_fails(peer_at(0), HTTP_ERROR_GOAWAY, true);
    peer_takes(peer_at(1));
    client_sends(" three");
    pipe_end(&seen.client.body, NULL);
    peer_takes(peer_at(1));
    assert_memory_equal(peer_at(1)->taken, "one two three", 13);
    peer_answers(peer_at(1), 200, NULL, NULL);
    peer_ends(peer_at(1), "");
    finish(200, NULL);
}

static void test_content_that_is_gone_ends_the_attempts(void **state)
{
    (void)state;
    char large[400];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", true);
    client_asks();
    client_sends(large); /* more than replay_bytes */
    peer_takes(peer_at(0));
    peer_fails(peer_at(0), HTTP_ERROR_GOAWAY, true);
    assert_int_equal(seen.peer_count, 1);
    assert_true(seen.is_reset || seen.response.status == 503);
    assert_int_equal(counted(TALLY_DENIED_BODY), 1);
    client_closes(seen.is_reset ? HTTP_ERROR_REFUSED : HTTP_ERROR_NONE);
    fixture_stop();
}

/* Nobody reads while nobody is attached: the client is held back by its own window. */
static void test_content_waits_without_a_peer(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    seen.wait_mask = 1;
    client_makes("POST", "/", true);
    client_asks();
    client_sends("waiting");
    assert_int_equal(seen.client.body.consumed_bytes, 0);
    struct upstream_waiter *waiter = seen.waiter;
    waiter->link = NULL;
    give_lease(waiter);
    peer_takes(peer_at(0));
    assert_memory_equal(peer_at(0)->taken, "waiting", 7);
    pipe_end(&seen.client.body, NULL);
    peer_answers(peer_at(0), 200, NULL, NULL);
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

/* ---- nobody is left -------------------------------------------------------------------------- */

static void test_refused_by_all_is_told_so(void **state)
{
    (void)state;
    static const enum http_version versions[] = { HTTP_2, HTTP_1_1 };
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        client_session.version = versions[i];
        client_makes("POST", "/", false);
        client_asks();
        for (size_t at = 0; !seen.is_reset && !seen.is_responded; at++)
            peer_fails(peer_at(at), HTTP_ERROR_REFUSED, true);
        assert_int_equal(seen.is_reset, versions[i] == HTTP_2);
        if (versions[i] == HTTP_2) {
            assert_int_equal(seen.reset, HTTP_ERROR_REFUSED);
            client_closes(HTTP_ERROR_REFUSED);
            expect_log(0, "refused");
        } else {
            assert_int_equal(seen.response.status, 503);
            assert_non_null(http_head_find(&seen.response, STR("retry-after")));
            client_closes(HTTP_ERROR_NONE);
        }
        fixture_stop();
    }
}

static void test_nobody_there_is_unprocessed_over_the_backbone(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
    from.is_backbone = true;
    from.source.n = GRU1;
    seen.lack_mask = ~(uint64_t)0;
    client_makes("POST", "/", false);
    client_asks();
    assert_int_equal(seen.peer_count, 0);
    assert_int_equal(seen.response.status, 503);
    assert_true(str_eq_text(http_head_get(&seen.response, STR("steer-not-processed")), "no_peer"));
    finish(503, "no_peer");
}

/* A gateway tries what rests only for who has nobody else to ask. */
static void test_the_last_region_is_told_to_persist(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", false);
    client_asks();
    for (size_t i = 0; i < 2; i++) {
        assert_true(str_eq_text(peer_field(peer_at(i), "steer-last-resort"), ""));
        peer_answers(peer_at(i), 503, "steer-not-processed", "resting");
    }
    assert_true(str_eq_text(peer_field(peer_at(2), "steer-last-resort"), "1"));
    peer_answers(peer_at(2), 201, NULL, NULL);
    peer_ends(peer_at(2), "");
    finish(201, NULL);
}

static void test_a_gateway_persists_when_it_is_told(void **state)
{
    (void)state;
    for (int is_told = 0; is_told < 2; is_told++) {
        fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
        from.is_backbone = true;
        from.source.n = GRU1;
        seen.wait_mask = 1;
        client_makes("POST", "/", false);
        if (is_told)
            client_adds("steer-last-resort", "1");
        client_asks();
        assert_int_equal(seen.waiter->wish.is_last_resort, is_told);
        seen.waiter->on_lack(seen.waiter, UPSTREAM_RESTING);
        assert_int_equal(seen.response.status, 503);
        assert_true(
            str_eq_text(http_head_get(&seen.response, STR("steer-not-processed")), "resting"));
        finish(503, "resting");
    }
}

/* A client at a gateway's own door: the next region is ours to ask, with proof only. */
static void test_a_direct_client_crosses_regions(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
    seen.lack_mask = 1;
    client_makes("POST", "/", false);
    client_asks();
    assert_int_equal(seen.peer_count, 1);
    assert_false(peer_at(0)->target.is_origin);
    assert_int_equal(peer_at(0)->target.region.n, US_WEST);
    assert_true(str_eq_text(peer_field(peer_at(0), "steer-visited"), "us-east"));
    peer_answers(peer_at(0), 200, NULL, NULL);
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

static void test_websocket_that_nobody_takes(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    seen.lack_mask = ~(uint64_t)0;
    for (size_t i = 0; i < PEERS_MAX; i++)
        seen.lacks[i] = UPSTREAM_NO_WEBSOCKET;
    client_makes("CONNECT", "/", true);
    seen.client.request.protocol = STR("websocket");
    seen.client.is_upgrade = true;
    client_asks();
    assert_int_equal(seen.response.status, 502);
    finish(502, "websocket");
}

/* ---- time ------------------------------------------------------------------------------------ */

static void test_try_timeout_moves_a_get_and_not_a_post(void **state)
{
    (void)state;
    static const char *const methods[] = { "GET", "POST" };
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        fixture_start(POP_ROLE_POP, "gru1", "{}");
        client_makes(methods[i], "/", false);
        client_asks();
        pass_ms(2900);
        assert_int_equal(seen.peer_count, 1);
        assert_false(seen.is_responded);
        pass_ms(200);
        assert_true(peer_at(0)->is_cancelled);
        settle_peers();
        assert_int_equal(peer_at(0)->result.error, HTTP_ERROR_TIMEOUT);
        assert_false(peer_at(0)->result.is_client_fault);
        if (i == 0) {
            peer_answers(peer_at(1), 200, NULL, NULL);
            peer_ends(peer_at(1), "");
        }
        finish(i == 0 ? 200 : 504, i == 0 ? NULL : "try_timeout");
    }
}

/* A late answer of a peer that was given up is nobody's. */
static void test_late_answers_are_ignored(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    pass_ms(3100);
    struct http_client_stream *late = &peer_at(0)->stream;
    late->response.status = 200;
    exchange_on_response(late->owner, late);
    assert_false(seen.is_responded);
    pipe_write(&late->body, "late", 4);
    assert_int_equal(late->body.len, 0);
    peer_answers(peer_at(1), 404, NULL, NULL);
    peer_ends(peer_at(1), "");
    assert_int_equal(seen.response.status, 404);
    finish(404, NULL);
}

static void test_deadline_ends_everything(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    routes[0].try_ms = 60000;
    client_get();
    pass_ms(9900);
    assert_false(seen.is_responded);
    pass_ms(200);
    assert_int_equal(seen.response.status, 504);
    settle_peers();
    assert_int_equal(peer_at(0)->result.error, HTTP_ERROR_TIMEOUT);
    assert_int_equal(counted(TALLY_DEADLINE_EXCEEDED), 1);
    finish(504, "deadline");
}

static void test_deadline_while_waiting(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    seen.wait_mask = 1;
    client_get();
    pass_ms(10100);
    assert_int_equal(seen.cancelled, 1);
    finish(504, "deadline");
}

static void test_deadline_of_the_hop_before_counts(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
    from.is_backbone = true;
    from.source.n = GRU1;
    client_makes("GET", "/", false);
    client_adds("steer-deadline-ms", "500");
    client_asks();
    pass_ms(600);
    assert_int_equal(seen.response.status, 504);
    finish(504, "deadline");
}

/* A large upload is no slow answer; a client that does not send is. */
static void test_upload_moves_the_deadline(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/", true);
    client_asks();
    for (int i = 0; i < 30; i++) {
        client_sends("x");
        peer_takes(peer_at(0));
        pass_ms(1000);
        assert_false(seen.is_responded);
    }
    pass_ms(3000);
    assert_int_equal(seen.response.status, 408);
    finish(408, "client_body_timeout");
}

static void test_silence_of_the_peer_ends_a_response(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        pipe_write(&peer_at(0)->stream.body, "x", 1);
        pipe_consume(seen.response_body, 1);
        pass_ms(3000);
        assert_false(seen.is_reset);
    }
    pass_ms(4000);
    assert_true(seen.is_reset);
    client_closes(HTTP_ERROR_TIMEOUT);
    expect_log(200, "upstream_idle");
    fixture_stop();
}

static void test_a_client_that_does_not_read_is_given_up(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    pipe_write(&peer_at(0)->stream.body, "stuck", 5);
    pass_ms(4800);
    assert_false(seen.is_reset);
    pass_ms(2000);
    assert_true(seen.is_reset);
    client_closes(HTTP_ERROR_TIMEOUT);
    expect_log(200, "client_stalled");
    fixture_stop();
}

static void test_body_beyond_the_routes_limit(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    client_makes("POST", "/small", true);
    client_asks();
    client_sends("0123456789");
    peer_takes(peer_at(0));
    pass_ms(20);
    assert_false(seen.is_responded);
    client_sends("!");
    peer_takes(peer_at(0));
    pass_ms(20);
    assert_int_equal(seen.response.status, 413);
    assert_true(peer_at(0)->is_cancelled);
    finish(413, "body_too_large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_move_on_by_proof),
        cmocka_unit_test(test_a_gateways_word_is_proof),
        cmocka_unit_test(test_a_region_that_is_out_is_asked_last),
        cmocka_unit_test(test_a_gateways_failure_is_no_proof),
        cmocka_unit_test(test_an_origins_503_passes_for_a_post),
        cmocka_unit_test(test_a_request_that_outgrows_the_head_is_431),
        cmocka_unit_test(test_a_response_that_outgrows_the_head_is_502),
        cmocka_unit_test(test_content_is_sent_again_from_the_first_byte),
        cmocka_unit_test(test_content_that_is_gone_ends_the_attempts),
        cmocka_unit_test(test_content_waits_without_a_peer),
        cmocka_unit_test(test_refused_by_all_is_told_so),
        cmocka_unit_test(test_nobody_there_is_unprocessed_over_the_backbone),
        cmocka_unit_test(test_the_last_region_is_told_to_persist),
        cmocka_unit_test(test_a_gateway_persists_when_it_is_told),
        cmocka_unit_test(test_a_direct_client_crosses_regions),
        cmocka_unit_test(test_websocket_that_nobody_takes),
        cmocka_unit_test(test_try_timeout_moves_a_get_and_not_a_post),
        cmocka_unit_test(test_late_answers_are_ignored),
        cmocka_unit_test(test_deadline_ends_everything),
        cmocka_unit_test(test_deadline_while_waiting),
        cmocka_unit_test(test_deadline_of_the_hop_before_counts),
        cmocka_unit_test(test_upload_moves_the_deadline),
        cmocka_unit_test(test_silence_of_the_peer_ends_a_response),
        cmocka_unit_test(test_a_client_that_does_not_read_is_given_up),
        cmocka_unit_test(test_body_beyond_the_routes_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
