/* SPDX-License-Identifier: Apache-2.0 */
/* Saves last good documents in a thread of their own: a disk that takes seconds for an fsync must
 * not keep the main loop from the next evacuation.
 *
 * Shape:     one save at a time; of documents that come meanwhile only the newest is saved next.
 * Threads:   the loop's own; last_good_save runs in libuv's pool.
 * Ownership: the saver must stay until on_closed.
 */
#pragma once

#include <uv.h>

#include "steering/model/document.h"

enum { LAST_GOOD_PROBLEM_MAX = 256 };

struct last_good_saver {
    uv_loop_t *loop;
    uv_work_t work;
    char *folder;
    struct document *present; /* being saved; NULL: idle */
    struct document *next;    /* NULL: none */
    struct diag diag;
    enum err err;
    char problem[LAST_GOOD_PROBLEM_MAX]; /* of the latest save; "": it is on the disk */
    bool is_closing;
    void (*on_closed)(void *owner);
    void *owner;
};

void last_good_saver_open(struct last_good_saver *saver, uv_loop_t *loop, const char *folder);
/* Takes ownership of `document`. */
void last_good_saver_save(struct last_good_saver *saver, struct document *document);
/* What was asked for is still saved. `on_closed` may be called at once. */
void last_good_saver_close(struct last_good_saver *saver, void (*on_closed)(void *owner),
                           void *owner);
