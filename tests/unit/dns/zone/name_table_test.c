/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dns/zone/name_table.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { NAMES = 3000, LOOKUPS = 6000 };

struct name {
    uint8_t wire[64];
    size_t len;
    uint64_t hash;
};

struct names {
    struct name all[NAMES];
    size_t count;
};

static uint64_t hash_of(const void *context, uint32_t index)
{
    const struct names *names = context;
    return names->all[index].hash;
}

static bool is_same(const struct name *a, const struct name *b)
{
    return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

static size_t find_linear(const struct names *names, const struct name *wanted)
{
    for (size_t i = 0; i < names->count; i++)
        if (is_same(&names->all[i], wanted))
            return i;
    return SIZE_MAX;
}

static size_t find(const struct name_table *table, const struct names *names,
                   const struct name *wanted)
{
    for (uint32_t at = name_table_start(table, wanted->hash); !name_table_is_empty(table, at);
         at = name_table_next(table, at)) {
        uint32_t index = name_table_index(table, at);
        if (name_table_tag_matches(table, at, wanted->hash) && is_same(&names->all[index], wanted))
            return index;
    }
    return SIZE_MAX;
}

/* One to four labels of one to three octets out of few, so that names meet. */
static struct name random_name(struct rng *rng)
{
    struct name name = { .len = 0 };
    for (uint64_t labels = 1 + rng_below(rng, 4); labels > 0; labels--) {
        uint8_t len = (uint8_t)(1 + rng_below(rng, 3));
        name.wire[name.len++] = len;
        while (len-- > 0)
            name.wire[name.len++] = (uint8_t)('a' + rng_below(rng, 6));
    }
    name.wire[name.len++] = 0;
    /* From an exact copy, so that the sanitizer sees a read beyond the name. */
    uint8_t *copy = mem_dup(name.wire, name.len);
    name.hash = name_hash(copy, name.len);
    free(copy);
    return name;
}

static void test_insert_agrees_with_a_list(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    print_message("seed: %llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    struct names *names = mem_calloc(1, sizeof(*names));
    struct name_table table;
    name_table_init(&table);
    while (names->count < NAMES) {
        struct name name = random_name(&rng);
        size_t expected = find_linear(names, &name);
        assert_int_equal(find(&table, names, &name), expected);
        if (expected != SIZE_MAX)
            continue;
        names->all[names->count] = name;
        name_table_insert(&table, name.hash, (uint32_t)names->count++, hash_of, names);
        assert_true((size_t)table.count * 2 <= (size_t)table.mask + 1);
    }
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct name name = random_name(&rng);
        assert_int_equal(find(&table, names, &name), find_linear(names, &name));
    }
    name_table_fini(&table);
    free(names);
}

static void test_hash_spreads(void **state)
{
    (void)state;
    enum { BITS = 12, COUNT = 1 << BITS };
    uint8_t *hits = mem_calloc(COUNT, 1);
    size_t used = 0;
    /* Names that differ in one octet of a number, as in hosts of a farm. */
    for (unsigned i = 0; i < COUNT; i++) {
        const uint8_t name[] = { 4,
                                 'a',
                                 'a' + (uint8_t)(i >> 8),
                                 'a' + (uint8_t)(i >> 4 & 15),
                                 'a' + (uint8_t)(i & 15),
                                 3,
                                 'c',
                                 'o',
                                 'm',
                                 0 };
        uint8_t *hit = &hits[name_hash(name, sizeof(name)) & (COUNT - 1)];
        used += *hit == 0 ? 1 : 0;
        *hit = 1;
    }
    /* Random placement fills 1 - 1/e of the places: 2589 of 4096, give or take 30. */
    assert_in_range(used, 2400, 2800);
    free(hits);
}

static void test_reserve_keeps_what_is_there(void **state)
{
    (void)state;
    struct rng rng = rng_init(1);
    struct names *names = mem_calloc(1, sizeof(*names));
    struct name_table table;
    name_table_init(&table);
    names->all[0] = random_name(&rng);
    names->count = 1;
    name_table_insert(&table, names->all[0].hash, 0, hash_of, names);
    name_table_reserve(&table, 100000, hash_of, names);
    assert_true(table.mask >= 200000);
    assert_int_equal(find(&table, names, &names->all[0]), 0);
    name_table_fini(&table);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_agrees_with_a_list),
        cmocka_unit_test(test_hash_spreads),
        cmocka_unit_test(test_reserve_keeps_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
