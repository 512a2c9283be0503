/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

enum { ALIGNMENT = 8 };

struct arena_chunk {
    struct arena_chunk *next;
    uint8_t bytes[];
};

void arena_init(struct arena *arena, size_t chunk_bytes)
{
    *arena = (struct arena){ .chunk_bytes = chunk_bytes };
}

void arena_lend(struct arena *arena, void *bytes, size_t size)
{
    arena->at = bytes;
    arena->end = arena->at + size;
}

void arena_fini(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena_init(arena, arena->chunk_bytes);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t room)
{
    size_t total = sizeof(struct arena_chunk) + room;
    struct arena_chunk *chunk = mem_resize(NULL, total, 1);
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->total_bytes += total;
    return chunk;
}

uint8_t *arena_bytes(struct arena *arena, size_t size)
{
    if (arena->at != NULL && size <= (size_t)(arena->end - arena->at)) {
        uint8_t *piece = arena->at;
        arena->at += size;
        return piece;
    }
    /* A large piece gets its own chunk: the open one may still have room for small ones. */
    if (size > arena->chunk_bytes / 4)
        return add_chunk(arena, size)->bytes;
    struct arena_chunk *chunk = add_chunk(arena, arena->chunk_bytes);
    arena->at = chunk->bytes + size;
    arena->end = chunk->bytes + arena->chunk_bytes;
    return chunk->bytes;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t gap = (ALIGNMENT - (uintptr_t)arena->at % ALIGNMENT) % ALIGNMENT;
    if (arena->at != NULL && gap <= (size_t)(arena->end - arena->at))
        arena->at += gap;
    return arena_bytes(arena, size);
}

struct str arena_str(struct arena *arena, struct str text)
{
    if (text.len == 0)
        return (struct str){ .ptr = "", .len = 0 };
    char *copy = (char *)arena_bytes(arena, text.len);
    memcpy(copy, text.ptr, text.len);
    return (struct str){ .ptr = copy, .len = text.len };
}
