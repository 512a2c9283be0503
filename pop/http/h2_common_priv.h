/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of HTTP/2 share: a session and a stream around nghttp2, and content in both
 * directions.
 *
 * Shape:     receive -> nghttp2_session_mem_recv -> callbacks -> h2_role (server or client)
 *            produce <- nghttp2_session_mem_send <- content straight from the pipe that a stream
 *                       sends into the caller's buffer: copied once
 * Threads:   one worker's own.
 * Ownership: a stream is freed when it is closed and released; it stays in its session's list
 *            until then, so that a session that goes first can cut the tie.
 * Source:    RFC 9113
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "pop/http/codec.h"
#include "pop/http/hpack_encoder.h"
#include "pop/http/score.h"
#include "pop/http/window.h"

enum {
    H2_FRAME_HEAD_BYTES = 9,
    H2_FRAME_BYTES = 16 * 1024, /* of content; one TLS record's worth */
    /* With less room than that no frame of content is begun: no confetti at a buffer's end. */
    H2_ROOM_MIN = 256,
    H2_ARENA_BYTES = LIMIT(4000, 256),
    H2_INFORMS_MAX = 32,
};

/* The first byte of our PINGs says what its answer is for. */
enum { H2_PING_OF_OWNER = 1, H2_PING_OF_DRAIN = 2 };

struct h2_session;

/* A head that waits for its turn to be sent. */
struct h2_said {
    struct h2_said *next;
    struct http_head head;
    enum { H2_REQUEST, H2_RESPONSE, H2_TRAILERS } kind;
};

struct h2_stream {
    struct h2_session *session; /* NULL after it was freed */
    struct h2_stream *next, **link;
    int32_t id; /* 0: not submitted yet */

    /* Incoming. */
    struct arena *arena;
    struct http_head *head; /* the message's */
    struct http_head trailers;
    struct str host;
    struct pipe *in;
    size_t head_bytes;
    struct window window;
    uint16_t cookies;  /* crumbs in the head */
    uint16_t informs;  /* 1xx that came */
    bool has_head;     /* the (final) head is complete: more fields are trailers */
    bool is_too_large; /* fields beyond the limit were left out */
    bool is_in_ended;  /* END_STREAM came */
    bool is_reset_by_peer;

    /* Outgoing. */
    struct h2_said *said; /* heads that nghttp2 will come to, in order */
    struct pipe *out;     /* NULL: nothing, or no more */
    bool is_deferred;     /* nghttp2 waits for h2_resume */
    bool is_starved;      /* by the peer's window: content waits */
    bool is_out_ended;

    enum http_error error; /* why we have reset it */
    bool is_closed, is_released;
    bool is_telling; /* inside close, whose listeners may release it */
    void (*destroy)(struct h2_stream *stream);
    uint64_t *out_bytes; /* content produced; NULL: not counted */
};

/* What differs between the two ends. `stream` is never NULL. */
struct h2_role {
    /* A request begins: a new stream; NULL: refuse it. Server only. */
    struct h2_stream *(*on_begin)(struct h2_session *session, int32_t id);
    /* A header block is complete; also the trailers' (has_head was set before). */
    void (*on_head)(struct h2_stream *stream, bool is_end);
    /* nghttp2 knows it no more. */
    void (*on_close)(struct h2_stream *stream, uint32_t code);
    void (*on_goaway)(struct h2_session *session, const nghttp2_goaway *frame);
    void (*on_settings)(struct h2_session *session);
    void (*on_sent)(struct h2_stream *stream, const nghttp2_frame *frame);
    /* Before each frame is produced: client requests that wait are submitted here. */
    void (*on_turn)(struct h2_session *session);
};

/* Bytes that wait to be copied out. */
struct h2_piece {
    const uint8_t *at;
    size_t len;
};

struct h2_session {
    struct http_session base; /* first */
    nghttp2_session *ng;
    const struct h2_role *role;
    struct h2_stream *streams;        /* not yet freed, newest first */
    struct h2_stream *heading;        /* whose header block comes in now; NULL: nobody's */
    struct h2_stream *recent;         /* that nghttp2 was asked for last, as long as it knows it */
    int32_t newest_id;                /* of the peer's streams... */
    int32_t skipped_from, skipped_to; /* ...and those that it left out last */
    struct score score;
    struct window_budget budget;
    bool is_server;
    bool is_busy; /* in receive or produce: no need to ask for a flush */
    bool has_settings;
    bool is_drain_pinged; /* GOAWAY(final) follows the answer */
    bool goaway_due;      /* with the last id, as soon as it can leave */
    uint32_t goaway_code;
    bool is_window_bound; /* the frame being made is as long as a window lets it */

    /* Output. */
    struct hpack_encoder encoder;
    bool has_said;         /* nghttp2 makes HEADERS, which we have written... */
    struct h2_piece said;  /* ...but for these octets, in `block` */
    uint8_t *block;        /* inside produce only; NULL: none */
    struct h2_piece spilt; /* in `spill`; goes before `left` */
    struct h2_piece left;  /* of the frame that nghttp2 gave last */
    void *page;            /* of nghttp2's table of streams; NULL: it went (h2_memory.c) */
    uint8_t *kept;         /* where `left` lies between two calls of produce; NULL: nothing left */
    uint8_t *out;          /* inside produce only */
    size_t room;
    uint32_t content_frames; /* sent since the last receive */
    uint32_t starved;        /* streams with is_starved */
    uint8_t spill[H2_ROOM_MIN];
};

static inline struct h2_session *h2_session_of(struct http_session *session)
{
    return (struct h2_session *)(void *)session;
}

/* NULL: nghttp2 does not know it, or no more. Several callbacks in a row are about one stream. */
static inline struct h2_stream *h2_stream_of(struct h2_session *session, int32_t id)
{
    if (session->recent == NULL || session->recent->id != id)
        session->recent = nghttp2_session_get_stream_user_data(session->ng, id);
    return session->recent;
}

/* Inside produce; there is room. */
static inline void h2_put(struct h2_session *session, const void *bytes, size_t len)
{
    memcpy(session->out, bytes, len);
    session->out += len;
    session->room -= len;
}

/* ---- h2_memory.c: nghttp2's memory ------------------------------------------------------------
 */

/* To make session->ng with. */
nghttp2_mem h2_memory_begin(struct h2_session *session);
void h2_memory_end(struct h2_session *session); /* it is made */
void h2_rest(struct http_session *base);

/* ---- h2_common.c -----------------------------------------------------------------------------
 */

/* Makes session->ng, with its windows and limits, and submits SETTINGS. `base` is filled. */
void h2_session_start(struct h2_session *session, const struct h2_role *role, bool is_server);
/* Cuts the tie to all streams and frees nghttp2's part; all streams were closed before. */
void h2_session_fini(struct h2_session *session);
/* Asks for a flush if there is something to produce and nobody is about to look. */
void h2_wake(struct h2_session *session);
/* Why it is over; the first cause stays. */
void h2_fail(struct h2_session *session, enum http_error error, const char *reason);
/* Misbehaviour: may drain or close the session. */
void h2_charge(struct h2_session *session, enum score_act act);

void h2_receive(struct http_session *base, const uint8_t *bytes, size_t len);
void h2_receive_end(struct http_session *base);
size_t h2_produce(struct http_session *base, uint8_t *out, size_t capacity);
bool h2_wants_write(const struct http_session *base);
bool h2_wants_read(const struct http_session *base);
void h2_ping(struct http_session *session);
/* GOAWAY with the last id, after GOAWAY with the highest one. Server only. */
void h2_goaway(struct h2_session *session, bool is_final);
void h2_goaway_after_ping(struct h2_session *session);

void h2_write_frame_head(uint8_t *at, const nghttp2_frame_hd *head); /* H2_FRAME_HEAD_BYTES */

/* nghttp2's callbacks (h2_input.c, h2_output.c). */
void h2_input_register(nghttp2_session_callbacks *calls);
void h2_output_register(nghttp2_session_callbacks *calls);

/* ---- streams --------------------------------------------------------------------------------- */

void h2_stream_open(struct h2_stream *stream, struct h2_session *session);
/* Counts it as closed, breaks `in` with `error` unless it ended, lets go of `out`. */
void h2_stream_close(struct h2_stream *stream, enum http_error error);
/* Frees it if it is closed and released. */
void h2_stream_settle(struct h2_stream *stream);
void h2_stream_unlink(struct h2_stream *stream);
/* Memory for a stream of `size` bytes, zeroed, and for its arena: one block of the pool. */
void *h2_stream_new(struct pipe_pool *pool, size_t size, struct arena *out_arena);
struct h2_stream *h2_first_open(const struct h2_session *session); /* NULL: none */
void h2_reset(struct h2_stream *stream, enum http_error error);
/* The stream is to send what is in `pipe`; nghttp2_submit_* takes the provider. */
void h2_attach(struct h2_stream *stream, struct pipe *pipe);
nghttp2_data_provider h2_provider(struct h2_stream *stream);
void h2_detach(struct h2_stream *stream);
/* Does content of it wait for the peer's window? */
void h2_set_starved(struct h2_stream *stream, bool is_starved);
uint32_t h2_code_of(enum http_error error);
/* The head is there: room for the content that it announces. */
void h2_expect(struct h2_stream *stream);
/* What is consumed from `in` becomes credit for the peer. */
void h2_listen(struct h2_stream *stream);
/* END_STREAM came. */
void h2_end(struct h2_stream *stream);

/* ---- heads (h2_head.c) ----------------------------------------------------------------------- */

/* nghttp2 keeps the state of streams and says when HEADERS are due; it is given a head without
 * fields, and the field block in its place is ours (h2_say), coded into the buffer that is sent.
 *
 * Each must be followed by the nghttp2_submit_* that makes the frame. Interim responses and
 * trailers are copied. What a request's head points at, and the texts of a response's fields, are
 * borrowed until it was sent, or h2_unqueue. */
void h2_queue_request(struct h2_stream *stream, const struct http_head *head);
void h2_queue_response(struct h2_stream *stream, const struct http_head *head);
/* False: none of the fields may be in trailers, nothing is queued. */
bool h2_queue_trailers(struct h2_stream *stream, const struct http_head *head);
void h2_unqueue(struct h2_stream *stream);
/* Writes the next of them: nghttp2 is about to send HEADERS with `flags`. */
void h2_say(struct h2_stream *stream, uint8_t flags);
/* Takes one field in; false: the stream must be reset. `flags` are nghttp2's: what must never be
 * indexed stays so (RFC 7541 section 6.2.3). */
bool h2_head_take(struct h2_stream *stream, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                  uint8_t flags);
/* The block is complete: joins cookie crumbs. */
void h2_head_finish(struct h2_stream *stream);
