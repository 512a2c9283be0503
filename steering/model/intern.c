/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/intern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/hash.h"
#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum { FIRST_SLOTS = LIMIT(64, 2) };

void intern_init(struct intern *intern, size_t item_size)
{
    assert(item_size > 0);
    *intern = (struct intern){ .item_size = item_size, .slot_count = FIRST_SLOTS };
    intern->slots = mem_calloc(intern->slot_count, sizeof(*intern->slots));
}

void intern_fini(struct intern *intern)
{
    free(intern->items);
    free(intern->slots);
    *intern = (struct intern){ .items = NULL };
}

const void *intern_at(const struct intern *intern, uint32_t number)
{
    assert(number < intern->count);
    return intern->items + number * intern->item_size;
}

void *intern_take(struct intern *intern)
{
    void *items = intern->items;
    intern->items = NULL;
    intern_fini(intern);
    return items;
}

size_t intern_memory_bytes(const struct intern *intern)
{
    return intern->capacity * intern->item_size + intern->slot_count * sizeof(*intern->slots);
}

/* The slot that holds `item`, or the free one where it belongs. */
static uint32_t *find_slot(const struct intern *intern, const void *item)
{
    size_t mask = intern->slot_count - 1;
    size_t at = hash_bytes(item, intern->item_size, 0) & mask;
    while (intern->slots[at] != 0) {
        const uint8_t *there = intern->items + (intern->slots[at] - 1) * intern->item_size;
        if (memcmp(there, item, intern->item_size) == 0)
            break;
        at = (at + 1) & mask;
    }
    return &intern->slots[at];
}

static void double_slots(struct intern *intern)
{
    free(intern->slots);
    intern->slot_count *= 2;
    intern->slots = mem_calloc(intern->slot_count, sizeof(*intern->slots));
    for (size_t i = 0; i < intern->count; i++)
        *find_slot(intern, intern->items + i * intern->item_size) = (uint32_t)i + 1;
}

uint32_t intern_put(struct intern *intern, const void *item)
{
    uint32_t *slot = find_slot(intern, item);
    if (*slot != 0)
        return *slot - 1;
    assert(intern->count < INT32_MAX);
    if ((intern->count + 1) * 2 > intern->slot_count) {
        double_slots(intern);
        slot = find_slot(intern, item);
    }
    intern->items = mem_grow(intern->items, intern->count, &intern->capacity, intern->item_size);
    memcpy(intern->items + intern->count * intern->item_size, item, intern->item_size);
    *slot = (uint32_t)++intern->count;
    return *slot - 1;
}
