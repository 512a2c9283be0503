/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/ulid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

static void test_ulid_format_known_answers(void **state)
{
    static const struct {
        int64_t unix_ms;
        uint64_t high, low;
        const char *text;
    } rows[] = {
        { 0, 0, 0, "00000000000000000000000000" },
        { 1469918176385, 0, 1, "01ARYZ6S410000000000000001" },
        { 281474976710655, 0xFFFFFFFFFF, 0xFFFFFFFFFF, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ" },
        { 31, 32, 33, "000000000Z0000001000000011" },
        { 0, UINT64_MAX, 0, "0000000000ZZZZZZZZ00000000" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[ULID_TEXT_MAX];
        assert_string_equal(ulid_format(rows[i].unix_ms, rows[i].high, rows[i].low, text),
                            rows[i].text);
    }
}

static void test_ulid_format_sorts_by_time(void **state)
{
    char before[ULID_TEXT_MAX], after[ULID_TEXT_MAX];
    (void)state;
    for (int64_t ms = 1; ms < (int64_t)1 << 47; ms = ms * 3 + 1) {
        ulid_format(ms - 1, UINT64_MAX, UINT64_MAX, before);
        ulid_format(ms, 0, 0, after);
        assert_true(strcmp(before, after) < 0);
    }
}

static void test_ulid_new_is_unique(void **state)
{
    char a[ULID_TEXT_MAX], b[ULID_TEXT_MAX];
    (void)state;
    assert_int_equal(strlen(ulid_new(a)), 26);
    assert_string_not_equal(a, ulid_new(b));
    assert_int_equal(strspn(a, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ulid_format_known_answers),
        cmocka_unit_test(test_ulid_format_sorts_by_time),
        cmocka_unit_test(test_ulid_new_is_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
