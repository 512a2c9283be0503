/* SPDX-License-Identifier: Apache-2.0 */
/* A fast 64-bit hash for tables whose keys we chose ourselves (names of a topology, zone
 * data); not for keys that an attacker inserts.
 * Threads:   any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The same on every machine and in every version: shares of a cell hang on it. */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);
/* Final mix of a 64-bit value; a bijection. */
static inline uint64_t hash_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
