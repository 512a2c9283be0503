/* SPDX-License-Identifier: Apache-2.0 */
/* How views are built: what they share, what they hold, how long they live. */
#include "tests/unit/dns/answer/answer_fixture.h"

#include <pthread.h>

#include "dns/answer/view_priv.h"

static const char empty_zone[] =
    "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n";

static struct fixture open_zone(struct topology *topology, const char *text)
{
    const struct fixture_zone zone = { "big.test", text };
    struct fixture fixture = { .settings = fixture_settings(), .topology = topology };
    fixture.world = fixture_world(topology);
    fixture.zones = fixture_zones(&zone, 1, topology);
    fixture_steer(&fixture, "");
    return fixture;
}

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
    struct fixture big = open_zone(topology, empty_zone);
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
    struct fixture fixture = open_zone(topology, empty_zone);
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
    struct fixture fixture = open_zone(topology, empty_zone);
    struct told told = tell(&fixture, &(struct ask){ .name = "x.big.test.", .type = TYPE_A });
    assert_string_equal(told.text.answer, "x.big.test. 60 A 203.0.113.8");
    told_free(&told);
    told = tell(&fixture, &(struct ask){ .name = "x.big.test.", .type = TYPE_HTTPS });
    assert_string_equal(told.text.answer, "x.big.test. 60 HTTPS 1 . alpn=h2,h3 port=8443 "
                                          "ipv4hint=203.0.113.8 ipv6hint=2001:db8::8");
    told_free(&told);
    fixture_close(&fixture);
}

/* An answer has one CNAME, whatever the map's number of answers. */
static void test_new_answers_one_cname(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_sites(topology);
    struct site_id other = fixture_site(topology, "cdn2", SITE_REGION, 0, 0, NULL);
    topology->sites[other.n].cname = mem_strdup("edge.other.test.");
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id map = fixture_map(topology, "map", 3, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, map, any, { CDN }, other, { A8 });
    struct map_id addresses = fixture_map(topology, "addresses", 2, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, addresses, any, { A8 }, other, { A16 });
    fixture_name(topology, "x.big.test.", map);
    fixture_name(topology, "y.big.test.", addresses);
    struct fixture fixture = open_zone(topology, empty_zone);
    static const struct {
        const char *name, *answer;
        unsigned site;
    } rows[] = {
        { "x.big.test.", "x.big.test. 60 CNAME host.example.com.", CDN },
        { "y.big.test.", "y.big.test. 60 A 203.0.113.8", A8 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct told told = tell(&fixture, &(struct ask){ .name = rows[i].name, .type = TYPE_A });
        size_t count;
        const struct site_id *sites =
            answer_view_site_set(fixture.view, told.note.site_set, &count);
        assert_string_equal(told.text.answer, rows[i].answer);
        assert_int_equal(count, 1);
        assert_int_equal(sites[0].n, rows[i].site);
        told_free(&told);
    }
    fixture_close(&fixture);
}

/* Neighbours with equal protocols and different ports are different services. */
static void test_new_tells_ports_apart(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_sites(topology);
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id map = fixture_map(topology, "map", 1, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, map, any, { A127 });
    fixture_https_name(topology, "x.big.test.", map, "h2", 0);
    fixture_https_name(topology, "y.big.test.", map, "h2", 8443);
    struct fixture fixture = open_zone(topology, empty_zone);
    struct told told = tell(&fixture, &(struct ask){ .name = "y.big.test.", .type = TYPE_HTTPS });
    assert_string_equal(told.text.answer,
                        "y.big.test. 60 HTTPS 1 . alpn=h2 port=8443 ipv4hint=203.0.113.127");
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
    struct fixture fixture = open_zone(topology_new(), text);
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
    struct fixture fixture = open_zone(topology_new(), text);
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

/* The answer to an MX question over TCP; larger than a `struct told` has text for. */
static ldns_pkt *ask_large(const struct fixture *fixture, size_t *out_len)
{
    struct ask ask = { .name = "many.big.test.", .type = TYPE_MX, .transport = ANSWER_TCP };
    uint8_t query[512];
    uint8_t *message = mem_calloc(WIRE_MAX_BYTES, 1);
    size_t query_len = ask_write(&ask, query);
    memcpy(message, query, query_len);
    const struct answer_request request = {
        .message = message,
        .len = query_len,
        .capacity = WIRE_MAX_BYTES,
        .client = fixture_addr("192.0.2.1"),
        .transport = ANSWER_TCP,
    };
    struct answer_note note;
    ldns_pkt *packet = NULL;
    *out_len = answer_build(fixture->view, &request, &note);
    assert_int_equal(ldns_wire2pkt(&packet, message, *out_len), LDNS_STATUS_OK);
    free(message);
    return packet;
}

static void check_record(const ldns_pkt *packet, size_t index, const char *expected)
{
    char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(packet), index));
    if (strstr(text, expected) == NULL)
        print_error("%s has no '%s'\n", text, expected);
    assert_non_null(strstr(text, expected));
    free(text);
}

/* Names that first come up beyond what a pointer can reach are not pointed at. The first row has
 * its table of known names full by then, the second one nearly empty. */
static void test_build_large_sets_over_tcp(void **state)
{
    (void)state;
    enum { RECORDS = 1300, SAME = 1250 };
    for (int is_same = 0; is_same < 2; is_same++) {
        size_t size = (RECORDS + 5) * 64;
        char *text = mem_calloc(size, 1);
        size_t len = (size_t)snprintf(text, size, "%s", empty_zone);
        for (int i = 0; i < RECORDS; i++) {
            if (is_same && i < SAME)
                len += (size_t)snprintf(text + len, size - len, "many MX %d m\n", i);
            else
                len +=
                    (size_t)snprintf(text + len, size - len, "many MX %d m%d.sub%d\n", i, i, i % 7);
        }
        struct fixture fixture = open_zone(topology_new(), text);
        size_t answer_len;
        ldns_pkt *packet = ask_large(&fixture, &answer_len);
        assert_true(answer_len > 0x4000);
        assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(packet)), RECORDS);
        check_record(packet, RECORDS - 1, "1299 m1299.sub4.big.test.");
        check_record(packet, RECORDS - 8, "1292 m1292.sub4.big.test.");
        check_record(packet, 3, is_same ? "3 m.big.test." : "3 m3.sub3.big.test.");
        ldns_pkt_free(packet);
        free(text);
        fixture_close(&fixture);
    }
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
        cmocka_unit_test(test_new_answers_one_cname),
        cmocka_unit_test(test_new_tells_ports_apart),
        cmocka_unit_test(test_https_init_keeps_whole_protocols),
        cmocka_unit_test(test_build_survives_longest_names),
        cmocka_unit_test(test_build_cuts_long_chains),
        cmocka_unit_test(test_build_large_sets_over_tcp),
        cmocka_unit_test(test_view_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
