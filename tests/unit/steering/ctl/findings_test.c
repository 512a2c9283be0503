/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/ctl/findings.h"

static const struct row {
    const char *line;
    bool is_finding;
    const char *severity, *file, *text;
    int line_number, column;
} rows[] = {
    { "a.yaml:3:7: error: unknown key 'x'", true, "error", "a.yaml", "unknown key 'x'", 3, 7 },
    { "a.yaml:3: warning: odd", true, "warning", "a.yaml", "odd", 3, 0 },
    { "a.yaml: error: gone", true, "error", "a.yaml", "gone", 0, 0 },
    { "error: no file", true, "error", "", "no file", 0, 0 },
    { "dir:1/a.yaml:3:7: error: x", true, "error", "dir:1/a.yaml", "x", 3, 7 },
    { "a:3:7: warning: said: error: x", true, "warning", "a", "said: error: x", 3, 7 },
    { "a:3:7: error: said: warning: x", true, "error", "a", "said: warning: x", 3, 7 },
    { "a.yaml: ok", false, NULL, NULL, NULL, 0, 0 },
    { "an error: in the middle", false, NULL, NULL, NULL, 0, 0 },
    { "", false, NULL, NULL, NULL, 0, 0 },
};

static void test_add_line_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct findings findings;
        const struct row *row = &rows[i];
        findings_init(&findings);
        print_message("%s\n", row->line);
        assert_int_equal(findings_add_line(&findings, str_from(row->line)), row->is_finding);
        assert_int_equal(json_array_size(findings.all), row->is_finding ? 1 : 0);
        const json_t *entry = json_array_get(findings.all, 0);
        if (row->is_finding) {
            assert_true(str_eq_text(json_get_str(entry, "severity"), row->severity));
            assert_true(str_eq_text(json_get_str(entry, "file"), row->file));
            assert_true(str_eq_text(json_get_str(entry, "text"), row->text));
            assert_int_equal(json_get_int(entry, "line", -1), row->line_number);
            assert_int_equal(json_get_int(entry, "column", -1), row->column);
        }
        findings_fini(&findings);
    }
}

static void test_add_line_twice_counts_once(void **state)
{
    (void)state;
    struct findings findings;
    findings_init(&findings);
    for (int i = 0; i < 2; i++)
        assert_true(findings_add_line(&findings, STR("a:1:1: error: x")));
    assert_true(findings_add_line(&findings, STR("a:1:1: error: xy")));
    assert_int_equal(findings.error_count, 2);
    assert_string_equal(buf_text(&findings.text), "a:1:1: error: x\na:1:1: error: xy\n");
    findings_fini(&findings);
}

static void test_add_diag_takes_all(void **state)
{
    (void)state;
    struct findings findings;
    struct diag diag;
    findings_init(&findings);
    diag_init(&diag);
    diag_set_file(&diag, "t.yaml");
    diag_error(&diag, 4, 2, "bad");
    diag_warning(&diag, 5, 0, "odd");
    findings_add_diag(&findings, &diag);
    findings_add_error(&findings, "z.yaml", "gone");
    assert_int_equal(findings.error_count, 2);
    assert_int_equal(findings.warning_count, 1);
    assert_string_equal(buf_text(&findings.text),
                        "t.yaml:4:2: error: bad\nt.yaml:5: warning: odd\nz.yaml: error: gone\n");
    diag_fini(&diag);
    findings_fini(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_line_rows),
        cmocka_unit_test(test_add_line_twice_counts_once),
        cmocka_unit_test(test_add_diag_takes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
