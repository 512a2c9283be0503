/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/ctl/text.h"

static void test_format_duration_rows(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } rows[] = {
        { 0, "0.0 ms" },
        { 400000, "0.4 ms" },
        { 3000000, "3.0 ms" },
        { 9940000, "9.9 ms" },
        { 9960000, "10 ms" },
        { 38400000, "38 ms" },
        { 999400000, "999 ms" },
        { 999600000, "1.00 s" },
        { 1200000000, "1.20 s" },
        { 30000000000, "30.00 s" },
        { 60000000000, "1 min 0 s" },
        { 125000000000, "2 min 5 s" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[TEXT_DURATION_MAX];
        assert_string_equal(text_format_duration(rows[i].ns, text), rows[i].text);
    }
}

static void test_append_clean_takes_the_sting_out(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *clean;
    } rows[] = {
        { "INC-4411", "INC-4411" },
        { "", "" },
        { "a\nb\tc", "a?b?c" },
        { "\033[31mred", "?[31mred" },
        { "\x7f", "?" },
        { "caf\xc3\xa9", "caf\xc3\xa9" },
        { "\xc2\x9b"
          "31m",
          "?31m" },                 /* CSI as one code point */
        { "\xc2\xa0", "\xc2\xa0" }, /* no-break space is none */
        { "\xc2", "\xc2" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf out;
        buf_init(&out, 100);
        text_append_clean(&out, str_from(rows[i].raw));
        assert_string_equal(buf_text(&out), rows[i].clean);
        buf_fini(&out);
    }
}

static void test_width_counts_code_points(void **state)
{
    (void)state;
    assert_int_equal(text_width(STR("")), 0);
    assert_int_equal(text_width(STR("abc")), 3);
    assert_int_equal(text_width(STR("caf\xc3\xa9")), 4);
    assert_int_equal(text_width(STR("\xe2\x82\xac")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_duration_rows),
        cmocka_unit_test(test_append_clean_takes_the_sting_out),
        cmocka_unit_test(test_width_counts_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
