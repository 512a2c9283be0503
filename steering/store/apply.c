/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/store/apply.h"

#include <inttypes.h>
#include <stdio.h>

#include "steering/base/mem.h"
#include "steering/model/succession.h"
#include "steering/store/store_priv.h"

static const char *const reason_names[] = {
    [APPLY_FINE] = "fine",
    [APPLY_MISSING] = "missing",
    [APPLY_EMPTY] = "empty",
    [APPLY_GARBAGE] = "garbage",
    [APPLY_UNREADABLE] = "unreadable",
    [APPLY_OLDER] = "older",
    [APPLY_DIVERGED] = "diverged",
    [APPLY_OTHER_EPOCH] = "other-epoch",
    [APPLY_UNSUPPORTED] = "unsupported",
};

const char *apply_reason_name(enum apply_reason reason)
{
    return reason_names[reason];
}

static void keep(struct apply_result *result, enum apply_reason reason, const char *text)
{
    result->outcome = reason == APPLY_UNSUPPORTED ? APPLY_REJECTED : APPLY_KEEP;
    result->reason = reason;
    snprintf(result->text, sizeof(result->text), "%s", text);
}

static void judge_document(struct document *next, const struct document *current,
                           struct apply_result *result)
{
    static const enum apply_reason reasons[] = {
        [SUCCESSION_NEWER] = APPLY_FINE,
        [SUCCESSION_SAME] = APPLY_FINE,
        [SUCCESSION_OLDER] = APPLY_OLDER,
        [SUCCESSION_DIVERGED] = APPLY_DIVERGED,
        [SUCCESSION_OTHER_EPOCH] = APPLY_OTHER_EPOCH,
    };
    enum succession succession = succession_judge(current, next);
    result->generation = next->generation;
    if (succession == SUCCESSION_NEWER) {
        result->outcome = APPLY_NEW;
        result->document = next; /* moved to the caller */
        return;
    }
    if (succession != SUCCESSION_SAME) {
        char text[APPLY_TEXT_MAX];
        snprintf(text, sizeof(text),
                 "generation %" PRIu64 " of epoch %.*s: %s (generation %" PRIu64 " of epoch %.*s)",
                 next->generation, STR_ARG(next->epoch), succession_text(succession),
                 current->generation, STR_ARG(current->epoch));
        keep(result, reasons[succession], text);
    }
    document_free(next);
}

static bool is_blank(struct str text)
{
    return str_trim(text).len == 0;
}

void apply_judge(enum err read_err, struct str text, const struct document *current,
                 struct apply_result *out_result)
{
    struct document *next = NULL;
    struct diag diag;
    *out_result = (struct apply_result){ .outcome = APPLY_UNCHANGED, .reason = APPLY_FINE };
    if (read_err == ERR_NOT_FOUND) {
        keep(out_result, APPLY_MISSING, "the store has no document");
        return;
    }
    if (read_err != ERR_OK) {
        keep(out_result, APPLY_UNREADABLE, err_text(read_err));
        return;
    }
    if (is_blank(text)) {
        keep(out_result, APPLY_EMPTY, "the store's document is empty");
        return;
    }
    diag_init(&diag);
    enum err err = store_parse(text, &diag, &next);
    if (err == ERR_OK) {
        judge_document(next, current, out_result);
    } else {
        keep(out_result, err == ERR_INVALID ? APPLY_UNSUPPORTED : APPLY_GARBAGE, diag_first(&diag));
        out_result->generation = store_peek_generation(text);
    }
    diag_fini(&diag);
}

void apply_look(struct store *store, const struct document *current,
                struct apply_result *out_result)
{
    struct buf text;
    struct diag diag;
    /* Room for one byte more than a document may have: larger is garbage, not unreadable. */
    buf_init(&text, DOCUMENT_MAX_BYTES + 4096);
    diag_init(&diag);
    enum err err = store_get_text(store, &diag, &text);
    apply_judge(err, buf_str(&text), current, out_result);
    if (err != ERR_OK)
        snprintf(out_result->text, sizeof(out_result->text), "%s", diag_first(&diag));
    diag_fini(&diag);
    buf_fini(&text);
}
