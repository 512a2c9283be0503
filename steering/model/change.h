/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks for, turned into the next document. Pure: no store, no clock.
 *
 * Threads:   any.
 * Ownership: the new document belongs to the caller; the old one is not touched.
 */
#pragma once

#include "steering/model/document.h"

enum change_verb { CHANGE_EVACUATE, CHANGE_RESTORE, CHANGE_DRAIN, CHANGE_UNDRAIN };

const char *change_verb_name(enum change_verb verb);

struct change {
    enum change_verb verb;
    struct str site;
    struct str stray;    /* evacuate: "proxy" (default), "serve", "refuse" */
    struct str who, why; /* why may be empty */
    struct str op_id;
    int64_t at_unix_s;
    struct str topology_digest; /* may be empty */
    bool overrides_min_regions; /* --override min-regions */
};

/* The sites that exist; names borrowed from the caller. */
struct change_world {
    const struct str *names[2]; /* by enum site_kind */
    size_t count[2];
    /* Of the regions: does every node know it? What only some know, or none any more, is no refuge
     * for rule min-regions. NULL: all are. */
    const bool *is_everywhere;
};

enum change_outcome {
    CHANGE_MADE,    /* *out_document is the next generation */
    CHANGE_ALREADY, /* nothing to do: already so */
};

/* ERR_UNKNOWN: no such site, or of the wrong kind (`diag` says "did you mean", or "iad2 is a PoP;
 * use drain"). ERR_BLOCKED: rule min-regions, no usable region would remain. */
MUST_USE enum err change_apply(const struct document *document, const struct change *change,
                               const struct change_world *world, struct diag *diag,
                               enum change_outcome *out_outcome, struct document **out_document);
