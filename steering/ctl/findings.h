/* SPDX-License-Identifier: Apache-2.0 */
/* What `steer check` has found: diagnostics of our own loaders and lines of another program's.
 *
 * Threads:   owner only.
 * Ownership: copies all texts.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/base/json.h"

struct findings {
    json_t *all;     /* [{"severity","file","line","column","text"}...] */
    struct buf text; /* the same as lines */
    size_t error_count, warning_count;
};

void findings_init(struct findings *findings);
void findings_fini(struct findings *findings);
void findings_add_diag(struct findings *findings, const struct diag *diag);
/* "FILE:LINE:COLUMN: error: TEXT" as diag_format writes it, without line break. A line that is
 * there already is not added again. False: not of that form, and not added. */
bool findings_add_line(struct findings *findings, struct str line);
/* An error about a file as a whole. */
void findings_add_error(struct findings *findings, const char *file, const char *text);
