/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/str.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct str str_from(const char *text)
{
    return (struct str){ .ptr = text, .len = text != NULL ? strlen(text) : 0 };
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_text(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq((struct str){ s.ptr, prefix.len }, prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 ||
            str_eq((struct str){ s.ptr + (s.len - suffix.len), suffix.len }, suffix));
}

int str_compare(struct str a, struct str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared > 0 ? memcmp(a.ptr, b.ptr, shared) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str s, char separator, struct str *out_head, struct str *out_tail)
{
    const char *at = s.len > 0 ? memchr(s.ptr, separator, s.len) : NULL;
    if (at == NULL) {
        *out_head = s;
        *out_tail = (struct str){ .ptr = s.len > 0 ? s.ptr + s.len : s.ptr, .len = 0 };
        return false;
    }
    size_t head = (size_t)(at - s.ptr);
    *out_tail = (struct str){ .ptr = at + 1, .len = s.len - head - 1 };
    *out_head = (struct str){ .ptr = s.ptr, .len = head };
    return true;
}

bool str_parse_u64(struct str s, uint64_t max, uint64_t *out_value)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    if (value > max)
        return false;
    *out_value = value;
    return true;
}

/* Eight digits at once, one in each byte of a word. */
static void put_hex_half(uint64_t half, char *out)
{
    uint64_t word = (half & 0xffff0000u) << 16 | (half & 0xffff);
    word = (word & 0x0000ff000000ff00u) << 8 | (word & 0x000000ff000000ffu);
    word = (word & 0x00f000f000f000f0u) << 4 | (word & 0x000f000f000f000fu);
    uint64_t is_letter = (word + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
    word += 0x3030303030303030u + is_letter * ('a' - '0' - 10);
    word = htobe64(word);
    memcpy(out, &word, sizeof(word));
}

void str_put_hex(uint64_t value, char out[16])
{
    put_hex_half(value >> 32, out);
    put_hex_half(value & UINT32_MAX, out + 8);
}

bool str_parse_double(struct str s, double *out_value)
{
    char text[64];
    if (s.len == 0 || s.len >= sizeof(text))
        return false;
    for (size_t i = 0; i < s.len; i++) /* no hex, "inf", "nan" or leading space */
        if (strchr("+-.0123456789eE", s.ptr[i]) == NULL || s.ptr[i] == '\0')
            return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text + s.len || !isfinite(value))
        return false;
    *out_value = value;
    return true;
}

enum { DISTANCE_MAX_LEN = 64 };

static bool is_swapped(struct str a, struct str b, unsigned i, unsigned j)
{
    return i > 1 && j > 1 && lower(a.ptr[i - 1]) == lower(b.ptr[j - 2]) &&
           lower(a.ptr[i - 2]) == lower(b.ptr[j - 1]);
}

/* rows[i % 3][j]: from the first i letters of `a` to the first j of `b`. */
unsigned str_distance(struct str a, struct str b, unsigned cap)
{
    unsigned rows[3][DISTANCE_MAX_LEN + 1] = { { 0 } };
    if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN)
        return cap;
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        const unsigned *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        unsigned *row = rows[i % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned best = above[j - 1] + (lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]));
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (is_swapped(a, b, i, j) && two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            row[j] = best;
        }
    }
    unsigned distance = rows[a.len % 3][b.len];
    return distance < cap ? distance : cap;
}
