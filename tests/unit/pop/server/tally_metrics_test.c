/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/tally_metrics.h"
#include "steering/base/mem.h"

enum { TEXT_MAX = 1 << 20, NAMES_MAX = 256 };

static const struct {
    const char *name, *kind, *label, *value, *help;
} rows[] = {
#define X(id, kind, name, label, value, help) { "steer_pop_" name, #kind, label, value, help },
    TALLY_LIST(X)
#undef X
};

static void write_all(const struct tally *tallies, size_t count, struct buf *out)
{
    buf_init(out, TEXT_MAX);
    tally_metrics_write(out, tallies, count);
    assert_false(out->is_overflown);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

static void test_every_row_has_one_sample_and_every_name_one_head(void **state)
{
    (void)state;
    struct tally *tallies = tally_new(1);
    struct buf text, wanted;
    write_all(tallies, 1, &text);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        buf_init(&wanted, 4096);
        buf_append_format(&wanted, "\n%s", rows[i].name);
        if (rows[i].label != NULL)
            buf_append_format(&wanted, "{%s=\"%s\"}", rows[i].label, rows[i].value);
        buf_append_text(&wanted, " 0\n");
        assert_int_equal(count_of(buf_text(&text), buf_text(&wanted)), 1);
        buf_clear(&wanted);
        buf_append_format(&wanted, "# HELP %s ", rows[i].name);
        assert_int_equal(count_of(buf_text(&text), buf_text(&wanted)), 1);
        buf_clear(&wanted);
        buf_append_format(&wanted, "# TYPE %s %s\n", rows[i].name,
                          strcmp(rows[i].kind, "GAUGE") == 0 ? "gauge" : "counter");
        assert_int_equal(count_of(buf_text(&text), buf_text(&wanted)), 1);
        buf_fini(&wanted);
    }
    buf_fini(&text);
    free(tallies);
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '_')
            return false;
    return name.len > 0;
}

/* As promtool would: a head before its samples, samples together, names and numbers sound,
 * counters end in _total. */
static void test_syntax(void **state)
{
    (void)state;
    struct tally *tallies = tally_new(2);
    struct buf text;
    struct str line, rest, present = { .ptr = "" };
    histogram_record(&tallies[1].histograms[TALLY_TTFB_NS], 1000000, 3);
    write_all(tallies, 2, &text);
    rest = buf_str(&text);
    while (rest.len > 0) {
        struct str word, tail;
        assert_true(str_split(rest, '\n', &line, &rest));
        if (str_starts_with(line, STR("# HELP "))) {
            line.ptr += strlen("# HELP ");
            line.len -= strlen("# HELP ");
            assert_true(str_split(line, ' ', &present, &tail));
            assert_true(is_name(present));
            assert_true(str_ends_with(tail, STR(".")));
            continue;
        }
        if (str_starts_with(line, STR("# TYPE "))) {
            bool is_counter = str_ends_with(line, STR(" counter"));
            assert_int_equal(str_ends_with(present, STR("_total")), is_counter);
            continue;
        }
        assert_true(str_starts_with(line, present)); /* its own metric's */
        assert_true(str_split(line, ' ', &word, &tail));
        double value;
        assert_true(str_parse_double(tail, &value));
    }
    buf_fini(&text);
    free(tallies);
}

static void test_workers_are_added_up(void **state)
{
    (void)state;
    struct tally *tallies = tally_new(2);
    struct buf text;
    tally_add_many(&tallies[0], TALLY_REQUESTS, 2);
    tally_add_many(&tallies[1], TALLY_REQUESTS, 40);
    tally_add(&tallies[0], TALLY_STREAMS);
    tally_sub(&tallies[0], TALLY_STREAMS);
    tally_add(&tallies[1], TALLY_STREAMS);
    write_all(tallies, 2, &text);
    assert_non_null(strstr(buf_text(&text), "\nsteer_pop_requests_total 42\n"));
    assert_non_null(strstr(buf_text(&text), "\nsteer_pop_requests_in_flight 1\n"));
    assert_int_equal(tally_sum(tallies, 2, TALLY_REQUESTS), 42);
    buf_fini(&text);
    free(tallies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_has_one_sample_and_every_name_one_head),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_workers_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
