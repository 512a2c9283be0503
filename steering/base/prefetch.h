/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for memory before it is needed. With a hundred requests in flight, what a free list holds
 * has left the nearest caches when its turn comes: who takes one asks for the next.
 *
 * Threads:   any.
 */
#pragma once

/* The bytes at `at` are written soon. `at` need not be valid. */
static inline void prefetch_for_write(const void *at)
{
    __builtin_prefetch(at, 1);
}
