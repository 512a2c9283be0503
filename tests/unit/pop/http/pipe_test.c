/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/pipe.h"
#include "steering/base/rng.h"

struct ears {
    size_t readable, consumed;
};

static void on_readable(void *reader, struct pipe *pipe)
{
    (void)pipe;
    ((struct ears *)reader)->readable++;
}

static void on_consumed(void *writer, struct pipe *pipe, size_t bytes)
{
    (void)pipe;
    ((struct ears *)writer)->consumed += bytes;
}

static void listen(struct pipe *pipe, struct ears *ears)
{
    pipe->on_consumed = on_consumed;
    pipe->writer = ears;
}

/* Reads `len` bytes and compares them with `want`. */
static void expect_bytes(struct pipe *pipe, const char *want, size_t len)
{
    while (len > 0) {
        struct str next = pipe_peek(pipe);
        assert_true(next.len > 0);
        size_t part = next.len < len ? next.len : len;
        assert_memory_equal(next.ptr, want, part);
        pipe_consume(pipe, part);
        want += part;
        len -= part;
    }
}

static void test_pipe_hands_bytes_over_in_order(void **state)
{
    (void)state;
    struct pipe_pool pool;
    pipe_pool_init(&pool, 4, 0);
    struct pipe pipe;
    struct ears ears = { 0 };
    pipe_init(&pipe, &pool);
    listen(&pipe, &ears);
    pipe_attach(&pipe, on_readable, &ears);
    assert_int_equal(pipe_peek(&pipe).len, 0);
    pipe_write(&pipe, "hello ", 6);
    pipe_write(&pipe, "", 0);
    pipe_write(&pipe, "world", 5);
    assert_int_equal(ears.readable, 2);
    expect_bytes(&pipe, "hello world", 11);
    assert_int_equal(ears.consumed, 11);
    assert_int_equal(pool.live_bytes, 0);
    assert_false(pipe_is_finished(&pipe));
    struct http_field field = { .name = STR("a"), .value = STR("b") };
    struct http_head trailers = { .content_length = -1, .fields = &field, .field_count = 1 };
    pipe_end(&pipe, &trailers);
    assert_int_equal(ears.readable, 3);
    assert_true(pipe_is_finished(&pipe));
    assert_int_equal(pipe.trailers.field_count, 1);
    pipe_fini(&pipe);
    pipe_pool_fini(&pool);
}

static void test_break_lets_the_rest_be_read(void **state)
{
    (void)state;
    struct pipe_pool pool;
    pipe_pool_init(&pool, 0, 0);
    struct pipe pipe;
    pipe_init(&pipe, &pool);
    pipe_write(&pipe, "abc", 3);
    pipe_break(&pipe, HTTP_ERROR_RESET);
    pipe_break(&pipe, HTTP_ERROR_CLOSED); /* the first cause stays */
    assert_false(pipe_is_finished(&pipe));
    expect_bytes(&pipe, "abc", 3);
    assert_true(pipe_is_finished(&pipe));
    assert_false(pipe.is_ended);
    assert_int_equal(pipe.error, HTTP_ERROR_RESET);
    pipe_fini(&pipe);
    pipe_pool_fini(&pool);
}

static void test_discard_credits_the_writer(void **state)
{
    (void)state;
    struct pipe_pool pool;
    pipe_pool_init(&pool, 4, 1 << 20);
    struct pipe pipe;
    struct ears ears = { 0 };
    pipe_init(&pipe, &pool);
    listen(&pipe, &ears);
    pipe_retain(&pipe, 100);
    pipe_attach(&pipe, on_readable, &ears);
    pipe_write(&pipe, "abcdef", 6);
    expect_bytes(&pipe, "ab", 2);
    pipe_discard(&pipe);
    assert_int_equal(ears.consumed, 6);
    assert_int_equal(pool.live_bytes, 0);
    assert_false(pipe_can_rewind(&pipe));
    pipe_write(&pipe, "ghi", 3);
    assert_int_equal(ears.consumed, 9);
    assert_int_equal(ears.readable, 1);
    assert_int_equal(pipe_peek(&pipe).len, 0);
    pipe_end(&pipe, NULL);
    assert_true(pipe_is_finished(&pipe));
    pipe_fini(&pipe);
    pipe_pool_fini(&pool);
}

static void test_rewind_replays_without_crediting_again(void **state)
{
    (void)state;
    struct pipe_pool pool;
    pipe_pool_init(&pool, 4, 1 << 20);
    struct pipe pipe;
    struct ears ears = { 0 };
    pipe_init(&pipe, &pool);
    listen(&pipe, &ears);
    pipe_retain(&pipe, 8);
    pipe_write(&pipe, "01234567", 8);
    expect_bytes(&pipe, "012345", 6);
    assert_true(pipe_can_rewind(&pipe));
    pipe_rewind(&pipe);
    assert_int_equal(ears.consumed, 6);
    expect_bytes(&pipe, "01234567", 8);
    assert_int_equal(ears.consumed, 8);
    assert_true(pipe_can_rewind(&pipe)); /* exactly retain_max */
    pipe_write(&pipe, "8", 1);
    expect_bytes(&pipe, "8", 1);
    assert_false(pipe_can_rewind(&pipe));
    assert_int_equal(pool.live_bytes, 0);
    assert_int_equal(pool.retained_bytes, 0);
    pipe_fini(&pipe);
    pipe_pool_fini(&pool);
}

static void test_retain_stops_at_the_cap_of_the_pool(void **state)
{
    (void)state;
    struct pipe_pool pool;
    pipe_pool_init(&pool, 4, PIPE_CHUNK_BYTES);
    struct pipe pipes[2];
    for (size_t at = 0; at < 2; at++) {
        pipe_init(&pipes[at], &pool);
        pipe_retain(&pipes[at], 100);
        pipe_write(&pipes[at], "abc", 3);
        expect_bytes(&pipes[at], "abc", 3);
    }
    assert_true(pipe_can_rewind(&pipes[0]));
    assert_false(pipe_can_rewind(&pipes[1]));
    assert_int_equal(pool.retained_bytes, PIPE_CHUNK_BYTES);
    pipe_forget(&pipes[0]);
    assert_false(pipe_can_rewind(&pipes[0]));
    assert_int_equal(pool.retained_bytes, 0);
    for (size_t at = 0; at < 2; at++)
        pipe_fini(&pipes[at]);
    pipe_pool_fini(&pool);
}

/* ---- against a byte string that forgets nothing ---------------------------------------------- */

enum { TWIN_BYTES = 8 * PIPE_CHUNK_BYTES, ROUNDS = 400, STEPS = 200 };

struct twin {
    char bytes[TWIN_BYTES];
    size_t written, read, reached, retain_max;
    bool is_retaining, is_drained;
};

static bool twin_can_rewind(const struct twin *twin)
{
    return !twin->is_drained && (twin->reached == 0 || twin->is_retaining);
}

static void twin_write(struct twin *twin, struct pipe *pipe, struct rng *rng)
{
    size_t len = (size_t)rng_below(rng, 2 * PIPE_CHUNK_BYTES);
    if (len > TWIN_BYTES - twin->written)
        len = TWIN_BYTES - twin->written;
    for (size_t at = 0; at < len; at++)
        twin->bytes[twin->written + at] = (char)rng_below(rng, 256);
    pipe_write(pipe, twin->bytes + twin->written, len);
    twin->written += len;
    if (twin->is_drained)
        twin->read = twin->reached = twin->written;
}

static void twin_read(struct twin *twin, struct pipe *pipe, struct rng *rng)
{
    if (pipe->len == 0)
        return;
    struct str next = pipe_peek(pipe);
    assert_true(next.len > 0);
    assert_memory_equal(next.ptr, twin->bytes + twin->read, next.len);
    size_t len = (size_t)rng_below(rng, pipe->len + 1);
    pipe_consume(pipe, len);
    twin->read += len;
    if (twin->read > twin->reached)
        twin->reached = twin->read;
    if (twin->reached > twin->retain_max)
        twin->is_retaining = false;
}

static void twin_step(struct twin *twin, struct pipe *pipe, struct rng *rng)
{
    switch (rng_below(rng, 24)) {
    case 0:
        if (twin_can_rewind(twin)) {
            pipe_rewind(pipe);
            twin->read = 0;
        }
        break;
    case 1:
        if (rng_below(rng, 8) == 0) {
            pipe_forget(pipe);
            twin->is_retaining = false;
        }
        break;
    case 2:
        if (rng_below(rng, 16) == 0) {
            pipe_discard(pipe);
            twin->is_drained = true;
            twin->read = twin->reached = twin->written;
        }
        break;
    default:
        if (rng_below(rng, 2) == 0)
            twin_write(twin, pipe, rng);
        else
            twin_read(twin, pipe, rng);
    }
}

static void test_pipe_agrees_with_a_byte_string(void **state)
{
    (void)state;
    const char *text = getenv("STEER_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : rng_seed();
    printf("seed %" PRIu64 "\n", seed);
    struct rng rng = rng_init(seed);
    struct pipe_pool pool;
    pipe_pool_init(&pool, 3, SIZE_MAX / 2);
    static struct twin twin;
    for (int round = 0; round < ROUNDS; round++) {
        struct pipe pipe;
        struct ears ears = { 0 };
        pipe_init(&pipe, &pool);
        listen(&pipe, &ears);
        twin = (struct twin){ .retain_max = rng_below(&rng, 4 * PIPE_CHUNK_BYTES) };
        twin.is_retaining = twin.retain_max > 0;
        pipe_retain(&pipe, twin.retain_max);
        for (int step = 0; step < STEPS; step++) {
            twin_step(&twin, &pipe, &rng);
            assert_int_equal(pipe.len, twin.written - twin.read);
            assert_int_equal(pipe.consumed_bytes, twin.reached);
            assert_int_equal(ears.consumed, twin.reached);
            assert_int_equal(pipe_can_rewind(&pipe), twin_can_rewind(&twin));
        }
        pipe_fini(&pipe);
        assert_int_equal(pool.live_bytes, 0);
        assert_int_equal(pool.retained_bytes, 0);
        assert_true(pool.free_count <= 3);
    }
    pipe_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipe_hands_bytes_over_in_order),
        cmocka_unit_test(test_break_lets_the_rest_be_read),
        cmocka_unit_test(test_discard_credits_the_writer),
        cmocka_unit_test(test_rewind_replays_without_crediting_again),
        cmocka_unit_test(test_retain_stops_at_the_cap_of_the_pool),
        cmocka_unit_test(test_pipe_agrees_with_a_byte_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
