/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

static void test_clock_format_s_and_ms(void **state)
{
    static const struct {
        int64_t unix_ms;
        const char *s, *ms;
    } rows[] = {
        { 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z" },
        { 1795228211004, "2026-11-21T02:30:11Z", "2026-11-21T02:30:11.004Z" },
        { 951782399999, "2000-02-28T23:59:59Z", "2000-02-28T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z" },
        { -1000, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z" },
        { 253402300799000, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z" },
        { 253402300800000, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z" },
        { INT64_MAX, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.807Z" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[CLOCK_TEXT_MAX];
        int64_t unix_s = rows[i].unix_ms / 1000 - (rows[i].unix_ms % 1000 < 0);
        assert_string_equal(clock_format_s(unix_s, text), rows[i].s);
        assert_string_equal(clock_format_ms(rows[i].unix_ms, text), rows[i].ms);
    }
    char text[CLOCK_TEXT_MAX];
    assert_string_equal(clock_format_s(INT64_MAX, text), "9999-12-31T23:59:59Z");
    assert_string_equal(clock_format_s(INT64_MIN, text), "1000-01-01T00:00:00Z");
}

static void test_clock_parse_duration(void **state)
{
    static const struct {
        const char *text;
        bool is_fine;
        uint64_t ms;
    } rows[] = {
        { "250ms", true, 250 },     { "90s", true, 90000 },
        { "90", true, 90000 },      { "15m", true, 900000 },
        { "2h", true, 7200000 },    { "1d", true, 86400000 },
        { "0", true, 0 },           { "4294967295d", true, 371085174288000000 },
        { "4294967296", false, 0 }, { "", false, 0 },
        { "s", false, 0 },          { "1 s", false, 0 },
        { "1.5h", false, 0 },       { "-1s", false, 0 },
        { "1S", false, 0 },         { "1min", false, 0 },
        { "1h30m", false, 0 },      { "99999999999999999999999s", false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ms = 4711;
        assert_int_equal(clock_parse_duration(str_from(rows[i].text), &ms), rows[i].is_fine);
        assert_int_equal(ms, rows[i].is_fine ? rows[i].ms : 4711);
    }
}

static void test_clock_format_age(void **state)
{
    static const struct {
        int64_t age_s;
        const char *text;
    } rows[] = {
        { -5, "0 s" },           { 0, "0 s" },
        { 59, "59 s" },          { 60, "1 min" },
        { 3599, "59 min" },      { 3600, "1 h 0 min" },
        { 12000, "3 h 20 min" }, { 86399, "23 h 59 min" },
        { 86400, "1 day" },      { 172800, "2 days" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[CLOCK_TEXT_MAX];
        assert_string_equal(clock_format_age(rows[i].age_s, text), rows[i].text);
    }
}

static void test_clock_monotonic_never_runs_backwards(void **state)
{
    (void)state;
    uint64_t before_ms = clock_monotonic_ms();
    uint64_t before_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now_ns = clock_monotonic_ns();
        assert_true(now_ns >= before_ns);
        before_ns = now_ns;
    }
    assert_true(before_ns / 1000000 >= before_ms);
}

static void test_clock_unix_agree(void **state)
{
    (void)state;
    int64_t before_s = clock_unix_s();
    int64_t now_ms = clock_unix_ms();
    int64_t after_s = clock_unix_s();
    assert_true(before_s <= now_ms / 1000 && now_ms / 1000 <= after_s);
    assert_true(before_s > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_format_s_and_ms),
        cmocka_unit_test(test_clock_parse_duration),
        cmocka_unit_test(test_clock_format_age),
        cmocka_unit_test(test_clock_monotonic_never_runs_backwards),
        cmocka_unit_test(test_clock_unix_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
