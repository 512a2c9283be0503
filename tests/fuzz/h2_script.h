/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz input as a script: frames from the peer, mixed with what a request core does.
 *
 * Shape:     op < 0xa0   a frame: type = op mod 12, then flags, stream, length, payload
 *            else        an act: op mod 16, then one octet of argument
 */
#pragma once

#define PAIR_STREAMS_MAX 128

#include "tests/unit/pop/http/h2_pair.h"
#include "tests/unit/pop/http/h2_raw.h"

struct script {
    const uint8_t *at, *end;
    struct pair *pair;
    struct http_session *session; /* the one under test */
};

static inline uint8_t script_take(struct script *script)
{
    return script->at < script->end ? *script->at++ : 0;
}

static inline void script_frame(struct script *script, uint8_t op)
{
    static struct raw raw;
    uint8_t flags = script_take(script), stream = script_take(script);
    size_t len = script_take(script);
    if (len > (size_t)(script->end - script->at))
        len = (size_t)(script->end - script->at);
    raw.len = 0;
    raw_frame(&raw, op % 12, flags, stream & 0x1f, script->at, len);
    script->at += len;
    raw_send(&raw, script->session);
}

static inline void script_produce(struct script *script, size_t capacity)
{
    uint8_t *out = malloc(capacity);
    if (out == NULL)
        abort();
    if (script->session->ops->produce(script->session, out, capacity) > capacity)
        abort();
    free(out);
}

static inline void script_swallow(struct pipe *pipe, size_t max)
{
    pipe_consume(pipe, pipe->len < max ? pipe->len : max);
}

static inline void script_feed(struct pipe *pipe, size_t len)
{
    static const uint8_t zeros[256];
    if (!pipe->is_ended && !pipe->is_broken)
        pipe_write(pipe, zeros, len);
}

static inline void script_end(struct pipe *pipe)
{
    static struct http_field field = { .name = { "x", 1 }, .value = { "y", 1 } };
    const struct http_head trailers = { .content_length = -1, .fields = &field, .field_count = 1 };
    if (!pipe->is_ended && !pipe->is_broken)
        pipe_end(pipe, pipe->written_bytes % 2 == 0 ? NULL : &trailers);
}

/* Runs it; `act` does what is special to one end. */
static inline void script_run(struct script *script, void (*act)(struct script *, uint8_t, uint8_t))
{
    while (script->at < script->end && !script->session->is_over) {
        uint8_t op = script_take(script);
        if (op < 0xa0) {
            script_frame(script, op);
            continue;
        }
        uint8_t argument = script_take(script);
        switch (op % 16) {
        case 0:
        case 1:
            script_produce(script, 1 + argument);
            break;
        case 2:
            script_produce(script, 65536);
            break;
        case 3:
            script->session->ops->ping(script->session);
            break;
        case 4:
            script->session->ops->drain(script->session, argument % 2 != 0);
            break;
        default:
            act(script, op % 16, argument);
        }
    }
    if (script->session->ops->wants_write(script->session))
        script_produce(script, 65536);
    pair_free(script->pair);
}
