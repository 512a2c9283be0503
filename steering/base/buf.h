/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a ceiling chosen at birth.
 *
 * Threads:   owner only.
 * Ownership: `bytes` belongs to the buffer; free with buf_fini. Views of it are valid until the
 *            next append.
 * Limits:    never grows beyond `max_bytes`; an append that would is refused whole and sets
 *            `is_overflown`, which stays set: check it once at the end.
 */
#pragma once

#include <stdarg.h>

#include "steering/base/err.h"
#include "steering/base/str.h"

struct buf {
    uint8_t *bytes;
    size_t len;
    size_t capacity;
    size_t max_bytes;
    bool is_overflown;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory, resets is_overflown */
void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_str(struct buf *buf, struct str text);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_format(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_append_vformat(struct buf *buf, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* Removes `len` bytes from the front. */
void buf_consume(struct buf *buf, size_t len);
struct str buf_str(const struct buf *buf);
/* NUL-terminated view (the NUL is not counted in len). Valid until the next append. */
const char *buf_text(struct buf *buf);
