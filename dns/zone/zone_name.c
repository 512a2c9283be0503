/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/zone_name.h"

#include <stdio.h>
#include <string.h>

static bool is_absolute(struct str text)
{
    if (text.len == 0 || text.ptr[text.len - 1] != '.')
        return false;
    size_t backslashes = 0;
    while (backslashes + 1 < text.len && text.ptr[text.len - 2 - backslashes] == '\\')
        backslashes++;
    return backslashes % 2 == 0;
}

/* name_parse only says no; people want to know why. */
static const char *why_malformed(struct str text)
{
    size_t label = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\')
            return "it has a bad escape, an empty or a too long label";
        if (c == '.' && label == 0)
            return "it has an empty label";
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return "a label is longer than 63 octets";
    }
    return text.len == 0 ? "it is empty" : "it is longer than 255 octets";
}

/* Whether the labels of `relative` end with all labels of `origin`. */
static bool ends_with_origin(const struct zone_name *relative, const struct zone_name *origin)
{
    if (origin->len == 1 || relative->len < origin->len)
        return false;
    size_t start = relative->len - (size_t)origin->len;
    if (!name_eq_nocase(relative->wire + start, origin->len, origin->wire, origin->len))
        return false;
    size_t at = 0;
    while (at < start)
        at += 1 + (size_t)relative->wire[at];
    return at == start; /* on a label boundary */
}

const char *zone_name_parse(const struct token *token, const struct zone_name *origin,
                            struct zone_name *out_name, bool *out_repeats_origin)
{
    *out_repeats_origin = false;
    if (!token->is_quoted && str_eq_text(token->text, "@")) {
        *out_name = *origin;
        return NULL;
    }
    struct zone_name name;
    size_t len = name_parse(token->text, name.wire);
    if (len == 0)
        return why_malformed(token->text);
    name.len = (uint8_t)len;
    if (!is_absolute(token->text)) {
        if (len - 1 + origin->len > NAME_MAX_BYTES)
            return "it is longer than 255 octets with the origin behind it";
        *out_repeats_origin = ends_with_origin(&name, origin);
        memcpy(name.wire + len - 1, origin->wire, origin->len);
        name.len = (uint8_t)(len - 1 + origin->len);
    }
    *out_name = name;
    return NULL;
}

bool zone_name_is_within(const uint8_t *name, size_t name_len, const uint8_t *apex, size_t apex_len)
{
    if (name_len < apex_len)
        return false;
    size_t start = name_len - apex_len;
    if (memcmp(name + start, apex, apex_len) != 0)
        return false;
    size_t at = 0;
    while (at < start)
        at += 1 + (size_t)name[at];
    return at == start;
}

const char *zone_token_text(struct str token, char out_text[ZONE_TOKEN_TEXT_MAX])
{
    enum { SHOWN = ZONE_TOKEN_TEXT_MAX - 4 };
    size_t len = token.len < SHOWN ? token.len : SHOWN;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)token.ptr[i];
        out_text[i] = c >= ' ' && c < 0x7F ? (char)c : '?';
    }
    snprintf(out_text + len, ZONE_TOKEN_TEXT_MAX - len, "%s", token.len > SHOWN ? "..." : "");
    return out_text;
}

static uint64_t unit_s(char c)
{
    switch (c | 0x20) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 604800;
    default:
        return 0;
    }
}

bool zone_period_parse(struct str text, uint32_t *out_s)
{
    uint64_t total = 0, number = 0;
    bool has_digits = false, has_unit = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9') {
            number = number * 10 + (uint64_t)(c - '0');
            has_digits = true;
        } else {
            if (!has_digits || unit_s(c) == 0)
                return false;
            total += number * unit_s(c);
            number = 0;
            has_digits = false;
            has_unit = true;
        }
        if (number > UINT32_MAX || total > UINT32_MAX)
            return false;
    }
    /* All digits, or every number with its unit. */
    if (has_digits == has_unit)
        return false;
    *out_s = (uint32_t)(total + number);
    return true;
}
