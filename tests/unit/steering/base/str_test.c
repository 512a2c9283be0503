/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"

static const struct str NOTHING = { .ptr = NULL, .len = 0 };

static void test_str_eq_ignores_the_pointer(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), str_from("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq(NOTHING, STR("")));
    assert_true(str_eq(str_from(NULL), NOTHING));
    assert_true(str_eq_text(STR("abc"), "abc"));
    assert_false(str_eq_text(STR("a\0c"), "a"));
}

static void test_str_eq_nocase_folds_ascii_only(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("US-East[1]"), STR("us-eAST[1]")));
    assert_false(str_eq_nocase(STR("[@`{"), STR("{`@["))); /* next to the letters, 32 apart */
    assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4")));
    assert_false(str_eq_nocase(STR("a"), STR("aa")));
    assert_true(str_eq_nocase(NOTHING, NOTHING));
}

static void test_str_starts_and_ends_with(void **state)
{
    (void)state;
    assert_true(str_starts_with(STR("us-east"), STR("us-")));
    assert_true(str_starts_with(STR("us"), STR("us")));
    assert_false(str_starts_with(STR("us"), STR("us-")));
    assert_true(str_starts_with(NOTHING, NOTHING));
    assert_true(str_ends_with(STR("us-east"), STR("east")));
    assert_false(str_ends_with(STR("east"), STR("us-east")));
    assert_false(str_ends_with(STR("us-east"), STR("eas")));
    assert_true(str_ends_with(STR("x"), NOTHING));
    assert_true(str_ends_with(NOTHING, NOTHING));
}

static void test_str_compare_orders_bytes_then_length(void **state)
{
    (void)state;
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("b"), STR("a")) > 0);
    assert_true(str_compare(STR("a"), STR("aa")) < 0);
    assert_true(str_compare(STR("b"), STR("aa")) > 0);
    assert_int_equal(str_compare(STR("aa"), STR("aa")), 0);
    assert_true(str_compare(STR("\x80"), STR("a")) > 0); /* bytes are unsigned */
    assert_true(str_compare(NOTHING, STR("a")) < 0);
    assert_int_equal(str_compare(NOTHING, NOTHING), 0);
}

static void test_str_trim(void **state)
{
    (void)state;
    assert_true(str_eq(str_trim(STR(" \t\r\n\v\fa b \n")), STR("a b")));
    assert_true(str_eq(str_trim(STR("ab")), STR("ab")));
    assert_int_equal(str_trim(STR(" \n ")).len, 0);
    assert_int_equal(str_trim(NOTHING).len, 0);
}

static void test_str_split_at_the_first(void **state)
{
    static const struct {
        const char *text, *head, *tail;
        bool found;
    } rows[] = {
        { "a=b=c", "a", "b=c", true }, { "=b", "", "b", true }, { "a=", "a", "", true },
        { "ab", "ab", "", false },     { "", "", "", false },   { "=", "", "", true },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct str head, tail;
        assert_int_equal(str_split(str_from(rows[i].text), '=', &head, &tail), rows[i].found);
        assert_true(str_eq_text(head, rows[i].head));
        assert_true(str_eq_text(tail, rows[i].tail));
    }
    struct str head, tail;
    assert_false(str_split(NOTHING, '=', &head, &tail));
    assert_int_equal(head.len + tail.len, 0);
}

/* Loops of `while (str_split(rest, ',', &part, &rest))` depend on it. */
static void test_str_split_may_write_into_its_input(void **state)
{
    struct str rest = STR("a,b,c"), part;
    (void)state;
    assert_true(str_split(rest, ',', &part, &rest));
    assert_true(str_eq_text(part, "a"));
    assert_true(str_split(rest, ',', &part, &rest));
    assert_true(str_eq_text(part, "b"));
    assert_false(str_split(rest, ',', &part, &rest));
    assert_true(str_eq_text(part, "c"));
    assert_int_equal(rest.len, 0);
}

static void test_str_parse_u64(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool is_fine;
        uint64_t value;
    } rows[] = {
        { "0", 9, true, 0 },
        { "9", 9, true, 9 },
        { "10", 9, false, 0 },
        { "007", 9, true, 7 },
        { "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, false, 0 },
        { "99999999999999999999", UINT64_MAX, false, 0 },
        { "", 9, false, 0 },
        { "-1", UINT64_MAX, false, 0 },
        { "+1", 9, false, 0 },
        { " 1", 9, false, 0 },
        { "1 ", 9, false, 0 },
        { "0x1", 99, false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t value = 4711;
        assert_int_equal(str_parse_u64(str_from(rows[i].text), rows[i].max, &value),
                         rows[i].is_fine);
        assert_int_equal(value, rows[i].is_fine ? rows[i].value : 4711);
    }
}

static void test_str_parse_double(void **state)
{
    static const struct {
        const char *text;
        bool is_fine;
        double value;
    } rows[] = {
        { "-77.45", true, -77.45 }, { "0", true, 0 },    { "1e3", true, 1000 },
        { "+.5", true, 0.5 },       { "5.", true, 5 },   { "", false, 0 },
        { ".", false, 0 },          { "-", false, 0 },   { "1e", false, 0 },
        { "1e400", false, 0 },      { "inf", false, 0 }, { "nan", false, 0 },
        { "0x10", false, 0 },       { " 1", false, 0 },  { "1,5", false, 0 },
        { "1.2.3", false, 0 },      { "--1", false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        double value = 4711;
        double expected = rows[i].is_fine ? rows[i].value : 4711;
        assert_int_equal(str_parse_double(str_from(rows[i].text), &value), rows[i].is_fine);
        assert_true(fabs(value - expected) < 1e-12);
    }
    double value = 4711;
    assert_false(str_parse_double(STR("1\0002"), &value));
    char digits[100];
    memset(digits, '1', sizeof(digits));
    assert_false(str_parse_double((struct str){ digits, sizeof(digits) }, &value));
    assert_true(str_parse_double((struct str){ digits, 63 }, &value));
}

/* The definition, without any table. */
static unsigned distance_twin(const char *a, const char *b)
{
    if (*a == '\0' || *b == '\0')
        return (unsigned)(strlen(a) + strlen(b));
    unsigned replaced = distance_twin(a + 1, b + 1) + (*a != *b);
    unsigned removed = distance_twin(a + 1, b) + 1;
    unsigned added = distance_twin(a, b + 1) + 1;
    unsigned least = removed < added ? removed : added;
    if (a[0] == b[1] && a[1] == b[0] && a[1] != '\0') {
        unsigned swapped = distance_twin(a + 2, b + 2) + 1;
        least = swapped < least ? swapped : least;
    }
    return replaced < least ? replaced : least;
}

static void fill(struct rng *rng, char text[7])
{
    size_t len = (size_t)rng_below(rng, 7);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + rng_below(rng, 3));
    text[len] = '\0';
}

static void test_str_distance_like_its_definition(void **state)
{
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 2000; i++) {
        char a[7], b[7];
        fill(&rng, a);
        fill(&rng, b);
        assert_int_equal(str_distance(str_from(a), str_from(b), 100), distance_twin(a, b));
    }
}

static void test_str_distance_bounds(void **state)
{
    char longest[65];
    memset(longest, 'a', sizeof(longest));
    struct str fits = { longest, 64 }, beyond = { longest, 65 };
    (void)state;
    assert_int_equal(str_distance(STR("EU-West"), STR("eu-west"), 9), 0);
    assert_int_equal(str_distance(STR("us-east"), STR("eu-west"), 2), 2);
    assert_int_equal(str_distance(STR("us-esat"), STR("us-east"), 9), 1);
    assert_int_equal(str_distance(fits, fits, 9), 0);
    assert_int_equal(str_distance(fits, NOTHING, 100), 64);
    assert_int_equal(str_distance(beyond, beyond, 9), 9);
}

static void test_str_put_hex_like_printf(void **state)
{
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < 10000; i++) {
        uint64_t value = i == 0 ? 0 : rng_next(&rng) >> rng_next(&rng) % 64;
        char expected[17], text[17] = "................";
        snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)value);
        str_put_hex(value, text);
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str_eq_ignores_the_pointer),
        cmocka_unit_test(test_str_eq_nocase_folds_ascii_only),
        cmocka_unit_test(test_str_starts_and_ends_with),
        cmocka_unit_test(test_str_compare_orders_bytes_then_length),
        cmocka_unit_test(test_str_trim),
        cmocka_unit_test(test_str_split_at_the_first),
        cmocka_unit_test(test_str_split_may_write_into_its_input),
        cmocka_unit_test(test_str_parse_u64),
        cmocka_unit_test(test_str_parse_double),
        cmocka_unit_test(test_str_distance_like_its_definition),
        cmocka_unit_test(test_str_distance_bounds),
        cmocka_unit_test(test_str_put_hex_like_printf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
