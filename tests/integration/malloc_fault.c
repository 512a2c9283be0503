/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a program (LD_PRELOAD), lets one of its allocations fail: the FAULT_AT-th, counted
 * from 1, and with FAULT_LASTS set each one after it, too. How many there were is written into the
 * file FAULT_COUNT. For glibc, whose own functions have second names. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void *real_malloc(size_t size) __asm__("__libc_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__libc_calloc");
void *real_realloc(void *block, size_t size) __asm__("__libc_realloc");

static struct {
    bool has_begun, lasts;
    unsigned long at, seen;
} fault;

/* What the loader and the libraries ask for before this is no allocation of the program. */
__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("FAULT_AT");
    fault.at = at != NULL ? strtoul(at, NULL, 10) : 0;
    fault.lasts = getenv("FAULT_LASTS") != NULL;
    fault.has_begun = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAULT_COUNT");
    fault.has_begun = false;
    FILE *file = path != NULL ? fopen(path, "we") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%lu\n", fault.seen);
    fclose(file);
}

static bool fails(void)
{
    if (!fault.has_begun)
        return false;
    fault.seen++;
    if (fault.at == 0 || fault.seen < fault.at || (fault.seen > fault.at && !fault.lasts))
        return false;
    errno = ENOMEM;
    return true;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc has reserved names. */
void *malloc(size_t size)
{
    return fails() ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : real_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : real_realloc(block, size);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
