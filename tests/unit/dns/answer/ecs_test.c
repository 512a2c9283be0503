/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 7871 as a table, one row for each rule, and its promise as a property: every client inside
 * the scope of an answer gets that answer. STEER_SEED=N repeats a run. */
#include "tests/unit/dns/answer/answer_fixture.h"

#include "steering/base/rng.h"

static struct fixture fixture;

#define AT(site) "203.0.113." site
#define AT99 AT("99") " " AT("199")

/* The addresses (or targets) of the answer, blank between them. */
static void rdatas(const struct told *told, char *out, size_t size)
{
    ldns_rr_list *list = ldns_pkt_answer(told->packet);
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        char *text = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(list, i), 0));
        len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? " " : "", text);
        free(text);
    }
}

/* What stands in the option besides the scope must be what was sent. */
static void check_echo(const struct told *told, const char *ecs)
{
    uint8_t sent[64];
    size_t len, sent_len = (size_t)(ask_put_ecs(sent, ecs) - sent) - 4;
    const uint8_t *told_ecs = told_option(told, 8, &len);
    assert_non_null(told_ecs);
    assert_int_equal(len, sent_len);
    assert_memory_equal(told_ecs, sent + 4, 3);
    assert_memory_equal(told_ecs + 4, sent + 8, len - 4);
}

struct ecs_row {
    const char *what;
    struct ask ask;
    const char *head, *answer;
    int scope;
};

static void check_rows(const struct ecs_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char answer[1024];
        struct told told = tell(&fixture, &rows[i].ask);
        rdatas(&told, answer, sizeof(answer));
        if (strcmp(answer, rows[i].answer) != 0 || told_scope(&told) != rows[i].scope)
            print_error("row '%s'\n", rows[i].what);
        assert_string_equal(told.text.head, rows[i].head);
        assert_string_equal(answer, rows[i].answer);
        assert_int_equal(told_scope(&told), rows[i].scope);
        if (rows[i].ask.ecs != NULL)
            check_echo(&told, rows[i].ask.ecs);
        told_free(&told);
    }
}

#define OK_AA "NOERROR qr aa rd"
#define WWW .name = "www.example.com.", .type = TYPE_A
static void test_build_ecs_rules(void **state)
{
    (void)state;
    static const struct ecs_row rows[] = {
        { "3: none in, none out",
          { WWW, .has_edns = true, .client = "10.1.2.3" },
          OK_AA,
          AT("16"),
          -1 },
        { "3: not even without EDNS", { WWW, .client = "10.1.2.3" }, OK_AA, AT("16"), -1 },
        { "2: /24 echoed", { WWW, .ecs = "10.1.7.0/24" }, OK_AA, AT("16"), 16 },
        { "2: /32 echoed", { WWW, .ecs = "10.1.7.9" }, OK_AA, AT("16"), 16 },
        { "2: /1 echoed", { WWW, .ecs = "128.0.0.0/1" }, OK_AA, AT99, 3 },
        { "5: source 0, the resolver decides",
          { WWW, .ecs = "0.0.0.0/0", .client = "127.0.0.1" },
          OK_AA,
          AT("127"),
          0 },
        { "5: source 0, IPv6", { WWW, .ecs = "::/0", .client = "10.1.0.1" }, OK_AA, AT("16"), 0 },
        { "6: family 0", { WWW, .ecs = "0", .client = "127.0.0.1" }, OK_AA, AT("127"), 0 },
        { "7: the scope leaves out the sibling",
          { WWW, .ecs = "10.2.0.0/24" },
          OK_AA,
          AT("8"),
          15 },
        { "8: the default branch is tailored too", { WWW, .ecs = "8.8.8.0/24" }, OK_AA, AT99, 7 },
        { "8b: a straddling source, more bits are asked for",
          { WWW, .ecs = "10.0.0.0/8" },
          OK_AA,
          AT("8"),
          16 },
        { "9: IPv4-mapped", { WWW, .ecs = "::ffff:10.2.0.0/120" }, OK_AA, AT("8"), 96 + 15 },
        { "9: NAT64", { WWW, .ecs = "64:ff9b::10.2.0.0/120" }, OK_AA, AT("8"), 96 + 15 },
        { "9: 6to4", { WWW, .ecs = "2002:a02::/32" }, OK_AA, AT("8"), 16 + 15 },
        { "IPv6 network", { WWW, .ecs = "2001:db8:ff12::/48" }, OK_AA, AT("16"), 40 },
        { "the resolver's address does not count beside ECS",
          { WWW, .ecs = "10.1.7.0/24", .client = "127.0.0.1" },
          OK_AA,
          AT("16"),
          16 },
        { "private address: the resolver decides, the scope stays",
          { WWW, .ecs = "192.168.7.0/24", .client = "10.1.2.3" },
          OK_AA,
          AT("16"),
          16 },
        { "private IPv6", { WWW, .ecs = "fd00:1::/48", .client = "10.1.2.3" }, OK_AA, AT("16"), 7 },
        { "but not one that a rule names",
          { WWW, .ecs = "127.0.0.1", .client = "10.1.2.3" },
          OK_AA,
          AT("127"),
          8 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

#define TEN .ecs = "10.1.7.0/24"
static void test_build_ecs_scope_zero_where_not_tailored(void **state)
{
    (void)state;
    static const struct ecs_row rows[] = {
        { "4: name without ECS",
          { .name = "noecs.example.com.", .type = TYPE_A, TEN, .client = "127.0.0.1" },
          OK_AA,
          AT("127"),
          0 },
        { "one cell for all", { .name = "uni.example.com.", .type = TYPE_A, TEN }, OK_AA, AT99, 0 },
        { "static", { .name = "srv.example.com.", .type = TYPE_SRV, TEN }, OK_AA, "1", 0 },
        { "10: NXDOMAIN",
          { .name = "no.example.com.", .type = TYPE_A, TEN },
          "NXDOMAIN qr aa rd",
          "",
          0 },
        { "10: NODATA", { .name = "srv.example.com.", .type = TYPE_A, TEN }, OK_AA, "", 0 },
        { "10: delegation",
          { .name = "x.child.example.com.", .type = TYPE_A, TEN },
          "NOERROR qr rd",
          "",
          0 },
        { "foreign", { .name = "not.ours.test.", .type = TYPE_A, TEN }, "REFUSED qr rd", "", 0 },
        { "zone transfer",
          { .name = "example.com.", .type = TYPE_AXFR, TEN },
          "REFUSED qr rd",
          "",
          0 },
        { "static data at a steered name",
          { .name = "www.example.com.", .type = TYPE_TXT, TEN },
          OK_AA,
          "\"beside steering\"",
          0 },
        { "NS at a steered apex",
          { .name = "example.org.", .type = TYPE_NS, TEN },
          OK_AA,
          "ns1.example.com.",
          0 },
        { "type that a steered name never has",
          { .name = "www.example.com.", .type = TYPE_MX, TEN },
          OK_AA,
          "",
          0 },
        { "CNAME that a steered name never has",
          { .name = "www.example.com.", .type = TYPE_CNAME, TEN },
          OK_AA,
          "",
          0 },
        { "HTTPS that a steered name never has",
          { .name = "v4.example.com.", .type = TYPE_HTTPS, TEN },
          OK_AA,
          "",
          0 },
        { "family that no site of the map has",
          { .name = "v4.example.com.", .type = TYPE_AAAA, TEN },
          OK_AA,
          "",
          0 },
        { "minimal ANY",
          { .name = "www.example.com.", .type = TYPE_ANY, TEN },
          OK_AA,
          "\"RFC8482\"",
          0 },
        { "CHAOS",
          { .name = "id.server.", .type = TYPE_TXT, .class = CLASS_CH, TEN },
          OK_AA,
          "\"node-1\"",
          0 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_build_ecs_scope_where_tailored(void **state)
{
    (void)state;
    /* The map `mixed` does not tell 10.1/16 from 10/8, but leaves are shared by all maps. */
    static const struct ecs_row rows[] = {
        { "wildcard",
          { .name = "any.wild.example.com.", .type = TYPE_A, TEN },
          OK_AA,
          AT("16"),
          16 },
        { "apex", { .name = "example.org.", .type = TYPE_A, TEN }, OK_AA, AT("16"), 16 },
        { "behind a static CNAME",
          { .name = "alias.example.com.", .type = TYPE_A, TEN },
          OK_AA,
          "www.example.com. " AT("16"),
          16 },
        { "HTTPS", { .name = "www.example.com.", .type = TYPE_HTTPS, TEN }, OK_AA, "1", 16 },
        { "a family that the site lacks, but others have",
          { .name = "www.example.com.", .type = TYPE_AAAA, .ecs = "127.3.0.0/16" },
          OK_AA,
          "",
          8 },
        /* 11: a tailored CNAME is the whole answer, though we know its target */
        { "11: CNAME for A",
          { .name = "mixed.example.com.", .type = TYPE_A, TEN },
          OK_AA,
          "host.example.com.",
          16 },
        { "11: CNAME for TXT",
          { .name = "mixed.example.com.", .type = TYPE_TXT, TEN },
          OK_AA,
          "host.example.com.",
          16 },
        { "11: CNAME for ANY",
          { .name = "mixed.example.com.", .type = TYPE_ANY, TEN },
          OK_AA,
          "host.example.com.",
          16 },
        { "11: behind a static CNAME",
          { .name = "tomixed.example.com.", .type = TYPE_A, TEN },
          OK_AA,
          "mixed.example.com. host.example.com.",
          16 },
        /* where others get a CNAME, even what is missing is tailored */
        { "no TXT beside others' CNAME",
          { .name = "mixed.example.com.", .type = TYPE_TXT, .ecs = "8.8.8.0/24" },
          OK_AA,
          "",
          7 },
        { "no ANY beside others' CNAME",
          { .name = "mixed.example.com.", .type = TYPE_ANY, .ecs = "8.8.8.0/24" },
          OK_AA,
          "\"RFC8482\"",
          7 },
        { "address beside others' CNAME",
          { .name = "mixed.example.com.", .type = TYPE_A, .ecs = "8.8.8.0/24" },
          OK_AA,
          AT99,
          7 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_build_ecs_malformed_is_formerr(void **state)
{
    (void)state;
    static const struct {
        const char *what, *option;
        size_t len;
    } rows[] = {
#define OPTION(text) text, sizeof(text) - 1
        { "1: unknown family", OPTION("\0\10\0\7\0\3\30\0\12\1\7") },
        { "1: too few octets", OPTION("\0\10\0\6\0\1\30\0\12\1") },
        { "1: source 33", OPTION("\0\10\0\11\0\1\41\0\12\1\7\1\200") },
        { "1b: extra octet", OPTION("\0\10\0\10\0\1\30\0\12\1\7\0") },
        { "1b: stray bits", OPTION("\0\10\0\7\0\1\27\0\12\1\7") },
        { "1b: scope in a query", OPTION("\0\10\0\7\0\1\30\30\12\1\7") },
        { "two options", OPTION("\0\10\0\7\0\1\30\0\12\1\7\0\10\0\7\0\1\30\0\12\1\7") },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct told told = tell(
            &fixture, &(struct ask){ WWW, .options = rows[i].option, .options_len = rows[i].len });
        if (strcmp(told.text.head, "FORMERR qr rd") != 0)
            print_error("row '%s'\n", rows[i].what);
        assert_string_equal(told.text.head, "FORMERR qr rd");
        assert_string_equal(told.text.answer, "");
        assert_true(told.has_opt);
        assert_int_equal(told_scope(&told), -1);
        told_free(&told);
    }
}

static void test_build_ecs_only_of_trusted_sources(void **state)
{
    (void)state;
    struct answer_settings saved = fixture.settings;
    struct cidr trusted[] = { fixture_cidr("198.51.100.0/24"), fixture_cidr("2001:db8:53::/48") };
    fixture.settings.ecs_trusted = trusted;
    fixture.settings.ecs_trusted_count = ARRAY_SIZE(trusted);
    fixture_steer(&fixture, "");
    memset(trusted, 0, sizeof(trusted)); /* the view has its own copy */
    static const struct ecs_row rows[] = {
        { "trusted", { WWW, TEN, .client = "198.51.100.7" }, OK_AA, AT("16"), 16 },
        { "trusted, IPv6", { WWW, TEN, .client = "2001:db8:53::1" }, OK_AA, AT("16"), 16 },
        { "not trusted", { WWW, TEN, .client = "127.0.0.1" }, OK_AA, AT("127"), 0 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
    fixture.settings = saved;
    fixture.settings.uses_ecs = false;
    fixture_steer(&fixture, "");
    static const struct ecs_row off[] = {
        { "4: switched off", { WWW, TEN, .client = "127.0.0.1" }, OK_AA, AT("127"), 0 },
    };
    check_rows(off, ARRAY_SIZE(off));
    fixture.settings = saved;
    fixture_steer(&fixture, "");
}

/* ---- the property ---------------------------------------------------------------------------- */

enum { ROUNDS = 6000, SAMPLES = 6 };

static const char *const anchors[] = {
    "10.1.0.0",       "10.0.255.255", "10.2.0.0",           "9.255.255.255",   "127.0.0.0",
    "128.0.0.0",      "192.168.0.0",  "192.169.0.0",        "172.16.0.0",      "100.64.0.0",
    "8.8.8.8",        "0.0.0.1",      "255.255.255.255",    "2001:db8:ff00::", "2001:db8:fe00::",
    "2001:db9::",     "fd00::",       "::ffff:10.1.0.0",    "::ffff:10.2.0.0", "64:ff9b::127.0.0.1",
    "2002:a01:101::", "2001::1",      "::ffff:192.168.1.1", "fe80::1",
};
static const struct {
    const char *name;
    uint16_t type;
} questions[] = {
    { "www.example.com.", TYPE_A },     { "www.example.com.", TYPE_AAAA },
    { "www.example.com.", TYPE_HTTPS }, { "www.example.com.", TYPE_TXT },
    { "two.example.com.", TYPE_A },     { "two.example.com.", TYPE_HTTPS },
    { "mixed.example.com.", TYPE_A },   { "mixed.example.com.", TYPE_TXT },
    { "mixed.example.com.", TYPE_ANY }, { "mixed.example.com.", TYPE_CNAME },
    { "uni.example.com.", TYPE_A },     { "v4.example.com.", TYPE_A },
    { "v4.example.com.", TYPE_AAAA },   { "noecs.example.com.", TYPE_A },
    { "alias.example.com.", TYPE_A },   { "tomixed.example.com.", TYPE_MX },
    { "z.wild.example.com.", TYPE_A },  { "host.example.com.", TYPE_A },
};

/* The bits of `addr` behind the first `bits` replaced by random ones. */
static struct addr vary(struct rng *rng, struct addr addr, unsigned bits)
{
    unsigned max_bits = addr_max_bits(&addr);
    /* Mostly near the border: keep a random number of bits behind it as well. */
    unsigned keep = bits + (unsigned)rng_below(rng, max_bits - bits + 1);
    for (unsigned at = bits; at < max_bits; at++) {
        bool is_random = at >= keep || at == keep - 1;
        if (is_random && rng_below(rng, 2) == 1)
            addr.bytes[at / 8] ^= (uint8_t)(0x80 >> at % 8);
    }
    return addr;
}

static struct told ask_prefix(size_t question, const struct addr *addr, unsigned bits,
                              const char *client)
{
    char text[CIDR_TEXT_MAX];
    struct cidr prefix = cidr_make(addr, bits);
    return tell(&fixture, &(struct ask){ .name = questions[question].name,
                                         .type = questions[question].type,
                                         .ecs = cidr_format(&prefix, text),
                                         .client = client });
}

/* The rules of the map `nets`, written down once more. */
static unsigned twin_site(const struct addr *addr)
{
    struct addr v4 = *addr;
    struct cidr net16 = fixture_cidr("10.1.0.0/16"), net8 = fixture_cidr("10.0.0.0/8");
    struct cidr net127 = fixture_cidr("127.0.0.0/8"), net6 = fixture_cidr("2001:db8:ff00::/40");
    if (addr->family == ADDR_V6)
        addr_fold(addr, &v4);
    if (cidr_has(&net16, &v4) || cidr_has(&net6, addr))
        return 16;
    if (cidr_has(&net8, &v4))
        return 8;
    return cidr_has(&net127, &v4) ? 127 : 99;
}

static void check_twin(const struct told *told, const struct addr *addr)
{
    char expected[32];
    snprintf(expected, sizeof(expected), " A 203.0.113.%u", twin_site(addr));
    assert_non_null(strstr(told->text.answer, expected));
}

static void test_build_every_client_in_scope_gets_the_answer(void **state)
{
    (void)state;
    const char *given = getenv("STEER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : rng_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    /* Its rule is the fallback, which is what special addresses that no rule names get too. */
    const char *client = "192.0.2.200";
    for (size_t round = 0; round < ROUNDS; round++) {
        struct addr addr = fixture_addr(anchors[rng_below(&rng, ARRAY_SIZE(anchors))]);
        unsigned max_bits = addr_max_bits(&addr);
        addr = vary(&rng, addr, (unsigned)rng_below(&rng, max_bits + 1));
        unsigned source = 1 + (unsigned)rng_below(&rng, max_bits);
        struct cidr prefix = cidr_make(&addr, source);
        size_t question = rng_below(&rng, ARRAY_SIZE(questions));
        struct told first = ask_prefix(question, &prefix.addr, source, client);
        unsigned scope = (unsigned)told_scope(&first);
        if (question == 0)
            check_twin(&first, &prefix.addr);
        for (size_t i = 0; i < SAMPLES; i++) {
            struct addr inside = vary(&rng, prefix.addr, scope);
            struct told told = ask_prefix(question, &inside, max_bits, client);
            if (strcmp(told.text.answer, first.text.answer) != 0)
                print_error("round %zu: %s\n", round, questions[question].name);
            assert_string_equal(told.text.answer, first.text.answer);
            assert_string_equal(told.text.authority, first.text.authority);
            assert_int_equal(told_scope(&told), scope);
            told_free(&told);
        }
        told_free(&first);
    }
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
        cmocka_unit_test(test_build_ecs_rules),
        cmocka_unit_test(test_build_ecs_scope_zero_where_not_tailored),
        cmocka_unit_test(test_build_ecs_scope_where_tailored),
        cmocka_unit_test(test_build_ecs_malformed_is_formerr),
        cmocka_unit_test(test_build_ecs_only_of_trusted_sources),
        cmocka_unit_test(test_build_every_client_in_scope_gets_the_answer),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
