/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/runtime/metrics.h"

#define SAMPLE_METRICS(X)                                                                          \
    X(QUERIES, COUNTER, "queries_total", "Queries answered.")                                      \
    X(AGE, GAUGE, "age_seconds", "Age.")                                                           \
    X(TOOK, HISTOGRAM, "took_seconds", "Time taken.")

enum { METRICS_ENUM(SAMPLE_METRICS) };
static const struct metric sample_metrics[] = { METRICS_TABLE(SAMPLE_METRICS) };

static void test_table_yields_enum_and_rows(void **state)
{
    (void)state;
    assert_int_equal(METRIC_TOOK, 2);
    assert_string_equal(sample_metrics[METRIC_AGE].name, "age_seconds");
    assert_int_equal(sample_metrics[METRIC_AGE].kind, METRIC_GAUGE);
}

static void test_sample_escapes_label_values(void **state)
{
    (void)state;
    struct buf out;
    static const struct metric_label labels[] = { { "type", "A" }, { "map", "a\"b\\c\nd" } };
    buf_init(&out, 4096);
    metrics_head(&out, &sample_metrics[METRIC_QUERIES]);
    metrics_sample(&out, &sample_metrics[METRIC_QUERIES], labels, 2, 18446744073709551615u);
    metrics_single(&out, &sample_metrics[METRIC_AGE], 3);
    metrics_single_real(&out, &sample_metrics[METRIC_AGE], 0.25);
    assert_string_equal(buf_text(&out),
                        "# HELP queries_total Queries answered.\n"
                        "# TYPE queries_total counter\n"
                        "queries_total{type=\"A\",map=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
                        "# HELP age_seconds Age.\n# TYPE age_seconds gauge\nage_seconds 3\n"
                        "# HELP age_seconds Age.\n# TYPE age_seconds gauge\nage_seconds 0.25\n");
    buf_fini(&out);
}

static void test_outcomes_are_done_and_failed(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    metrics_outcomes(&out, &sample_metrics[METRIC_QUERIES], 7, 2);
    assert_string_equal(buf_text(&out), "# HELP queries_total Queries answered.\n"
                                        "# TYPE queries_total counter\n"
                                        "queries_total{outcome=\"done\"} 7\n"
                                        "queries_total{outcome=\"failed\"} 2\n");
    buf_fini(&out);
}

static void test_durations_are_cumulative(void **state)
{
    (void)state;
    struct buf out;
    struct histogram histogram = { 0 };
    struct histogram_totals totals = { 0 };
    static const struct metric_label label = { "transport", "udp" };
    static const char *const expected[] = {
        "took_seconds_bucket{transport=\"udp\",le=\"1e-06\"} 1\n",
        "took_seconds_bucket{transport=\"udp\",le=\"2.5e-06\"} 4\n",
        "took_seconds_bucket{transport=\"udp\",le=\"1\"} 4\n",
        "took_seconds_bucket{transport=\"udp\",le=\"+Inf\"} 5\n",
        "took_seconds_sum{transport=\"udp\"} 2.000007\n",
        "took_seconds_count{transport=\"udp\"} 5\n",
    };
    histogram_record(&histogram, 1000, 1); /* a bound belongs to its bucket */
    histogram_record(&histogram, 2000, 3);
    histogram_record(&histogram, 2000000000, 1);
    histogram_collect(&histogram, &totals);
    assert_int_equal(totals.buckets[0], 1);
    assert_int_equal(totals.buckets[HISTOGRAM_BUCKETS - 1], 1);
    buf_init(&out, 65536);
    metrics_durations(&out, &sample_metrics[METRIC_TOOK], &label, 1, &totals);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        if (strstr(buf_text(&out), expected[i]) == NULL)
            fail_msg("no %s in\n%s", expected[i], buf_text(&out));
    buf_fini(&out);
}

static void test_histogram_bounds_rise(void **state)
{
    (void)state;
    for (size_t i = 1; i < HISTOGRAM_BUCKETS - 1; i++)
        assert_true(histogram_bounds_ns[i - 1] < histogram_bounds_ns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_yields_enum_and_rows),
        cmocka_unit_test(test_sample_escapes_label_values),
        cmocka_unit_test(test_outcomes_are_done_and_failed),
        cmocka_unit_test(test_durations_are_cumulative),
        cmocka_unit_test(test_histogram_bounds_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
