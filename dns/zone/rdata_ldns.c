/* SPDX-License-Identifier: Apache-2.0 */
/* The fields that ldns reads. It was written for zone files that their owner has checked: a long
 * token, a negative character or too many types make it read or write out of bounds, an unknown
 * mnemonic becomes 0 without a word. So each text is checked here before ldns sees it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "dns/wire/octets.h"
#include "dns/wire/query.h"
#include "dns/zone/chars.h"
#include "dns/zone/rdata_priv.h"
#include "dns/zone/svcb.h"
#include "dns/zone/type_name.h"
#include "steering/base/buf.h"
#include "steering/base/mem.h"

enum {
    /* ldns takes a decoded length of 65535 for its error value. */
    BASE64_MAX_CHARS = RDATA_MAX_BYTES / 3 * 4 - 4,
    HEX_MAX_CHARS = RDATA_MAX_BYTES * 2,
    BITMAP_MAX_TYPES = 1024,
    MNEMONIC_MAX = 32,
    SVC_KEYS_MAX = 256,
    SVC_TEXT_MAX_BYTES = 60000,
    SVC_HINT_MAX_CHARS = INET6_ADDRSTRLEN - 1,
};

static bool is_base64(char c)
{
    return is_digit(c) || is_letter(c) || c == '+' || c == '/' || c == '=';
}

static bool consists_of(struct str text, bool (*is_good)(char))
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_good(text.ptr[i]))
            return false;
    return true;
}

/* Hands a checked text to ldns and appends what comes back. */
static bool put_parsed(struct rdata_text *text, int kind, const char *checked)
{
    ldns_rdf *field = ldns_rdf_new_frm_str((ldns_rdf_type)kind, checked);
    if (field == NULL)
        return false;
    bool is_put = rdata_put(text, ldns_rdf_data(field), ldns_rdf_size(field));
    ldns_rdf_deep_free(field);
    return is_put;
}

/* Tokens from `at` to `end` without anything between them: owned by the caller. NULL, with `at` on
 * the token and the problem told, when one is not all `is_good` or it gets longer than `max`. */
static char *join_checked(struct rdata_text *text, size_t end, size_t max, bool (*is_good)(char),
                          const char *what)
{
    size_t len = 0, first = text->at;
    for (; text->at < end; text->at++) {
        struct str token = rdata_token(text);
        if (token.len == 0 || !consists_of(token, is_good)) {
            rdata_fail_expected(text, what);
            return NULL;
        }
        len += token.len;
        if (len > max) {
            rdata_fail(text, "more than %zu characters of %s", max, what);
            return NULL;
        }
    }
    char *joined = mem_calloc(len + 1, 1);
    size_t at = 0;
    for (size_t i = first; i < end; i++) {
        memcpy(joined + at, text->tokens[i].text.ptr, text->tokens[i].text.len);
        at += text->tokens[i].text.len;
    }
    return joined;
}

static bool read_base64(struct rdata_text *text, size_t end)
{
    size_t first = text->at;
    char *joined = join_checked(text, end, BASE64_MAX_CHARS, is_base64, "base64 data");
    if (joined == NULL)
        return false;
    /* ldns takes a lone "0" for no data at all. */
    bool is_good = strcmp(joined, "0") != 0 && put_parsed(text, LDNS_RDF_TYPE_B64, joined);
    free(joined);
    if (is_good)
        return true;
    text->at = first;
    /* Too long for the record is told already. */
    return text->problem[0] == '\0' ? rdata_fail_expected(text, "base64 data") : false;
}

static bool read_hex(struct rdata_text *text, size_t end)
{
    size_t first = text->at;
    char *joined = join_checked(text, end, HEX_MAX_CHARS, is_hex, "hexadecimal digits");
    if (joined == NULL)
        return false;
    bool is_even = strlen(joined) % 2 == 0;
    bool is_good = is_even && put_parsed(text, LDNS_RDF_TYPE_HEX, joined);
    free(joined);
    if (is_good)
        return true;
    text->at = first;
    return is_even ? rdata_fail_expected(text, "hexadecimal digits")
                   : rdata_fail(text, "odd number of hexadecimal digits");
}

bool rdata_read_base64(struct rdata_text *text, int kind)
{
    (void)kind;
    return read_base64(text, text->count);
}

bool rdata_read_base64_token(struct rdata_text *text)
{
    if (text->at >= text->count)
        return rdata_fail_expected(text, "base64 data");
    return read_base64(text, text->at + 1);
}

bool rdata_read_hex(struct rdata_text *text, int kind)
{
    (void)kind;
    return read_hex(text, text->count);
}

bool rdata_read_hex_token(struct rdata_text *text)
{
    if (text->at >= text->count)
        return rdata_fail_expected(text, "hexadecimal digits");
    return read_hex(text, text->at + 1);
}

static bool is_mnemonic(char c)
{
    return is_digit(c) || is_letter(c) || c == '-';
}

bool rdata_read_mnemonic(struct rdata_text *text, int kind)
{
    char name[MNEMONIC_MAX];
    bool is_wide = kind == LDNS_RDF_TYPE_CERT_ALG;
    struct str token = rdata_token(text);
    if (token.len > 0 && is_digit(token.ptr[0])) {
        uint64_t number;
        if (!rdata_number(text, is_wide ? UINT16_MAX : UINT8_MAX,
                          is_wide ? "a number from 0 to 65535" : "a number from 0 to 255", &number))
            return false;
        return is_wide ? rdata_put_u16(text, (unsigned)number)
                       : rdata_put_u8(text, (unsigned)number);
    }
    if (token.len == 0 || !consists_of(token, is_mnemonic) ||
        !rdata_copy(text, name, sizeof(name)) || name[0] == '-' || !put_parsed(text, kind, name))
        return rdata_fail_expected(text, "a number or a known mnemonic");
    text->at++;
    return true;
}

bool rdata_read_type_bitmap(struct rdata_text *text, int kind)
{
    (void)kind;
    /* One type is at most "TYPE65535 ". */
    char *types = mem_calloc(BITMAP_MAX_TYPES + 1, 10);
    size_t len = 0, count = 0;
    bool is_good = true;
    for (; is_good && text->at < text->count; text->at++, count++) {
        uint16_t type;
        is_good = count < BITMAP_MAX_TYPES && type_name_parse(rdata_token(text), &type);
        if (!is_good)
            break;
        len += (size_t)snprintf(types + len, 11, "TYPE%u ", type);
    }
    if (!is_good)
        rdata_fail_expected(text, "a record type");
    else if (len > 0) {
        types[len - 1] = '\0';
        is_good = put_parsed(text, LDNS_RDF_TYPE_NSEC, types);
    }
    free(types);
    return is_good;
}

static bool is_colon_dash(char c)
{
    return is_hex(c) || c == ':' || c == '-';
}

bool rdata_read_colon_dash(struct rdata_text *text, int kind)
{
    char copy[MNEMONIC_MAX];
    struct str token = rdata_token(text);
    if (token.len == 0 || !consists_of(token, is_colon_dash) ||
        !rdata_copy(text, copy, sizeof(copy)) || !put_parsed(text, kind, copy)) {
        if (kind == LDNS_RDF_TYPE_ILNP64)
            return rdata_fail_expected(text, "a locator such as 2001:db8:1:2");
        return rdata_fail_expected(text, "octets with dashes, such as 00-00-5e-00-53-2a");
    }
    text->at++;
    return true;
}

/* ---- service parameters ----------------------------------------------------------------------
 * A parameter is KEY, KEY=VALUE or KEY="VALUE"; the last are two glued tokens. */

enum {
    SVC_MANDATORY,
    SVC_ALPN,
    SVC_NO_DEFAULT_ALPN,
    SVC_PORT,
    SVC_IPV4HINT,
    SVC_ECH,
    SVC_IPV6HINT,
    SVC_DOHPATH
};

struct svc_param {
    struct str key, value;
    bool has_value;
    uint16_t number;
};

static bool parse_named_svc_key(struct str key, uint16_t *out_number)
{
    char name[SVCB_KEY_NAME_MAX];
    for (unsigned i = 0; i < SVCB_KEY_NAMED_COUNT; i++) {
        if (str_eq_text(key, svcb_key_format(i, name))) {
            *out_number = (uint16_t)i;
            return true;
        }
    }
    return false;
}

static bool parse_numbered_svc_key(struct str key, uint16_t *out_number)
{
    static const char prefix[] = "key";
    enum { PREFIX = sizeof(prefix) - 1 };
    if (key.len <= PREFIX || key.len > PREFIX + 5 || memcmp(key.ptr, prefix, PREFIX) != 0)
        return false;
    uint64_t number;
    struct str digits = { .ptr = key.ptr + PREFIX, .len = key.len - PREFIX };
    if (!str_parse_u64(digits, UINT16_MAX - 1, &number) || (digits.ptr[0] == '0' && digits.len > 1))
        return false;
    *out_number = (uint16_t)number;
    return true;
}

/* The key of a parameter. key3=... means raw octets, which ldns would read as the text of a port.
 */
static bool parse_svc_key(struct str key, uint16_t *out_number)
{
    return parse_named_svc_key(key, out_number) ||
           (parse_numbered_svc_key(key, out_number) && *out_number >= SVCB_KEY_NAMED_COUNT);
}

/* ldns lists a key once that stands twice. */
static bool check_mandatory(struct rdata_text *text, struct str list)
{
    uint16_t keys[SVC_KEYS_MAX];
    char shown[ZONE_TOKEN_TEXT_MAX];
    bool has_more = true;
    for (size_t count = 0; has_more; count++) {
        struct str item;
        has_more = str_split(list, ',', &item, &list);
        if (count == SVC_KEYS_MAX)
            return rdata_fail(text, "mandatory: more than %d keys", SVC_KEYS_MAX);
        if (!parse_named_svc_key(item, &keys[count]) && !parse_numbered_svc_key(item, &keys[count]))
            return rdata_fail(text, "mandatory: expected keys such as alpn,port, got '%s'",
                              zone_token_text(item, shown));
        for (size_t i = 0; i < count; i++)
            if (keys[i] == keys[count])
                return rdata_fail(text, "mandatory: '%s' stands twice; list each key once",
                                  zone_token_text(item, shown));
    }
    return true;
}

static bool are_addresses(struct str list, int family)
{
    struct str item;
    uint8_t address[16];
    bool has_more = true;
    while (has_more) {
        char copy[SVC_HINT_MAX_CHARS + 1];
        has_more = str_split(list, ',', &item, &list);
        if (item.len == 0 || item.len > SVC_HINT_MAX_CHARS)
            return false;
        memcpy(copy, item.ptr, item.len);
        copy[item.len] = '\0';
        if (inet_pton(family, copy, address) != 1)
            return false;
    }
    return true;
}

static bool is_port(struct str text)
{
    uint64_t port;
    return text.len <= 5 && str_parse_u64(text, UINT16_MAX, &port);
}

/* NULL when `param` is fit for ldns, else what is wrong with it. */
static const char *why_unfit(const struct svc_param *param)
{
    struct str value = param->value; /* empty when there is none */
    switch (param->number) {
    case SVC_NO_DEFAULT_ALPN:
        return param->has_value ? "it takes no value" : NULL;
    case SVC_PORT:
        return is_port(value) ? NULL : "expected a port from 0 to 65535";
    case SVC_IPV4HINT:
        return are_addresses(value, AF_INET) ? NULL : "expected IPv4 addresses and commas";
    case SVC_IPV6HINT:
        return are_addresses(value, AF_INET6) ? NULL : "expected IPv6 addresses and commas";
    case SVC_ECH:
        return value.len > 0 && consists_of(value, is_base64) ? NULL : "expected base64 data";
    default:
        return value.len > 0 || param->number > SVC_DOHPATH ? NULL : "expected a value";
    }
}

/* Reads the parameter at token `*at` (and the glued value behind it) and moves `*at` on. */
static bool take_svc_param(struct rdata_text *text, struct svc_param *out_param)
{
    const struct token *token = &text->tokens[text->at];
    char shown[ZONE_TOKEN_TEXT_MAX];
    struct svc_param param = { .number = 0 };
    if (token->is_glued)
        return rdata_fail(text, "expected a space before '%s'",
                          zone_token_text(token->text, shown));
    param.has_value = str_split(token->text, '=', &param.key, &param.value);
    if (token->is_quoted || !parse_svc_key(param.key, &param.number))
        return rdata_fail(text,
                          "'%s' is no service parameter; expected one such as alpn=h2,h3 or "
                          "key9=value",
                          zone_token_text(param.key, shown));
    const struct token *next = text->at + 1 < text->count ? token + 1 : NULL;
    bool is_glued = next != NULL && next->is_glued;
    if (is_glued && (!param.has_value || param.value.len > 0 || !next->is_quoted))
        return rdata_fail(text, "expected a space behind '%s'",
                          zone_token_text(token->text, shown));
    if (is_glued)
        param.value = next->text;
    const char *why = why_unfit(&param);
    if (why != NULL)
        return rdata_fail(text, "%.*s: %s", STR_ARG(param.key), why);
    if (param.number == SVC_MANDATORY && !check_mandatory(text, param.value))
        return false;
    text->at += is_glued ? 2 : 1;
    *out_param = param;
    return true;
}

static void append_svc_param(struct buf *joined, const struct svc_param *param)
{
    buf_append_str(joined, param->key);
    if (param->has_value) {
        /* Quoted in any case: an unquoted value ends at the first octet that isspace() takes. */
        buf_append_text(joined, "=\"");
        buf_append_str(joined, param->value);
        buf_append_text(joined, "\"");
    }
    buf_append_text(joined, " ");
}

bool rdata_read_svcparams(struct rdata_text *text, int kind)
{
    uint16_t seen[SVC_KEYS_MAX];
    size_t count = 0, first = text->at;
    struct buf joined;
    bool is_good = true;
    buf_init(&joined, SVC_TEXT_MAX_BYTES);
    while (is_good && text->at < text->count) {
        struct svc_param param = { .number = 0 };
        is_good = take_svc_param(text, &param);
        for (size_t i = 0; is_good && i < count; i++)
            if (seen[i] == param.number)
                is_good = rdata_fail(text, "%.*s stands twice", STR_ARG(param.key));
        if (is_good && count == SVC_KEYS_MAX)
            is_good = rdata_fail(text, "more than %d service parameters", SVC_KEYS_MAX);
        if (!is_good)
            break;
        seen[count++] = param.number;
        append_svc_param(&joined, &param);
    }
    if (is_good && joined.is_overflown)
        is_good = rdata_fail(text, "service parameters are longer than %d characters",
                             SVC_TEXT_MAX_BYTES);
    if (is_good && !put_parsed(text, kind, buf_text(&joined))) {
        text->at = first;
        is_good = false;
        if (text->problem[0] == '\0')
            rdata_fail(text, "malformed value of a service parameter");
    }
    buf_fini(&joined);
    return is_good;
}

/* ---- octets given as such ---------------------------------------------------------------------*/

/* ldns takes octets that end between two fields, or within a location, for a record. */
static bool is_complete(const struct rdata_text *text, const ldns_rr *record)
{
    enum { LOC_BYTES = 16 }; /* of version 0, and there is no other */
    if (text->type == LDNS_RR_TYPE_LOC && text->len != LOC_BYTES)
        return false;
    return ldns_rr_rd_count(record) >= ldns_rr_descriptor_minimum(ldns_rr_descript(text->type));
}

/* Lets ldns read the octets as a record and write them again: the same octets must come out. */
bool rdata_is_well_formed(const struct rdata_text *text)
{
    enum { FIXED = 1 + 2 + 2 + 4 + 2 }; /* root owner, type, class, TTL, length */
    if (text->len > RDATA_MAX_BYTES - FIXED)
        return false;
    uint8_t *wire = mem_calloc(FIXED + text->len, 1);
    uint8_t *at = octets_put_u16(wire + 1, text->type);
    at = octets_put_u16(at, CLASS_IN);
    at = octets_put_u32(at, 0);
    at = octets_put_u16(at, (uint16_t)text->len);
    if (text->len > 0)
        memcpy(at, text->bytes, text->len);
    ldns_rr *record = NULL;
    uint8_t *again = NULL;
    size_t used = 0, again_len = 0;
    bool is_same =
        ldns_wire2rr(&record, wire, FIXED + text->len, &used, LDNS_SECTION_ANSWER) ==
            LDNS_STATUS_OK &&
        used == FIXED + text->len && is_complete(text, record) &&
        ldns_rr2wire(&again, record, LDNS_SECTION_ANSWER, &again_len) == LDNS_STATUS_OK &&
        again_len == used && memcmp(again, wire, used) == 0;
    free(again);
    ldns_rr_free(record);
    free(wire);
    return is_same;
}
