/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/ctl/table.h"

static const char *const headings[] = { "SITE", "GEN", "WHY" };

static void check(const struct table *table, bool has_colour, const char *expected)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    table_format(table, has_colour, &text);
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}

static void test_format_aligns_and_leaves_no_trailing_blanks(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, headings, 3);
    check(&table, false, "SITE  GEN  WHY\n");
    table_add_text(&table, "us-east");
    table_add_number(&table, 418);
    table_add(&table, STR("INC"));
    table_add_text(&table, "x");
    table_add_number(&table, 5);
    table_add_text(&table, "");
    table_add_text(&table, "y");
    table_add_text(&table, "");
    table_add_text(&table, "why");
    table_add_text(&table, "");
    table_add_text(&table, "");
    table_add_text(&table, "");
    check(&table, false,
          "SITE     GEN  WHY\n"
          "us-east  418  INC\n"
          "x        5\n"
          "y             why\n"
          "\n");
    table_fini(&table);
}

static void test_format_measures_characters_not_bytes(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, headings, 2);
    table_add_text(&table, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    table_add_text(&table, "1");
    check(&table, false,
          "SITE   GEN\n"
          "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9  1\n");
    table_fini(&table);
}

static void test_format_colours_do_not_count(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, headings, 2);
    table_add_text(&table, "a");
    table_colour(&table, "31");
    table_add_text(&table, "b\033[0m");
    check(&table, true,
          "\033[1mSITE\033[0m  \033[1mGEN\033[0m\n"
          "\033[31ma\033[0m     b?[0m\n");
    check(&table, false,
          "SITE  GEN\n"
          "a     b?[0m\n");
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_aligns_and_leaves_no_trailing_blanks),
        cmocka_unit_test(test_format_measures_characters_not_bytes),
        cmocka_unit_test(test_format_colours_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
