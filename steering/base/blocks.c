/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/blocks.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/prefetch.h"

#if defined(__SANITIZE_ADDRESS__)
enum { KEEPS = 0 };
#elif defined(__has_feature)
enum { KEEPS = !__has_feature(address_sanitizer) };
#else
enum { KEEPS = 1 };
#endif

/* Stands before the bytes that are given out. */
struct block {
    alignas(max_align_t) size_t size; /* with this; what the list says, or any above all lists */
    struct block *next;               /* of the kept */
};

static size_t list_of(size_t size)
{
    if (size <= BLOCKS_FINE_MAX)
        return (size - 1) / BLOCKS_FINE_BYTES;
    return BLOCKS_FINE + (size - BLOCKS_FINE_MAX - 1) / BLOCKS_COARSE_BYTES;
}

static size_t size_of_list(size_t list)
{
    if (list < BLOCKS_FINE)
        return (list + 1) * BLOCKS_FINE_BYTES;
    return BLOCKS_FINE_MAX + (list - BLOCKS_FINE + 1) * BLOCKS_COARSE_BYTES;
}

void blocks_init(struct blocks *blocks, size_t kept_max)
{
    *blocks = (struct blocks){ .kept_max = KEEPS ? kept_max : 0 };
}

void blocks_fini(struct blocks *blocks)
{
    for (size_t i = 0; i < BLOCKS_LISTS; i++) {
        while (blocks->kept[i] != NULL) {
            struct block *next = blocks->kept[i]->next;
            free(blocks->kept[i]);
            blocks->kept[i] = next;
        }
    }
    blocks->kept_bytes = 0;
}

static struct block *from_system(size_t size)
{
    struct block *block = malloc(size);
    if (block != NULL)
        block->size = size;
    return block;
}

static void *bytes_of(struct block *block)
{
    return block == NULL ? NULL : block + 1;
}

void *blocks_take(struct blocks *blocks, size_t size)
{
    if (size > BLOCKS_SIZE_MAX - sizeof(struct block))
        return size > SIZE_MAX - sizeof(struct block)
                   ? NULL
                   : bytes_of(from_system(size + sizeof(struct block)));
    size_t list = list_of(size + sizeof(struct block));
    struct block *block = blocks->kept[list];
    if (block == NULL)
        return bytes_of(from_system(size_of_list(list)));
    blocks->kept[list] = block->next;
    blocks->kept_bytes -= block->size;
    prefetch_for_write(block->next);
    return block + 1;
}

void blocks_give(struct blocks *blocks, void *ptr)
{
    if (ptr == NULL)
        return;
    struct block *block = (struct block *)ptr - 1;
    if (block->size > BLOCKS_SIZE_MAX || blocks->kept_bytes + block->size > blocks->kept_max) {
        free(block);
        return;
    }
    size_t list = list_of(block->size);
    block->next = blocks->kept[list];
    blocks->kept[list] = block;
    blocks->kept_bytes += block->size;
}

void *blocks_resize(struct blocks *blocks, void *ptr, size_t size)
{
    if (ptr == NULL)
        return blocks_take(blocks, size);
    size_t room = ((struct block *)ptr - 1)->size - sizeof(struct block);
    if (size <= room)
        return ptr;
    void *bigger = blocks_take(blocks, size);
    if (bigger != NULL) {
        memcpy(bigger, ptr, room);
        blocks_give(blocks, ptr);
    }
    return bigger;
}
