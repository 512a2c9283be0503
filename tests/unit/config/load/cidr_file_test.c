/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/cidr_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "steering/base/mem.h"

static void check(const char *text, size_t max, const char *expected_list,
                  const char *expected_diag)
{
    struct diag diag;
    struct buf out, list_text;
    struct cidr_list list = { .items = NULL };
    char cidr[CIDR_TEXT_MAX];
    diag_init(&diag);
    buf_init(&out, 1 << 16);
    buf_init(&list_text, 1 << 16);
    diag_set_file(&diag, "n.txt");
    enum err err = cidr_file_parse(str_from(text), max, &diag, &list);
    diag_format(&diag, &out);
    for (size_t i = 0; i < list.count; i++)
        buf_append_format(&list_text, "%s ", cidr_format(&list.items[i], cidr));
    assert_string_equal(buf_text(&out), expected_diag);
    assert_string_equal(buf_text(&list_text), expected_list);
    assert_int_equal(err, expected_diag[0] != '\0' ? ERR_INVALID : ERR_OK);
    free(list.items);
    buf_fini(&out);
    buf_fini(&list_text);
    diag_fini(&diag);
}

static void test_parse_lines(void **state)
{
    static const struct {
        const char *text, *list, *diag;
    } rows[] = {
        { "", "", "" },
        { "\n\n# only a comment\n", "", "" },
        { "192.0.2.0/24", "192.0.2.0/24 ", "" },
        { "192.0.2.0/24 # why\r\n\t2001:db8::/32\r\n192.0.2.1",
          "192.0.2.0/24 2001:db8::/32 "
          "192.0.2.1/32 ",
          "" },
        { "10.0.0.0/8\n  192.0.2.7/24\n\nnonsense\n10.0.0.0/8 11.0.0.0/8\n::/0\n",
          "10.0.0.0/8 ::/0 ",
          "n.txt:2:3: error: '192.0.2.7/24' has bits set behind the prefix; did you mean "
          "'192.0.2.0/24'?\n"
          "n.txt:4:1: error: expected one prefix such as 192.0.2.0/24 or 2001:db8::/32, found "
          "'nonsense'\n"
          "n.txt:5:1: error: expected one prefix such as 192.0.2.0/24 or 2001:db8::/32, found "
          "'10.0.0.0/8 11.0.0.0/8'\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(rows[i].text, 100, rows[i].list, rows[i].diag);
}

static void test_parse_respects_max(void **state)
{
    (void)state;
    check("10.0.0.0/8\n11.0.0.0/8\n", 2, "10.0.0.0/8 11.0.0.0/8 ", "");
    check("10.0.0.0/8\n11.0.0.0/8\n12.0.0.0/8\n13.0.0.0/8\n", 2,
          "10.0.0.0/8 11.0.0.0/8 12.0.0.0/8 ",
          "n.txt:3:1: error: more than 2 prefixes in one network\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_lines),
        cmocka_unit_test(test_parse_respects_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
