/* SPDX-License-Identifier: Apache-2.0 */
/* The break-glass file of this node: orders that an operator writes by hand when nothing else
 * works. All or nothing: whatever is wrong with it, the orders read before stay in force.
 *
 * Threads:   the main loop's own.
 * Limits:    BREAK_GLASS_MAX_BYTES of text.
 */
#pragma once

#include "steering/model/snapshot.h"

enum { BREAK_GLASS_MAX_BYTES = 1 << 20, BREAK_GLASS_PROBLEM_MAX = 256 };

struct break_glass_file {
    char *path;                            /* NULL: no such file is configured */
    struct break_glass orders;             /* in force */
    struct buf text;                       /* what was seen last, good or bad */
    bool was_seen;                         /* the file existed at some time since the start */
    bool is_judged;                        /* `text` was parsed against the present topology */
    char problem[BREAK_GLASS_PROBLEM_MAX]; /* "": none */
};

void break_glass_file_init(struct break_glass_file *file, const char *path);
void break_glass_file_fini(struct break_glass_file *file);
/* Reads the file again. True when other orders are in force than before. A file that was never
 * there is no orders; one that went away is a problem, for missing is not empty. */
bool break_glass_file_look(struct break_glass_file *file, const struct topology *topology);
/* The topology has changed: the next look judges the same text anew. */
void break_glass_file_forget(struct break_glass_file *file);
