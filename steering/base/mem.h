/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that cannot fail: out of memory ends the process (no caller could do better, and a
 * supervisor restarts it from the last good state). Sizes that a peer or a file chooses are
 * checked against a named limit before they come here.
 * Threads:   any.
 */
#pragma once

#include <stddef.h>

/* Says so and ends the process: for a library that had no memory and did not end it by itself. */
void mem_exhausted(void) __attribute__((noreturn, cold));

/* Zeroed. Never NULL; `count * size` must not overflow (asserted). Free with free(). */
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* Resizes to `count` elements; new bytes are not initialised. `ptr` may be NULL. */
void *mem_resize(void *ptr, size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));
/* An owned, NUL-terminated copy of `len` bytes. */
char *mem_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
void *mem_dup(const void *bytes, size_t size) __attribute__((malloc, returns_nonnull));

/* Makes room for one more element in a doubling array: if `*capacity == count`, grows `items`
 * and updates `*capacity`. Returns the (possibly moved) array. */
void *mem_grow(void *items, size_t count, size_t *capacity, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));

/* The owner of an embedded member (libuv handles, list links). */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
