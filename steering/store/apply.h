/* SPDX-License-Identifier: Apache-2.0 */
/* One look at the store by a server: is there a document to move to?
 *
 * Missing is not empty: whatever is wrong with the store, the server keeps what it has.
 * Threads:   as store.h (blocks on the disk).
 */
#pragma once

#include "steering/store/store.h"

enum apply_outcome {
    APPLY_UNCHANGED, /* the store holds what the server has */
    APPLY_NEW,       /* `document` is the next one */
    APPLY_KEEP,      /* nothing usable there: keep the last good one; `reason` and `text` say why */
    APPLY_REJECTED,  /* a sound document that this program cannot carry out: keep, and report */
};

enum apply_reason {
    APPLY_FINE,
    APPLY_MISSING,
    APPLY_EMPTY,
    APPLY_GARBAGE,
    APPLY_UNREADABLE,
    APPLY_OLDER,
    APPLY_DIVERGED,
    APPLY_OTHER_EPOCH,
    APPLY_UNSUPPORTED, /* the one of APPLY_REJECTED */
};

enum { APPLY_TEXT_MAX = 256 };

struct apply_result {
    enum apply_outcome outcome;
    enum apply_reason reason;
    struct document *document; /* APPLY_NEW only; owned by the caller */
    uint64_t generation;       /* of the document that was seen; 0: not known */
    char text[APPLY_TEXT_MAX]; /* one line for the log and for presence's "why"; may be "" */
};

/* `current` is NULL while the server has no document at all. */
void apply_look(struct store *store, const struct document *current,
                struct apply_result *out_result);
/* The same on a text that was read already; ERR_OK is the only `read_err` with a text. */
void apply_judge(enum err read_err, struct str text, const struct document *current,
                 struct apply_result *out_result);
/* "missing", "other-epoch" …: a stable word for metrics and JSON. */
const char *apply_reason_name(enum apply_reason reason);
