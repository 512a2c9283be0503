/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is given out in pieces and freed all at once.
 *
 * Threads:   owner only.
 * Ownership: pieces belong to the arena; they never move.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "steering/base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    uint8_t *at, *end;
    size_t chunk_bytes; /* taken from the system at once, or more for a large piece */
    size_t total_bytes; /* taken from the system */
};

/* Takes no memory yet. */
void arena_init(struct arena *arena, size_t chunk_bytes);
/* The first pieces come from there: `bytes` are aligned, and outlive the arena. */
void arena_lend(struct arena *arena, void *bytes, size_t size);
void arena_fini(struct arena *arena);
/* Not zeroed; never NULL. Aligned for any type, except that arena_bytes is not aligned at all. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
uint8_t *arena_bytes(struct arena *arena, size_t size) __attribute__((returns_nonnull));
/* A copy of `text` in the arena; the empty string takes no room. */
struct str arena_str(struct arena *arena, struct str text);
