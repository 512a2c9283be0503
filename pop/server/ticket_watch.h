/* SPDX-License-Identifier: Apache-2.0 */
/* Looks once a second whether the file of session ticket keys has changed, and reads it then: keys
 * rotate on a whole fleet without anybody calling anybody. A file that is bad leaves the old keys.
 *
 * Threads:   the main loop's own; the file is small.
 * Ownership: the watch must stay until the loop has run after ticket_watch_close.
 */
#pragma once

#include <uv.h>

#include "pop/server/dataset.h"

struct ticket_watch {
    uv_timer_t timer;
    char *path; /* NULL: no file */
    struct file_mark seen;
    void (*on_keys)(void *owner, const struct ticket_keys *keys); /* borrowed during the call */
    void *owner;
    uint64_t success_count, failure_count;
};

void ticket_watch_open(struct ticket_watch *watch, uv_loop_t *loop,
                       void (*on_keys)(void *owner, const struct ticket_keys *keys), void *owner);
/* From now on `path` (NULL: none), of which the version of `seen` is in force. */
void ticket_watch_set(struct ticket_watch *watch, const char *path, const struct file_mark *seen);
/* Looks at once. */
void ticket_watch_look(struct ticket_watch *watch);
void ticket_watch_close(struct ticket_watch *watch);
