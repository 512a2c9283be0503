/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "config/load/places.h"
#include "config/load/topology_load_priv.h"
#include "steering/base/mem.h"

static struct area_term place_term(const struct place *place)
{
    struct area_term term = { .kind = AREA_COUNTRY };
    memcpy(term.code, place->country, sizeof(term.code));
    if (place->subdivision[0] != '\0') {
        term.kind = AREA_SUBDIVISION;
        memcpy(term.subdivision, place->subdivision, sizeof(term.subdivision));
    }
    return term;
}

static const char *const continent_codes[] = { "AF", "AN", "AS", "EU", "NA", "OC", "SA" };

static const char *find_continent(struct str text)
{
    for (size_t i = 0; i < ARRAY_SIZE(continent_codes); i++) {
        const char *name = place_continent_name(str_from(continent_codes[i]));
        if (str_eq_nocase(text, str_from(continent_codes[i])) ||
            str_eq_nocase(text, str_from(name)))
            return continent_codes[i];
    }
    return NULL;
}

void draft_add_continent(struct draft *draft, const struct schema_text *text)
{
    struct area_term term = { .kind = AREA_CONTINENT };
    const char *code = find_continent(str_from(text->text));
    if (code != NULL) {
        memcpy(term.code, code, sizeof(term.code));
        draft_add_written(draft, text, term);
        return;
    }
    if (place_find_country(str_from(text->text)) != NULL) {
        draft_report_misplaced(draft, text, "a country", "countries");
        return;
    }
    struct suggest suggest = suggest_init(str_from(text->text));
    for (size_t i = 0; i < ARRAY_SIZE(continent_codes); i++)
        suggest_offer(&suggest, str_from(place_continent_name(str_from(continent_codes[i]))));
    loader_unknown(draft->loader, text, "a continent (AF, AN, AS, EU, NA, OC or SA)", &suggest);
}

void draft_add_country(struct draft *draft, const struct schema_text *text)
{
    struct str name = str_from(text->text);
    const struct place *place = place_find_country(name);
    if (place != NULL) {
        draft_add_written(draft, text, place_term(place));
        return;
    }
    place = place_parse(name).place;
    if (place != NULL && place->subdivision[0] != '\0') {
        draft_report_misplaced(draft, text, "a subdivision", "subdivisions");
        return;
    }
    if (find_continent(name) != NULL) {
        draft_report_misplaced(draft, text, "a continent", "continents");
        return;
    }
    struct suggest suggest = suggest_init(name);
    place = place_nearest_country(name);
    if (place != NULL)
        suggest.best = str_from(place->name);
    loader_unknown(draft->loader, text, "a country", &suggest);
}

static bool is_divided(const struct place *country)
{
    for (size_t i = 0; i < place_subdivision_count(); i++)
        if (strcmp(place_subdivision_at(i)->country, country->country) == 0)
            return true;
    return false;
}

/* GB-ENG: the tables do not divide that country, but the user's own database may. */
static bool add_foreign_subdivision(struct draft *draft, const struct schema_text *text)
{
    struct area_term term = { .kind = AREA_SUBDIVISION };
    struct str country, code;
    if (!str_split(str_from(text->text), '-', &country, &code) || country.len != 2 ||
        code.len < 1 || code.len > 3)
        return false;
    const struct place *place = place_find_country(country);
    if (place == NULL || is_divided(place))
        return false;
    for (size_t i = 0; i < code.len; i++) {
        if (!(code.ptr[i] >= 'A' && code.ptr[i] <= 'Z') &&
            !(code.ptr[i] >= '0' && code.ptr[i] <= '9'))
            return false;
        term.subdivision[i] = code.ptr[i];
    }
    memcpy(term.code, place->country, sizeof(term.code));
    diag_warning(draft->loader->diag, text->mark.line, text->mark.column,
                 "the built-in data does not divide %s; '%s' needs a database that does",
                 place->name, text->text);
    draft_add_written(draft, text, term);
    return true;
}

/* "US-Virgina" is compared with the states of the US, "Virgina" with all there are. */
static void report_unknown_subdivision(struct draft *draft, const struct schema_text *text)
{
    struct str country, name = str_from(text->text);
    const struct place *within = NULL;
    if (str_split(name, '-', &country, &name))
        within = place_find_country(country);
    if (within == NULL)
        name = str_from(text->text);
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; name.len > 3 && i < place_subdivision_count(); i++) {
        const struct place *place = place_subdivision_at(i);
        if (within == NULL || strcmp(place->country, within->country) == 0)
            suggest_offer(&suggest, str_from(place->name));
    }
    loader_unknown(draft->loader, text, "a subdivision such as US-VA or US-Virginia", &suggest);
}

static void place_code(const struct place *place, char *out_text, size_t capacity)
{
    if (place->subdivision[0] != '\0')
        snprintf(out_text, capacity, "%s-%s", place->country, place->subdivision);
    else
        snprintf(out_text, capacity, "%s (the country)", place->country);
}

void draft_add_subdivision(struct draft *draft, const struct schema_text *text)
{
    struct str name = str_from(text->text);
    struct place_match match = place_parse(name);
    bool is_coded = name.len > 3 && name.ptr[2] == '-'; /* US-PR, which ISO lists as PR too */
    if (match.also != NULL) {
        char first[32], second[32];
        place_code(match.place, first, sizeof(first));
        place_code(match.also, second, sizeof(second));
        diag_error(draft->loader->diag, text->mark.line, text->mark.column,
                   "'%s' is ambiguous: it may be %s or %s; write the code", text->text, first,
                   second);
    } else if (match.place != NULL && !is_coded && place_find_country(name) == match.place) {
        draft_report_misplaced(draft, text, "a country", "countries");
    } else if (match.place != NULL) {
        draft_add_written(draft, text, place_term(match.place));
    } else if (find_continent(name) != NULL) {
        draft_report_misplaced(draft, text, "a continent", "continents");
    } else if (!add_foreign_subdivision(draft, text)) {
        report_unknown_subdivision(draft, text);
    }
}
