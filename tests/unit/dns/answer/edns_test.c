/* SPDX-License-Identifier: Apache-2.0 */
/* Header, EDNS and size rules; the questions of the public EDNS compliance lists are rows here. */
#include "tests/unit/dns/answer/answer_fixture.h"

static struct fixture fixture;

enum {
    NSID = 3,
    ECS = 8,
    KEEPALIVE = 11,
    EDE = 15,
    DO = 0x8000,
};
#define NSID_OPTION "\0\3\0\0"
#define KEEPALIVE_OPTION "\0\13\0\0"
#define COOKIE_OPTION "\0\12\0\10abcdefgh"
#define UNKNOWN_OPTION "\0\144\0\2hi"
#define OPTIONS(text) .options = text, .options_len = sizeof(text) - 1

/* rule zero: one table, whose rows are read side by side. */
static void test_build_edns_compliance(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct ask ask;
        const char *head;
        size_t answers;
        bool has_opt;
        uint16_t opt_flags;
        size_t options_len;
    } rows[] = {
        { "plain DNS gets no OPT", { .type = TYPE_A }, "NOERROR qr aa rd", 2, false, 0, 0 },
        { "empty OPT", { .type = TYPE_A, .has_edns = true }, "NOERROR qr aa rd", 2, true, 0, 0 },
        { "unknown version",
          { .type = TYPE_A, .has_edns = true, .edns_ttl = 0x00010000 },
          "BADVERS qr rd",
          0,
          true,
          0,
          0 },
        { "unknown option is ignored",
          { .type = TYPE_A, OPTIONS(UNKNOWN_OPTION) },
          "NOERROR qr aa rd",
          2,
          true,
          0,
          0 },
        { "unknown flag is not echoed",
          { .type = TYPE_A, .has_edns = true, .edns_ttl = 0x40 },
          "NOERROR qr aa rd",
          2,
          true,
          0,
          0 },
        { "DO is echoed",
          { .type = TYPE_A, .has_edns = true, .edns_ttl = DO },
          "NOERROR qr aa rd",
          2,
          true,
          DO,
          0 },
        { "unknown version with an unknown option",
          { .type = TYPE_A, .edns_ttl = 0x00010000, OPTIONS(UNKNOWN_OPTION) },
          "BADVERS qr rd",
          0,
          true,
          0,
          0 },
        { "unknown version, DO and NSID",
          { .type = TYPE_A, .edns_ttl = 0x00018000, OPTIONS(NSID_OPTION) },
          "BADVERS qr rd",
          0,
          true,
          DO,
          0 },
        { "cookies are not spoken",
          { .type = TYPE_A, OPTIONS(COOKIE_OPTION) },
          "NOERROR qr aa rd",
          2,
          true,
          0,
          0 },
        { "NSID is told when asked for",
          { .type = TYPE_A, OPTIONS(NSID_OPTION) },
          "NOERROR qr aa rd",
          2,
          true,
          0,
          4 + 6 },
        { "keepalive over UDP is ignored",
          { .type = TYPE_A, OPTIONS(KEEPALIVE_OPTION) },
          "NOERROR qr aa rd",
          2,
          true,
          0,
          0 },
        { "keepalive over TCP",
          { .type = TYPE_A, .transport = ANSWER_TCP, OPTIONS(KEEPALIVE_OPTION) },
          "NOERROR qr aa rd",
          2,
          true,
          0,
          4 + 2 },
        { "RD is copied, CD too",
          { .type = TYPE_A, .flags = 0x0010 },
          "NOERROR qr aa cd",
          2,
          false,
          0,
          0 },
        { "AA, TC, RA, Z and AD of a query are not copied",
          { .type = TYPE_A, .flags = 0x06E0 },
          "NOERROR qr aa",
          2,
          false,
          0,
          0 },
        { "unknown opcode", { .type = TYPE_A, .flags = 0x7900 }, "NOTIMP qr rd", 0, false, 0, 0 },
        { "unknown opcode with EDNS",
          { .type = TYPE_A, .flags = 0x7900, OPTIONS(NSID_OPTION) },
          "NOTIMP qr rd",
          0,
          true,
          0,
          0 },
        { "meta type with NSID",
          { .type = TYPE_OPT, OPTIONS(NSID_OPTION) },
          "FORMERR qr rd",
          0,
          true,
          0,
          0 },
        { "meta type with ECS",
          { .type = TYPE_OPT, .ecs = "10.0.0.0/8" },
          "FORMERR qr rd",
          0,
          true,
          0,
          0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ask ask = rows[i].ask;
        ask.name = "host.example.com.";
        struct told told = tell(&fixture, &ask);
        if (strcmp(told.text.head, rows[i].head) != 0)
            print_error("row '%s'\n", rows[i].what);
        assert_string_equal(told.text.head, rows[i].head);
        assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), rows[i].answers);
        assert_int_equal(told.has_opt, rows[i].has_opt);
        assert_int_equal(told.opt_flags, rows[i].opt_flags);
        assert_int_equal(told.version, 0);
        if (told.has_opt)
            assert_int_equal(told.payload, 1232);
        assert_int_equal(told.options_len, rows[i].options_len);
        told_free(&told);
    }
}

static void test_build_option_contents(void **state)
{
    (void)state;
    struct told told = tell(&fixture, &(struct ask){
                                          .name = "host.example.com.",
                                          .type = TYPE_A,
                                          .ecs = "10.0.0.0/8",
                                          .transport = ANSWER_TCP,
                                          OPTIONS(NSID_OPTION KEEPALIVE_OPTION UNKNOWN_OPTION),
                                      });
    size_t len;
    const uint8_t *nsid = told_option(&told, NSID, &len);
    assert_int_equal(len, 6);
    assert_memory_equal(nsid, "node-1", 6);
    const uint8_t *keepalive = told_option(&told, KEEPALIVE, &len);
    assert_int_equal(len, 2);
    assert_int_equal(octets_u16(keepalive), 100); /* 10 s in units of 100 ms */
    assert_int_equal(told_scope(&told), 0);
    told_free(&told);

    told =
        tell(&fixture, &(struct ask){ .name = "not.ours.test.", .type = TYPE_A, .has_edns = true });
    const uint8_t *ede = told_option(&told, EDE, &len);
    assert_int_equal(len, 2);
    assert_int_equal(octets_u16(ede), 20);
    told_free(&told);
    told = tell(&fixture,
                &(struct ask){ .name = "example.com.", .type = TYPE_AXFR, .has_edns = true });
    ede = told_option(&told, EDE, &len);
    assert_int_equal(octets_u16(ede), 18);
    told_free(&told);
}

static void test_build_nsid_needs_an_identity(void **state)
{
    (void)state;
    struct answer_settings saved = fixture.settings;
    fixture.settings.identity[0] = '\0';
    fixture_steer(&fixture, "");
    struct told told =
        tell(&fixture,
             &(struct ask){ .name = "host.example.com.", .type = TYPE_A, OPTIONS(NSID_OPTION) });
    assert_int_equal(told.options_len, 0);
    told_free(&told);
    fixture.settings = saved;
    fixture_steer(&fixture, "");
}

/* A question that cannot be read is answered with the header alone. */
static void test_build_answers_malformed_messages(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        const char *head; /* NULL: dropped */
        uint16_t questions;
        bool has_opt;
    } rows[] = {
#define BYTES(text) text, sizeof(text) - 1
        { "short", BYTES("\x12\x34\1\0"), NULL, 0, false },
        { "response", BYTES("\x12\x34\x81\0\0\1\0\0\0\0\0\0\0\0\1\0\1"), NULL, 0, false },
        { "header alone", BYTES("\x12\x34\1\0\0\0\0\0\0\0\0\0"), "FORMERR qr rd", 0, false },
        { "two questions", BYTES("\x12\x34\1\0\0\2\0\0\0\0\0\0\0\0\1\0\1\0\0\1\0\1"),
          "FORMERR qr rd", 0, false },
        { "name cut", BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\0\3ww"), "FORMERR qr rd", 0, false },
        { "trailing octet", BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1x"), "FORMERR qr rd", 1,
          false },
        { "trailing octet behind OPT",
          BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\1\0\0\1\0\1\0\0\x29\4\xD0\0\0\0\0\0\0x"),
          "FORMERR qr rd", 1, true },
        { "two OPT",
          BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\2\0\0\1\0\1\0\0\x29\4\xD0\0\0\0\0\0\0"
                "\0\0\x29\4\xD0\0\0\0\0\0\0"),
          "FORMERR qr rd", 1, true },
        { "opcode 15, no question", BYTES("\x12\x34\x79\0\0\0\0\0\0\0\0\0"), "NOTIMP qr rd", 0,
          false },
        { "UPDATE", BYTES("\x12\x34\x28\0\0\1\0\0\0\0\0\0\0\0\6\0\1"), "NOTIMP qr", 1, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct told told = tell_raw(&fixture, &(struct ask){ .capacity = rows[i].len + 512 },
                                    (const uint8_t *)rows[i].bytes, rows[i].len);
        if (rows[i].head == NULL) {
            assert_int_equal(told.len, 0);
            assert_true(told.note.verdict == QUERY_DROP_SHORT ||
                        told.note.verdict == QUERY_DROP_RESPONSE);
        } else {
            if (strcmp(told.text.head, rows[i].head) != 0)
                print_error("row '%s'\n", rows[i].what);
            assert_string_equal(told.text.head, rows[i].head);
            assert_int_equal(octets_u16(told.message), 0x1234);
            assert_int_equal(octets_u16(told.message + 4), rows[i].questions);
            assert_int_equal(told.has_opt, rows[i].has_opt);
            assert_int_equal(told.options_len, 0);
        }
        told_free(&told);
    }
}

/* 20 TXT records of 50 octets: more than 512, less than 1232. Sizes are found by asking over TCP
 * first, so that the borders are exact. */
static const char big_zone[] = "$ORIGIN big.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\n"
                               "a A 192.0.2.1\n";

static struct fixture open_big(size_t records)
{
    char text[16384];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", big_zone);
    for (size_t i = 0; i < records; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "many TXT \"%03zu456789012345678901234567890\"\n", i);
    const struct fixture_zone zone = { "big.test", text };
    struct fixture big = { .settings = fixture_settings() };
    big.topology = topology_new();
    big.world = fixture_world(big.topology);
    big.zones = fixture_zones(&zone, 1, NULL);
    fixture_steer(&big, "");
    return big;
}

static const struct {
    size_t records;
    uint16_t payload; /* 0: no EDNS */
    bool is_whole;
} size_rows[] = {
    { 10, 0, true },     { 20, 0, false },     { 20, 1, false },   { 20, 511, false },
    { 20, 512, false },  { 20, 1232, true },   { 20, 4096, true }, { 40, 1232, false },
    { 40, 4096, false }, { 40, 65535, false }, /* our own limit holds */
};

static void test_build_truncates_all_or_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(size_rows); i++) {
        struct fixture big = open_big(size_rows[i].records);
        struct ask ask = {
            .name = "many.big.test.",
            .type = TYPE_TXT,
            .has_edns = size_rows[i].payload != 0,
            .payload = size_rows[i].payload,
        };
        struct told told = tell(&big, &ask);
        size_t count = ldns_rr_list_rr_count(ldns_pkt_answer(told.packet));
        assert_string_equal(told.text.head,
                            size_rows[i].is_whole ? "NOERROR qr aa rd" : "NOERROR qr aa tc rd");
        assert_int_equal(told.note.is_truncated, !size_rows[i].is_whole);
        assert_int_equal(count, size_rows[i].is_whole ? size_rows[i].records : 0);
        assert_int_equal(told.has_opt, ask.has_edns);
        size_t limit = size_rows[i].payload > 512 ? size_rows[i].payload : 512;
        assert_true(told.len <= (limit < 1232 ? limit : 1232));
        told_free(&told);
        ask.transport = ANSWER_TCP;
        told = tell(&big, &ask);
        assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), size_rows[i].records);
        told_free(&told);
        fixture_close(&big);
    }
}

/* The answer fits to the octet, and one octet less is too little; also in the buffer. */
static void test_build_limit_is_exact(void **state)
{
    (void)state;
    struct fixture big = open_big(20);
    struct ask ask = { .name = "many.big.test.", .type = TYPE_TXT, .has_edns = true };
    struct told whole = tell(&big, &ask);
    assert_false(whole.note.is_truncated);
    for (int less = 0; less < 2; less++) {
        ask.payload = (uint16_t)(whole.len - (size_t)less);
        ask.capacity = 0;
        struct told told = tell(&big, &ask);
        assert_int_equal(told.note.is_truncated, less == 1);
        told_free(&told);
        ask.payload = 0;
        ask.capacity = whole.len - (size_t)less;
        told = tell(&big, &ask);
        assert_int_equal(told.note.is_truncated, less == 1);
        assert_true(told.has_opt);
        assert_int_equal(told.len, less == 1 ? 12 + 19 + 11 : whole.len);
        told_free(&told);
    }
    told_free(&whole);
    fixture_close(&big);
}

/* Every kind of answer, in buffers from the query's own size upwards: never beyond, and either
 * whole or without records. */
static void test_build_in_buffers_of_every_size(void **state)
{
    (void)state;
    static const struct ask asks[] = {
        { .name = "www.example.com.", .type = TYPE_A, .ecs = "10.1.0.0/24" },
        { .name = "www.example.com.", .type = TYPE_HTTPS, .ecs = "2001:db8::/56" },
        { .name = "a1.example.com.", .type = TYPE_A },
        { .name = "child.example.com.", .type = TYPE_A, .has_edns = true },
        { .name = "a.b.tree.example.com.", .type = TYPE_A, .has_edns = true },
        { .name = "alias.example.com.", .type = TYPE_A, OPTIONS(NSID_OPTION) },
        { .name = "nothing.example.com.", .type = TYPE_A, .has_edns = true },
        { .name = "not.ours.test.", .type = TYPE_A, .has_edns = true },
        { .name = "_steer.example.com.", .type = TYPE_TXT, .has_edns = true },
        { .name = "example.com.", .type = TYPE_MX },
    };
    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        uint8_t query[2048];
        size_t query_len = ask_write(&asks[i], query);
        struct told whole = tell(&fixture, &asks[i]);
        for (size_t capacity = query_len; capacity <= whole.len + 8; capacity++) {
            struct ask ask = asks[i];
            ask.capacity = capacity;
            struct told told = tell(&fixture, &ask);
            assert_true(told.note.is_truncated || told.len <= whole.len);
            if (capacity >= whole.len) {
                assert_int_equal(told.len, whole.len);
                assert_memory_equal(told.message, whole.message, whole.len);
            }
            told_free(&told);
        }
        told_free(&whole);
    }
}

/* Glue inside the child zone is needed; without room for it the answer is truncated. Addresses
 * of others are left out. */
static void test_build_glue_by_need(void **state)
{
    (void)state;
    struct ask ask = { .name = "child.example.com.", .type = TYPE_A, .has_edns = true };
    struct told told = tell(&fixture, &ask);
    size_t whole = told.len;
    told_free(&told);
    ask.capacity = whole - 1;
    told = tell(&fixture, &ask);
    assert_string_equal(told.text.head, "NOERROR qr rd");
    assert_string_equal(told.text.additional, "ns.child.example.com. 3600 A 192.0.2.99 | "
                                              "ns.child.example.com. 3600 AAAA 2001:db8:99::1");
    size_t needed = told.len;
    assert_int_equal(needed, whole - 16);
    told_free(&told);
    ask.capacity = needed - 1;
    told = tell(&fixture, &ask);
    assert_string_equal(told.text.head, "NOERROR qr tc rd");
    told_free(&told);
}

/* The longest name with the longest identity in 512 octets: the identity is left out. */
static void test_build_longest_name_with_nsid(void **state)
{
    (void)state;
    struct answer_settings saved = fixture.settings;
    memset(fixture.settings.identity, 'i', 255);
    fixture.settings.identity[255] = '\0';
    fixture_steer(&fixture, "");
    char name[300] = "";
    for (int i = 0; i < 120; i++)
        strncat(name, "x.", sizeof(name) - strlen(name) - 1);
    strncat(name, "example.com.", sizeof(name) - strlen(name) - 1);
    struct told told = tell(&fixture, &(struct ask){ .name = name,
                                                     .type = TYPE_A,
                                                     .payload = 512,
                                                     .ecs = "2001:db8::1",
                                                     OPTIONS(NSID_OPTION) });
    size_t len;
    assert_true(told.has_opt);
    assert_null(told_option(&told, NSID, &len));
    assert_int_equal(told_scope(&told), 0);
    assert_true(told.len <= 512);
    told_free(&told);
    fixture.settings = saved;
    fixture_steer(&fixture, "");
}

static void test_build_notes_what_happened(void **state)
{
    (void)state;
    struct told told =
        tell(&fixture,
             &(struct ask){ .name = "www.example.com.", .type = TYPE_A, .ecs = "10.1.0.0/16" });
    assert_int_equal(told.note.verdict, QUERY_OK);
    assert_int_equal(told.note.qtype, TYPE_A);
    assert_int_equal(told.note.rcode, RCODE_NOERROR);
    assert_true(told.note.has_edns);
    assert_true(told.note.has_ecs);
    assert_int_equal(told.note.ecs_scope, told_scope(&told));
    assert_true(told.note.is_steered);
    assert_int_equal(told.note.map.n, 0);
    size_t count;
    const struct site_id *sites = answer_view_site_set(fixture.view, told.note.site_set, &count);
    assert_int_equal(count, 1);
    assert_int_equal(sites[0].n, A16);
    told_free(&told);
    told = tell(&fixture, &(struct ask){ .name = "host.example.com.", .type = TYPE_A });
    assert_false(told.note.is_steered);
    assert_false(told.note.has_edns);
    assert_false(told.note.has_ecs);
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
        cmocka_unit_test(test_build_edns_compliance),
        cmocka_unit_test(test_build_option_contents),
        cmocka_unit_test(test_build_nsid_needs_an_identity),
        cmocka_unit_test(test_build_answers_malformed_messages),
        cmocka_unit_test(test_build_truncates_all_or_nothing),
        cmocka_unit_test(test_build_limit_is_exact),
        cmocka_unit_test(test_build_in_buffers_of_every_size),
        cmocka_unit_test(test_build_glue_by_need),
        cmocka_unit_test(test_build_longest_name_with_nsid),
        cmocka_unit_test(test_build_notes_what_happened),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
