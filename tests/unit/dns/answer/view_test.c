/* SPDX-License-Identifier: Apache-2.0 */
/* How views are built: what they share, what they hold, how long they live. */
#include "tests/unit/dns/answer/answer_fixture.h"

#include <pthread.h>

#include "dns/answer/view_priv.h"

static void test_new_shares_between_names(void **state)
{
    (void)state;
    enum { NAMES = 100000, TTLS = 3 };
    struct topology *topology = topology_new();
    fixture_sites(topology);
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    uint32_t ten = fixture_area_net(topology, "10.0.0.0/8");
    struct map_id map = fixture_map(topology, "map", 1, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, map, ten, { A8 }, { A99 });
    FIXTURE_RULE(topology, map, any, { A99 }, { A8 });
    topology->names = mem_calloc(NAMES, sizeof(*topology->names));
    topology->name_count = NAMES;
    for (size_t i = 0; i < NAMES; i++) {
        char name[64];
        snprintf(name, sizeof(name), "n%zu.big.test.", i);
        topology->names[i] = (struct steered_name){
            .name = mem_strdup(name),
            .map = map,
            .ttl_s = 60 + (uint32_t)(i % TTLS),
            .ttl_moving_s = 20,
            .uses_ecs = true,
            .https_alpn = mem_strdup(i % 2 == 0 ? "h2" : "h2,http/1.1"),
        };
    }
    static const struct fixture_zone zone = {
        "big.test", "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n"
    };
    struct fixture big = { .settings = fixture_settings(), .topology = topology };
    big.world = fixture_world(topology);
    big.zones = fixture_zones(&zone, 1, topology);
    fixture_steer(&big, "");
    struct told told = tell(&big, &(struct ask){ .name = "n77777.big.test.", .type = TYPE_A });
    assert_string_equal(told.text.answer, "n77777.big.test. 62 A 203.0.113.99 | "
                                          "n77777.big.test. 62 A 203.0.113.199");
    told_free(&told);
    /* 3 TTLs x 2 protocol lists are 6 services, which share one A blob for each TTL and set. */
    uint32_t top = 0;
    for (size_t i = 0; i < NAMES; i++)
        top = big.view->name_services[i] > top ? big.view->name_services[i] : top;
    assert_int_equal(top, TTLS * 2 - 1);
    assert_int_equal(big.view->services[0].tailored[0].blobs[SLOT_A].at,
                     big.view->services[3].tailored[0].blobs[SLOT_A].at);
    fixture_close(&big);
}

static void test_site_sets_are_listed_once(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    size_t total = answer_view_site_set_count(fixture.view);
    assert_true(total > 0);
    for (uint32_t i = 0; i < total; i++) {
        size_t count, other_count;
        const struct site_id *sites = answer_view_site_set(fixture.view, i, &count);
        assert_true(count >= 1 && count <= 2);
        for (uint32_t j = 0; j < i; j++) {
            const struct site_id *other = answer_view_site_set(fixture.view, j, &other_count);
            assert_false(count == other_count && memcmp(sites, other, count * sizeof(*sites)) == 0);
        }
    }
    fixture_close(&fixture);
}

/* A site without addresses and CNAME is no answer: the next candidate is. */
static void test_new_skips_sites_without_data(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_sites(topology);
    struct site_id hollow = fixture_site(topology, "hollow", SITE_REGION, 0, 0, NULL);
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id one = fixture_map(topology, "one", 1, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, one, any, hollow, { A8 });
    struct map_id none = fixture_map(topology, "none", 1, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, none, any, hollow);
    fixture_name(topology, "one.big.test.", one);
    fixture_name(topology, "none.big.test.", none);
    static const struct fixture_zone zone = {
        "big.test", "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n"
    };
    struct fixture fixture = { .settings = fixture_settings(), .topology = topology };
    fixture.world = fixture_world(topology);
    fixture.zones = fixture_zones(&zone, 1, topology);
    fixture_steer(&fixture, "");
    struct told told = tell(&fixture, &(struct ask){ .name = "one.big.test.", .type = TYPE_A });
    assert_string_equal(told.text.answer, "one.big.test. 60 A 203.0.113.8");
    told_free(&told);
    told = tell(&fixture, &(struct ask){ .name = "none.big.test.", .type = TYPE_A });
    assert_string_equal(told.text.head, "NOERROR qr aa rd");
    assert_string_equal(told.text.answer, "");
    told_free(&told);
    fixture_close(&fixture);
}

/* Two sites with one address: a record set holds it once. */
static void test_new_merges_equal_addresses(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_sites(topology);
    struct site_id twin = fixture_site(topology, "twin", SITE_REGION, 0, 0, "203.0.113.8");
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id map = fixture_map(topology, "map", 2, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, map, any, { A8 }, twin);
    fixture_https_name(topology, "x.big.test.", map, " h2 ,, h3", 8443);
    static const struct fixture_zone zone = {
        "big.test", "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n"
    };
    struct fixture fixture = { .settings = fixture_settings(), .topology = topology };
    fixture.world = fixture_world(topology);
    fixture.zones = fixture_zones(&zone, 1, topology);
    fixture_steer(&fixture, "");
    struct told told = tell(&fixture, &(struct ask){ .name = "x.big.test.", .type = TYPE_A });
    assert_string_equal(told.text.answer, "x.big.test. 60 A 203.0.113.8");
    told_free(&told);
    told = tell(&fixture, &(struct ask){ .name = "x.big.test.", .type = TYPE_HTTPS });
    assert_string_equal(told.text.answer, "x.big.test. 60 HTTPS 1 . alpn=h2,h3 port=8443 "
                                          "ipv4hint=203.0.113.8 ipv6hint=2001:db8::8");
    told_free(&told);
    fixture_close(&fixture);
}

static void test_https_init_keeps_whole_protocols(void **state)
{
    (void)state;
    struct view_https https;
    view_https_init(&https, "", 443);
    assert_int_equal(https.alpn_len, 0);
    assert_int_equal(https.port, 443);
    char text[600] = "";
    for (int i = 0; i < 100; i++)
        strncat(text, "h2345,", sizeof(text) - strlen(text) - 1);
    view_https_init(&https, text, 0);
    assert_int_equal(https.alpn_len, 252); /* 42 of 6 octets */
}

/* Names as long as names can be in every place. */
static void test_build_survives_longest_names(void **state)
{
    (void)state;
    enum { LABELS = 100 };
    char owner[512] = "", text[8192];
    for (int i = 0; i < LABELS; i++)
        strncat(owner, "x.", sizeof(owner) - strlen(owner) - 1);
    strncat(owner, "big.test.", sizeof(owner) - strlen(owner) - 1);
    snprintf(text, sizeof(text),
             "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n"
             "%s CNAME y.%s\ny.%s CNAME z.%s\nz.%s MX 1 m.%s\n",
             owner, owner, owner, owner, owner, owner);
    const struct fixture_zone zone = { "big.test", text };
    struct fixture fixture = { .settings = fixture_settings(), .topology = topology_new() };
    fixture.world = fixture_world(fixture.topology);
    fixture.zones = fixture_zones(&zone, 1, NULL);
    fixture_steer(&fixture, "");
    struct told told = tell(&fixture, &(struct ask){ .name = owner, .type = TYPE_MX });
    assert_string_equal(told.text.head, "NOERROR qr aa rd");
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), 3);
    char expected[1200];
    snprintf(expected, sizeof(expected), "z.%s 60 MX 1 m.%s", owner, owner);
    assert_non_null(strstr(told.text.answer, expected));
    told_free(&told);
    fixture_close(&fixture);
}

/* A CNAME chain longer than we follow, and one with records beyond the reach of pointers. */
static void test_build_cuts_long_chains(void **state)
{
    (void)state;
    char text[8192];
    size_t len = (size_t)snprintf(
        text, sizeof(text),
        "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\nc40 A 1.2.3.4\n");
    for (int i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "c%d CNAME c%d\n", i, i + 1);
    const struct fixture_zone zone = { "big.test", text };
    struct fixture fixture = { .settings = fixture_settings(), .topology = topology_new() };
    fixture.world = fixture_world(fixture.topology);
    fixture.zones = fixture_zones(&zone, 1, NULL);
    fixture_steer(&fixture, "");
    struct ask ask = { .name = "c0.big.test.", .type = TYPE_A, .transport = ANSWER_TCP };
    struct told told = tell(&fixture, &ask);
    assert_string_equal(told.text.head, "NOERROR qr aa rd");
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), 16);
    assert_non_null(strstr(told.text.answer, "c15.big.test. 60 CNAME c16.big.test."));
    told_free(&told);
    ask.name = "c25.big.test.";
    told = tell(&fixture, &ask);
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), 16);
    assert_non_null(strstr(told.text.answer, "c40.big.test. 60 A 1.2.3.4"));
    told_free(&told);
    fixture_close(&fixture);
}

/* A set so large that its later names lie beyond what a pointer can reach. */
static void test_build_large_sets_over_tcp(void **state)
{
    (void)state;
    enum { RECORDS = 1200 };
    size_t size = RECORDS * 64, len = 0;
    char *text = mem_calloc(size, 1);
    len += (size_t)snprintf(
        text, size, "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 1.2.3.4\n");
    for (int i = 0; i < RECORDS; i++)
        len += (size_t)snprintf(text + len, size - len, "many MX %d m%d.sub%d.big.test.\n", i, i,
                                i % 7);
    const struct fixture_zone zone = { "big.test", text };
    struct fixture fixture = { .settings = fixture_settings(), .topology = topology_new() };
    fixture.world = fixture_world(fixture.topology);
    fixture.zones = fixture_zones(&zone, 1, NULL);
    fixture_steer(&fixture, "");
    struct ask ask = { .name = "many.big.test.", .type = TYPE_MX, .transport = ANSWER_TCP };
    uint8_t query[512];
    size_t query_len = ask_write(&ask, query);
    uint8_t *message = mem_calloc(WIRE_MAX_BYTES, 1);
    memcpy(message, query, query_len);
    const struct answer_request request = { .message = message,
                                            .len = query_len,
                                            .capacity = WIRE_MAX_BYTES,
                                            .client = fixture_addr("192.0.2.1"),
                                            .transport = ANSWER_TCP };
    struct answer_note note;
    size_t answer_len = answer_build(fixture.view, &request, &note);
    assert_true(answer_len > 0x4000);
    ldns_pkt *packet = NULL;
    assert_int_equal(ldns_wire2pkt(&packet, message, answer_len), LDNS_STATUS_OK);
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(packet)), RECORDS);
    char *last = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(packet), RECORDS - 1));
    assert_non_null(strstr(last, "1199 m1199.sub2.big.test."));
    free(last);
    ldns_pkt_free(packet);
    free(message);
    free(text);
    fixture_close(&fixture);
}

static void *hold_and_drop(void *context)
{
    struct answer_view *view = context;
    for (int i = 0; i < 1000; i++)
        answer_view_unref(answer_view_ref(view));
    answer_view_unref(view);
    return NULL;
}

static void test_view_is_counted(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    assert_ptr_equal(answer_view_zones(fixture.view), fixture.zones);
    assert_int_equal(answer_view_snapshot(fixture.view)->document->generation, 418);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, hold_and_drop, answer_view_ref(fixture.view));
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    answer_view_unref(NULL);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_shares_between_names),
        cmocka_unit_test(test_site_sets_are_listed_once),
        cmocka_unit_test(test_new_skips_sites_without_data),
        cmocka_unit_test(test_new_merges_equal_addresses),
        cmocka_unit_test(test_https_init_keeps_whole_protocols),
        cmocka_unit_test(test_build_survives_longest_names),
        cmocka_unit_test(test_build_cuts_long_chains),
        cmocka_unit_test(test_build_large_sets_over_tcp),
        cmocka_unit_test(test_view_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
