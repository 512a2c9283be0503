/* SPDX-License-Identifier: Apache-2.0 */
/* The places that areas are made of: countries everywhere, subdivisions of the large countries,
 * each with its codes, its names and the middle of its clients.
 *
 * Country codes are ISO 3166-1 alpha-2 plus XK; subdivision codes are ISO 3166-2 without the
 * country. Wherever text is looked up, case, accents (composed or combining), hyphens, dots,
 * commas and apostrophes do not matter: "Québec", "quebec" and "QUEBEC" are one. Further
 * spellings, among them those of the flat-key databases, stand in config/geo/names.tsv.
 *
 * Threads:   any; the tables are constant.
 * Ownership: rows live as long as the process.
 * Limits:    text longer than PLACE_TEXT_MAX bytes is unknown.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "steering/base/str.h"

enum { PLACE_TEXT_MAX = 128 };

struct place {
    char country[3];
    char subdivision[4];     /* "" for a country */
    char continent[3];       /* of the country, as GeoIP has it: RU and CY are EU, TR is AS */
    double lat_deg, lon_deg; /* mean over the place's addresses, not its area */
    const char *name;        /* English, UTF-8 */
};

/* By alpha-2 code, alpha-3 code or name. NULL when unknown. */
const struct place *place_find_country(struct str code_or_name);
/* Whose name, in any spelling, a mistyped `name` is nearest to; NULL when it is like none. */
const struct place *place_nearest_country(struct str name);

/* `country` as in place_find_country. Returns the row of the territory itself, a country, for the
 * codes that ISO lists twice (US-PR, CN-HK): databases file those as countries. NULL when
 * unknown, which includes every subdivision of a country that is not divided. */
const struct place *place_find_subdivision(struct str country, struct str code_or_name);

/* What a text in an area means. */
struct place_match {
    const struct place *place; /* NULL: unknown */
    const struct place *also;  /* not NULL: the text is ambiguous, it means this as well */
};

/* Understands "US", "Germany", "US-VA", "US-Virginia", and "Virginia" alone, but never a
 * subdivision's code alone ("CA" is Canada). A country wins over its own subdivision of the same
 * name ("Mexico"); "Georgia" is ambiguous. */
struct place_match place_parse(struct str text);

/* AF AN AS EU NA OC SA, any case. */
bool place_is_continent(struct str code);
/* "Europe" for "EU"; NULL when unknown. */
const char *place_continent_name(struct str code);

/* The rows, each kind sorted by code; `index` below the count. */
size_t place_country_count(void);
size_t place_subdivision_count(void);
const struct place *place_country_at(size_t index);
const struct place *place_subdivision_at(size_t index);
