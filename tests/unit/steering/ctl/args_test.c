/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/ctl/args.h"
#include "steering/ctl/command.h"

static const struct command evacuate = {
    .name = "evacuate", .words = "REGION", .min_words = 1, .max_words = 1, .options = ARGS_STRAY
};
static const struct command status = { .name = "status", .words = "" };
static const struct command history = { .name = "history", .words = "", .options = ARGS_COUNT };
static const struct command check = {
    .name = "check", .words = "FILE...", .min_words = 1, .max_words = ARGS_WORD_MAX
};
static const struct command hidden = { .name = "statusx", .words = "", .is_hidden = true };
static const struct command *const commands[] = { &evacuate, &status, &history,
                                                  &check,    &hidden, NULL };

enum { WORDS_MAX = 80 };

/* One command line, split at blanks. */
struct line {
    char text[1200];
    char *argv[WORDS_MAX];
    int argc;
};

static enum err parse(const char *text, struct line *line, struct diag *diag, struct args *args)
{
    snprintf(line->text, sizeof(line->text), "steer %s", text);
    line->argc = 0;
    for (char *at = line->text; at != NULL;) {
        line->argv[line->argc++] = at;
        at = strchr(at, ' ');
        if (at != NULL)
            *at++ = '\0';
    }
    return args_parse(line->argc, line->argv, commands, "/default", diag, args);
}

static void test_parse_fills_every_option(void **state)
{
    (void)state;
    struct line line = { .argc = 0 };
    struct diag diag;
    struct args args;
    diag_init(&diag);
    assert_int_equal(parse("--json evacuate --reason=INC-1 -y us-east --override "
                           "min-regions,epoch --timeout 2m --no-wait --no-color --store /s "
                           "--stray=serve",
                           &line, &diag, &args),
                     ERR_OK);
    assert_ptr_equal(args.command, &evacuate);
    assert_true(args.is_json && args.is_yes && args.has_no_wait && args.has_no_color);
    assert_string_equal(args.reason, "INC-1");
    assert_string_equal(args.store, "/s");
    assert_string_equal(args.stray, "serve");
    assert_int_equal(args.timeout_ms, 120000);
    assert_int_equal(args.rule_count, 2);
    assert_true(str_eq_text(args.rules[0], "min-regions"));
    assert_true(str_eq_text(args.rules[1], "epoch"));
    assert_int_equal(args.word_count, 1);
    assert_string_equal(args.words[0], "us-east");
    assert_false(args.wants_help);
    diag_fini(&diag);
}

static void test_parse_defaults(void **state)
{
    (void)state;
    struct line line = { .argc = 0 };
    struct diag diag;
    struct args args;
    diag_init(&diag);
    assert_int_equal(parse("status", &line, &diag, &args), ERR_OK);
    assert_string_equal(args.store, "/default");
    assert_int_equal(args.timeout_ms, 30000);
    assert_int_equal(args.count, 20);
    assert_null(args.reason);
    assert_int_equal(args.given, 0);
    diag_fini(&diag);
}

static const struct good {
    const char *text;
    const char *word; /* the first one; NULL: none */
    uint64_t count;
} goods[] = {
    { "history -n 5", NULL, 5 },
    { "history -n5", NULL, 5 },
    { "history --count 5", NULL, 5 },
    { "history --count=5", NULL, 5 },
    { "-n 5 history", NULL, 5 },
    { "check -- -weird.yaml", "-weird.yaml", 20 },
    { "check -", "-", 20 },
    { "evacuate --yes us-east", "us-east", 20 },
    { "evacuate us-east --help --stray x", "us-east", 20 },
};

static void test_parse_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
        struct line line = { .argc = 0 };
        struct diag diag;
        struct args args;
        diag_init(&diag);
        print_message("%s\n", goods[i].text);
        assert_int_equal(parse(goods[i].text, &line, &diag, &args), ERR_OK);
        assert_int_equal(args.count, goods[i].count);
        if (goods[i].word != NULL)
            assert_string_equal(args.words[0], goods[i].word);
        diag_fini(&diag);
    }
}

static const struct bad {
    const char *text;
    enum err err;
    const char *says;
} bads[] = {
    { "evacute us-east", ERR_UNKNOWN, "did you mean 'evacuate'" },
    { "statusxx", ERR_UNKNOWN, "did you mean 'status'" },
    { "rollback", ERR_UNKNOWN,
      "unknown command 'rollback'; did you mean 'restore' or 'undrain'? (" },
    { "failover us-east", ERR_UNKNOWN, "did you mean 'evacuate'?" },
    { "frobnicate", ERR_UNKNOWN, "unknown command 'frobnicate' (" },
    { "status --jsn", ERR_UNKNOWN, "did you mean '--json'" },
    { "status --frobnicate", ERR_UNKNOWN, "unknown option '--frobnicate'" },
    { "status -q", ERR_UNKNOWN, "unknown option '-q'" },
    { "status --stray proxy", ERR_INVALID, "'steer status' does not take --stray" },
    { "evacuate", ERR_INVALID, "needs REGION" },
    { "evacuate a b", ERR_INVALID, "'b': unexpected" },
    { "status a", ERR_INVALID, "takes no words" },
    { "evacuate a --reason", ERR_INVALID, "--reason needs a value: TEXT" },
    { "evacuate a --reason=", ERR_INVALID, "--reason: is empty" },
    { "status --json=yes", ERR_INVALID, "--json takes no value" },
    { "history -n many", ERR_INVALID, "expected a whole number" },
    { "history -n -3", ERR_INVALID, "expected a whole number" },
    { "history -n", ERR_INVALID, "--count needs a value" },
    { "status --timeout soon", ERR_INVALID, "expected a duration such as" },
    { "status -yy", ERR_INVALID, "write options apart" },
    { "evacuate a --override ,", ERR_INVALID, "expected the name of a rule" },
    { "evacuate a --override 1,2,3,4,5,6,7,8,9", ERR_INVALID, "more than 8 rules" },
};

static void test_parse_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        struct line line = { .argc = 0 };
        struct diag diag;
        struct args args;
        diag_init(&diag);
        print_message("%s\n", bads[i].text);
        assert_int_equal(parse(bads[i].text, &line, &diag, &args), bads[i].err);
        assert_non_null(strstr(diag_first(&diag), bads[i].says));
        diag_fini(&diag);
    }
}

static void test_parse_limits(void **state)
{
    (void)state;
    struct diag diag;
    struct args args;
    char *argv[ARGS_WORD_MAX + 4];
    char steer[] = "steer", check_word[] = "check", file[] = "f", status_word[] = "status";
    char option[ARGS_REASON_MAX_BYTES + 32] = "--reason=";
    argv[0] = steer;
    argv[1] = check_word;
    for (int i = 2; i < ARGS_WORD_MAX + 4; i++)
        argv[i] = file;
    diag_init(&diag);
    assert_int_equal(args_parse(ARGS_WORD_MAX + 2, argv, commands, "/d", &diag, &args), ERR_OK);
    assert_int_equal(args_parse(ARGS_WORD_MAX + 3, argv, commands, "/d", &diag, &args),
                     ERR_INVALID);
    memset(option + strlen(option), 'x', ARGS_REASON_MAX_BYTES + 1);
    argv[1] = status_word;
    argv[2] = option;
    assert_int_equal(args_parse(3, argv, commands, "/d", &diag, &args), ERR_INVALID);
    option[strlen("--reason=") + ARGS_REASON_MAX_BYTES] = '\0';
    assert_int_equal(args_parse(3, argv, commands, "/d", &diag, &args), ERR_OK);
    assert_int_equal(args_parse(0, argv, commands, "/d", &diag, &args), ERR_OK);
    assert_null(args.command);
    diag_fini(&diag);
}

static void test_format_options_lists_what_the_mask_holds(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 16);
    args_format_options(ARGS_COUNT, &text);
    assert_non_null(strstr(buf_text(&text), "-n, --count N"));
    assert_null(strstr(buf_text(&text), "--json"));
    buf_clear(&text);
    args_format_names(args_global_options(), &text);
    assert_non_null(strstr(buf_text(&text), "--json\n"));
    assert_null(strstr(buf_text(&text), "--stray"));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_fills_every_option),
        cmocka_unit_test(test_parse_defaults),
        cmocka_unit_test(test_parse_accepts),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_limits),
        cmocka_unit_test(test_format_options_lists_what_the_mask_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
