/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pop/http/grammar.h"
#include "pop/http/head.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

struct row {
    const char *text;
    bool is_good;
};

static void check_rows(bool (*is_good)(struct str), const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_good(str_from(rows[i].text)) != rows[i].is_good)
            print_error("row '%s'\n", rows[i].text);
        assert_int_equal(is_good(str_from(rows[i].text)), rows[i].is_good);
    }
}

static void test_is_token_follows_the_grammar(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", false },         { "GET", true },
        { "x-a_b.c~1", true }, { "!#$%&'*+-.^_`|~", true },
        { "a b", false },      { "a:", false },
        { "a\t", false },      { "(", false },
        { "a\x7f", false },    { "\xc3\xa4", false },
        { "a\"", false },
    };
    check_rows(http_is_token, rows, ARRAY_SIZE(rows));
    assert_false(http_is_token((struct str){ "a\0b", 3 }));
}

static void test_is_field_value_refuses_controls_and_blanks_at_the_ends(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", true },
        { "a", true },
        { "a b\tc", true },
        { "\xc3\xa4", true },
        { " a", false },
        { "a ", false },
        { "\ta", false },
        { "a\t", false },
        { "abcdefgh\rabcdefgh", false },
        { "abcdefgh\nabcdefgh", false },
        { "abcdefghabcdefg\x7f", false },
        { "\x01", false },
    };
    check_rows(http_is_field_value, rows, ARRAY_SIZE(rows));
    assert_false(http_is_field_value((struct str){ "a\0b", 3 }));
}

static void test_is_path_wants_a_slash_or_a_star(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "/", true },      { "*", true },         { "/a?b=/c", true }, { "/%00", true },
        { "", false },      { "a", false },        { "**", false },     { "/a b", false },
        { "/a\tb", false }, { "/a\r", false },     { "/a#b", false },   { "http://a/", false },
        { "/\x7f", false }, { "/\xc3\xa4", true },
    };
    check_rows(http_is_path, rows, ARRAY_SIZE(rows));
}

static void test_is_authority_is_host_and_port(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "example.com", true },  { "Example.COM:443", true },
        { "192.0.2.1:80", true }, { "[2001:db8::1]", true },
        { "[::1]:8443", true },   { "a_b", true },
        { "a%41", true },         { "", false },
        { ":80", false },         { "a:", false },
        { "a:b", false },         { "a:65536", false },
        { "a:000080", false },    { "a:1:2", false },
        { "u@a", false },         { "a/b", false },
        { "a b", false },         { "[::1", false },
        { "[::1]80", false },     { "[]", false },
        { "[::1]:", false },      { "[g::1]", false },
        { "a%4", false },         { "a%zz", false },
        { "a?b", false },         { "a#", false },
        { "a\\b", false },
    };
    check_rows(http_is_authority, rows, ARRAY_SIZE(rows));
}

static void test_find_control_agrees_with_a_plain_loop(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    for (int round = 0; round < 20000; round++) {
        char text[40];
        struct str view = { text, (size_t)rng_below(&rng, sizeof(text) + 1) };
        for (size_t i = 0; i < view.len; i++)
            text[i] = (char)(rng_below(&rng, 16) > 0 ? 0x20 + rng_below(&rng, 0xe0)
                                                     : rng_below(&rng, 0x21));
        size_t want = 0;
        while (want < view.len && ((uint8_t)text[want] >= 0x20 || text[want] == '\t') &&
               text[want] != 0x7f)
            want++;
        if (http_find_control(view) != want)
            print_error("seed %llu\n", (unsigned long long)seed);
        assert_int_equal(http_find_control(view), want);
    }
}

static void test_add_grows_up_to_the_limit(void **state)
{
    (void)state;
    struct arena arena;
    struct http_head head = { .content_length = -1 };
    arena_init(&arena, 1024);
    for (int i = 0; i < HEAD_FIELDS_MAX; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "n%d", i);
        struct str copy = arena_str(&arena, (struct str){ name, (size_t)len });
        assert_true(http_head_add(&head, &arena, copy, STR("v")));
    }
    assert_false(http_head_add(&head, &arena, STR("one-more"), STR("v")));
    assert_int_equal(head.field_count, HEAD_FIELDS_MAX);
    assert_true(str_eq_text(head.fields[200].name, "n200"));
    assert_non_null(http_head_find(&head, STR("n255")));
    assert_null(http_head_find(&head, STR("one-more")));
    arena_fini(&arena);
}

static void test_remove_takes_all_of_a_name_and_copy_stands_alone(void **state)
{
    (void)state;
    struct arena arena, other;
    char value[] = "secret";
    struct http_head head = { .content_length = 7, .method = STR("GET"), .path = STR("/") }, copy;
    arena_init(&arena, 256);
    arena_init(&other, 256);
    http_head_add(&head, &arena, STR("a"), STR("1"));
    http_head_add(&head, &arena, STR("cookie"), str_from(value));
    http_head_add(&head, &arena, STR("a"), STR("2"));
    assert_int_equal(http_head_size(&head), 2 * 34 + 6 + 6 + 32);
    assert_int_equal(http_head_remove(&head, STR("a")), 2);
    assert_int_equal(http_head_remove(&head, STR("a")), 0);
    http_head_copy(&head, &other, &copy);
    memset(value, 'X', sizeof(value));
    assert_true(str_eq_text(http_head_get(&copy, STR("cookie")), "secret"));
    assert_true(http_head_find(&copy, STR("cookie"))->is_sensitive);
    assert_int_equal(http_head_get(&copy, STR("a")).len, 0);
    assert_int_equal(copy.content_length, 7);
    assert_true(http_head_add(&copy, &other, STR("b"), STR("3")));
    assert_int_equal(copy.field_count, 2);
    arena_fini(&arena);
    arena_fini(&other);
}

static void test_methods_and_bodies(void **state)
{
    (void)state;
    static const struct row methods[] = {
        { "GET", true },      { "HEAD", true },   { "OPTIONS", true }, { "TRACE", true },
        { "PUT", true },      { "DELETE", true }, { "POST", false },   { "PATCH", false },
        { "CONNECT", false }, { "get", false },   { "", false },
    };
    static const struct row sensitive[] = {
        { "authorization", true }, { "proxy-authorization", true }, { "cookie", true },
        { "set-cookie", true },    { "steer-identity", true },      { "cookie2", false },
        { "accept", false },       { "accept-charset", false },     { "", false },
    };
    check_rows(http_method_is_idempotent, methods, ARRAY_SIZE(methods));
    check_rows(http_field_is_sensitive, sensitive, ARRAY_SIZE(sensitive));
    assert_true(http_response_has_body(STR("GET"), 200));
    assert_true(http_response_has_body(STR("POST"), 404));
    assert_false(http_response_has_body(STR("HEAD"), 200));
    assert_false(http_response_has_body(STR("GET"), 204));
    assert_false(http_response_has_body(STR("GET"), 304));
    assert_false(http_response_has_body(STR("GET"), 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_token_follows_the_grammar),
        cmocka_unit_test(test_is_field_value_refuses_controls_and_blanks_at_the_ends),
        cmocka_unit_test(test_is_path_wants_a_slash_or_a_star),
        cmocka_unit_test(test_is_authority_is_host_and_port),
        cmocka_unit_test(test_find_control_agrees_with_a_plain_loop),
        cmocka_unit_test(test_add_grows_up_to_the_limit),
        cmocka_unit_test(test_remove_takes_all_of_a_name_and_copy_stands_alone),
        cmocka_unit_test(test_methods_and_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
