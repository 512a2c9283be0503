/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of origin servers: reuse, growth by demand, stale connections, ejection. */
#include "tests/unit/pop/server/upstream_fakes.h"

enum { H1, H2 };

/* One exchange with the pool, connecting where needed. */
static void run(struct asker *asker, size_t index, uint16_t status)
{
    const struct upstream_target target = origin(index);
    ask(all.upstream, asker, &target);
    asker->status = status;
    pass(0);
    far_accepts_all(index == H2);
    pass(0);
    assert_int_equal(asker->leases, 1);
    if (asker->stream != NULL)
        answer(asker);
    pass(0);
}

static void test_first_request_connects_and_is_no_breach(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &asker, &target);
    assert_int_equal(asker.leases + asker.lacks, 0);
    assert_int_equal(count_there(81) + count_there(82), 1);
    assert_int_equal(far_accepts_all(false), 1);
    assert_int_equal(asker.leases, 1);
    assert_false(asker.lease.is_reused);
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    answer(&asker);
    stop();
}

static void test_connections_are_reused_latest_first(void **state)
{
    (void)state;
    start_warm();
    all.origins[H1].server_count = 1;
    upstream_configure(all.upstream);
    struct asker first, second, third;
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &first, &target);
    ask(all.upstream, &second, &target);
    assert_int_equal(far_accepts_all(false), 2);
    struct transport *a = transport_of(&first), *b = transport_of(&second);
    assert_ptr_not_equal(a, b);
    answer(&second);
    answer(&first);
    ask(all.upstream, &third, &target);
    assert_ptr_equal(transport_of(&third), a);
    assert_true(third.lease.is_reused);
    answer(&third);
    /* Used ones stay, the other grows old. */
    for (int i = 0; i < 31; i++) {
        pass(1000);
        ask(all.upstream, &third, &target);
        assert_int_equal(third.leases, 1);
        assert_ptr_equal(transport_of(&third), a);
        answer(&third);
    }
    assert_false(b->link.is_there);
    assert_true(a->link.is_there);
    pass(31000);
    assert_false(a->link.is_there);
    stop();
}

static void test_servers_share_the_work(void **state)
{
    (void)state;
    start_warm();
    unsigned by_server[2] = { 0 };
    for (int i = 0; i < 100; i++) {
        struct asker asker;
        run(&asker, H1, 200);
        by_server[transport_of(&asker)->link.port - 81]++;
    }
    assert_true(by_server[0] >= 25 && by_server[1] >= 25);
    assert_true(count_there(81) <= 2 && count_there(82) <= 2);
    stop();
}

static void test_connections_max_holds_and_the_queue_is_served_in_order(void **state)
{
    (void)state;
    start_warm();
    enum { ASKERS = 20 };
    static struct asker askers[ASKERS];
    const struct upstream_target target = origin(H1);
    for (int i = 0; i < ASKERS; i++)
        ask(all.upstream, &askers[i], &target);
    far_accepts_all(false);
    pass(0);
    assert_int_equal(count_there(81), 4);
    assert_int_equal(count_there(82), 4);
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].leases, 1);
        for (int k = i + 8; k < ASKERS; k++)
            assert_int_equal(askers[k].leases, 0);
        answer(&askers[i]);
    }
    pass(0);
    assert_true(count_there(81) <= 2 && count_there(82) <= 2); /* idle_max */
    stop();
}

static void test_full_servers_are_told_of(void **state)
{
    (void)state;
    start_warm();
    enum { ASKERS = 9 };
    static struct asker askers[ASKERS];
    const struct upstream_target target = origin(H1);
    for (int i = 0; i < ASKERS; i++)
        ask(all.upstream, &askers[i], &target);
    far_accepts_all(false);
    pass(501);
    assert_int_equal(askers[8].lacks, 1);
    assert_int_equal(askers[8].lack, UPSTREAM_FULL);
    for (int i = 0; i < 8; i++)
        answer(&askers[i]);
    stop();
}

static void test_closed_connections_are_not_chosen(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target target = origin(H1);
    run(&asker, H1, 200);
    struct transport *old = transport_of(&asker);
    old->link.events->on_end(old->link.owner); /* FIN: in the same turn as the next request */
    ask(all.upstream, &asker, &target);
    assert_int_equal(asker.leases, 0);
    far_accepts_all(false);
    assert_int_equal(asker.leases, 1);
    assert_ptr_not_equal(transport_of(&asker), old);
    answer(&asker);
    stop();
}

static void test_refused_connection_moves_on_to_another_server(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &asker, &target);
    assert_int_equal(far_refuses_all(), 1);
    assert_int_equal(asker.lacks, 0);
    assert_int_equal(far_accepts_all(false), 1); /* the other one */
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    stop();
}

static void test_all_refused_is_told_at_once(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &asker, &target);
    assert_int_equal(far_refuses_all() + far_refuses_all(), 2);
    assert_int_equal(asker.lacks, 1);
    assert_int_equal(asker.lack, UPSTREAM_RESTING);
    ask(all.upstream, &asker, &target); /* backing off */
    assert_int_equal(asker.lacks, 1);
    pass(2000);
    ask(all.upstream, &asker, &target);
    far_accepts_all(false);
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    stop();
}

/* While somebody else may serve, an origin that failed is waited for no longer than a connect in
 * the same site takes. */
static void test_doubted_servers_are_waited_for_shortly(void **state)
{
    (void)state;
    start_warm();
    struct asker first, second, third;
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &first, &target);
    far_refuses_all();
    far_refuses_all();
    assert_int_equal(first.lack, UPSTREAM_RESTING);
    pass(2000);
    ask(all.upstream, &first, &target);
    assert_int_equal(first.lacks, 0);
    assert_int_equal(count_there(81) + count_there(82), 1); /* one at a time */
    pass(UPSTREAM_DOUBTED_WAIT_MS / 2);
    ask(all.upstream, &second, &target); /* another server, another connect */
    pass(UPSTREAM_DOUBTED_WAIT_MS / 2 + 1);
    assert_int_equal(first.lack, UPSTREAM_RESTING);
    assert_int_equal(first.lacks, 1);
    pass(UPSTREAM_DOUBTED_WAIT_MS);
    assert_int_equal(second.lacks, 1);
    ask(all.upstream, &third, &target); /* what has been on its way for long is not waited for */
    assert_int_equal(third.lack, UPSTREAM_RESTING);
    assert_int_equal(third.lacks, 1);
    assert_true(far_accepts_all(false) > 0);
    ask(all.upstream, &third, &target);
    assert_int_equal(third.leases, 1);
    answer(&third);
    stop();
}

static void test_last_resort_finds_who_is_back_at_once(void **state)
{
    (void)state;
    start_warm();
    struct asker asker, other;
    const struct upstream_target target = origin(H1);
    for (int i = 0; i < 12; i++) { /* the backoff is long by now */
        ask(all.upstream, &asker, &target);
        far_refuses_all();
        far_refuses_all();
        pass(1000);
    }
    ask(all.upstream, &asker, &target);
    far_refuses_all();
    far_refuses_all();
    ask_as(all.upstream, &asker, &target, true);
    ask_as(all.upstream, &other, &target, true);
    size_t connects = 0;
    for (int i = 0; i < 8; i++) {
        pass(LAST_RESORT_GAP_MS);
        connects += far_refuses_all();
        assert_int_equal(asker.leases + asker.lacks, 0);
    }
    assert_in_range(connects, 4, 16); /* both servers, each once in a gap */
    pass(LAST_RESORT_GAP_MS);
    assert_true(far_accepts_all(false) > 0);
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    assert_int_equal(other.leases, 1);
    answer(&other);
    stop();
}

static void test_last_resort_gives_up_after_acquire(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &asker, &target);
    far_refuses_all();
    far_refuses_all();
    ask_as(all.upstream, &asker, &target, true);
    for (int i = 0; i < 49; i++) {
        far_refuses_all();
        pass(5);
        assert_int_equal(asker.lacks, 0);
    }
    pass(10);
    assert_int_equal(asker.lacks, 1);
    assert_int_equal(asker.lack, UPSTREAM_TIMEOUT);
    stop();
}

/* One server is ejected, the other one dead. */
static void test_last_resort_takes_an_ejected_server(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target target = origin(H1);
    for (int i = 0; i < 200 && tallied(TALLY_EJECTIONS) == 0; i++) {
        ask(all.upstream, &asker, &target);
        far_accepts_all(false);
        pass(0);
        asker.status = transport_of(&asker)->link.port == 81 ? 503 : 200;
        answer(&asker);
        pass(2000);
    }
    assert_int_equal(tallied(TALLY_EJECTIONS), 1);
    for (size_t i = 0; i < fakes.link_count; i++)
        if (fakes.links[i]->link.is_there && fakes.links[i]->link.port == 82)
            end_link(fakes.links[i], TRANSPORT_RESET);
    pass(0);
    ask(all.upstream, &asker, &target);
    far_refuses_all(); /* 82 */
    assert_int_equal(asker.lack, UPSTREAM_RESTING);
    ask_as(all.upstream, &asker, &target, true);
    far_accepts_all(false);
    assert_int_equal(asker.leases, 1);
    assert_int_equal(transport_of(&asker)->link.port, 81);
    assert_true(asker.lease.is_trial);
    asker.status = 503;
    answer(&asker);
    ask(all.upstream, &asker, &target); /* still out */
    assert_int_equal(asker.lack, UPSTREAM_RESTING);
    ask_as(all.upstream, &asker, &target, true);
    assert_int_equal(asker.leases, 1);
    answer(&asker); /* well: it is back */
    ask(all.upstream, &asker, &target);
    assert_int_equal(asker.leases, 1);
    assert_false(asker.lease.is_trial);
    answer(&asker);
    assert_int_equal(tallied(TALLY_TRIALS), 2);
    stop();
}

static void test_failing_server_is_ejected_and_comes_back(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    for (int i = 0; i < 200 && tallied(TALLY_EJECTIONS) == 0; i++) {
        const struct upstream_target target = origin(H1);
        ask(all.upstream, &asker, &target);
        far_accepts_all(false);
        pass(0);
        asker.status = transport_of(&asker)->link.port == 81 ? 503 : 200;
        answer(&asker);
        pass(2000); /* failures make it less likely to be chosen, for a while */
    }
    assert_int_equal(tallied(TALLY_EJECTIONS), 1);
    for (int i = 0; i < 50; i++) {
        run(&asker, H1, 503); /* all are bad now: the last one stays in */
        assert_int_equal(transport_of(&asker)->link.port, 82);
    }
    unsigned back = 0;
    for (int i = 0; i < 50; i++) {
        pass(1000);
        run(&asker, H1, 200);
        back += transport_of(&asker)->link.port == 81;
    }
    assert_true(back > 0);
    stop();
}

static void test_http2_origins_share_one_connection(void **state)
{
    (void)state;
    start_warm();
    all.origins[H2].server_count = 1;
    upstream_configure(all.upstream);
    enum { ASKERS = 30 };
    static struct asker askers[ASKERS];
    const struct upstream_target target = origin(H2);
    for (int i = 0; i < ASKERS; i++)
        ask(all.upstream, &askers[i], &target);
    assert_int_equal(far_accepts_all(true), 1);
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(askers[i].leases, 1);
    pass(0);
    assert_int_equal(count_there(91), 1);
    for (int i = 0; i < ASKERS; i++)
        answer(&askers[i]);
    stop();
}

static void test_tls_by_host_keeps_hosts_apart(void **state)
{
    (void)state;
    static struct tls_context *contexts[2];
    start_warm();
    contexts[H1] = (struct tls_context *)(void *)&all;
    all.settings.tls_origins = contexts;
    all.origins[H1].is_tls = true;
    all.origins[H1].server_count = 1;
    upstream_configure(all.upstream);
    struct asker asker, other;
    run(&asker, H1, 200);
    struct transport *first = transport_of(&asker);
    assert_string_equal(first->link.server_name, "www.example.com");
    memset(&other, 0, sizeof(other));
    other.waiter = (struct upstream_waiter){
        .wish = { .target = origin(H1), .host = STR("[2001:db8::1]") },
        .on_lease = on_lease,
        .on_lack = on_lack,
    };
    upstream_acquire(all.upstream, &other.waiter);
    assert_int_equal(other.leases, 0);
    far_accepts_all(false);
    assert_int_equal(other.leases, 1);
    assert_ptr_not_equal(transport_of(&other), first);
    answer(&other);
    run(&asker, H1, 200);
    assert_ptr_equal(transport_of(&asker), first);
    stop();
}

static void test_reload_to_another_protocol_drains(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    run(&asker, H1, 200);
    struct transport *old = transport_of(&asker);
    all.origins[H1].protocol = POP_ORIGIN_HTTP2;
    upstream_configure(all.upstream);
    pass(0);
    assert_false(old->link.is_there);
    const struct upstream_target target = origin(H1);
    ask(all.upstream, &asker, &target);
    far_accepts_all(true);
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    all.settings.node->origin_count = 1; /* and one goes altogether */
    upstream_configure(all.upstream);
    const struct upstream_target gone = origin(H2);
    ask(all.upstream, &asker, &gone);
    assert_int_equal(asker.lack, UPSTREAM_NO_PEER);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_request_connects_and_is_no_breach),
        cmocka_unit_test(test_connections_are_reused_latest_first),
        cmocka_unit_test(test_servers_share_the_work),
        cmocka_unit_test(test_connections_max_holds_and_the_queue_is_served_in_order),
        cmocka_unit_test(test_full_servers_are_told_of),
        cmocka_unit_test(test_closed_connections_are_not_chosen),
        cmocka_unit_test(test_refused_connection_moves_on_to_another_server),
        cmocka_unit_test(test_all_refused_is_told_at_once),
        cmocka_unit_test(test_doubted_servers_are_waited_for_shortly),
        cmocka_unit_test(test_last_resort_finds_who_is_back_at_once),
        cmocka_unit_test(test_last_resort_gives_up_after_acquire),
        cmocka_unit_test(test_last_resort_takes_an_ejected_server),
        cmocka_unit_test(test_failing_server_is_ejected_and_comes_back),
        cmocka_unit_test(test_http2_origins_share_one_connection),
        cmocka_unit_test(test_tls_by_host_keeps_hosts_apart),
        cmocka_unit_test(test_reload_to_another_protocol_drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
