/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/buf.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/rng.h"

static void test_buf_append_kinds(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 100);
    assert_string_equal(buf_text(&buf), "");
    assert_int_equal(buf_str(&buf).len, 0);
    buf_append(&buf, "ab", 2);
    buf_append_str(&buf, STR("cd"));
    buf_append_text(&buf, "ef");
    buf_append_format(&buf, "-%d-%s", 42, "g");
    buf_append(&buf, NULL, 0);
    assert_string_equal(buf_text(&buf), "abcdef-42-g");
    assert_int_equal(buf.len, 11);
    buf_fini(&buf);
    assert_null(buf.bytes);
    buf_append_text(&buf, "again"); /* usable, with the old ceiling */
    assert_string_equal(buf_text(&buf), "again");
    buf_fini(&buf);
}

static void test_buf_append_refuses_whole_beyond_max(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 5);
    buf_append_text(&buf, "abcde");
    assert_false(buf.is_overflown);
    assert_string_equal(buf_text(&buf), "abcde");
    buf_clear(&buf);
    buf_append_text(&buf, "abc");
    buf_append_format(&buf, "%s", "def");
    assert_true(buf.is_overflown);
    assert_string_equal(buf_text(&buf), "abc");
    buf_append_text(&buf, "d"); /* would fit, but the flag stays */
    assert_string_equal(buf_text(&buf), "abc");
    buf_clear(&buf);
    assert_false(buf.is_overflown);
    buf_append_format(&buf, "%05d", 7);
    assert_string_equal(buf_text(&buf), "00007");
    buf_fini(&buf);
}

static void test_buf_max_zero_takes_nothing(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 0);
    buf_append(&buf, "", 0);
    assert_false(buf.is_overflown);
    buf_append_text(&buf, "a");
    assert_true(buf.is_overflown);
    assert_string_equal(buf_text(&buf), "");
    buf_fini(&buf);
}

static void test_buf_consume_takes_from_the_front(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 10);
    buf_append_text(&buf, "abcdef");
    buf_consume(&buf, 0);
    buf_consume(&buf, 2);
    assert_string_equal(buf_text(&buf), "cdef");
    buf_append_text(&buf, "ghijkl"); /* the room is free again */
    assert_string_equal(buf_text(&buf), "cdefghijkl");
    buf_consume(&buf, 10);
    assert_int_equal(buf.len, 0);
    buf_fini(&buf);
}

/* The terminator has room at every length, whatever the capacity just was. */
static void test_buf_text_terminates_every_length(void **state)
{
    char text[700];
    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t len = 0; len < sizeof(text); len++) {
        struct buf buf;
        buf_init(&buf, sizeof(text));
        buf_append(&buf, text, len);
        assert_int_equal(strlen(buf_text(&buf)), len);
        buf_fini(&buf);
    }
}

/* Against a plain array, over every growth step. */
static void test_buf_random_like_an_array(void **state)
{
    enum { MAX = 3000 };
    static uint8_t twin[MAX];
    size_t len = 0;
    struct buf buf;
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    buf_init(&buf, MAX);
    for (unsigned round = 0; round < 5000; round++) {
        uint8_t piece[64];
        size_t size = (size_t)rng_below(&rng, sizeof(piece));
        for (size_t i = 0; i < size; i++)
            piece[i] = (uint8_t)rng_next(&rng);
        if (rng_below(&rng, 3) == 0 && size <= len) {
            buf_consume(&buf, size);
            len -= size;
            memmove(twin, twin + size, len);
        } else if (size <= MAX - len) {
            buf_append(&buf, piece, size);
            memcpy(twin + len, piece, size);
            len += size;
        }
        assert_int_equal(buf.len, len);
        assert_true(len == 0 || memcmp(buf.bytes, twin, len) == 0);
    }
    assert_false(buf.is_overflown);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_append_kinds),
        cmocka_unit_test(test_buf_append_refuses_whole_beyond_max),
        cmocka_unit_test(test_buf_max_zero_takes_nothing),
        cmocka_unit_test(test_buf_consume_takes_from_the_front),
        cmocka_unit_test(test_buf_text_terminates_every_length),
        cmocka_unit_test(test_buf_random_like_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
