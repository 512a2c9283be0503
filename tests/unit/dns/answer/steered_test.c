/* SPDX-License-Identifier: Apache-2.0 */
/* What steered names answer, and how that changes when sites are evacuated. */
#include "tests/unit/dns/answer/answer_fixture.h"

static struct fixture fixture;

#define EVACUATED(site) "\"" site "\":{\"mode\":\"evacuated\"}"

struct row {
    const char *name;
    uint16_t type;
    const char *client;
    const char *answer;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct told told = tell(
            &fixture,
            &(struct ask){ .name = rows[i].name, .type = rows[i].type, .client = rows[i].client });
        if (strcmp(told.text.answer, rows[i].answer) != 0)
            print_error("row %zu: %s type %u from %s\n", i, rows[i].name, rows[i].type,
                        rows[i].client);
        assert_string_equal(told.text.head, "NOERROR qr aa rd");
        assert_string_equal(told.text.answer, rows[i].answer);
        /* NODATA has its SOA, everything else has nothing there. */
        assert_int_equal(told.text.authority[0] != '\0', rows[i].answer[0] == '\0');
        assert_int_equal(told.note.is_steered, rows[i].answer[0] != '\0');
        told_free(&told);
    }
}

#define WWW "www.example.com."
#define TWO "two.example.com."
#define MIXED "mixed.example.com."

static void test_build_one_site_for_all_types(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { WWW, TYPE_A, "10.1.2.3", WWW " 60 A 203.0.113.16" },
        { WWW, TYPE_AAAA, "10.1.2.3", WWW " 60 AAAA 2001:db8::16" },
        { WWW, TYPE_HTTPS, "10.1.2.3",
          WWW " 60 HTTPS 1 . alpn=h2,http/1.1 ipv4hint=203.0.113.16 ipv6hint=2001:db8::16" },
        /* all addresses of the site */
        { WWW, TYPE_A, "192.0.2.1", WWW " 60 A 203.0.113.99 | " WWW " 60 A 203.0.113.199" },
        { WWW, TYPE_HTTPS, "192.0.2.1",
          WWW " 60 HTTPS 1 . alpn=h2,http/1.1 ipv4hint=203.0.113.99,203.0.113.199 "
              "ipv6hint=2001:db8::99" },
        /* a site without IPv6 is not swapped for another one with it */
        { WWW, TYPE_A, "127.0.0.1", WWW " 60 A 203.0.113.127" },
        { WWW, TYPE_AAAA, "127.0.0.1", "" },
        { WWW, TYPE_HTTPS, "127.0.0.1",
          WWW " 60 HTTPS 1 . alpn=h2,http/1.1 ipv4hint=203.0.113.127" },
        { "x.y.wild.example.com.", TYPE_A, "10.1.2.3", "x.y.wild.example.com. 60 A 203.0.113.16" },
        { "*.wild.example.com.", TYPE_A, "10.1.2.3", "*.wild.example.com. 60 A 203.0.113.16" },
        { "EXAMPLE.org.", TYPE_A, "10.1.2.3", "EXAMPLE.org. 60 A 203.0.113.16" },
    };
    check(rows, ARRAY_SIZE(rows));
}

static void test_build_several_sites(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { TWO, TYPE_A, "10.1.2.3",
          TWO " 60 A 203.0.113.16 | " TWO " 60 A 203.0.113.99 | " TWO " 60 A 203.0.113.199" },
        { TWO, TYPE_AAAA, "10.1.2.3", TWO " 60 AAAA 2001:db8::16 | " TWO " 60 AAAA 2001:db8::99" },
        { TWO, TYPE_AAAA, "127.0.0.1", TWO " 60 AAAA 2001:db8::99" },
        { TWO, TYPE_HTTPS, "10.9.9.9",
          TWO " 60 HTTPS 1 . alpn=h2 port=8443 ipv4hint=203.0.113.8,203.0.113.99,203.0.113.199 "
              "ipv6hint=2001:db8::8,2001:db8::99" },
    };
    check(rows, ARRAY_SIZE(rows));
}

/* Addresses and a CNAME are never mixed: the first site says which. */
static void test_build_cname_or_addresses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { MIXED, TYPE_A, "10.1.2.3", MIXED " 60 CNAME host.example.com." },
        { MIXED, TYPE_AAAA, "10.1.2.3", MIXED " 60 CNAME host.example.com." },
        { MIXED, TYPE_HTTPS, "10.1.2.3", MIXED " 60 CNAME host.example.com." },
        { MIXED, TYPE_CNAME, "10.1.2.3", MIXED " 60 CNAME host.example.com." },
        { MIXED, TYPE_MX, "10.1.2.3", MIXED " 60 CNAME host.example.com." },
        /* the second of two is left out rather than the third taken in */
        { MIXED, TYPE_A, "192.0.2.1", MIXED " 60 A 203.0.113.99 | " MIXED " 60 A 203.0.113.199" },
        { MIXED, TYPE_CNAME, "192.0.2.1", "" },
        { MIXED, TYPE_MX, "192.0.2.1", "" },
    };
    check(rows, ARRAY_SIZE(rows));
}

static void test_build_moves_with_the_document(void **state)
{
    (void)state;
    fixture_steer(&fixture, EVACUATED("a16"));
    /* the evacuated site's clients go to the next candidate, with the short TTL */
    static const struct row evacuated[] = {
        { WWW, TYPE_A, "10.1.2.3", WWW " 20 A 203.0.113.99 | " WWW " 20 A 203.0.113.199" },
        { WWW, TYPE_AAAA, "10.1.2.3", WWW " 20 AAAA 2001:db8::99" },
        { WWW, TYPE_HTTPS, "10.1.2.3",
          WWW " 20 HTTPS 1 . alpn=h2,http/1.1 ipv4hint=203.0.113.99,203.0.113.199 "
              "ipv6hint=2001:db8::99" },
        { "alias.example.com.", TYPE_AAAA, "10.1.2.3",
          "alias.example.com. 300 CNAME " WWW " | " WWW " 20 AAAA 2001:db8::99" },
        { TWO, TYPE_AAAA, "10.1.2.3", TWO " 20 AAAA 2001:db8::99" },
        /* nobody else notices: the same set elsewhere keeps its TTL */
        { WWW, TYPE_AAAA, "192.0.2.1", WWW " 60 AAAA 2001:db8::99" },
        { WWW, TYPE_A, "10.9.9.9", WWW " 60 A 203.0.113.8" },
    };
    check(evacuated, ARRAY_SIZE(evacuated));
    struct told told =
        tell(&fixture, &(struct ask){ .name = WWW, .type = TYPE_A, .ecs = "10.1.0.0/24" });
    assert_int_equal(told_scope(&told), 16); /* answers move, scopes do not */
    told_free(&told);

    fixture_steer(&fixture, EVACUATED("a99"));
    static const struct row second[] = {
        { MIXED, TYPE_A, "192.0.2.1", MIXED " 20 CNAME host.example.com." },
        { WWW, TYPE_A, "192.0.2.1", WWW " 20 A 203.0.113.8" },
        { WWW, TYPE_A, "127.0.0.1", WWW " 60 A 203.0.113.127" },
    };
    check(second, ARRAY_SIZE(second));
    assert_int_equal(answer_view_alarm_count(fixture.view), 0);

    fixture_steer(&fixture, "");
    static const struct row restored[] = {
        { WWW, TYPE_A, "10.1.2.3", WWW " 60 A 203.0.113.16" },
    };
    check(restored, ARRAY_SIZE(restored));
}

/* Nothing left: the base order, never an empty answer, and an alarm for each cell. */
static void test_build_never_empty(void **state)
{
    (void)state;
    fixture_steer(&fixture, EVACUATED("a127") "," EVACUATED("a4"));
    static const struct row rows[] = {
        { "v4.example.com.", TYPE_A, "10.1.2.3", "v4.example.com. 60 A 203.0.113.127" },
        { "v4.example.com.", TYPE_A, "192.0.2.1", "v4.example.com. 60 A 203.0.113.4" },
    };
    check(rows, ARRAY_SIZE(rows));
    assert_int_equal(answer_view_alarm_count(fixture.view), 2);
    fixture_steer(&fixture, "");
    assert_int_equal(answer_view_alarm_count(fixture.view), 0);
}

/* The length of owner, pointers and counts are right when everything is on the wire at once. */
static void test_build_negative_answers_carry_the_zone(void **state)
{
    (void)state;
    struct told told =
        tell(&fixture, &(struct ask){ .name = WWW, .type = TYPE_AAAA, .client = "127.0.0.1" });
    assert_string_equal(told.text.authority,
                        "example.com. 300 SOA ns1.example.com. hostmaster.example.com. 7 7200 900 "
                        "1209600 300");
    told_free(&told);
    /* behind a CNAME the zone's name is not a suffix of the question's */
    told = tell(
        &fixture,
        &(struct ask){ .name = "cross.example.com.", .type = TYPE_AAAA, .client = "127.0.0.1" });
    assert_string_equal(told.text.answer, "cross.example.com. 3600 CNAME example.org.");
    assert_string_equal(told.text.authority,
                        "example.org. 60 SOA ns1.example.com. root.example.org. 1 2 3 4 60");
    told_free(&told);
}

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build_one_site_for_all_types),
        cmocka_unit_test(test_build_several_sites),
        cmocka_unit_test(test_build_cname_or_addresses),
        cmocka_unit_test(test_build_moves_with_the_document),
        cmocka_unit_test(test_build_never_empty),
        cmocka_unit_test(test_build_negative_answers_carry_the_zone),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
