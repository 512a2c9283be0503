/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb_record.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "steering/base/hash.h"
#include "steering/base/mem.h"

/* What a record may say, before it is understood. */
enum field {
    FIELD_CONTINENT,
    FIELD_COUNTRY,
    FIELD_SUBDIVISION,
    FIELD_LATITUDE,
    FIELD_LONGITUDE,
    FIELD_RADIUS,
    FIELD_ASN,
    FIELD_COUNT,
};

struct fields {
    bool has[FIELD_COUNT];
    struct str texts[FIELD_COUNT];
    double numbers[FIELD_COUNT];
};

/* `inner` empty: the value of `outer` itself. Of an array (subdivisions, largest first) the first
 * item counts. When several keys lead to one field, the first one in the record wins. */
#define KEY(outer, inner, field)                                                                   \
    {                                                                                              \
        { (outer), sizeof(outer) - 1 }, { (inner), sizeof(inner) - 1 }, (field)                    \
    }
static const struct key {
    struct str outer, inner;
    enum field field;
} keys[] = {
    KEY("continent", "code", FIELD_CONTINENT),
    KEY("continent", "", FIELD_CONTINENT),
    KEY("continent_code", "", FIELD_CONTINENT),
    KEY("country", "iso_code", FIELD_COUNTRY),
    KEY("country", "", FIELD_COUNTRY),
    KEY("country_code", "", FIELD_COUNTRY),
    KEY("subdivisions", "iso_code", FIELD_SUBDIVISION),
    KEY("state1", "", FIELD_SUBDIVISION),
    KEY("location", "latitude", FIELD_LATITUDE),
    KEY("location", "longitude", FIELD_LONGITUDE),
    KEY("location", "accuracy_radius", FIELD_RADIUS),
    KEY("latitude", "", FIELD_LATITUDE),
    KEY("longitude", "", FIELD_LONGITUDE),
    KEY("accuracy_radius", "", FIELD_RADIUS),
    KEY("autonomous_system_number", "", FIELD_ASN),
    KEY("asn", "", FIELD_ASN),
    KEY("traits", "autonomous_system_number", FIELD_ASN),
};

static void note_unusable(struct mmdb_reader *reader, const struct key *key, size_t at)
{
    if (reader->unusable_count++ > 0)
        return;
    reader->unusable_key = key->outer.ptr;
    reader->unusable_at = at;
}

static bool is_text_field(enum field field)
{
    return field == FIELD_CONTINENT || field == FIELD_COUNTRY || field == FIELD_SUBDIVISION;
}

/* "AS64500" or "64500" or, for coordinates, "37.42": some databases write numbers as texts. */
static bool number_of_text(enum field field, struct str text, double *out_number)
{
    if (field == FIELD_ASN && str_starts_with(text, STR("AS")))
        text = (struct str){ text.ptr + 2, text.len - 2 };
    uint64_t whole = 0;
    if (field != FIELD_ASN)
        return str_parse_double(text, out_number);
    if (!str_parse_u64(text, UINT32_MAX, &whole))
        return false;
    *out_number = (double)whole;
    return true;
}

static bool is_in_range(enum field field, double number)
{
    static const struct {
        double least, most;
    } ranges[FIELD_COUNT] = {
        [FIELD_LATITUDE] = { -90, 90 },
        [FIELD_LONGITUDE] = { -180, 180 },
        [FIELD_RADIUS] = { 0, 1e6 },
        [FIELD_ASN] = { 0, UINT32_MAX - 1.0 },
    };
    return number >= ranges[field].least && number <= ranges[field].most;
}

/* False when the value cannot be what the key promises. An empty text is "unknown". */
static bool set_field(const struct mmdb_data *data, const struct mmdb_value *value,
                      enum field field, struct fields *out)
{
    struct str text = mmdb_value_text(data, value);
    uint64_t whole = 0;
    double number = 0;
    bool is_text = value->type == MMDB_TYPE_TEXT;
    if (is_text && text.len == 0)
        return true;
    if (is_text_field(field)) {
        if (is_text && !out->has[field])
            out->texts[field] = text;
        out->has[field] = out->has[field] || is_text;
        return is_text;
    }
    if (mmdb_value_number(data, value, &whole))
        number = (double)whole;
    else if (!mmdb_value_real(data, value, &number) &&
             !(is_text && number_of_text(field, text, &number)))
        return false;
    if (!is_in_range(field, number))
        return false;
    if (!out->has[field])
        out->numbers[field] = number;
    out->has[field] = true;
    return true;
}

/* Looks for the keys inside the map `value`, which stands behind the key `outer`. */
static bool read_inner(struct mmdb_reader *reader, const struct mmdb_value *map, struct str outer,
                       size_t record_at, struct fields *out)
{
    size_t at = map->body;
    for (size_t i = 0; i < map->size; i++) {
        struct str name;
        size_t value_at = 0;
        struct mmdb_value value;
        if (!mmdb_data_pair(&reader->data, &at, &name, &value_at))
            return false;
        for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
            if (!str_eq(name, keys[k].inner) || !str_eq(outer, keys[k].outer))
                continue;
            if (!mmdb_data_read(&reader->data, value_at, &value))
                return false;
            if (!set_field(&reader->data, &value, keys[k].field, out))
                note_unusable(reader, &keys[k], record_at);
        }
    }
    return true;
}

/* The rows of a key; there may be one without and several with an inner key. */
static void find_keys(struct str name, const struct key **flat, const struct key **nested)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].outer.len != name.len || memcmp(keys[i].outer.ptr, name.ptr, name.len) != 0)
            continue;
        if (keys[i].inner.len == 0)
            *flat = &keys[i];
        else
            *nested = &keys[i];
    }
}

static bool read_outer(struct mmdb_reader *reader, struct str name, size_t value_at,
                       size_t record_at, struct fields *out)
{
    const struct key *flat = NULL, *nested = NULL;
    struct mmdb_value value;
    find_keys(name, &flat, &nested);
    if (flat == NULL && nested == NULL)
        return true;
    if (!mmdb_data_read(&reader->data, value_at, &value))
        return false;
    if (nested != NULL && value.type == MMDB_TYPE_ARRAY) {
        if (value.size == 0)
            return true;
        if (!mmdb_data_read(&reader->data, value.body, &value))
            return false;
    }
    if (nested != NULL && value.type == MMDB_TYPE_MAP)
        return read_inner(reader, &value, name, record_at, out);
    if (flat == NULL || !set_field(&reader->data, &value, flat->field, out))
        note_unusable(reader, flat != NULL ? flat : nested, record_at);
    return true;
}

static bool read_fields(struct mmdb_reader *reader, size_t record_at, struct fields *out)
{
    struct mmdb_value record;
    if (!mmdb_data_read(&reader->data, record_at, &record))
        return false;
    if (record.type != MMDB_TYPE_MAP) {
        static const struct key whole = KEY("the record", "", FIELD_COUNT);
        note_unusable(reader, &whole, record_at);
        return true;
    }
    size_t at = record.body;
    for (size_t i = 0; i < record.size; i++) {
        struct str name;
        size_t value_at = 0;
        if (!mmdb_data_pair(&reader->data, &at, &name, &value_at) ||
            !read_outer(reader, name, value_at, record_at, out))
            return false;
    }
    return true;
}

static void copy_code(char *out, size_t capacity, struct str code)
{
    memset(out, 0, capacity);
    memcpy(out, code.ptr, code.len < capacity ? code.len : capacity - 1);
}

static bool is_subdivision_code(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') &&
            !(text.ptr[i] >= '0' && text.ptr[i] <= '9'))
            return false;
    return text.len >= 1 && text.len <= 3;
}

/* `country` NULL: the country that `text` names, else the subdivision of it. NULL: unknown. */
static const struct place *find_place(struct mmdb_reader *reader, const struct place *country,
                                      struct str text)
{
    uint64_t key = (uint64_t)(uintptr_t)text.ptr ^ (uint64_t)(uintptr_t)country;
    struct mmdb_place_memo *memo = &reader->places[hash_mix(key) % MMDB_PLACE_MEMO_COUNT];
    if (memo->name.ptr != text.ptr || memo->name.len != text.len || memo->country != country) {
        memo->name = text;
        memo->country = country;
        memo->place = country == NULL ? place_find_country(text)
                                      : place_find_subdivision(str_from(country->country), text);
    }
    return memo->place;
}

/* The row of the subdivision, or of the territory that has a country code of its own (US-PR);
 * `country` when there is none. A code that the tables lack is kept as it is. */
static const struct place *resolve_subdivision(struct mmdb_reader *reader,
                                               const struct place *country, struct str text,
                                               struct location *out)
{
    const struct place *place = find_place(reader, country, text);
    if (place != NULL) {
        copy_code(out->country, sizeof(out->country), str_from(place->country));
        copy_code(out->subdivision, sizeof(out->subdivision), str_from(place->subdivision));
        return place;
    }
    if (is_subdivision_code(text))
        copy_code(out->subdivision, sizeof(out->subdivision), text);
    return country;
}

/* Coordinates of exactly 0, 0 are how some databases write "unknown". */
static bool has_good_coordinates(const struct fields *fields, uint32_t max_radius_km)
{
    bool has_both = fields->has[FIELD_LATITUDE] && fields->has[FIELD_LONGITUDE];
    bool is_null = fabs(fields->numbers[FIELD_LATITUDE]) < 1e-9 &&
                   fabs(fields->numbers[FIELD_LONGITUDE]) < 1e-9;
    bool is_vague =
        fields->has[FIELD_RADIUS] && fields->numbers[FIELD_RADIUS] > (double)max_radius_km;
    return has_both && !is_null && !is_vague;
}

bool mmdb_record_location(struct mmdb_reader *reader, size_t at, struct location *out_location)
{
    struct fields fields = { .has = { false } };
    struct location location = { .has_coordinates = false };
    if (!read_fields(reader, at, &fields))
        return false;
    /* country alone, never registered_country: that is where the holder of the addresses sits. */
    const struct place *place = NULL;
    if (fields.has[FIELD_COUNTRY])
        place = find_place(reader, NULL, fields.texts[FIELD_COUNTRY]);
    if (place != NULL) {
        copy_code(location.country, sizeof(location.country), str_from(place->country));
        if (fields.has[FIELD_SUBDIVISION])
            place = resolve_subdivision(reader, place, fields.texts[FIELD_SUBDIVISION], &location);
        copy_code(location.continent, sizeof(location.continent), str_from(place->continent));
    }
    if (fields.has[FIELD_CONTINENT] && place_is_continent(fields.texts[FIELD_CONTINENT]))
        for (size_t i = 0; i < 2; i++)
            location.continent[i] = (char)toupper((uint8_t)fields.texts[FIELD_CONTINENT].ptr[i]);
    if (has_good_coordinates(&fields, reader->max_radius_km)) {
        location.has_coordinates = true;
        location.lat_deg = (float)fields.numbers[FIELD_LATITUDE];
        location.lon_deg = (float)fields.numbers[FIELD_LONGITUDE];
    } else if (place != NULL) {
        location.has_coordinates = true;
        location.lat_deg = (float)place->lat_deg;
        location.lon_deg = (float)place->lon_deg;
    }
    *out_location = location;
    return true;
}

bool mmdb_record_asn(struct mmdb_reader *reader, size_t at, uint32_t *out_asn)
{
    struct fields fields = { .has = { false } };
    if (!read_fields(reader, at, &fields))
        return false;
    *out_asn = fields.has[FIELD_ASN] ? (uint32_t)fields.numbers[FIELD_ASN] : 0;
    return true;
}
