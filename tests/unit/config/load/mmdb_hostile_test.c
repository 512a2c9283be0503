/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged and hostile files: refused with a message, within bounds of time and memory. */
#include "config/load/mmdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "steering/base/rng.h"
#include "tests/unit/config/load/mmdb_run.h"
#include "tests/unit/config/load/mmdb_writer.h"

static void expect_damage(struct str bytes, const char *message)
{
    struct run run;
    char expected[256];
    load_bytes(&run, bytes, false);
    snprintf(expected, sizeof(expected), "not a usable MaxMind DB file: %s", message);
    assert_int_equal(run.err, ERR_CORRUPT);
    assert_string_equal(diag_first(&run.diag), expected);
    finish(&run);
}

/* A file of one node whose records are as given. */
static void expect_node_damage(uint64_t left, uint64_t right, const char *message)
{
    struct buf file;
    buf_init(&file, WRITER_MAX_BYTES);
    put_node(&file, 24, left, right);
    put_big_endian(&file, 0, 8);
    put_big_endian(&file, 0, 8);
    put_country(&file, "US");
    put_metadata(&file, 1, 4, 24, "T", 0);
    expect_damage(buf_str(&file), message);
    buf_fini(&file);
}

static void test_load_refuses_bad_nodes(void **state)
{
    static const char outside[] = "its search tree points outside of the file";
    (void)state;
    expect_node_damage(2, 1, outside);        /* into the separator */
    expect_node_damage(16, 1, outside);       /* its last byte */
    expect_node_damage(1, 200, outside);      /* into the metadata */
    expect_node_damage(0xffffff, 1, outside); /* beyond the file */
    expect_node_damage(0, 1, "its search tree runs in circles");
    expect_node_damage(1, 0, "its search tree runs in circles");
    expect_node_damage(0, 0, "its search tree runs in circles");
}

/* Two nodes that lead to each other never end, but addresses do. */
static void test_load_refuses_circles(void **state)
{
    struct buf file;
    (void)state;
    buf_init(&file, WRITER_MAX_BYTES);
    put_node(&file, 24, 1, 3);
    put_node(&file, 24, 3, 2);
    put_node(&file, 24, 1, 3);
    put_big_endian(&file, 0, 8);
    put_big_endian(&file, 0, 8);
    put_metadata(&file, 3, 6, 24, "T", 0);
    expect_damage(buf_str(&file), "its search tree is deeper than an address");
    buf_fini(&file);
}

/* Every node leads to the next one twice: 2^31 paths through 31 nodes. */
static void test_load_bounds_shared_subtrees(void **state)
{
    struct buf file;
    (void)state;
    buf_init(&file, WRITER_MAX_BYTES);
    for (unsigned i = 0; i < 31; i++)
        put_node(&file, 24, i + 1, i + 1); /* the last one leads to "empty" */
    put_big_endian(&file, 0, 8);
    put_big_endian(&file, 0, 8);
    put_metadata(&file, 31, 4, 24, "T", 0);
    expect_damage(buf_str(&file), "its search tree runs in circles");
    buf_fini(&file);
}

static void test_load_refuses_bad_records(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t len;
    } rows[] = {
        { { 0xe1 }, 1 },                              /* a map without its pair */
        { { 0xe1, 0x41, 'k' }, 3 },                   /* a key without a value */
        { { 0xe1, 0xa1, 0x01, 0x40 }, 4 },            /* a key that is a number */
        { { 0x20, 0x00 }, 2 },                        /* a pointer to itself */
        { { 0xe1, 0x41, 'k', 0x3f, 0xff, 0xff }, 6 }, /* half a pointer */
        { { 0x00, 0x05 }, 2 },                        /* a type that does not exist */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mmdb_writer writer;
        struct run run;
        mmdb_writer_init(&writer, 4, 24);
        buf_append(&writer.data, rows[i].bytes, rows[i].len);
        mmdb_writer_add(&writer, "192.0.2.0/24", 0);
        load_writer(&run, &writer, false);
        assert_int_equal(run.err, ERR_CORRUPT);
        assert_string_equal(diag_first(&run.diag),
                            "not a usable MaxMind DB file: a data record is damaged");
        finish(&run);
        mmdb_writer_fini(&writer);
    }
}

/* Thousands of records that all look through one map of thousands of keys. */
static void test_load_bounds_entangled_data(void **state)
{
    enum { PAIRS = 4000, RECORDS = 4000 };
    struct mmdb_writer writer;
    struct run run;
    (void)state;
    mmdb_writer_init(&writer, 4, 24);
    size_t key = writer.data.len;
    put_text(&writer.data, "k");
    size_t map = writer.data.len;
    put_map(&writer.data, PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        put_pointer(&writer.data, key);
        put_number(&writer.data, 5, 0);
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        char prefix[CIDR_TEXT_MAX];
        snprintf(prefix, sizeof(prefix), "10.%u.%u.0/24", i >> 8, i & 255);
        mmdb_writer_add(&writer, prefix, writer.data.len);
        put_pointer(&writer.data, map);
    }
    load_writer(&run, &writer, false);
    assert_int_equal(run.err, ERR_CORRUPT);
    assert_string_equal(diag_first(&run.diag),
                        "not a usable MaxMind DB file: its data is entangled beyond reason");
    finish(&run);
    mmdb_writer_fini(&writer);
}

static void test_load_refuses_truncated_files(void **state)
{
    struct buf file;
    (void)state;
    buf_init(&file, WRITER_MAX_BYTES);
    put_usual_file(&file);
    for (unsigned sixteenth = 0; sixteenth < 16; sixteenth++) {
        struct run run;
        load_bytes(&run, (struct str){ (const char *)file.bytes, file.len * sixteenth / 16 },
                   false);
        assert_int_equal(run.err, ERR_CORRUPT);
        finish(&run);
    }
    /* without its front, the metadata promises more tree than there is */
    for (unsigned sixteenth = 1; sixteenth < 12; sixteenth++) {
        struct run run;
        size_t cut = file.len * sixteenth / 16;
        load_bytes(&run, (struct str){ (const char *)file.bytes + cut, file.len - cut }, false);
        assert_int_equal(run.err, ERR_CORRUPT);
        finish(&run);
    }
    buf_fini(&file);
}

/* One changed byte may change the answer, but never more than that. */
static void test_load_survives_changed_bytes(void **state)
{
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    struct buf file;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    buf_init(&file, WRITER_MAX_BYTES);
    put_usual_file(&file);
    for (size_t i = 0; i < file.len; i++) {
        struct run run;
        uint8_t kept = file.bytes[i];
        file.bytes[i] ^= (uint8_t)(1 + rng_below(&rng, 255));
        load_bytes(&run, buf_str(&file), i % 2 == 0);
        assert_true(run.err == ERR_OK || run.err == ERR_CORRUPT);
        finish(&run);
        file.bytes[i] = kept;
    }
    buf_fini(&file);
}

static void test_load_refuses_foreign_files(void **state)
{
    (void)state;
    expect_damage(STR(""), "it is empty");
    expect_damage(STR("x"), "it has no metadata");
    expect_damage(STR("This is a text file, not a database.\n"), "it has no metadata");
    expect_damage(STR("\xab\xcd\xefMaxMind.com"), "it has no metadata");
    expect_damage(STR("\xab\xcd\xefMaxMind.com\xe0"), "its format version is not 2");
    expect_damage(STR("\xab\xcd\xefMaxMind.com\xe1"), "its metadata is damaged");
}

/* A tree of one empty node, with metadata as given. */
static void expect_metadata_damage(uint64_t nodes, unsigned ip_version, unsigned record_bits,
                                   const char *message)
{
    struct buf file;
    buf_init(&file, WRITER_MAX_BYTES);
    put_node(&file, 24, 1, 1);
    put_big_endian(&file, 0, 8);
    put_big_endian(&file, 0, 8);
    put_metadata(&file, nodes, ip_version, record_bits, "T", 0);
    expect_damage(buf_str(&file), message);
    buf_fini(&file);
}

static void test_load_refuses_bad_metadata(void **state)
{
    (void)state;
    expect_metadata_damage(0, 4, 24, "it has no search tree");
    expect_metadata_damage(2, 4, 24, "its search tree is cut short");
    /* times six, these wrap to a small number of 32 bits */
    expect_metadata_damage(0x2AAAAAAB, 4, 24, "its search tree is cut short");
    expect_metadata_damage(UINT32_MAX, 4, 32, "its search tree is cut short");
    expect_metadata_damage(1, 5, 24, "its IP version is neither 4 nor 6");
    expect_metadata_damage(1, 4, 0, "its record size is not 24, 28 or 32");
    expect_metadata_damage(1, 4, 25, "its record size is not 24, 28 or 32");
    expect_metadata_damage(1, 4, 65535, "its record size is not 24, 28 or 32");
}

static void start_empty_tree(struct buf *file)
{
    buf_init(file, WRITER_MAX_BYTES);
    put_node(file, 24, 1, 1);
    put_big_endian(file, 0, 8);
    put_big_endian(file, 0, 8);
}

/* Metadata that would take libmaxminddb for ever, or off the end of its stack. */
static void test_load_refuses_huge_metadata(void **state)
{
    struct buf file;
    (void)state;
    /* thirty arrays that each hold the next one twice: 2^30 values written out */
    start_empty_tree(&file);
    put_metadata(&file, 1, 4, 24, "T", 1);
    size_t metadata_at = 6 + 16 + 14;
    put_text(&file, "bomb");
    for (unsigned i = 0; i < 30; i++) {
        put_array(&file, 2);
        size_t next = file.len + 10 - metadata_at;
        put_pointer(&file, next);
        put_pointer(&file, next);
    }
    put_array(&file, 0);
    expect_damage(buf_str(&file), "its metadata is damaged");
    buf_fini(&file);
    /* sixty thousand levels of nesting */
    start_empty_tree(&file);
    put_metadata(&file, 1, 4, 24, "T", 1);
    put_text(&file, "deep");
    for (unsigned i = 0; i < 60000; i++)
        put_array(&file, 1);
    put_array(&file, 0);
    expect_damage(buf_str(&file), "its metadata is damaged");
    buf_fini(&file);
    /* twenty would do little harm, but no database needs them */
    start_empty_tree(&file);
    put_metadata(&file, 1, 4, 24, "T", 1);
    put_text(&file, "deep");
    for (unsigned i = 0; i < 20; i++)
        put_array(&file, 1);
    put_array(&file, 0);
    expect_damage(buf_str(&file), "its metadata is damaged");
    buf_fini(&file);
    /* a node count that stands twice */
    start_empty_tree(&file);
    put_metadata(&file, 1, 4, 24, "T", 1);
    put_text(&file, "node_count");
    put_number(&file, 6, 1000000);
    expect_damage(buf_str(&file), "its metadata is damaged");
    buf_fini(&file);
    /* lists of texts that hold something else */
    static const char *const keys[] = { "languages", "description" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        start_empty_tree(&file);
        put_metadata(&file, 1, 4, 24, "T", 1);
        put_text(&file, keys[i]);
        if (i == 0)
            put_array(&file, 1);
        else
            put_map(&file, 1);
        put_number(&file, 5, 1);
        put_text(&file, "x");
        expect_damage(buf_str(&file), "its metadata is damaged");
        buf_fini(&file);
    }
    /* a list of sixteen million languages */
    start_empty_tree(&file);
    put_metadata(&file, 1, 4, 24, "T", 1);
    put_text(&file, "names");
    put_array(&file, 16000000);
    expect_damage(buf_str(&file), "its metadata is damaged");
    buf_fini(&file);
}

/* The marker may occur in the data: the last one counts. */
static void test_load_takes_the_last_marker(void **state)
{
    struct mmdb_writer writer;
    struct run run;
    (void)state;
    mmdb_writer_init(&writer, 4, 24);
    size_t at = put_country(&writer.data, "US");
    put_text(&writer.data, "\xab\xcd\xefMaxMind.com\xe1");
    mmdb_writer_add(&writer, "192.0.2.0/24", at);
    load_writer(&run, &writer, false);
    assert_string_equal(buf_text(&run.notes.out), "192.0.2.0/24 NA/US/ 1.0,1.0\n");
    finish(&run);
    mmdb_writer_fini(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_refuses_bad_nodes),
        cmocka_unit_test(test_load_refuses_circles),
        cmocka_unit_test(test_load_bounds_shared_subtrees),
        cmocka_unit_test(test_load_refuses_bad_records),
        cmocka_unit_test(test_load_bounds_entangled_data),
        cmocka_unit_test(test_load_refuses_truncated_files),
        cmocka_unit_test(test_load_survives_changed_bytes),
        cmocka_unit_test(test_load_refuses_foreign_files),
        cmocka_unit_test(test_load_refuses_bad_metadata),
        cmocka_unit_test(test_load_refuses_huge_metadata),
        cmocka_unit_test(test_load_takes_the_last_marker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
