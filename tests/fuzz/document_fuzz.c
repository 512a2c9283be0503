/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a document: what is accepted must survive writing and reading, succeed itself as
 * "the same", and let every change be made on it. */
#include <assert.h>
#include <string.h>

#include "steering/model/change.h"
#include "steering/model/succession.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str region_names[] = { { "us-east", 7 }, { "eu-west", 7 } };
static const struct str pop_names[] = { { "iad2", 4 } };
static const struct change_world the_world = {
    .names = { region_names, pop_names },
    .count = { 2, 1 },
};

/* Everything that went wrong must have been said. */
static void expect_silence(const struct diag *diag, enum err err)
{
    assert((err == ERR_OK) == (diag->error_count == 0));
}

static void check_round_trip(const struct document *document)
{
    struct diag diag;
    struct buf text;
    struct document *again = NULL;
    diag_init(&diag);
    /* Escapes make text longer; what was near the limit may pass it. */
    buf_init(&text, (size_t)DOCUMENT_MAX_BYTES * 8);
    document_format(document, &text);
    assert(!text.is_overflown);
    enum err err = document_parse(buf_str(&text), &diag, &again);
    assert(err == ERR_OK || err == ERR_TOO_LARGE);
    if (err == ERR_OK)
        assert(succession_judge(document, again) == SUCCESSION_SAME);
    document_free(again);
    buf_fini(&text);
    diag_fini(&diag);
}

static void check_change(const struct document *document, enum change_verb verb, struct str site)
{
    struct diag diag;
    struct document *next = NULL;
    enum change_outcome outcome = CHANGE_ALREADY;
    const struct change change = {
        .verb = verb,
        .site = site,
        .who = STR("ana"),
        .why = STR("fuzz"),
        .op_id = STR("01OP"),
        .at_unix_s = 1795224000,
    };
    diag_init(&diag);
    enum err err = change_apply(document, &change, &the_world, &diag, &outcome, &next);
    expect_silence(&diag, err);
    assert((next != NULL) == (err == ERR_OK && outcome == CHANGE_MADE));
    if (next != NULL) {
        assert(succession_judge(document, next) == SUCCESSION_NEWER);
        check_round_trip(next);
    }
    document_free(next);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    enum err err = document_parse((struct str){ (const char *)data, size }, &diag, &document);
    expect_silence(&diag, err);
    if (err == ERR_OK) {
        check_round_trip(document);
        check_change(document, CHANGE_EVACUATE, STR("us-east"));
        check_change(document, CHANGE_RESTORE, STR("eu-west"));
        check_change(document, CHANGE_DRAIN, STR("iad2"));
        check_change(document, CHANGE_UNDRAIN, STR("iad2"));
    }
    document_free(document);
    diag_fini(&diag);
    return 0;
}
