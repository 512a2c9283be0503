/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/places.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/places_priv.h"
#include "steering/base/suggest.h"

enum { CODE_LEN_MAX = 3 }; /* US, USA */

/* Folded text, NUL-terminated. A letter of two bytes folds to at most two. */
struct folded {
    char text[PLACE_TEXT_MAX + 1];
    size_t len;
};

static const struct {
    const char *code, *name;
} continents[] = {
    { "AF", "Africa" },        { "AN", "Antarctica" },    { "AS", "Asia" },
    { "EU", "Europe" },        { "NA", "North America" }, { "OC", "Oceania" },
    { "SA", "South America" },
};

/* Takes one UTF-8 sequence of at most three bytes off the front of `*text`; longer ones and
 * broken ones yield 0, which no name contains. */
static uint32_t take_letter(struct str *text)
{
    const unsigned char *bytes = (const unsigned char *)text->ptr;
    size_t size = bytes[0] < 0x80 ? 1 : (bytes[0] & 0xE0) == 0xC0 ? 2 : 3;
    if (size > text->len || (size == 3 && (bytes[0] & 0xF0) != 0xE0))
        return 0;
    uint32_t letter = size == 1 ? bytes[0] : bytes[0] & (0xFFU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        letter = letter << 6 | (bytes[i] & 0x3FU);
    }
    text->ptr += size;
    text->len -= size;
    return letter;
}

static bool is_space(uint32_t letter)
{
    return letter == ' ' || letter == '\t' || letter == '-' || letter == '_' ||
           (letter >= 0x2010 && letter <= 0x2015);
}

/* Marks that spellings differ in: ASCII . , ' ( ) `, the typographic and modifier apostrophes,
 * the prime, and combining accents. */
static bool is_ignored(uint32_t letter)
{
    if (letter < 0x80)
        return letter != 0 && strchr(".,'()`", (int)letter) != NULL;
    return letter == 0x2018 || letter == 0x2019 || letter == 0x2032 || letter == 0x02BB ||
           letter == 0x02BC || (letter >= 0x0300 && letter <= 0x036F);
}

/* Appends what `letter` folds to; false if it is not one that a name can contain. */
static bool fold_letter(uint32_t letter, struct folded *out)
{
    if (letter >= 'A' && letter <= 'Z')
        letter += 'a' - 'A';
    if (letter > 0 && letter < 0x80) {
        out->text[out->len++] = (char)letter;
        return true;
    }
    if (letter < PLACES_FOLD_FIRST || letter > PLACES_FOLD_LAST)
        return false;
    const char *plain = places_fold[letter - PLACES_FOLD_FIRST];
    size_t len = strlen(plain);
    memcpy(out->text + out->len, plain, len);
    out->len += len;
    return len > 0;
}

/* tools/geo-data folds the keys of the index in the same way. */
static bool fold(struct str text, struct folded *out)
{
    out->len = 0;
    text = str_trim(text);
    /* "US-" and "-VA" are halves of something, not the United States and the Vatican. */
    if (text.len > PLACE_TEXT_MAX || text.len == 0 || text.ptr[0] == '-' ||
        text.ptr[text.len - 1] == '-')
        return false;
    bool space = false;
    while (text.len > 0) {
        uint32_t letter = take_letter(&text);
        if (is_ignored(letter))
            continue;
        if (is_space(letter)) {
            space = out->len > 0;
            continue;
        }
        if (space)
            out->text[out->len++] = ' ';
        space = false;
        if (!fold_letter(letter, out))
            return false;
    }
    out->text[out->len] = '\0';
    return out->len > 0;
}

static int compare_key(const void *text, const void *key)
{
    return strcmp(text, ((const struct places_key *)key)->text);
}

static const struct place *find_key(const char *text)
{
    const struct places_key *key =
        bsearch(text, places_keys, places_key_count, sizeof(*places_keys), compare_key);
    return key == NULL ? NULL : &places_rows[key->row];
}

static bool is_country(const struct place *place)
{
    return place->subdivision[0] == '\0';
}

const struct place *place_find_country(struct str code_or_name)
{
    struct folded folded;
    if (!fold(code_or_name, &folded))
        return NULL;
    const struct place *place = find_key(folded.text);
    return place != NULL && is_country(place) ? place : NULL;
}

const struct place *place_nearest_country(struct str name)
{
    const struct place *nearest = NULL;
    struct folded folded;
    if (!fold(name, &folded))
        return NULL;
    struct suggest suggest = suggest_init((struct str){ folded.text, folded.len });
    for (size_t i = 0; folded.len > CODE_LEN_MAX && i < places_key_count; i++) {
        const struct places_key *key = &places_keys[i];
        unsigned distance = suggest.distance;
        if (!is_country(&places_rows[key->row]) || strlen(key->text) <= CODE_LEN_MAX)
            continue;
        suggest_offer(&suggest, str_from(key->text));
        if (suggest.distance < distance)
            nearest = &places_rows[key->row];
    }
    return nearest;
}

const struct place *place_find_subdivision(struct str country, struct str code_or_name)
{
    const struct place *within = place_find_country(country);
    struct folded name, whole;
    if (within == NULL || !fold(code_or_name, &name) || name.len + 3 > PLACE_TEXT_MAX)
        return NULL;
    struct str code = { .ptr = within->country, .len = 2 };
    fold(code, &whole);
    whole.text[2] = ' ';
    memcpy(whole.text + 3, name.text, name.len + 1);
    return find_key(whole.text);
}

/* The first subdivision from `*at` on that has the name `folded`, whatever its country;
 * moves `*at` behind it. */
static const struct place *next_named(const char *folded, size_t *at)
{
    while (*at < places_key_count) {
        const struct places_key *key = &places_keys[(*at)++];
        const struct place *place = &places_rows[key->row];
        if (!key->is_code && !is_country(place) && strcmp(key->text + 3, folded) == 0)
            return place;
    }
    return NULL;
}

struct place_match place_parse(struct str text)
{
    struct place_match match = { .place = NULL, .also = NULL };
    struct folded folded;
    if (!fold(text, &folded))
        return match;
    match.place = find_key(folded.text);
    if (match.place != NULL && !is_country(match.place))
        return match;
    size_t at = 0;
    const struct place *named;
    while (match.also == NULL && (named = next_named(folded.text, &at)) != NULL) {
        if (match.place == NULL)
            match.place = named;
        else if (!is_country(match.place) || strcmp(named->country, match.place->country) != 0)
            match.also = named;
    }
    return match;
}

const char *place_continent_name(struct str code)
{
    for (size_t i = 0; i < sizeof(continents) / sizeof(continents[0]); i++)
        if (str_eq_nocase(code, str_from(continents[i].code)))
            return continents[i].name;
    return NULL;
}

bool place_is_continent(struct str code)
{
    return place_continent_name(code) != NULL;
}

size_t place_country_count(void)
{
    return places_country_count;
}

size_t place_subdivision_count(void)
{
    return places_row_count - places_country_count;
}

const struct place *place_country_at(size_t index)
{
    assert(index < places_country_count);
    return &places_rows[index];
}

const struct place *place_subdivision_at(size_t index)
{
    assert(index < place_subdivision_count());
    return &places_rows[places_country_count + index];
}
