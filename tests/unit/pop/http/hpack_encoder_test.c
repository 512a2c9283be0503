/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/http/hpack_static.h"
#include "steering/base/rng.h"
#include "tests/unit/pop/http/hpack_twin.h"

static const struct twin_field usual[] = {
    { .name = { ":status", 7 }, .value = { "200", 3 } },
    { .name = { "server", 6 }, .value = { "nginx", 5 } },
    { .name = { "content-type", 12 }, .value = { "text/html", 9 } },
    { .name = { "x-own", 5 }, .value = { "value", 5 } },
    { .name = { "via", 3 }, .value = { "2 gru1", 6 } },
};
enum { USUAL = sizeof(usual) / sizeof(usual[0]) };

static size_t pass_one(struct twin *twin, const char *name, const char *value, bool is_sensitive)
{
    const struct twin_field field = { .name = str_from(name),
                                      .value = str_from(value),
                                      .is_sensitive = is_sensitive };
    return twin_pass(twin, &field, 1);
}

static size_t table_entries(const struct twin *twin)
{
    return nghttp2_hd_inflate_get_num_table_entries(twin->decoder) - HPACK_STATIC_COUNT;
}

static void test_put_what_repeats_takes_one_octet(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    assert_true(twin_pass(twin, usual, 3) > 20);
    assert_int_equal(table_entries(twin), 0); /* seen, not kept */
    assert_true(twin_pass(twin, usual, 3) > 18);
    assert_int_equal(table_entries(twin), 2);
    for (int i = 0; i < 10; i++)
        assert_int_equal(twin_pass(twin, usual, 3), 3);
    assert_int_equal(table_entries(twin), 2);
    twin_free(twin);
}

static void test_put_finds_fields_out_of_order(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    for (int i = 0; i < 10; i++)
        twin_pass(twin, &usual[1], 2);
    struct twin_field turned[] = { usual[2], usual[1], usual[1], usual[2] };
    for (int i = 0; i < 10; i++)
        assert_int_equal(twin_pass(twin, turned, 4), 4);
    twin_free(twin);
}

static void test_put_keeps_no_value_that_comes_once(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    for (int i = 0; i < 1000; i++) {
        char value[32];
        snprintf(value, sizeof(value), "%d", i);
        pass_one(twin, "x-request", value, false);
    }
    assert_int_equal(table_entries(twin), 0);
    twin_free(twin);
}

static void test_put_never_indexes_what_is_sensitive(void **state)
{
    (void)state;
    static const char *const names[] = { "cookie", "authorization", "x-own" };
    struct twin *twin = twin_new(4096);
    for (int i = 0; i < 30; i++) {
        const char *name = names[i % 3];
        size_t len = pass_one(twin, name, "secret", true); /* the twin looks for the mark */
        assert_true(len > strlen("secret"));
        assert_int_equal(twin->block[0] & 0xf0, 0x10);
    }
    assert_int_equal(table_entries(twin), 0);
    twin_free(twin);
}

/* The same text may come with the mark and without: the table must not answer for the secret. */
static void test_put_hides_a_secret_that_is_known(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    for (int i = 0; i < 3; i++)
        pass_one(twin, "x-own", "value", false);
    assert_int_equal(twin->len, 1);
    assert_true(pass_one(twin, "x-own", "value", true) > 10);
    twin_free(twin);
}

static void test_put_keeps_private_values_out_of_the_table(void **state)
{
    (void)state;
    static const char *const names[] = { ":path",        "location",       "etag",
                                         "age",          "content-length", "if-modified-since",
                                         "if-none-match" };
    struct twin *twin = twin_new(4096);
    for (size_t i = 0; i < 40; i++)
        assert_true(pass_one(twin, names[i % 7], "/private", false) > 8);
    assert_int_equal(table_entries(twin), 0);
    assert_int_equal(pass_one(twin, ":path", "/", false), 1); /* says nothing */
    twin_free(twin);
}

static void test_put_makes_room_like_the_decoder(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 200; i++) {
            char name[32];
            snprintf(name, sizeof(name), "x-%03d", i);
            for (int again = 0; again < 2; again++)
                pass_one(twin, name, "some value that is rather long, for a change", false);
            assert_int_equal(
                pass_one(twin, name, "some value that is rather long, for a change", false), 1);
        }
    assert_true(nghttp2_hd_inflate_get_dynamic_table_size(twin->decoder) > 3900);
    twin_free(twin);
}

static void test_limit_tells_the_least_and_the_last(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    for (int i = 0; i < 3; i++)
        twin_pass(twin, usual, USUAL);
    assert_int_equal(twin->len, USUAL);
    twin_limit(twin, 0);
    twin_limit(twin, 4096);
    twin_pass(twin, usual, 1);
    static const uint8_t want[] = { 0x20, 0x3f, 0xe1, 0x1f, 0x88 };
    assert_int_equal(twin->len, sizeof(want));
    assert_memory_equal(twin->block, want, sizeof(want));
    assert_int_equal(twin_pass(twin, usual, 1), 1);     /* told once */
    assert_true(twin_pass(twin, usual, USUAL) > USUAL); /* all was forgotten */
    twin_free(twin);
}

static void test_limit_of_our_own_is_told_first(void **state)
{
    (void)state;
    struct twin *twin = twin_new(100);
    twin_pass(twin, usual, 1);
    static const uint8_t want[] = { 0x3f, 0x45, 0x88 };
    assert_int_equal(twin->len, sizeof(want));
    assert_memory_equal(twin->block, want, sizeof(want));
    twin_limit(twin, 65536); /* more than we want: nothing changes */
    assert_int_equal(twin_pass(twin, usual, 1), 1);
    twin_free(twin);
}

static void test_limit_zero_keeps_nothing(void **state)
{
    (void)state;
    struct twin *twin = twin_new(0);
    for (int i = 0; i < 5; i++)
        twin_pass(twin, usual, USUAL);
    assert_true(twin->len > 30);
    twin_free(twin);
}

static void test_put_row_is_what_its_name_says(void **state)
{
    (void)state;
    static const struct twin_field fields[] = {
        { .name = { ":method", 7 }, .value = { "GET", 3 } },
        { .name = { ":scheme", 7 }, .value = { "https", 5 } },
        { .name = { ":path", 5 }, .value = { "/x", 2 } },
        { .name = { ":status", 7 }, .value = { "200", 3 } },
        { .name = { "content-length", 14 }, .value = { "17", 2 } },
    };
    struct twin *twin = twin_new(4096);
    twin_encode(twin, fields, ARRAY_SIZE(fields)); /* for its room */
    for (int i = 0; i < 3; i++) {
        hpack_encoder_begin(&twin->encoder, twin->block);
        hpack_encoder_put_row(&twin->encoder, HPACK_METHOD_GET);
        hpack_encoder_put_row(&twin->encoder, HPACK_SCHEME_HTTPS);
        hpack_encoder_put_once(&twin->encoder, HPACK_PATH, STR("/x"));
        hpack_encoder_put_row(&twin->encoder, HPACK_STATUS_200);
        hpack_encoder_put_once(&twin->encoder, HPACK_CONTENT_LENGTH, STR("17"));
        twin->len = (size_t)(hpack_encoder_end(&twin->encoder) - twin->block);
        twin_decode(twin, fields, ARRAY_SIZE(fields));
    }
    assert_int_equal(table_entries(twin), 0);
    twin_free(twin);
}

static void test_empty_blocks_are_legal(void **state)
{
    (void)state;
    struct twin *twin = twin_new(4096);
    assert_int_equal(twin_pass(twin, NULL, 0), 0);
    twin_free(twin);
}

static uint64_t below(void *owner, uint64_t bound)
{
    return rng_below(owner, bound);
}

static void test_any_fields_come_back(void **state)
{
    (void)state;
    const char *text = getenv("STEER_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : rng_seed();
    printf("seed %" PRIu64 "\n", seed);
    struct rng rng = rng_init(seed);
    for (int i = 0; i < 200; i++)
        twin_play((struct twin_draw){ below, &rng }, 60);
}

/* Against nghttp2's own copy of the table. */
static void test_static_find_knows_all_of_the_table(void **state)
{
    (void)state;
    for (unsigned index = 1; index <= HPACK_STATIC_COUNT; index++) {
        nghttp2_hd_inflater *decoder;
        assert_int_equal(nghttp2_hd_inflate_new(&decoder), 0);
        const uint8_t block = (uint8_t)(0x80U | index);
        nghttp2_nv field;
        int flags = 0;
        assert_int_equal(nghttp2_hd_inflate_hd2(decoder, &field, &flags, &block, 1, 1), 1);
        struct str name = { .ptr = (const char *)field.name, .len = field.namelen };
        struct str value = { .ptr = (const char *)field.value, .len = field.valuelen };
        struct hpack_static_match match = hpack_static_find(name, value);
        assert_int_equal(match.index, index);
        assert_true(match.is_whole);
        match = hpack_static_find(name, STR("something else"));
        assert_true(match.index > 0 && match.index <= index);
        assert_false(match.is_whole);
        nghttp2_hd_inflate_del(decoder);
    }
    assert_int_equal(hpack_static_find(STR("x-own"), STR("")).index, 0);
    assert_int_equal(hpack_static_find(STR("vib"), STR("")).index, 0);
    assert_int_equal(hpack_static_find(STR("a-name-longer-than-any-of-the-table"), STR("")).index,
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_what_repeats_takes_one_octet),
        cmocka_unit_test(test_put_finds_fields_out_of_order),
        cmocka_unit_test(test_put_keeps_no_value_that_comes_once),
        cmocka_unit_test(test_put_never_indexes_what_is_sensitive),
        cmocka_unit_test(test_put_hides_a_secret_that_is_known),
        cmocka_unit_test(test_put_keeps_private_values_out_of_the_table),
        cmocka_unit_test(test_put_makes_room_like_the_decoder),
        cmocka_unit_test(test_limit_tells_the_least_and_the_last),
        cmocka_unit_test(test_limit_of_our_own_is_told_first),
        cmocka_unit_test(test_limit_zero_keeps_nothing),
        cmocka_unit_test(test_put_row_is_what_its_name_says),
        cmocka_unit_test(test_empty_blocks_are_legal),
        cmocka_unit_test(test_any_fields_come_back),
        cmocka_unit_test(test_static_find_knows_all_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
