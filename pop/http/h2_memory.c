/* SPDX-License-Identifier: Apache-2.0 */
/* Two large things that nghttp2 holds for each session, also while it is idle.
 *
 * A buffer of 16 KiB for the frame being sent. Nothing in it outlives h2_produce (what is left of a
 * frame is copied, content never passes through it), and a worker runs one h2_produce at a time: so
 * all of its sessions get the same buffer, which stays warm in the cache besides.
 *
 * A table of streams, 4 KiB of zeros while there are none. It gets a page of its own, which h2_rest
 * gives to the kernel: zeros come back when it is touched again.
 *
 * The handful of small pieces of each stream and frame are kept blocks. */
#include <stdlib.h>
#include <sys/mman.h>

#include "pop/http/h2_common_priv.h"
#include "steering/base/mem.h"

enum { PAGE_BYTES = 4096 };

static struct blocks *blocks_of(struct h2_session *session)
{
    return &session->base.pool->blocks;
}

static void *take_zeroed(struct blocks *blocks, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *bytes = blocks_take(blocks, total);
    if (bytes != NULL)
        memset(bytes, 0, total);
    return bytes;
}

static void *on_malloc(size_t size, void *user)
{
    return blocks_take(blocks_of(user), size);
}

static void *on_calloc(size_t count, size_t size, void *user)
{
    struct h2_session *session = user;
    if (!session->base.pool->is_frame_wanted || session->page != NULL || count == 1 ||
        count * size != PAGE_BYTES)
        return take_zeroed(blocks_of(session), count, size);
    session->page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
    if (session->page != NULL)
        memset(session->page, 0, PAGE_BYTES);
    return session->page;
}

static void *leave_page(struct h2_session *session, size_t size)
{
    void *bytes = blocks_take(blocks_of(session), size);
    if (bytes == NULL)
        return NULL;
    memcpy(bytes, session->page, size < PAGE_BYTES ? size : PAGE_BYTES);
    free(session->page);
    session->page = NULL;
    return bytes;
}

/* A chain of buffers grows when a head does not fit into the first: only that one is shared. */
static void *on_realloc(void *ptr, size_t size, void *user)
{
    struct h2_session *session = user;
    struct pipe_pool *pool = session->base.pool;
    if (ptr != NULL && ptr == session->page)
        return leave_page(session, size);
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
        return blocks_resize(&pool->blocks, ptr, size);
    void *own = size <= pool->frame_bytes ? ptr : blocks_take(&pool->blocks, size);
    if (own != NULL && own != ptr)
        memcpy(own, ptr, pool->frame_bytes);
    return own;
}

static void on_free(void *ptr, void *user)
{
    struct h2_session *session = user;
    if (ptr != NULL && ptr == session->page) {
        free(session->page);
        session->page = NULL;
    } else if (ptr != session->base.pool->frame) {
        blocks_give(blocks_of(session), ptr);
    }
}

nghttp2_mem h2_memory_begin(struct h2_session *session)
{
    session->base.pool->is_frame_wanted = true;
    return (nghttp2_mem){ .mem_user_data = session,
                          .malloc = on_malloc,
                          .free = on_free,
                          .calloc = on_calloc,
                          .realloc = on_realloc };
}

void h2_memory_end(struct h2_session *session)
{
    session->base.pool->is_frame_wanted = false;
}

/* Whatever nghttp2 uses the page for: as it is all zeros, nothing is lost. */
void h2_rest(struct http_session *base)
{
    const struct h2_session *session = h2_session_of(base);
    const uint8_t *page = session->page;
    if (page == NULL || page[0] != 0 || memcmp(page, page + 1, PAGE_BYTES - 1) != 0)
        return;
    (void)madvise(session->page, PAGE_BYTES, MADV_DONTNEED); /* larger pages: refused, no harm */
}
