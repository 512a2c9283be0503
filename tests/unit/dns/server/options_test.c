/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dns/server/options.h"
#include "steering/base/mem.h"

enum { WORDS_MAX = 6, PROBLEM_MAX = 4096 };

static void test_parse(void **state)
{
    (void)state;
    static const struct row {
        const char *words[WORDS_MAX];
        int action;           /* -1: refused */
        const char *expected; /* config, or a part of the problem */
    } rows[] = {
        { { "-c", "a.yaml" }, OPTIONS_RUN, "a.yaml" },
        { { "-ca.yaml" }, OPTIONS_RUN, "a.yaml" },
        { { "--config", "a.yaml" }, OPTIONS_RUN, "a.yaml" },
        { { "--config=a.yaml" }, OPTIONS_RUN, "a.yaml" },
        { { "--check", "-c", "a.yaml" }, OPTIONS_CHECK, "a.yaml" },
        { { "-c", "a.yaml", "-k" }, OPTIONS_CHECK, "a.yaml" },
        { { "--version" }, OPTIONS_VERSION, NULL },
        { { "-V" }, OPTIONS_VERSION, NULL },
        { { "-h" }, OPTIONS_HELP, NULL },
        { { "--check", "--help" }, OPTIONS_HELP, NULL },
        { { NULL }, -1, "-c FILE" },
        { { "--check" }, -1, "-c FILE" },
        { { "-c" }, -1, "needs a FILE" },
        { { "--cofnig", "a.yaml" }, -1, "did you mean 'config'" },
        { { "--zzz" }, -1, "unknown option '--zzz'" },
        { { "-x" }, -1, "unknown option '-x'" },
        { { "--check=yes", "-c", "a" }, -1, "takes no value" },
        { { "a.yaml" }, -1, "unexpected 'a.yaml'" },
        { { "-" }, -1, "unexpected '-'" },
        { { "--" }, -1, "unknown option '--'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char program[] = "steer-dns";
        char *argv[WORDS_MAX + 2] = { program };
        struct options options = { .action = OPTIONS_RUN };
        struct buf problem;
        int argc = 1;
        for (; argc <= WORDS_MAX && rows[i].words[argc - 1] != NULL; argc++)
            argv[argc] = mem_strdup(rows[i].words[argc - 1]);
        buf_init(&problem, PROBLEM_MAX);
        bool is_fine = options_parse(argc, argv, &options, &problem);
        if (is_fine != (rows[i].action >= 0))
            fail_msg("row %zu: %s", i, buf_text(&problem));
        if (is_fine) {
            assert_int_equal(options.action, rows[i].action);
            if (rows[i].expected != NULL)
                assert_string_equal(options.config, rows[i].expected);
        } else if (strstr(buf_text(&problem), rows[i].expected) == NULL) {
            fail_msg("row %zu: no '%s' in '%s'", i, rows[i].expected, buf_text(&problem));
        }
        buf_fini(&problem);
        for (int j = 1; j < argc; j++)
            free(argv[j]);
    }
}

static void test_help_names_every_option_and_examples(void **state)
{
    (void)state;
    static const char *const expected[] = { "-c, --config FILE", "--check",
                                            "--version",         "--help",
                                            "examples:",         "steer-dns -c /etc" };
    struct buf text;
    buf_init(&text, 65536);
    options_help(&text);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_non_null(strstr(buf_text(&text), expected[i]));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_help_names_every_option_and_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
