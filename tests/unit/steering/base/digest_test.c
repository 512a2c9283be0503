/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

/* FIPS 180-2, appendix B, and the empty message. */
static const struct {
    const char *message, *text;
} rows[] = {
    { "", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void test_digest_of_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[DIGEST_TEXT_MAX];
        struct digest digest = digest_of(rows[i].message, strlen(rows[i].message));
        assert_string_equal(digest_format(&digest, text), rows[i].text);
    }
}

static void test_digest_stream_like_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t len = strlen(rows[i].message);
        struct digest whole = digest_of(rows[i].message, len);
        for (size_t cut = 0; cut <= len; cut++) {
            struct digest_stream *stream = digest_start();
            digest_update(stream, rows[i].message, cut);
            digest_update(stream, rows[i].message + cut, len - cut);
            struct digest pieces = digest_finish(stream);
            assert_true(digest_eq(&whole, &pieces));
        }
    }
}

static void test_digest_eq_sees_every_byte(void **state)
{
    struct digest digest = digest_of("abc", 3);
    (void)state;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        struct digest other = digest;
        other.bytes[i] ^= 1;
        assert_false(digest_eq(&digest, &other));
    }
}

static void test_digest_sha1_of_a_known_answer(void **state)
{
    (void)state;
    static const uint8_t want[DIGEST_SHA1_BYTES] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
                                                     0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
                                                     0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
    uint8_t made[DIGEST_SHA1_BYTES];
    digest_sha1("abc", 3, made);
    assert_memory_equal(made, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_of_known_answers),
        cmocka_unit_test(test_digest_stream_like_the_whole),
        cmocka_unit_test(test_digest_eq_sees_every_byte),
        cmocka_unit_test(test_digest_sha1_of_a_known_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
