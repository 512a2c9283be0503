/* SPDX-License-Identifier: Apache-2.0 */
/* Random events over everything at once. The fakes assert that no peer gets more streams than it
 * allows and that nothing is done with what is gone; here: every asker gets exactly one answer, the
 * counts agree with the records, and at the end nothing is left. */
#include "tests/unit/pop/server/upstream_fakes.h"

enum { ASKERS = 64, STEPS = LIMIT(6000, 2000) };

static struct asker askers[ASKERS];

static bool is_asking(const struct asker *asker)
{
    return asker->waiter.link != NULL || asker->stream != NULL;
}

static struct transport *some_link(struct rng *rng)
{
    size_t first = fakes.link_count > 40 ? fakes.link_count - 40 : 0;
    for (int i = 0; i < 20; i++) {
        struct transport *link = fakes.links[first + rng_below(rng, fakes.link_count - first)];
        if (link->link.is_there && !link->link.is_aborted)
            return link;
    }
    return NULL;
}

static void disturb_link(struct rng *rng, struct transport *link)
{
    bool is_http2 = link->link.has_session && link->link.session.version == HTTP_2;
    if (!link->link.is_opened) {
        if (rng_below(rng, 4) == 0)
            end_link(link, TRANSPORT_REFUSED);
        else if (!link->link.is_closing)
            far_accepts(link);
        return;
    }
    if (!link->link.has_session)
        return;
    switch (rng_below(rng, 8)) {
    case 0:
        end_link(link, TRANSPORT_RESET);
        break;
    case 1:
        if (is_http2)
            far_goes_away(link);
        break;
    case 2:
        link->link.events->on_end(link->link.owner);
        break;
    case 3:
        if (is_http2)
            link->link.peer_streams = (uint32_t)rng_below(rng, 5);
        far_speaks(link);
        break;
    default:
        if (is_http2)
            far_settles(link);
        if (is_http2 && link->link.pings > 0)
            far_pongs(link);
    }
}

static void disturb_asker(struct rng *rng, struct asker *asker)
{
    struct upstream_target target =
        rng_below(rng, 2) == 0 ? region((unsigned)rng_below(rng, 3)) : origin(rng_below(rng, 2));
    if (!is_asking(asker)) {
        ask_as(all.upstream, asker, &target, rng_below(rng, 3) == 0);
        assert_true(asker->leases + asker->lacks + (asker->waiter.link != NULL) == 1);
    } else if (asker->waiter.link != NULL) {
        upstream_cancel(&asker->waiter);
        assert_int_equal(asker->leases + asker->lacks, 0);
    } else {
        struct fake_stream *stream = (struct fake_stream *)(void *)asker->stream;
        asker->status = rng_below(rng, 8) == 0 ? 503 : 200;
        if (rng_below(rng, 6) == 0)
            end_stream(stream, HTTP_ERROR_REFUSED);
        else
            answer(asker);
    }
}

static void reload(struct rng *rng)
{
    all.gateways[US][1].port = (uint16_t)(1002 + rng_below(rng, 2));
    all.sites[EU].gateway_count = rng_below(rng, 3);
    all.node.origin_count = 1 + rng_below(rng, 2);
    all.origins[0].server_count = 1 + rng_below(rng, 2);
    all.origins[1].connections_max = 1 + (uint32_t)rng_below(rng, 3);
    upstream_configure(all.upstream);
}

static void step(struct rng *rng)
{
    uint64_t dice = rng_below(rng, 100);
    struct transport *link = some_link(rng);
    if (dice < 45)
        disturb_asker(rng, &askers[rng_below(rng, ASKERS)]);
    else if (dice < 80 && link != NULL)
        disturb_link(rng, link);
    else if (dice < 97)
        pass(rng_below(rng, dice == 96 ? 3000 : 60));
    else
        reload(rng);
    /* As the loop does after every callback's turn. */
    if (rng_below(rng, 3) == 0)
        pass(0);
}

static void check(void)
{
    uint64_t counts[UPSTREAM_CONN_STATES] = { 0 };
    uint32_t in_flight = 0, streams = 0;
    for (size_t i = 0; i < all.upstream->peer_count; i++) {
        const struct upstream_peer *peer = all.upstream->peers[i];
        in_flight += peer->choice.in_flight;
        uint32_t idle = 0;
        for (const struct upstream_conn *conn = peer->conns; conn != NULL; conn = conn->next) {
            counts[conn->state]++;
            idle += conn->idle_link != NULL;
        }
        assert_int_equal(idle, peer->idle_count);
        for (unsigned state = 0; state < UPSTREAM_CONN_CLOSED; state++)
            assert_true(peer->counts[state] < 1000);
    }
    for (size_t i = 0; i < ASKERS; i++) {
        streams += askers[i].stream != NULL;
        assert_true(askers[i].leases + askers[i].lacks <= 1);
        assert_true(askers[i].ends <= askers[i].leases);
    }
    assert_int_equal(in_flight, streams);
    assert_int_equal(tallied(TALLY_PEER_CONNS_WARM), counts[UPSTREAM_CONN_WARM]);
    assert_int_equal(tallied(TALLY_PEER_CONNS_SUSPECT), counts[UPSTREAM_CONN_SUSPECT]);
    assert_int_equal(tallied(TALLY_PEER_CONNS_DRAINING), counts[UPSTREAM_CONN_DRAINING]);
    assert_int_equal(tallied(TALLY_PEER_CONNS_CONNECTING),
                     counts[UPSTREAM_CONN_CONNECTING] + counts[UPSTREAM_CONN_SETTINGS]);
}

static void test_random_events_keep_the_invariants(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    start();
    memset(askers, 0, sizeof(askers));
    pass(0);
    for (int i = 0; i < STEPS && fakes.link_count < LINKS_MAX - 100; i++) {
        step(&rng);
        check();
    }
    assert_true(tallied(TALLY_LEASES) > STEPS / 20); /* it was about something */
    stop();
    for (size_t i = 0; i < ASKERS; i++)
        assert_false(is_asking(&askers[i]));
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_events_keep_the_invariants) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
