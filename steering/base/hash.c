/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/hash.h"

/* Eight bytes at a time, little-endian on every machine. */
static uint64_t load(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *at = bytes;
    uint64_t state = hash_mix(seed + 0x9E3779B97F4A7C15u) ^ len;
    while (len >= 8) {
        state = hash_mix(state ^ load(at, 8)) + 0x9E3779B97F4A7C15u;
        at += 8;
        len -= 8;
    }
    return hash_mix(state ^ load(at, len));
}
