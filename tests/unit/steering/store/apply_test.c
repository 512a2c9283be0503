/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "steering/store/apply.h"
#include "tests/unit/steering/store/fixture.h"

static struct document *parse(const char *text)
{
    struct document *document = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(document_parse(str_from(text), &diag, &document), ERR_OK);
    diag_fini(&diag);
    return document;
}

#define CURRENT "{\"v\":1,\"epoch\":\"E1\",\"gen\":7}"

static const struct row {
    const char *text;
    uint64_t generation;
    enum err read_err;
    enum apply_outcome outcome;
    enum apply_reason reason;
    bool has_current;
} rows[] = {
    { CURRENT, 7, ERR_OK, APPLY_UNCHANGED, APPLY_FINE, true },
    { " { \"gen\":7, \"v\":1, \"epoch\":\"E1\" }\n", 7, ERR_OK, APPLY_UNCHANGED, APPLY_FINE, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":8}", 8, ERR_OK, APPLY_NEW, APPLY_FINE, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":90}", 90, ERR_OK, APPLY_NEW, APPLY_FINE, true },
    { "{\"v\":1,\"epoch\":\"E9\",\"gen\":1}", 1, ERR_OK, APPLY_NEW, APPLY_FINE, false },
    { "{\"v\":1,\"epoch\":\"E9\",\"gen\":1,\"adopt\":{\"from\":\"E1\"}}", 1, ERR_OK, APPLY_NEW,
      APPLY_FINE, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":6}", 6, ERR_OK, APPLY_KEEP, APPLY_OLDER, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":7,\"x\":1}", 7, ERR_OK, APPLY_KEEP, APPLY_DIVERGED, true },
    { "{\"v\":1,\"epoch\":\"E9\",\"gen\":8}", 8, ERR_OK, APPLY_KEEP, APPLY_OTHER_EPOCH, true },
    { "", 0, ERR_NOT_FOUND, APPLY_KEEP, APPLY_MISSING, true },
    { "", 0, ERR_NOT_FOUND, APPLY_KEEP, APPLY_MISSING, false },
    { "", 0, ERR_DENIED, APPLY_KEEP, APPLY_UNREADABLE, true },
    { "", 0, ERR_IO, APPLY_KEEP, APPLY_UNREADABLE, true },
    { "", 0, ERR_OK, APPLY_KEEP, APPLY_EMPTY, true },
    { " \n\t", 0, ERR_OK, APPLY_KEEP, APPLY_EMPTY, true },
    { "{", 0, ERR_OK, APPLY_KEEP, APPLY_GARBAGE, true },
    { "{}", 0, ERR_OK, APPLY_KEEP, APPLY_GARBAGE, true },
    { "null", 0, ERR_OK, APPLY_KEEP, APPLY_GARBAGE, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":8}{", 0, ERR_OK, APPLY_KEEP, APPLY_GARBAGE, true },
    { "{\"v\":2,\"epoch\":\"E1\",\"gen\":8}", 8, ERR_OK, APPLY_REJECTED, APPLY_UNSUPPORTED, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":8,\"must_understand\":[\"x\"]}", 8, ERR_OK, APPLY_REJECTED,
      APPLY_UNSUPPORTED, true },
    { "{\"v\":1,\"epoch\":\"E1\",\"gen\":8,\"regions\":{\"a\":{\"mode\":\"gone\"}}}", 8, ERR_OK,
      APPLY_REJECTED, APPLY_UNSUPPORTED, false },
};

static void test_judge_every_kind_of_text(void **state)
{
    (void)state;
    struct document *current = parse(CURRENT);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct apply_result result;
        print_message("row %zu: %s\n", i, rows[i].text);
        apply_judge(rows[i].read_err, str_from(rows[i].text), rows[i].has_current ? current : NULL,
                    &result);
        assert_int_equal(result.outcome, rows[i].outcome);
        assert_int_equal(result.reason, rows[i].reason);
        assert_int_equal(result.generation, rows[i].generation);
        assert_int_equal(result.document != NULL, rows[i].outcome == APPLY_NEW);
        bool has_text = result.text[0] != '\0';
        assert_int_equal(has_text, rows[i].reason != APPLY_FINE);
        document_free(result.document);
    }
    document_free(current);
}

static void test_reason_name_every_reason_has_one(void **state)
{
    (void)state;
    for (int reason = APPLY_FINE; reason <= APPLY_UNSUPPORTED; reason++)
        for (int other = APPLY_FINE; other < reason; other++)
            assert_string_not_equal(apply_reason_name((enum apply_reason)reason),
                                    apply_reason_name((enum apply_reason)other));
}

/* The life of a server on a store that everything happens to. */
static void test_look_follows_the_store_and_survives_it(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct apply_result result;
    apply_look(fixture.store, NULL, &result);
    assert_int_equal(result.reason, APPLY_MISSING);
    fixture_must_step(&fixture, "op-1");
    apply_look(fixture.store, NULL, &result);
    assert_int_equal(result.outcome, APPLY_NEW);
    struct document *current = result.document;
    apply_look(fixture.store, current, &result);
    assert_int_equal(result.outcome, APPLY_UNCHANGED);
    fixture_put(&fixture, "document.json", "");
    apply_look(fixture.store, current, &result);
    assert_int_equal(result.reason, APPLY_EMPTY);
    char *large = mem_calloc(DOCUMENT_MAX_BYTES + 10000, 1);
    memset(large, ' ', DOCUMENT_MAX_BYTES + 9999);
    fixture_put(&fixture, "document.json", large);
    free(large);
    apply_look(fixture.store, current, &result);
    assert_int_equal(result.outcome, APPLY_KEEP);
    assert_int_equal(result.reason, APPLY_UNREADABLE);
    assert_non_null(strstr(result.text, "larger than a document may be"));
    fixture_remove(fixture.folder);
    apply_look(fixture.store, current, &result);
    assert_int_equal(result.reason, APPLY_MISSING);
    assert_non_null(strstr(result.text, fixture.folder));
    document_free(current);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge_every_kind_of_text),
        cmocka_unit_test(test_reason_name_every_reason_has_one),
        cmocka_unit_test(test_look_follows_the_store_and_survives_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
