/* SPDX-License-Identifier: Apache-2.0 */
/* Does the process at the other end of a backbone connection live? */
#include "tests/unit/pop/server/client_conn_fixture.h"

enum {
    /* What client_liveness.c has. */
    QUIET_MS = STALL_MS / 4,
    SECOND_LOOK_MS = 10,
};

/* One request is in progress; nothing has an age. */
static void starts_backbone(void)
{
    static struct site sites[] = { { .identity = (char *)(uintptr_t) "gru1.pop.steer" } };
    topology = (struct topology){ .sites = sites, .site_count = ARRAY_SIZE(sites) };
    age_ms = 0;
    connects(LISTEN_BACKBONE, "h2");
    age_ms = AGE_MS;
    opens();
    receives(ACK);
    receives(REQUEST);
}

static void ends_backbone(void)
{
    ends();
    topology = (struct topology){ .site_count = 0 };
}

static uint64_t ping_timeouts(void)
{
    return counter_read(&worker.tally->counts[TALLY_CLIENT_PING_TIMEOUTS]);
}

static void test_a_silent_peer_is_asked_then_given_up(void **state)
{
    (void)state;
    starts_backbone();
    pass_ms(QUIET_MS - 1);
    assert_int_equal(seen.pings, 0);
    pass_ms(1);
    assert_int_equal(seen.pings, 1);
    pass_ms(STALL_MS - QUIET_MS + SECOND_LOOK_MS - 1);
    assert_int_equal(seen.pings, 1);
    assert_int_equal(seen.aborts, 0);
    pass_ms(1);
    assert_int_equal(seen.aborts, 1);
    assert_int_equal(ping_timeouts(), 1);
    is_gone(TRANSPORT_LOCAL);
    assert_int_equal(seen.ended, 1);
    assert_string_equal(seen.lost, "client_ping_timeout"); /* it did not wish to end */
    ends_backbone();
}

/* Its clients may be as slow as they like. */
static void test_a_peer_that_answers_is_kept(void **state)
{
    static const enum order signs[] = { PONG, MORE_HEAD };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
        starts_backbone();
        for (unsigned asked = 1; asked <= 20; asked++) {
            for (unsigned passed = 0; seen.pings < asked && passed < STALL_MS; passed++)
                pass_ms(1);
            assert_int_equal(seen.pings, asked);
            pass_ms(STALL_MS - QUIET_MS - 1);
            receives(signs[i]);
        }
        pass_ms(QUIET_MS - 1);
        assert_int_equal(seen.pings, 20);
        assert_int_equal(seen.aborts + seen.closes + seen.drains, 0);
        ends_backbone();
    }
}

static void test_a_peer_that_talks_is_not_asked(void **state)
{
    (void)state;
    starts_backbone();
    for (int i = 0; i < 20; i++) {
        pass_ms(QUIET_MS - 1);
        receives(MORE_HEAD);
    }
    assert_int_equal(seen.pings, 0);
    ends_backbone();
}

static void test_without_requests_nobody_is_asked(void **state)
{
    (void)state;
    starts_backbone();
    pass_ms(QUIET_MS / 2);
    request_ends();
    pass_ms(KEEPALIVE_H2_MS - 1);
    assert_int_equal(seen.pings, 0);
    receives(REQUEST);
    pass_ms(QUIET_MS - 1);
    assert_int_equal(seen.pings, 0);
    pass_ms(1);
    assert_int_equal(seen.pings, 1);
    ends_backbone();
}

static void test_clients_are_not_asked(void **state)
{
    (void)state;
    starts("h2");
    receives(ACK);
    receives(REQUEST);
    pass_ms(AGE_MS / 2);
    assert_int_equal(seen.pings + seen.aborts, 0);
    ends();
}

/* What is on the line before the PING may take its time; what comes behind it is no excuse. */
static void test_a_ping_that_is_on_its_way_is_waited_for(void **state)
{
    (void)state;
    starts_backbone();
    seen.flow = (struct transport_flow){ .put_bytes = 1000, .arrived_bytes = 100 };
    pass_ms(QUIET_MS);
    assert_int_equal(seen.pings, 1);
    while (seen.flow.arrived_bytes < 1000) {
        pass_ms(STALL_MS / 2);
        seen.flow.arrived_bytes += 100;
        seen.flow.put_bytes += 100;
        assert_int_equal(seen.aborts, 0);
    }
    for (int i = 0; i < 3; i++) {
        pass_ms(STALL_MS / 2);
        seen.flow.arrived_bytes += 100;
        seen.flow.put_bytes += 100;
    }
    assert_int_equal(seen.aborts, 1);
    ends_backbone();
}

/* The answer has come, but our timers were first. */
static void test_a_pause_of_our_own_kills_nobody(void **state)
{
    (void)state;
    starts_backbone();
    pass_ms(STALL_MS + SECOND_LOOK_MS / 2);
    assert_int_equal(seen.aborts, 0);
    receives(PONG);
    pass_ms(QUIET_MS - 1);
    assert_int_equal(seen.aborts, 0);
    assert_int_equal(seen.pings, 1);
    ends_backbone();
}

static void test_the_drains_pong_is_its_own(void **state)
{
    (void)state;
    starts_backbone();
    pass_ms(QUIET_MS);
    seen.conn->retire_ms = worker.io.now_ms;
    client_conn_drain(seen.conn);
    assert_int_equal(seen.pings, 2);
    receives(PONG);
    pass_ms(1);
    assert_int_equal(seen.final_drains, 0);
    receives(PONG);
    pass_ms(1);
    assert_int_equal(seen.final_drains, 1);
    /* It is watched to its end, and not closed under its request. */
    pass_ms(QUIET_MS);
    assert_int_equal(seen.pings, 3);
    assert_int_equal(seen.closes, 0);
    ends_backbone();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_silent_peer_is_asked_then_given_up),
        cmocka_unit_test(test_a_peer_that_answers_is_kept),
        cmocka_unit_test(test_a_peer_that_talks_is_not_asked),
        cmocka_unit_test(test_without_requests_nobody_is_asked),
        cmocka_unit_test(test_clients_are_not_asked),
        cmocka_unit_test(test_a_ping_that_is_on_its_way_is_waited_for),
        cmocka_unit_test(test_a_pause_of_our_own_kills_nobody),
        cmocka_unit_test(test_the_drains_pong_is_its_own),
    };
    return cmocka_run_group_tests(tests, fill_listens, NULL);
}
