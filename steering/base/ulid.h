/* SPDX-License-Identifier: Apache-2.0 */
/* Sortable unique ids: 48 bits of Unix milliseconds, 80 random bits, Crockford base 32.
 * Threads:   any.
 */
#pragma once

#include <stdint.h>

enum { ULID_TEXT_MAX = 27 };

/* 26 characters; the same inputs give the same id. */
const char *ulid_format(int64_t unix_ms, uint64_t random_high, uint64_t random_low,
                        char out_text[ULID_TEXT_MAX]);
/* From the clock and the kernel's randomness. */
const char *ulid_new(char out_text[ULID_TEXT_MAX]);
