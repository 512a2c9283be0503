/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "steering/base/base64.h"
#include "steering/base/mem.h"

/* RFC 4648 section 10. */
static const struct {
    const char *bytes, *text;
} rows[] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xff\xef\xbe", "/+++" },
};

static void test_format_gives_the_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[32];
        struct str bytes = str_from(rows[i].bytes);
        base64_format(bytes.ptr, bytes.len, text);
        struct str made = { text, BASE64_TEXT_LEN(bytes.len) };
        assert_true(str_eq_text(made, rows[i].text));
        assert_true(base64_is_of(made, bytes.len));
        assert_false(base64_is_of(made, bytes.len + 3));
    }
}

static void test_is_of_wants_the_one_right_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        { "Zg=", 1 },  { "Zg", 1 },   { "Zh==", 1 },  { "Zm9=", 2 }, { "Zm8=", 1 },
        { "Zg==", 2 }, { "Z===", 1 }, { "Zm9v=", 3 }, { "Zm 9", 3 }, { "Zm-v", 3 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(base64_is_of(str_from(bad[i].text), bad[i].len));
    assert_false(base64_is_of((struct str){ "Zm\0v", 4 }, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_gives_the_vectors),
        cmocka_unit_test(test_is_of_wants_the_one_right_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
