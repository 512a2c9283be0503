/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/doh_path.h"

#include <stdbool.h>
#include <string.h>

#include "dns/zone/chars.h"
#include "steering/base/mem.h"

#define EXAMPLE "/dns-query{?dns}"

/* What stands in `set`, none of which is NUL. */
static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static char char_at(struct str text, size_t at)
{
    return at < text.len ? text.ptr[at] : '\0';
}

static bool is_escape(struct str text, size_t at)
{
    return char_at(text, at) == '%' && is_hex(char_at(text, at + 1)) &&
           is_hex(char_at(text, at + 2));
}

/* The octets of the character at `at`, 0 if there is none. */
static size_t utf8_length(struct str text, size_t at)
{
    static const struct {
        uint8_t first, last, len, second_first, second_last;
    } FORMS[] = {
        { 0x00, 0x7F, 1, 0, 0 },       { 0xC2, 0xDF, 2, 0x80, 0xBF }, { 0xE0, 0xE0, 3, 0xA0, 0xBF },
        { 0xE1, 0xEC, 3, 0x80, 0xBF }, { 0xED, 0xED, 3, 0x80, 0x9F }, { 0xEE, 0xEF, 3, 0x80, 0xBF },
        { 0xF0, 0xF0, 4, 0x90, 0xBF }, { 0xF1, 0xF3, 4, 0x80, 0xBF }, { 0xF4, 0xF4, 4, 0x80, 0x8F },
    };
    const uint8_t *octets = (const uint8_t *)text.ptr + at;
    size_t i = 0;
    while (i < ARRAY_SIZE(FORMS) && (octets[0] < FORMS[i].first || octets[0] > FORMS[i].last))
        i++;
    if (i == ARRAY_SIZE(FORMS) || FORMS[i].len > text.len - at)
        return 0;
    size_t len = FORMS[i].len;
    if (len > 1 && (octets[1] < FORMS[i].second_first || octets[1] > FORMS[i].second_last))
        return 0;
    for (size_t k = 2; k < len; k++)
        if (octets[k] < 0x80 || octets[k] > 0xBF)
            return 0;
    return len;
}

static bool is_literal(struct str text, size_t at)
{
    unsigned char c = (unsigned char)text.ptr[at];
    if (c == '%')
        return is_escape(text, at);
    return c > 0x20 && c != 0x7F && !is_one_of((char)c, "\"<>\\^`{|}");
}

/* A variable and its modifier behind `*at`, which moves on. False: there is none. */
static bool take_variable(struct str text, size_t *at, struct str *out_name)
{
    size_t start = *at, end = start;
    while (is_letter(char_at(text, end)) || is_digit(char_at(text, end)) ||
           is_one_of(char_at(text, end), "_.") || is_escape(text, end))
        end += char_at(text, end) == '%' ? 3 : 1;
    *out_name = (struct str){ .ptr = text.ptr + start, .len = end - start };
    if (end == start)
        return false;
    if (char_at(text, end) == '*') {
        end++;
    } else if (char_at(text, end) == ':') {
        enum { DIGITS_MAX = 4 };
        size_t digits = ++end;
        while (is_digit(char_at(text, end)))
            end++;
        if (end == digits || end - digits > DIGITS_MAX || text.ptr[digits] == '0')
            return false;
    }
    *at = end;
    return true;
}

/* `*at` is at the opening brace, and moves behind the closing one. */
static bool take_expression(struct str text, size_t *at, bool *has_dns)
{
    struct str name;
    (*at)++;
    if (is_one_of(char_at(text, *at), "+#./;?&"))
        (*at)++;
    for (;; (*at)++) {
        if (!take_variable(text, at, &name))
            return false;
        *has_dns = *has_dns || str_eq_text(name, "dns");
        if (char_at(text, *at) != ',')
            break;
    }
    return char_at(text, (*at)++) == '}';
}

const char *doh_path_check(struct str path)
{
    bool has_dns = false;
    for (size_t at = 0, len = 0; at < path.len; at += len)
        if ((len = utf8_length(path, at)) == 0)
            return "must be UTF-8; write other octets as %XX";
    if (char_at(path, 0) != '/')
        return "expected a path that begins with '/', such as " EXAMPLE;
    for (size_t at = 0; at < path.len;) {
        if (path.ptr[at] != '{' && !is_literal(path, at))
            return "malformed URI template; write what cannot stand in a path as %XX";
        if (path.ptr[at] != '{')
            at++;
        else if (!take_expression(path, &at, &has_dns))
            return "malformed expression in braces; expected one such as {?dns}";
    }
    return has_dns ? NULL : "expected the variable dns, as in " EXAMPLE;
}
