/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

static void test_suggest_offers_the_nearest(void **state)
{
    static const char *const regions[] = { "us-east", "us-west", "eu-west", "ap-south" };
    static const struct {
        const char *wanted, *text;
    } rows[] = {
        { "us-eats", "; did you mean 'us-east'?" },
        { "useast", "; did you mean 'us-east'?" },
        { "US-WEST", "; did you mean 'us-west'?" },
        { "eu-wst", "; did you mean 'eu-west'?" },
        { "apsouth", "; did you mean 'ap-south'?" },
        { "eu", "" },
        { "x", "" },
        { "", "" },
        { "sa-north-1", "" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[SUGGEST_TEXT_MAX];
        struct suggest suggest = suggest_init(str_from(rows[i].wanted));
        for (size_t j = 0; j < ARRAY_SIZE(regions); j++)
            suggest_offer(&suggest, str_from(regions[j]));
        assert_string_equal(suggest_format(&suggest, text, sizeof(text)), rows[i].text);
        assert_int_equal(suggest_has(&suggest), rows[i].text[0] != '\0');
    }
}

static void test_suggest_keeps_the_first_of_equals(void **state)
{
    struct suggest suggest = suggest_init(STR("colour1"));
    (void)state;
    suggest_offer(&suggest, STR("colour2"));
    suggest_offer(&suggest, STR("colour3"));
    assert_true(str_eq_text(suggest.best, "colour2"));
}

/* "a" is one step from anything of two letters and says nothing about it. */
static void test_suggest_offer_skips_total_replacements(void **state)
{
    struct suggest suggest = suggest_init(STR("xy"));
    (void)state;
    suggest_offer(&suggest, STR("ab"));
    suggest_offer(&suggest, STR(""));
    assert_false(suggest_has(&suggest));
}

static void test_suggest_format_is_always_terminated(void **state)
{
    char text[10];
    struct suggest suggest = suggest_init(STR("us-east"));
    (void)state;
    suggest_offer(&suggest, STR("us-east1"));
    suggest_format(&suggest, text, sizeof(text));
    assert_int_equal(strlen(text), sizeof(text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggest_offers_the_nearest),
        cmocka_unit_test(test_suggest_keeps_the_first_of_equals),
        cmocka_unit_test(test_suggest_offer_skips_total_replacements),
        cmocka_unit_test(test_suggest_format_is_always_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
