/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dns/zone/doh_path.h"
#include "steering/base/mem.h"

#define BEGIN "expected a path that begins with '/', such as /dns-query{?dns}"
#define VARIABLE "expected the variable dns, as in /dns-query{?dns}"
#define BRACES "malformed expression in braces; expected one such as {?dns}"
#define LITERAL "malformed URI template; write what cannot stand in a path as %XX"
#define ENCODING "must be UTF-8; write other octets as %XX"

static const struct {
    const char *path, *problem; /* problem NULL: good */
} CASES[] = {
    { "/dns-query{?dns}", NULL },
    { "/{?dns}", NULL },
    { "/{dns}", NULL },
    { "/a/{/dns}", NULL },
    { "/q?a=b{&dns}", NULL },
    { "/q?dns={dns}", NULL },
    { "/q{?a,dns}", NULL },
    { "/q{?dns,a}", NULL },
    { "/q{?dns*}", NULL },
    { "/q{?a:1,b:9999,dns}", NULL },
    { "/q{?a.b,a%20b,_9,dns}", NULL },
    { "/{a}{b}{?dns}", NULL },
    { "/a%2Fb%ff{?dns}", NULL },
    { "/~user/a;b=c,d:e@f!$&'()*+{?dns}", NULL },
    { "/\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8C\x8D{?dns}", NULL },
    { "/\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEF\xBF\xBF\xF4\x8F\xBF\xBF{?dns}", NULL },

    { "", BEGIN },
    { "dns-query{?dns}", BEGIN },
    { "{/dns}", BEGIN },
    { "https://dns.example/q{?dns}", BEGIN },

    { "/", VARIABLE },
    { "/dns-query", VARIABLE },
    { "/dns", VARIABLE },
    { "/q?dns=", VARIABLE },
    { "/q{?DNS}", VARIABLE },
    { "/q{?dnsx}", VARIABLE },
    { "/q{?xdns}", VARIABLE },
    { "/q{?dns.a}", VARIABLE },

    { "/q{?dns", BRACES },
    { "/q{?dns,", BRACES },
    { "/q{", BRACES },
    { "/q{?", BRACES },
    { "/q{?dns:", BRACES },
    { "/q{}{?dns}", BRACES },
    { "/q{?}{?dns}", BRACES },
    { "/q{?a,}{?dns}", BRACES },
    { "/q{?,dns}", BRACES },
    { "/q{{?dns}}", BRACES },
    { "/q{?a{?dns}}", BRACES },
    { "/q{?a b,dns}", BRACES },
    { "/q{?dns?}", BRACES },
    { "/q{=dns}", BRACES },
    { "/q{|dns}", BRACES },
    { "/q{??dns}", BRACES },
    { "/q{?a:0,dns}", BRACES },
    { "/q{?a:12345,dns}", BRACES },
    { "/q{?a:x,dns}", BRACES },
    { "/q{?a**,dns}", BRACES },
    { "/q{?a%2,dns}", BRACES },
    { "/q{?%,dns}", BRACES },

    { "/q}{?dns}", LITERAL },
    { "/q{?dns}}", LITERAL },
    { "/a b{?dns}", LITERAL },
    { "/a\x7F{?dns}", LITERAL },
    { "/a\"{?dns}", LITERAL },
    { "/a\\{?dns}", LITERAL },
    { "/%{?dns}", LITERAL },
    { "/{?dns}%", LITERAL },
    { "/{?dns}%2", LITERAL },
    { "/%zz{?dns}", LITERAL },

    { "/\x80{?dns}", ENCODING },
    { "/\xC0\xAF{?dns}", ENCODING },
    { "/\xC3{?dns}", ENCODING },
    { "/\xE0\x9F\xBF{?dns}", ENCODING },
    { "/\xED\xA0\x80{?dns}", ENCODING },
    { "/\xF0\x8F\xBF\xBF{?dns}", ENCODING },
    { "/\xF4\x90\x80\x80{?dns}", ENCODING },
    { "/\xF5\x80\x80\x80{?dns}", ENCODING },
    { "/\xE2\x82{?dns}", ENCODING },
    { "/{?dns}\xF0\x9F\x8C", ENCODING },
};

static const char *check(const char *path, size_t len)
{
    char *copy = mem_dup(path, len); /* exact, for the sanitizer */
    const char *problem = doh_path_check((struct str){ .ptr = copy, .len = len });
    free(copy);
    return problem;
}

static void test_check_tells_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        const char *got = check(CASES[i].path, strlen(CASES[i].path));
        bool is_same = got == NULL || CASES[i].problem == NULL ? got == CASES[i].problem
                                                               : strcmp(got, CASES[i].problem) == 0;
        if (!is_same)
            fail_msg("%s: %s", CASES[i].path, got == NULL ? "accepted" : got);
    }
}

static void test_check_knows_that_nul_is_an_octet(void **state)
{
    (void)state;
    static const char LITERAL_NUL[] = "/\0{?dns}", OPERATOR_NUL[] = "/{\0dns}",
                      VARIABLE_NUL[] = "/{?\0,dns}";
    assert_string_equal(check(LITERAL_NUL, sizeof(LITERAL_NUL) - 1), LITERAL);
    assert_string_equal(check(OPERATOR_NUL, sizeof(OPERATOR_NUL) - 1), BRACES);
    assert_string_equal(check(VARIABLE_NUL, sizeof(VARIABLE_NUL) - 1), BRACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_tells_what_is_wrong),
        cmocka_unit_test(test_check_knows_that_nul_is_an_octet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
