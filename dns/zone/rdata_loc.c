/* SPDX-License-Identifier: Apache-2.0 */
/* LOC: D [M [S]] N|S D [M [S]] E|W ALTm [SIZEm [HPm [VPm]]]. ldns carries the seconds of the
 * latitude into a longitude without seconds, so it is read here.
 * Source:    RFC 1876 section 3 */
#include <math.h>
#include <string.h>

#include "dns/wire/octets.h"
#include "dns/zone/rdata_priv.h"

enum {
    MS_PER_S = 1000,
    MS_PER_MINUTE = 60 * MS_PER_S,
    MS_PER_DEGREE = 60 * MS_PER_MINUTE,
    ALTITUDE_BASE_CM = 10000000,
};
static const uint32_t MIDDLE = 1u << 31; /* equator and prime meridian */

/* A plain decimal number: no exponent, sign only where `may_be_negative`. */
static bool parse_decimal(struct str text, bool may_be_negative, double *out_value)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c < '0' || c > '9') && c != '.' && !(c == '-' && i == 0 && may_be_negative))
            return false;
    }
    return str_parse_double(text, out_value);
}

/* Whether the token is one of the two hemisphere letters; then it is used up. */
static bool take_hemisphere(struct rdata_text *text, const char letters[3], bool *out_is_second)
{
    struct str token = rdata_token(text);
    char letter = token.len == 1 ? (char)(token.ptr[0] & ~0x20) : '\0';
    if (letter == '\0' || strchr(letters, letter) == NULL)
        return false;
    *out_is_second = letter == letters[1];
    text->at++;
    return true;
}

static bool read_angle(struct rdata_text *text, unsigned max_degrees, const char letters[3],
                       uint32_t *out_angle)
{
    uint64_t degrees, minutes = 0;
    double seconds = 0;
    bool is_negative;
    if (!rdata_number(text, max_degrees,
                      max_degrees == 90 ? "degrees from 0 to 90" : "degrees from 0 to 180",
                      &degrees))
        return false;
    bool is_done = take_hemisphere(text, letters, &is_negative);
    if (!is_done) {
        if (!rdata_number(text, 59, "minutes or a hemisphere", &minutes))
            return false;
        is_done = take_hemisphere(text, letters, &is_negative);
    }
    if (!is_done) {
        if (!parse_decimal(rdata_token(text), false, &seconds) || seconds >= 60)
            return rdata_fail_expected(text, "seconds or a hemisphere");
        text->at++;
        if (!take_hemisphere(text, letters, &is_negative))
            return rdata_fail_expected(text, max_degrees == 90 ? "N or S" : "E or W");
    }
    uint32_t ms = (uint32_t)degrees * MS_PER_DEGREE + (uint32_t)minutes * MS_PER_MINUTE +
                  (uint32_t)lround(seconds * MS_PER_S);
    if (ms > max_degrees * MS_PER_DEGREE)
        return rdata_fail(text, "more than %u degrees", max_degrees);
    *out_angle = is_negative ? MIDDLE - ms : MIDDLE + ms;
    return true;
}

/* Metres, with or without the m, between `min` and `max`. */
static bool read_metres(struct rdata_text *text, double min, double max, double *out_cm)
{
    struct str token = rdata_token(text);
    double metres;
    if (token.len > 0 && (token.ptr[token.len - 1] | 0x20) == 'm')
        token.len--;
    if (!parse_decimal(token, min < 0, &metres) || metres < min || metres > max)
        return rdata_fail_expected(text, "metres such as 10m");
    text->at++;
    *out_cm = round(metres * 100);
    return true;
}

/* One digit and a power of ten, four bits each; what does not fit is cut. */
static uint8_t encode_precision(double cm)
{
    unsigned exponent = 0;
    while (cm >= 10 && exponent < 9) {
        cm = floor(cm / 10);
        exponent++;
    }
    return (uint8_t)((unsigned)cm << 4 | exponent);
}

bool rdata_read_loc(struct rdata_text *text, int kind)
{
    (void)kind;
    static const double ALTITUDE_MIN_M = -100000, ALTITUDE_MAX_M = 42849672.95,
                        PRECISION_MAX_M = 90000000;
    /* version, size 1 m, horizontal 10 km, vertical 10 m */
    uint8_t octets[16] = { 0, 0x12, 0x16, 0x13 };
    uint32_t latitude, longitude;
    double cm;
    if (!read_angle(text, 90, "NS", &latitude) || !read_angle(text, 180, "EW", &longitude) ||
        !read_metres(text, ALTITUDE_MIN_M, ALTITUDE_MAX_M, &cm))
        return false;
    octets_put_u32(octets + 4, latitude);
    octets_put_u32(octets + 8, longitude);
    octets_put_u32(octets + 12, (uint32_t)(cm + ALTITUDE_BASE_CM));
    for (size_t i = 1; i <= 3 && text->at < text->count; i++) {
        if (!read_metres(text, 0, PRECISION_MAX_M, &cm))
            return false;
        octets[i] = encode_precision(cm);
    }
    return rdata_put(text, octets, sizeof(octets));
}
