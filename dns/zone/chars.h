/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of ASCII characters, whatever the locale is.
 * Threads:   any (pure).
 */
#pragma once

#include <stdbool.h>

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static inline bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}
