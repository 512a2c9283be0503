/* SPDX-License-Identifier: Apache-2.0 */
/* Reloading: everything is loaded anew in a thread of its own while clients are served, and put in
 * force whole or not at all.
 *
 * Shape:     idle -> loading -> (failed: answer 422) | settling -> answer 200 -> idle
 *            Requests that come while loading or settling are answered by one more round after it:
 *            the files may have changed behind the reader's back.
 * Threads:   the main loop's own; `load` runs in libuv's pool.
 */
#pragma once

#include <uv.h>

#include "steering/runtime/admin.h"

/* What the daemon does; `loaded` is whatever its `load` made. */
struct reload_ops {
    /* In a thread of the pool: reads all files; every problem is in `diag`. */
    enum err (*load)(void *owner, struct diag *diag, void **out_loaded);
    /* Adds warnings to `diag`, and what it has to say about `loaded` to the answer. */
    void (*describe)(void *owner, const void *loaded, struct diag *diag, json_t *outcome);
    /* Takes ownership and puts it in force; reload_settled must follow, perhaps at once. */
    void (*adopt)(void *owner, void *loaded);
    /* Nothing is put in force; `problem` is the first error. */
    void (*fail)(void *owner, const char *problem);
    /* It is not wanted any more: the daemon stops. */
    void (*discard)(void *owner, void *loaded);
};

struct reload_waiters {
    struct admin_request **requests;
    size_t count, capacity;
};

struct reload {
    const struct reload_ops *ops;
    void *owner;
    uv_loop_t *loop;
    uv_work_t work;
    bool is_running;  /* loading or settling */
    bool is_wanted;   /* one more round */
    bool is_stopping; /* nothing is put in force any more */
    struct reload_waiters present, next;
    struct diag diag;
    void *loaded;
    enum err err;
    uint64_t took_ms;
    json_t *outcome; /* while settling */
    uint64_t success_count, failure_count;
};

void reload_init(struct reload *reload, uv_loop_t *loop, const struct reload_ops *ops, void *owner);
/* Answers those who wait with 503. A load in work ends in peace; the loop waits for it. */
void reload_stop(struct reload *reload);
void reload_fini(struct reload *reload);
/* `request` (NULL: nobody) is answered when the outcome is known and in force. */
void reload_begin(struct reload *reload, struct admin_request *request);
/* Every worker obeys what was put in force last. */
void reload_settled(struct reload *reload);
