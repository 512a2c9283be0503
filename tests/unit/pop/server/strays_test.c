/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/server/strays.h"

static void test_each_presence_tells_what_came_since(void **state)
{
    (void)state;
    static const struct {
        uint64_t at_ms, count, per_s;
        bool is_news; /* before it is told */
    } rows[] = {
        { 5000, 0, 0, false },      { 7000, 0, 0, false },    { 9000, 100, 50, true },
        { 9500, 700, 50, true }, /* too soon for a rate, and not forgotten */
        { 11000, 1100, 500, true }, { 13000, 1100, 0, true }, /* they have ended: told once */
        { 15000, 1100, 0, false },  { 20000, 1101, 0, true }, /* less than one a second */
        { 22000, 1101, 0, false },
    };
    struct strays told = { .count = 0 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *presence = json_object();
        assert_int_equal(strays_is_news(&told, rows[i].count), rows[i].is_news);
        strays_tell(&told, rows[i].count, rows[i].at_ms, presence);
        assert_int_equal(json_get_int(presence, "strays", -1), rows[i].count);
        assert_int_equal(json_get_int(presence, "strays_per_s", -1), rows[i].per_s);
        json_decref(presence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_presence_tells_what_came_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
