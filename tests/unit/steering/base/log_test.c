/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/mem.h"

/* What is written to stderr between capture_start and capture_end. */
static FILE *captured;
static int kept_stderr;

static void capture_start(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    kept_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

static size_t capture_end(char *out_text, size_t capacity)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    rewind(captured);
    size_t len = fread(out_text, 1, capacity - 1, captured);
    out_text[len] = '\0';
    fclose(captured);
    return len;
}

static void test_log_write_line(void **state)
{
    char text[1000];
    (void)state;
    capture_start();
    log_warn("zone.load", "file=%s line=%d", "example.zone", 3);
    capture_end(text, sizeof(text));
    assert_int_equal(strlen("2026-11-21T02:30:11.004Z"), 24);
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[23], 'Z');
    assert_string_equal(text + 24, " warn zone.load file=example.zone line=3\n");
}

static void test_log_write_drops_below_level(void **state)
{
    char text[1000];
    (void)state;
    capture_start();
    log_debug("a", "%s", "x");
    log_set_level(LOG_LEVEL_ERROR);
    log_info("b", "%s", "x");
    log_warn("c", "%s", "x");
    log_error("d", "%s", "x");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("e", "%s", "x");
    log_set_level(LOG_LEVEL_INFO);
    capture_end(text, sizeof(text));
    assert_null(strstr(text, " a x"));
    assert_null(strstr(text, " b x"));
    assert_null(strstr(text, " c x"));
    assert_non_null(strstr(text, " error d x\n"));
    assert_non_null(strstr(text, " debug e x\n"));
}

static void test_log_write_cannot_be_forged(void **state)
{
    char text[1000];
    (void)state;
    capture_start();
    log_warn("a", "name=%s", "x\n2026 error forged\r\x1b[2J\x7f");
    capture_end(text, sizeof(text));
    assert_string_equal(text + 24, " warn a name=x 2026 error forged  [2J \n");
}

static void test_log_write_cuts_long_lines(void **state)
{
    char *text = mem_calloc(20000, 1);
    char *name = mem_calloc(10000, 1);
    (void)state;
    memset(name, 'x', 9999);
    capture_start();
    log_warn("a", "name=%s", name);
    size_t len = capture_end(text, 20000);
    assert_in_range(len, 4000, 4096);
    assert_int_equal(text[len - 1], '\n');
    free(name);
    free(text);
}

static void test_log_parse_level(void **state)
{
    enum log_level level = LOG_LEVEL_DEBUG;
    (void)state;
    assert_true(log_parse_level(STR("error"), &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_true(log_parse_level(STR("debug"), &level));
    assert_true(log_parse_level(STR("info"), &level));
    assert_true(log_parse_level(STR("warn"), &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_false(log_parse_level(STR("loud"), &level));
    assert_false(log_parse_level(STR(""), &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
}

static void test_log_site_admits_once_a_second(void **state)
{
    struct log_site site = { .next_ns = 0 };
    uint64_t suppressed = 4711;
    (void)state;
    assert_true(log_site_admits(&site, &suppressed));
    assert_int_equal(suppressed, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_false(log_site_admits(&site, &suppressed));
    atomic_store(&site.next_ns, 0); /* as if the second were over */
    assert_true(log_site_admits(&site, &suppressed));
    assert_int_equal(suppressed, 5);
}

static void test_log_limited_counts_what_it_hides(void **state)
{
    char text[4000];
    (void)state;
    capture_start();
    for (unsigned i = 0; i < 10; i++)
        log_limited(LOG_LEVEL_WARN, "udp.recv", "round=%u", i);
    capture_end(text, sizeof(text));
    assert_non_null(strstr(text, " warn udp.recv round=0 suppressed=0\n"));
    assert_null(strstr(text, "round=1"));
}

static void *write_lines(void *unused)
{
    for (unsigned i = 0; i < 500; i++)
        log_warn("thread", "%s", "0123456789012345678901234567890123456789");
    return unused;
}

static void test_log_write_lines_never_mix(void **state)
{
    enum { THREADS = 4, LINE = 24 + 13 + 40 + 1 };
    pthread_t threads[THREADS];
    char *text = mem_calloc(1 << 20, 1);
    (void)state;
    capture_start();
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    size_t len = capture_end(text, 1 << 20);
    assert_int_equal(len, THREADS * 500 * LINE);
    for (size_t at = 0; at < len; at += LINE)
        assert_memory_equal(text + at + 24,
                            " warn thread 0123456789012345678901234567890123456789\n", LINE - 24);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_write_line),
        cmocka_unit_test(test_log_write_drops_below_level),
        cmocka_unit_test(test_log_write_cannot_be_forged),
        cmocka_unit_test(test_log_write_cuts_long_lines),
        cmocka_unit_test(test_log_parse_level),
        cmocka_unit_test(test_log_site_admits_once_a_second),
        cmocka_unit_test(test_log_limited_counts_what_it_hides),
        cmocka_unit_test(test_log_write_lines_never_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
