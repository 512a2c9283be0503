/* SPDX-License-Identifier: Apache-2.0 */
/* Searching and binding; the examples of the RFCs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "dns/wire/octets.h"
#include "dns/wire/query.h"
#include "steering/base/mem.h"
#include "tests/unit/dns/zone/temp_zone.h"

static const char *const MATCH_NAMES[] = {
    [ZONE_MATCH_NONE] = "NONE", [ZONE_MATCH_EXACT] = "EXACT", [ZONE_MATCH_WILDCARD] = "WILDCARD",
    [ZONE_MATCH_CUT] = "CUT",   [ZONE_MATCH_DNAME] = "DNAME", [ZONE_MATCH_NXDOMAIN] = "NXDOMAIN",
};

struct find_case {
    const char *name;
    bool is_ds;
    enum zone_match match;
    const char *node; /* its name; NULL for ZONE_MATCH_NONE */
    int types;        /* how many sets it has */
};

static void check_finds(const struct zone_set *zones, const struct find_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct zone_node *node = NULL;
        char text[NAME_TEXT_MAX] = "";
        enum zone_match match = temp_zone_find(zones, cases[i].name, cases[i].is_ds, &node);
        if (node != NULL)
            name_format(node->name, text);
        if (match != cases[i].match || (node == NULL) != (cases[i].node == NULL) ||
            (node != NULL &&
             (strcmp(text, cases[i].node) != 0 || node->rrset_count != cases[i].types)))
            fail_msg("%s%s: %s at '%s' with %d sets", cases[i].name, cases[i].is_ds ? " DS" : "",
                     MATCH_NAMES[match], text, node != NULL ? node->rrset_count : -1);
    }
}

/* RFC 4592 section 2.2.1. */
static const char RFC_4592[] = "$ORIGIN example.\n"
                               "example. 3600 IN SOA ns.example.com. h.example.com. 1 2 3 4 5\n"
                               "example. 3600 NS ns.example.com.\n"
                               "example. 3600 NS ns.example.net.\n"
                               "*.example. 3600 TXT \"this is a wildcard\"\n"
                               "*.example. 3600 MX 10 host1.example.\n"
                               "sub.*.example. 3600 TXT \"this is not a wildcard\"\n"
                               "host1.example. 3600 A 192.0.2.1\n"
                               "_ssh._tcp.host1.example. 3600 SRV 0 0 22 host1\n"
                               "_ssh._tcp.host2.example. 3600 SRV 0 0 22 host2\n"
                               "subdel.example. 3600 NS ns.example.com.\n"
                               "subdel.example. 3600 NS ns.example.net.\n";

static void test_find_follows_rfc_4592(void **state)
{
    (void)state;
    static const struct find_case CASES[] = {
        { "host3.example.", false, ZONE_MATCH_WILDCARD, "*.example.", 2 },
        { "foo.bar.example.", false, ZONE_MATCH_WILDCARD, "*.example.", 2 },
        { "host1.example.", false, ZONE_MATCH_EXACT, "host1.example.", 1 },
        { "sub.*.example.", false, ZONE_MATCH_EXACT, "sub.*.example.", 1 },
        { "_telnet._tcp.host1.example.", false, ZONE_MATCH_NXDOMAIN, "_tcp.host1.example.", 0 },
        { "host.subdel.example.", false, ZONE_MATCH_CUT, "subdel.example.", 1 },
        { "ghost.*.example.", false, ZONE_MATCH_NXDOMAIN, "*.example.", 2 },
        /* empty non-terminals exist, so no wildcard covers them */
        { "_tcp.host1.example.", false, ZONE_MATCH_EXACT, "_tcp.host1.example.", 0 },
        { "host2.example.", false, ZONE_MATCH_EXACT, "host2.example.", 0 },
        { "_tcp.host2.example.", false, ZONE_MATCH_EXACT, "_tcp.host2.example.", 0 },
        { "x.host2.example.", false, ZONE_MATCH_NXDOMAIN, "host2.example.", 0 },
        { "*.example.", false, ZONE_MATCH_EXACT, "*.example.", 2 },
        { "example.", false, ZONE_MATCH_EXACT, "example.", 2 },
        { "HOST1.Example.", false, ZONE_MATCH_EXACT, "host1.example.", 1 },
        { "com.", false, ZONE_MATCH_NONE, NULL, 0 },
        { ".", false, ZONE_MATCH_NONE, NULL, 0 },
        { "xexample.", false, ZONE_MATCH_NONE, NULL, 0 },
    };
    struct zone_set *zones = temp_zone_from("example", RFC_4592);
    check_finds(zones, CASES, ARRAY_SIZE(CASES));
    const struct zone *zone = zone_set_at(zones, 0);
    assert_int_equal(zone_set_count(zones), 1);
    assert_int_equal(zone_set_record_count(zones), 11);
    assert_int_equal(zone->serial, 1);
    assert_int_equal(zone->negative_ttl_s, 5);
    assert_true(zone->apex->is_apex && zone->apex->zone == zone);
    assert_non_null(zone->apex->wildcard);
    assert_true(zone->apex->wildcard->is_wildcard);
    zone_set_unref(zones);
}

static const char RFC_1034[] = "$TTL 600\n"
                               "@ 60 SOA ns host 7 2 3 4 900\n"
                               "  NS ns\n"
                               "ns A 192.0.2.1\n"
                               "sub NS ns.sub\n"
                               "    NS ns\n"
                               "    DS 1 8 255 00\n"
                               "ns.sub A 192.0.2.2\n"
                               "ns.sub AAAA 2001:db8::2\n"
                               "below.sub TXT x\n"
                               "self NS self\n"
                               "self A 192.0.2.3\n"
                               "old DNAME example.net.\n"
                               "old TXT x\n"
                               "a.b.c TXT x\n"
                               "*.wild TXT x\n"
                               "sub.wild TXT x\n"
                               "x.*.ent TXT x\n";

static void test_find_follows_rfc_1034(void **state)
{
    (void)state;
    static const struct find_case CASES[] = {
        { "example.com", false, ZONE_MATCH_EXACT, "example.com.", 2 },
        { "nope.example.com", false, ZONE_MATCH_NXDOMAIN, "example.com.", 2 },
        { "b.c.example.com", false, ZONE_MATCH_EXACT, "b.c.example.com.", 0 },
        { "x.b.c.example.com", false, ZONE_MATCH_NXDOMAIN, "b.c.example.com.", 0 },
        /* at and below the cut, glue included; what stood below it is gone */
        { "sub.example.com", false, ZONE_MATCH_CUT, "sub.example.com.", 2 },
        { "ns.sub.example.com", false, ZONE_MATCH_CUT, "sub.example.com.", 2 },
        { "below.sub.example.com", false, ZONE_MATCH_CUT, "sub.example.com.", 2 },
        { "x.y.z.sub.example.com", false, ZONE_MATCH_CUT, "sub.example.com.", 2 },
        { "sub.example.com", true, ZONE_MATCH_EXACT, "sub.example.com.", 2 },
        { "x.sub.example.com", true, ZONE_MATCH_CUT, "sub.example.com.", 2 },
        { "self.example.com", false, ZONE_MATCH_CUT, "self.example.com.", 2 },
        { "self.example.com", true, ZONE_MATCH_EXACT, "self.example.com.", 2 },
        { "example.com", true, ZONE_MATCH_EXACT, "example.com.", 2 },
        /* the DNAME's owner itself is not redirected */
        { "old.example.com", false, ZONE_MATCH_EXACT, "old.example.com.", 2 },
        { "x.old.example.com", false, ZONE_MATCH_DNAME, "old.example.com.", 2 },
        { "y.x.old.example.com", false, ZONE_MATCH_DNAME, "old.example.com.", 2 },
        { "wild.example.com", false, ZONE_MATCH_EXACT, "wild.example.com.", 0 },
        { "x.wild.example.com", false, ZONE_MATCH_WILDCARD, "*.wild.example.com.", 1 },
        { "x.sub.wild.example.com", false, ZONE_MATCH_NXDOMAIN, "sub.wild.example.com.", 1 },
        /* a wildcard that is itself an empty non-terminal: covers, and has no data */
        { "q.ent.example.com", false, ZONE_MATCH_WILDCARD, "*.ent.example.com.", 0 },
        { "x.*.ent.example.com", false, ZONE_MATCH_EXACT, "x.*.ent.example.com.", 1 },
        { "com", false, ZONE_MATCH_NONE, NULL, 0 },
        { "a.example.org", false, ZONE_MATCH_NONE, NULL, 0 },
    };
    char problems[4096];
    const struct zone_source source = { .origin = "Example.COM", .file = "z" };
    temp_zone_write("z", RFC_1034, sizeof(RFC_1034) - 1);
    struct zone_set *zones = temp_zone_load(&source, 1, problems, sizeof(problems));
    assert_non_null(zones);
    check_finds(zones, CASES, ARRAY_SIZE(CASES));
    /* The SOA's own TTL is the smaller one. */
    assert_int_equal(zone_set_at(zones, 0)->negative_ttl_s, 60);
    zone_set_unref(zones);
}

static const struct zone_node *find_glue(const struct zone_set *zones, const char *name)
{
    uint8_t wire[NAME_MAX_BYTES];
    size_t len = name_parse(str_from(name), wire);
    name_lower(wire, len, wire);
    return zone_set_find_glue(zones, wire, len);
}

static void test_find_glue_sees_below_cuts(void **state)
{
    (void)state;
    struct zone_set *zones = temp_zone_from("example.com", RFC_1034);
    const struct zone_node *glue = find_glue(zones, "ns.sub.example.com");
    assert_non_null(glue);
    assert_non_null(zone_node_rrset(glue, TYPE_A));
    assert_non_null(zone_node_rrset(glue, TYPE_AAAA));
    assert_ptr_equal(glue->cut, find_glue(zones, "sub.example.com"));
    assert_non_null(find_glue(zones, "ns.example.com"));
    /* left out at the load; a wildcard is not consulted */
    assert_int_equal(find_glue(zones, "below.sub.example.com")->rrset_count, 0);
    assert_null(find_glue(zones, "x.wild.example.com"));
    assert_null(find_glue(zones, "ns.example.org"));
    zone_set_unref(zones);
}

/* ---- several zones --------------------------------------------------------------------------- */

#define HEAD "$TTL 300\n@ SOA ns host 1 2 3 4 60\n NS ns.example.net.\n"

/* What leads to such a zone does not exist in its parent: the DNAME redirects it (RFC 6672 section
 * 2.4), and all that the parent could say about the zone itself. */
static void test_find_redirects_around_a_zone_below_a_dname(void **state)
{
    (void)state;
    static const char UP[] = HEAD "d DNAME example.net.\n";
    static const char SUB[] = HEAD "x TXT x\n*.w TXT x\n";
    static const struct zone_source sources[] = {
        { "c.b.d.example.com", "sub" },    { "example.com", "up" },
        { "n.c.b.d.example.com", "sub" },  { "x.*.d.example.com", "sub" },
        { "direct.d.example.com", "sub" },
    };
    static const struct find_case CASES[] = {
        { "d.example.com", false, ZONE_MATCH_EXACT, "d.example.com.", 1 },
        { "b.d.example.com", false, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "b.d.example.com", true, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "x.b.d.example.com", false, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "c.b.d.example.com", false, ZONE_MATCH_EXACT, "c.b.d.example.com.", 2 },
        { "c.b.d.example.com", true, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "x.c.b.d.example.com", false, ZONE_MATCH_EXACT, "x.c.b.d.example.com.", 1 },
        { "x.c.b.d.example.com", true, ZONE_MATCH_EXACT, "x.c.b.d.example.com.", 1 },
        { "a.w.c.b.d.example.com", false, ZONE_MATCH_WILDCARD, "*.w.c.b.d.example.com.", 1 },
        { "a.c.b.d.example.com", false, ZONE_MATCH_NXDOMAIN, "c.b.d.example.com.", 2 },
        { "n.c.b.d.example.com", false, ZONE_MATCH_EXACT, "n.c.b.d.example.com.", 2 },
        { "n.c.b.d.example.com", true, ZONE_MATCH_EXACT, "n.c.b.d.example.com.", 0 },
        { "*.d.example.com", false, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "y.*.d.example.com", false, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "y.z.d.example.com", false, ZONE_MATCH_DNAME, "d.example.com.", 1 },
        { "x.*.d.example.com", false, ZONE_MATCH_EXACT, "x.*.d.example.com.", 2 },
        { "direct.d.example.com", false, ZONE_MATCH_EXACT, "direct.d.example.com.", 2 },
        { "direct.d.example.com", true, ZONE_MATCH_DNAME, "d.example.com.", 1 },
    };
    char problems[4096];
    temp_zone_write("up", UP, sizeof(UP) - 1);
    temp_zone_write("sub", SUB, sizeof(SUB) - 1);
    struct zone_set *zones =
        temp_zone_load(sources, ARRAY_SIZE(sources), problems, sizeof(problems));
    if (zones == NULL)
        fail_msg("%s", problems);
    check_finds(zones, CASES, ARRAY_SIZE(CASES));
    zone_set_unref(zones);
}

static void test_find_prefers_the_child_zone(void **state)
{
    (void)state;
    static const char ROOT[] = HEAD "net NS ns.example.net.\nns.example.net A 192.0.2.1\n"
                                    "ns.sub.example.com A 192.0.2.99\n";
    static const char UP[] = HEAD "sub NS ns.sub\nsub DS 1 8 255 00\nns.sub A 192.0.2.1\n"
                                  "*.deep TXT x\nother NS ns.example.net.\n";
    static const char SUB[] = HEAD "ns A 192.0.2.7\n";
    static const struct zone_source sources[] = {
        { "example.com", "up" },
        { "sub.example.com", "sub" },
        { "a.b.deep.example.com", "sub" },
        { "x.other.example.com", "sub" },
        { ".", "root" },
    };
    static const struct find_case CASES[] = {
        { "sub.example.com", false, ZONE_MATCH_EXACT, "sub.example.com.", 2 },
        { "ns.sub.example.com", false, ZONE_MATCH_EXACT, "ns.sub.example.com.", 1 },
        { "x.sub.example.com", false, ZONE_MATCH_NXDOMAIN, "sub.example.com.", 2 },
        /* the parent answers for DS: it has the set here, and no data below */
        { "sub.example.com", true, ZONE_MATCH_EXACT, "sub.example.com.", 2 },
        { "a.b.deep.example.com", true, ZONE_MATCH_EXACT, "a.b.deep.example.com.", 0 },
        /* not delegated, yet it exists, with the empty names above it */
        { "a.b.deep.example.com", false, ZONE_MATCH_EXACT, "a.b.deep.example.com.", 2 },
        { "b.deep.example.com", false, ZONE_MATCH_EXACT, "b.deep.example.com.", 0 },
        { "x.deep.example.com", false, ZONE_MATCH_WILDCARD, "*.deep.example.com.", 1 },
        { "x.b.deep.example.com", false, ZONE_MATCH_NXDOMAIN, "b.deep.example.com.", 0 },
        /* below somebody else's zone: that one would answer for DS, so the child does */
        { "other.example.com", false, ZONE_MATCH_CUT, "other.example.com.", 1 },
        { "x.other.example.com", false, ZONE_MATCH_EXACT, "x.other.example.com.", 2 },
        { "x.other.example.com", true, ZONE_MATCH_EXACT, "x.other.example.com.", 2 },
        { "y.other.example.com", false, ZONE_MATCH_CUT, "other.example.com.", 1 },
        { ".", false, ZONE_MATCH_EXACT, ".", 2 },
        { "com", false, ZONE_MATCH_EXACT, "com.", 0 },
        { "org", false, ZONE_MATCH_NXDOMAIN, ".", 2 },
        { "x.net", false, ZONE_MATCH_CUT, "net.", 1 },
    };
    char problems[4096];
    temp_zone_write("root", ROOT, sizeof(ROOT) - 1);
    temp_zone_write("up", UP, sizeof(UP) - 1);
    temp_zone_write("sub", SUB, sizeof(SUB) - 1);
    struct zone_set *zones =
        temp_zone_load(sources, ARRAY_SIZE(sources), problems, sizeof(problems));
    assert_non_null(zones);
    check_finds(zones, CASES, ARRAY_SIZE(CASES));
    const struct zone_node *node;
    assert_int_equal(temp_zone_find(zones, "sub.example.com", true, &node), ZONE_MATCH_EXACT);
    assert_ptr_equal(node->zone, zone_set_at(zones, 0));
    assert_non_null(zone_node_rrset(node, TYPE_DS));
    assert_int_equal(temp_zone_find(zones, "sub.example.com", false, &node), ZONE_MATCH_EXACT);
    assert_ptr_equal(node->zone, zone_set_at(zones, 1));
    assert_int_equal(temp_zone_find(zones, "x.other.example.com", true, &node), ZONE_MATCH_EXACT);
    assert_ptr_equal(node->zone, zone_set_at(zones, 3));
    /* Addresses come from the child, not from the parent's glue. */
    const struct rrset *address = zone_node_rrset(find_glue(zones, "ns.sub.example.com"), TYPE_A);
    assert_int_equal(address->rdata[0].bytes[3], 7);
    zone_set_unref(zones);
}

/* ---- RRsets ---------------------------------------------------------------------------------- */

static void test_rrset_is_encoded_when_it_has_no_name(void **state)
{
    (void)state;
    struct zone_set *zones = temp_zone_from("example.com", HEAD "a A 192.0.2.1\na A 192.0.2.2\n"
                                                                "a SRV 1 2 3 Host\na PTR b\n"
                                                                "a MX 10 Mail\na APL\n");
    const struct zone_node *node;
    temp_zone_find(zones, "a.example.com", false, &node);
    static const uint8_t TWO_A[] = {
        0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1, /* 300 s */
        0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 2,
    };
    const struct rrset *a = zone_node_rrset(node, TYPE_A);
    assert_int_equal(a->count, 2);
    assert_int_equal(a->encoded_len, sizeof(TWO_A));
    assert_memory_equal(a->encoded, TWO_A, sizeof(TWO_A));
    assert_memory_equal(a->rdata[1].bytes, TWO_A + 28, 4);
    assert_int_equal(a->rdata[1].name_len, 0);
    /* RFC 3597 section 4: the target of SRV is not compressible, case is kept. */
    const struct rrset *srv = zone_node_rrset(node, TYPE_SRV);
    assert_int_equal(srv->encoded_len, 12 + 6 + 18);
    assert_memory_equal(srv->encoded + 18, "\4Host\7example\3com", 18);
    assert_int_equal(zone_node_rrset(node, 42)->encoded_len, 12);
    static const struct {
        uint16_t type, name_at, name_len;
    } NAMED[] = { { TYPE_PTR, 0, 15 }, { TYPE_MX, 2, 18 } };
    for (size_t i = 0; i < ARRAY_SIZE(NAMED); i++) {
        const struct rrset *rrset = zone_node_rrset(node, NAMED[i].type);
        assert_null(rrset->encoded);
        assert_int_equal(rrset->rdata[0].name_at, NAMED[i].name_at);
        assert_int_equal(rrset->rdata[0].name_len, NAMED[i].name_len);
    }
    const struct rdata *soa = zone_node_rrset(zone_set_at(zones, 0)->apex, TYPE_SOA)->rdata;
    assert_int_equal(soa->name_len, 16);
    assert_int_equal(soa->len, 16 + 18 + 20);
    assert_null(zone_node_rrset(node, TYPE_AAAA));
    zone_set_unref(zones);
}

/* ---- odd names ------------------------------------------------------------------------------- */

static void test_find_odd_names(void **state)
{
    (void)state;
    struct zone_set *zones = temp_zone_from(
        "example.com", HEAD "a\\.b TXT x\n\\065\\194\\000 TXT y\n\\* TXT z\nUPPER.Case TXT u\n"
                            "sp\\ ace TXT s\n\\@ TXT at\n");
    static const struct find_case CASES[] = {
        { "a\\.b.example.com", false, ZONE_MATCH_EXACT, "a\\.b.example.com.", 1 },
        { "b.example.com", false, ZONE_MATCH_WILDCARD, "*.example.com.", 1 },
        { "a\\194\\000.example.com", false, ZONE_MATCH_EXACT, "a\\194\\000.example.com.", 1 },
        { "upper.case.example.com", false, ZONE_MATCH_EXACT, "upper.case.example.com.", 1 },
        { "sp\\032ace.example.com", false, ZONE_MATCH_EXACT, "sp\\032ace.example.com.", 1 },
        { "@.example.com", false, ZONE_MATCH_EXACT, "\\@.example.com.", 1 },
    };
    check_finds(zones, CASES, ARRAY_SIZE(CASES));
    zone_set_unref(zones);
}

/* Names of 255 octets: with as many labels as possible, and with labels of 63 octets. */
static void test_find_longest_names(void **state)
{
    (void)state;
    char deep[256] = "", wide[256], label[64], text[2048];
    const struct zone_node *node;
    for (int i = 0; i < 121; i++)
        snprintf(deep + 2 * i, 3, "%c.", "abc"[i % 3]);
    memset(label, 'w', 63);
    label[63] = '\0';
    snprintf(wide, sizeof(wide), "%.49s.%s.%s.%s.example.com.", label, label, label, label);
    snprintf(text, sizeof(text), HEAD "%sexample.com. TXT x\n%s TXT y\n", deep, wide);
    struct zone_set *zones = temp_zone_from("example.com", text);
    assert_int_equal(temp_zone_find(zones, wide, false, &node), ZONE_MATCH_EXACT);
    assert_int_equal(node->name_len, 255);
    assert_int_equal(node->rrset_count, 1);
    snprintf(text, sizeof(text), "%sexample.com", deep);
    assert_int_equal(temp_zone_find(zones, text, false, &node), ZONE_MATCH_EXACT);
    assert_int_equal(node->name_len, 255);
    assert_int_equal(node->label_count, 123);
    for (size_t at = 2; at < strlen(deep); at += 2) {
        snprintf(text, sizeof(text), "%sexample.com", deep + at);
        assert_int_equal(temp_zone_find(zones, text, false, &node), ZONE_MATCH_EXACT);
        assert_int_equal(node->rrset_count, 0);
        snprintf(text, sizeof(text), "z.%sexample.com", deep + at);
        assert_int_equal(temp_zone_find(zones, text, false, &node), ZONE_MATCH_NXDOMAIN);
    }
    zone_set_unref(zones);
}

/* The root label alone leaves room for 127 labels of one octet. */
static void test_find_127_labels(void **state)
{
    (void)state;
    char deep[256] = "", text[1024];
    const struct zone_node *node;
    for (int i = 0; i < 127; i++)
        snprintf(deep + 2 * i, 3, "%c.", "abc"[i % 3]);
    snprintf(text, sizeof(text), HEAD "%s TXT x\n", deep);
    struct zone_set *zones = temp_zone_from(".", text);
    assert_int_equal(temp_zone_find(zones, deep, false, &node), ZONE_MATCH_EXACT);
    assert_int_equal(node->label_count, 127);
    deep[0] = 'z';
    assert_int_equal(temp_zone_find(zones, deep, false, &node), ZONE_MATCH_NXDOMAIN);
    assert_int_equal(node->label_count, 126);
    memset(deep, 'z', 1);
    for (size_t i = 0; i < 127; i++)
        deep[2 * i] = 'z';
    assert_int_equal(temp_zone_find(zones, deep, false, &node), ZONE_MATCH_NXDOMAIN);
    assert_int_equal(node->label_count, 0);
    zone_set_unref(zones);
}

/* ---- binding --------------------------------------------------------------------------------- */

static const char BIND_ZONE[] = HEAD "www TXT x\nhas A 192.0.2.1\nhas6 AAAA 2001:db8::1\n"
                                     "alias CNAME www\nsvc HTTPS 1 .\nsub NS ns.example.net.\n"
                                     "old DNAME example.net.\n*.static TXT s\n";

/* Binds the names; what was reported goes to `out_text`. */
static enum err bind_names(struct zone_set *zones, const struct zone_steered *names, size_t count,
                           char *out_text, size_t capacity)
{
    struct diag diag;
    struct buf text;
    diag_init(&diag);
    buf_init(&text, 1 << 16);
    enum err err = zone_set_bind(zones, names, count, &diag);
    diag_format(&diag, &text);
    snprintf(out_text, capacity, "%s", buf_text(&text));
    buf_fini(&text);
    diag_fini(&diag);
    return err;
}

static void test_bind_makes_nodes(void **state)
{
    (void)state;
    static const struct zone_steered NAMES[] = {
        { .name = "example.com." }, /* the apex, by addresses */
        { .name = "www.example.com." },
        { .name = "a.b.new.example.com.", .may_answer_cname = true },
        { .name = "*.any.example.com." },
        { .name = "x.static.example.com." },
        { .name = "svc.example.com." },
    };
    static const struct find_case CASES[] = {
        { "example.com", false, ZONE_MATCH_EXACT, "example.com.", 2 },
        { "www.example.com", false, ZONE_MATCH_EXACT, "www.example.com.", 1 },
        { "a.b.new.example.com", false, ZONE_MATCH_EXACT, "a.b.new.example.com.", 0 },
        { "b.new.example.com", false, ZONE_MATCH_EXACT, "b.new.example.com.", 0 },
        { "new.example.com", false, ZONE_MATCH_EXACT, "new.example.com.", 0 },
        { "x.new.example.com", false, ZONE_MATCH_NXDOMAIN, "new.example.com.", 0 },
        { "x.any.example.com", false, ZONE_MATCH_WILDCARD, "*.any.example.com.", 0 },
        { "any.example.com", false, ZONE_MATCH_EXACT, "any.example.com.", 0 },
        { "y.static.example.com", false, ZONE_MATCH_WILDCARD, "*.static.example.com.", 1 },
        /* the new node shadows the wildcard, for itself and below */
        { "x.static.example.com", false, ZONE_MATCH_EXACT, "x.static.example.com.", 0 },
        { "y.x.static.example.com", false, ZONE_MATCH_NXDOMAIN, "x.static.example.com.", 0 },
    };
    char problems[4096];
    struct zone_set *zones = temp_zone_from("example.com", BIND_ZONE);
    assert_int_equal(bind_names(zones, NAMES, ARRAY_SIZE(NAMES), problems, sizeof(problems)),
                     ERR_OK);
    assert_string_equal(problems, "");
    check_finds(zones, CASES, ARRAY_SIZE(CASES));
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
        const struct zone_node *node;
        assert_int_equal(temp_zone_find(zones, NAMES[i].name, false, &node), ZONE_MATCH_EXACT);
        assert_int_equal(node->steered, i);
        assert_ptr_equal(node->zone, zone_set_at(zones, 0));
    }
    const struct zone_node *node;
    temp_zone_find(zones, "b.new.example.com", false, &node);
    assert_int_equal(node->steered, NODE_NOT_STEERED);
    temp_zone_find(zones, "x.any.example.com", false, &node);
    assert_int_equal(node->steered, 3);
    assert_true(node->is_wildcard);
    zone_set_unref(zones);
}

static void test_bind_refuses(void **state)
{
    (void)state;
    static const struct {
        struct zone_steered name;
        const char *problem;
    } CASES[] = {
        { { .name = "www.example.org." },
          "name 'www.example.org.' lies in no zone; add its zone under `zones:`" },
        { { .name = "a..b." }, "name 'a..b.' is no domain name" },
        { { .name = "sub.example.com." },
          "name 'sub.example.com.' is at or below the delegation of 'sub.example.com.': other "
          "servers answer for it" },
        { { .name = "x.y.sub.example.com." },
          "name 'x.y.sub.example.com.' is at or below the delegation of 'sub.example.com.': other "
          "servers answer for it" },
        { { .name = "x.old.example.com." },
          "name 'x.old.example.com.' is below the DNAME at 'old.example.com.'" },
        { { .name = "has.example.com." },
          "name 'has.example.com.': zone 'example.com.' has A records for it; remove them there, "
          "or the name here" },
        { { .name = "has6.example.com." },
          "name 'has6.example.com.': zone 'example.com.' has AAAA records for it; remove them "
          "there, or the name here" },
        { { .name = "alias.example.com.", .may_answer_cname = true },
          "name 'alias.example.com.': zone 'example.com.' has CNAME records for it; remove them "
          "there, or the name here" },
        { { .name = "svc.example.com.", .has_https = true },
          "name 'svc.example.com.': zone 'example.com.' has HTTPS records for it; remove them "
          "there, or the name here" },
        { { .name = "example.com.", .may_answer_cname = true },
          "name 'example.com.' is the apex of its zone and may be answered by CNAME, which cannot "
          "stand beside SOA and NS; give all candidate sites addresses" },
        { { .name = "www.example.com.", .may_answer_cname = true },
          "name 'www.example.com.' may be answered by CNAME, which must be alone, but zone "
          "'example.com.' has TXT records for it" },
    };
    char problems[4096], expected[4096];
    struct zone_set *zones = temp_zone_from("example.com", BIND_ZONE);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        assert_int_equal(bind_names(zones, &CASES[i].name, 1, problems, sizeof(problems)),
                         ERR_INVALID);
        snprintf(expected, sizeof(expected), "error: %s\n", CASES[i].problem);
        assert_string_equal(problems, expected);
    }
    /* All at once, and nothing was changed by it. */
    static const struct zone_steered MIXED[] = {
        { .name = "fine.example.com." },
        { .name = "fine.example.com." },
        { .name = "F\\105ne.example.com." },
        { .name = "www.example.net." },
    };
    assert_int_equal(bind_names(zones, MIXED, ARRAY_SIZE(MIXED), problems, sizeof(problems)),
                     ERR_INVALID);
    assert_string_equal(problems,
                        "error: name 'fine.example.com.' is given twice\n"
                        "error: name 'F\\105ne.example.com.' is given twice\n"
                        "error: name 'www.example.net.' lies in no zone; add its zone under "
                        "`zones:`\n");
    const struct zone_node *node;
    assert_int_equal(temp_zone_find(zones, "fine.example.com", false, &node), ZONE_MATCH_NXDOMAIN);
    assert_int_equal(bind_names(zones, MIXED, 1, problems, sizeof(problems)), ERR_OK);
    zone_set_unref(zones);
}

static void test_ref_keeps_the_set(void **state)
{
    (void)state;
    const struct zone_node *node;
    struct zone_set *zones = temp_zone_from("example.com", HEAD);
    assert_ptr_equal(zone_set_ref(zones), zones);
    zone_set_unref(zones);
    assert_int_equal(temp_zone_find(zones, "example.com", false, &node), ZONE_MATCH_EXACT);
    zone_set_unref(zones);
    zone_set_unref(NULL);
}

static void test_load_no_zones(void **state)
{
    (void)state;
    char problems[64];
    const struct zone_node *node;
    struct zone_set *zones = temp_zone_load(NULL, 0, problems, sizeof(problems));
    assert_non_null(zones);
    assert_int_equal(zone_set_count(zones), 0);
    assert_int_equal(temp_zone_find(zones, "example.com", false, &node), ZONE_MATCH_NONE);
    assert_null(find_glue(zones, "example.com"));
    zone_set_unref(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_follows_rfc_4592),
        cmocka_unit_test(test_find_follows_rfc_1034),
        cmocka_unit_test(test_find_glue_sees_below_cuts),
        cmocka_unit_test(test_find_redirects_around_a_zone_below_a_dname),
        cmocka_unit_test(test_find_prefers_the_child_zone),
        cmocka_unit_test(test_rrset_is_encoded_when_it_has_no_name),
        cmocka_unit_test(test_find_odd_names),
        cmocka_unit_test(test_find_longest_names),
        cmocka_unit_test(test_find_127_labels),
        cmocka_unit_test(test_bind_makes_nodes),
        cmocka_unit_test(test_bind_refuses),
        cmocka_unit_test(test_ref_keeps_the_set),
        cmocka_unit_test(test_load_no_zones),
    };
    return cmocka_run_group_tests(tests, temp_zone_setup, temp_zone_teardown);
}
