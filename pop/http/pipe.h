/* SPDX-License-Identifier: Apache-2.0 */
/* The content of one message on its way from the codec that receives it to the codec that sends
 * it: a queue of bytes with an end, and with flow control by consumption.
 *
 * Shape:     writer --pipe_write--> [chunk][chunk][chunk] --pipe_peek, pipe_consume--> reader
 *                    <--on_consumed--                      --on_readable-->
 *
 *            then pipe_end (with trailers or without), or pipe_break when the message can not be
 *            completed: the reader must then make the truncation visible to its own peer.
 *            The writer promises no credit: it grants its peer more only from on_consumed. So an
 *            unattached pipe holds back the client instead of overflowing.
 *
 *            Replay: as long as no more than `retain_max` bytes have been consumed, they stay
 *            and pipe_rewind makes the reader's next peek begin at the first byte again.
 * Threads:   one worker's own.
 * Ownership: chunks come from the worker's pool and go back when read (or no longer retained).
 *            Trailers are borrowed: valid as long as the writer's message.
 * Limits:    a pipe has no ceiling of its own: the writer's window is. Retained bytes count
 *            against the pool's `retained_max`.
 */
#pragma once

#include "pop/http/head.h"
#include "steering/base/blocks.h"

enum { PIPE_CHUNK_BYTES = LIMIT(16 * 1024, 64) };

struct pipe_chunk;

/* One per worker: what content is in, and the blocks of the messages themselves. */
struct pipe_pool {
    struct pipe_chunk *free_chunks;
    size_t free_count, free_max; /* kept for later; beyond that they go back to the system */
    size_t live_bytes;           /* in chunks that pipes hold */
    size_t retained_bytes, retained_max;
    uint8_t *frame; /* shared by the worker's HTTP/2 sessions (h2_memory.c); NULL: none yet */
    size_t frame_bytes;
    bool is_frame_wanted; /* by the session that is being made */
    bool is_frame_busy;   /* by the session that produces */
    struct blocks blocks;
};
void pipe_pool_init(struct pipe_pool *pool, size_t free_max, size_t retained_max);
void pipe_pool_fini(struct pipe_pool *pool); /* all pipes and sessions are gone */

/* Why a message, stream or connection ended early. Texts are stable words for logs, metrics and
 * Proxy-Status. */
#define HTTP_ERROR_LIST(X)                                                                         \
    X(NONE, "none")                /* complete */                                                  \
    X(CANCELLED, "cancelled")      /* the other side does not want it any more */                  \
    X(REFUSED, "refused")          /* REFUSED_STREAM: certainly not processed */                   \
    X(PROTOCOL, "protocol_error")  /* what the peer sent is not HTTP */                            \
    X(TOO_LARGE, "too_large")      /* of head, chunk extension, trailers */                        \
    X(RESET, "reset")              /* reset by the peer with another code */                       \
    X(GOAWAY, "goaway")            /* above the last stream of a GOAWAY: not processed */          \
    X(CLOSED, "connection_closed") /* the connection ended below it */                             \
    X(TIMEOUT, "timeout")                                                                          \
    X(ENHANCE_YOUR_CALM, "enhance_your_calm")                                                      \
    X(INTERNAL, "internal_error")

enum http_error {
#define X(name, text) HTTP_ERROR_##name,
    HTTP_ERROR_LIST(X)
#undef X
};
const char *http_error_name(enum http_error error);

struct pipe {
    struct pipe_pool *pool;
    struct pipe_chunk *first, *last; /* `first` is the oldest retained, or the next to read */
    struct pipe_chunk *at;           /* the one being read */
    size_t at_offset;                /* into it */
    size_t len;                      /* bytes to read */
    uint64_t written_bytes, consumed_bytes; /* consumed: first time over; a replay does not count */
    size_t retain_max;                      /* 0: nothing is retained (any more) */
    bool is_ended, is_broken;
    bool is_drained;           /* discard what comes: the reader has gone for good */
    enum http_error error;     /* of a broken one */
    struct http_head trailers; /* of an ended one; field_count 0: none */

    /* Set by the codec that reads; NULL: nobody. Called after something was written, ended or
     * broken. May not destroy the pipe. */
    void (*on_readable)(void *reader, struct pipe *pipe);
    void *reader;
    /* Set by the codec that writes. `bytes` have been consumed for the first time. May not
     * destroy the pipe. */
    void (*on_consumed)(void *writer, struct pipe *pipe, size_t bytes);
    void *writer;
};

void pipe_init(struct pipe *pipe, struct pipe_pool *pool);
void pipe_fini(struct pipe *pipe);

/* ---- the writer's side ---- */
/* Copies. With nobody reading it queues; after pipe_discard it counts as consumed at once. */
void pipe_write(struct pipe *pipe, const void *bytes, size_t len);
/* `trailers` may be NULL. */
void pipe_end(struct pipe *pipe, const struct http_head *trailers);
void pipe_break(struct pipe *pipe, enum http_error error);

/* ---- the reader's side ---- */
void pipe_attach(struct pipe *pipe, void (*on_readable)(void *, struct pipe *), void *reader);
void pipe_detach(struct pipe *pipe);
/* The next contiguous bytes, without copying; empty when there are none now. */
struct str pipe_peek(const struct pipe *pipe);
void pipe_consume(struct pipe *pipe, size_t len);
/* All read, and ended or broken. */
bool pipe_is_finished(const struct pipe *pipe);

/* ---- the request core's ---- */
/* Before anything was consumed: keep up to `max` bytes for a replay. */
void pipe_retain(struct pipe *pipe, size_t max);
/* Could a further attempt have everything from the first byte? (nothing consumed, or all of it
 * retained) */
bool pipe_can_rewind(const struct pipe *pipe);
/* Asserts pipe_can_rewind; the reader must be detached. */
void pipe_rewind(struct pipe *pipe);
/* No replay any more: give retained chunks back. */
void pipe_forget(struct pipe *pipe);
/* Nobody will read this: swallow all that is there and all that comes, so that the writer's
 * connection keeps its credit. */
void pipe_discard(struct pipe *pipe);
