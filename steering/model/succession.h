/* SPDX-License-Identifier: Apache-2.0 */
/* May this document replace that one? The rule that saves a fleet from a wiped or restored
 * store: same epoch and a greater generation, or an "adopt" record ({"from":EPOCH}) that
 * names the old epoch.
 * Threads:   any (pure).
 */
#pragma once

#include "steering/model/document.h"

enum succession {
    SUCCESSION_NEWER,       /* apply it */
    SUCCESSION_SAME,        /* same epoch, generation and digest: nothing to do */
    SUCCESSION_OLDER,       /* stale: ignore */
    SUCCESSION_DIVERGED,    /* same generation, other content: refuse and alarm */
    SUCCESSION_OTHER_EPOCH, /* refuse and alarm */
};

/* `current` may be NULL: then everything is newer. */
enum succession succession_judge(const struct document *current, const struct document *next);
const char *succession_text(enum succession succession);
