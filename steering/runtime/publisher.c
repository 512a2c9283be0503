/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/publisher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

/* mem_calloc knows nothing of cache lines. */
static void *line_alloc(size_t bytes)
{
    size_t rounded = (bytes + PUBLISHER_LINE_BYTES - 1) / PUBLISHER_LINE_BYTES;
    void *memory = aligned_alloc(PUBLISHER_LINE_BYTES, rounded * PUBLISHER_LINE_BYTES);
    if (memory == NULL)
        abort();
    memset(memory, 0, rounded * PUBLISHER_LINE_BYTES);
    return memory;
}

struct publisher *publisher_new(size_t slot_count, void *first, void (*free_object)(void *object))
{
    struct publisher *publisher = line_alloc(sizeof(*publisher));
    publisher->slots = line_alloc(slot_count * sizeof(*publisher->slots));
    publisher->slot_count = slot_count;
    publisher->free_object = free_object;
    for (size_t i = 0; i < slot_count; i++)
        atomic_init(&publisher->slots[i].held, NULL);
    atomic_init(&publisher->current, first);
    return publisher;
}

void publisher_free(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    size_t left = publisher_reap(publisher);
    assert(left == 0);
    (void)left;
    publisher->free_object(publisher_current(publisher));
    free(publisher->retired);
    free(publisher->slots);
    free(publisher);
}

void publisher_publish(struct publisher *publisher, void *next)
{
    publisher->retired = mem_grow(publisher->retired, publisher->retired_count,
                                  &publisher->retired_capacity, sizeof(*publisher->retired));
    publisher->retired[publisher->retired_count++] = atomic_exchange(&publisher->current, next);
}

static bool is_held(struct publisher *publisher, const void *object)
{
    for (size_t i = 0; i < publisher->slot_count; i++)
        if (atomic_load(&publisher->slots[i].held) == object)
            return true;
    return false;
}

size_t publisher_reap(struct publisher *publisher)
{
    size_t kept = 0;
    for (size_t i = 0; i < publisher->retired_count; i++) {
        void *object = publisher->retired[i];
        if (is_held(publisher, object))
            publisher->retired[kept++] = object;
        else
            publisher->free_object(object);
    }
    publisher->retired_count = kept;
    return kept;
}

void *publisher_current(const struct publisher *publisher)
{
    return atomic_load_explicit(&publisher->current, memory_order_relaxed);
}
