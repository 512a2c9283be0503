/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1.1 message on its way out: text, then content from a pipe in the framing chosen.
 *
 * Threads:   one worker's own.
 * Ownership: text and arena are borrowed until the message is over.
 * Source:    RFC 9112 sections 6 and 7
 */
#pragma once

#include "pop/http/h1_body.h"
#include "pop/http/pipe.h"

struct h1_out {
    struct arena *arena;
    struct str text; /* to produce before anything else */
    bool is_started; /* the (final) head has been given */
    enum h1_framing framing;
    struct pipe *body; /* NULL: none, or let go */
    uint64_t left;     /* of the stated length */
    size_t chunk_left; /* of the chunk whose size was produced */
    char size_line[24];
    bool is_ending;        /* the last text is on its way */
    enum http_error error; /* the message can not be completed */
    uint64_t content_bytes;
};

void h1_out_init(struct h1_out *out, struct arena *arena);
/* Queues an interim response. */
void h1_out_inform(struct h1_out *out, struct str text);
/* `length` counts with H1_LENGTH. Attaches to `body`, which may be NULL. */
void h1_out_start(struct h1_out *out, struct str text, enum h1_framing framing, uint64_t length,
                  struct pipe *body, void (*on_readable)(void *, struct pipe *), void *reader);
/* Bytes put into `to`. Stops for good at `error`. */
size_t h1_out_produce(struct h1_out *out, uint8_t *to, size_t capacity);
bool h1_out_wants(const struct h1_out *out);
/* All has been produced. */
bool h1_out_is_done(const struct h1_out *out);
/* Is it whole for the peer? (of a stated length the pipe need not have ended) */
bool h1_out_is_whole(const struct h1_out *out);
/* Lets go of the body. */
void h1_out_stop(struct h1_out *out);
