/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"
#include "steering/model/prefix_trie.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum { ENTRIES = 200, PROBES = 500, ROUNDS = 60 };

struct entry {
    struct cidr net;
    uint32_t value;
};

static uint32_t lookup(const struct prefix_trie *trie, const struct addr *addr)
{
    struct prefix_trie_cursor at = prefix_trie_top(trie, (enum addr_family)addr->family);
    for (unsigned depth = 0; at.node != 0; depth++)
        at = prefix_trie_step(trie, at, addr_bit(addr, depth));
    return at.value;
}

/* The longest of those that contain `addr`, of equals the last. */
static uint32_t twin_lookup(const struct entry *entries, size_t count, const struct addr *addr)
{
    int best = -1;
    uint32_t value = PREFIX_TRIE_NO_VALUE;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].net.bits < best || !cidr_has(&entries[i].net, addr))
            continue;
        best = entries[i].net.bits;
        value = entries[i].value;
    }
    return value;
}

static uint32_t twin_find(const struct entry *entries, size_t count, const struct cidr *net)
{
    uint32_t value = PREFIX_TRIE_NO_VALUE;
    for (size_t i = 0; i < count; i++)
        if (cidr_eq(&entries[i].net, net))
            value = entries[i].value;
    return value;
}

/* Addresses with few different bits, so that prefixes nest. */
static struct addr some_addr(struct rng *rng)
{
    struct addr addr = { .family = (uint8_t)rng_below(rng, 2) };
    for (size_t i = 0; i < (addr.family == ADDR_V4 ? 4 : 16); i++)
        addr.bytes[i] = rng_below(rng, 4) == 0 ? (uint8_t)rng_next(rng) : 0;
    return addr;
}

static void test_lookup_equals_twin(void **state)
{
    (void)state;
    const char *wanted = getenv("STEER_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : rng_seed() >> 16;
    print_message("STEER_SEED=%llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct entry entries[ENTRIES];
        struct prefix_trie trie;
        prefix_trie_init(&trie);
        for (size_t i = 0; i < ENTRIES; i++) {
            struct addr addr = some_addr(&rng);
            entries[i].net = cidr_make(&addr, (unsigned)rng_below(&rng, addr_max_bits(&addr) + 1));
            entries[i].value = (uint32_t)rng_below(&rng, 1000);
            prefix_trie_set(&trie, &entries[i].net, entries[i].value);
        }
        for (size_t i = 0; i < PROBES; i++) {
            struct addr addr = some_addr(&rng);
            struct cidr net = cidr_make(&addr, (unsigned)rng_below(&rng, 129));
            assert_int_equal(lookup(&trie, &addr), twin_lookup(entries, ENTRIES, &addr));
            assert_int_equal(prefix_trie_find(&trie, &net), twin_find(entries, ENTRIES, &net));
            assert_int_equal(prefix_trie_find(&trie, &entries[i % ENTRIES].net),
                             twin_find(entries, ENTRIES, &entries[i % ENTRIES].net));
        }
        prefix_trie_fini(&trie);
    }
}

/* A database of disjoint prefixes needs a node for each two of them and no values. */
static void test_set_ascending_is_compact(void **state)
{
    (void)state;
    struct prefix_trie trie;
    prefix_trie_init(&trie);
    for (uint32_t i = 0; i < 65536; i++) {
        struct addr addr = addr_from_v4_u32(i << 16);
        struct cidr net = cidr_make(&addr, 16);
        prefix_trie_set(&trie, &net, i);
    }
    assert_int_equal(trie.count, 65536); /* 65535 and the unused one */
    assert_null(trie.values);
    struct addr addr = fixture_addr("192.0.2.1");
    assert_int_equal(lookup(&trie, &addr), 0xc000);
    prefix_trie_fini(&trie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_equals_twin),
        cmocka_unit_test(test_set_ascending_is_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
