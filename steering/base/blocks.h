/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for what comes and goes with every request: blocks that were given back are kept, a list
 * for each size, and taken again while they are still in the cache.
 *
 * Threads:   owner only: one for each worker.
 * Limits:    blocks above BLOCKS_SIZE_MAX, and more than `kept_max` bytes, come from the system
 *            and go back to it. With the address sanitizer all do, so that it sees use after free.
 */
#pragma once

#include <stddef.h>

enum {
    BLOCKS_FINE_BYTES = 64, /* steps of sizes up to... */
    BLOCKS_FINE_MAX = 1024,
    BLOCKS_COARSE_BYTES = 256, /* ...and above that */
    BLOCKS_SIZE_MAX = 8192,
    BLOCKS_FINE = BLOCKS_FINE_MAX / BLOCKS_FINE_BYTES,
    BLOCKS_LISTS = BLOCKS_FINE + (BLOCKS_SIZE_MAX - BLOCKS_FINE_MAX) / BLOCKS_COARSE_BYTES,
};

struct block;

struct blocks {
    struct block *kept[BLOCKS_LISTS];
    size_t kept_bytes, kept_max;
};

void blocks_init(struct blocks *blocks, size_t kept_max);
/* Blocks that are still in use are leaked. */
void blocks_fini(struct blocks *blocks);
/* Not zeroed; aligned for any type; NULL: out of memory. */
void *blocks_take(struct blocks *blocks, size_t size);
/* `ptr` may be NULL. */
void blocks_give(struct blocks *blocks, void *ptr);
/* As realloc(3). */
void *blocks_resize(struct blocks *blocks, void *ptr, size_t size);
