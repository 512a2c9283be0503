/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a database in a test: a sink that writes down what it is given, and usual records. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/load/mmdb.h"
#include "tests/unit/config/load/mmdb_writer.h"

/* ---- a sink that writes down what it is given ------------------------------------------------ */

struct notes {
    struct location locations[64];
    uint32_t location_count;
    struct buf out;
};

static inline uint32_t note_location(void *context, const struct location *location)
{
    struct notes *notes = context;
    assert_true(notes->location_count < ARRAY_SIZE(notes->locations));
    notes->locations[notes->location_count] = *location;
    return notes->location_count++;
}

static inline void note_prefix(void *context, const struct cidr *net, uint32_t number)
{
    struct notes *notes = context;
    const struct location *location = &notes->locations[number];
    char text[CIDR_TEXT_MAX];
    assert_true(number < notes->location_count);
    buf_append_format(&notes->out, "%s %s/%s/%s", cidr_format(net, text), location->continent,
                      location->country, location->subdivision);
    if (location->has_coordinates)
        buf_append_format(&notes->out, " %.1f,%.1f", (double)location->lat_deg,
                          (double)location->lon_deg);
    buf_append_text(&notes->out, "\n");
}

static inline void note_asn(void *context, const struct cidr *net, uint32_t asn)
{
    struct notes *notes = context;
    char text[CIDR_TEXT_MAX];
    buf_append_format(&notes->out, "%s AS%u\n", cidr_format(net, text), asn);
}

struct run {
    struct notes notes;
    struct diag diag;
    struct mmdb_info info;
    enum err err;
};

static inline void load_bytes(struct run *run, struct str bytes, bool is_asn)
{
    memset(run, 0, sizeof(*run));
    buf_init(&run->notes.out, 1 << 22);
    diag_init(&run->diag);
    struct mmdb_sink sink = { .context = &run->notes,
                              .number_location = note_location,
                              .add_location = note_prefix,
                              .add_asn = note_asn };
    struct mmdb_source source = { .path = "x.mmdb",
                                  .bytes = bytes.len > 0 ? bytes.ptr : "",
                                  .len = bytes.len };
    run->err = is_asn ? mmdb_load_asns(&source, &sink, &run->diag, &run->info)
                      : mmdb_load_locations(&source, 500, &sink, &run->diag, &run->info);
    assert_int_equal(run->err != ERR_OK, diag_has_errors(&run->diag));
}

static inline void finish(struct run *run)
{
    buf_fini(&run->notes.out);
    diag_fini(&run->diag);
}

static inline void load_writer(struct run *run, const struct mmdb_writer *writer, bool is_asn)
{
    struct buf file;
    buf_init(&file, WRITER_MAX_BYTES);
    mmdb_writer_finish(writer, "Test-City", &file);
    load_bytes(run, buf_str(&file), is_asn);
    buf_fini(&file);
}

/* ---- records -------------------------------------------------------------------------------- */

/* What a MaxMind City record looks like; NULL and 0 leave parts out. */
struct nested {
    const char *continent, *country, *subdivision;
    double lat_deg, lon_deg;
    unsigned radius_km;
};

static inline size_t put_nested(struct buf *out, const struct nested *record)
{
    size_t at = out->len;
    bool has_place = record->lat_deg > 0 || record->lat_deg < 0;
    put_map(out, 1u + (record->continent != NULL) + (record->country != NULL) +
                     (record->subdivision != NULL) + has_place);
    if (record->continent != NULL) {
        put_text(out, "continent");
        put_map(out, 2);
        put_text(out, "names");
        put_map(out, 1);
        put_text(out, "en");
        put_text(out, "Some continent");
        put_text(out, "code");
        put_text(out, record->continent);
    }
    if (record->country != NULL) {
        put_text(out, "country");
        put_map(out, 2);
        put_text(out, "geoname_id");
        put_number(out, 6, 6252001);
        put_text(out, "iso_code");
        put_text(out, record->country);
    }
    put_text(out, "registered_country");
    put_map(out, 1);
    put_text(out, "iso_code");
    put_text(out, "DE");
    if (has_place) {
        put_text(out, "location");
        put_map(out, record->radius_km > 0 ? 3 : 2);
        put_text(out, "latitude");
        put_double(out, record->lat_deg);
        put_text(out, "longitude");
        put_double(out, record->lon_deg);
        if (record->radius_km > 0) {
            put_text(out, "accuracy_radius");
            put_number(out, 5, record->radius_km);
        }
    }
    if (record->subdivision != NULL) {
        put_text(out, "subdivisions");
        put_array(out, 2);
        put_map(out, 1);
        put_text(out, "iso_code");
        put_text(out, record->subdivision);
        put_map(out, 1);
        put_text(out, "iso_code");
        put_text(out, "ZZZ");
    }
    return at;
}

static inline size_t put_flat(struct buf *out, const char *country, const char *state1,
                              float lat_deg, float lon_deg)
{
    size_t at = out->len;
    put_map(out, 6);
    put_text(out, "city");
    put_text(out, "Somewhere");
    put_text(out, "country_code");
    put_text(out, country);
    put_text(out, "latitude");
    put_float(out, lat_deg);
    put_text(out, "longitude");
    put_float(out, lon_deg);
    put_text(out, "postcode");
    put_text(out, "");
    put_text(out, "state1");
    put_text(out, state1);
    return at;
}

static inline size_t put_country(struct buf *out, const char *code)
{
    size_t at = out->len;
    put_map(out, 3);
    put_text(out, "country_code");
    put_text(out, code);
    put_text(out, "latitude");
    put_number(out, 5, 1);
    put_text(out, "longitude");
    put_number(out, 5, 1);
    return at;
}

static inline void put_usual_file(struct buf *file)
{
    struct mmdb_writer writer;
    mmdb_writer_init(&writer, 6, 28);
    size_t us = put_nested(&writer.data, &(struct nested){ "NA", "US", "VA", 38.9, -77.4, 20 });
    size_t fr = put_flat(&writer.data, "FR", "", 48.9f, 2.4f);
    mmdb_writer_add(&writer, "192.0.2.0/24", us);
    mmdb_writer_add(&writer, "198.51.100.0/25", fr);
    mmdb_writer_add(&writer, "2001:db8::/33", us);
    mmdb_writer_finish(&writer, "T", file);
    mmdb_writer_fini(&writer);
}
