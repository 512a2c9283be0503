/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/zone/lexer.h"
#include "steering/base/buf.h"
#include "steering/base/mem.h"

/* One line per entry: "_" for a blank start, then the tokens as LINE:COLUMN:text, quoted ones in
 * quotes, glued ones with + in front. Problems as !LINE:COLUMN:text. */
static void describe(struct str text, struct buf *out)
{
    struct lexer lexer;
    enum lexer_result result;
    lexer_init(&lexer, text);
    while ((result = lexer_next(&lexer)) != LEXER_END) {
        if (result == LEXER_PROBLEM) {
            buf_append_format(out, "!%u:%u:%s\n", lexer.problem_line, lexer.problem_column,
                              lexer.problem);
            continue;
        }
        buf_append_text(out, lexer.starts_blank ? "_" : "");
        for (size_t i = 0; i < lexer.count; i++) {
            const struct token *token = &lexer.tokens[i];
            const char *quote = token->is_quoted ? "\"" : "";
            buf_append_format(out, "%s%s%u:%u:%s%.*s%s", i > 0 ? " " : "",
                              token->is_glued ? "+" : "", token->line, token->column, quote,
                              STR_ARG(token->text), quote);
        }
        buf_append_text(out, "\n");
    }
    lexer_fini(&lexer);
}

static const struct {
    const char *name, *text, *expected;
} CASES[] = {
    { "nothing", "", "" },
    { "comments only", "; a\n\n  ; b\n", "" },
    { "no line end at the end", "a b", "1:1:a 1:3:b\n" },
    { "carriage returns", "a b\r\nc\r\n", "1:1:a 1:3:b\n2:1:c\n" },
    { "byte order mark",
      "\xEF\xBB\xBF"
      "a",
      "1:1:a\n" },
    { "blank start", " a\n\tb\n", "_1:2:a\n_2:2:b\n" },
    { "comment behind", "a b;c\nd", "1:1:a 1:3:b\n2:1:d\n" },
    { "parentheses", "a ( b ; x ) y\n  c )\nd", "1:1:a 1:5:b 2:3:c\n3:1:d\n" },
    { "nested parentheses", "a ((b\n) c\n) d\ne", "1:1:a 1:5:b 2:3:c 3:3:d\n4:1:e\n" },
    { "parenthesis first", "( a\n b )\n", "1:3:a 2:2:b\n" },
    { "parentheses without space", "a(b)c", "1:1:a 1:3:b 1:5:c\n" },
    { "quotes", "a \"b c\" \"\" \";(\"", "1:1:a 1:3:\"b c\" 1:9:\"\" 1:12:\";(\"\n" },
    { "quote inside quotes", "\"a\\\"b\" c", "1:1:\"a\\\"b\" 1:8:c\n" },
    { "backslash before a quote's end", "\"a\\\\\" c", "1:1:\"a\\\\\" 1:7:c\n" },
    { "glued quotes", "k=\"v w\"x \"y\"\"z\"",
      "1:1:k= +1:3:\"v w\" +1:8:x 1:10:\"y\" +1:13:\"z\"\n" },
    { "escapes", "a\\;b\\ c\\\"d \\065", "1:1:a\\;b\\ c\\\"d 1:12:\\065\n" },
    { "octets beyond ASCII", "\xC3\xA4 b", "1:1:\xC3\xA4 1:4:b\n" },

    { "open quote", "a \"b\nc", "!1:3:quote is not closed on this line\n2:1:c\n" },
    { "open quote at the end", "a \"b\\", "!1:3:quote is not closed on this line\n" },
    { "open quote in parentheses: the rest of the entry is skipped",
      "a ( \"b\n c\n) ; d\n\n;e\nf ( g\n )",
      "!1:5:quote is not closed on this line\n6:1:f 6:5:g\n" },
    { "stray parenthesis", "a )\nb", "!1:3:')' without '('\n2:1:b\n" },
    { "open parenthesis", "a (\nb\nc (", "!1:3:parenthesis is never closed\n" },
    { "backslash at the line end", "a\\\nb", "!1:2:backslash at the end of the line\n2:1:b\n" },
    { "backslash at the very end", "a\\", "!1:2:backslash at the end of the line\n" },
    { "control character",
      "a\x01"
      "b\nc",
      "!1:2:control character 0x01 in the file; write it as \\001\n2:1:c\n" },
    { "lines that end with carriage returns only", "a b\rc d\re",
      "!1:4:carriage return within a line; lines end with LF or CR LF\n" },
    { "carriage return in quotes", "\"a\rb\"\nc\r",
      "!1:3:carriage return within a line; lines end with LF or CR LF\n2:1:c\n" },
    { "two carriage returns", "a\r\r\nb",
      "!1:2:carriage return within a line; lines end with LF or CR LF\n2:1:b\n" },
    { "control character in quotes", "\"a\x7f\"",
      "!1:3:control character 0x7f in the file; write it as \\127\n" },
};

static void test_next_cuts_entries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct buf out;
        buf_init(&out, 4096);
        describe(str_from(CASES[i].text), &out);
        if (strcmp(buf_text(&out), CASES[i].expected) != 0)
            fail_msg("%s: got\n%s", CASES[i].name, buf_text(&out));
        buf_fini(&out);
    }
}

static void test_next_refuses_nul(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    describe(STR("a\0b\n c"), &out);
    assert_string_equal(buf_text(&out),
                        "!1:2:control character 0x00 in the file; write it as \\000\n_2:2:c\n");
    buf_fini(&out);
}

/* An entry of exactly the limit passes; one octet more is refused, and told once. */
static void test_next_limits_entries(void **state)
{
    (void)state;
    for (size_t excess = 0; excess < 2; excess++) {
        size_t len = LEXER_ENTRY_MAX_BYTES + excess + 2;
        char *text = mem_calloc(len, 1);
        memset(text, 'x', len);
        text[len - 2] = '\n';
        struct lexer lexer;
        lexer_init(&lexer, (struct str){ .ptr = text, .len = len });
        assert_int_equal(lexer_next(&lexer), excess == 0 ? LEXER_ENTRY : LEXER_PROBLEM);
        if (excess > 0)
            assert_string_equal(lexer.problem, "record is longer than 512 KiB");
        assert_int_equal(lexer_next(&lexer), LEXER_ENTRY);
        assert_int_equal(lexer.tokens[0].line, 2);
        assert_int_equal(lexer_next(&lexer), LEXER_END);
        lexer_fini(&lexer);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_cuts_entries),
        cmocka_unit_test(test_next_refuses_nul),
        cmocka_unit_test(test_next_limits_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
