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
#include "steering/model/document.h"

static enum err parse(const char *text, struct diag *diag, struct document **out_document)
{
    diag_init(diag);
    return document_parse(str_from(text), diag, out_document);
}

/* What a good document needs at least, so that a row shows only what it is about. */
#define WITH(fields) "{\"v\":1,\"epoch\":\"01J\",\"gen\":7" fields "}"

static void test_parse_refuses(void **state)
{
    static const struct row {
        const char *text;
        enum err err;
        const char *reason; /* part of the message */
    } rows[] = {
        { "", ERR_SYNTAX, "empty" },
        { " \n", ERR_SYNTAX, "not JSON" },
        { "{", ERR_SYNTAX, "not JSON" },
        { WITH("") "x", ERR_SYNTAX, "not JSON" },
        { "{\"v\":1,\"v\":1}", ERR_SYNTAX, "duplicate" },
        { WITH(",\"gen\":8"), ERR_SYNTAX, "duplicate" },
        { "[]", ERR_INVALID, "expected a JSON object" },
        { "null", ERR_SYNTAX, "not JSON" },
        { "{}", ERR_INVALID, "v: missing, expected 1" },
        { "{\"v\":2,\"epoch\":\"01J\",\"gen\":7}", ERR_INVALID, "version 2 is not known" },
        { "{\"v\":\"1\",\"epoch\":\"01J\",\"gen\":7}", ERR_INVALID, "v: expected the number" },
        { "{\"v\":1,\"gen\":7}", ERR_INVALID, "epoch: missing" },
        { "{\"v\":1,\"epoch\":\"\",\"gen\":7}", ERR_INVALID, "epoch: expected a string" },
        { "{\"v\":1,\"epoch\":5,\"gen\":7}", ERR_INVALID, "epoch: expected a string" },
        { "{\"v\":1,\"epoch\":\"01J\"}", ERR_INVALID, "gen: missing" },
        { "{\"v\":1,\"epoch\":\"01J\",\"gen\":-1}", ERR_INVALID, "gen: expected a whole" },
        { "{\"v\":1,\"epoch\":\"01J\",\"gen\":1.5}", ERR_INVALID, "gen: expected a whole" },
        { "{\"v\":1,\"epoch\":\"01J\",\"gen\":\"7\"}", ERR_INVALID, "gen: expected a whole" },
        { "{\"v\":1,\"epoch\":\"01J\",\"gen\":9007199254740993}", ERR_INVALID, "2^53" },
        { "{\"v\":1,\"epoch\":\"01J\",\"gen\":99999999999999999999}", ERR_SYNTAX, "not JSON" },
        { WITH(",\"op\":[]"), ERR_INVALID, "op: expected an object" },
        { WITH(",\"op\":{\"who\":1}"), ERR_INVALID, "op.who: expected a string" },
        { WITH(",\"op\":{\"at\":-1}"), ERR_INVALID, "op.at: expected Unix seconds" },
        { WITH(",\"op\":{\"at\":\"now\"}"), ERR_INVALID, "op.at: expected Unix seconds" },
        { WITH(",\"adopt\":\"01H\""), ERR_INVALID, "adopt: expected an object" },
        { WITH(",\"topology\":1"), ERR_INVALID, "topology: expected a string" },
        { WITH(",\"regions\":[]"), ERR_INVALID, "regions: expected an object" },
        { WITH(",\"regions\":null"), ERR_INVALID, "regions: expected an object" },
        { WITH(",\"pops\":{\"a\":\"draining\"}"), ERR_INVALID, "pops.a: expected an object" },
        { WITH(",\"pops\":{\"\":{}}"), ERR_INVALID, "pops: a site's name" },
        { WITH(",\"pops\":{\"a\":{\"mode\":1}}"), ERR_INVALID, "pops.a.mode: expected a string" },
        { WITH(",\"regions\":{\"a\":{\"mode\":\"evacuatd\"}}"), ERR_INVALID,
          "regions.a.mode: 'evacuatd' is not a mode; did you mean 'evacuated'?" },
        { WITH(",\"regions\":{\"a\":{\"mode\":\"\"}}"), ERR_INVALID, "is not a mode" },
        { WITH(",\"regions\":{\"a\":{\"stray\":\"drop\"}}"), ERR_INVALID, "regions.a.stray" },
        { WITH(",\"regions\":{\"a\":{\"since\":\"x\"}}"), ERR_INVALID, "regions.a.since" },
        { WITH(",\"regions\":{\"a\":{\"who\":[]}}"), ERR_INVALID, "regions.a.who" },
        { WITH(",\"regions\":{\"a\":{}},\"pops\":{\"a\":{}}"), ERR_INVALID,
          "pops.a: is listed under regions as well" },
        { WITH(",\"pops\":{\"a\":{\"ramp\":{\"t0\":1}}}"), ERR_INVALID, "ramp" },
        { WITH(",\"pops\":{\"a\":{\"ramp\":null}}"), ERR_INVALID, "ramp" },
        { WITH(",\"shifts\":[{\"id\":\"s\"}]"), ERR_INVALID, "shifts: this version" },
        { WITH(",\"shifts\":{}"), ERR_INVALID, "shifts: expected an array" },
        { WITH(",\"pins\":[1]"), ERR_INVALID, "pins: this version" },
        { WITH(",\"assign\":{\"p\":{}}"), ERR_INVALID, "assign: this version" },
        { WITH(",\"assign\":[]"), ERR_INVALID, "assign: expected an object" },
        { WITH(",\"must_understand\":[\"shifts2\"]"), ERR_INVALID, "'shifts2'" },
        { WITH(",\"must_understand\":[1]"), ERR_INVALID, "must_understand" },
        { WITH(",\"must_understand\":\"x\""), ERR_INVALID, "must_understand: expected an array" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        struct document *untouched = NULL;
        enum err err = parse(rows[i].text, &diag, &untouched);
        if (err != rows[i].err || strstr(diag_first(&diag), rows[i].reason) == NULL)
            fail_msg("%s: %s, '%s'", rows[i].text, err_name(err), diag_first(&diag));
        assert_null(untouched);
        diag_fini(&diag);
    }
}

static void test_parse_reports_all_errors(void **state)
{
    (void)state;
    struct diag diag;
    struct document *document = NULL;
    assert_int_equal(parse("{\"v\":1,\"gen\":-1,\"regions\":[],\"pins\":[1]}", &diag, &document),
                     ERR_INVALID);
    assert_int_equal(diag.error_count, 4);
    diag_fini(&diag);
    assert_int_equal(parse(WITH(",\"must_understand\":[\"a\",\"b\"]"), &diag, &document),
                     ERR_INVALID);
    assert_int_equal(diag.error_count, 2);
    diag_fini(&diag);
}

static void test_parse_refuses_too_large(void **state)
{
    (void)state;
    struct diag diag;
    struct document *document = NULL;
    char *text = mem_calloc(DOCUMENT_MAX_BYTES + 1, 1);
    memset(text, ' ', DOCUMENT_MAX_BYTES + 1);
    diag_init(&diag);
    assert_int_equal(document_parse((struct str){ text, DOCUMENT_MAX_BYTES + 1 }, &diag, &document),
                     ERR_TOO_LARGE);
    diag_fini(&diag);
    free(text);
}

static const char full[] =
    "{\"v\":1,\"epoch\":\"01J\",\"gen\":418,\"topology\":\"sha256:ab\",\"colour\":[1,{\"x\":null}],"
    "\"op\":{\"id\":\"01K\",\"who\":\"ana\",\"why\":\"INC-4411\",\"at\":1795224000,\"tool\":\"t\"},"
    "\"regions\":{\"us-east\":{\"mode\":\"evacuated\",\"stray\":\"serve\",\"who\":\"ana\","
    "\"why\":\"w\",\"since\":1795224000,\"note\":\"kept\"},\"eu\":{}},"
    "\"pops\":{\"iad2\":{\"mode\":\"draining\"},\"gru1\":{\"mode\":\"offline\"}},"
    "\"shifts\":[],\"pins\":[],\"assign\":{},\"must_understand\":[]}";

static void test_parse_reads_every_field(void **state)
{
    (void)state;
    struct diag diag;
    struct document *document = NULL;
    assert_int_equal(parse(full, &diag, &document), ERR_OK);
    assert_int_equal(document->generation, 418);
    assert_true(str_eq_text(document->epoch, "01J"));
    assert_true(str_eq_text(document->op_id, "01K"));
    assert_true(str_eq_text(document->op_who, "ana"));
    assert_true(str_eq_text(document->op_why, "INC-4411"));
    assert_int_equal(document->op_at_unix_s, 1795224000);
    assert_true(str_eq_text(document->topology, "sha256:ab"));
    const struct document_site *site = document_find_site(document, SITE_REGION, STR("us-east"));
    assert_non_null(site);
    assert_int_equal(site->mode, MODE_EVACUATED);
    assert_true(str_eq_text(site->stray, "serve"));
    assert_true(str_eq_text(site->who, "ana"));
    assert_true(str_eq_text(site->why, "w"));
    assert_int_equal(site->since_unix_s, 1795224000);
    assert_int_equal(document_mode(document, SITE_REGION, STR("eu")), MODE_ACTIVE);
    assert_int_equal(document_mode(document, SITE_REGION, STR("iad2")), MODE_ACTIVE);
    assert_int_equal(document_mode(document, SITE_POP, STR("iad2")), MODE_DRAINING);
    assert_int_equal(document_mode(document, SITE_POP, STR("gru1")), MODE_OFFLINE);
    assert_null(document_find_site(document, SITE_POP, STR("us-east")));
    document_free(document);
    diag_fini(&diag);
}

static void test_format_keeps_unknown_fields(void **state)
{
    (void)state;
    struct diag diag;
    struct document *document = NULL, *again = NULL;
    struct buf first, second;
    buf_init(&first, 4096);
    buf_init(&second, 4096);
    assert_int_equal(parse(full, &diag, &document), ERR_OK);
    document_format(document, &first);
    assert_non_null(strstr(buf_text(&first), "\"colour\":[1,{\"x\":null}]"));
    assert_non_null(strstr(buf_text(&first), "\"note\":\"kept\""));
    assert_non_null(strstr(buf_text(&first), "\"tool\":\"t\""));
    assert_int_equal(document_parse(buf_str(&first), &diag, &again), ERR_OK);
    document_format(again, &second);
    assert_string_equal(buf_text(&first), buf_text(&second));
    struct digest a = document_digest(document), b = document_digest(again);
    assert_true(digest_eq(&a, &b));
    document_free(document);
    document_free(again);
    buf_fini(&first);
    buf_fini(&second);
    diag_fini(&diag);
}

/* 0.1 is 0.10000000000000001 in canonical form: what could be read could not be written any more.
 */
static void test_parse_refuses_too_large_in_canonical_form(void **state)
{
    (void)state;
    static const struct row {
        size_t count;
        enum err err;
    } rows[] = { { 50000, ERR_OK }, { 60000, ERR_TOO_LARGE }, { 200000, ERR_TOO_LARGE } };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct document *document = NULL;
        struct diag diag;
        struct buf text;
        buf_init(&text, DOCUMENT_MAX_BYTES);
        diag_init(&diag);
        buf_append_text(&text, "{\"v\":1,\"epoch\":\"E\",\"gen\":1,\"x\":[0.1");
        for (size_t number = 1; number < rows[i].count; number++)
            buf_append_text(&text, ",0.1");
        buf_append_text(&text, "]}");
        assert_false(text.is_overflown);
        assert_int_equal(document_parse(buf_str(&text), &diag, &document), rows[i].err);
        assert_int_equal(diag.error_count, rows[i].err != ERR_OK);
        assert_true((document != NULL) == (rows[i].err == ERR_OK));
        document_free(document);
        buf_fini(&text);
        diag_fini(&diag);
    }
}

static void test_new_is_empty_and_parses(void **state)
{
    (void)state;
    struct diag diag;
    struct buf text;
    struct document *document = document_new("01J"), *again = NULL;
    buf_init(&text, 4096);
    diag_init(&diag);
    document_format(document, &text);
    assert_string_equal(buf_text(&text),
                        "{\"epoch\":\"01J\",\"gen\":0,\"pops\":{},\"regions\":{},\"v\":1}");
    assert_int_equal(document_parse(buf_str(&text), &diag, &again), ERR_OK);
    assert_int_equal(again->generation, 0);
    assert_true(str_eq(document->epoch, again->epoch));
    document_free(document);
    document_free(again);
    document_free(NULL);
    buf_fini(&text);
    diag_fini(&diag);
}

static void test_mode_words(void **state)
{
    static const struct row {
        const char *word;
        enum mode mode;
        bool is_usable;
    } rows[] = {
        { "active", MODE_ACTIVE, true },        { "draining", MODE_DRAINING, false },
        { "evacuated", MODE_EVACUATED, false }, { "restoring", MODE_RESTORING, true },
        { "offline", MODE_OFFLINE, false },
    };
    (void)state;
    enum mode mode = MODE_ACTIVE;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_true(mode_parse(str_from(rows[i].word), &mode));
        assert_int_equal(mode, rows[i].mode);
        assert_string_equal(mode_name(mode), rows[i].word);
        assert_int_equal(mode_is_usable(mode), rows[i].is_usable);
    }
    assert_false(mode_parse(STR("Active"), &mode));
    assert_false(mode_parse(STR(""), &mode));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_reports_all_errors),
        cmocka_unit_test(test_parse_refuses_too_large),
        cmocka_unit_test(test_parse_refuses_too_large_in_canonical_form),
        cmocka_unit_test(test_parse_reads_every_field),
        cmocka_unit_test(test_format_keeps_unknown_fields),
        cmocka_unit_test(test_new_is_empty_and_parses),
        cmocka_unit_test(test_mode_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
