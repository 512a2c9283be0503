/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, telling and ending workers, from the main thread.
 *
 * Shape:     new -> start -> (warm) -> listening -> settings, regions ... -> drain -> join
 * Threads:   all calls by the main thread; callbacks on the main loop.
 */
#pragma once

#include "pop/server/worker.h"

struct worker_thread;

struct worker_settings {
    unsigned index, count;
    enum pop_role role;
    struct site_id site;
    struct publisher *snapshots;
    struct tally *tally;
    struct traffic *traffic;
    struct access_log *log;    /* NULL: none */
    struct settings *settings; /* moves to the worker */
    const int *fds; /* bound sockets, by index of node->listens; taken over, the array is copied */
    uint64_t warm_ms; /* how long to wait for the floor before listening */
    uv_loop_t *main_loop;
    void (*on_listening)(void *owner, unsigned index, bool is_warm);
    void (*on_drained)(void *owner, unsigned index);
    void *owner;
};

MUST_USE enum err worker_thread_start(const struct worker_settings *settings, struct diag *diag,
                                      struct worker_thread **out_thread);
/* The worker takes `settings` at its next turn; then `on_taken` runs on the main loop. */
void worker_thread_set(struct worker_thread *thread, struct settings *settings,
                       void (*on_taken)(void *owner), void *owner);
/* Other ticket keys, from the next handshake on; copied. */
void worker_thread_set_keys(struct worker_thread *thread, const struct ticket_keys *keys);
/* A new snapshot was published: look at it now. */
void worker_thread_wake(struct worker_thread *thread);
/* {"worker","peers":…,"clients",…}: gathered on the worker, handed over on the main loop; owned by
 * the callback. null when the worker ended before it could tell. */
void worker_thread_status(struct worker_thread *thread,
                          void (*on_status)(void *owner, json_t *value), void *owner);
/* Again with another limit: that one counts from now on. */
void worker_thread_drain(struct worker_thread *thread, uint64_t limit_ms);
/* After on_drained. Frees; the memory is gone when the main loop has run again. */
void worker_thread_join(struct worker_thread *thread);
