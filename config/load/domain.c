/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/domain.h"

#include <string.h>

enum { LABEL_MAX = 63, ABSOLUTE_MAX = 254 /* 255 bytes on the wire */ };

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static const char *check_label(struct str label)
{
    if (label.len == 0)
        return "has an empty label";
    if (label.len > LABEL_MAX)
        return "has a label of more than 63 characters";
    for (size_t i = 0; i < label.len; i++)
        if (!is_label_char(to_lower(label.ptr[i])))
            return "may hold letters, digits, '-', '_' and dots only";
    return NULL;
}

const char *domain_parse(struct str text, char out_name[DOMAIN_TEXT_MAX])
{
    char name[DOMAIN_TEXT_MAX];
    struct str rest = text, label;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '.')
        rest.len--;
    if (rest.len == 0)
        return "is not a domain name";
    if (rest.len + 1 > ABSOLUTE_MAX)
        return "is longer than 253 characters";
    size_t len = rest.len;
    for (size_t i = 0; i < len; i++)
        name[i] = to_lower(rest.ptr[i]);
    bool has_more = true;
    while (has_more) {
        has_more = str_split(rest, '.', &label, &rest);
        const char *problem = check_label(label);
        if (problem != NULL)
            return problem;
    }
    name[len] = '.';
    name[len + 1] = '\0';
    memcpy(out_name, name, len + 2);
    return NULL;
}

const char *domain_parse_owner(struct str text, char out_name[DOMAIN_TEXT_MAX])
{
    static const struct str wildcard = { .ptr = "*.", .len = 2 };
    char below[DOMAIN_TEXT_MAX];
    if (!str_starts_with(text, wildcard))
        return domain_parse(text, out_name);
    const char *problem = domain_parse((struct str){ text.ptr + 2, text.len - 2 }, below);
    if (problem != NULL)
        return problem;
    size_t len = strlen(below);
    if (len + 2 > ABSOLUTE_MAX)
        return "is longer than 253 characters";
    memcpy(out_name, "*.", 2);
    memcpy(out_name + 2, below, len + 1);
    return NULL;
}
