/* SPDX-License-Identifier: Apache-2.0 */
/* What the answer holds for every shape that a name can have in a zone. */
#include "tests/unit/dns/answer/answer_fixture.h"

#define COM_SOA(owner_ttl)                                                                         \
    "example.com. " owner_ttl " SOA ns1.example.com. hostmaster.example.com. 7 7200 900 1209600 "  \
    "300"
#define ORG_SOA "example.org. 60 SOA ns1.example.com. root.example.org. 1 2 3 4 60"
#define RFC_SOA "example. 5 SOA ns.example.com. host.example.com. 1 2 3 4 5"
#define HINFO(owner) owner " 3600 HINFO \"RFC8482\" \"\""

struct row {
    const char *name;
    uint16_t type;
    const char *head, *answer, *authority, *additional;
};

static struct fixture fixture;

static void check_text(const struct row *row, const char *what, const char *text,
                       const char *expected)
{
    if (strcmp(text, expected) != 0)
        print_error("%s type %u, %s:\n", row->name, row->type, what);
    assert_string_equal(text, expected);
}

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct told told = tell(&fixture, &(struct ask){ .name = row->name, .type = row->type });
        check_text(row, "head", told.text.head, row->head);
        check_text(row, "answer", told.text.answer, row->answer);
        check_text(row, "authority", told.text.authority, row->authority);
        check_text(row, "additional", told.text.additional, row->additional);
        assert_false(told.has_opt);
        told_free(&told);
    }
}

static void test_build_answers_static_data(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "host.example.com.", TYPE_A, "NOERROR qr aa rd",
          "host.example.com. 600 A 192.0.2.1 | host.example.com. 600 A 192.0.2.2", "", "" },
        { "host.example.com.", TYPE_AAAA, "NOERROR qr aa rd",
          "host.example.com. 600 AAAA 2001:db8:1::1", "", "" },
        { "HoSt.ExAmPlE.cOm.", TYPE_AAAA, "NOERROR qr aa rd",
          "HoSt.ExAmPlE.cOm. 600 AAAA 2001:db8:1::1", "", "" },
        { "host.example.com.", TYPE_TXT, "NOERROR qr aa rd",
          "host.example.com. 3600 TXT \"hello\" \"world\"", "", "" },
        { "srv.example.com.", TYPE_SRV, "NOERROR qr aa rd",
          "srv.example.com. 3600 SRV 1 2 443 host.example.com.", "", "" },
        { "example.com.", TYPE_MX, "NOERROR qr aa rd",
          "example.com. 3600 MX 10 mail.example.com. | "
          "example.com. 3600 MX 20 mail.example.net.",
          "", "" },
        { "example.com.", TYPE_NS, "NOERROR qr aa rd",
          "example.com. 3600 NS ns1.example.com. | example.com. 3600 NS ns2.example.net.", "", "" },
        { "example.com.", TYPE_SOA, "NOERROR qr aa rd", COM_SOA("3600"), "", "" },
        /* NODATA and NXDOMAIN: the SOA with the negative TTL (RFC 2308) */
        { "host.example.com.", TYPE_MX, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "nothing.example.com.", TYPE_A, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
        { "a.b.c.nothing.example.com.", TYPE_A, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
        { "host.example.com.", TYPE_RRSIG, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        /* these could stand beside a CNAME, so they are asked of the alias itself */
        { "alias.example.com.", TYPE_RRSIG, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "alias.example.com.", TYPE_NSEC, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "host.example.com.", 0, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "host.example.com.", 65280, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        /* empty non-terminals exist */
        { "ent.example.com.", TYPE_A, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "x.ent.example.com.", TYPE_A, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
        { "b.example.org.", TYPE_TXT, "NOERROR qr aa rd", "", ORG_SOA, "" },
        { "c.b.example.org.", TYPE_TXT, "NXDOMAIN qr aa rd", "", ORG_SOA, "" },
        /* not ours */
        { "www.elsewhere.test.", TYPE_A, "REFUSED qr rd", "", "", "" },
        { "com.", TYPE_NS, "REFUSED qr rd", "", "", "" },
        { ".", TYPE_NS, "REFUSED qr rd", "", "", "" },
        { "xexample.com.", TYPE_A, "REFUSED qr rd", "", "", "" },
        /* RFC 8482 */
        { "host.example.com.", TYPE_ANY, "NOERROR qr aa rd", HINFO("host.example.com."), "", "" },
        { "alias.example.com.", TYPE_ANY, "NOERROR qr aa rd",
          "alias.example.com. 300 CNAME www.example.com.", "", "" },
        { "ent.example.com.", TYPE_ANY, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "nothing.example.com.", TYPE_ANY, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
        { "anything.example.org.", TYPE_ANY, "NOERROR qr aa rd", HINFO("anything.example.org."), "",
          "" },
        /* questions that are no data */
        { "example.com.", TYPE_AXFR, "REFUSED qr rd", "", "", "" },
        { "example.com.", TYPE_IXFR, "REFUSED qr rd", "", "", "" },
        { "example.com.", TYPE_OPT, "FORMERR qr rd", "", "", "" },
        { "example.com.", 128, "FORMERR qr rd", "", "", "" },
        { "example.com.", 249, "FORMERR qr rd", "", "", "" },
        { "example.com.", 250, "FORMERR qr rd", "", "", "" },
        { "example.com.", 253, "NOTIMP qr rd", "", "", "" },
        { "example.com.", 254, "NOTIMP qr rd", "", "", "" },
        { "example.com.", 256, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
    };
    check(rows, ARRAY_SIZE(rows));
}

static void test_build_follows_rfc4592_examples(void **state)
{
    (void)state;
#define WILD_MX(owner) owner " 3600 MX 10 host1.example."
#define SUBDEL "subdel.example. 3600 NS ns.example.com. | subdel.example. 3600 NS ns.example.net."
    static const struct row rows[] = {
        { "host3.example.", TYPE_MX, "NOERROR qr aa rd", WILD_MX("host3.example."), "", "" },
        { "host3.example.", TYPE_A, "NOERROR qr aa rd", "", RFC_SOA, "" },
        { "foo.bar.example.", TYPE_TXT, "NOERROR qr aa rd",
          "foo.bar.example. 3600 TXT \"this is a wildcard\"", "", "" },
        { "host1.example.", TYPE_MX, "NOERROR qr aa rd", "", RFC_SOA, "" },
        { "sub.*.example.", TYPE_MX, "NOERROR qr aa rd", "", RFC_SOA, "" },
        { "_telnet._tcp.host1.example.", TYPE_SRV, "NXDOMAIN qr aa rd", "", RFC_SOA, "" },
        { "host.subdel.example.", TYPE_A, "NOERROR qr rd", "", SUBDEL, "" },
        { "ghost.*.example.", TYPE_MX, "NXDOMAIN qr aa rd", "", RFC_SOA, "" },
        { "*.example.", TYPE_TXT, "NOERROR qr aa rd", "*.example. 3600 TXT \"this is a wildcard\"",
          "", "" },
        { "_tcp.host2.example.", TYPE_MX, "NOERROR qr aa rd", "", RFC_SOA, "" },
    };
    check(rows, ARRAY_SIZE(rows));
}

static void test_build_refers_at_cuts(void **state)
{
    (void)state;
#define CHILD_NS                                                                                   \
    "child.example.com. 3600 NS ns.child.example.com. | child.example.com. 3600 NS "               \
    "ns1.example.com."
#define CHILD_GLUE                                                                                 \
    "ns.child.example.com. 3600 A 192.0.2.99 | ns.child.example.com. 3600 AAAA 2001:db8:99::1 | "  \
    "ns1.example.com. 3600 A 192.0.2.53"
    static const struct row rows[] = {
        { "child.example.com.", TYPE_A, "NOERROR qr rd", "", CHILD_NS, CHILD_GLUE },
        { "child.example.com.", TYPE_NS, "NOERROR qr rd", "", CHILD_NS, CHILD_GLUE },
        { "child.example.com.", TYPE_ANY, "NOERROR qr rd", "", CHILD_NS, CHILD_GLUE },
        { "x.y.child.example.com.", TYPE_A, "NOERROR qr rd", "", CHILD_NS, CHILD_GLUE },
        /* glue is not authoritative data */
        { "ns.child.example.com.", TYPE_A, "NOERROR qr rd", "", CHILD_NS, CHILD_GLUE },
        { "bare.example.com.", TYPE_A, "NOERROR qr rd", "",
          "bare.example.com. 3600 NS ns.elsewhere.test.", "" },
        /* the parent answers for DS */
        { "bare.example.com.", TYPE_DS, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "x.bare.example.com.", TYPE_DS, "NOERROR qr rd", "",
          "bare.example.com. 3600 NS ns.elsewhere.test.", "" },
        { "child.example.com.", TYPE_DS, "NOERROR qr aa rd",
          "child.example.com. 3600 DS 12345 13 2 "
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
          "", "" },
    };
    check(rows, ARRAY_SIZE(rows));
}

#define ALIAS(owner, ttl, target) owner " " ttl " CNAME " target
static void test_build_follows_chains(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "a1.example.com.", TYPE_AAAA, "NOERROR qr aa rd",
          "a1.example.com. 3600 CNAME a2.example.com. | "
          "a2.example.com. 3600 CNAME host.example.com. | "
          "host.example.com. 600 AAAA 2001:db8:1::1",
          "", "" },
        { "A1.Example.COM.", TYPE_A, "NOERROR qr aa rd",
          "A1.Example.COM. 3600 CNAME a2.Example.COM. | "
          "a2.Example.COM. 3600 CNAME host.Example.COM. | "
          "host.Example.COM. 600 A 192.0.2.1 | host.Example.COM. 600 A 192.0.2.2",
          "", "" },
        { "a1.example.com.", TYPE_CNAME, "NOERROR qr aa rd",
          "a1.example.com. 3600 CNAME a2.example.com.", "", "" },
        { "out.example.com.", TYPE_A, "NOERROR qr aa rd",
          "out.example.com. 3600 CNAME www.elsewhere.test.", "", "" },
        { "cross.example.com.", TYPE_MX, "NOERROR qr aa rd",
          "cross.example.com. 3600 CNAME example.org. | example.org. 3600 MX 5 mx.example.org.", "",
          "" },
        /* the rcode and the SOA are the last name's (RFC 6604) */
        { "dangling.example.com.", TYPE_A, "NXDOMAIN qr aa rd",
          "dangling.example.com. 3600 CNAME missing.example.com.", COM_SOA("300"), "" },
        { "tonodata.example.com.", TYPE_A, "NOERROR qr aa rd",
          "tonodata.example.com. 3600 CNAME srv.example.com.", COM_SOA("300"), "" },
        { "tocut.example.com.", TYPE_A, "NOERROR qr aa rd",
          "tocut.example.com. 3600 CNAME x.child.example.com.", CHILD_NS, CHILD_GLUE },
        { "loop1.example.com.", TYPE_A, "NOERROR qr aa rd",
          "loop1.example.com. 3600 CNAME loop2.example.com. | "
          "loop2.example.com. 3600 CNAME loop1.example.com.",
          "", "" },
        { "self.example.com.", TYPE_A, "NOERROR qr aa rd",
          "self.example.com. 3600 CNAME self.example.com.", "", "" },
        /* into steering, with its owner where the CNAME's target stands */
        { "alias.example.com.", TYPE_A, "NOERROR qr aa rd",
          "alias.example.com. 300 CNAME www.example.com. | www.example.com. 60 A 203.0.113.99 | "
          "www.example.com. 60 A 203.0.113.199",
          "", "" },
        { "alias.example.com.", TYPE_TXT, "NOERROR qr aa rd",
          "alias.example.com. 300 CNAME www.example.com. | "
          "www.example.com. 3600 TXT \"beside steering\"",
          "", "" },
        { "cross.example.com.", TYPE_AAAA, "NOERROR qr aa rd",
          "cross.example.com. 3600 CNAME example.org. | example.org. 60 AAAA 2001:db8::99", "",
          "" },
        { "towild.example.com.", TYPE_AAAA, "NOERROR qr aa rd",
          "towild.example.com. 3600 CNAME any.wild.example.com. | "
          "any.wild.example.com. 60 AAAA 2001:db8::99",
          "", "" },
    };
    check(rows, ARRAY_SIZE(rows));
}

static void test_build_makes_cnames_of_dnames(void **state)
{
    (void)state;
#define TREE "tree.example.com. 900 DNAME example.org."
    static const struct row rows[] = {
        { "tree.example.com.", TYPE_DNAME, "NOERROR qr aa rd", TREE, "", "" },
        { "tree.example.com.", TYPE_A, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "a.b.tree.example.com.", TYPE_A, "NOERROR qr aa rd",
          TREE " | a.b.tree.example.com. 900 CNAME a.b.example.org. | "
               "a.b.example.org. 3600 A 192.0.2.27",
          "", "" },
        { "a.b.tree.example.com.", TYPE_CNAME, "NOERROR qr aa rd",
          TREE " | a.b.tree.example.com. 900 CNAME a.b.example.org.", "", "" },
        { "a.b.c.tree.example.com.", TYPE_A, "NOERROR qr aa rd",
          TREE " | a.b.c.tree.example.com. 900 CNAME a.b.c.example.org.", ORG_SOA, "" },
        { "x.b.tree.example.com.", TYPE_A, "NXDOMAIN qr aa rd",
          TREE " | x.b.tree.example.com. 900 CNAME x.b.example.org.", ORG_SOA, "" },
        /* a DNAME into a CNAME of the same zone */
        { "a2.treetohere.example.com.", TYPE_AAAA, "NOERROR qr aa rd",
          "treetohere.example.com. 3600 DNAME example.com. | "
          "a2.treetohere.example.com. 3600 CNAME a2.example.com. | "
          "a2.example.com. 3600 CNAME host.example.com. | "
          "host.example.com. 600 AAAA 2001:db8:1::1",
          "", "" },
        /* twice by the same DNAME, whose record stands once */
        { "host.treetohere.treetohere.example.com.", TYPE_AAAA, "NOERROR qr aa rd",
          "treetohere.example.com. 3600 DNAME example.com. | "
          "host.treetohere.treetohere.example.com. 3600 CNAME host.treetohere.example.com. | "
          "host.treetohere.example.com. 3600 CNAME host.example.com. | "
          "host.example.com. 600 AAAA 2001:db8:1::1",
          "", "" },
    };
    check(rows, ARRAY_SIZE(rows));
}

#define LABEL_60 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
static void test_build_dname_target_too_long(void **state)
{
    (void)state;
    struct told told =
        tell(&fixture, &(struct ask){ .name = LABEL_60 ".long.example.com.", .type = TYPE_A });
    /* 61 octets and the target's 198 are more than 255 */
    assert_string_equal(told.text.head, "YXDOMAIN qr aa rd");
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), 1);
    assert_non_null(strstr(told.text.answer, "long.example.com. 3600 DNAME aaaa"));
    told_free(&told);
    /* exactly 255 is fine: 57 + 198 */
    told = tell(&fixture, &(struct ask){
                              .name = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
                                      ".long.example.com.",
                              .type = TYPE_A,
                              .has_edns = true,
                          });
    assert_string_equal(told.text.head, "NOERROR qr aa rd");
    assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(told.packet)), 2);
    told_free(&told);
}

/* Names are written once: the suffixes of question, owners and targets serve the later ones. */
static void test_build_compresses_names(void **state)
{
    (void)state;
    struct told told =
        tell(&fixture, &(struct ask){ .name = "nothing.example.com.", .type = TYPE_A });
    /* owner pointer, ns1 + pointer; the mailbox is not compressed (only the first name is) */
    size_t question = 12 + 21 + 4;
    assert_int_equal(told.len, question + 2 + 10 + (4 + 2) + 24 + 20);
    told_free(&told);
    told = tell(&fixture, &(struct ask){ .name = "a1.example.com.", .type = TYPE_AAAA });
    question = 12 + 16 + 4;
    assert_int_equal(told.len, question + (12 + 5) + (12 + 7) + (12 + 16));
    told_free(&told);
    told = tell(&fixture, &(struct ask){ .name = "child.example.com.", .type = TYPE_A });
    question = 12 + 19 + 4;
    assert_int_equal(told.len, question + (12 + 5) + (12 + 6) + (12 + 4) + (12 + 16) + (12 + 4));
    told_free(&told);
}

static void test_build_answers_other_classes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t type, class;
        const char *head, *answer;
    } rows[] = {
        { "version.bind.", TYPE_TXT, CLASS_CH, "NOERROR qr aa rd",
          "version.bind. 0 CH TXT \"steer test\"" },
        { "VERSION.server.", TYPE_TXT, CLASS_CH, "NOERROR qr aa rd",
          "VERSION.server. 0 CH TXT \"steer test\"" },
        { "id.server.", TYPE_TXT, CLASS_CH, "NOERROR qr aa rd", "id.server. 0 CH TXT \"node-1\"" },
        { "hostname.bind.", TYPE_TXT, CLASS_CH, "NOERROR qr aa rd",
          "hostname.bind. 0 CH TXT \"node-1\"" },
        { "hostname.bind.", TYPE_ANY, CLASS_CH, "NOERROR qr aa rd",
          "hostname.bind. 0 CH TXT \"node-1\"" },
        { "version.bind.", TYPE_A, CLASS_CH, "NOERROR qr aa rd", "" },
        { "authors.bind.", TYPE_TXT, CLASS_CH, "REFUSED qr rd", "" },
        { "version.bind.", TYPE_TXT, CLASS_IN, "REFUSED qr rd", "" },
        { "host.example.com.", TYPE_A, CLASS_CH, "REFUSED qr rd", "" },
        { "host.example.com.", TYPE_A, CLASS_ANY, "REFUSED qr rd", "" },
        { "host.example.com.", TYPE_A, 4, "REFUSED qr rd", "" },
        { "host.example.com.", TYPE_A, 254, "REFUSED qr rd", "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct told told = tell(
            &fixture,
            &(struct ask){ .name = rows[i].name, .type = rows[i].type, .class = rows[i].class });
        assert_string_equal(told.text.head, rows[i].head);
        assert_string_equal(told.text.answer, rows[i].answer);
        told_free(&told);
    }
}

static void test_build_chaos_needs_the_switch(void **state)
{
    (void)state;
    const struct ask version = { .name = "version.bind.", .type = TYPE_TXT, .class = CLASS_CH };
    const struct ask id = { .name = "id.server.", .type = TYPE_TXT, .class = CLASS_CH };
    struct answer_settings saved = fixture.settings;
    fixture.settings.answers_chaos = false;
    fixture_steer(&fixture, "");
    struct told told = tell(&fixture, &version);
    assert_string_equal(told.text.head, "REFUSED qr rd");
    told_free(&told);
    fixture.settings.answers_chaos = true;
    fixture.settings.identity[0] = '\0';
    fixture_steer(&fixture, "");
    told = tell(&fixture, &id);
    assert_string_equal(told.text.head, "REFUSED qr rd");
    told_free(&told);
    fixture.settings = saved;
    fixture_steer(&fixture, "");
}

static void test_build_tells_the_generation(void **state)
{
    (void)state;
    struct digest digest = document_digest(answer_view_snapshot(fixture.view)->document);
    char digest_text[DIGEST_TEXT_MAX], expected[512];
    digest_format(&digest, digest_text);
    snprintf(expected, sizeof(expected),
             "_steer.example.com. 0 TXT \"gen=418 digest=%.16s age=3 epoch=01JTESTEPOCH "
             "node=node-1\"",
             digest_text + strlen("sha256:"));
    struct told told =
        tell(&fixture, &(struct ask){ .name = "_steer.example.com.", .type = TYPE_TXT });
    assert_string_equal(told.text.head, "NOERROR qr aa rd");
    assert_string_equal(told.text.answer, expected);
    told_free(&told);
    /* also where a wildcard would answer; and existence must not hang on the type */
    static const struct row rows[] = {
        { "_steer.example.com.", TYPE_A, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "_steer.example.", TYPE_MX, "NOERROR qr aa rd", "", RFC_SOA, "" },
        /* static data comes first */
        { "_steer.example.org.", TYPE_TXT, "NOERROR qr aa rd",
          "_steer.example.org. 3600 TXT \"static\"", "", "" },
        { "_steer.ent2.example.com.", TYPE_TXT, "NOERROR qr aa rd", "", COM_SOA("300"), "" },
        { "x._steer.example.com.", TYPE_TXT, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
        { "_steer.host.example.com.", TYPE_TXT, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
        { "_steer.elsewhere.test.", TYPE_TXT, "REFUSED qr rd", "", "", "" },
    };
    check(rows, ARRAY_SIZE(rows));
    fixture.settings.answers_debug_txt = false;
    fixture_steer(&fixture, "");
    static const struct row off[] = {
        { "_steer.example.com.", TYPE_TXT, "NXDOMAIN qr aa rd", "", COM_SOA("300"), "" },
    };
    check(off, ARRAY_SIZE(off));
    fixture.settings.answers_debug_txt = true;
    fixture_steer(&fixture, "");
}

/* A clock behind the one that wrote the document, and a document that tells no time. */
static void test_build_age_is_never_absurd(void **state)
{
    (void)state;
    static const struct {
        int64_t op_at_unix_s;
        const char *age;
    } rows[] = {
        { FIXTURE_NOW_S, " age=0 " },
        { FIXTURE_NOW_S + 60, " age=0 " },
        { 0, " age=0 " },
        { FIXTURE_NOW_S - 86400, " age=86400 " },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fixture_steer_at(&fixture, "", rows[i].op_at_unix_s);
        struct told told =
            tell(&fixture, &(struct ask){ .name = "_steer.example.com.", .type = TYPE_TXT });
        assert_non_null(strstr(told.text.answer, rows[i].age));
        told_free(&told);
    }
    fixture_steer(&fixture, "");
}

/* Identities longer than a character-string of TXT go into a second one. */
static void test_build_splits_long_texts(void **state)
{
    (void)state;
    struct answer_settings saved = fixture.settings;
    memset(fixture.settings.identity, 'i', 255);
    fixture.settings.identity[255] = '\0';
    fixture_steer(&fixture, "");
    struct told told =
        tell(&fixture, &(struct ask){ .name = "_steer.example.com.", .type = TYPE_TXT });
    assert_string_equal(told.text.head, "NOERROR qr aa rd");
    assert_int_equal(ldns_rr_rd_count(ldns_rr_list_rr(ldns_pkt_answer(told.packet), 0)), 2);
    told_free(&told);
    fixture.settings = saved;
    fixture_steer(&fixture, "");
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
        cmocka_unit_test(test_build_answers_static_data),
        cmocka_unit_test(test_build_follows_rfc4592_examples),
        cmocka_unit_test(test_build_refers_at_cuts),
        cmocka_unit_test(test_build_follows_chains),
        cmocka_unit_test(test_build_makes_cnames_of_dnames),
        cmocka_unit_test(test_build_dname_target_too_long),
        cmocka_unit_test(test_build_compresses_names),
        cmocka_unit_test(test_build_answers_other_classes),
        cmocka_unit_test(test_build_chaos_needs_the_switch),
        cmocka_unit_test(test_build_tells_the_generation),
        cmocka_unit_test(test_build_age_is_never_absurd),
        cmocka_unit_test(test_build_splits_long_texts),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
