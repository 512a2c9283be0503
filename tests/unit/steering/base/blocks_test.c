/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { KEPT_MAX = 64 * 1024 };

static void test_blocks_take_again_what_was_given(void **state)
{
    struct blocks blocks;
    (void)state;
    blocks_init(&blocks, KEPT_MAX);
    void *first = blocks_take(&blocks, 100);
    blocks_give(&blocks, first);
    if (blocks.kept_bytes > 0) { /* not with the address sanitizer */
        assert_ptr_equal(blocks_take(&blocks, 90), first);
        assert_int_equal(blocks.kept_bytes, 0);
        blocks_give(&blocks, first);
    }
    blocks_fini(&blocks);
    assert_int_equal(blocks.kept_bytes, 0);
}

static void test_blocks_give_keeps_no_more_than_its_limit(void **state)
{
    struct blocks blocks;
    void *taken[32];
    (void)state;
    blocks_init(&blocks, 4096);
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        taken[i] = blocks_take(&blocks, 1000);
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        blocks_give(&blocks, taken[i]);
    assert_true(blocks.kept_bytes <= 4096);
    void *large = blocks_take(&blocks, BLOCKS_SIZE_MAX + 1);
    size_t before = blocks.kept_bytes;
    blocks_give(&blocks, large);
    assert_int_equal(blocks.kept_bytes, before);
    blocks_give(&blocks, NULL);
    blocks_fini(&blocks);
}

static void test_blocks_take_refuses_what_overflows(void **state)
{
    struct blocks blocks;
    (void)state;
    blocks_init(&blocks, KEPT_MAX);
    assert_null(blocks_take(&blocks, SIZE_MAX));
    assert_null(blocks_take(&blocks, SIZE_MAX - 1));
    blocks_fini(&blocks);
}

struct piece {
    uint8_t *bytes;
    size_t size;
    uint8_t fill;
};

static void check(const struct piece *piece)
{
    assert_int_equal((uintptr_t)piece->bytes % 16, 0);
    for (size_t i = 0; i < piece->size; i++)
        assert_int_equal(piece->bytes[i], piece->fill);
}

/* All sizes around the borders of lists; nothing overlaps, resized blocks keep their bytes. */
static void test_blocks_hold_what_is_written(void **state)
{
    enum { PIECES = 64, STEPS = 20000 };
    struct piece pieces[PIECES] = { { 0 } };
    struct blocks blocks;
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    blocks_init(&blocks, KEPT_MAX);
    for (size_t step = 0; step < STEPS; step++) {
        struct piece *piece = &pieces[rng_next(&rng) % PIECES];
        size_t size = (size_t)(rng_next(&rng) % (rng_next(&rng) % 2 ? 2048 : 10000));
        check(piece);
        if (piece->bytes != NULL && rng_next(&rng) % 2 == 0) {
            blocks_give(&blocks, piece->bytes);
            *piece = (struct piece){ 0 };
            continue;
        }
        size_t kept = piece->size < size ? piece->size : size;
        piece->bytes = blocks_resize(&blocks, piece->bytes, size);
        assert_non_null(piece->bytes);
        piece->size = kept;
        check(piece);
        piece->size = size;
        piece->fill = (uint8_t)step;
        memset(piece->bytes, piece->fill, size);
    }
    for (size_t i = 0; i < PIECES; i++)
        blocks_give(&blocks, pieces[i].bytes);
    assert_true(blocks.kept_bytes <= KEPT_MAX);
    blocks_fini(&blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_take_again_what_was_given),
        cmocka_unit_test(test_blocks_give_keeps_no_more_than_its_limit),
        cmocka_unit_test(test_blocks_take_refuses_what_overflows),
        cmocka_unit_test(test_blocks_hold_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
