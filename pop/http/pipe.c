/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/pipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/prefetch.h"

struct pipe_chunk {
    struct pipe_chunk *next;
    uint32_t len;
    bool is_retained; /* read, and kept for a replay only: counted in pool->retained_bytes */
    uint8_t bytes[PIPE_CHUNK_BYTES];
};

const char *http_error_name(enum http_error error)
{
    static const char *const names[] = {
#define X(name, text) text,
        HTTP_ERROR_LIST(X)
#undef X
    };
    return (size_t)error < ARRAY_SIZE(names) ? names[error] : "unknown";
}

/* ---- the pool -------------------------------------------------------------------------------- */

void pipe_pool_init(struct pipe_pool *pool, size_t free_max, size_t retained_max)
{
    *pool = (struct pipe_pool){ .free_max = free_max, .retained_max = retained_max };
    blocks_init(&pool->blocks, free_max * PIPE_CHUNK_BYTES);
}

void pipe_pool_fini(struct pipe_pool *pool)
{
    assert(pool->live_bytes == 0);
    while (pool->free_chunks != NULL) {
        struct pipe_chunk *next = pool->free_chunks->next;
        free(pool->free_chunks);
        pool->free_chunks = next;
    }
    pool->free_count = 0;
    free(pool->frame);
    pool->frame = NULL;
    blocks_fini(&pool->blocks);
}

static struct pipe_chunk *take_chunk(struct pipe_pool *pool)
{
    struct pipe_chunk *chunk = pool->free_chunks;
    if (chunk != NULL) {
        pool->free_chunks = chunk->next;
        pool->free_count--;
        prefetch_for_write(chunk->next);
    } else {
        /* Not zeroed: only bytes that were written are ever read. */
        chunk = mem_resize(NULL, 1, sizeof(*chunk));
    }
    chunk->next = NULL;
    chunk->len = 0;
    chunk->is_retained = false;
    pool->live_bytes += PIPE_CHUNK_BYTES;
    return chunk;
}

static void give_chunk(struct pipe_pool *pool, struct pipe_chunk *chunk)
{
    pool->live_bytes -= PIPE_CHUNK_BYTES;
    if (chunk->is_retained)
        pool->retained_bytes -= PIPE_CHUNK_BYTES;
    if (pool->free_count >= pool->free_max) {
        free(chunk);
        return;
    }
    chunk->next = pool->free_chunks;
    pool->free_chunks = chunk;
    pool->free_count++;
}

/* ---- chunks of one pipe ---------------------------------------------------------------------- */

void pipe_init(struct pipe *pipe, struct pipe_pool *pool)
{
    *pipe = (struct pipe){ .pool = pool };
    pipe->trailers.content_length = -1;
}

static void give_first(struct pipe *pipe)
{
    struct pipe_chunk *chunk = pipe->first;
    pipe->first = chunk->next;
    if (pipe->at == chunk) {
        pipe->at = chunk->next;
        pipe->at_offset = 0;
    }
    if (pipe->first == NULL)
        pipe->last = NULL;
    give_chunk(pipe->pool, chunk);
}

static bool is_read(const struct pipe *pipe, const struct pipe_chunk *chunk)
{
    return chunk != pipe->at || pipe->at_offset == chunk->len;
}

/* Gives back what was read, up to where the reader is. */
static void give_read(struct pipe *pipe)
{
    while (pipe->first != NULL && is_read(pipe, pipe->first)) {
        bool was_at = pipe->first == pipe->at;
        give_first(pipe);
        if (was_at)
            break; /* all that follows is unread */
    }
}

void pipe_fini(struct pipe *pipe)
{
    while (pipe->first != NULL)
        give_first(pipe);
    pipe->len = 0;
}

/* ---- the writer's side ----------------------------------------------------------------------- */

static void tell_reader(struct pipe *pipe)
{
    if (pipe->on_readable != NULL)
        pipe->on_readable(pipe->reader, pipe);
}

static void tell_writer(struct pipe *pipe, size_t fresh)
{
    if (fresh > 0 && pipe->on_consumed != NULL)
        pipe->on_consumed(pipe->writer, pipe, fresh);
}

static void add_chunk(struct pipe *pipe)
{
    struct pipe_chunk *chunk = take_chunk(pipe->pool);
    if (pipe->last == NULL)
        pipe->first = chunk;
    else
        pipe->last->next = chunk;
    pipe->last = chunk;
    if (pipe->at == NULL || pipe->at_offset == pipe->at->len) {
        pipe->at = chunk;
        pipe->at_offset = 0;
    }
}

void pipe_write(struct pipe *pipe, const void *bytes, size_t len)
{
    assert(!pipe->is_ended && !pipe->is_broken);
    if (len == 0)
        return;
    pipe->written_bytes += len;
    if (pipe->is_drained) {
        pipe->consumed_bytes += len;
        tell_writer(pipe, len);
        return;
    }
    const uint8_t *from = bytes;
    pipe->len += len;
    while (len > 0) {
        if (pipe->last == NULL || pipe->last->len == PIPE_CHUNK_BYTES)
            add_chunk(pipe);
        struct pipe_chunk *chunk = pipe->last;
        size_t room = PIPE_CHUNK_BYTES - chunk->len;
        size_t part = len < room ? len : room;
        memcpy(chunk->bytes + chunk->len, from, part);
        chunk->len += (uint32_t)part;
        from += part;
        len -= part;
    }
    tell_reader(pipe);
}

void pipe_end(struct pipe *pipe, const struct http_head *trailers)
{
    assert(!pipe->is_ended && !pipe->is_broken);
    pipe->is_ended = true;
    if (trailers != NULL)
        pipe->trailers = *trailers;
    tell_reader(pipe);
}

void pipe_break(struct pipe *pipe, enum http_error error)
{
    if (pipe->is_ended || pipe->is_broken)
        return;
    pipe->is_broken = true;
    pipe->error = error;
    tell_reader(pipe);
}

/* ---- the reader's side ----------------------------------------------------------------------- */

void pipe_attach(struct pipe *pipe, void (*on_readable)(void *, struct pipe *), void *reader)
{
    assert(pipe->on_readable == NULL);
    pipe->on_readable = on_readable;
    pipe->reader = reader;
}

void pipe_detach(struct pipe *pipe)
{
    pipe->on_readable = NULL;
    pipe->reader = NULL;
}

struct str pipe_peek(const struct pipe *pipe)
{
    if (pipe->len == 0)
        return STR("");
    return (struct str){ .ptr = (const char *)pipe->at->bytes + pipe->at_offset,
                         .len = pipe->at->len - pipe->at_offset };
}

/* The chunk under the reader has been read: keep it for a replay, or give it back. */
static void leave_chunk(struct pipe *pipe)
{
    struct pipe_pool *pool = pipe->pool;
    struct pipe_chunk *chunk = pipe->at;
    if (pipe->retain_max > 0 && !chunk->is_retained) {
        if (pool->retained_bytes + PIPE_CHUNK_BYTES > pool->retained_max) {
            pipe->retain_max = 0;
        } else {
            pool->retained_bytes += PIPE_CHUNK_BYTES;
            chunk->is_retained = true;
        }
    }
    if (pipe->retain_max == 0) {
        give_read(pipe);
    } else if (chunk->next != NULL) {
        pipe->at = chunk->next;
        pipe->at_offset = 0;
    }
}

void pipe_consume(struct pipe *pipe, size_t len)
{
    assert(len <= pipe->len);
    uint64_t reached = pipe->written_bytes - pipe->len + len;
    /* Decided before any chunk is left, so that none is kept in vain. */
    if (reached > pipe->retain_max)
        pipe_forget(pipe);
    pipe->len -= len;
    while (len > 0) {
        size_t room = pipe->at->len - pipe->at_offset;
        size_t part = len < room ? len : room;
        pipe->at_offset += part;
        len -= part;
        if (part == room)
            leave_chunk(pipe);
    }
    if (reached > pipe->consumed_bytes) {
        size_t fresh = (size_t)(reached - pipe->consumed_bytes);
        pipe->consumed_bytes = reached;
        tell_writer(pipe, fresh);
    }
}

bool pipe_is_finished(const struct pipe *pipe)
{
    return pipe->len == 0 && (pipe->is_ended || pipe->is_broken);
}

/* ---- the request core's ---------------------------------------------------------------------- */

void pipe_retain(struct pipe *pipe, size_t max)
{
    assert(pipe->consumed_bytes == 0);
    if (!pipe->is_drained)
        pipe->retain_max = max;
}

bool pipe_can_rewind(const struct pipe *pipe)
{
    return !pipe->is_drained && (pipe->consumed_bytes == 0 || pipe->retain_max > 0);
}

void pipe_rewind(struct pipe *pipe)
{
    assert(pipe_can_rewind(pipe) && pipe->on_readable == NULL);
    pipe->at = pipe->first;
    pipe->at_offset = 0;
    pipe->len = (size_t)pipe->written_bytes;
}

void pipe_forget(struct pipe *pipe)
{
    if (pipe->retain_max == 0)
        return;
    pipe->retain_max = 0;
    give_read(pipe);
}

void pipe_discard(struct pipe *pipe)
{
    pipe->is_drained = true;
    pipe->retain_max = 0;
    pipe_detach(pipe);
    pipe_fini(pipe);
    size_t fresh = (size_t)(pipe->written_bytes - pipe->consumed_bytes);
    pipe->consumed_bytes = pipe->written_bytes;
    tell_writer(pipe, fresh);
}
