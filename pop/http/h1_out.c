/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_out.h"

#include <string.h>

#include "pop/http/h1_write.h"

void h1_out_init(struct h1_out *out, struct arena *arena)
{
    *out = (struct h1_out){ .arena = arena };
}

void h1_out_inform(struct h1_out *out, struct str text)
{
    if (out->text.len == 0) {
        out->text = text;
        return;
    }
    char *joined = (char *)arena_bytes(out->arena, out->text.len + text.len);
    memcpy(joined, out->text.ptr, out->text.len);
    memcpy(joined + out->text.len, text.ptr, text.len);
    out->text = (struct str){ .ptr = joined, .len = out->text.len + text.len };
}

/* rule zero: one call says all that a message is; a struct would only be filled and read once. */
void h1_out_start(struct h1_out *out, struct str text, enum h1_framing framing, uint64_t length,
                  struct pipe *body, void (*on_readable)(void *, struct pipe *), void *reader)
{
    h1_out_inform(out, text);
    out->is_started = true;
    out->framing = framing;
    out->left = framing == H1_LENGTH ? length : 0;
    out->body = body;
    if (body != NULL)
        pipe_attach(body, on_readable, reader);
}

void h1_out_stop(struct h1_out *out)
{
    if (out->body != NULL)
        pipe_detach(out->body);
    out->body = NULL;
    out->text = STR("");
}

/* A size line; the end of the chunk before is put in front of it. */
static void begin_chunk(struct h1_out *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *at = out->size_line + sizeof(out->size_line);
    *--at = '\n';
    *--at = '\r';
    out->chunk_left = len;
    for (; len > 0; len >>= 4)
        *--at = digits[len & 15];
    if (out->content_bytes > 0) {
        *--at = '\n';
        *--at = '\r';
    }
    out->text =
        (struct str){ .ptr = at, .len = (size_t)(out->size_line + sizeof(out->size_line) - at) };
}

static void end_chunks(struct h1_out *out)
{
    if (out->content_bytes > 0)
        h1_out_inform(out, STR("\r\n"));
    h1_out_inform(out, h1_write_last_chunk(&out->body->trailers, out->arena));
}

/* The pipe holds nothing more. */
static void finish(struct h1_out *out)
{
    bool is_short = out->framing == H1_LENGTH && out->left > 0;
    out->is_ending = true;
    /* A message without content is whole whatever became of the pipe. */
    if (out->body->is_broken && out->framing != H1_NO_BODY)
        out->error = out->body->error != HTTP_ERROR_NONE ? out->body->error : HTTP_ERROR_INTERNAL;
    else if (is_short)
        out->error = HTTP_ERROR_INTERNAL;
    else if (out->framing == H1_CHUNKED)
        end_chunks(out);
    pipe_detach(out->body);
    out->body = NULL;
}

/* Content may follow: how many bytes of `ready` can be produced as they are? */
static size_t judge_ready(struct h1_out *out, size_t ready)
{
    switch (out->framing) {
    case H1_CHUNKED:
        if (out->chunk_left == 0) {
            begin_chunk(out, ready);
            return 0;
        }
        return ready < out->chunk_left ? ready : out->chunk_left;
    case H1_LENGTH:
        if (ready > out->left)
            out->error = HTTP_ERROR_INTERNAL;
        return ready > out->left ? 0 : ready;
    case H1_CLOSE:
        return ready;
    case H1_NO_BODY:
        break;
    }
    pipe_consume(out->body, ready);
    return 0;
}

static size_t produce_content(struct h1_out *out, uint8_t *to, size_t capacity)
{
    struct str ready = pipe_peek(out->body);
    if (ready.len == 0) {
        if (pipe_is_finished(out->body))
            finish(out);
        return 0;
    }
    size_t len = judge_ready(out, ready.len);
    if (len > capacity)
        len = capacity;
    if (len == 0)
        return 0;
    memcpy(to, ready.ptr, len);
    out->content_bytes += len;
    if (out->framing == H1_LENGTH)
        out->left -= len;
    else if (out->framing == H1_CHUNKED)
        out->chunk_left -= len;
    pipe_consume(out->body, len);
    return len;
}

static bool has_content(const struct h1_out *out)
{
    return out->body != NULL && out->error == HTTP_ERROR_NONE &&
           (out->body->len > 0 || pipe_is_finished(out->body));
}

size_t h1_out_produce(struct h1_out *out, uint8_t *to, size_t capacity)
{
    size_t made = 0;
    while (made < capacity) {
        if (out->text.len > 0) {
            size_t room = capacity - made;
            size_t part = out->text.len < room ? out->text.len : room;
            memcpy(to + made, out->text.ptr, part);
            out->text.ptr += part;
            out->text.len -= part;
            made += part;
        } else if (has_content(out)) {
            made += produce_content(out, to + made, capacity - made);
        } else {
            break;
        }
    }
    return made;
}

bool h1_out_wants(const struct h1_out *out)
{
    return out->text.len > 0 || has_content(out);
}

bool h1_out_is_done(const struct h1_out *out)
{
    return out->is_started && out->text.len == 0 && out->body == NULL &&
           out->error == HTTP_ERROR_NONE;
}

bool h1_out_is_whole(const struct h1_out *out)
{
    bool is_long_enough = out->is_started && out->text.len == 0 && out->framing == H1_LENGTH &&
                          out->left == 0 && out->error == HTTP_ERROR_NONE;
    return is_long_enough || h1_out_is_done(out);
}
