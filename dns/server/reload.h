/* SPDX-License-Identifier: Apache-2.0 */
/* Reloading: everything is loaded anew in a thread of its own while queries go on, and put in
 * force whole or not at all.
 *
 * Shape:     idle -> loading -> (failed: answer 422) | settling -> answer 200 -> idle
 *            Requests that come while loading or settling are answered by one more round after it:
 *            the files may have changed behind the reader's back.
 * Threads:   the main loop's own; dataset_load runs in libuv's pool.
 */
#pragma once

#include <uv.h>

#include "dns/server/dataset.h"
#include "steering/runtime/admin.h"

struct server;

struct reload_waiters {
    struct admin_request **requests;
    size_t count, capacity;
};

struct reload {
    struct server *server;
    uv_work_t work;
    bool is_running; /* loading or settling */
    bool is_wanted;  /* one more round */
    struct reload_waiters present, next;
    struct diag diag;
    struct dataset *loaded;
    enum err err;
    json_t *outcome; /* while settling */
    uint64_t success_count, failure_count;
};

void reload_init(struct reload *reload, struct server *server);
/* Answers those who wait with 503. A load in work ends in peace; the loop waits for it. */
void reload_stop(struct reload *reload);
void reload_fini(struct reload *reload);
/* `request` (NULL: nobody) is answered when the outcome is known and in force. */
void reload_begin(struct reload *reload, struct admin_request *request);
/* Every worker obeys what was put in force last. */
void reload_settled(struct reload *reload);
