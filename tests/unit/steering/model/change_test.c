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
#include "steering/model/change.h"

static const struct str region_names[] = { { "us-east", 7 }, { "us-west", 7 }, { "eu-west", 7 } };
static const struct str pop_names[] = { { "iad2", 4 }, { "gru1", 4 } };
static const struct change_world the_world = {
    .names = { region_names, pop_names },
    .count = { ARRAY_SIZE(region_names), ARRAY_SIZE(pop_names) },
};

static struct document *parse(const char *text)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    enum err err = document_parse(str_from(text), &diag, &document);
    if (err != ERR_OK)
        fail_msg("%s: %s", text, diag_first(&diag));
    diag_fini(&diag);
    return document;
}

static struct change change_of(enum change_verb verb, const char *site)
{
    return (struct change){
        .verb = verb,
        .site = str_from(site),
        .who = STR("ana"),
        .why = STR("INC-1"),
        .op_id = STR("01OP"),
        .at_unix_s = 1795224000,
    };
}

/* The canonical text after `change`, "already", or the error's name and the message. */
static void apply(const char *before, const struct change *change, struct buf *out)
{
    struct diag diag;
    struct document *document = parse(before), *next = NULL;
    enum change_outcome outcome = CHANGE_MADE;
    diag_init(&diag);
    struct digest digest_before = document_digest(document);
    enum err err = change_apply(document, change, &the_world, &diag, &outcome, &next);
    struct digest digest_after = document_digest(document);
    assert_true(digest_eq(&digest_before, &digest_after)); /* the old one is not touched */
    buf_clear(out);
    if (err != ERR_OK)
        buf_append_format(out, "%s: %s", err_name(err), diag_first(&diag));
    else if (outcome == CHANGE_ALREADY)
        buf_append_text(out, "already");
    else
        document_format(next, out);
    if (err != ERR_OK || outcome == CHANGE_ALREADY)
        assert_null(next);
    document_free(document);
    document_free(next);
    diag_fini(&diag);
}

#define DOC(regions, pops)                                                                         \
    "{\"epoch\":\"E\",\"gen\":4,\"pops\":{" pops "},\"regions\":{" regions "},\"v\":1}"
#define NEXT(regions, pops)                                                                        \
    "{\"epoch\":\"E\",\"gen\":5,\"op\":{\"at\":1795224000,\"id\":\"01OP\",\"who\":\"ana\","        \
    "\"why\":\"INC-1\"},\"pops\":{" pops "},\"regions\":{" regions "},\"v\":1}"
#define OUT(site, mode)                                                                            \
    "\"" site "\":{\"mode\":\"" mode "\",\"since\":1795224000,\"who\":\"ana\",\"why\":\"INC-1\"}"
#define EVACUATED(site)                                                                            \
    "\"" site "\":{\"mode\":\"evacuated\",\"since\":1795224000,\"stray\":\"proxy\","               \
    "\"who\":\"ana\",\"why\":\"INC-1\"}"
#define MODE(site, mode) "\"" site "\":{\"mode\":\"" mode "\"}"

static void test_apply(void **state)
{
    static const struct row {
        enum change_verb verb;
        const char *site, *before, *after;
    } rows[] = {
        { CHANGE_EVACUATE, "us-east", DOC("", ""), NEXT(EVACUATED("us-east"), "") },
        { CHANGE_EVACUATE, "us-east", DOC(MODE("us-east", "restoring"), ""),
          NEXT(EVACUATED("us-east"), "") },
        { CHANGE_EVACUATE, "us-east", DOC(MODE("us-east", "evacuated"), ""), "already" },
        { CHANGE_RESTORE, "us-east", DOC(EVACUATED("us-east"), ""), NEXT("", "") },
        { CHANGE_RESTORE, "us-east", DOC(MODE("us-east", "restoring"), ""), NEXT("", "") },
        { CHANGE_RESTORE, "us-east", DOC("", ""), "already" },
        { CHANGE_RESTORE, "us-east", DOC(MODE("us-east", "active"), ""), "already" },
        { CHANGE_DRAIN, "iad2", DOC("", ""), NEXT("", OUT("iad2", "draining")) },
        { CHANGE_DRAIN, "iad2", DOC("", MODE("iad2", "draining")), "already" },
        { CHANGE_DRAIN, "iad2", DOC("", MODE("iad2", "offline")), "already" },
        { CHANGE_UNDRAIN, "iad2", DOC("", MODE("iad2", "draining")), NEXT("", "") },
        { CHANGE_UNDRAIN, "iad2", DOC("", MODE("iad2", "offline")), NEXT("", "") },
        { CHANGE_UNDRAIN, "iad2", DOC("", ""), "already" },
        /* Fields that this program does not know survive, its own go. */
        { CHANGE_EVACUATE, "us-east",
          DOC("\"us-east\":{\"mode\":\"active\",\"note\":1,\"plan\":\"p\"}", ""),
          NEXT("\"us-east\":{\"mode\":\"evacuated\",\"note\":1,\"since\":1795224000,"
               "\"stray\":\"proxy\",\"who\":\"ana\",\"why\":\"INC-1\"}",
               "") },
        { CHANGE_RESTORE, "us-east",
          DOC("\"us-east\":{\"mode\":\"evacuated\",\"note\":1,\"plan\":\"p\"}", ""),
          NEXT("\"us-east\":{\"note\":1}", "") },
        /* Other sites stay as they are, also those that the topology does not know. */
        { CHANGE_DRAIN, "iad2", DOC(MODE("mars", "evacuated"), MODE("gru1", "offline")),
          NEXT(MODE("mars", "evacuated"), MODE("gru1", "offline") "," OUT("iad2", "draining")) },
        /* The wrong name or the wrong verb. */
        { CHANGE_EVACUATE, "us-eats", DOC("", ""),
          "UNKNOWN: no region is called 'us-eats'; did you mean 'us-east'?" },
        { CHANGE_EVACUATE, "mars", DOC("", ""), "UNKNOWN: no region is called 'mars'" },
        { CHANGE_DRAIN, "gru", DOC("", ""),
          "UNKNOWN: no PoP is called 'gru'; did you mean 'gru1'?" },
        { CHANGE_EVACUATE, "iad2", DOC("", ""), "UNKNOWN: iad2 is a PoP; use 'steer drain iad2'" },
        { CHANGE_RESTORE, "iad2", DOC("", ""), "UNKNOWN: iad2 is a PoP; use 'steer undrain iad2'" },
        { CHANGE_DRAIN, "us-east", DOC("", ""),
          "UNKNOWN: us-east is a region; use 'steer evacuate us-east'" },
        { CHANGE_UNDRAIN, "us-east", DOC("", ""),
          "UNKNOWN: us-east is a region; use 'steer restore us-east'" },
    };
    (void)state;
    struct buf got;
    buf_init(&got, 65536);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct change change = change_of(rows[i].verb, rows[i].site);
        apply(rows[i].before, &change, &got);
        if (strcmp(buf_text(&got), rows[i].after) != 0)
            fail_msg("row %zu:\n got %s\nwant %s", i, buf_text(&got), rows[i].after);
    }
    buf_fini(&got);
}

static void test_apply_treats_strays_as_told(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 65536);
    struct change change = change_of(CHANGE_EVACUATE, "us-east");
    change.stray = STR("refuse");
    apply(DOC("", ""), &change, &got);
    assert_non_null(strstr(buf_text(&got), "\"stray\":\"refuse\""));
    /* Evacuated already, but its strays are to be treated in another way. */
    apply(DOC(EVACUATED("us-east"), ""), &change, &got);
    assert_non_null(strstr(buf_text(&got), "\"stray\":\"refuse\""));
    change.stray = STR("proxy");
    apply(DOC(EVACUATED("us-east"), ""), &change, &got);
    assert_string_equal(buf_text(&got), "already");
    change.stray = STR("drop");
    apply(DOC("", ""), &change, &got);
    assert_non_null(strstr(buf_text(&got), "INVALID: 'drop'"));
    buf_fini(&got);
}

static void test_apply_keeps_a_usable_region(void **state)
{
    static const struct row {
        const char *before;
        bool is_blocked;
    } rows[] = {
        { DOC("", ""), false },
        { DOC(MODE("us-west", "evacuated"), ""), false },
        { DOC(MODE("us-west", "evacuated") "," MODE("eu-west", "evacuated"), ""), true },
        { DOC(MODE("us-west", "evacuated") "," MODE("eu-west", "draining"), ""), true },
        { DOC(MODE("us-west", "offline") "," MODE("eu-west", "evacuated"), ""), true },
        { DOC(MODE("us-west", "restoring") "," MODE("eu-west", "evacuated"), ""), false },
        /* It is out of use itself: nothing is lost. */
        { DOC(MODE("us-west", "offline") "," MODE("eu-west", "evacuated") "," MODE("us-east",
                                                                                   "offline"),
              ""),
          false },
        /* A region that only the document knows saves nobody. */
        { DOC(MODE("us-west", "evacuated") "," MODE("eu-west", "evacuated") "," MODE("mars",
                                                                                     "active"),
              ""),
          true },
    };
    (void)state;
    struct buf got;
    buf_init(&got, 65536);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct change change = change_of(CHANGE_EVACUATE, "us-east");
        apply(rows[i].before, &change, &got);
        bool is_blocked = strncmp(buf_text(&got), "BLOCKED: rule min-regions:", 26) == 0 &&
                          strstr(buf_text(&got), "--override min-regions") != NULL;
        if (is_blocked != rows[i].is_blocked)
            fail_msg("row %zu: %s", i, buf_text(&got));
        change.overrides_min_regions = true;
        apply(rows[i].before, &change, &got);
        assert_non_null(strstr(buf_text(&got), "\"us-east\":{\"mode\":\"evacuated\""));
    }
    buf_fini(&got);
}

static void test_apply_repeated_operation_is_already_done(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 65536);
    struct change change = change_of(CHANGE_EVACUATE, "us-west");
    apply(NEXT("", ""), &change, &got); /* carries op id 01OP */
    assert_string_equal(buf_text(&got), "already");
    buf_fini(&got);
}

static void test_apply_notes_the_topology(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 65536);
    struct change change = change_of(CHANGE_EVACUATE, "us-west");
    change.topology_digest = STR("sha256:ff");
    change.why = STR("");
    apply(DOC("", ""), &change, &got);
    assert_non_null(strstr(buf_text(&got), "\"topology\":\"sha256:ff\""));
    assert_null(strstr(buf_text(&got), "INC-1"));
    assert_non_null(strstr(buf_text(&got), "\"why\":\"\"}"));
    buf_fini(&got);
}

static void test_apply_stops_at_the_last_generation(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 65536);
    struct change change = change_of(CHANGE_EVACUATE, "us-west");
    apply("{\"v\":1,\"epoch\":\"E\",\"gen\":9007199254740992}", &change, &got);
    assert_non_null(strstr(buf_text(&got), "INVALID: gen:"));
    buf_fini(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_apply_treats_strays_as_told),
        cmocka_unit_test(test_apply_keeps_a_usable_region),
        cmocka_unit_test(test_apply_repeated_operation_is_already_done),
        cmocka_unit_test(test_apply_notes_the_topology),
        cmocka_unit_test(test_apply_stops_at_the_last_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
