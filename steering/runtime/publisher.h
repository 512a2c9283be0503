/* SPDX-License-Identifier: Apache-2.0 */
/* Hands one immutable object to many workers without a lock, and knows when all have left the
 * old one.
 *
 * Shape:     `current` and a cache line per worker that says which object the worker is reading:
 *
 *              worker:  enter -> reads the object -> leave -> may block
 *              main:    publish(new) -> reap() until it returns 0 -> everyone has seen `new`
 *
 *            A worker announces the pointer and then looks again whether it is still current. The
 *            owner swaps the pointer and then looks at the announcements. Both orders are
 *            sequentially consistent, so one of the two always notices the other.
 * Threads:   enter and leave by the slot's own worker; everything else by the owning thread.
 * Ownership: takes ownership of what is published; frees an object when no worker reads it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { PUBLISHER_LINE_BYTES = 64 };

/* One worker's announcement, alone on its cache line: its writer must not slow down others. */
struct publisher_slot {
    _Alignas(PUBLISHER_LINE_BYTES) _Atomic(void *) held;
};

struct publisher {
    _Alignas(PUBLISHER_LINE_BYTES) _Atomic(void *) current;
    _Alignas(PUBLISHER_LINE_BYTES) struct publisher_slot *slots;
    size_t slot_count;
    void (*free_object)(void *object);
    void **retired; /* swapped out, perhaps still read by somebody */
    size_t retired_count, retired_capacity;
};

/* Starts with `first` as the current object; it and all later ones go to `free_object`. */
struct publisher *publisher_new(size_t slot_count, void *first, void (*free_object)(void *object));
/* Frees all objects. No worker may be between enter and leave. Accepts NULL. */
void publisher_free(struct publisher *publisher);

/* Makes `next` current. The former object is freed by a later publisher_reap. */
void publisher_publish(struct publisher *publisher, void *next);
/* Frees the retired objects that nobody reads any more; returns how many are left. 0 means:
 * whatever any worker does from now on, it does with the current object. */
size_t publisher_reap(struct publisher *publisher);
void *publisher_current(const struct publisher *publisher);

/* The object to work with, valid until publisher_leave of the same slot. Not reentrant. */
static inline void *publisher_enter(struct publisher *publisher, size_t slot)
{
    void *object = atomic_load_explicit(&publisher->current, memory_order_acquire);
    for (;;) {
        atomic_store(&publisher->slots[slot].held, object);
        void *again = atomic_load(&publisher->current);
        if (again == object)
            return object;
        object = again;
    }
}

/* Before anything that may block; after the last byte made from the object is on its way. */
static inline void publisher_leave(struct publisher *publisher, size_t slot)
{
    atomic_store_explicit(&publisher->slots[slot].held, NULL, memory_order_release);
}
