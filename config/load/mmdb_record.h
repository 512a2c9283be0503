/* SPDX-License-Identifier: Apache-2.0 */
/* What one data record of a MaxMind DB file says about its prefix.
 *
 * Shape:     a table of keys, nested ones of MaxMind and flat ones, leads to fields; fields are
 *            made into codes and coordinates with the help of places.h.
 * Threads:   owner only.
 */
#pragma once

#include "config/load/mmdb_data.h"
#include "config/load/places.h"
#include "steering/base/limits.h"
#include "steering/model/location.h"

/* Names repeat in hundreds of thousands of records, and writers store each text once: what a text
 * (at `name` in the file, within `country` or NULL) was found to mean. */
struct mmdb_place_memo {
    struct str name;
    const struct place *country, *place;
};
enum { MMDB_PLACE_MEMO_COUNT = LIMIT(1024, 1) };

struct mmdb_reader {
    struct mmdb_data data;
    uint32_t max_radius_km;
    size_t unusable_count;    /* values of a wrong type or form */
    const char *unusable_key; /* the first of them */
    size_t unusable_at;       /* and the offset of its record */
    struct mmdb_place_memo places[MMDB_PLACE_MEMO_COUNT];
};

/* Reads the record at offset `at`; `*out_location` is all empty when it says nothing of use.
 * False: damaged. */
bool mmdb_record_location(struct mmdb_reader *reader, size_t at, struct location *out_location);
/* 0: no AS number. False: damaged. */
bool mmdb_record_asn(struct mmdb_reader *reader, size_t at, uint32_t *out_asn);
