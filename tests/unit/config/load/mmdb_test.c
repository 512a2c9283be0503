/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/file.h"
#include "steering/base/rng.h"
#include "tests/unit/config/load/mmdb_run.h"
#include "tests/unit/config/load/mmdb_writer.h"

/* ---- records --------------------------------------------------------------------------------- */

static void test_load_nested_records(void **state)
{
    static const struct {
        struct nested record;
        const char *expected;
    } rows[] = {
        { { "NA", "US", "VA", 38.9, -77.4, 20 }, "NA/US/VA 38.9,-77.4" },
        { { "NA", "US", "VA", 38.9, -77.4, 0 }, "NA/US/VA 38.9,-77.4" },
        { { "NA", "US", "VA", 38.9, -77.4, 500 }, "NA/US/VA 38.9,-77.4" },
        { { NULL, "US", "VA", 38.9, -77.4, 20 }, "NA/US/VA 38.9,-77.4" }, /* continent by table */
        { { "na", "us", "va", 38.9, -77.4, 20 }, "NA/US/VA 38.9,-77.4" },
        { { "EU", "GB", "ENG", 51.5, -0.1, 20 }, "EU/GB/ENG 51.5,-0.1" }, /* not in the table */
        { { "NA", "US", "PR", 18.4, -66.1, 20 }, "NA/PR/ 18.4,-66.1" },   /* a country of its own */
        { { "EU", NULL, NULL, 47.0, 8.0, 20 }, "EU// 47.0,8.0" },
        { { "EU", "ZZ", NULL, 47.0, 8.0, 20 }, "EU// 47.0,8.0" },
        { { "NA", "US", "not a code", 38.9, -77.4, 20 }, "NA/US/ 38.9,-77.4" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mmdb_writer writer;
        struct run run;
        char expected[128];
        mmdb_writer_init(&writer, 6, 24);
        mmdb_writer_add(&writer, "192.0.2.0/24", put_nested(&writer.data, &rows[i].record));
        load_writer(&run, &writer, false);
        snprintf(expected, sizeof(expected), "192.0.2.0/24 %s\n", rows[i].expected);
        assert_string_equal(buf_text(&run.notes.out), expected);
        assert_int_equal(run.diag.warning_count, 0);
        assert_string_equal(run.info.type, "Test-City");
        assert_int_equal(run.info.build_epoch, 1780000000);
        assert_int_equal(run.info.ip_version, 6);
        assert_int_equal(run.info.prefix_count, 1);
        assert_int_equal(run.info.record_count, 1);
        finish(&run);
        mmdb_writer_fini(&writer);
    }
}

/* The middle of the subdivision, or else of the country. */
static void test_load_replaces_vague_coordinates(void **state)
{
    static const struct nested rows[] = {
        { "NA", "US", "VA", 37.75, -97.82, 501 },
        { "NA", "US", NULL, 37.75, -97.82, 1000 },
        { "NA", "US", NULL, 0, 0, 0 },
        { "EU", "GB", "ENG", 0, 0, 0 },
    };
    struct location locations[ARRAY_SIZE(rows)];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mmdb_writer writer;
        struct run run;
        mmdb_writer_init(&writer, 4, 24);
        mmdb_writer_add(&writer, "192.0.2.0/24", put_nested(&writer.data, &rows[i]));
        load_writer(&run, &writer, false);
        assert_int_equal(run.notes.location_count, 1);
        locations[i] = run.notes.locations[0];
        assert_true(locations[i].has_coordinates);
        finish(&run);
        mmdb_writer_fini(&writer);
    }
    assert_true(locations[0].lat_deg > 36 && locations[0].lat_deg < 40); /* in Virginia */
    assert_true(locations[0].lon_deg > -84 && locations[0].lon_deg < -75);
    assert_true(locations[1].lon_deg < -80); /* in the US, further west */
    assert_memory_equal(&locations[1].lat_deg, &locations[2].lat_deg, sizeof(float));
    assert_true(locations[3].lat_deg > 49 && locations[3].lat_deg < 60);
}

static void test_load_flat_records(void **state)
{
    static const struct {
        const char *country, *state1;
        float lat_deg, lon_deg;
        const char *expected;
    } rows[] = {
        { "US", "California", 37.4f, -122.1f, "NA/US/CA 37.4,-122.1" },
        { "CA", "Quebec", 45.5f, -73.6f, "NA/CA/QC 45.5,-73.6" },
        { "US", "", 37.4f, -122.1f, "NA/US/ 37.4,-122.1" },
        { "FR", "Whatever", 48.9f, 2.4f, "EU/FR/ 48.9,2.4" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mmdb_writer writer;
        struct run run;
        char expected[128];
        mmdb_writer_init(&writer, 4, 28);
        mmdb_writer_add(&writer, "192.0.2.0/24",
                        put_flat(&writer.data, rows[i].country, rows[i].state1, rows[i].lat_deg,
                                 rows[i].lon_deg));
        load_writer(&run, &writer, false);
        snprintf(expected, sizeof(expected), "192.0.2.0/24 %s\n", rows[i].expected);
        assert_string_equal(buf_text(&run.notes.out), expected);
        assert_int_equal(run.info.ip_version, 4);
        finish(&run);
        mmdb_writer_fini(&writer);
    }
}

static void test_load_takes_zero_zero_for_unknown(void **state)
{
    struct mmdb_writer writer;
    struct run run;
    (void)state;
    mmdb_writer_init(&writer, 4, 28);
    mmdb_writer_add(&writer, "192.0.2.0/24", put_flat(&writer.data, "JP", "", 0, 0));
    load_writer(&run, &writer, false);
    assert_true(run.notes.locations[0].lat_deg > 30);
    finish(&run);
    mmdb_writer_fini(&writer);
}

/* A satellite provider: registered in Germany, which says nothing about its clients. */
static void test_load_ignores_registered_country(void **state)
{
    struct mmdb_writer writer;
    struct run run;
    (void)state;
    mmdb_writer_init(&writer, 4, 24);
    mmdb_writer_add(&writer, "192.0.2.0/24", put_nested(&writer.data, &(struct nested){ 0 }));
    load_writer(&run, &writer, false);
    assert_int_equal(run.err, ERR_OK);
    assert_string_equal(buf_text(&run.notes.out), "");
    assert_int_equal(run.diag.warning_count, 1);
    assert_string_equal(run.diag.entries[0].text, "the database holds no locations");
    finish(&run);
    mmdb_writer_fini(&writer);
}

static void test_load_country_only(void **state)
{
    struct mmdb_writer writer;
    struct run run;
    (void)state;
    mmdb_writer_init(&writer, 6, 32);
    size_t at = writer.data.len;
    put_map(&writer.data, 2);
    put_text(&writer.data, "country_code");
    put_text(&writer.data, "BR");
    put_text(&writer.data, "continent");
    put_text(&writer.data, "South America");
    mmdb_writer_add(&writer, "2001:db8::/32", at);
    load_writer(&run, &writer, false);
    assert_int_equal(run.notes.location_count, 1);
    assert_string_equal(run.notes.locations[0].country, "BR");
    assert_string_equal(run.notes.locations[0].continent, "SA");
    assert_true(run.notes.locations[0].has_coordinates);
    assert_true(run.notes.locations[0].lat_deg < 0);
    assert_int_equal(run.diag.warning_count, 0);
    finish(&run);
    mmdb_writer_fini(&writer);
}

static void test_load_asns(void **state)
{
    static const struct {
        const char *key;
        uint64_t type; /* 2: text */
        uint64_t number;
        const char *text, *expected;
        uint64_t warnings;
    } rows[] = {
        { "autonomous_system_number", 6, 64500, NULL, "192.0.2.0/24 AS64500\n", 0 },
        { "asn", 5, 13, NULL, "192.0.2.0/24 AS13\n", 0 },
        { "asn", 9, 4200000000u, NULL, "192.0.2.0/24 AS4200000000\n", 0 },
        { "asn", 2, 0, "AS15169", "192.0.2.0/24 AS15169\n", 0 },
        { "asn", 2, 0, "15169", "192.0.2.0/24 AS15169\n", 0 },
        { "asn", 2, 0, "", "", 1 }, /* the warning: no AS numbers */
        { "asn", 6, 0, NULL, "", 1 },
        { "asn", 2, 0, "ASx", "", 2 }, /* and one for the value */
        { "asn", 9, 4294967296u, NULL, "", 2 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mmdb_writer writer;
        struct run run;
        mmdb_writer_init(&writer, 4, 24);
        size_t at = writer.data.len;
        put_map(&writer.data, 2);
        put_text(&writer.data, rows[i].key);
        if (rows[i].type == 2)
            put_text(&writer.data, rows[i].text);
        else
            put_number(&writer.data, (unsigned)rows[i].type, rows[i].number);
        put_text(&writer.data, "autonomous_system_organization");
        put_text(&writer.data, "Example");
        mmdb_writer_add(&writer, "192.0.2.0/24", at);
        load_writer(&run, &writer, true);
        assert_int_equal(run.err, ERR_OK);
        assert_string_equal(buf_text(&run.notes.out), rows[i].expected);
        assert_int_equal(run.diag.warning_count, rows[i].warnings);
        finish(&run);
        mmdb_writer_fini(&writer);
    }
}

static void test_load_counts_wrong_types(void **state)
{
    struct mmdb_writer writer;
    struct run run;
    struct buf out;
    (void)state;
    mmdb_writer_init(&writer, 4, 24);
    buf_init(&out, 1000);
    struct buf *data = &writer.data;
    put_text(data, "padding");
    size_t good = data->len;
    put_map(data, 7);
    put_text(data, "country");
    put_map(data, 1);
    put_text(data, "iso_code");
    put_text(data, "FR");
    put_text(data, "continent");
    put_number(data, 5, 3); /* 1: not a text */
    put_text(data, "subdivisions");
    put_text(data, "IDF"); /* 2: not an array */
    put_text(data, "location");
    put_map(data, 3);
    put_text(data, "latitude");
    put_double(data, 91); /* 3: not a latitude */
    put_text(data, "longitude");
    put_text(data, "2.4"); /* fine: some write numbers as texts */
    put_text(data, "accuracy_radius");
    put_map(data, 0); /* 4 */
    put_text(data, "asn");
    put_array(data, 0); /* 5 */
    put_text(data, "traits");
    put_map(data, 0); /* fine */
    put_text(data, "other");
    put_array(data, 0); /* fine: nobody asks for it */
    size_t list = data->len;
    put_array(data, 0); /* 6: a record that is no map */
    mmdb_writer_add(&writer, "192.0.2.0/24", good);
    mmdb_writer_add(&writer, "198.51.100.0/24", good);
    mmdb_writer_add(&writer, "203.0.113.0/24", list);
    load_writer(&run, &writer, false);
    assert_int_equal(run.err, ERR_OK);
    assert_int_equal(run.info.unusable_count, 6);
    assert_int_equal(run.info.record_count, 2);
    assert_int_equal(run.info.prefix_count, 2);
    diag_format(&run.diag, &out);
    assert_string_equal(buf_text(&out),
                        "x.mmdb: warning: ignored 6 values of an unexpected kind, the first under "
                        "'continent' in the record at offset 8 of the data\n");
    assert_string_equal(run.notes.locations[0].country, "FR");
    buf_fini(&out);
    finish(&run);
    mmdb_writer_fini(&writer);
}

/* ---- trees ----------------------------------------------------------------------------------- */

static void test_load_leaves_out_repeated_ipv4(void **state)
{
    static const char *const aliases[] = { "::ffff:0:0/96", "2002::/16", "2001::/32",
                                           "64:ff9b::/96" };
    (void)state;
    for (unsigned bits = 24; bits <= 32; bits += 4) {
        struct mmdb_writer writer;
        struct run run;
        mmdb_writer_init(&writer, 6, bits);
        size_t us = put_country(&writer.data, "US"), fr = put_country(&writer.data, "FR");
        mmdb_writer_add(&writer, "192.0.2.0/24", us);
        mmdb_writer_add(&writer, "10.0.0.0/8", fr);
        mmdb_writer_add(&writer, "2001:db8::/32", fr);
        mmdb_writer_add(&writer, "2003::/16", us);
        size_t v4 = 0; /* the node of ::/96 */
        for (unsigned i = 0; i < 96; i++)
            v4 = (size_t)writer.nodes[v4][0];
        for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
            mmdb_writer_set(&writer, aliases[i], (long)v4);
        load_writer(&run, &writer, false);
        assert_int_equal(run.err, ERR_OK);
        assert_string_equal(buf_text(&run.notes.out), "10.0.0.0/8 EU/FR/ 1.0,1.0\n"
                                                      "192.0.2.0/24 NA/US/ 1.0,1.0\n"
                                                      "2001:db8::/32 EU/FR/ 1.0,1.0\n"
                                                      "2003::/16 NA/US/ 1.0,1.0\n");
        finish(&run);
        mmdb_writer_fini(&writer);
    }
}

/* A leaf above ::/96 speaks for all of IPv4, one at ::/96 too. */
static void test_load_wide_leaf_covers_ipv4(void **state)
{
    static const struct {
        const char *prefix, *expected;
    } rows[] = {
        { "::/1", "0.0.0.0/0 NA/US/ 1.0,1.0\n::/1 NA/US/ 1.0,1.0\n" },
        { "::/95", "0.0.0.0/0 NA/US/ 1.0,1.0\n::/95 NA/US/ 1.0,1.0\n" },
        { "::/96", "0.0.0.0/0 NA/US/ 1.0,1.0\n" },
        { "8000::/1", "8000::/1 NA/US/ 1.0,1.0\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mmdb_writer writer;
        struct run run;
        mmdb_writer_init(&writer, 6, 24);
        mmdb_writer_add(&writer, rows[i].prefix, put_country(&writer.data, "US"));
        load_writer(&run, &writer, false);
        assert_string_equal(buf_text(&run.notes.out), rows[i].expected);
        finish(&run);
        mmdb_writer_fini(&writer);
    }
}

static void test_load_full_depth(void **state)
{
    struct mmdb_writer writer;
    struct run run;
    (void)state;
    mmdb_writer_init(&writer, 6, 24);
    size_t us = put_country(&writer.data, "US");
    mmdb_writer_add(&writer, "255.255.255.255/32", us);
    mmdb_writer_add(&writer, "2001:db8::1/128", us);
    load_writer(&run, &writer, false);
    assert_string_equal(buf_text(&run.notes.out), "255.255.255.255/32 NA/US/ 1.0,1.0\n"
                                                  "2001:db8::1/128 NA/US/ 1.0,1.0\n");
    finish(&run);
    mmdb_writer_fini(&writer);
}

/* Random prefixes of one length are disjoint: what went in must come out, in order. */
static void test_load_returns_what_was_written(void **state)
{
    enum { COUNT = 300, ROUNDS = 20 };
    static const char *const codes[] = { "US", "FR", "JP", "BR" };
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct mmdb_writer writer;
        struct run run;
        struct buf expected;
        static uint8_t country_of[65536];
        size_t data_at[ARRAY_SIZE(codes)];
        memset(country_of, 0, sizeof(country_of));
        mmdb_writer_init(&writer, round % 2 == 0 ? 4 : 6, 24 + 4 * (round % 3));
        buf_init(&expected, 1 << 20);
        for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
            data_at[i] = put_country(&writer.data, codes[i]);
        for (size_t i = 0; i < COUNT; i++) {
            char prefix[CIDR_TEXT_MAX];
            uint64_t net = rng_below(&rng, 65536), code = rng_below(&rng, ARRAY_SIZE(codes));
            snprintf(prefix, sizeof(prefix), "%u.%u.0.0/16", (unsigned)(net >> 8),
                     (unsigned)(net & 255));
            mmdb_writer_add(&writer, prefix, data_at[code]);
            country_of[net] = (uint8_t)(code + 1);
        }
        for (unsigned net = 0; net < 65536; net++) {
            static const char *const continents[] = { "NA", "EU", "AS", "SA" };
            if (country_of[net] != 0)
                buf_append_format(&expected, "%u.%u.0.0/16 %s/%s/ 1.0,1.0\n", net >> 8, net & 255,
                                  continents[country_of[net] - 1], codes[country_of[net] - 1]);
        }
        load_writer(&run, &writer, false);
        assert_int_equal(run.err, ERR_OK);
        assert_string_equal(buf_text(&run.notes.out), buf_text(&expected));
        finish(&run);
        buf_fini(&expected);
        mmdb_writer_fini(&writer);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static enum err load_path(const char *path, struct run *run)
{
    memset(run, 0, sizeof(*run));
    buf_init(&run->notes.out, 1 << 22);
    diag_init(&run->diag);
    struct mmdb_sink sink = { .context = &run->notes,
                              .number_location = note_location,
                              .add_location = note_prefix };
    struct mmdb_source source = { .path = path };
    return mmdb_load_locations(&source, 500, &sink, &run->diag, &run->info);
}

static void test_load_from_a_file(void **state)
{
    struct buf file;
    struct run run;
    char path[] = "/tmp/steer-mmdb-XXXXXX";
    (void)state;
    close(mkstemp(path));
    buf_init(&file, WRITER_MAX_BYTES);
    put_usual_file(&file);
    assert_int_equal(file_replace(path, buf_str(&file), false), ERR_OK);
    assert_int_equal(load_path(path, &run), ERR_OK);
    assert_int_equal(run.info.prefix_count, 3);
    finish(&run);
    unlink(path);
    assert_int_equal(load_path(path, &run), ERR_NOT_FOUND);
    assert_string_equal(diag_first(&run.diag),
                        "cannot open the database: No such file or directory");
    assert_string_equal(run.diag.entries[0].file, path);
    finish(&run);
    assert_int_equal(load_path("/tmp", &run), ERR_IO);
    finish(&run);
    buf_fini(&file);
}

/* Written by MaxMind's own writer, so that ours cannot share a misreading with the reader. */
static void test_load_sample_files(void **state)
{
    static const struct {
        const char *path, *expected;
    } rows[] = {
        { "tests/data/nested.mmdb", "192.0.2.0/24 NA/US/VA 39.0,-77.5\n"
                                    "198.51.100.0/24 EU/GB/ENG 51.5,-0.1\n"
                                    "2001:db8::/32 AS/JP/13 35.7,139.7\n" },
        { "tests/data/flat.mmdb", "192.0.2.0/24 NA/US/CA 37.4,-122.1\n"
                                  "203.0.113.0/25 NA/CA/QC 45.5,-73.6\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run run;
        assert_int_equal(load_path(rows[i].path, &run), ERR_OK);
        assert_string_equal(buf_text(&run.notes.out), rows[i].expected);
        finish(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_nested_records),
        cmocka_unit_test(test_load_replaces_vague_coordinates),
        cmocka_unit_test(test_load_flat_records),
        cmocka_unit_test(test_load_takes_zero_zero_for_unknown),
        cmocka_unit_test(test_load_ignores_registered_country),
        cmocka_unit_test(test_load_country_only),
        cmocka_unit_test(test_load_asns),
        cmocka_unit_test(test_load_counts_wrong_types),
        cmocka_unit_test(test_load_leaves_out_repeated_ipv4),
        cmocka_unit_test(test_load_wide_leaf_covers_ipv4),
        cmocka_unit_test(test_load_full_depth),
        cmocka_unit_test(test_load_returns_what_was_written),
        cmocka_unit_test(test_load_from_a_file),
        cmocka_unit_test(test_load_sample_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
