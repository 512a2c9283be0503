/* SPDX-License-Identifier: Apache-2.0 */
/* Base 64 with padding.
 * Threads:   any.
 * Source:    RFC 4648 section 4
 */
#pragma once

#include "steering/base/str.h"

#define BASE64_TEXT_LEN(len) (((len) + 2) / 3 * 4)

/* Writes BASE64_TEXT_LEN(len) characters, no NUL. */
void base64_format(const void *bytes, size_t len, char *out_text);
/* Is it the one right spelling of exactly `len` bytes? (padding, and no stray bits in the last
 * character) */
bool base64_is_of(struct str text, size_t len);
