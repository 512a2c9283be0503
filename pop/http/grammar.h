/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of octets, for the loops that every octet of a head goes through.
 *
 * Threads:   any.
 * Source:    RFC 9110 section 5, RFC 3986 section 3.2.2
 */
#pragma once

#include <string.h>

#include "steering/base/str.h"

enum {
    HTTP_TCHAR = 1,
    HTTP_HOST = 2,            /* of a registered name, besides percent-encoding */
    HTTP_FIELD_OVERHEAD = 32, /* RFC 9113 section 6.5.2 */
};

extern const uint8_t http_classes[256];

/* Nonzero when one of eight octets is below 0x20 or is 0x7f. */
static inline uint64_t http_control_bits(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t del = word ^ (ones * 0x7f);
    uint64_t below = (word - ones * 0x20) & ~word;
    return (below | ((del - ones) & ~del)) & highs;
}

/* Where the first control octet but HTAB stands; text.len: there is none. */
static inline size_t http_find_control(struct str text)
{
    size_t at = 0;
    while (at < text.len) {
        uint64_t word;
        if (text.len - at >= sizeof(word)) {
            memcpy(&word, text.ptr + at, sizeof(word));
            if (http_control_bits(word) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        size_t stop = text.len - at < sizeof(word) ? text.len : at + sizeof(word);
        for (; at < stop; at++) {
            uint8_t octet = (uint8_t)text.ptr[at];
            if ((octet < 0x20 && octet != '\t') || octet == 0x7f)
                return at;
        }
    }
    return text.len;
}
