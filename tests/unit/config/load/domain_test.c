/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_parse_rows(void **state)
{
    static const struct {
        const char *text, *name, *problem;
    } rows[] = {
        { "www.example.com", "www.example.com.", NULL },
        { "WWW.Example.COM.", "www.example.com.", NULL },
        { "com", "com.", NULL },
        { "_steer.a-b.c0", "_steer.a-b.c0.", NULL },
        { L63 "." L63, L63 "." L63 ".", NULL },
        { "", NULL, "is not a domain name" },
        { ".", NULL, "is not a domain name" },
        { "a..b", NULL, "has an empty label" },
        { ".a", NULL, "has an empty label" },
        { "a..", NULL, "has an empty label" },
        { L63 "a.b", NULL, "has a label of more than 63 characters" },
        { "*.example.com", NULL, "may hold letters, digits, '-', '_' and dots only" },
        { "a b", NULL, "may hold letters, digits, '-', '_' and dots only" },
        { "a\\.b", NULL, "may hold letters, digits, '-', '_' and dots only" },
        { "\xC3\xA9.fr", NULL, "may hold letters, digits, '-', '_' and dots only" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char name[DOMAIN_TEXT_MAX] = "untouched";
        const char *problem = domain_parse(str_from(rows[i].text), name);
        if (rows[i].problem != NULL)
            assert_string_equal(problem, rows[i].problem);
        else
            assert_null(problem);
        assert_string_equal(name, rows[i].name != NULL ? rows[i].name : "untouched");
    }
}

static void test_parse_owner_takes_wildcards(void **state)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        { "*.Example.com", "*.example.com." },
        { "www.example.com", "www.example.com." },
        { "*", NULL },
        { "*.", NULL },
        { "a.*.com", NULL },
        { "*.*.com", NULL },
        { "*a.com", NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char name[DOMAIN_TEXT_MAX];
        const char *problem = domain_parse_owner(str_from(rows[i].text), name);
        assert_int_equal(problem == NULL, rows[i].name != NULL);
        if (problem == NULL)
            assert_string_equal(name, rows[i].name);
    }
}

/* 253 characters without the final dot are 255 bytes on the wire, the most there may be. */
static void test_parse_longest(void **state)
{
    char text[300], name[DOMAIN_TEXT_MAX];
    (void)state;
    for (size_t len = 252; len <= 255; len++) {
        for (size_t i = 0; i < len; i++)
            text[i] = i % 50 == 49 ? '.' : 'a';
        text[len - 1] = 'z';
        const char *problem = domain_parse((struct str){ text, len }, name);
        if (len <= 253)
            assert_null(problem);
        else
            assert_string_equal(problem, "is longer than 253 characters");
        if (len <= 253)
            assert_int_equal(strlen(name), len + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_rows),
        cmocka_unit_test(test_parse_owner_takes_wildcards),
        cmocka_unit_test(test_parse_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
