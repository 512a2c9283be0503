/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/name_table.h"

#include <assert.h>
#include <stdlib.h>

#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum { FIRST_SLOTS = LIMIT(64, 2) };

void name_table_init(struct name_table *table)
{
    *table = (struct name_table){
        .slots = mem_calloc(FIRST_SLOTS, sizeof(table->slots[0])),
        .mask = FIRST_SLOTS - 1,
    };
}

void name_table_fini(struct name_table *table)
{
    free(table->slots);
    table->slots = NULL;
}

static void put(struct name_table *table, uint64_t hash, uint32_t index)
{
    uint32_t at = name_table_start(table, hash);
    while (!name_table_is_empty(table, at))
        at = name_table_next(table, at);
    table->slots[at] = (struct name_table_slot){ (uint32_t)(hash >> 32), index + 1 };
}

void name_table_reserve(struct name_table *table, size_t count, name_table_hash_fn *hash_of,
                        const void *context)
{
    size_t old_count = (size_t)table->mask + 1, new_count = old_count;
    while ((table->count + count) * 2 > new_count)
        new_count *= 2;
    if (new_count == old_count)
        return;
    assert(new_count <= (size_t)UINT32_MAX + 1);
    struct name_table_slot *old = table->slots;
    table->slots = mem_calloc(new_count, sizeof(table->slots[0]));
    table->mask = (uint32_t)(new_count - 1);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].index_plus_1 != 0)
            put(table, hash_of(context, old[i].index_plus_1 - 1), old[i].index_plus_1 - 1);
    free(old);
}

void name_table_insert(struct name_table *table, uint64_t hash, uint32_t index,
                       name_table_hash_fn *hash_of, const void *context)
{
    assert(index < UINT32_MAX);
    name_table_reserve(table, 1, hash_of, context);
    put(table, hash, index);
    table->count++;
}
