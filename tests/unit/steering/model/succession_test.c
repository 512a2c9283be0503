/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/model/succession.h"

static struct document *parse(const char *text)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    if (text != NULL)
        assert_int_equal(document_parse(str_from(text), &diag, &document), ERR_OK);
    diag_fini(&diag);
    return document;
}

#define DOC(epoch, gen, more) "{\"v\":1,\"epoch\":\"" epoch "\",\"gen\":" gen more "}"

static void test_judge(void **state)
{
    static const struct row {
        const char *current, *next;
        enum succession expected;
    } rows[] = {
        { NULL, DOC("A", "0", ""), SUCCESSION_NEWER },
        { DOC("A", "7", ""), DOC("A", "8", ""), SUCCESSION_NEWER },
        { DOC("A", "7", ""), DOC("A", "900", ""), SUCCESSION_NEWER },
        { DOC("A", "7", ""), DOC("A", "7", ""), SUCCESSION_SAME },
        { DOC("A", "7", ""), "{\"gen\":7, \"epoch\":\"A\", \"v\":1}", SUCCESSION_SAME },
        { DOC("A", "7", ""), DOC("A", "6", ""), SUCCESSION_OLDER },
        { DOC("A", "7", ""), DOC("A", "0", ""), SUCCESSION_OLDER },
        { DOC("A", "7", ""), DOC("A", "7", ",\"x\":1"), SUCCESSION_DIVERGED },
        { DOC("A", "7", ""), DOC("B", "8", ""), SUCCESSION_OTHER_EPOCH },
        { DOC("A", "7", ""), DOC("B", "7", ""), SUCCESSION_OTHER_EPOCH },
        { DOC("A", "7", ""), DOC("B", "1", ",\"adopt\":{\"from\":\"A\"}"), SUCCESSION_NEWER },
        { DOC("A", "7", ""), DOC("B", "8", ",\"adopt\":{\"from\":\"C\"}"), SUCCESSION_OTHER_EPOCH },
        { DOC("A", "7", ""), DOC("B", "8", ",\"adopt\":{}"), SUCCESSION_OTHER_EPOCH },
        /* After the adoption: the old epoch cannot come back, the new one goes on as usual. */
        { DOC("B", "1", ",\"adopt\":{\"from\":\"A\"}"), DOC("A", "9", ""), SUCCESSION_OTHER_EPOCH },
        { DOC("B", "5", ",\"adopt\":{\"from\":\"A\"}"), DOC("B", "4", ""), SUCCESSION_OLDER },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct document *current = parse(rows[i].current), *next = parse(rows[i].next);
        enum succession got = succession_judge(current, next);
        if (got != rows[i].expected)
            fail_msg("row %zu: %s", i, succession_text(got));
        document_free(current);
        document_free(next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_judge) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
