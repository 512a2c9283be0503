/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions of name.h that every query goes through, to be inlined where it is parsed:
 * each is shorter than a call would make it. name.h says what they do. */
#pragma once

#include <string.h>

#include "dns/wire/name.h"

enum { NAME_LABEL_MAX_BYTES = 63 };

static inline size_t name_scan(const uint8_t *wire, size_t len)
{
    if (len > NAME_MAX_BYTES)
        len = NAME_MAX_BYTES;
    size_t at = 0;
    while (at < len) {
        size_t label = wire[at];
        if (label == 0)
            return at + 1;
        if (label > NAME_LABEL_MAX_BYTES)
            return 0;
        at += 1 + label;
    }
    return 0;
}

static inline uint8_t name_fold_octet(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Many octets at once, in the compilers' portable form of vector instructions. Length octets are
 * below 64, so they pass unchanged. */
typedef uint8_t name_block_8 __attribute__((vector_size(8)));
typedef uint8_t name_block_16 __attribute__((vector_size(16)));

static inline void name_fold_8(const uint8_t *wire, uint8_t *out_lower)
{
    name_block_8 octets;
    memcpy(&octets, wire, sizeof(octets));
    octets |= (name_block_8)(octets - 'A' < 26) & 0x20;
    memcpy(out_lower, &octets, sizeof(octets));
}

static inline void name_fold_16(const uint8_t *wire, uint8_t *out_lower)
{
    name_block_16 octets;
    memcpy(&octets, wire, sizeof(octets));
    octets |= (name_block_16)(octets - 'A' < 26) & 0x20;
    memcpy(out_lower, &octets, sizeof(octets));
}

/* The last block overlaps the one before: cheaper than a loop over the odd octets. */
static inline void name_fold(const uint8_t *wire, size_t len, uint8_t *out_lower)
{
    if (len >= 16) {
        for (size_t at = 0; at < len - 16; at += 16)
            name_fold_16(wire + at, out_lower + at);
        name_fold_16(wire + len - 16, out_lower + len - 16);
    } else if (len >= 8) {
        name_fold_8(wire, out_lower);
        name_fold_8(wire + len - 8, out_lower + len - 8);
    } else {
        for (size_t i = 0; i < len; i++)
            out_lower[i] = name_fold_octet(wire[i]);
    }
}
