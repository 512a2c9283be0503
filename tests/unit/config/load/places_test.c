/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/load/places.h"

static const double EARTH_RADIUS_KM = 6371.0;
static const double RADIANS = 3.14159265358979323846 / 180.0;

static double distance_km(double lat_a, double lon_a, double lat_b, double lon_b)
{
    double cosine = sin(lat_a * RADIANS) * sin(lat_b * RADIANS) +
                    cos(lat_a * RADIANS) * cos(lat_b * RADIANS) * cos((lon_a - lon_b) * RADIANS);
    return EARTH_RADIUS_KM * acos(fmax(-1.0, fmin(1.0, cosine)));
}

static void check_row(const struct place *place)
{
    assert_true(place_is_continent(str_from(place->continent)));
    assert_true(place->lat_deg >= -90.0 && place->lat_deg <= 90.0);
    assert_true(place->lon_deg >= -180.0 && place->lon_deg <= 180.0);
    assert_true(fabs(place->lat_deg) + fabs(place->lon_deg) > 0.01); /* 0,0 means unknown */
    assert_int_equal(strlen(place->country), 2);
    assert_true(strlen(place->subdivision) <= 3);
    assert_true(strlen(place->name) > 2);
}

static struct str lower(const char *text, char *out)
{
    size_t len = strlen(text);
    for (size_t i = 0; i <= len; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    return (struct str){ .ptr = out, .len = len };
}

static void test_every_country_finds_itself(void **state)
{
    (void)state;
    char text[PLACE_TEXT_MAX + 1];
    assert_int_equal(place_country_count(), 250); /* ISO 3166-1 has 249; and XK */
    for (size_t i = 0; i < place_country_count(); i++) {
        const struct place *place = place_country_at(i);
        check_row(place);
        assert_string_equal(place->subdivision, "");
        assert_ptr_equal(place_find_country(str_from(place->country)), place);
        assert_ptr_equal(place_find_country(lower(place->country, text)), place);
        assert_ptr_equal(place_find_country(str_from(place->name)), place);
        assert_ptr_equal(place_find_country(lower(place->name, text)), place);
        assert_ptr_equal(place_parse(str_from(place->country)).place, place);
        assert_null(place_parse(str_from(place->country)).also);
        if (i > 0)
            assert_true(strcmp(place_country_at(i - 1)->country, place->country) < 0);
    }
}

static void test_every_subdivision_finds_itself(void **state)
{
    (void)state;
    char text[PLACE_TEXT_MAX + 1];
    assert_true(place_subdivision_count() > 300);
    for (size_t i = 0; i < place_subdivision_count(); i++) {
        const struct place *place = place_subdivision_at(i);
        struct str country = str_from(place->country);
        check_row(place);
        assert_true(strlen(place->subdivision) > 0);
        assert_ptr_equal(place_find_subdivision(country, str_from(place->subdivision)), place);
        assert_ptr_equal(place_find_subdivision(country, lower(place->subdivision, text)), place);
        assert_ptr_equal(place_find_subdivision(country, str_from(place->name)), place);
        assert_ptr_equal(place_find_subdivision(country, lower(place->name, text)), place);
        assert_string_equal(place->continent, place_find_country(country)->continent);

        snprintf(text, sizeof(text), "%s-%s", place->country, place->subdivision);
        assert_ptr_equal(place_parse(str_from(text)).place, place);
        snprintf(text, sizeof(text), "%s-%s", place->country, place->name);
        assert_ptr_equal(place_parse(str_from(text)).place, place);
        assert_null(place_parse(str_from(text)).also);
        if (i > 0) {
            const struct place *before = place_subdivision_at(i - 1);
            int order = strcmp(before->country, place->country);
            assert_true(order < 0 ||
                        (order == 0 && strcmp(before->subdivision, place->subdivision) < 0));
        }
    }
}

/* A name alone is what a brute-force scan of all rows says it is. */
static void test_parse_of_a_bare_name_agrees_with_scan(void **state)
{
    (void)state;
    for (size_t i = 0; i < place_subdivision_count(); i++) {
        const struct place *place = place_subdivision_at(i);
        struct str name = str_from(place->name);
        const struct place *country = place_find_country(name);
        struct place_match match = place_parse(name);
        assert_non_null(match.place);
        if (country == NULL)
            assert_true(match.place == place || match.also == place);
        else
            assert_ptr_equal(match.place, country);
        if (country != NULL && strcmp(country->country, place->country) != 0)
            assert_non_null(match.also);
    }
}

static void test_countries_have_the_expected_continent(void **state)
{
    (void)state;
    static const struct {
        const char *country, *continent;
    } rows[] = {
        { "RU", "EU" }, { "TR", "AS" }, { "CY", "EU" }, { "EG", "AF" }, { "KZ", "AS" },
        { "GE", "AS" }, { "GL", "NA" }, { "PR", "NA" }, { "MX", "NA" }, { "TT", "NA" },
        { "BR", "SA" }, { "RE", "AF" }, { "XK", "EU" }, { "AQ", "AN" }, { "FJ", "OC" },
        { "TL", "OC" }, { "NA", "AF" }, { "IS", "EU" }, { "HK", "AS" }, { "GU", "OC" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(place_find_country(str_from(rows[i].country))->continent,
                            rows[i].continent);
}

/* Where people live, from an atlas: half of a continent's width off would fail. */
static void test_coordinates_are_near_the_truth(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double lat_deg, lon_deg, within_km;
    } rows[] = {
        { "US-VA", 38.0, -78.0, 300 },  { "US-CA", 36.0, -120.0, 400 },
        { "US-NY", 41.5, -74.5, 300 },  { "US-TX", 31.0, -97.0, 400 },
        { "US-WA", 47.5, -121.5, 300 }, { "US-IL", 41.0, -88.5, 300 },
        { "US-HI", 21.0, -157.5, 300 }, { "US-AK", 61.2, -149.9, 500 },
        { "CA-QC", 46.0, -73.0, 400 },  { "CA-ON", 44.0, -79.0, 400 },
        { "CA-BC", 49.5, -122.5, 400 }, { "BR-SP", -23.3, -47.0, 300 },
        { "BR-AM", -3.1, -60.0, 500 },  { "AU-NSW", -33.6, 151.0, 300 },
        { "AU-WA", -31.9, 116.0, 500 }, { "IN-MH", 19.0, 73.5, 400 },
        { "CN-BJ", 39.9, 116.4, 200 },  { "CN-GD", 23.0, 113.3, 300 },
        { "RU-MOW", 55.75, 37.6, 200 }, { "RU-PRI", 43.3, 132.0, 400 },
        { "MX-CMX", 19.4, -99.1, 200 }, { "AR-C", -34.6, -58.4, 200 },
        { "DE", 51.0, 10.0, 500 },      { "JP", 35.7, 139.0, 500 },
        { "ZA", -28.5, 26.0, 500 },     { "GB", 52.5, -1.5, 300 },
        { "FR", 47.5, 2.5, 500 },       { "NZ", -39.0, 175.0, 500 },
        { "FJ", -18.0, 178.4, 500 },    { "SG", 1.35, 103.8, 100 },
        { "KE", -1.3, 36.8, 300 },      { "IS", 64.1, -21.9, 300 },
        { "AQ", -77.85, 166.67, 500 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct place *place = place_parse(str_from(rows[i].text)).place;
        assert_non_null(place);
        double off_km =
            distance_km(place->lat_deg, place->lon_deg, rows[i].lat_deg, rows[i].lon_deg);
        if (off_km > rows[i].within_km)
            fail_msg("%s is %.0f km off", rows[i].text, off_km);
    }
}

static void test_spellings_fold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *country, *subdivision;
    } rows[] = {
        { "Quebec", "CA", "QC" },
        { "QUÉBEC", "CA", "QC" },
        { "Que\xCC\x81"
          "bec",
          "CA", "QC" }, /* combining accent */
        { "US-Virginia", "US", "VA" },
        { "us_virginia", "US", "VA" },
        { "  West   Virginia ", "US", "WV" },
        { "Washington", "US", "WA" },
        { "Washington, D.C.", "US", "DC" },
        { "USA", "US", "" },
        { "São Paulo", "BR", "SP" },
        { "BR-Sao Paulo", "BR", "SP" },
        { "AU-act", "AU", "ACT" },
        { "St.-Petersburg", "RU", "SPE" },
        { "RU-Leningradskaya Oblast\xE2\x80\x99", "RU", "LEN" },
        { "RU-North Ossetia\xE2\x80\x93"
          "Alania",
          "RU", "SE" },
        { "Moskva", "RU", "MOW" },
        { "IN-OD", "IN", "OR" },
        { "MX-DIF", "MX", "CMX" },
        { "Buenos Aires F.D.", "AR", "C" },
        { "Mexico", "MX", "" },
        { "MX-Mexico", "MX", "MEX" },
        { "Côte d'Ivoire", "CI", "" },
        { "Guinea-Bissau", "GW", "" },
        { "Turkey", "TR", "" },
        { "Türkiye", "TR", "" },
        { "Åland Islands", "AX", "" },
        { "CA", "CA", "" },
        { "US-PR", "PR", "" },
        { "CN-HK", "HK", "" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct place_match match = place_parse(str_from(rows[i].text));
        if (match.place == NULL)
            fail_msg("'%s' is unknown", rows[i].text);
        assert_string_equal(match.place->country, rows[i].country);
        assert_string_equal(match.place->subdivision, rows[i].subdivision);
        assert_null(match.also);
    }
}

static void test_two_meanings_are_ambiguous(void **state)
{
    (void)state;
    struct place_match match = place_parse(STR("Georgia"));
    assert_string_equal(match.place->country, "GE");
    assert_string_equal(match.also->subdivision, "GA");
    match = place_parse(STR("Distrito Federal"));
    assert_string_equal(match.place->country, "BR");
    assert_string_equal(match.also->country, "MX");
    assert_string_equal(place_find_subdivision(STR("us"), STR("georgia"))->subdivision, "GA");
}

static void test_unknown_is_null(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",         " ",       "-",        "XX",
        "US-",      "US-XX",   "-VA",      "VA-US",
        "USVA",     "Viginia", "US-VA-1",  "DE-Bayern",
        "\xFF\xFE", "\xC3",    "\xE2\x80", "\xF0\x9F\x8C\x8D",
        "日本",     "us\x01",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(place_find_country(str_from(texts[i])));
        assert_null(place_find_subdivision(STR("US"), str_from(texts[i])));
        assert_null(place_parse(str_from(texts[i])).place);
    }
    assert_null(place_find_country(STR("US-VA")));
    assert_null(place_find_country(STR("U\0S")));
    assert_null(place_find_subdivision(STR("DE"), STR("BY")));
    assert_null(place_find_subdivision(STR("XX"), STR("VA")));
    assert_null(place_find_subdivision(STR("CA"), STR("VA")));
    assert_null(place_find_subdivision(STR(""), STR("US VA")));
}

static void test_long_text_is_unknown(void **state)
{
    (void)state;
    char text[2 * PLACE_TEXT_MAX];
    memset(text, 'a', sizeof(text));
    for (size_t len = PLACE_TEXT_MAX - 5; len < sizeof(text); len++) {
        struct str str = { .ptr = text, .len = len };
        assert_null(place_find_country(str));
        assert_null(place_find_subdivision(STR("US"), str));
        assert_null(place_parse(str).place);
    }
}

static void test_continents(void **state)
{
    (void)state;
    static const char *const codes[] = { "AF", "AN", "AS", "EU", "NA", "OC", "SA", "eu" };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_true(place_is_continent(str_from(codes[i])));
    assert_string_equal(place_continent_name(STR("na")), "North America");
    assert_false(place_is_continent(STR("US")));
    assert_false(place_is_continent(STR("")));
    assert_null(place_continent_name(STR("EUR")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_country_finds_itself),
        cmocka_unit_test(test_every_subdivision_finds_itself),
        cmocka_unit_test(test_parse_of_a_bare_name_agrees_with_scan),
        cmocka_unit_test(test_countries_have_the_expected_continent),
        cmocka_unit_test(test_coordinates_are_near_the_truth),
        cmocka_unit_test(test_spellings_fold),
        cmocka_unit_test(test_two_meanings_are_ambiguous),
        cmocka_unit_test(test_unknown_is_null),
        cmocka_unit_test(test_long_text_is_unknown),
        cmocka_unit_test(test_continents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
