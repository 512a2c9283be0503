/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is while a request is on its way, and who is blamed for silence. */
#include "tests/unit/pop/server/exchange_fixture.h"

enum { IDLE_MS = 2000, TRY_MS = 3000 }; /* of the fixture's route */

static void finish(uint16_t status, const char *cause)
{
    client_closes(HTTP_ERROR_NONE);
    expect_log(status, cause);
    fixture_stop();
}

static void peer_informs(struct fake_peer *peer, uint16_t status)
{
    const struct http_head head = { .status = status, .content_length = -1 };
    exchange_on_inform(peer->stream.owner, &peer->stream, &head);
}

static void upload(const char *name, const char *value)
{
    client_makes("POST", "/", true);
    if (name != NULL)
        client_adds(name, value);
    client_asks();
}

static void test_who_waits_for_100_is_not_slow(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    routes[0].body_min_rate = 100;
    upload("expect", "100-Continue");
    pass_ms(TRY_MS - 100);
    assert_false(seen.is_responded);
    pass_ms(200);
    assert_int_equal(seen.response.status, 504);
    finish(504, "try_timeout");
}

static void test_after_100_it_is_the_clients_turn(void **state)
{
    static const uint16_t hints[] = { 103, 100 };
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    upload("expect", "100-continue");
    pass_ms(IDLE_MS);
    for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
        peer_informs(peer_at(0), hints[i]);
    assert_int_equal(seen.inform_count, 2);
    pass_ms(IDLE_MS - 100);
    assert_false(seen.is_responded);
    pass_ms(1100); /* looked at four times in that time */
    assert_int_equal(seen.response.status, 408);
    finish(408, "client_body_timeout");
}

/* ...whose time begins when the client has sent what it was asked for. */
static void test_after_100_the_peer_has_its_time_again(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    upload("expect", "100-continue");
    pass_ms(TRY_MS - 200);
    peer_informs(peer_at(0), 100);
    pass_ms(IDLE_MS - 200);
    client_sends("hello");
    peer_takes(peer_at(0));
    pipe_end(&seen.client.body, NULL);
    pass_ms(TRY_MS - 100);
    assert_false(seen.is_responded);
    peer_answers(peer_at(0), 200, NULL, NULL);
    peer_ends(peer_at(0), "");
    finish(200, NULL);
}

/* It need not wait; who has begun is judged as all others. */
static void test_who_sends_without_100_must_go_on(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    upload("expect", "100-continue");
    client_sends("x");
    peer_takes(peer_at(0));
    pass_ms(IDLE_MS + 1000);
    assert_int_equal(seen.response.status, 408);
    finish(408, "client_body_timeout");
}

/* With a patience that is longer than a try, as by default. */
static void test_a_silent_client_is_no_fault_of_the_peer(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    routes[0].body_idle_ms = 4 * TRY_MS;
    upload(NULL, NULL);
    client_sends("x");
    peer_takes(peer_at(0));
    pass_ms(3 * TRY_MS);
    assert_false(seen.is_responded);
    pass_ms(3 * TRY_MS);
    assert_int_equal(seen.response.status, 408);
    assert_true(peer_at(0)->is_cancelled);
    settle_peers();
    assert_true(peer_at(0)->result.is_client_fault);
    finish(408, "client_body_timeout");
}

static void test_a_silent_peer_is_no_fault_of_the_client(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    upload(NULL, NULL);
    client_sends("x"); /* which is not taken */
    pass_ms(TRY_MS + 600);
    assert_int_equal(seen.response.status, 504);
    settle_peers();
    assert_int_equal(peer_at(0)->result.error, HTTP_ERROR_TIMEOUT);
    finish(504, "try_timeout");
}

/* A call of gRPC: the client may have said what it had to say for now. */
static void test_in_a_conversation_the_peer_is_waited_for(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_POP, "gru1", "{}");
    upload("content-type", "application/grpc+proto");
    client_sends("x");
    peer_takes(peer_at(0));
    pass_ms(IDLE_MS + 500);
    assert_false(seen.is_responded);
    pass_ms(TRY_MS);
    assert_int_equal(seen.response.status, 504);
    finish(504, "try_timeout");
}

/* A PoP has a patience of its own with its clients. */
static void test_the_backbone_judges_no_client(void **state)
{
    (void)state;
    fixture_start(POP_ROLE_GATEWAY, "us-east", "{}");
    from.is_backbone = true;
    from.source.n = GRU1;
    upload(NULL, NULL);
    client_sends("x");
    peer_takes(peer_at(0));
    pass_ms(20 * IDLE_MS);
    assert_false(seen.is_responded);
    client_sends("y");
    peer_takes(peer_at(0));
    pipe_end(&seen.client.body, NULL);
    pass_ms(TRY_MS + 1000);
    assert_int_equal(seen.response.status, 504); /* and then the origin has its own time */
    finish(504, "try_timeout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_for_100_is_not_slow),
        cmocka_unit_test(test_after_100_it_is_the_clients_turn),
        cmocka_unit_test(test_after_100_the_peer_has_its_time_again),
        cmocka_unit_test(test_who_sends_without_100_must_go_on),
        cmocka_unit_test(test_a_silent_client_is_no_fault_of_the_peer),
        cmocka_unit_test(test_a_silent_peer_is_no_fault_of_the_client),
        cmocka_unit_test(test_in_a_conversation_the_peer_is_waited_for),
        cmocka_unit_test(test_the_backbone_judges_no_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
