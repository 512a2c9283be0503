/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

/* Computed by an independent program. Shares of traffic hang on these values: a change here moves
 * clients all over the world. */
static void test_hash_bytes_never_changes(void **state)
{
    static const struct {
        const char *text;
        uint64_t seed, hash;
    } rows[] = {
        { "", 0, 0x48218226ff3cd4bfu },
        { "a", 0, 0xe2aff8a8e0531175u },
        { "a", 1, 0x7222dd7e68b8b315u },
        { "us-east", 0, 0x39b3c4971090a6f7u },
        { "12345678", 0, 0x83f63561066cd12cu },
        { "123456789", 0, 0xb265e8b327aaf076u },
        { "north-america/us-east", 42, 0xf9a9c353fe205afbu },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(hash_bytes(rows[i].text, strlen(rows[i].text), rows[i].seed),
                         rows[i].hash);
}

static void test_hash_bytes_reads_unaligned_alike(void **state)
{
    char room[64];
    uint64_t expected = hash_bytes("north-america/us-east", 21, 7);
    (void)state;
    for (size_t offset = 0; offset < 16; offset++) {
        memcpy(room + offset, "north-america/us-east", 21);
        assert_int_equal(hash_bytes(room + offset, 21, 7), expected);
    }
}

/* Trailing zero bytes must count, or {"a"} and {"a\0"} would share a bucket for ever. */
static void test_hash_bytes_counts_trailing_zeros(void **state)
{
    static const char zeros[32];
    (void)state;
    for (size_t a = 0; a < sizeof(zeros); a++)
        for (size_t b = a + 1; b <= sizeof(zeros); b++)
            assert_int_not_equal(hash_bytes(zeros, a, 0), hash_bytes(zeros, b, 0));
}

/* Each input bit flips about half of the output bits. */
static void test_hash_bytes_avalanche(void **state)
{
    unsigned char key[24] = { 203, 0, 113, 0 };
    (void)state;
    for (size_t bit = 0; bit < sizeof(key) * 8; bit++) {
        uint64_t before = hash_bytes(key, sizeof(key), 0);
        key[bit / 8] ^= (unsigned char)(1u << bit % 8);
        int flipped = __builtin_popcountll(before ^ hash_bytes(key, sizeof(key), 0));
        assert_in_range(flipped, 12, 52);
    }
}

/* Keys as they come, /24 after /24, fill 100 buckets evenly. */
static void test_hash_bytes_spreads_neighbours(void **state)
{
    enum { KEYS = 100000, BUCKETS = 100 };
    unsigned counts[BUCKETS] = { 0 };
    (void)state;
    for (uint32_t i = 0; i < KEYS; i++) {
        unsigned char key[4] = { 4, (unsigned char)(i >> 16), (unsigned char)(i >> 8),
                                 (unsigned char)i };
        counts[hash_bytes(key, sizeof(key), 0) % BUCKETS]++;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        assert_in_range(counts[i], KEYS / BUCKETS - 200, KEYS / BUCKETS + 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_bytes_never_changes),
        cmocka_unit_test(test_hash_bytes_reads_unaligned_alike),
        cmocka_unit_test(test_hash_bytes_counts_trailing_zeros),
        cmocka_unit_test(test_hash_bytes_avalanche),
        cmocka_unit_test(test_hash_bytes_spreads_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
