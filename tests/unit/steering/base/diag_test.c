/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/diag.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    struct diag diag;
    struct buf out;
};

static int setup(void **state)
{
    static struct fixture fixture;
    diag_init(&fixture.diag);
    buf_init(&fixture.out, 1 << 20);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    diag_fini(&fixture->diag);
    buf_fini(&fixture->out);
    return 0;
}

static const char *formatted(struct fixture *fixture)
{
    buf_clear(&fixture->out);
    diag_format(&fixture->diag, &fixture->out);
    return buf_text(&fixture->out);
}

static void test_diag_format_positions(void **state)
{
    struct fixture *fixture = *state;
    struct diag *diag = &fixture->diag;
    assert_string_equal(formatted(fixture), "");
    assert_int_equal(diag_error(diag, 0, 0, "nowhere"), ERR_INVALID);
    char name[] = "a.yaml";
    diag_set_file(diag, name);
    memset(name, 'x', sizeof(name) - 1); /* it was copied */
    assert_int_equal(diag_error(diag, 3, 9, "bad %s", "key"), ERR_INVALID);
    diag_warning(diag, 4, 0, "odd");
    diag_set_file(diag, "b.yaml");
    assert_int_equal(diag_errno(diag, ENOENT, "cannot open '%s'", "b.yaml"), ERR_NOT_FOUND);
    diag_set_file(diag, NULL);
    diag_warning(diag, 5, 6, "still");
    assert_string_equal(formatted(fixture),
                        "error: nowhere\n"
                        "a.yaml:3:9: error: bad key\n"
                        "a.yaml:4: warning: odd\n"
                        "b.yaml: error: cannot open 'b.yaml': No such file or directory\n"
                        "5:6: warning: still\n");
    assert_int_equal(diag->error_count, 3);
    assert_int_equal(diag->warning_count, 2);
    assert_string_equal(diag_first(diag), "nowhere");
}

static void test_diag_warnings_are_no_errors(void **state)
{
    struct fixture *fixture = *state;
    diag_warning(&fixture->diag, 1, 1, "odd");
    assert_false(diag_has_errors(&fixture->diag));
    assert_string_equal(diag_first(&fixture->diag), "");
    diag_error(&fixture->diag, 1, 1, "bad");
    assert_true(diag_has_errors(&fixture->diag));
    assert_string_equal(diag_first(&fixture->diag), "bad");
}

static void test_diag_counts_beyond_the_limit(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < DIAG_MAX + 7; i++)
        diag_error(&fixture->diag, i + 1, 0, "bad");
    assert_int_equal(fixture->diag.count, DIAG_MAX);
    assert_int_equal(fixture->diag.error_count, DIAG_MAX + 7);
    assert_non_null(strstr(formatted(fixture), "100: error: bad\n... and 7 more\n"));
}

static void test_diag_error_displaces_a_warning(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < DIAG_MAX + 1; i++)
        diag_warning(&fixture->diag, i + 1, 0, "odd");
    diag_error(&fixture->diag, 7, 0, "bad");
    assert_int_equal(fixture->diag.count, DIAG_MAX);
    assert_string_equal(diag_first(&fixture->diag), "bad");
    assert_non_null(
        strstr(formatted(fixture), "99: warning: odd\n7: error: bad\n... and 2 more\n"));
}

static void test_diag_long_text_is_cut_not_lost(void **state)
{
    struct fixture *fixture = *state;
    char text[5000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    diag_error(&fixture->diag, 0, 0, "name '%s'", text);
    const char *shown = diag_first(&fixture->diag);
    assert_int_equal(strlen(shown), 2047);
    assert_memory_equal(shown, "name 'aaa", 9);
    assert_string_equal(shown + 2047 - 4, "a...");
    diag_fini(&fixture->diag);
    diag_errno(&fixture->diag, ENOSPC, "%s", text);
    shown = diag_first(&fixture->diag);
    assert_string_equal(shown + 2047, ": No space left on device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_diag_format_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_diag_warnings_are_no_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_diag_counts_beyond_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_diag_error_displaces_a_warning, setup, teardown),
        cmocka_unit_test_setup_teardown(test_diag_long_text_is_cut_not_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
