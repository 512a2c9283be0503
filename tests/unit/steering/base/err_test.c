/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_err_name_and_text_of_every_row(void **state)
{
    (void)state;
#define X(row_name, row_exit, row_text)                                                            \
    assert_string_equal(err_name(ERR_##row_name), #row_name);                                      \
    assert_string_equal(err_text(ERR_##row_name), row_text);                                       \
    assert_int_equal(err_exit_code(ERR_##row_name), row_exit);
    ERR_LIST(X)
#undef X
}

static void test_err_unknown_value_is_internal(void **state)
{
    (void)state;
    assert_string_equal(err_name((enum err)12345), "INTERNAL");
    assert_int_equal(err_exit_code((enum err)12345), 1);
}

/* The numbers are a contract with scripts. */
static void test_err_exit_code_contract(void **state)
{
    (void)state;
    assert_int_equal(err_exit_code(ERR_OK), 0);
    assert_int_equal(err_exit_code(ERR_UNKNOWN), 2);
    assert_int_equal(err_exit_code(ERR_BLOCKED), 3);
    assert_int_equal(err_exit_code(ERR_CONFLICT), 4);
    assert_int_equal(err_exit_code(ERR_UNREACHABLE), 5);
    assert_int_equal(err_exit_code(ERR_OUTCOME_UNKNOWN), 6);
    assert_int_equal(err_exit_code(ERR_TIMEOUT), 7);
    assert_int_equal(err_exit_code(ERR_DECLINED), 8);
}

static void test_err_from_errno_maps(void **state)
{
    static const struct {
        int errnum;
        enum err err;
    } rows[] = {
        { 0, ERR_OK },           { ENOENT, ERR_NOT_FOUND },  { ENOTDIR, ERR_NOT_FOUND },
        { EEXIST, ERR_EXISTS },  { EACCES, ERR_DENIED },     { EPERM, ERR_DENIED },
        { EROFS, ERR_DENIED },   { ENOSPC, ERR_NO_SPACE },   { EDQUOT, ERR_NO_SPACE },
        { EFBIG, ERR_NO_SPACE }, { EAGAIN, ERR_BUSY },       { EBUSY, ERR_BUSY },
        { EIO, ERR_IO },         { ETIMEDOUT, ERR_TIMEOUT }, { 99999, ERR_IO },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(err_from_errno(rows[i].errnum), rows[i].err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_name_and_text_of_every_row),
        cmocka_unit_test(test_err_unknown_value_is_internal),
        cmocka_unit_test(test_err_exit_code_contract),
        cmocka_unit_test(test_err_from_errno_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
