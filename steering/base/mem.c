/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/limits.h"

enum { FIRST_CAPACITY = LIMIT(8, 1) };

void mem_exhausted(void)
{
    fputs("fatal: out of memory\n", stderr);
    abort();
}

static void *checked(void *ptr)
{
    if (ptr == NULL)
        mem_exhausted();
    return ptr;
}

static size_t product(size_t count, size_t size)
{
    size_t total = 0;
    bool overflow = __builtin_mul_overflow(count, size, &total);
    assert(!overflow);
    return total > 0 ? total : 1;
}

void *mem_calloc(size_t count, size_t size)
{
    return checked(calloc(1, product(count, size)));
}

void *mem_resize(void *ptr, size_t count, size_t size)
{
    return checked(realloc(ptr, product(count, size)));
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_calloc(len + 1, 1);
    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void *mem_dup(const void *bytes, size_t size)
{
    void *copy = mem_calloc(1, size);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

void *mem_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    assert(count <= *capacity);
    if (items != NULL && count < *capacity)
        return items;
    size_t bigger = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
    void *grown = mem_resize(items, bigger, size);
    *capacity = bigger;
    return grown;
}
