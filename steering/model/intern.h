/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers values of one fixed size: equal bytes get the same number, the first one 0.
 *
 * Threads:   owner only.
 * Ownership: copies the values; intern_fini frees them.
 * Limits:    2^31 values; the callers stop long before.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct intern {
    size_t item_size;
    uint8_t *items;
    size_t count, capacity;
    uint32_t *slots;   /* open addressing; number + 1, 0 = free */
    size_t slot_count; /* a power of two */
};

void intern_init(struct intern *intern, size_t item_size);
void intern_fini(struct intern *intern);
/* Compares bytes: padding inside `item` must be zero. */
uint32_t intern_put(struct intern *intern, const void *item);
/* Valid until the next put. */
const void *intern_at(const struct intern *intern, uint32_t number);
/* The array of all values, whose ownership moves to the caller; `intern` is empty after that. */
void *intern_take(struct intern *intern);
size_t intern_memory_bytes(const struct intern *intern);
