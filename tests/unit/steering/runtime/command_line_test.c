/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/runtime/command_line.h"

enum { WORDS_MAX = 6, TEXT_MAX = 4096 };

static const char *seen; /* what run and check were given */

static int run(const char *config)
{
    seen = config;
    return 30;
}

static int check(const char *config)
{
    seen = config;
    return 31;
}

static void print_colours(const struct command_line *line, struct buf *out)
{
    buf_append_format(out, "%s: red, green\n", line->program);
}

static const struct command_option prints[] = {
    { 'p', "paint-colours", NULL, "print every colour", print_colours },
};
static const struct command_line line = {
    .program = "painter",
    .purpose = "paints",
    .examples = "  painter -c walls.yaml   paint the walls\n",
    .prints = prints,
    .print_count = ARRAY_SIZE(prints),
    .run = run,
    .check = check,
};
static const struct command_line plain = {
    .program = "plain", .purpose = "is plain", .examples = "", .run = run, .check = check
};

/* argv of a program; owned by the caller. */
static char **make_words(const char *const words[WORDS_MAX], int *out_argc)
{
    char **argv = mem_calloc(WORDS_MAX + 2, sizeof(*argv));
    int argc = 0;
    argv[argc++] = mem_strdup("painter");
    for (size_t i = 0; i < WORDS_MAX && words[i] != NULL; i++)
        argv[argc++] = mem_strdup(words[i]);
    *out_argc = argc;
    return argv;
}

static void free_words(char **argv)
{
    for (size_t i = 0; argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}

static void test_parse(void **state)
{
    (void)state;
    static const struct row {
        const char *words[WORDS_MAX];
        const char *does;     /* "run", "check", or the option that prints; NULL: refused */
        const char *expected; /* config, or a part of the problem */
    } rows[] = {
        { { "-c", "a.yaml" }, "run", "a.yaml" },
        { { "-ca.yaml" }, "run", "a.yaml" },
        { { "--config", "a.yaml" }, "run", "a.yaml" },
        { { "--config=a.yaml" }, "run", "a.yaml" },
        { { "-c", "a.yaml", "-c", "b.yaml" }, "run", "b.yaml" },
        { { "--check", "-c", "a.yaml" }, "check", "a.yaml" },
        { { "-c", "a.yaml", "-k" }, "check", "a.yaml" },
        { { "--version" }, "version", NULL },
        { { "-V" }, "version", NULL },
        { { "-h" }, "help", NULL },
        { { "--paint-colours" }, "paint-colours", NULL },
        { { "-p", "-c", "a.yaml" }, "paint-colours", "a.yaml" },
        { { "--check", "--help" }, "help", NULL },
        { { "--help", "--check" }, "help", NULL },
        { { "--help", "--version" }, "version", NULL },
        { { NULL }, NULL, "-c FILE" },
        { { "--check" }, NULL, "-c FILE" },
        { { "-c" }, NULL, "needs a FILE" },
        { { "--cofnig", "a.yaml" }, NULL, "did you mean 'config'" },
        { { "--paint-colors" }, NULL, "did you mean 'paint-colours'" },
        { { "--zzz" }, NULL, "unknown option '--zzz'" },
        { { "-x" }, NULL, "unknown option '-x'" },
        { { "--check=yes", "-c", "a" }, NULL, "--check takes no value" },
        { { "--paint-colours=x" }, NULL, "--paint-colours takes no value" },
        { { "-hx" }, NULL, "--help takes no value" },
        { { "a.yaml" }, NULL, "unexpected 'a.yaml'; the node file goes behind -c" },
        { { "-" }, NULL, "unexpected '-'" },
        { { "--" }, NULL, "unknown option '--'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct command command = { .config = "untouched" };
        struct buf problem;
        int argc;
        char **argv = make_words(rows[i].words, &argc);
        buf_init(&problem, TEXT_MAX);
        bool is_fine = command_line_parse(&line, argc, argv, &command, &problem);
        if (is_fine != (rows[i].does != NULL))
            fail_msg("row %zu: %s", i, buf_text(&problem));
        if (is_fine) {
            const char *plain_name = command.is_check ? "check" : "run";
            assert_string_equal(command.print != NULL ? command.print->name : plain_name,
                                rows[i].does);
            assert_int_equal(command.config == NULL, rows[i].expected == NULL);
            if (rows[i].expected != NULL)
                assert_string_equal(command.config, rows[i].expected);
        } else {
            assert_string_equal(command.config, "untouched");
            if (strstr(buf_text(&problem), rows[i].expected) == NULL)
                fail_msg("row %zu: no '%s' in '%s'", i, rows[i].expected, buf_text(&problem));
        }
        buf_fini(&problem);
        free_words(argv);
    }
}

static void test_own_options_are_of_one_daemon(void **state)
{
    (void)state;
    static const char *const words[WORDS_MAX] = { "--paint-colours" };
    struct command command;
    struct buf problem;
    int argc;
    char **argv = make_words(words, &argc);
    buf_init(&problem, TEXT_MAX);
    assert_false(command_line_parse(&plain, argc, argv, &command, &problem));
    assert_string_equal(buf_text(&problem), "unknown option '--paint-colours'");
    buf_fini(&problem);
    free_words(argv);
}

static void test_help_is_whole(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    command_line_help(&line, &text);
    assert_string_equal(buf_text(&text),
                        "painter: paints\n"
                        "\n"
                        "usage: painter -c FILE\n"
                        "       painter --check -c FILE\n"
                        "\n"
                        "  -c, --config FILE    the node file\n"
                        "  -k, --check          check the node file and all that it names, then "
                        "exit\n"
                        "  -p, --paint-colours  print every colour\n"
                        "  -V, --version        print the version\n"
                        "  -h, --help           print this\n"
                        "\n"
                        "examples:\n"
                        "  painter -c walls.yaml   paint the walls\n");
    buf_fini(&text);
}

static void test_print_is_given_the_line(void **state)
{
    (void)state;
    static const struct row {
        const char *words[WORDS_MAX];
        const char *expected;
    } rows[] = {
        { { "-V" }, "painter " STEER_VERSION "\n" },
        { { "-p" }, "painter: red, green\n" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct command command;
        struct buf text;
        int argc;
        char **argv = make_words(rows[i].words, &argc);
        buf_init(&text, TEXT_MAX);
        assert_true(command_line_parse(&line, argc, argv, &command, &text));
        command.print->print(&line, &text);
        assert_string_equal(buf_text(&text), rows[i].expected);
        buf_fini(&text);
        free_words(argv);
    }
}

static void test_run_calls_the_daemon_or_refuses(void **state)
{
    (void)state;
    static const struct row {
        const char *words[WORDS_MAX];
        int exit_code;
        const char *seen;
    } rows[] = {
        { { "-c", "a.yaml" }, 30, "a.yaml" },
        { { "-k", "-c", "b.yaml" }, 31, "b.yaml" },
        { { "-p", "-c", "c.yaml" }, 0, NULL },
        { { "--zzz", "-c", "c.yaml" }, 2, NULL },
        { { NULL }, 2, NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int argc;
        char **argv = make_words(rows[i].words, &argc);
        seen = NULL;
        assert_int_equal(command_line_run(&line, argc, argv), rows[i].exit_code);
        assert_int_equal(seen == NULL, rows[i].seen == NULL);
        if (seen != NULL)
            assert_string_equal(seen, rows[i].seen);
        free_words(argv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_own_options_are_of_one_daemon),
        cmocka_unit_test(test_help_is_whole),
        cmocka_unit_test(test_print_is_given_the_line),
        cmocka_unit_test(test_run_calls_the_daemon_or_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
