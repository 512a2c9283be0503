/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/file.h"
#include "steering/runtime/last_good_saver.h"
#include "steering/store/last_good.h"

enum { DOCUMENTS = 50 };

static struct document *make_document(int generation)
{
    char text[128];
    struct document *document = NULL;
    struct diag diag;
    diag_init(&diag);
    snprintf(text, sizeof(text), "{\"v\":1,\"epoch\":\"01E\",\"gen\":%d}", generation);
    assert_int_equal(document_parse(str_from(text), &diag, &document), ERR_OK);
    diag_fini(&diag);
    return document;
}

static void on_closed(void *owner)
{
    bool *is_closed = owner;
    *is_closed = true;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void test_close_saves_the_newest_first(void **state)
{
    (void)state;
    char folder[] = "/tmp/last_good_saver_test.XXXXXX";
    struct last_good_saver saver;
    struct document *found = NULL;
    struct diag diag;
    uv_loop_t loop;
    bool is_closed = false;
    assert_non_null(mkdtemp(folder));
    uv_loop_init(&loop);
    last_good_saver_open(&saver, &loop, folder);
    for (int i = 1; i <= DOCUMENTS; i++)
        last_good_saver_save(&saver, make_document(i));
    last_good_saver_close(&saver, on_closed, &is_closed);
    assert_false(is_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(is_closed);
    assert_string_equal(saver.problem, "");
    diag_init(&diag);
    assert_int_equal(last_good_load(folder, &diag, &found), ERR_OK);
    assert_int_equal(found->generation, DOCUMENTS);
    document_free(found);
    diag_fini(&diag);
    assert_int_equal(uv_loop_close(&loop), 0);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_save_tells_what_went_wrong_and_recovers(void **state)
{
    (void)state;
    char folder[] = "/tmp/last_good_saver_test.XXXXXX";
    struct last_good_saver saver;
    uv_loop_t loop;
    bool is_closed = false;
    assert_non_null(mkdtemp(folder));
    char *blocked = file_join(folder, "state"); /* a file where the folder should be */
    assert_int_equal(file_replace(blocked, STR("x"), false), ERR_OK);
    uv_loop_init(&loop);
    last_good_saver_open(&saver, &loop, blocked);
    last_good_saver_save(&saver, make_document(1));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_non_null(strstr(saver.problem, "state"));
    assert_int_equal(remove(blocked), 0);
    last_good_saver_save(&saver, make_document(2));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(saver.problem, "");
    last_good_saver_close(&saver, on_closed, &is_closed);
    assert_true(is_closed);
    assert_int_equal(uv_loop_close(&loop), 0);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close_saves_the_newest_first),
        cmocka_unit_test(test_save_tells_what_went_wrong_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
