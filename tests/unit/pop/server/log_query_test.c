/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pop/server/log_query.h"
#include "steering/base/mem.h"

static void test_is_secret_name_row_by_row(void **state)
{
    (void)state;
    static const char *const secret[] = {
        /* every word that is known, in one of its shapes */
        "token",
        "access_token",
        "idToken",
        "client_secret",
        "SECRET",
        "password",
        "user[password]",
        "passwd",
        "passphrase",
        "passcode",
        "X-Amz-Signature",
        "apikey",
        "accessKey",
        "authkey",
        "private_key",
        "X-Goog-Credential",
        "sessionid",
        "JSESSIONID",
        "client_assertion",
        "SAMLResponse",
        "SAMLRequest",
        "Authorization",
        "bearer",
        "oauth_verifier",
        "jwt",
        "cookie",
        "hmac",
        "code_verifier",
        "csrf",
        "XSRF",
        "key",
        "keys",
        "api-key",
        "x.key",
        "key1",
        "code",
        "authCode",
        "auth",
        "authn",
        "authentication",
        "pass",
        "user_pass",
        "pwd",
        "pw",
        "pin",
        "otp",
        "totp",
        "sig",
        "x-sig",
        "sign",
        "sid",
        "ticket",
        "mac",
        "creds",
        "ssn",
        /* encoded */
        "%74oken",
        "tok%65n",
        "%4bey",
        "a%5Bkey%5D",
        /* no name */
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    static const char *const plain[] = {
        "",       "q",      "page",   "monkey",      "keyboard", "country",   "encode",  "decoder",
        "author", "design", "signal", "assigned_to", "spin",     "passenger", "compass", "machine",
        "%zz",    "%",      "%6",     "sort",        "id",       "user",      "email",
    };
    for (size_t i = 0; i < ARRAY_SIZE(secret); i++)
        if (!log_query_is_secret_name(str_from(secret[i])))
            fail_msg("'%s' is secret", secret[i]);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (log_query_is_secret_name(str_from(plain[i])))
            fail_msg("'%s' is not secret", plain[i]);
}

static void test_redact_hides_values_alone(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want;
    } rows[] = {
        { "", "" },
        { "/", "/" },
        { "/?", "/?" },
        { "/token=a", "/token=a" },
        { "/a?b=c", "/a?b=c" },
        { "/a?token=b", "/a?token=redacted" },
        { "/a?token=b&c=d", "/a?token=redacted&c=d" },
        { "/a?c=d&token=b", "/a?c=d&token=redacted" },
        { "/a?c=d;token=b;e=f", "/a?c=d;token=redacted;e=f" },
        { "/a?token=b&key=c&&x", "/a?token=redacted&key=redacted&&x" },
        { "/a?token=b=c?d&e", "/a?token=redacted&e" },
        { "/a?token=", "/a?token=" },
        { "/a?token", "/a?token" },
        { "/a?token&key=", "/a?token&key=" },
        { "/a?=b", "/a?=b" },
        { "/a?&&", "/a?&&" },
        { "/a?x=1?token=2", "/a?x=1?token=2" }, /* the name is x */
        { "/a?q=eyJhbGciOiJIUzI1NiJ9.e30.x", "/a?q=redacted" },
        { "/a?eyJhbGciOiJIUzI1NiJ9.e30.x", "/a?redacted" },
        { "/a?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&b",
          "/a?redacted&b" },
        { "/a?key=averyveryveryveryverylongvalue&b", "/a?key=redacted&b" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena arena;
        arena_init(&arena, 64);
        struct str got = log_query_redact(str_from(rows[i].path), &arena);
        if (!str_eq_text(got, rows[i].want))
            fail_msg("'%s': '%.*s'", rows[i].path, STR_ARG(got));
        arena_fini(&arena);
    }
}

static void test_drop_takes_the_query_with_its_mark(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "", "" }, { "/a", "/a" }, { "/a?", "/a" }, { "/a?b?c", "/a" }, { "?", "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_true(str_eq_text(log_query_drop(str_from(rows[i][0])), rows[i][1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_secret_name_row_by_row),
        cmocka_unit_test(test_redact_hides_values_alone),
        cmocka_unit_test(test_drop_takes_the_query_with_its_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
