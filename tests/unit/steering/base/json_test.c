/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/json.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/mem.h"

struct fixture {
    struct diag diag;
    struct buf out;
};

static int setup(void **state)
{
    static struct fixture fixture;
    diag_init(&fixture.diag);
    buf_init(&fixture.out, 4096);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    diag_fini(&fixture->diag);
    buf_fini(&fixture->out);
    return 0;
}

static json_t *parsed(struct fixture *fixture, const char *text)
{
    json_t *value = NULL;
    assert_int_equal(json_parse(str_from(text), &fixture->diag, &value), ERR_OK);
    return value;
}

static void test_json_parse_rejects(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct str text;
        uint32_t line;
    } rows[] = {
        { { "", 0 }, 0 },
        { { NULL, 0 }, 0 },
        { { " ", 1 }, 1 },
        { { "{\n\"a\":1,\n}", 10 }, 3 },
        { { "{\"a\":1,\"a\":2}", 13 }, 1 },
        { { "{} {}", 5 }, 1 },
        { { "{\"a\":", 5 }, 1 },
        { { "{\"a\":\"\\u0000\"}", 14 }, 1 },
        { { "{\"a\":\"\xff\"}", 9 }, 1 },
        { { "{\"a\":1e999}", 11 }, 1 },
        { { "{\"a\":99999999999999999999}", 26 }, 1 },
        { { "{}\0", 3 }, 1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_t *value = (json_t *)fixture;
        diag_fini(&fixture->diag);
        assert_int_equal(json_parse(rows[i].text, &fixture->diag, &value), ERR_SYNTAX);
        assert_ptr_equal(value, fixture);
        assert_int_equal(fixture->diag.error_count, 1);
        assert_int_equal(fixture->diag.entries[0].line, rows[i].line);
    }
}

static void test_json_parse_survives_deep_nesting(void **state)
{
    struct fixture *fixture = *state;
    enum { DEPTH = 100000 };
    char *text = mem_calloc(DEPTH, 1);
    json_t *value = NULL;
    memset(text, '[', DEPTH);
    assert_int_equal(json_parse((struct str){ text, DEPTH }, &fixture->diag, &value), ERR_SYNTAX);
    free(text);
}

static void test_json_format_is_canonical(void **state)
{
    struct fixture *fixture = *state;
    json_t *value = parsed(
        fixture, " { \"b\" : [ 1 , true, null ],\n \"a\" : { \"d\":2, \"c\":\"\xc3\xa9\" } } ");
    json_format(value, &fixture->out);
    assert_string_equal(buf_text(&fixture->out),
                        "{\"a\":{\"c\":\"\xc3\xa9\",\"d\":2},\"b\":[1,true,null]}");
    json_t *again = parsed(fixture, buf_text(&fixture->out));
    assert_true(json_equal(value, again));
    buf_clear(&fixture->out);
    json_format_pretty(again, &fixture->out);
    assert_string_equal(buf_text(&fixture->out), "{\n"
                                                 "  \"a\": {\n"
                                                 "    \"c\": \"\xc3\xa9\",\n"
                                                 "    \"d\": 2\n"
                                                 "  },\n"
                                                 "  \"b\": [\n"
                                                 "    1,\n"
                                                 "    true,\n"
                                                 "    null\n"
                                                 "  ]\n"
                                                 "}\n");
    json_decref(value);
    json_decref(again);
}

static void test_json_format_stops_at_the_ceiling(void **state)
{
    struct fixture *fixture = *state;
    json_t *value = parsed(fixture, "{\"long\":\"0123456789\"}");
    struct buf small;
    buf_init(&small, 8);
    json_format(value, &small);
    assert_true(small.is_overflown);
    buf_fini(&small);
    json_decref(value);
}

static void test_json_get_defaults(void **state)
{
    struct fixture *fixture = *state;
    json_t *value = parsed(fixture, "{\"s\":\"x\",\"i\":-7,\"r\":1.5,\"t\":true,\"n\":null}");
    assert_true(str_eq_text(json_get_str(value, "s"), "x"));
    assert_int_equal(json_get_str(value, "i").len, 0);
    assert_int_equal(json_get_str(value, "absent").len, 0);
    assert_int_equal(json_get_str(NULL, "s").len, 0);
    assert_int_equal(json_get_int(value, "i", 9), -7);
    assert_int_equal(json_get_int(value, "r", 9), 9);
    assert_int_equal(json_get_int(value, "s", 9), 9);
    assert_int_equal(json_get_int(value, "absent", 9), 9);
    assert_true(json_get_bool(value, "t", false));
    assert_true(json_get_bool(value, "n", true));
    assert_false(json_get_bool(value, "i", false));
    json_decref(value);
}

/* Whatever was set can be parsed again. */
static void test_json_set_str_takes_any_bytes(void **state)
{
    static const struct {
        struct str text;
        const char *stored;
    } rows[] = {
        { { "plain", 5 }, "plain" },
        { { NULL, 0 }, "" },
        { { "\xc3\xa9", 2 }, "\xc3\xa9" },
        { { "a\xff"
            "b",
            3 },
          "a?b" },
        { { "a\0b", 3 }, "a?b" },
        { { "\xc3\xa9\xc3", 3 }, "???" },
        { { "\"\\\n\x01", 4 }, "\"\\\n\x01" },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_t *object = json_object();
        json_set_str(object, "key", rows[i].text);
        json_set_int(object, "number", INT64_MIN);
        buf_clear(&fixture->out);
        json_format(object, &fixture->out);
        json_t *again = parsed(fixture, buf_text(&fixture->out));
        assert_true(str_eq_text(json_get_str(again, "key"), rows[i].stored));
        assert_true(json_get_int(again, "number", 0) == INT64_MIN);
        json_decref(object);
        json_decref(again);
    }
}

/* jansson by itself would return NULL, and a setter would leave the key out. */
static void test_json_out_of_memory_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        volatile size_t huge = SIZE_MAX / 2;
        json_decref(json_stringn_nocheck("a", huge));
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_json_parse_rejects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_parse_survives_deep_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_format_is_canonical, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_format_stops_at_the_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_get_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_set_str_takes_any_bytes, setup, teardown),
        cmocka_unit_test(test_json_out_of_memory_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
