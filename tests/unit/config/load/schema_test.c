/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

struct leaf {
    struct schema_head head;
    uint32_t size;
    char *note;
};
struct settings {
    char *string, *name, *computed;
    bool flag;
    uint32_t number, seconds;
    uint64_t duration_ms, bytes;
    struct schema_coordinates at;
    struct schema_addresses addresses;
    struct schema_listens listen, peers, single;
    struct schema_cidrs cidrs;
    struct schema_numbers asns;
    struct schema_texts texts;
    unsigned word;
    struct leaf leaf;
    struct schema_items named, free_named, list;
};

#define AT(type, member) .offset = offsetof(struct type, member)

static const char *const words[] = { "red", "green", "blue", NULL };
static const struct schema_key leaf_keys[] = {
    { .name = "size",
      .kind = SCHEMA_U32,
      AT(leaf, size),
      .min = 1,
      .max = 9,
      .is_required = true,
      .doc = "How large." },
    { .name = "note", .kind = SCHEMA_STRING, AT(leaf, note), .fallback = "none", .doc = "A note." },
};
static const struct schema leaf_schema = { .what = "leaf",
                                           .keys = leaf_keys,
                                           .key_count = ARRAY_SIZE(leaf_keys),
                                           .size = sizeof(struct leaf),
                                           .has_head = true };
static const struct schema_key keys[] = {
    { .name = "string",
      .kind = SCHEMA_STRING,
      AT(settings, string),
      .min = 1,
      .max = 5,
      .doc = "" },
    { .name = "name", .kind = SCHEMA_NAME, AT(settings, name), .doc = "" },
    { .name = "computed",
      .kind = SCHEMA_STRING,
      AT(settings, computed),
      .fallback_doc = "the weather",
      .doc = "Computed." },
    { .name = "flag", .kind = SCHEMA_BOOL, AT(settings, flag), .fallback = "true", .doc = "" },
    { .name = "number",
      .kind = SCHEMA_U32,
      AT(settings, number),
      .min = 2,
      .max = 10,
      .fallback = "7",
      .doc = "A number." },
    { .name = "seconds",
      .kind = SCHEMA_SECONDS,
      AT(settings, seconds),
      .max = 600,
      .fallback = "1m",
      .doc = "" },
    { .name = "duration",
      .kind = SCHEMA_DURATION,
      AT(settings, duration_ms),
      .min = 100,
      .max = 60000,
      .fallback = "1500ms",
      .doc = "" },
    { .name = "bytes",
      .kind = SCHEMA_BYTES,
      AT(settings, bytes),
      .min = 512,
      .max = 1ull << 40,
      .fallback = "64KiB",
      .doc = "" },
    { .name = "at", .kind = SCHEMA_COORDINATES, AT(settings, at), .doc = "" },
    { .name = "addresses",
      .kind = SCHEMA_ADDRESSES,
      AT(settings, addresses),
      .min = 1,
      .max = 3,
      .doc = "" },
    { .name = "listen",
      .kind = SCHEMA_LISTEN,
      AT(settings, listen),
      .max = 2,
      .fallback = "[\"0.0.0.0:53\", \"[::]:53\"]",
      .doc = "" },
    { .name = "peers", .kind = SCHEMA_PEERS, AT(settings, peers), .max = 3, .doc = "" },
    { .name = "single", .kind = SCHEMA_LISTEN, AT(settings, single), .max = 1, .doc = "" },
    { .name = "cidrs", .kind = SCHEMA_CIDRS, AT(settings, cidrs), .max = 9, .doc = "" },
    { .name = "asns", .kind = SCHEMA_ASNS, AT(settings, asns), .max = 9, .doc = "" },
    { .name = "texts", .kind = SCHEMA_TEXTS, AT(settings, texts), .min = 1, .max = 3, .doc = "" },
    { .name = "word",
      .kind = SCHEMA_WORD,
      AT(settings, word),
      .words = words,
      .fallback = "green",
      .doc = "" },
    { .name = "leaf",
      .kind = SCHEMA_MAPPING,
      AT(settings, leaf),
      .child = &leaf_schema,
      .doc = "" },
    { .name = "named",
      .kind = SCHEMA_NAMED,
      AT(settings, named),
      .child = &leaf_schema,
      .max = 2,
      .doc = "" },
    { .name = "free",
      .kind = SCHEMA_NAMED,
      AT(settings, free_named),
      .has_free_names = true,
      .child = &leaf_schema,
      .max = 2,
      .doc = "" },
    { .name = "list",
      .kind = SCHEMA_LIST,
      AT(settings, list),
      .child = &leaf_schema,
      .max = 2,
      .doc = "" },
};
static const struct schema schema = {
    .what = "the file", .keys = keys, .key_count = ARRAY_SIZE(keys), .size = sizeof(struct settings)
};

struct run {
    struct diag diag;
    struct buf out;
    struct yaml_tree *tree;
    struct settings settings;
    enum err err;
};

static void start(struct run *run, const char *text)
{
    memset(run, 0, sizeof(*run));
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    diag_set_file(&run->diag, "f");
    assert_int_equal(yaml_tree_parse(str_from(text), &run->diag, &run->tree), ERR_OK);
    run->err = schema_parse(&schema, run->tree->root, &run->diag, &run->settings);
    diag_format(&run->diag, &run->out);
    assert_int_equal(run->err, diag_has_errors(&run->diag) ? ERR_INVALID : ERR_OK);
}

static void finish(struct run *run)
{
    schema_fini(&schema, &run->settings);
    yaml_tree_free(run->tree);
    buf_fini(&run->out);
    diag_fini(&run->diag);
}

static void test_parse_applies_defaults(void **state)
{
    struct run run;
    (void)state;
    start(&run, "{}");
    const struct settings *s = &run.settings;
    assert_int_equal(run.err, ERR_OK);
    assert_null(s->string);
    assert_null(s->computed);
    assert_true(s->flag);
    assert_int_equal(s->number, 7);
    assert_int_equal(s->seconds, 60);
    assert_int_equal(s->duration_ms, 1500);
    assert_int_equal(s->bytes, 65536);
    assert_int_equal(s->peers.count, 0);
    assert_false(s->at.is_set);
    assert_int_equal(s->listen.count, 2);
    assert_int_equal(s->listen.items[1].addr.family, ADDR_V6);
    assert_int_equal(s->listen.items[1].port, 53);
    assert_int_equal(s->word, 1);
    assert_int_equal(s->named.count, 0);
    /* an absent mapping has its defaults, lacks nothing, and knows that it is absent */
    assert_null(s->leaf.head.node);
    assert_int_equal(s->leaf.head.mark.line, 0);
    assert_string_equal(s->leaf.note, "none");
    assert_int_equal(s->leaf.size, 0);
    finish(&run);
}

static void test_parse_reads_every_kind(void **state)
{
    struct run run;
    char text[ADDR_TEXT_MAX], cidr[CIDR_TEXT_MAX];
    (void)state;
    start(&run, "string: abc\n"
                "name: us-east.1_a\n"
                "computed: sun\n"
                "flag: false\n"
                "number: 10\n"
                "seconds: 5m\n"
                "duration: 250ms\n"
                "at: [-23.43, 46.5]\n"
                "addresses: [192.0.2.1, '2001:db8::1']\n"
                "listen: '[::1]:5300'\n"
                "cidrs: [10.0.0.0/8, '2001:db8::/32', 192.0.2.7]\n"
                "asns: [64500, AS64501, as4294967295]\n"
                "texts: one\n"
                "word: blue\n"
                "leaf: { size: 3 }\n"
                "named:\n"
                "  a: { size: 1, note: x }\n"
                "  b-2: { size: 2 }\n"
                "free: { '*.x y': { size: 9 } }\n"
                "list:\n"
                "  - { size: 4 }\n");
    const struct settings *s = &run.settings;
    assert_string_equal(buf_text(&run.out), "");
    assert_string_equal(s->string, "abc");
    assert_string_equal(s->name, "us-east.1_a");
    assert_string_equal(s->computed, "sun");
    assert_false(s->flag);
    assert_int_equal(s->number, 10);
    assert_int_equal(s->seconds, 300);
    assert_int_equal(s->duration_ms, 250);
    assert_true(s->at.is_set && s->at.lat_deg < -23.4 && s->at.lon_deg > 46.4);
    assert_int_equal(s->addresses.count, 2);
    assert_string_equal(addr_format(&s->addresses.items[1], text), "2001:db8::1");
    assert_int_equal(s->listen.count, 1);
    assert_int_equal(s->listen.items[0].port, 5300);
    assert_int_equal(s->cidrs.count, 3);
    assert_string_equal(cidr_format(&s->cidrs.items[2], cidr), "192.0.2.7/32");
    assert_int_equal(s->asns.count, 3);
    assert_int_equal(s->asns.items[2], 4294967295u);
    assert_false(s->texts.is_list);
    assert_string_equal(s->texts.items[0].text, "one");
    assert_int_equal(s->texts.items[0].mark.line, 13);
    assert_int_equal(s->texts.items[0].mark.column, 8);
    assert_int_equal(s->word, 2);
    assert_int_equal(s->leaf.size, 3);
    assert_int_equal(s->leaf.head.mark.line, 15);
    assert_int_equal(s->named.count, 2);
    const struct leaf *named = s->named.items;
    assert_true(str_eq_text(named[1].head.name, "b-2"));
    assert_int_equal(named[1].head.mark.line, 18);
    assert_int_equal(named[1].head.mark.column, 3);
    assert_int_equal(named[1].size, 2);
    assert_true(schema_has(&named[0].head, "note"));
    assert_false(schema_has(&named[1].head, "note"));
    assert_int_equal(schema_mark_of(&named[0].head, "note").column, 23);
    assert_int_equal(schema_mark_of(&named[1].head, "note").column, 3);
    assert_true(str_eq_text(((struct leaf *)s->free_named.items)[0].head.name, "*.x y"));
    assert_int_equal(s->list.count, 1);
    assert_int_equal(((struct leaf *)s->list.items)[0].size, 4);
    finish(&run);
}

static void test_parse_reads_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = { { "bytes: 512", 512 },
                 { "bytes: 4096", 4096 },
                 { "bytes: 1KiB", 1024 },
                 { "bytes: 3MiB", 3145728 },
                 { "bytes: 1024GiB", 1ull << 40 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run run;
        start(&run, rows[i].text);
        assert_string_equal(buf_text(&run.out), "");
        assert_int_equal(run.settings.bytes, rows[i].bytes);
        finish(&run);
    }
}

static void test_parse_reads_peers(void **state)
{
    struct run run;
    (void)state;
    start(&run, "peers: ['192.0.2.1:8443', '[2001:db8::1]:1']");
    assert_string_equal(buf_text(&run.out), "");
    assert_int_equal(run.settings.peers.count, 2);
    assert_int_equal(run.settings.peers.items[0].port, 8443);
    assert_int_equal(run.settings.peers.items[1].addr.family, ADDR_V6);
    finish(&run);
}

/* Nothing behind the colon of a mapping or list: everything in it is commented out. */
static void test_parse_takes_nothing_as_empty_mapping(void **state)
{
    struct run run;
    (void)state;
    start(&run, "named:\nlist: ~\nfree: {}\n");
    assert_int_equal(run.err, ERR_OK);
    assert_int_equal(run.settings.named.count, 0);
    assert_int_equal(run.settings.list.count, 0);
    finish(&run);
}

static const struct {
    const char *text, *expected;
} error_rows[] = {
    { "[1]", "f:1:1: error: the file must be a mapping, found a list\n" },
    { "sting: x", "f:1:1: error: unknown key 'sting' in the file; did you mean 'string'?\n" },
    { "zzzzzzzz: x", "f:1:1: error: unknown key 'zzzzzzzz' in the file\n" },
    { "string: abcdef", "f:1:9: error: 'string' is longer than 5 characters\n" },
    { "string: ''", "f:1:9: error: 'string' must not be empty\n" },
    { "string: [a]", "f:1:9: error: 'string' must be a text, found a list\n" },
    { "string:", "f:1:8: error: 'string' must be a text, found nothing\n" },
    { "name: a b", "f:1:7: error: 'name' must be a name of letters, digits, '-', '_' and '.', "
                   "found 'a b'\n" },
    { "name: -a", "f:1:7: error: 'name' must be a name of letters, digits, '-', '_' and '.', "
                  "found '-a'\n" },
    { "flag: yes", "f:1:7: error: 'flag' must be true or false, found 'yes'\n" },
    { "flag: {}", "f:1:7: error: 'flag' must be true or false, found a mapping\n" },
    { "number: 11", "f:1:9: error: 'number' must be a whole number from 2 to 10, found '11'\n" },
    { "number: 1", "f:1:9: error: 'number' must be a whole number from 2 to 10, found '1'\n" },
    { "number: -3", "f:1:9: error: 'number' must be a whole number from 2 to 10, found '-3'\n" },
    { "number: 2.5", "f:1:9: error: 'number' must be a whole number from 2 to 10, found '2.5'\n" },
    { "seconds: 1500ms", "f:1:10: error: 'seconds' must be a duration in seconds such as 60, "
                         "90s or 5m, from 0 to 600, found '1500ms'\n" },
    { "seconds: 11m", "f:1:10: error: 'seconds' must be a duration in seconds such as 60, "
                      "90s or 5m, from 0 to 600, found '11m'\n" },
    { "duration: 5", NULL },
    { "duration: 50ms", "f:1:11: error: 'duration' must be a duration such as 250ms, 30s or "
                        "5m, from 100ms to 60s, found '50ms'\n" },
#define SIZE                                                                                       \
    "f:1:8: error: 'bytes' must be a size such as 4096, 64KiB or 1MiB, from 512 to 1024GiB, "      \
    "found "
    { "bytes: 511", SIZE "'511'\n" },
    { "bytes: 1025GiB", SIZE "'1025GiB'\n" },
    { "bytes: 17179869185GiB", SIZE "'17179869185GiB'\n" }, /* 2^64 + 1 GiB */
    { "bytes: 64kB", SIZE "'64kB'\n" },
    { "bytes: KiB", SIZE "'KiB'\n" },
    { "bytes: 1.5MiB", SIZE "'1.5MiB'\n" },
    { "bytes: 64 KiB", SIZE "'64 KiB'\n" },
    { "bytes: -1", SIZE "'-1'\n" },
    { "bytes: ''", SIZE "''\n" },
    { "bytes: [1]", SIZE "a list\n" },
    { "peers: '192.0.2.1'", "f:1:8: error: expected ADDRESS:PORT such as \"192.0.2.1:8443\" or "
                            "\"[2001:db8::1]:8443\", found '192.0.2.1'\n" },
    { "peers: ['192.0.2.1:0', '0.0.0.0:1', '[::]:1', '224.0.0.1:1', '[ff02::1]:1']",
      "f:1:8: error: 'peers' has 5 entries; at most 3 are allowed\n" },
    { "peers: ['192.0.2.1:0', '0.0.0.0:1', '[ff02::1]:1']",
      "f:1:9: error: expected an address and port that can be connected to, found '192.0.2.1:0'\n"
      "f:1:24: error: expected an address and port that can be connected to, found '0.0.0.0:1'\n"
      "f:1:37: error: expected an address and port that can be connected to, found "
      "'[ff02::1]:1'\n" },
    { "peers:", "f:1:7: error: 'peers' must be a list of ADDRESS:PORT such as \"192.0.2.1:8443\" "
                "or \"[2001:db8::1]:8443\", found nothing\n" },
    { "single:", "f:1:8: error: 'single' must be ADDRESS:PORT such as \"127.0.0.1:53\" or "
                 "\"[::1]:53\", found nothing\n" },
    { "duration: 5 min", "f:1:11: error: 'duration' must be a duration such as 250ms, 30s or "
                         "5m, from 100ms to 60s, found '5 min'\n" },
    { "at: 5", "f:1:5: error: 'at' must be [latitude, longitude] in degrees such as [38.95, "
               "-77.45], found '5'\n" },
    { "at: [1, 2, 3]", "f:1:5: error: 'at' must be [latitude, longitude] in degrees such as "
                       "[38.95, -77.45], found a list\n" },
    { "at: [139.7, 35.6]", "f:1:6: error: latitude must be a number from -90 to 90, found "
                           "'139.7' (the latitude comes first)\n" },
    { "at: [north, 181]",
      "f:1:6: error: latitude must be a number from -90 to 90, found 'north'\n"
      "f:1:13: error: longitude must be a number from -180 to 180, found '181'\n" },
    { "addresses: [192.0.2.1, 192.0.2.256]",
      "f:1:24: error: expected an IP address such as 192.0.2.1 or \"2001:db8::1\", found "
      "'192.0.2.256'\n" },
    { "addresses: [2001:db8:: ]",
      "f:1:13: error: expected an IP address such as 192.0.2.1 or \"2001:db8::1\", found a "
      "mapping (put quotes around an IPv6 address)\n" },
    { "addresses: [0.0.0.0, '::', 224.0.0.1]",
      "f:1:13: error: expected an address that clients can connect to, found '0.0.0.0'\n"
      "f:1:22: error: expected an address that clients can connect to, found '::'\n"
      "f:1:28: error: expected an address that clients can connect to, found '224.0.0.1'\n" },
    { "addresses: [192.0.2.1, 192.0.2.1]", "f:1:24: error: '192.0.2.1' is listed twice\n" },
    { "addresses: []", "f:1:12: error: 'addresses' needs at least 1 entry\n" },
    { "addresses: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4]",
      "f:1:12: error: 'addresses' has 4 entries; at most 3 are allowed\n" },
    { "listen: [\"1.2.3.4\"]",
      "f:1:10: error: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", found "
      "'1.2.3.4'\n" },
    { "cidrs: [192.0.2.1/24]",
      "f:1:9: error: '192.0.2.1/24' has bits set behind the prefix; did you mean "
      "'192.0.2.0/24'?\n" },
    { "cidrs: [192.0.2.0/33, {}]",
      "f:1:9: error: expected a prefix such as 192.0.2.0/24 or \"2001:db8::/32\", found "
      "'192.0.2.0/33'\n"
      "f:1:23: error: expected a prefix such as 192.0.2.0/24 or \"2001:db8::/32\", found a "
      "mapping (put quotes around an IPv6 address)\n" },
    { "asns: [0, 4294967296, x]",
      "f:1:8: error: expected an AS number such as 64500, found '0'\n"
      "f:1:11: error: expected an AS number such as 64500, found '4294967296'\n"
      "f:1:23: error: expected an AS number such as 64500, found 'x'\n" },
    { "texts: [a, [b]]",
      "f:1:12: error: 'texts' must be a text or a list of texts, found a list\n" },
    { "texts:", "f:1:7: error: 'texts' must be a text or a list of texts, found nothing\n" },
    { "word: bleu", "f:1:7: error: 'word' must be red, green or blue, found 'bleu'; did you "
                    "mean 'blue'?\n" },
    { "leaf: 5", "f:1:7: error: leaf must be a mapping, found '5'\n" },
    { "leaf: {}", "f:1:7: error: leaf lacks 'size'\n" },
    { "named: [a]", "f:1:8: error: 'named' must be names with a mapping each, found a list\n" },
    { "named: { a b: { size: 1 } }",
      "f:1:10: error: 'a b' cannot be the name of a leaf: use at most 63 letters, digits, '-', "
      "'_' and '.'\n" },
    { "named: { a: { seize: 1 } }",
      "f:1:15: error: unknown key 'seize' in leaf 'a'; did you mean 'size'?\n" }, /* said once */
    { "named: { a: { xyzzy: 1 } }", "f:1:15: error: unknown key 'xyzzy' in leaf 'a'\n"
                                    "f:1:10: error: leaf 'a' lacks 'size'\n" },
    { "named: { a: 5 }", "f:1:13: error: leaf 'a' must be a mapping, found '5'\n" },
    { "named: { a: { size: 1 }, b: { size: 1 }, c: { size: 1 } }",
      "f:1:8: error: 'named' has 3 entries; at most 2 are allowed\n" },
    { "list: { a: 1 }", "f:1:7: error: 'list' must be a list of mappings, found a mapping\n" },
    { "list: [5, { size: 0 }]",
      "f:1:8: error: leaf must be a mapping, found '5'\n"
      "f:1:19: error: 'size' must be a whole number from 1 to 9, found '0'\n" },
    /* everything in one run */
    { "number: x\nnope: 1\nflag: 2\nleaf: { size: 99 }\n",
      "f:1:9: error: 'number' must be a whole number from 2 to 10, found 'x'\n"
      "f:2:1: error: unknown key 'nope' in the file; did you mean 'name'?\n"
      "f:3:7: error: 'flag' must be true or false, found '2'\n"
      "f:4:15: error: 'size' must be a whole number from 1 to 9, found '99'\n" },
};

static void test_parse_reports_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(error_rows); i++) {
        struct run run;
        start(&run, error_rows[i].text);
        assert_string_equal(buf_text(&run.out),
                            error_rows[i].expected != NULL ? error_rows[i].expected : "");
        finish(&run);
    }
}

static void test_parse_listen_forms(void **state)
{
    static const struct {
        const char *text;
        int family; /* -1: refused */
        uint16_t port;
    } rows[] = {
        { "0.0.0.0:53", ADDR_V4, 53 },
        { "[::]:53", ADDR_V6, 53 },
        { "127.0.0.1:0", ADDR_V4, 0 },
        { "[::1]:65535", ADDR_V6, 65535 },
        { "127.0.0.1:65536", -1, 0 },
        { "127.0.0.1:", -1, 0 },
        { "127.0.0.1", -1, 0 },
        { ":53", -1, 0 },
        { "::1:53", -1, 0 },
        { "[127.0.0.1]:53", -1, 0 },
        { "[]:53", -1, 0 },
        { "[:53", -1, 0 },
        { "", -1, 0 },
        { ":", -1, 0 },
        { "localhost:53", -1, 0 },
        { "127.0.0.1:+5", -1, 0 },
        { "[::1]53", -1, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct schema_listen listen = { .port = 1 };
        bool is_fine = schema_parse_listen(str_from(rows[i].text), &listen);
        assert_int_equal(is_fine, rows[i].family >= 0);
        if (is_fine)
            assert_int_equal(listen.addr.family, rows[i].family);
        assert_int_equal(listen.port, is_fine ? rows[i].port : 1);
    }
}

static void test_is_name(void **state)
{
    static const char *const good[] = {
        "a", "US-east_1.b", "0", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };
    static const char *const bad[] = {
        "",    "-a",       ".a",
        "_a",  "a b",      "a/b",
        "a\n", "\xC3\xA9", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(schema_is_name(str_from(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(schema_is_name(str_from(bad[i])));
}

static void test_explain_shows_every_key(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 16);
    schema_explain(&schema, &out);
    static const char *const lines[] = {
        "string   a text; optional\n",
        "computed   a text; default: the weather\n    Computed.\n",
        "number   a whole number from 2 to 10; default: 7\n    A number.\n",
        "seconds   a duration in seconds such as 60, 90s or 5m, from 0 to 600; default: 1m\n",
        "duration   a duration such as 250ms, 30s or 5m, from 100ms to 60s; default: 1500ms\n",
        "word   red, green or blue; default: green\n",
        "leaf   a mapping; optional\n",
        "leaf.size   a whole number from 1 to 9; required\n    How large.\n",
        "named.NAME.note   a text; default: none\n    A note.\n",
        "list[].size   a whole number from 1 to 9; required\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_non_null(strstr(buf_text(&out), lines[i]));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_applies_defaults),
        cmocka_unit_test(test_parse_reads_every_kind),
        cmocka_unit_test(test_parse_reads_sizes),
        cmocka_unit_test(test_parse_reads_peers),
        cmocka_unit_test(test_parse_takes_nothing_as_empty_mapping),
        cmocka_unit_test(test_parse_reports_errors),
        cmocka_unit_test(test_parse_listen_forms),
        cmocka_unit_test(test_is_name),
        cmocka_unit_test(test_explain_shows_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
