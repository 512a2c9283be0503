/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dns/server/frames.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { ROUNDS = 300, MESSAGES_MAX = 40, BIG = 65535 };

struct sent {
    uint8_t *bytes;
    size_t len;
};

/* A stream of messages whose octets name their number, so that a mix-up shows. */
static void make_stream(struct rng *rng, struct sent *messages, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = rng_below(rng, 50) == 0 ? BIG - rng_below(rng, 3) : 1 + rng_below(rng, 80);
        messages[i] = (struct sent){ .bytes = mem_calloc(len, 1), .len = len };
        for (size_t j = 0; j < len; j++)
            messages[i].bytes[j] = (uint8_t)rng_next(rng);
        const uint8_t prefix[2] = { (uint8_t)(len >> 8), (uint8_t)len };
        buf_append(out, prefix, sizeof(prefix));
        buf_append(out, messages[i].bytes, len);
    }
}

static size_t piece_len(struct rng *rng, size_t left)
{
    static const size_t sizes[] = { 1, 2, 3, 100, 5000, FRAMES_FEED_MAX };
    size_t len = 1 + rng_below(rng, sizes[rng_below(rng, ARRAY_SIZE(sizes))]);
    if (len > FRAMES_FEED_MAX)
        len = FRAMES_FEED_MAX;
    return len < left ? len : left;
}

/* Takes messages until there are none, or (as a blocked connection does) stops early. */
static size_t take(struct rng *rng, struct frames *frames, const struct sent *messages, size_t from,
                   bool stops_early)
{
    const uint8_t *message;
    size_t len, at = from;
    while (!(stops_early && rng_below(rng, 3) == 0) && frames_next(frames, &message, &len)) {
        assert_int_equal(len, messages[at].len);
        assert_memory_equal(message, messages[at].bytes, len);
        at++;
    }
    return at;
}

static void run_round(struct rng *rng)
{
    struct sent messages[MESSAGES_MAX];
    struct frames frames;
    struct buf stream;
    uint8_t *lent = mem_calloc(FRAMES_FEED_MAX, 1);
    size_t count = 1 + rng_below(rng, MESSAGES_MAX), at = 0;
    buf_init(&stream, (size_t)MESSAGES_MAX * (BIG + 2));
    make_stream(rng, messages, count, &stream);
    frames_init(&frames);
    for (size_t fed = 0; fed < stream.len;) {
        size_t len = piece_len(rng, stream.len - fed);
        memcpy(lent, stream.bytes + fed, len);
        frames_feed(&frames, lent, len);
        at = take(rng, &frames, messages, at, true);
        frames_settle(&frames);
        memset(lent, 0xEE, len); /* whoever kept a pointer shall see it */
        fed += len;
        at = take(rng, &frames, messages, at, false); /* reads on only when nothing is left */
        frames_settle(&frames);
    }
    assert_int_equal(at, count);
    assert_true(frames_is_empty(&frames));
    assert_null(frames.kept.bytes); /* an idle connection owns no memory */
    frames_fini(&frames);
    for (size_t i = 0; i < count; i++)
        free(messages[i].bytes);
    buf_fini(&stream);
    free(lent);
}

static void test_next_finds_every_message_however_split(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < ROUNDS; i++)
        run_round(&rng);
}

static void feed_all(struct frames *frames, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += FRAMES_FEED_MAX) {
        size_t piece = len - i < FRAMES_FEED_MAX ? len - i : FRAMES_FEED_MAX;
        frames_feed(frames, (const uint8_t *)bytes + i, piece);
        frames_settle(frames);
    }
}

static void test_length_zero_breaks_the_stream(void **state)
{
    (void)state;
    struct frames frames;
    const uint8_t *message;
    size_t len;
    frames_init(&frames);
    feed_all(&frames, "\0\1x\0\0\0\1y", 8);
    assert_true(frames_next(&frames, &message, &len));
    assert_int_equal(message[0], 'x');
    assert_false(frames_next(&frames, &message, &len));
    assert_true(frames.is_broken);
    assert_false(frames_next(&frames, &message, &len));
    frames_settle(&frames);
    frames_fini(&frames);
}

static void test_unfinished_message_waits(void **state)
{
    (void)state;
    struct frames frames;
    const uint8_t *message;
    size_t len;
    frames_init(&frames);
    feed_all(&frames, "\0", 1);
    assert_false(frames_next(&frames, &message, &len));
    feed_all(&frames, "\3ab", 3);
    assert_false(frames_next(&frames, &message, &len));
    assert_false(frames_is_empty(&frames));
    feed_all(&frames, "c", 1);
    assert_true(frames_next(&frames, &message, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(message, "abc", 3);
    frames_fini(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_finds_every_message_however_split),
        cmocka_unit_test(test_length_zero_breaks_the_stream),
        cmocka_unit_test(test_unfinished_message_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
