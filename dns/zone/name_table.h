/* SPDX-License-Identifier: Apache-2.0 */
/* Hash table from names to indexes; the names themselves stay with the owner of the indexes.
 *
 * A name is hashed as a string of octets, eight at a time: most queries are for names that exist,
 * and those need no look at the labels. (Hashing label by label from the root would give all
 * ancestors in one pass, but costs three times as much on that way.) Open addressing, at most half
 * full: a search is usually one probe, and the 32-bit tag beside each index keeps misses from
 * touching names.
 *
 *     for (uint32_t at = name_table_start(t, hash); !name_table_is_empty(t, at);
 *          at = name_table_next(t, at))
 *         if (name_table_tag_matches(t, at, hash) && <same name as index t->slots[at].index>) ...
 *
 * Threads:   built by one thread; immutable, hence lock-free to read, afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dns/wire/name.h"
#include "steering/base/hash.h"

struct name_table_slot {
    uint32_t tag;
    uint32_t index_plus_1; /* 0: empty */
};

struct name_table {
    struct name_table_slot *slots;
    uint32_t mask; /* slot count - 1, a power of two */
    uint32_t count;
};

void name_table_init(struct name_table *table);
void name_table_fini(struct name_table *table);
/* The hash of an index that was put in earlier; asked for when the table grows. */
typedef uint64_t name_table_hash_fn(const void *context, uint32_t index);
/* Makes room for `count` more names. */
void name_table_reserve(struct name_table *table, size_t count, name_table_hash_fn *hash_of,
                        const void *context);
/* The name must not be in the table. */
void name_table_insert(struct name_table *table, uint64_t hash, uint32_t index,
                       name_table_hash_fn *hash_of, const void *context);

static inline uint32_t name_table_start(const struct name_table *table, uint64_t hash)
{
    return (uint32_t)hash & table->mask;
}
static inline uint32_t name_table_next(const struct name_table *table, uint32_t at)
{
    return (at + 1) & table->mask;
}
static inline bool name_table_is_empty(const struct name_table *table, uint32_t at)
{
    return table->slots[at].index_plus_1 == 0;
}
static inline bool name_table_tag_matches(const struct name_table *table, uint32_t at,
                                          uint64_t hash)
{
    return table->slots[at].tag == (uint32_t)(hash >> 32);
}
static inline uint32_t name_table_index(const struct name_table *table, uint32_t at)
{
    return table->slots[at].index_plus_1 - 1;
}

/* Fewer than eight octets as one number; `len` may be 0. Never reads beyond `at + len`. */
static inline uint64_t name_hash_load(const uint8_t *at, size_t len)
{
    uint32_t first, last;
    if (len >= 4) {
        memcpy(&first, at, 4);
        memcpy(&last, at + len - 4, 4);
        return (uint64_t)last << 32 | first;
    }
    return len == 0 ? 0 : (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
}

/* A name of `len` octets in wire form, or any suffix of one. */
static inline uint64_t name_hash(const uint8_t *name, size_t len)
{
    uint64_t state = len * 0x9E3779B97F4A7C15u, octets;
    if (len < 8)
        return hash_mix(state ^ name_hash_load(name, len));
    const uint8_t *last = name + len - 8;
    for (; name < last; name += 8) {
        memcpy(&octets, name, 8);
        state = (state ^ octets) * 0xD6E8FEB86659FD93u;
        state ^= state >> 32;
    }
    memcpy(&octets, last, 8); /* may overlap what is in already */
    return hash_mix(state ^ octets);
}
