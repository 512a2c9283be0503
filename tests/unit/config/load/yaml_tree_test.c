/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/yaml_tree.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

static void dump(const struct yaml_tree_node *node, struct buf *out)
{
    switch (node->kind) {
    case YAML_TREE_SCALAR:
        buf_append_format(out, node->is_plain ? "%.*s" : "'%.*s'", STR_ARG(node->text));
        break;
    case YAML_TREE_LIST:
        buf_append_text(out, "[");
        for (size_t i = 0; i < node->count; i++) {
            buf_append_text(out, i > 0 ? "," : "");
            dump(node->items[i], out);
        }
        buf_append_text(out, "]");
        break;
    case YAML_TREE_MAP:
        buf_append_text(out, "{");
        for (size_t i = 0; i < node->count; i++) {
            buf_append_text(out, i > 0 ? "," : "");
            dump(node->items[2 * i], out);
            buf_append_text(out, ":");
            dump(node->items[2 * i + 1], out);
        }
        buf_append_text(out, "}");
        break;
    }
    buf_append_format(out, "@%u:%u", node->line, node->column);
}

/* The dump of the tree, or the diagnostics. */
static void check(struct str text, const char *expected)
{
    struct diag diag;
    struct buf out;
    struct yaml_tree *tree = NULL;
    diag_init(&diag);
    buf_init(&out, 1 << 20);
    diag_set_file(&diag, "t.yaml");
    enum err err = yaml_tree_parse(text, &diag, &tree);
    if (err == ERR_OK)
        dump(tree->root, &out);
    else
        diag_format(&diag, &out);
    assert_string_equal(buf_text(&out), expected);
    assert_int_equal(err != ERR_OK, diag_has_errors(&diag));
    assert_int_equal(err != ERR_OK, tree == NULL);
    yaml_tree_free(tree);
    buf_fini(&out);
    diag_fini(&diag);
}

static void test_parse_keeps_text_and_place(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "a", "a@1:1" },
        { "a: 1", "{a@1:1:1@1:4}@1:1" },
        { "# comment\nb: {x: 'y', z: \"w\"}\n", "{b@2:1:{x@2:5:'y'@2:8,z@2:13:'w'@2:16}@2:4}@2:1" },
        { "- a\n- [b, c]\n", "[a@1:3,[b@2:4,c@2:7]@2:3]@1:1" },
        { "NO: no\n", "{NO@1:1:no@1:5}@1:1" }, /* text stays text */
        { "a:\n", "{a@1:1:@1:3}@1:1" },
        { "a: &x [1]\nb: *x\n", "{a@1:1:[1@1:8]@1:4,b@2:1:[1@1:8]@1:4}@1:1" },
        { "[]", "[]@1:1" },
        { "{}", "{}@1:1" },
        { "\xEF\xBB\xBFk: \xC3\xA9\n", "{k@1:1:\xC3\xA9@1:4}@1:1" },
        { "---\na: 1\n...\n", "{a@2:1:1@2:4}@2:1" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(str_from(rows[i].text), rows[i].expected);
}

static void test_parse_reports_where(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "", "t.yaml:1:1: error: the file is empty\n" },
        { "# nothing\n", "t.yaml:1:1: error: the file is empty\n" },
        { "a: [1,\nb: 2\n",
          "t.yaml:3:1: error: YAML syntax: did not find expected ',' or ']' while "
          "parsing a flow sequence that begins on line 1\n" },
        { "a: b: c\n", "t.yaml:1:5: error: YAML syntax: mapping values are not allowed in this "
                       "context; a value with a colon and a space in it needs quotes\n" },
        { "a:\n\t- b\n",
          "t.yaml:2:1: error: YAML syntax: a tab; lines are indented with spaces\n" },
        { "a: @b\n", "t.yaml:1:4: error: YAML syntax: a text that begins with '@', '%' or '`' "
                     "needs quotes\n" },
        { "a:\n  b: 1\n c: 2\n",
          "t.yaml:3:2: error: YAML syntax: did not find expected key while parsing a block mapping "
          "that begins on line 1; is the line indented as those that belong with it?\n" },
        { "a:\n  b\n    c: 2\n",
          "t.yaml:3:6: error: YAML syntax: mapping values are not allowed in this context; does "
          "the "
          "key above lack its colon, or is the line indented unlike those that belong with it?\n" },
        { "a:\n  b:1\n  c: 2\n",
          "t.yaml:3:4: error: YAML syntax: mapping values are not allowed in this context; does "
          "the "
          "key above lack its colon, or is the line indented unlike those that belong with it?\n" },
        { "a:\n  b: 1\n  c:2\nd: 1\n",
          "t.yaml:4:1: error: YAML syntax: could not find expected ':' while scanning a simple key "
          "that begins on line 3; between a key and its value stands a colon and a space\n" },
        { "a:\n  - b: 1\n  c: 2\n",
          "t.yaml:3:3: error: YAML syntax: did not find expected '-' indicator while parsing a "
          "block "
          "collection that begins on line 2; lists with '-' and mappings do not mix, and all their "
          "lines are indented alike\n" },
        { "a: [[2001:db8::1]:53]\n",
          "t.yaml:1:5: error: a key must be a plain word or a quoted text; IPv6 addresses need "
          "quotes\n" },
        { "a: \"x\n", "t.yaml:2:1: error: YAML syntax: found unexpected end of stream while "
                      "scanning a quoted scalar that begins on line 1\n" },
        { "a: \xFF\n", "t.yaml:1:4: error: YAML syntax: invalid leading UTF-8 octet\n" },
        { "b: 1\n# \xC3\xBC\na: \xC3\xBC\x01\n",
          "t.yaml:3:5: error: YAML syntax: control characters are not allowed\n" },
        { "a: 1\nb: [::1]\n", "t.yaml:2:5: error: YAML syntax: did not find expected node content "
                              "while parsing a flow node; IPv6 addresses need quotes\n" },
        { "a: *nope\n", "t.yaml:1:4: error: unknown alias '*nope'\n" },
        { "a: &x [*x]\n", "t.yaml:1:8: error: this alias contains itself\n" },
        { "a: !!str 5\n", "t.yaml:1:4: error: tags ('!...') are not supported\n" },
        { "a: !x {b: c}\n", "t.yaml:1:4: error: tags ('!...') are not supported\n" },
        { "? [a]\n: b\n", "t.yaml:1:3: error: a key must be a plain word or a quoted text\n" },
        { "a: 1\n---\nb: 2\n", "t.yaml:2:1: error: a second document starts here\n" },
        { "a: \"x\\0y\"\n", "t.yaml:1:4: error: a text must not contain a NUL character\n" },
        /* duplicates do not end the run; each is reported */
        { "a: 1\nb: 2\na: 3\nc: {d: 1, 'd': 2}\n",
          "t.yaml:4:11: error: duplicate key 'd'; it stands on line 4 already\n"
          "t.yaml:3:1: error: duplicate key 'a'; it stands on line 1 already\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(str_from(rows[i].text), rows[i].expected);
}

static void test_parse_bounds_depth(void **state)
{
    char text[2 * YAML_TREE_DEPTH_MAX + 3];
    char expected[128];
    (void)state;
    for (unsigned depth = YAML_TREE_DEPTH_MAX; depth <= YAML_TREE_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct diag diag;
        struct yaml_tree *tree = NULL;
        diag_init(&diag);
        enum err err = yaml_tree_parse((struct str){ text, 2 * (size_t)depth }, &diag, &tree);
        assert_int_equal(err, depth > YAML_TREE_DEPTH_MAX ? ERR_INVALID : ERR_OK);
        yaml_tree_free(tree);
        diag_fini(&diag);
    }
    snprintf(expected, sizeof(expected),
             "t.yaml:1:%d: error: lists and mappings are nested too deeply\n",
             YAML_TREE_DEPTH_MAX + 1);
    check((struct str){ text, sizeof(text) - 1 }, expected);
}

/* Nine levels of ten aliases each would be a billion values. */
static void test_parse_refuses_exponential_aliases(void **state)
{
    struct buf text, out;
    struct diag diag;
    struct yaml_tree *tree = NULL;
    (void)state;
    buf_init(&text, 1 << 16);
    buf_init(&out, 1 << 16);
    diag_init(&diag);
    buf_append_text(&text, "a0: &a0 [x, x]\n");
    for (unsigned i = 1; i < 10; i++) {
        buf_append_format(&text, "a%u: &a%u [", i, i);
        for (unsigned j = 0; j < 10; j++)
            buf_append_format(&text, "%s*a%u", j > 0 ? ", " : "", i - 1);
        buf_append_text(&text, "]\n");
    }
    assert_int_equal(yaml_tree_parse(buf_str(&text), &diag, &tree), ERR_INVALID);
    assert_null(tree);
    assert_string_equal(diag_first(&diag), "the file has too many values");
    diag_fini(&diag);
    buf_fini(&out);
    buf_fini(&text);
}

/* Aliases of a closed node, many times: the weight counts, not the number of nodes. */
static void test_parse_weighs_aliases(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, YAML_TREE_MAX_BYTES);
    buf_append_text(&text, "a: &a [");
    for (size_t i = 0; i < YAML_TREE_NODE_MAX / 10; i++)
        buf_append_text(&text, "1,");
    buf_append_text(&text, "1]\nb: [");
    size_t len = text.len;
    for (size_t times = 8; times <= 10; times += 2) {
        struct diag diag;
        struct yaml_tree *tree = NULL;
        diag_init(&diag);
        text.len = len;
        for (size_t i = 0; i < times; i++)
            buf_append_text(&text, i > 0 ? ",*a" : "*a");
        buf_append_text(&text, "]\n");
        enum err err = yaml_tree_parse(buf_str(&text), &diag, &tree);
        assert_int_equal(err, times == 8 ? ERR_OK : ERR_INVALID);
        yaml_tree_free(tree);
        diag_fini(&diag);
    }
    buf_fini(&text);
}

static void test_parse_refuses_large_files(void **state)
{
    struct diag diag;
    struct yaml_tree *tree = NULL;
    char *text = mem_calloc(YAML_TREE_MAX_BYTES + 1, 1);
    (void)state;
    memset(text, ' ', YAML_TREE_MAX_BYTES + 1);
    diag_init(&diag);
    struct str whole = { text, YAML_TREE_MAX_BYTES + 1 };
    assert_int_equal(yaml_tree_parse(whole, &diag, &tree), ERR_TOO_LARGE);
    assert_string_equal(diag_first(&diag), "the file is larger than 16 MiB");
    free(text);
    diag_fini(&diag);
}

static void test_find_and_found(void **state)
{
    struct diag diag;
    struct yaml_tree *tree = NULL;
    char found[YAML_TREE_FOUND_MAX];
    static const struct {
        const char *key, *found;
        bool is_null;
    } rows[] = {
        { "text", "'word'", false },
        { "none", "nothing", true },
        { "tilde", "nothing", true },
        { "null", "nothing", true },
        { "quoted", "'~'", false },
        { "empty", "''", false },
        { "list", "a list", false },
        { "map", "a mapping", false },
        { "long", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'", false },
    };
    (void)state;
    diag_init(&diag);
    struct str text =
        STR("text: word\nnone:\ntilde: ~\nnull: null\nquoted: '~'\nempty: ''\n"
            "list: []\nmap: {}\n"
            "long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
    assert_int_equal(yaml_tree_parse(text, &diag, &tree), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct yaml_tree_node *node = yaml_tree_find(tree->root, rows[i].key);
        assert_non_null(node);
        assert_string_equal(yaml_tree_found(node, found), rows[i].found);
        assert_int_equal(yaml_tree_is_null(node), rows[i].is_null);
    }
    assert_null(yaml_tree_find(tree->root, "other"));
    assert_null(yaml_tree_find(yaml_tree_find(tree->root, "text"), "x"));
    yaml_tree_free(tree);
    yaml_tree_free(NULL);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_keeps_text_and_place),
        cmocka_unit_test(test_parse_reports_where),
        cmocka_unit_test(test_parse_bounds_depth),
        cmocka_unit_test(test_parse_refuses_exponential_aliases),
        cmocka_unit_test(test_parse_weighs_aliases),
        cmocka_unit_test(test_parse_refuses_large_files),
        cmocka_unit_test(test_find_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
