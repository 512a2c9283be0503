/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/options.h"
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
        { { "--config=a.yaml" }, OPTIONS_RUN, "a.yaml" },
        { { "--check", "-c", "a.yaml" }, OPTIONS_CHECK, "a.yaml" },
        { { "-c", "a.yaml", "-k" }, OPTIONS_CHECK, "a.yaml" },
        { { "--explain-config" }, OPTIONS_EXPLAIN_CONFIG, NULL },
        { { "--new-ticket-key" }, OPTIONS_NEW_TICKET_KEY, NULL },
        { { "-V" }, OPTIONS_VERSION, NULL },
        { { "--help" }, OPTIONS_HELP, NULL },
        { { NULL }, -1, "-c FILE" },
        { { "--check" }, -1, "-c FILE" },
        { { "-c" }, -1, "needs a FILE" },
        { { "--new-ticket-kye" }, -1, "did you mean 'new-ticket-key'" },
        { { "--help=x" }, -1, "takes no value" },
        { { "a.yaml" }, -1, "behind -c" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *argv[WORDS_MAX + 1] = { mem_strdup("steer-pop") };
        int argc = 1;
        struct options options;
        struct buf problem;
        for (size_t j = 0; j < WORDS_MAX && rows[i].words[j] != NULL; j++)
            argv[argc++] = mem_strdup(rows[i].words[j]);
        buf_init(&problem, PROBLEM_MAX);
        bool is_fine = options_parse(argc, argv, &options, &problem);
        assert_int_equal(is_fine, rows[i].action >= 0);
        if (is_fine) {
            assert_int_equal(options.action, rows[i].action);
            if (rows[i].expected != NULL)
                assert_string_equal(options.config, rows[i].expected);
        } else {
            assert_non_null(strstr(buf_text(&problem), rows[i].expected));
        }
        buf_fini(&problem);
        for (int j = 0; j < argc; j++)
            free(argv[j]);
    }
}

static void test_help_names_every_option(void **state)
{
    (void)state;
    static const char *const words[] = { "--config FILE",    "--check",   "--explain-config",
                                         "--new-ticket-key", "--version", "--help",
                                         "SIGTERM",          "SIGHUP" };
    struct buf text;
    buf_init(&text, PROBLEM_MAX);
    options_help(&text);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        assert_non_null(strstr(buf_text(&text), words[i]));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
