/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/type_name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <ldns/ldns.h>

#include "dns/wire/query.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

/* Nearly every record of a real zone has one of these; ldns searches its table linearly. */
static const struct {
    const char *name;
    uint16_t type;
} COMMON[] = {
    { "A", TYPE_A },   { "AAAA", TYPE_AAAA }, { "NS", TYPE_NS },
    { "MX", TYPE_MX }, { "TXT", TYPE_TXT },   { "CNAME", TYPE_CNAME },
};
static const char GENERIC[] = "TYPE";
enum { GENERIC_LEN = sizeof(GENERIC) - 1 };

static bool looks_generic(struct str text)
{
    return text.len > GENERIC_LEN && strncasecmp(text.ptr, GENERIC, GENERIC_LEN) == 0;
}

/* The digits behind "TYPE". */
static bool parse_number(struct str text, uint16_t *out_type)
{
    struct str digits = { .ptr = text.ptr + GENERIC_LEN, .len = text.len - GENERIC_LEN };
    uint64_t number;
    if (digits.len > 5 || !str_parse_u64(digits, UINT16_MAX, &number))
        return false;
    *out_type = (uint16_t)number;
    return true;
}

bool type_name_parse(struct str text, uint16_t *out_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(COMMON); i++) {
        if (str_eq_nocase(text, str_from(COMMON[i].name))) {
            *out_type = COMMON[i].type;
            return true;
        }
    }
    /* Not left to ldns, which takes TYPE followed by anything for a number. */
    if (looks_generic(text))
        return parse_number(text, out_type);
    char name[TYPE_NAME_MAX];
    if (text.len >= sizeof(name) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    ldns_rr_type type = ldns_get_rr_type_by_name(name);
    if (type == 0)
        return false;
    *out_type = (uint16_t)type;
    return true;
}

const char *type_name_format(uint16_t type, char out_text[TYPE_NAME_MAX])
{
    const ldns_rr_descriptor *known = ldns_rr_descript(type);
    if (known->_name != NULL && known->_type == type)
        snprintf(out_text, TYPE_NAME_MAX, "%s", known->_name);
    else
        snprintf(out_text, TYPE_NAME_MAX, "TYPE%u", type);
    return out_text;
}

const char *type_name_suggest(struct str text, char *out_text, size_t capacity)
{
    enum { LONGEST = 16 };
    struct suggest suggest = suggest_init(text);
    out_text[0] = '\0';
    if (text.len > LONGEST)
        return out_text;
    for (unsigned type = 1; type < LDNS_RDATA_FIELD_DESCRIPTORS_COMMON; type++) {
        const ldns_rr_descriptor *known = ldns_rr_descript((uint16_t)type);
        if (known->_name != NULL && known->_type == type && !type_name_is_meta((uint16_t)type))
            suggest_offer(&suggest, str_from(known->_name));
    }
    return suggest_format(&suggest, out_text, capacity);
}

bool type_name_is_meta(uint16_t type)
{
    return type == 0 || type == TYPE_OPT || (type >= 128 && type <= 255) || type == UINT16_MAX;
}
