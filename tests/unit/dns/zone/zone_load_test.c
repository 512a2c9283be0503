/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader says about zone files, word for word. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "dns/wire/query.h"
#include "steering/base/mem.h"
#include "tests/unit/dns/zone/temp_zone.h"

/* A zone that is complete, in three lines. */
#define HEAD                                                                                       \
    "$TTL 300\n"                                                                                   \
    "@ SOA ns host 1 2 3 4 60\n"                                                                   \
    " NS ns.example.net.\n"

static const struct {
    const char *name, *text, *expected; /* of zone example.com in file z */
} CASES[] = {
    { "nothing wrong", HEAD "www A 192.0.2.1\n", "" },
    { "all forms of a record",
      "$TTL 1h\n"
      "example.com. IN 60 SOA ns.example.com. host ( 2024 ; serial\n"
      "   1h 15m\n 4w 5m )\n"
      "\tIN NS ns.example.net.\n"
      "a 60 IN A 192.0.2.1\n"
      "  IN 60 AAAA 2001:db8::1\n"
      "  in aaaa 2001:db8::2\n"
      "$ORIGIN sub\n"
      "@ TXT \"a;b\" ( \"c\"\n \"d\" )\n"
      "b\\.c MX 10 @\n"
      "$ORIGIN other.\n"
      "www.example.com. CLASS1 A 192.0.2.2\n",
      "z:8: warning: TTL 3600 differs from 60 in line 7, and both are one AAAA set; 60 is used\n" },

    { "empty file", "",
      "z: error: no SOA record at the apex 'example.com.'\n"
      "z: error: no NS record at the apex 'example.com.'\n" },
    { "no NS", "$TTL 1\n@ SOA a b 1 2 3 4 5\n",
      "z: error: no NS record at the apex 'example.com.'\n" },
    { "broken SOA is not reported as missing", "$TTL 1\n@ SOA a b 1 2 3 4\n NS ns.example.net.\n",
      "z:2:17: error: SOA: expected a time such as 3600 or 1h30m, but the record ends\n" },
    { "two SOA", HEAD "@ SOA ns host 2 2 3 4 60\n",
      "z:4: error: second SOA record at 'example.com.'; the first is in line 2\n" },
    { "SOA elsewhere", HEAD "a SOA ns host 2 2 3 4 60\n",
      "z:4: error: SOA at 'a.example.com.'; it belongs at the apex 'example.com.'\n" },

    { "CNAME with other data", HEAD "a TXT x\na CNAME b\n",
      "z:5: error: CNAME at 'a.example.com.' beside TXT in line 4; a CNAME must be alone\n" },
    { "two CNAME", HEAD "a CNAME b\n  CNAME c\n",
      "z:5: error: second CNAME record at 'a.example.com.'; the first is in line 4\n" },
    { "CNAME at the apex", HEAD "@ CNAME www.example.net.\n",
      "z:4: error: CNAME at the apex: list the name under `names:` in the topology to steer it\n" },
    { "DNAME at the apex is legal", HEAD "@ DNAME example.net.\n", "" },
    { "below a DNAME", HEAD "a DNAME example.net.\nb.c.a TXT x\n",
      "z:5: error: 'b.c.a.example.com.' is below the DNAME at 'a.example.com.', where nothing else "
      "may stand\n" },
    { "two DNAME", HEAD "a DNAME example.net.\na DNAME example.org.\n",
      "z:5: error: second DNAME record at 'a.example.com.'; the first is in line 4\n" },
    { "DNAME beside NS", HEAD "a DNAME example.net.\na NS ns.example.net.\n",
      "z:4: error: DNAME at 'a.example.com.' beside NS in line 5; a name is either delegated or "
      "redirected\n"
      "z:4: warning: DNAME at 'a.example.com.' belongs into the zone that is delegated there; left "
      "out\n" },
    { "NS at a wildcard", HEAD "* NS ns.example.net.\n*.a DNAME b\n",
      "z:4: error: NS at the wildcard '*.example.com.' has no defined meaning (RFC 4592 section "
      "4)\n"
      "z:5: error: DNAME at the wildcard '*.a.example.com.' has no defined meaning (RFC 4592 "
      "section 4)\n" },

    { "outside the zone", HEAD "www.example.net. A 192.0.2.1\n  TXT x\nxexample.com. A 192.0.2.1\n",
      "z:4:1: error: 'www.example.net.' is outside the zone 'example.com.'\n"
      "z:6:1: error: 'xexample.com.' is outside the zone 'example.com.'\n" },
    { "outside, though the octets end alike",
      HEAD "x\\007example.com. A 192.0.2.1\n"
           "x\\007example.com A 192.0.2.1\n",
      "z:4:1: error: 'x\\007example.com.' is outside the zone 'example.com.'\n" },
    { "final dot forgotten", HEAD "www.example.com A 192.0.2.1\na MX 10 mx.example.com\n",
      "z:4:1: warning: 'www.example.com' has no final dot, so it means "
      "'www.example.com.example.com.'; write 'www.example.com.' if that is not meant\n"
      "z:5:9: warning: 'mx.example.com' has no final dot, so it means "
      "'mx.example.com.example.com.'; write 'mx.example.com.' if that is not meant\n" },
    { "different TTLs", HEAD "a 30 A 192.0.2.1\na 20 A 192.0.2.2\na 20 A 192.0.2.3\n",
      "z:5: warning: TTL 20 differs from 30 in line 4, and both are one A set; 20 is used\n" },
    { "duplicates", HEAD "a A 192.0.2.1\n  A 192.0.2.2\n  A 192.0.2.1\na MX 1 b\na MX 1 B\n",
      "z:6: warning: the same record stands in line 4; merged\n"
      "z:8: warning: the same record stands in line 7; merged\n" },
    { "the same SOA twice", HEAD "@ SOA ns host 1 2 3 4 60\n",
      "z:4: warning: the same record stands in line 2; merged\n" },

    { "missing glue", HEAD "sub NS ns.sub\n    NS ns.other\nother NS ns.example.net.\n",
      "z:4: warning: missing glue: add an A or AAAA record for 'ns.sub.example.com.', which only "
      "the delegated zone could resolve\n" },
    { "glue", HEAD "sub NS ns.sub\n  NS sub\nns.sub A 192.0.2.1\nsub AAAA 2001:db8::1\n", "" },
    { "name server without address",
      HEAD "@ NS ns1\n@ NS ns2\nns2 TXT x\n@ NS ns3.w\n"
           "*.w A 192.0.2.1\n",
      "z:4: warning: name server 'ns1.example.com.' has no A or AAAA record in this zone\n"
      "z:5: warning: name server 'ns2.example.com.' has no A or AAAA record in this zone\n" },
    { "aliases as targets", HEAD "a CNAME b\n@ NS a\n@ MX 10 a\nsub NS a\n",
      "z:5: warning: name server 'a.example.com.' is an alias (CNAME); resolvers refuse that\n"
      "z:6: warning: mail server 'a.example.com.' is an alias (CNAME); many senders refuse that\n"
      "z:7: warning: name server 'a.example.com.' is an alias (CNAME); resolvers refuse that\n" },
    { "below a cut",
      HEAD "sub NS ns.example.net.\nwww.sub A 192.0.2.1\nx.sub TXT y\nsub TXT z\n"
           "sub DS 1 8 255 00\n",
      "z:7: warning: TXT at 'sub.example.com.' belongs into the zone that is delegated there; left "
      "out\n"
      "z:5: warning: A at 'www.sub.example.com.' is below the delegation of 'sub.example.com.', "
      "and no NS record names it; left out\n"
      "z:6: warning: TXT at 'x.sub.example.com.' is below the delegation of 'sub.example.com.'; "
      "left out\n" },
    { "DS", HEAD "@ DS 1 8 255 00\na DS 1 8 255 00\n",
      "z:4: warning: DS at the apex belongs into the parent zone; left out\n"
      "z:5: warning: DS at 'a.example.com.', which has no NS records; left out\n" },
    { "DNSSEC", HEAD "@ RRSIG whatever\n@ NSEC x\n@ DNSKEY\n@ NSEC3PARAM 1 0 0 -\n",
      "z:4: warning: 4 DNSSEC records (RRSIG, NSEC, DNSKEY, ...) left out: the zone is served "
      "unsigned, so its parent must hold no DS for it\n" },

    { "DS with a digest of another type",
      HEAD
      "sub NS ns.example.net.\nsub DS 1 8 2 (\n 00112233445566778899\n aabbccddeeff00112233 )\n",
      "z:6:2: error: DS: expected 64 hexadecimal digits of SHA-256 (digest type 2), got 40; those "
      "of "
      "SHA-1 have digest type 1\n" },

    { "SVCB", HEAD "a HTTPS 1 . mandatory=port\nb HTTPS 0 a alpn=h2\nc SVCB 1 . no-default-alpn\n",
      "z:4:13: error: mandatory lists port, which the record does not have; clients ignore such a "
      "record\n"
      "z:5:3: warning: priority 0 is an alias: clients ignore its service parameters\n"
      "z:6:12: error: no-default-alpn: needs alpn beside it\n" },
    { "SVCB parameters",
      HEAD "a SVCB 1 b alpn=h2 mandatory=mandatory\na HTTPS 1 . alpn=h2 mandatory=alpn,alpn\n"
           "a SVCB 1 b alpn=h2 (\n dohpath=\"/q\" )\na SVCB 1 b key9=dohpath dohpath=q{?dns}\n"
           "a SVCB \\# 9 0001 00 0007 0002 2f71\n",
      "z:4:20: error: mandatory: must not list itself\n"
      "z:5:21: error: HTTPS: mandatory: 'alpn' stands twice; list each key once\n"
      "z:7:2: error: dohpath: expected the variable dns, as in /dns-query{?dns}\n"
      "z:8:25: error: dohpath: expected a path that begins with '/', such as /dns-query{?dns}\n"
      "z:9:3: error: dohpath: expected the variable dns, as in /dns-query{?dns}\n" },

    { "directives",
      HEAD "$GENERATE 1-2 a$ A 192.0.2.$\n$INCULDE x\n$TTL\n$ORIGIN a b\n$TTL x\n"
           "$ORIGIN a..b\n$TTL 2147483648\n$ttl 5\n",
      "z:4:1: error: $GENERATE is not supported: write the records out, or use a wildcard\n"
      "z:5:1: error: unknown directive '$INCULDE'; did you mean '$INCLUDE'?\n"
      "z:6:1: error: expected $TTL SECONDS\n"
      "z:7:1: error: expected $ORIGIN NAME\n"
      "z:8:6: error: expected a TTL such as 3600 or 1h, at most 2147483647 s, got 'x'\n"
      "z:9:9: error: 'a..b' is no domain name: it has an empty label\n"
      "z:10:6: error: expected a TTL such as 3600 or 1h, at most 2147483647 s, got "
      "'2147483648'\n" },
    { "records",
      HEAD "a\na 60\na 192.0.2.1\na AAA 192.0.2.1\na CH A 192.0.2.1\n"
           "a CLASS4 A 192.0.2.1\na 2147483648 A 192.0.2.1\na IN IN A 192.0.2.1\n"
           "a ANY x\na AXFR x\na TYPE65535 \\# 0\na..b A 192.0.2.1\n  TXT silent\n",
      "z:4:1: error: expected a record type, but the record ends\n"
      "z:5:3: error: expected a record type, but the record ends\n"
      "z:6:3: error: expected a record type, got '192.0.2.1'; an address needs A or AAAA before "
      "it\n"
      "z:7:3: error: expected a record type, got 'AAA'; did you mean 'AAAA'?\n"
      "z:8:3: error: class 'CH': only IN is served\n"
      "z:9:3: error: class 'CLASS4': only IN is served\n"
      "z:10:3: error: TTL 2147483648 is larger than 2147483647\n"
      "z:11:6: error: class 'IN': stands twice\n"
      "z:12:3: error: class 'ANY': only IN is served\n"
      "z:13:3: error: type AXFR cannot stand in a zone\n"
      "z:14:3: error: type TYPE65535 cannot stand in a zone\n"
      "z:15:1: error: 'a..b' is no domain name: it has an empty label\n" },
    { "no owner before", " A 192.0.2.1\n TXT x\n" HEAD,
      "z:1:2: error: a line that begins with white space goes on with the owner above, and there "
      "is none\n"
      "z:1: error: no TTL: add $TTL at the top of the file, such as $TTL 3600\n"
      "z:2: error: no TTL: add $TTL at the top of the file, such as $TTL 3600\n" },
    { "no TTL", "@ SOA a b 1 2 3 4 77\n NS ns.example.net.\n",
      "z:1: warning: no TTL; the SOA minimum, 77, is used: add $TTL at the top of the file\n" },
    { "no TTL before the SOA", "@ NS ns.example.net.\n@ SOA a b 1 2 3 4 77\n",
      "z:1: error: no TTL: add $TTL at the top of the file, such as $TTL 3600\n"
      "z:2: warning: no TTL; the SOA minimum, 77, is used: add $TTL at the top of the file\n" },
    { "errors in lines of one record", HEAD "a TXT ( x\n  \\256 )\nb MX ( 10\n ; nothing\n )\n",
      "z:5:3: error: TXT: escape '\\256' is beyond \\255\n"
      "z:6:8: error: MX: expected a domain name, but the record ends\n" },
    { "lexical", HEAD "a TXT \"x\nb TXT y )\nc TXT (\n",
      "z:4:7: error: quote is not closed on this line\n"
      "z:5:9: error: ')' without '('\n"
      "z:6:7: error: parenthesis is never closed\n" },

    { "include", HEAD "$INCLUDE nothing.inc\n$INCLUDE . \n$INCLUDE z\n",
      "z:4: error: cannot read 'nothing.inc': No such file or directory\n"
      "z:5: error: cannot read '.': not a regular file\n"
      "z:6: error: 'z' includes itself\n" },
};

static void test_load_reports_every_problem(void **state)
{
    (void)state;
    char problems[16384];
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        const struct zone_source source = { .origin = "example.com", .file = "z" };
        temp_zone_write("z", CASES[i].text, strlen(CASES[i].text));
        struct zone_set *zones = temp_zone_load(&source, 1, problems, sizeof(problems));
        if (strcmp(problems, CASES[i].expected) != 0)
            fail_msg("%s: got\n%s", CASES[i].name, problems);
        zone_set_unref(zones);
    }
}

struct file {
    const char *name, *text; /* name NULL: the end */
};

/* Writes the files, loads example.com from `z` and compares what was said. */
static struct zone_set *load_files(const struct file *files, const char *expected)
{
    char problems[16384];
    const struct zone_source source = { .origin = "example.com", .file = "z" };
    for (; files->name != NULL; files++)
        temp_zone_write(files->name, files->text, strlen(files->text));
    struct zone_set *zones = temp_zone_load(&source, 1, problems, sizeof(problems));
    assert_string_equal(problems, expected);
    return zones;
}

static uint32_t ttl_of(const struct zone_set *zones, const char *name, uint16_t type)
{
    const struct zone_node *node;
    assert_int_equal(temp_zone_find(zones, name, false, &node), ZONE_MATCH_EXACT);
    const struct rrset *rrset = zone_node_rrset(node, type);
    return rrset != NULL ? rrset->ttl_s : UINT32_MAX;
}

static void test_include_restores_origin_and_owner(void **state)
{
    (void)state;
    static const struct file FILES[] = {
        { "z",
          HEAD "a TXT x\n$INCLUDE sub.inc sub\n  A 192.0.2.1\nb TXT y\n$INCLUDE \"sp ace\"\n" },
        { "sub.inc", "a TXT x\n$ORIGIN deep\nb TXT x\n$TTL 5\n" },
        { "sp ace", "c TXT x\n" },
        { NULL, NULL },
    };
    struct zone_set *zones = load_files(FILES, "");
    assert_non_null(zones);
    assert_int_equal(ttl_of(zones, "a.sub.example.com", TYPE_TXT), 300);
    assert_int_equal(ttl_of(zones, "b.deep.sub.example.com", TYPE_TXT), 300);
    /* The owner of before, and the default TTL of the included file. */
    assert_int_equal(ttl_of(zones, "a.example.com", TYPE_A), 5);
    assert_int_equal(ttl_of(zones, "b.example.com", TYPE_TXT), 5);
    assert_int_equal(ttl_of(zones, "c.example.com", TYPE_TXT), 5);
    zone_set_unref(zones);
}

static void test_include_reports_with_its_own_name(void **state)
{
    (void)state;
    static const struct file FILES[] = {
        { "z", HEAD "a A 192.0.2.1\n$INCLUDE one\na A 192.0.2.4\n" },
        { "one", " TXT x\na A 192.0.2.2\n$INCLUDE two\nb MX x\na A 192.0.2.1\n" },
        { "two", "\na CNAME x\n\ny\n" },
        { NULL, NULL },
    };
    assert_null(load_files(FILES,
                           "one:1:2: error: a line that begins with white space goes on with the "
                           "owner above, and there is none\n"
                           "two:4:1: error: expected a record type, but the record ends\n"
                           "one:4:6: error: MX: expected a number from 0 to 65535, got 'x'\n"
                           "two:2: error: CNAME at 'a.example.com.' beside A in z:4; a CNAME must "
                           "be alone\n"
                           "one:5: warning: the same record stands in z:4; merged\n"));
}

static void test_include_refuses_circles_and_depth(void **state)
{
    (void)state;
    static const struct file CIRCLE[] = {
        { "z", HEAD "$INCLUDE one\n" },
        { "one", "$INCLUDE two\n" },
        { "two", "$INCLUDE ./one\na TXT x\n" },
        { NULL, NULL },
    };
    assert_null(load_files(CIRCLE, "two:1: error: './one' includes itself\n"));
    static const struct file DEEP[] = {
        { "z", HEAD "$INCLUDE 1\n" }, { "1", "$INCLUDE 2\n" },
        { "2", "$INCLUDE 3\n" },      { "3", "$INCLUDE 4\n" },
        { "4", "$INCLUDE 5\n" },      { "5", "$INCLUDE 6\n" },
        { "6", "$INCLUDE 7\n" },      { "7", "$INCLUDE 8\n" },
        { "8", "a TXT x\n" },         { NULL, NULL },
    };
    struct zone_set *zones = load_files(DEEP, "");
    assert_non_null(zones);
    zone_set_unref(zones);
    static const struct file TOO_DEEP[] = {
        { "8", "$INCLUDE 9\n" },
        { "9", "b TXT x\n" },
        { NULL, NULL },
    };
    assert_null(load_files(TOO_DEEP, "8:1: error: $INCLUDE more than 8 files deep\n"));
}

static void test_include_is_relative_to_the_including_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0700), 0);
    static const struct file FILES[] = {
        { "z", HEAD "$INCLUDE folder/one\n" },
        { "folder/one", "$INCLUDE two\n" },
        { "folder/two", "a TXT x\n" },
        { NULL, NULL },
    };
    struct zone_set *zones = load_files(FILES, "");
    assert_non_null(zones);
    zone_set_unref(zones);
    assert_int_equal(remove("folder/one") | remove("folder/two") | rmdir("folder"), 0);
}

static void test_load_missing_file(void **state)
{
    (void)state;
    char problems[1024];
    const struct zone_source source = { .origin = "example.com", .file = "missing" };
    assert_null(temp_zone_load(&source, 1, problems, sizeof(problems)));
    assert_string_equal(problems,
                        "missing: error: cannot read 'missing': No such file or directory\n");
}

static void test_load_limits_size(void **state)
{
    (void)state;
    static const struct file FILES[] = {
        { "z", HEAD "a TXT x\n$INCLUDE huge\nb TXT x\n" },
        { "huge", "" },
        { NULL, NULL },
    };
    zone_set_unref(load_files(FILES, ""));
    assert_int_equal(truncate("huge", ZONE_FILE_MAX_BYTES), 0);
    assert_null(load_files(FILES + 2, "z:5: error: 'huge': a zone with all its files is at most "
                                      "256 MiB\n"));
    /* A pipe must not be waited for. */
    assert_int_equal(unlink("huge") | mkfifo("huge", 0600), 0);
    assert_null(load_files(FILES + 2, "z:5: error: cannot read 'huge': not a regular file\n"));
}

static void test_load_gives_up_after_many_errors(void **state)
{
    (void)state;
    struct buf text;
    struct diag diag;
    buf_init(&text, 1 << 20);
    diag_init(&diag);
    for (int i = 0; i < 5000; i++)
        buf_append_text(&text, "a A x\n");
    temp_zone_write("z", buf_text(&text), text.len);
    const struct zone_source source = { .origin = "example.com", .file = "z" };
    struct zone_set *zones = NULL;
    assert_int_equal(zone_set_load(&source, 1, &diag, &zones), ERR_INVALID);
    assert_null(zones);
    assert_in_range(diag.error_count, 1000, 1010);
    diag_fini(&diag);
    buf_fini(&text);
}

static void test_load_several_zones(void **state)
{
    (void)state;
    char problems[4096];
    const struct zone_source sources[] = {
        { "example.com.", "one" }, { "EXAMPLE.com", "two" },     { "a..b", "three" },
        { "example.org", "four" }, { "sub.example.com", "two" },
    };
    static const char GOOD[] = HEAD "ns A 192.0.2.1\n", BAD[] = HEAD "a A x\n";
    temp_zone_write("one", GOOD, sizeof(GOOD) - 1);
    temp_zone_write("two", BAD, sizeof(BAD) - 1);
    temp_zone_write("four", BAD, sizeof(BAD) - 1);
    assert_null(temp_zone_load(sources, ARRAY_SIZE(sources), problems, sizeof(problems)));
    assert_string_equal(problems,
                        "two: error: zone 'EXAMPLE.com' is given twice; the other file is 'one'\n"
                        "three: error: zone 'a..b': not a domain name\n"
                        "four:4:5: error: A: expected an IPv4 address, got 'x'\n"
                        "two:4:5: error: A: expected an IPv4 address, got 'x'\n");
}

static void test_load_compares_delegations(void **state)
{
    (void)state;
    char problems[4096];
    const struct zone_source sources[] = {
        { "example.com", "up" },       { "same.example.com", "z" },    { "other.example.com", "z" },
        { "a.none.example.com", "z" }, { "a.b.old.example.com", "z" },
    };
    static const char UP[] = HEAD
        "old DNAME example.net.\nsame NS NS.example.net.\nother NS ns1.other\nother NS ns2.other\n"
        "ns1.other A 192.0.2.1\nx.other TXT y\n";
    static const char CHILD[] = HEAD;
    temp_zone_write("up", UP, sizeof(UP) - 1);
    temp_zone_write("z", CHILD, sizeof(CHILD) - 1);
    struct zone_set *zones =
        temp_zone_load(sources, ARRAY_SIZE(sources), problems, sizeof(problems));
    assert_string_equal(
        problems,
        "up:9: warning: TXT at 'x.other.example.com.' is below the delegation of "
        "'other.example.com.'; left out\n"
        "up: warning: the NS records for 'other.example.com.' differ from those of the zone itself "
        "in 'z'\n"
        "up: warning: no NS records for 'a.none.example.com.', which is served as a zone of its "
        "own "
        "from 'z': other servers of 'example.com.' will deny it\n"
        "up: warning: 'a.b.old.example.com.', which is served as a zone of its own from 'z', is "
        "below the DNAME at 'old.example.com.': other servers of 'example.com.' will redirect "
        "it\n");
    assert_non_null(zones);
    zone_set_unref(zones);
}

/* `count` records of `octets` each; loads iff it should. */
static void check_set_size(size_t count, size_t octets, bool is_good)
{
    struct buf text;
    char problems[4096];
    const struct zone_source source = { .origin = "example.com", .file = "z" };
    buf_init(&text, 16 << 20);
    buf_append_text(&text, HEAD);
    for (size_t i = 0; i < count; i++) {
        buf_append_format(&text, "a TYPE4711 \\# %zu %08zx", octets, i);
        for (size_t k = 4; k < octets; k++)
            buf_append_text(&text, "00");
        buf_append_text(&text, "\n");
    }
    temp_zone_write("z", buf_text(&text), text.len);
    struct zone_set *zones = temp_zone_load(&source, 1, problems, sizeof(problems));
    buf_fini(&text);
    assert_true((zones != NULL) == is_good);
    if (!is_good)
        assert_non_null(strstr(problems, "fits no message"));
    zone_set_unref(zones);
}

static void test_load_refuses_sets_that_fit_no_message(void **state)
{
    (void)state;
    check_set_size(4062, 4, true);  /* 64992 octets */
    check_set_size(4063, 4, false); /* 65008 octets */
    check_set_size(1, 64988, true);
    check_set_size(1, 64989, false);
    check_set_size(70000, 4, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_reports_every_problem),
        cmocka_unit_test(test_include_restores_origin_and_owner),
        cmocka_unit_test(test_include_reports_with_its_own_name),
        cmocka_unit_test(test_include_refuses_circles_and_depth),
        cmocka_unit_test(test_include_is_relative_to_the_including_file),
        cmocka_unit_test(test_load_missing_file),
        cmocka_unit_test(test_load_limits_size),
        cmocka_unit_test(test_load_gives_up_after_many_errors),
        cmocka_unit_test(test_load_several_zones),
        cmocka_unit_test(test_load_compares_delegations),
        cmocka_unit_test(test_load_refuses_sets_that_fit_no_message),
    };
    return cmocka_run_group_tests(tests, temp_zone_setup, temp_zone_teardown);
}
