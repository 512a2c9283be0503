/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum { FIRST_CAPACITY = LIMIT(256, 1) };

void buf_init(struct buf *buf, size_t max_bytes)
{
    assert(max_bytes < SIZE_MAX); /* the terminator needs one more */
    *buf = (struct buf){ .max_bytes = max_bytes };
}

void buf_fini(struct buf *buf)
{
    free(buf->bytes);
    *buf = (struct buf){ .max_bytes = buf->max_bytes };
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->is_overflown = false;
}

/* One byte beyond the ceiling is kept for the terminator of buf_text. */
static bool reserve(struct buf *buf, size_t extra)
{
    if (buf->is_overflown || extra > buf->max_bytes - buf->len) {
        buf->is_overflown = true;
        return false;
    }
    size_t wanted = buf->len + extra + 1;
    if (wanted <= buf->capacity)
        return true;
    size_t bigger = buf->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buf->capacity * 2;
    if (bigger < wanted)
        bigger = wanted;
    if (bigger > buf->max_bytes + 1)
        bigger = buf->max_bytes + 1;
    buf->bytes = mem_resize(buf->bytes, bigger, 1);
    buf->capacity = bigger;
    return true;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0 || !reserve(buf, len))
        return;
    memcpy(buf->bytes + buf->len, bytes, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, struct str text)
{
    buf_append(buf, text.ptr, text.len);
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_vformat(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    if (reserve(buf, (size_t)len)) {
        vsnprintf((char *)buf->bytes + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void buf_append_format(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_vformat(buf, format, args);
    va_end(args);
}

void buf_consume(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (buf->len > 0)
        memmove(buf->bytes, buf->bytes + len, buf->len);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){ .ptr = (const char *)buf->bytes, .len = buf->len };
}

const char *buf_text(struct buf *buf)
{
    if (buf->bytes == NULL)
        return "";
    buf->bytes[buf->len] = '\0';
    return (const char *)buf->bytes;
}
