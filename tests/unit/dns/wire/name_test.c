/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/name.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define LABEL_61 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"

static void test_length_judges_wire_forms(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, expected;
    } rows[] = {
        { "\0", 1, 1 },
        { "", 0, 0 },
        { "\1a\0", 3, 3 },
        { "\1a\0trailing", 11, 3 },
        { "\1a", 2, 0 },                  /* no root label */
        { "\5ab", 3, 0 },                 /* label longer than the bytes */
        { "\x40" LABEL_63 "x\0", 66, 0 }, /* 64: a reserved label type */
        { "\x80x\0", 3, 0 },
        { "\xC0\x0C", 2, 0 }, /* pointer */
        { "\1a\xC0\x0C", 4, 0 },
        { "\x3F" LABEL_63 "\0", 65, 65 },
        /* 64 * 3 + 62 + 1 = 255 octets, the most there can be */
        { "\x3F" LABEL_63 "\x3F" LABEL_63 "\x3F" LABEL_63 "\x3D" LABEL_61 "\0", 255, 255 },
        { "\x3F" LABEL_63 "\x3F" LABEL_63 "\x3F" LABEL_63 "\x3E" LABEL_61 "j\0", 256, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t *copy = mem_dup(rows[i].bytes, rows[i].len);
        assert_int_equal(name_length(copy, rows[i].len), rows[i].expected);
        free(copy);
    }
}

static void test_parse_then_format(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len; /* 0: malformed */
        const char *formatted;
    } rows[] = {
        { ".", 1, "." },
        { "", 0, NULL },
        { "com", 5, "com." },
        { "com.", 5, "com." },
        { "www.Example.com", 17, "www.Example.com." },
        { "a..b", 0, NULL },
        { ".a", 0, NULL },
        { "a..", 0, NULL },
        { "a\\.b.c", 7, "a\\.b.c." },
        { "\\065bc", 5, "Abc." },
        { "\\000", 3, "\\000." },
        { "\\255\\190\\128", 5, "\\255\\190\\128." },
        { "a b", 5, "a\\032b." },
        { "\\256", 0, NULL },
        { "\\25", 0, NULL },
        { "\\2x5", 0, NULL },
        { "a\\", 0, NULL },
        { "*.example", 11, "*.example." },
        { LABEL_63, 65, LABEL_63 "." },
        { LABEL_63 "x", 0, NULL },
        { LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61, 255,
          LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "." },
        { LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "x", 0, NULL },
        { LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, 0, NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t wire[NAME_MAX_BYTES];
        char text[NAME_TEXT_MAX];
        size_t len = name_parse(str_from(rows[i].text), wire);
        if (len != rows[i].len)
            print_error("row '%s'\n", rows[i].text);
        assert_int_equal(len, rows[i].len);
        if (len == 0)
            continue;
        assert_int_equal(name_length(wire, len), len);
        assert_string_equal(name_format(wire, text), rows[i].formatted);
    }
}

static void test_format_longest_name_fits(void **state)
{
    (void)state;
    uint8_t wire[NAME_MAX_BYTES];
    char text[NAME_TEXT_MAX];
    memset(wire, 0x01, sizeof(wire)); /* all escaped as \001 */
    for (size_t at = 0; at < 254; at += 64)
        wire[at] = at == 192 ? 61 : 63;
    wire[254] = 0;
    assert_int_equal(name_length(wire, 255), 255);
    assert_int_equal(strlen(name_format(wire, text)), 250 * 4 + 4);
}

static void test_lower_equals_tolower_on_random_octets(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    for (size_t round = 0; round < 20000; round++) {
        size_t len = rng_below(&rng, NAME_MAX_BYTES + 1);
        uint8_t *in = mem_calloc(len + 1, 1), *out = mem_calloc(len + 1, 1);
        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t)rng_next(&rng);
        uint8_t *exact = mem_dup(in, len);
        name_lower(exact, len, out);
        for (size_t i = 0; i < len; i++) {
            uint8_t expected = in[i] < 0x80 ? (uint8_t)tolower(in[i]) : in[i];
            assert_int_equal(out[i], expected);
        }
        assert_int_equal(out[len], 0);
        free(exact);
        free(in);
        free(out);
    }
}

static void test_eq_nocase(void **state)
{
    (void)state;
    const uint8_t *a = (const uint8_t *)"\3wWw\3CoM", *b = (const uint8_t *)"\3WwW\3com";
    assert_true(name_eq_nocase(a, 9, b, 9));
    assert_false(name_eq_nocase(a, 9, b, 5));
    assert_false(name_eq_nocase(a, 9, (const uint8_t *)"\3WwW\3cin", 9));
    /* '@' and '[' frame the letters, and 0x20 apart they are others */
    assert_false(name_eq_nocase((const uint8_t *)"\1@", 3, (const uint8_t *)"\1`", 3));
    assert_false(name_eq_nocase((const uint8_t *)"\1[", 3, (const uint8_t *)"\1{", 3));
}

/* Of every length, with the other case throughout and with one octet that differs. */
static void test_eq_nocase_looks_at_every_octet(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 40; len++) {
        uint8_t *a = mem_calloc(len + 1, 1), *b = mem_calloc(len + 1, 1);
        for (size_t i = 0; i < len; i++) {
            a[i] = (uint8_t)('a' + i % 26);
            b[i] = (uint8_t)('A' + i % 26);
        }
        uint8_t *exact = mem_dup(a, len);
        assert_true(name_eq_nocase(exact, len, b, len));
        for (size_t i = 0; i < len; i++) {
            b[i] ^= 1;
            assert_false(name_eq_nocase(exact, len, b, len));
            b[i] ^= 1;
        }
        free(exact);
        free(a);
        free(b);
    }
}

static void test_labels(void **state)
{
    (void)state;
    uint8_t offsets[NAME_MAX_LABELS];
    assert_int_equal(name_labels((const uint8_t *)"\3www\2ab\0", offsets), 2);
    assert_int_equal(offsets[0], 0);
    assert_int_equal(offsets[1], 4);
    assert_int_equal(offsets[2], 7);
    assert_int_equal(name_labels((const uint8_t *)"\0", offsets), 0);
    assert_int_equal(offsets[0], 0);
    uint8_t longest[NAME_MAX_BYTES];
    for (size_t at = 0; at < 254; at += 2) {
        longest[at] = 1;
        longest[at + 1] = 'x';
    }
    longest[254] = 0;
    assert_int_equal(name_labels(longest, offsets), 127);
    assert_int_equal(offsets[127], 254);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length_judges_wire_forms),
        cmocka_unit_test(test_parse_then_format),
        cmocka_unit_test(test_format_longest_name_fits),
        cmocka_unit_test(test_lower_equals_tolower_on_random_octets),
        cmocka_unit_test(test_eq_nocase),
        cmocka_unit_test(test_eq_nocase_looks_at_every_octet),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
