/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>

#include "tests/unit/config/load/mmdb_writer.h"

struct fixture {
    struct buf out;
    struct mmdb_data data;
};

static void start(struct fixture *fixture)
{
    buf_init(&fixture->out, WRITER_MAX_BYTES);
}

/* An exact copy, so that the sanitizer sees a read one byte beyond. */
static struct mmdb_data *seal(struct fixture *fixture)
{
    fixture->data = (struct mmdb_data){ .bytes = mem_dup(fixture->out.bytes, fixture->out.len),
                                        .len = fixture->out.len,
                                        .budget = 1000000 };
    return &fixture->data;
}

static void finish(struct fixture *fixture)
{
    free((void *)(uintptr_t)fixture->data.bytes);
    buf_fini(&fixture->out);
}

static void test_read_sizes(void **state)
{
    static const size_t sizes[] = { 0, 1, 28, 29, 30, 284, 285, 286, 65820, 65821, 70000 };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct fixture fixture;
        struct mmdb_value value;
        size_t next = 0;
        char *text = mem_calloc(sizes[i] + 1, 1);
        memset(text, 'x', sizes[i]);
        start(&fixture);
        put_text(&fixture.out, text);
        struct mmdb_data *data = seal(&fixture);
        assert_true(mmdb_data_read(data, 0, &value));
        assert_int_equal(value.type, MMDB_TYPE_TEXT);
        assert_int_equal(value.size, sizes[i]);
        assert_true(str_eq(mmdb_value_text(data, &value), str_from(text)));
        assert_true(mmdb_data_skip(data, 0, &next));
        assert_int_equal(next, data->len);
        /* cut anywhere, it is damaged */
        for (size_t cut = data->len; cut > 0 && cut + 70 > data->len; cut--) {
            data->len = cut - 1;
            assert_false(mmdb_data_read(data, 0, &value));
            assert_false(mmdb_data_skip(data, 0, &next));
        }
        free(text);
        finish(&fixture);
    }
}

static void test_read_numbers(void **state)
{
    static const struct {
        unsigned type;
        uint64_t number;
    } rows[] = { { 5, 0 },          { 5, 1 }, { 5, 65535 },      { 6, 256 },
                 { 6, UINT32_MAX }, { 9, 0 }, { 9, UINT64_MAX }, { 9, 1780000000 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture fixture;
        struct mmdb_value value;
        uint64_t number = 77;
        double real = 0;
        start(&fixture);
        put_number(&fixture.out, rows[i].type, rows[i].number);
        struct mmdb_data *data = seal(&fixture);
        assert_true(mmdb_data_read(data, 0, &value));
        assert_true(mmdb_value_number(data, &value, &number));
        assert_int_equal(number, rows[i].number);
        assert_false(mmdb_value_real(data, &value, &real));
        finish(&fixture);
    }
}

static void test_read_reals(void **state)
{
    struct fixture fixture;
    struct mmdb_value value;
    uint64_t number = 0;
    double real = 0;
    size_t at = 0;
    (void)state;
    start(&fixture);
    put_double(&fixture.out, -77.45);
    put_float(&fixture.out, 38.5f);
    put_double(&fixture.out, (double)NAN);
    put_float(&fixture.out, INFINITY);
    struct mmdb_data *data = seal(&fixture);
    assert_true(mmdb_data_read(data, 0, &value));
    assert_true(mmdb_value_real(data, &value, &real));
    assert_true(real < -77.44 && real > -77.46);
    assert_false(mmdb_value_number(data, &value, &number));
    assert_true(mmdb_data_skip(data, 0, &at));
    assert_true(mmdb_data_read(data, at, &value));
    assert_true(mmdb_value_real(data, &value, &real));
    assert_true(real > 38.4 && real < 38.6);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(mmdb_data_skip(data, at, &at));
        assert_true(mmdb_data_read(data, at, &value));
        assert_false(mmdb_value_real(data, &value, &real));
    }
    finish(&fixture);
}

static void test_read_pointer_forms(void **state)
{
    static const struct {
        uint8_t bytes[5];
        size_t len, target;
    } rows[] = {
        { { 0x20, 0x05 }, 2, 5 },
        { { 0x21, 0x05 }, 2, 0x105 },
        { { 0x28, 0x00, 0x00 }, 3, 2048 },
        { { 0x28, 0x01, 0x02 }, 3, 2048 + 0x102 },
        { { 0x30, 0x00, 0x00, 0x01 }, 4, 526336 + 1 },
        { { 0x38, 0x00, 0x08, 0x08, 0x02 }, 5, 526338 },
        { { 0x3f, 0x00, 0x00, 0x00, 0x06 }, 5, 6 }, /* low bits of the control byte do not count */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture fixture;
        struct mmdb_value value;
        uint64_t number = 0;
        size_t next = 0;
        start(&fixture);
        buf_append(&fixture.out, rows[i].bytes, rows[i].len);
        while (fixture.out.len < rows[i].target)
            put_byte(&fixture.out, 0);
        put_number(&fixture.out, 5, 4711);
        struct mmdb_data *data = seal(&fixture);
        assert_true(mmdb_data_read(data, 0, &value));
        assert_true(mmdb_value_number(data, &value, &number));
        assert_int_equal(number, 4711);
        assert_true(mmdb_data_skip(data, 0, &next));
        assert_int_equal(next, rows[i].len);
        data->len = rows[i].target; /* nothing there any more */
        assert_false(mmdb_data_read(data, 0, &value));
        finish(&fixture);
    }
}

static void test_read_refuses_what_the_format_forbids(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[12];
        size_t len;
    } rows[] = {
        { "nothing", { 0 }, 0 },
        { "extended type without its byte", { 0x00 }, 1 },
        { "extended type 7", { 0x00, 0x00 }, 2 },
        { "container", { 0x00, 0x05 }, 2 },
        { "end marker", { 0x00, 0x06 }, 2 },
        { "type 16", { 0x00, 0x09 }, 2 },
        { "type 262", { 0x00, 0xff }, 2 },
        { "double of 7 bytes", { 0x67, 1, 2, 3, 4, 5, 6, 7 }, 8 },
        { "float of 8 bytes", { 0x08, 0x08, 1, 2, 3, 4, 5, 6, 7, 8 }, 10 },
        { "uint16 of 3 bytes", { 0xa3, 1, 2, 3 }, 4 },
        { "uint32 of 5 bytes", { 0xc5, 1, 2, 3, 4, 5 }, 6 },
        { "uint64 of 9 bytes", { 0x09, 0x02, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, 11 },
        { "boolean of 2", { 0x02, 0x07 }, 2 },
        { "pointer to itself", { 0x20, 0x00 }, 2 },
        { "pointer to a pointer", { 0x20, 0x02, 0x20, 0x04, 0x40 }, 5 },
        { "pointer beyond the end", { 0x20, 0x02 }, 2 },
        { "half a pointer", { 0x28, 0x00 }, 2 },
        { "half a size", { 0x5e, 0x00 }, 2 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture fixture;
        struct mmdb_value value;
        start(&fixture);
        buf_append(&fixture.out, rows[i].bytes, rows[i].len);
        if (mmdb_data_read(seal(&fixture), 0, &value))
            fail_msg("read %s", rows[i].what);
        assert_false(mmdb_data_read(&fixture.data, fixture.data.len + 5, &value));
        finish(&fixture);
    }
}

/* Two million levels of nesting: recursion would overflow the stack. */
static void test_skip_does_not_recurse(void **state)
{
    struct fixture fixture;
    size_t next = 0;
    (void)state;
    start(&fixture);
    for (size_t i = 0; i < 2000000; i++)
        put_array(&fixture.out, 1);
    put_text(&fixture.out, "");
    struct mmdb_data *data = seal(&fixture);
    data->budget = 2000001;
    assert_true(mmdb_data_skip(data, 0, &next));
    assert_int_equal(next, data->len);
    assert_int_equal(data->budget, 0);
    data->budget = 2000000;
    assert_false(mmdb_data_skip(data, 0, &next));
    finish(&fixture);
}

static void test_pair_reads_keys_through_pointers(void **state)
{
    struct fixture fixture;
    struct mmdb_value map, value;
    struct str key;
    size_t at = 0, value_at = 0;
    (void)state;
    start(&fixture);
    put_text(&fixture.out, "shared"); /* offset 0 */
    size_t map_at = fixture.out.len;
    put_map(&fixture.out, 3);
    put_pointer(&fixture.out, 0);
    put_array(&fixture.out, 2);
    put_text(&fixture.out, "a");
    put_map(&fixture.out, 0);
    put_text(&fixture.out, "k");
    put_pointer(&fixture.out, 0);
    put_number(&fixture.out, 5, 3); /* a key that is no text */
    put_text(&fixture.out, "x");
    struct mmdb_data *data = seal(&fixture);
    assert_true(mmdb_data_read(data, map_at, &map));
    assert_int_equal(map.type, MMDB_TYPE_MAP);
    assert_int_equal(map.size, 3);
    at = map.body;
    assert_true(mmdb_data_pair(data, &at, &key, &value_at));
    assert_true(str_eq(key, STR("shared")));
    assert_true(mmdb_data_read(data, value_at, &value));
    assert_int_equal(value.type, MMDB_TYPE_ARRAY);
    assert_true(mmdb_data_pair(data, &at, &key, &value_at));
    assert_true(str_eq(key, STR("k")));
    assert_true(mmdb_data_read(data, value_at, &value));
    assert_true(str_eq(mmdb_value_text(data, &value), STR("shared")));
    assert_false(mmdb_data_pair(data, &at, &key, &value_at));
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_sizes),
        cmocka_unit_test(test_read_numbers),
        cmocka_unit_test(test_read_reals),
        cmocka_unit_test(test_read_pointer_forms),
        cmocka_unit_test(test_read_refuses_what_the_format_forbids),
        cmocka_unit_test(test_skip_does_not_recurse),
        cmocka_unit_test(test_pair_reads_keys_through_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
