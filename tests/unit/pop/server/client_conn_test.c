/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of a client connection, from its first byte to its greatest age. */
#include "tests/unit/pop/server/client_conn_fixture.h"

/* ---- before the first request ---------------------------------------------------------------- */

static void test_handshake_has_the_transports_clock(void **state)
{
    (void)state;
    connects(LISTEN_HTTPS, "h2");
    assert_int_equal(seen.transport.settings.handshake_ms, TLS_MS);
    assert_false(is_clock_running()); /* no second clock beside it */
    is_gone(TRANSPORT_TLS_TIMEOUT);
    assert_int_equal(counter_read(&worker.tally->counts[TALLY_HANDSHAKES_FAILED]), 1);
    ends();
}

static void test_proxy_header_that_does_not_come(void **state)
{
    (void)state;
    connects(LISTEN_PROXY, "");
    assert_int_equal(seen.proxy_starts, 1);
    assert_false(seen.transport.is_there);
    pass_ms(FIRST_BYTE_MS - 1);
    assert_int_equal(seen.proxy_stops, 0);
    pass_ms(1);
    assert_int_equal(seen.proxy_stops, 1);
    assert_null(seen.conn);
    ends();
}

static void test_proxy_header_hands_over_to_the_handshake(void **state)
{
    (void)state;
    connects(LISTEN_PROXY, "h2");
    pass_ms(FIRST_BYTE_MS - 1);
    client_conn_start(seen.conn, -1, NULL, 0);
    assert_false(is_clock_running());
    pass_ms(FIRST_BYTE_MS);
    opens();
    expect_close_in(FIRST_BYTE_MS); /* counted from here */
    ends();
}

static void test_silence_after_the_handshake(void **state)
{
    static const char *const protocols[] = { "http/1.1", "h2" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        connects(LISTEN_HTTPS, protocols[i]);
        pass_ms(FIRST_BYTE_MS); /* of handshake */
        opens();
        expect_close_in(FIRST_BYTE_MS);
        ends();
    }
}

static void test_backbone_without_identity_is_aborted(void **state)
{
    (void)state;
    connects(LISTEN_BACKBONE, "h2");
    opens();
    assert_int_equal(seen.aborts, 1);
    assert_null(seen.conn->session);
    ends();
}

/* ---- heads ----------------------------------------------------------------------------------- */

static void test_h1_head_must_end_in_time(void **state)
{
    (void)state;
    starts("http/1.1");
    pass_ms(FIRST_BYTE_MS - 1);
    receives(BEGIN_HEAD);
    for (int i = 0; i < 3; i++) { /* a trickle buys no time */
        pass_ms(HEAD_MS / 4);
        receives(MORE_HEAD);
    }
    expect_close_in(HEAD_MS - 3 * (HEAD_MS / 4));
    ends();
}

static void test_h1_second_head_has_its_own_time(void **state)
{
    (void)state;
    starts("http/1.1");
    receives(BEGIN_HEAD);
    pass_ms(HEAD_MS - 1);
    receives(REQUEST);
    pass_ms(HEAD_MS); /* in progress */
    request_ends();
    pass_ms(KEEPALIVE_H1_MS - 1);
    receives(BEGIN_HEAD);
    expect_close_in(HEAD_MS);
    ends();
}

static void test_h2_head_must_end_in_time(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    receives(BEGIN_HEAD);
    pass_ms(HEAD_MS - 1);
    receives(REQUEST); /* the first one has ended in time; another begins */
    request_ends();
    receives(BEGIN_HEAD);
    pass_ms(HEAD_MS / 2);
    receives(MORE_HEAD);
    expect_close_in(HEAD_MS - HEAD_MS / 2);
    ends();
}

static void test_requests_have_no_clock_here(void **state)
{
    static const char *const protocols[] = { "http/1.1", "h2" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        starts(protocols[i]);
        if (i == 1)
            receives(ACK);
        receives(REQUEST);
        pass_ms(AGE_MS / 2);
        assert_int_equal(seen.closes + seen.drains, 0);
        ends();
    }
}

/* ---- between requests ------------------------------------------------------------------------ */

static void test_h1_keepalive_ends_with_a_grace(void **state)
{
    (void)state;
    starts("http/1.1");
    receives(REQUEST);
    pass_ms(50);
    request_ends();
    pass_ms(KEEPALIVE_H1_MS);
    assert_true(seen.conn->is_draining);
    uint64_t grace_ms = seen.conn->drain_due_ms - worker.io.now_ms;
    assert_in_range(grace_ms, 1, GRACE_MS);
    expect_close_in(grace_ms); /* a request may be on its way */
    ends();
}

static void test_h1_request_in_the_grace_is_the_last(void **state)
{
    (void)state;
    starts("http/1.1");
    receives(REQUEST);
    request_ends();
    pass_ms(KEEPALIVE_H1_MS);
    receives(REQUEST);
    assert_int_equal(seen.drains, 1); /* its response says so */
    assert_int_equal(seen.requests, 2);
    pass_ms(GRACE_MS + 1);
    assert_int_equal(seen.closes, 0);
    ends();
}

/* As the one before, for a while: none of it is cut short by the time that had run out. */
static void test_h1_grace_is_as_long_for_each(void **state)
{
    (void)state;
    uint64_t longest_ms = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        starts("http/1.1");
        worker.rng = rng_init(seed);
        receives(REQUEST);
        request_ends();
        pass_ms(KEEPALIVE_H1_MS);
        uint64_t began_ms = worker.io.now_ms;
        while (seen.closes == 0)
            pass_ms(1);
        if (worker.io.now_ms - began_ms > longest_ms)
            longest_ms = worker.io.now_ms - began_ms;
        ends();
    }
    assert_in_range(longest_ms, GRACE_MS / 2, GRACE_MS);
}

/* Each request begins the time anew. */
static void test_keepalive_counts_from_the_last_request(void **state)
{
    (void)state;
    starts("http/1.1");
    for (int i = 0; i < 3; i++) {
        receives(REQUEST);
        request_ends();
        pass_ms(KEEPALIVE_H1_MS - 1);
        assert_false(seen.conn->is_draining);
    }
    pass_ms(1);
    assert_true(seen.conn->is_draining);
    ends();
}

static void test_h2_idle_end_waits_for_pong_or_its_limit(void **state)
{
    (void)state;
    for (int has_pong = 0; has_pong < 2; has_pong++) {
        starts("h2");
        receives(ACK);
        receives(REQUEST);
        request_ends();
        pass_ms(KEEPALIVE_H2_MS - 1);
        assert_int_equal(seen.drains, 0);
        pass_ms(1);
        assert_int_equal(seen.drains, 1);
        assert_int_equal(seen.pings, 1);
        assert_int_equal(seen.final_drains, 0);
        if (has_pong == 1)
            receives(PONG);
        pass_ms(has_pong == 1 ? 1 : PONG_MS - 1);
        assert_int_equal(seen.final_drains, has_pong);
        pass_ms(1);
        assert_int_equal(seen.final_drains, 1);
        receives(OVER);
        assert_int_equal(seen.closes, 1);
        ends();
    }
}

static void test_rest_once_for_each_idle_time(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    for (unsigned i = 0; i < 2; i++) {
        receives(REQUEST);
        pass_ms(2 * REST_MS);
        request_ends();
        pass_ms(REST_MS - 1);
        assert_int_equal(seen.rests, i);
        pass_ms(REST_MS);
        assert_int_equal(seen.rests, i + 1);
    }
    ends();
}

/* ---- the whole life -------------------------------------------------------------------------- */

static void test_settings_must_be_acknowledged(void **state)
{
    (void)state;
    starts("h2");
    pass_ms(10);
    receives(REQUEST); /* being busy is no excuse */
    expect_close_in(ACK_MS - 10);
    ends();
}

static void test_age_ends_a_busy_connection_in_good_order(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    receives(REQUEST);
    pass_ms(AGE_MS - AGE_MS / 10 - 1);
    assert_int_equal(seen.drains, 0); /* not all at once, but none before nine tenths */
    pass_ms(AGE_MS / 10 + 1);
    assert_int_equal(seen.drains, 1);
    pass_ms(PONG_MS);
    assert_int_equal(seen.final_drains, 1);
    assert_int_equal(seen.closes, 0); /* the request goes on */
    ends();
}

static void test_age_zero_is_no_limit(void **state)
{
    (void)state;
    age_ms = 0;
    starts("http/1.1");
    age_ms = AGE_MS;
    receives(REQUEST);
    pass_ms(2 * AGE_MS);
    assert_int_equal(seen.closes + seen.drains, 0);
    ends();
}

static void test_a_stalled_transport_is_told_apart_from_a_client_that_left(void **state)
{
    static const struct {
        enum transport_cause cause;
        const char *told;
    } rows[] = { { TRANSPORT_WRITE_STALL, "client_stalled" },
                 { TRANSPORT_PEER, NULL },
                 { TRANSPORT_RESET, NULL } };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        starts("http/1.1");
        receives(REQUEST);
        is_gone(rows[i].cause);
        assert_int_equal(seen.ended, 1);
        if (rows[i].told != NULL)
            assert_string_equal(seen.lost, rows[i].told);
        else
            assert_null(seen.lost);
        ends();
    }
}

static void test_drain_during_the_handshake_is_carried_out_after_it(void **state)
{
    (void)state;
    connects(LISTEN_HTTPS, "h2");
    client_conn_drain(seen.conn);
    assert_int_equal(seen.closes, 0);
    opens();
    assert_int_equal(seen.drains, 1);
    pass_ms(PONG_MS);
    assert_int_equal(seen.final_drains, 1);
    ends();
}

static void test_closing_stops_the_clock(void **state)
{
    (void)state;
    starts("http/1.1");
    client_conn_close(seen.conn);
    client_conn_close(seen.conn); /* once */
    assert_int_equal(seen.closes, 1);
    assert_false(is_clock_running());
    is_gone(TRANSPORT_PEER);
    assert_true(seen.is_freed);
    ends();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_has_the_transports_clock),
        cmocka_unit_test(test_proxy_header_that_does_not_come),
        cmocka_unit_test(test_proxy_header_hands_over_to_the_handshake),
        cmocka_unit_test(test_silence_after_the_handshake),
        cmocka_unit_test(test_backbone_without_identity_is_aborted),
        cmocka_unit_test(test_h1_head_must_end_in_time),
        cmocka_unit_test(test_h1_second_head_has_its_own_time),
        cmocka_unit_test(test_h2_head_must_end_in_time),
        cmocka_unit_test(test_requests_have_no_clock_here),
        cmocka_unit_test(test_h1_keepalive_ends_with_a_grace),
        cmocka_unit_test(test_h1_request_in_the_grace_is_the_last),
        cmocka_unit_test(test_h1_grace_is_as_long_for_each),
        cmocka_unit_test(test_keepalive_counts_from_the_last_request),
        cmocka_unit_test(test_h2_idle_end_waits_for_pong_or_its_limit),
        cmocka_unit_test(test_rest_once_for_each_idle_time),
        cmocka_unit_test(test_settings_must_be_acknowledged),
        cmocka_unit_test(test_age_ends_a_busy_connection_in_good_order),
        cmocka_unit_test(test_age_zero_is_no_limit),
        cmocka_unit_test(test_a_stalled_transport_is_told_apart_from_a_client_that_left),
        cmocka_unit_test(test_drain_during_the_handshake_is_carried_out_after_it),
        cmocka_unit_test(test_closing_stops_the_clock),
    };
    return cmocka_run_group_tests(tests, fill_listens, NULL);
}
