/* SPDX-License-Identifier: Apache-2.0 */
/* nghttp2 holds a buffer of 16 KiB for the frame that a session is sending, also while the session
 * is idle. Nothing in it outlives h2_produce (what is left of a frame is copied, content never
 * passes through it), and a worker runs one h2_produce at a time: so all of its sessions get the
 * same buffer, which stays warm in the cache besides. */
#include <stdlib.h>

#include "pop/http/h2_common_priv.h"
#include "steering/base/mem.h"

static void *on_malloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void *on_calloc(size_t count, size_t size, void *user)
{
    (void)user;
    return calloc(count, size);
}

/* A chain of buffers grows when a head does not fit into the first: only that one is shared. */
static void *on_realloc(void *ptr, size_t size, void *user)
{
    struct pipe_pool *pool = user;
    if (ptr == NULL && pool->is_frame_wanted && size > H2_FRAME_BYTES) {
        pool->is_frame_wanted = false;
        if (pool->frame == NULL) {
            pool->frame = mem_resize(NULL, size, 1);
            pool->frame_bytes = size;
        }
        if (size <= pool->frame_bytes)
            return pool->frame;
    }
    if (ptr == NULL || ptr != pool->frame)
        return realloc(ptr, size);
    void *own = size <= pool->frame_bytes ? ptr : malloc(size);
    if (own != NULL && own != ptr)
        memcpy(own, ptr, pool->frame_bytes);
    return own;
}

static void on_free(void *ptr, void *user)
{
    const struct pipe_pool *pool = user;
    if (ptr != pool->frame)
        free(ptr);
}

nghttp2_mem h2_memory_begin(struct pipe_pool *pool)
{
    pool->is_frame_wanted = true;
    return (nghttp2_mem){ .mem_user_data = pool,
                          .malloc = on_malloc,
                          .free = on_free,
                          .calloc = on_calloc,
                          .realloc = on_realloc };
}

void h2_memory_end(struct pipe_pool *pool)
{
    pool->is_frame_wanted = false;
}
