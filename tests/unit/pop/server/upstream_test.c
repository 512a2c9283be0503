/* SPDX-License-Identifier: Apache-2.0 */
/* The backbone: floor, choice, waiting, liveness, replacement, reload, close. */
#include "tests/unit/pop/server/upstream_fakes.h"

static void test_floor_is_warm_only_after_settings_both_ways(void **state)
{
    (void)state;
    start();
    pass(0);
    assert_false(upstream_is_warm(all.upstream));
    assert_true(count_there(0) >= 2);
    struct transport *first = fakes.links[0];
    assert_string_equal(first->link.server_name, first->link.port < 2000 ? "us.id" : "eu.id");
    far_accepts(first);
    first->link.session_events->session.on_settings(first->link.session.owner);
    assert_int_equal(tallied(TALLY_PEER_CONNS_WARM), 0);
    first->link.session_events->session.on_settings_ack(first->link.session.owner);
    assert_int_equal(tallied(TALLY_PEER_CONNS_WARM), 1);
    for (int i = 0; i < 20; i++) {
        pass(0);
        far_accepts_all(true);
    }
    pass(0);
    assert_true(upstream_is_warm(all.upstream));
    assert_int_equal(all.warm_calls, 1);
    assert_int_equal(tallied(TALLY_FLOOR_DEFICIT), 0);
    /* Never all on one instance. */
    assert_true(count_there(1001) > 0 && count_there(1002) > 0);
    stop();
}

static void test_settings_that_never_come_end_the_connection(void **state)
{
    (void)state;
    start();
    pass(0);
    far_accepts(fakes.links[0]);
    pass(1999);
    assert_true(fakes.links[0]->link.is_there);
    pass(2);
    assert_false(fakes.links[0]->link.is_there);
    assert_true(tallied(TALLY_CONNECTS_FAILED) >= 1);
    stop();
}

static void test_acquire_spreads_over_instances_without_waiting(void **state)
{
    (void)state;
    start_warm();
    enum { ASKERS = 40 };
    static struct asker askers[ASKERS];
    unsigned by_instance[2] = { 0 };
    const struct upstream_target us = region(US);
    for (int i = 0; i < ASKERS; i++) {
        ask(all.upstream, &askers[i], &us);
        assert_int_equal(askers[i].leases, 1);
        assert_true(askers[i].lease.is_reused);
        by_instance[transport_of(&askers[i])->link.port - 1001]++;
    }
    assert_true(by_instance[0] >= ASKERS / 4 && by_instance[1] >= ASKERS / 4);
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    for (int i = 0; i < ASKERS; i++)
        answer(&askers[i]);
    stop();
}

static void test_acquire_avoids_what_was_tried(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker first, second, third;
    ask(all.upstream, &first, &us);
    memset(&second, 0, sizeof(second));
    second.waiter = (struct upstream_waiter){ .wish = { .target = us, .tried_count = 1 },
                                              .on_lease = on_lease,
                                              .on_lack = on_lack };
    second.waiter.wish.tried[0] = first.lease.peer;
    for (int i = 0; i < 20; i++) {
        upstream_acquire(all.upstream, &second.waiter);
        assert_int_not_equal(second.lease.peer, first.lease.peer);
        answer(&second);
    }
    third = second;
    third.lacks = 0;
    third.waiter.wish.tried_count = 2;
    third.waiter.wish.tried[1] = second.lease.peer;
    upstream_acquire(all.upstream, &third.waiter);
    assert_int_equal(third.lacks, 1);
    assert_int_equal(third.lack, UPSTREAM_NO_PEER);
    answer(&first);
    stop();
}

static void test_acquire_without_gateways_has_no_peer(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    const struct upstream_target asia = region(ASIA), nowhere = region(99);
    ask(all.upstream, &asker, &asia);
    assert_int_equal(asker.lack, UPSTREAM_NO_PEER);
    ask(all.upstream, &asker, &nowhere);
    assert_int_equal(asker.lacks, 1);
    stop();
}

static void test_acquire_waits_in_order_for_what_is_on_its_way(void **state)
{
    (void)state;
    start();
    pass(0);
    const struct upstream_target us = region(US);
    struct asker askers[3], cancelled;
    ask(all.upstream, &cancelled, &us);
    for (int i = 0; i < 3; i++)
        ask(all.upstream, &askers[i], &us);
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 4);
    upstream_cancel(&cancelled.waiter);
    upstream_cancel(&cancelled.waiter);
    struct transport *link = fakes.links[0]->link.port < 2000 ? fakes.links[0] : fakes.links[1];
    assert_true(link->link.port < 2000);
    link->link.peer_streams = 2;
    far_accepts(link);
    far_settles(link);
    assert_int_equal(askers[0].leases, 1);
    assert_int_equal(askers[1].leases, 1);
    assert_int_equal(askers[2].leases, 0); /* the peer takes two */
    answer(&askers[0]);
    assert_int_equal(askers[2].leases, 1); /* a stream ended */
    answer(&askers[1]);
    answer(&askers[2]);
    assert_int_equal(cancelled.leases + cancelled.lacks, 0);
    stop();
}

static void test_acquire_gives_up_after_its_time(void **state)
{
    (void)state;
    start();
    pass(0);
    const struct upstream_target us = region(US);
    struct asker asker;
    ask(all.upstream, &asker, &us);
    pass(249);
    assert_int_equal(asker.lacks, 0);
    pass(2);
    assert_int_equal(asker.lacks, 1);
    assert_int_equal(asker.lack, UPSTREAM_TIMEOUT);
    stop();
}

static void test_last_resort_waits_for_a_dead_region(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    for (size_t i = 0; i < fakes.link_count; i++)
        if (fakes.links[i]->link.is_there && fakes.links[i]->link.port < 2000)
            end_link(fakes.links[i], TRANSPORT_RESET);
    for (int i = 0; i < 40; i++) {
        pass(300);
        far_refuses_all();
    }
    struct asker asker;
    ask(all.upstream, &asker, &us);
    assert_int_equal(asker.lack, UPSTREAM_RESTING);
    size_t made = fakes.link_count;
    ask_as(all.upstream, &asker, &us, true);
    for (int i = 0; i < 4; i++) {
        pass(LAST_RESORT_GAP_MS);
        far_refuses_all();
    }
    assert_in_range(fakes.link_count - made, 2, 10);
    assert_int_equal(asker.lacks, 0);
    pass(LAST_RESORT_GAP_MS);
    far_accepts_all(true);
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    stop();
}

static void test_acquire_does_not_wait_for_a_dead_region(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    for (size_t i = 0; i < fakes.link_count; i++)
        if (fakes.links[i]->link.is_there && fakes.links[i]->link.port < 2000)
            end_link(fakes.links[i], TRANSPORT_RESET);
    struct asker asker;
    ask(all.upstream, &asker, &us); /* eu is warm: better than a handshake with who knows whom */
    assert_int_equal(asker.lack, UPSTREAM_RESTING);
    for (int i = 0; i < 3; i++) {
        pass(0);
        far_refuses_all();
    }
    ask(all.upstream, &asker, &us);
    assert_int_equal(asker.lacks, 1);
    assert_int_equal(asker.lack, UPSTREAM_RESTING);
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    /* It comes back, and is warm again without being asked. */
    for (int i = 0; i < 60; i++) {
        pass(1000);
        far_accepts_all(true);
    }
    ask(all.upstream, &asker, &us);
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    stop();
}

static void test_failures_are_backed_off(void **state)
{
    (void)state;
    start();
    size_t tries = 0;
    for (int i = 0; i < 600; i++) { /* a minute */
        pass(100);
        tries += far_refuses_all();
    }
    assert_true(tries >= 4 * 6);
    assert_true(tries < 4 * 75);
    assert_int_equal(tallied(TALLY_CONNECTS_FAILED), tries);
    stop();
}

static void test_goaway_is_replaced_and_the_old_one_finishes(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker asker, other;
    ask(all.upstream, &asker, &us);
    struct transport *old = transport_of(&asker);
    far_goes_away(old);
    assert_int_equal(tallied(TALLY_GOAWAYS), 1);
    assert_int_equal(tallied(TALLY_PEER_CONNS_DRAINING), 1);
    pass(0);
    assert_true(far_accepts_all(true) >= 1);
    for (int i = 0; i < 10; i++) {
        ask(all.upstream, &other, &us);
        assert_int_equal(other.leases, 1);
        assert_ptr_not_equal(transport_of(&other), old);
        answer(&other);
    }
    for (int i = 0; i < 50; i++) {
        pass(100);
        far_speaks(old);
    }
    assert_true(old->link.is_there);
    answer(&asker);
    assert_int_equal(asker.error, HTTP_ERROR_NONE);
    pass(1);
    assert_false(old->link.is_there);
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    stop();
}

static void test_connections_are_replaced_before_their_age(void **state)
{
    (void)state;
    start();
    all.node.backbone.max_age_ms = 60000;
    for (int i = 0; i < 20; i++) {
        pass(0);
        far_accepts_all(true);
    }
    size_t before = fakes.link_count;
    const struct upstream_target us = region(US), eu = region(EU);
    for (int second = 0; second < 180; second++) {
        struct asker asker;
        pass(1000);
        far_accepts_all(true);
        for (size_t i = 0; i < fakes.link_count; i++)
            if (fakes.links[i]->link.is_there && fakes.links[i]->link.pings > 0)
                far_pongs(fakes.links[i]);
        ask(all.upstream, &asker, &us);
        assert_int_equal(asker.leases, 1);
        answer(&asker);
        ask(all.upstream, &asker, &eu);
        assert_int_equal(asker.leases, 1);
        answer(&asker);
    }
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    assert_true(fakes.link_count > before + 4);
    for (size_t i = 0; i < before; i++)
        assert_false(fakes.links[i]->link.is_there);
    stop();
}

static void test_growth_ahead_of_need(void **state)
{
    (void)state;
    start_warm();
    enum { ASKERS = 380 };
    static struct asker askers[ASKERS];
    const struct upstream_target us = region(US);
    for (int i = 0; i < ASKERS; i++) {
        ask(all.upstream, &askers[i], &us);
        assert_int_equal(askers[i].leases, 1);
        pass(5);
        far_accepts_all(true);
        for (size_t k = 0; k < fakes.link_count; k++)
            if (fakes.links[k]->link.is_there && fakes.links[k]->link.pings > 0)
                far_pongs(fakes.links[k]);
    }
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    assert_true(count_there(1001) + count_there(1002) >= 5);
    for (int i = 0; i < ASKERS; i++)
        answer(&askers[i]);
    stop();
}

static struct upstream_conn *conn_of(const struct transport *transport)
{
    return transport->link.owner;
}

static void test_silence_is_asked_suspected_and_ended(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker asker, other;
    ask(all.upstream, &asker, &us);
    struct transport *dead = transport_of(&asker);
    uint64_t begun_ms = fakes.io->now_ms;
    while (dead->link.pings == 0)
        pass(1);
    assert_true(fakes.io->now_ms - begun_ms <= 300);
    while (conn_of(dead)->state == UPSTREAM_CONN_WARM)
        pass(1);
    assert_int_equal(conn_of(dead)->state, UPSTREAM_CONN_SUSPECT);
    far_accepts_all(true);
    for (int i = 0; i < 10; i++) {
        ask(all.upstream, &other, &us);
        assert_ptr_not_equal(transport_of(&other), dead);
        answer(&other);
    }
    while (asker.ends == 0) {
        pass(1);
        for (size_t i = 0; i < fakes.link_count; i++)
            if (fakes.links[i] != dead && fakes.links[i]->link.is_there &&
                fakes.links[i]->link.has_session)
                far_speaks(fakes.links[i]);
    }
    assert_true(asker.was_ping_dead);
    assert_int_equal(asker.error, HTTP_ERROR_CLOSED);
    assert_true(fakes.io->now_ms - begun_ms <= 900);
    assert_int_equal(tallied(TALLY_PING_TIMEOUTS), 1);
    stop();
}

static void test_suspects_are_used_rather_than_waited_for(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker askers[30], last;
    for (int i = 0; i < 30; i++)
        ask(all.upstream, &askers[i], &us); /* on all connections */
    while (tallied(TALLY_PEER_CONNS_SUSPECT) < 2)
        pass(1);
    ask(all.upstream, &last, &us);
    assert_int_equal(last.leases, 1);
    assert_int_equal(tallied(TALLY_WAITED_FOR_CONNECT), 0);
    struct transport *link = transport_of(&last);
    far_speaks(link);
    assert_int_equal(conn_of(link)->state, UPSTREAM_CONN_WARM);
    answer(&last);
    pass(2000);
    stop();
}

static void test_our_own_pause_is_no_silence(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker asker;
    ask(all.upstream, &asker, &us);
    struct transport *link = transport_of(&asker);
    while (link->link.pings == 0)
        pass(1);
    /* We were stopped for three seconds: timers fire first, then the answers are read. */
    set_time(fakes.io->now_ms + 3000);
    pass(0);
    far_pongs(link);
    pass(20);
    assert_int_equal(asker.ends, 0);
    assert_int_equal(conn_of(link)->state, UPSTREAM_CONN_WARM);
    answer(&asker);
    stop();
}

static void test_reload_keeps_what_stays(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker askers[10];
    size_t kept = count_there(1001);
    assert_true(kept > 0);
    for (int i = 0; i < 10; i++)
        ask(all.upstream, &askers[i], &us);
    size_t links = fakes.link_count;
    all.gateways[US][1].port = 1003; /* 1002 goes, 1003 comes */
    upstream_configure(all.upstream);
    pass(0);
    far_accepts_all(true);
    pass(0);
    assert_true(count_there(1003) > 0);
    assert_true(fakes.link_count > links);
    assert_int_equal(count_there(1001), kept);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(askers[i].ends, 0);
        answer(&askers[i]);
        assert_int_equal(askers[i].error, HTTP_ERROR_NONE);
    }
    pass(1);
    assert_int_equal(count_there(1002), 0);
    all.gateways[US][1].port = 1002; /* and back */
    upstream_configure(all.upstream);
    pass(0);
    far_accepts_all(true);
    pass(1);
    assert_int_equal(count_there(1003), 0);
    assert_true(count_there(1002) > 0);
    assert_int_equal(all.settings.refs >= 2, 1);
    stop();
}

/* A request that began before a reload is tried again after it. */
static void test_reload_renumbers_what_old_requests_wish(void **state)
{
    (void)state;
    struct topology topology;
    struct world world = { .topology = &topology };
    struct pop_origin origins[2];
    struct pop_node node;
    struct settings settings;
    struct asker asker;
    start_warm();
    struct site *sites = mem_dup(all.sites, sizeof(all.sites));
    sites[US] = all.sites[EU];
    sites[EU] = all.sites[US];
    origins[0] = all.origins[1]; /* "h2"; and "h1" is no more */
    topology = all.topology;
    topology.sites = sites;
    node = all.node;
    node.origins = origins;
    node.origin_count = 1;
    settings = all.settings;
    settings.world = &world;
    settings.node = &node;
    settings.refs = 1;
    all.worker.settings = &settings;
    upstream_configure(all.upstream);
    static const struct {
        struct upstream_target target;
        const char *peer; /* NULL: none */
    } rows[] = {
        { { .region = { US } }, "us/" },
        { { .region = { EU } }, "eu/" },
        { { .is_origin = true, .origin = 1 }, "h2/" },
        { { .is_origin = true, .origin = 0 }, NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ask_by(all.upstream, &asker, &rows[i].target, &all.settings);
        far_accepts_all(true);
        pass(0);
        assert_int_equal(asker.leases, rows[i].peer != NULL);
        if (rows[i].peer == NULL) {
            assert_int_equal(asker.lack, UPSTREAM_NO_PEER);
            continue;
        }
        assert_true(str_starts_with(str_from(asker.lease.peer_name), str_from(rows[i].peer)));
        answer(&asker);
        pass(0);
    }
    stop();
    assert_int_equal(settings.refs, 1);
    free(sites);
}

static void test_set_regions_moves_the_floor(void **state)
{
    (void)state;
    start_warm();
    const struct site_id ordered[] = { { EU }, { US } };
    size_t before = count_there(2001) + count_there(2002);
    all.node.backbone.floor = 4;
    upstream_set_regions(all.upstream, ordered, 2);
    assert_false(upstream_is_warm(all.upstream));
    for (int i = 0; i < 10; i++) {
        pass(0);
        far_accepts_all(true);
    }
    pass(0);
    assert_true(upstream_is_warm(all.upstream));
    assert_true(count_there(2001) + count_there(2002) > before);
    assert_int_equal(all.warm_calls, 1); /* once only */
    stop();
}

static void test_close_waits_for_streams_but_not_for_ever(void **state)
{
    (void)state;
    start_warm();
    const struct upstream_target us = region(US);
    struct asker ends, hangs, late;
    ask(all.upstream, &ends, &us);
    ask(all.upstream, &hangs, &us);
    upstream_close(all.upstream, on_closed, NULL);
    ask(all.upstream, &late, &us);
    assert_int_equal(late.lack, UPSTREAM_NO_PEER);
    pass(100);
    answer(&ends);
    assert_int_equal(ends.error, HTTP_ERROR_NONE);
    pass(500);
    assert_int_equal(all.closed_calls, 0);
    for (int i = 0; i < 20; i++) {
        pass(100);
        if (hangs.ends == 0)
            far_speaks(transport_of(&hangs));
    }
    pass(1000);
    assert_int_equal(hangs.error, HTTP_ERROR_CLOSED);
    assert_int_equal(all.closed_calls, 1);
    upstream_free(all.upstream);
}

static void test_websocket_needs_a_peer_that_takes_it(void **state)
{
    (void)state;
    start_warm();
    struct asker asker;
    memset(&asker, 0, sizeof(asker));
    asker.waiter = (struct upstream_waiter){
        .wish = { .target = region(US), .needs_websocket = true },
        .on_lease = on_lease,
        .on_lack = on_lack,
    };
    upstream_acquire(all.upstream, &asker.waiter);
    assert_int_equal(asker.lack, UPSTREAM_NO_WEBSOCKET);
    for (size_t i = 0; i < fakes.link_count; i++)
        fakes.links[i]->link.peer_streams = 99; /* the fake's sign */
    upstream_acquire(all.upstream, &asker.waiter);
    assert_int_equal(asker.leases, 1);
    answer(&asker);
    stop();
}

static void test_status_tells_of_every_peer(void **state)
{
    (void)state;
    start_warm();
    json_t *status = upstream_status(all.upstream);
    assert_int_equal(json_array_size(status), 8);
    const json_t *row = json_array_get(status, 0);
    assert_true(str_eq_text(json_get_str(row, "peer"), "us/127.0.0.1:1001"));
    assert_true(json_get_int(json_object_get(row, "connections"), "warm", 0) >= 1);
    assert_int_equal(json_get_int(row, "region_floor", 0), 2);
    json_decref(status);
    stop();
}

static void test_moves_are_as_drawn(void **state)
{
    (void)state;
    static const struct {
        enum upstream_conn_state from;
        const char *to;
    } table[] = {
        { UPSTREAM_CONN_CONNECTING, "settings warm closed" },
        { UPSTREAM_CONN_SETTINGS, "warm closed" },
        { UPSTREAM_CONN_WARM, "suspect draining closed" },
        { UPSTREAM_CONN_SUSPECT, "warm draining closed" },
        { UPSTREAM_CONN_DRAINING, "closed" },
        { UPSTREAM_CONN_CLOSED, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        for (unsigned to = 0; to < UPSTREAM_CONN_STATES; to++)
            assert_int_equal(upstream_conn_may_move(table[i].from, to),
                             strstr(table[i].to, upstream_conn_state_name(to)) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floor_is_warm_only_after_settings_both_ways),
        cmocka_unit_test(test_settings_that_never_come_end_the_connection),
        cmocka_unit_test(test_acquire_spreads_over_instances_without_waiting),
        cmocka_unit_test(test_acquire_avoids_what_was_tried),
        cmocka_unit_test(test_acquire_without_gateways_has_no_peer),
        cmocka_unit_test(test_acquire_waits_in_order_for_what_is_on_its_way),
        cmocka_unit_test(test_acquire_gives_up_after_its_time),
        cmocka_unit_test(test_acquire_does_not_wait_for_a_dead_region),
        cmocka_unit_test(test_last_resort_waits_for_a_dead_region),
        cmocka_unit_test(test_failures_are_backed_off),
        cmocka_unit_test(test_goaway_is_replaced_and_the_old_one_finishes),
        cmocka_unit_test(test_connections_are_replaced_before_their_age),
        cmocka_unit_test(test_growth_ahead_of_need),
        cmocka_unit_test(test_silence_is_asked_suspected_and_ended),
        cmocka_unit_test(test_suspects_are_used_rather_than_waited_for),
        cmocka_unit_test(test_our_own_pause_is_no_silence),
        cmocka_unit_test(test_reload_keeps_what_stays),
        cmocka_unit_test(test_reload_renumbers_what_old_requests_wish),
        cmocka_unit_test(test_set_regions_moves_the_floor),
        cmocka_unit_test(test_close_waits_for_streams_but_not_for_ever),
        cmocka_unit_test(test_websocket_needs_a_peer_that_takes_it),
        cmocka_unit_test(test_status_tells_of_every_peer),
        cmocka_unit_test(test_moves_are_as_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
