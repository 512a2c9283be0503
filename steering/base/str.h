/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed view of text: pointer and length, not NUL-terminated, not owned.
 *
 * Threads:   any (plain value).
 * Ownership: valid as long as the bytes it points at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).ptr
/* From a string literal or array. */
#define STR(literal) ((struct str){ .ptr = (literal), .len = sizeof(literal) - 1 })

struct str str_from(const char *text); /* NULL gives the empty string */
bool str_eq(struct str a, struct str b);
bool str_eq_text(struct str a, const char *text);
/* ASCII case is ignored. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
/* Like memcmp, then by length; a total order. */
int str_compare(struct str a, struct str b);
/* Without leading and trailing ASCII white space. */
struct str str_trim(struct str s);
/* Splits at the first `separator`: `*out_head` before it, `*out_tail` after it.
 * Returns false (head = all, tail = empty) when there is none. */
bool str_split(struct str s, char separator, struct str *out_head, struct str *out_tail);

/* Whole-text decimal parsers: false, output untouched, on anything but digits in range. */
bool str_parse_u64(struct str s, uint64_t max, uint64_t *out_value);
/* A finite decimal number such as -77.45. */
bool str_parse_double(struct str s, double *out_value);

/* 16 lower-case hexadecimal digits, without NUL. */
void str_put_hex(uint64_t value, char out[16]);

/* Letters to add, remove, replace, or swap with their neighbour, ASCII case ignored; at most `cap`
 * (then `cap` is returned). */
unsigned str_distance(struct str a, struct str b, unsigned cap);
