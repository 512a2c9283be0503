/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that move, but next to nothing, while a peer's connection is held for them. */
#include "tests/unit/pop/server/exchange_fixture.h"

enum { ROUNDS = 60 }; /* of a second each: many times the grace */

static void start(void)
{
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    routes[0].body_min_rate = node.timeouts.write_min_rate = 100;
    routes[0].deadline_ms = routes[0].try_ms = 100000;
}

static void finish(uint16_t status, const char *cause)
{
    client_closes(cause == NULL ? HTTP_ERROR_NONE : HTTP_ERROR_CANCELLED);
    expect_log(status, cause);
    fixture_stop();
}

static void upload(int64_t length)
{
    client_makes("POST", "/", true);
    seen.client.request.content_length = length;
}

/* One piece a second; returns after how many nobody listened any more. */
static int pieces_sent(const char *piece)
{
    for (int i = 0; i < ROUNDS; i++) {
        client_sends(piece);
        if (!peer_at(0)->is_cancelled)
            peer_takes(peer_at(0));
        pass_ms(1000);
        if (seen.is_responded && seen.response.status == 408)
            return i;
        if (seen.is_reset)
            return i;
        peer_at(0)->taken_len = 0;
    }
    return ROUNDS;
}

static void end_upload(void)
{
    pipe_end(&seen.client.body, NULL);
    if (!seen.is_responded)
        peer_answers(peer_at(0), 200, NULL, NULL);
    peer_ends(peer_at(0), "");
}

static void test_a_trickled_request_is_refused(void **state)
{
    (void)state;
    start();
    upload(1000000);
    client_asks();
    assert_in_range(pieces_sent("x"), 1, 5);
    assert_int_equal(seen.response.status, 408);
    finish(408, "client_body_slow");
}

static void test_a_trickled_request_without_a_length_is_refused(void **state)
{
    (void)state;
    start();
    upload(-1);
    client_adds("content-type", "application/octet-stream");
    client_asks();
    assert_in_range(pieces_sent("x"), 1, 5);
    finish(408, "client_body_slow");
}

static void test_a_request_at_the_rate_is_not(void **state)
{
    char piece[111];
    (void)state;
    memset(piece, 'x', sizeof(piece) - 1);
    piece[sizeof(piece) - 1] = '\0';
    start();
    upload(1000000);
    client_asks();
    assert_int_equal(pieces_sent(piece), ROUNDS);
    end_upload();
    finish(200, NULL);
}

/* Ten at once on one connection: a tenth of the rate for each. */
static void test_streams_share_the_rate(void **state)
{
    (void)state;
    start();
    client_session.open_streams = 10;
    upload(1000000);
    client_asks();
    assert_int_equal(pieces_sent("xxxxxxxxxxxx"), ROUNDS);
    end_upload();
    finish(200, NULL);
}

static void test_grpc_is_not_counted(void **state)
{
    (void)state;
    start();
    upload(-1);
    client_adds("content-type", "application/grpc+proto");
    client_asks();
    assert_int_equal(pieces_sent("x"), ROUNDS);
    end_upload();
    finish(200, NULL);
}

static void test_a_length_that_is_announced_is_no_conversation(void **state)
{
    (void)state;
    start();
    upload(1000000);
    client_adds("content-type", "application/grpc");
    client_asks();
    assert_in_range(pieces_sent("x"), 1, 5);
    finish(408, "client_body_slow");
}

/* Both directions at once, each when it likes. */
static void test_a_conversation_is_not_counted(void **state)
{
    (void)state;
    start();
    upload(-1);
    client_asks();
    peer_answers(peer_at(0), 200, NULL, NULL);
    assert_int_equal(pieces_sent("x"), ROUNDS);
    end_upload();
    finish(200, NULL);
}

/* An origin may answer before it has read what was announced: it goes on reading. */
static void test_a_trickle_after_the_response_is_cut(void **state)
{
    (void)state;
    start();
    upload(1000000);
    client_asks();
    peer_answers(peer_at(0), 200, NULL, NULL);
    assert_in_range(pieces_sent("x"), 1, 12);
    assert_true(seen.is_reset);
    finish(200, "client_body_slow");
}

/* The PoP, which the client is connected to, has judged it; here, content comes in leaps. */
/* What is asked of a client is its route's, beside which another may ask for more. */
static void test_each_route_has_a_rate_of_its_own(void **state)
{
    (void)state;
    for (int is_hasty = 0; is_hasty < 2; is_hasty++) {
        start();
        routes[1].body_min_rate = is_hasty ? 200 : 0;
        routes[1].body_idle_ms = 4000;
        routes[1].body_max_bytes = 0;
        routes[1].deadline_ms = routes[1].try_ms = 100000;
        client_makes("POST", "/small", true);
        client_asks();
        int pieces = pieces_sent("x");
        assert_int_equal(pieces < ROUNDS, is_hasty);
        if (!is_hasty)
            end_upload();
        else
            assert_in_range(pieces, 3, 6); /* the grace is its own, too */
        finish(is_hasty ? 408 : 200, is_hasty ? "client_body_slow" : NULL);
    }
}

static void test_the_backbone_is_not_counted(void **state)
{
    (void)state;
    start();
    from.is_backbone = true;
    from.source.n = GRU1;
    upload(1000000);
    client_asks();
    assert_int_equal(pieces_sent("x"), ROUNDS);
    end_upload();
    finish(200, NULL);
}

/* Half a window of a PoP may last its client for minutes. */
static void test_the_backbone_may_pause(void **state)
{
    (void)state;
    start();
    from.is_backbone = true;
    from.source.n = GRU1;
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    pipe_write(&peer_at(0)->stream.body, "xyz", 3);
    pass_ms(600000);
    assert_false(seen.is_reset);
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

/* `taken` bytes a second of what waits; seconds until it is cut. */
static int seconds_read(size_t taken)
{
    static char content[20000];
    memset(content, 'x', sizeof(content));
    pipe_write(&peer_at(0)->stream.body, content, sizeof(content));
    for (int i = 0; i < ROUNDS; i++) {
        pipe_consume(seen.response_body, taken);
        pass_ms(1000);
        if (seen.is_reset)
            return i;
    }
    return ROUNDS;
}

static void test_a_trickled_response_is_cut(void **state)
{
    (void)state;
    start();
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    assert_in_range(seconds_read(1), 3, 12);
    finish(200, "client_slow");
}

static void test_a_response_at_the_rate_is_not(void **state)
{
    (void)state;
    start();
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    assert_int_equal(seconds_read(101), ROUNDS);
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

/* ---- what is on the line --------------------------------------------------------------------- */

/* A response that waits behind `flow`, of which `arriving` bytes a second do; seconds until it is
 * cut. */
static int seconds_behind(uint64_t arriving)
{
    from.transport = (const struct transport *)(const void *)&flow;
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    pipe_write(&peer_at(0)->stream.body, "xyz", 3);
    for (int i = 0; i < ROUNDS; i++) {
        flow.arrived_bytes += arriving;
        pass_ms(1000);
        if (seen.is_reset)
            return i;
    }
    return ROUNDS;
}

/* The kernel has taken a lot at once and takes nothing more for longer than write_stall. */
static void test_a_slow_line_is_no_stall(void **state)
{
    (void)state;
    start();
    flow = (struct transport_flow){ .put_bytes = 1000000, .is_blocked = true };
    assert_int_equal(seconds_behind(101), ROUNDS);
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

/* All that the client's credit allowed is with the kernel: it must have it before it can give more.
 */
static void test_credit_is_not_due_before_all_has_arrived(void **state)
{
    (void)state;
    start();
    flow.put_bytes = 3000;
    from.transport = (const struct transport *)(const void *)&flow;
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    pipe_write(&peer_at(0)->stream.body, "xyz", 3);
    pipe_consume(seen.response_body, 1);
    int at = 0;
    while (!seen.is_reset && at++ < ROUNDS) {
        if (flow.arrived_bytes < flow.put_bytes)
            flow.arrived_bytes += 150;
        pass_ms(1000);
    }
    assert_in_range(at, 3000 / 150 + 3, 3000 / 150 + 12);
    finish(200, "client_stalled");
}

static void test_a_trickle_on_a_full_line_is_cut(void **state)
{
    (void)state;
    start();
    flow = (struct transport_flow){ .put_bytes = 1000000, .is_blocked = true };
    assert_in_range(seconds_behind(1), 3, 12);
    finish(200, "client_slow");
}

static void test_a_dead_line_is_a_stall(void **state)
{
    (void)state;
    start();
    flow = (struct transport_flow){ .put_bytes = 1000000, .is_blocked = true };
    assert_in_range(seconds_behind(0), 3, 12);
    finish(200, "client_stalled");
}

/* Others on its connection are served; it is the client that holds this one. */
static void test_a_lack_of_credit_is_a_stall(void **state)
{
    (void)state;
    start();
    assert_in_range(seconds_behind(100000), 3, 12);
    finish(200, "client_stalled");
}

/* ---- others' faults -------------------------------------------------------------------------- */

/* What an origin says now and then, and the client takes at once. */
static void test_a_slow_origin_is_not_the_clients_fault(void **state)
{
    (void)state;
    start();
    client_get();
    peer_answers(peer_at(0), 200, NULL, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        pipe_write(&peer_at(0)->stream.body, "x", 1);
        pipe_consume(seen.response_body, 1);
        pass_ms(1000);
        assert_false(seen.is_reset);
    }
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trickled_request_is_refused),
        cmocka_unit_test(test_a_trickled_request_without_a_length_is_refused),
        cmocka_unit_test(test_a_request_at_the_rate_is_not),
        cmocka_unit_test(test_streams_share_the_rate),
        cmocka_unit_test(test_grpc_is_not_counted),
        cmocka_unit_test(test_a_length_that_is_announced_is_no_conversation),
        cmocka_unit_test(test_a_conversation_is_not_counted),
        cmocka_unit_test(test_a_trickle_after_the_response_is_cut),
        cmocka_unit_test(test_each_route_has_a_rate_of_its_own),
        cmocka_unit_test(test_the_backbone_is_not_counted),
        cmocka_unit_test(test_the_backbone_may_pause),
        cmocka_unit_test(test_a_trickled_response_is_cut),
        cmocka_unit_test(test_a_response_at_the_rate_is_not),
        cmocka_unit_test(test_a_slow_line_is_no_stall),
        cmocka_unit_test(test_credit_is_not_due_before_all_has_arrived),
        cmocka_unit_test(test_a_trickle_on_a_full_line_is_cut),
        cmocka_unit_test(test_a_dead_line_is_a_stall),
        cmocka_unit_test(test_a_lack_of_credit_is_a_stall),
        cmocka_unit_test(test_a_slow_origin_is_not_the_clients_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
