/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/rdata_text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "dns/wire/octets.h"
#include "dns/wire/query.h"
#include "dns/zone/chars.h"
#include "dns/zone/rdata_priv.h"
#include "dns/zone/type_name.h"
#include "steering/base/mem.h"

enum { STRING_MAX_BYTES = 255, PERIOD_MAX_S = INT32_MAX };

bool rdata_fail(struct rdata_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text->problem, sizeof(text->problem), format, args);
    va_end(args);
    return false;
}

bool rdata_fail_expected(struct rdata_text *text, const char *what)
{
    char shown[ZONE_TOKEN_TEXT_MAX];
    if (text->at >= text->count)
        return rdata_fail(text, "expected %s, but the record ends", what);
    return rdata_fail(text, "expected %s, got '%s'", what,
                      zone_token_text(rdata_token(text), shown));
}

bool rdata_put(struct rdata_text *text, const void *bytes, size_t len)
{
    if (len > RDATA_MAX_BYTES - text->len)
        return rdata_fail(text, "record data is longer than %d octets", RDATA_MAX_BYTES);
    if (len > 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    return true;
}

bool rdata_put_u8(struct rdata_text *text, unsigned value)
{
    uint8_t octet = (uint8_t)value;
    return rdata_put(text, &octet, 1);
}

bool rdata_put_u16(struct rdata_text *text, unsigned value)
{
    uint8_t octets[2];
    octets_put_u16(octets, (uint16_t)value);
    return rdata_put(text, octets, sizeof(octets));
}

static bool put_u32(struct rdata_text *text, uint32_t value)
{
    uint8_t octets[4];
    octets_put_u32(octets, value);
    return rdata_put(text, octets, sizeof(octets));
}

struct str rdata_token(const struct rdata_text *text)
{
    return text->at < text->count ? text->tokens[text->at].text
                                  : (struct str){ .ptr = "", .len = 0 };
}

bool rdata_number(struct rdata_text *text, uint64_t max, const char *what, uint64_t *out_value)
{
    if (!str_parse_u64(rdata_token(text), max, out_value))
        return rdata_fail_expected(text, what);
    text->at++;
    return true;
}

bool rdata_copy(const struct rdata_text *text, char *out_text, size_t capacity)
{
    struct str token = rdata_token(text);
    if (token.len >= capacity)
        return false;
    memcpy(out_text, token.ptr, token.len);
    out_text[token.len] = '\0';
    return true;
}

static bool read_u8(struct rdata_text *text, int kind)
{
    (void)kind;
    uint64_t value;
    return rdata_number(text, UINT8_MAX, "a number from 0 to 255", &value) &&
           rdata_put_u8(text, (unsigned)value);
}

static bool read_u16(struct rdata_text *text, int kind)
{
    (void)kind;
    uint64_t value;
    return rdata_number(text, UINT16_MAX, "a number from 0 to 65535", &value) &&
           rdata_put_u16(text, (unsigned)value);
}

static bool read_u32(struct rdata_text *text, int kind)
{
    (void)kind;
    uint64_t value;
    return rdata_number(text, UINT32_MAX, "a number from 0 to 4294967295", &value) &&
           put_u32(text, (uint32_t)value);
}

static bool read_period(struct rdata_text *text, int kind)
{
    (void)kind;
    uint32_t seconds;
    if (!zone_period_parse(rdata_token(text), &seconds) || seconds > PERIOD_MAX_S)
        return rdata_fail_expected(text, "a time such as 3600 or 1h30m");
    text->at++;
    return put_u32(text, seconds);
}

bool rdata_read_name(struct rdata_text *text, int kind)
{
    (void)kind;
    char shown[ZONE_TOKEN_TEXT_MAX];
    struct zone_name name;
    bool repeats_origin;
    if (text->at >= text->count)
        return rdata_fail_expected(text, "a domain name");
    const struct token *token = &text->tokens[text->at];
    const char *why = zone_name_parse(token, text->origin, &name, &repeats_origin);
    if (why != NULL)
        return rdata_fail(text, "'%s' is no domain name: %s", zone_token_text(token->text, shown),
                          why);
    if (repeats_origin)
        text->undotted = token;
    text->at++;
    return rdata_put(text, name.wire, name.len);
}

bool rdata_read_address(struct rdata_text *text, int kind)
{
    bool is_v4 = kind == LDNS_RDF_TYPE_A;
    char copy[INET6_ADDRSTRLEN];
    uint8_t address[16], other[16];
    if (!rdata_copy(text, copy, sizeof(copy)) ||
        inet_pton(is_v4 ? AF_INET : AF_INET6, copy, address) != 1) {
        rdata_fail_expected(text, is_v4 ? "an IPv4 address" : "an IPv6 address");
        if (text->at < text->count && rdata_copy(text, copy, sizeof(copy)) &&
            inet_pton(is_v4 ? AF_INET6 : AF_INET, copy, other) == 1) {
            size_t len = strlen(text->problem);
            snprintf(text->problem + len, sizeof(text->problem) - len, "; use type %s for it",
                     is_v4 ? "AAAA" : "A");
        }
        return false;
    }
    text->at++;
    return rdata_put(text, address, is_v4 ? 4 : 16);
}

/* Undoes the escapes of the token into the end of `bytes`, at most `max` octets. */
static bool put_unescaped(struct rdata_text *text, size_t max)
{
    struct str from = rdata_token(text);
    size_t start = text->len;
    for (size_t i = 0; i < from.len; i++) {
        unsigned octet = (unsigned char)from.ptr[i];
        if (octet == '\\') {
            size_t left = from.len - i - 1;
            const char *next = from.ptr + i + 1;
            bool is_decimal =
                left >= 3 && is_digit(next[0]) && is_digit(next[1]) && is_digit(next[2]);
            if (left == 0 || (is_digit(next[0]) && !is_decimal))
                return rdata_fail(text, "bad escape; use \\DDD with three digits");
            octet = is_decimal
                        ? (unsigned)((next[0] - '0') * 100 + (next[1] - '0') * 10 + (next[2] - '0'))
                        : (unsigned char)next[0];
            i += is_decimal ? 3 : 1;
            if (octet > UINT8_MAX)
                return rdata_fail(text, "escape '\\%u' is beyond \\255", octet);
        }
        if (text->len - start == max && max == STRING_MAX_BYTES)
            return rdata_fail(text, "string is longer than 255 octets; split it into several "
                                    "quoted strings");
        if (!rdata_put_u8(text, octet))
            return false;
    }
    text->at++;
    return true;
}

static bool read_string(struct rdata_text *text, int kind)
{
    (void)kind;
    size_t length_at = text->len;
    if (!rdata_put_u8(text, 0) || !put_unescaped(text, STRING_MAX_BYTES))
        return false;
    text->bytes[length_at] = (uint8_t)(text->len - length_at - 1);
    return true;
}

/* The rest of the record data, without a length. */
static bool read_long_string(struct rdata_text *text, int kind)
{
    (void)kind;
    return put_unescaped(text, RDATA_MAX_BYTES);
}

static bool read_tag(struct rdata_text *text, int kind)
{
    (void)kind;
    struct str tag = rdata_token(text);
    bool is_good = tag.len > 0 && tag.len <= STRING_MAX_BYTES;
    for (size_t i = 0; is_good && i < tag.len; i++)
        is_good =
            is_digit(tag.ptr[i]) || ((tag.ptr[i] | 0x20) >= 'a' && (tag.ptr[i] | 0x20) <= 'z');
    if (!is_good)
        return rdata_fail_expected(text, "a tag of letters and digits, such as issue");
    text->at++;
    return rdata_put_u8(text, (unsigned)tag.len) && rdata_put(text, tag.ptr, tag.len);
}

static const struct field {
    int kind;
    rdata_field_fn *read;
    const char *what;
} FIELDS[] = {
    { LDNS_RDF_TYPE_A, rdata_read_address, "an IPv4 address" },
    { LDNS_RDF_TYPE_AAAA, rdata_read_address, "an IPv6 address" },
    { LDNS_RDF_TYPE_DNAME, rdata_read_name, "a domain name" },
    { LDNS_RDF_TYPE_STR, read_string, "a string" },
    { LDNS_RDF_TYPE_INT8, read_u8, "a number from 0 to 255" },
    { LDNS_RDF_TYPE_INT16, read_u16, "a number from 0 to 65535" },
    { LDNS_RDF_TYPE_INT32, read_u32, "a number from 0 to 4294967295" },
    { LDNS_RDF_TYPE_PERIOD, read_period, "a time such as 3600 or 1h30m" },
    { LDNS_RDF_TYPE_LONG_STR, read_long_string, "a quoted string" },
    { LDNS_RDF_TYPE_TAG, read_tag, "a tag" },
    { LDNS_RDF_TYPE_B64, rdata_read_base64, "base64 data" },
    { LDNS_RDF_TYPE_HEX, rdata_read_hex, "hexadecimal digits" },
    { LDNS_RDF_TYPE_NSEC, rdata_read_type_bitmap, "record types" },
    { LDNS_RDF_TYPE_ALG, rdata_read_mnemonic, "an algorithm" },
    { LDNS_RDF_TYPE_CERT_ALG, rdata_read_mnemonic, "a certificate type" },
    { LDNS_RDF_TYPE_CERTIFICATE_USAGE, rdata_read_mnemonic, "a certificate usage" },
    { LDNS_RDF_TYPE_SELECTOR, rdata_read_mnemonic, "a selector" },
    { LDNS_RDF_TYPE_MATCHING_TYPE, rdata_read_mnemonic, "a matching type" },
    { LDNS_RDF_TYPE_ILNP64, rdata_read_colon_dash, "a locator such as 2001:db8:1:2" },
    { LDNS_RDF_TYPE_EUI48, rdata_read_colon_dash, "an EUI-48 such as 00-00-5e-00-53-2a" },
    { LDNS_RDF_TYPE_EUI64, rdata_read_colon_dash, "an EUI-64 such as 00-00-5e-ef-10-00-00-2a" },
    { LDNS_RDF_TYPE_SVCPARAMS, rdata_read_svcparams, "service parameters" },
    { LDNS_RDF_TYPE_APL, rdata_read_apl, "an address prefix such as 1:192.0.2.0/24" },
    { LDNS_RDF_TYPE_LOC, rdata_read_loc, "a location" },
    { LDNS_RDF_TYPE_WKS, rdata_read_wks, "a protocol" },
    { LDNS_RDF_TYPE_NSAP, rdata_read_nsap, "0x and hexadecimal digits" },
    { LDNS_RDF_TYPE_HIP, rdata_read_hip, "a number from 0 to 255" },
    { LDNS_RDF_TYPE_IPSECKEY, rdata_read_ipseckey, "a number from 0 to 255" },
};

static const struct field *field_of(int kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(FIELDS); i++)
        if (FIELDS[i].kind == kind)
            return &FIELDS[i];
    return NULL;
}

/* Types whose text form is withdrawn, or which ldns writes differently from their definition:
 * NULL (RFC 1035 section 3.3.10), NSAP-PTR (a name, not a string), NXT (another bitmap), ATMA (a
 * leading format octet), A6 and SINK. */
static bool has_text_form(uint16_t type)
{
    static const uint16_t WITHOUT[] = {
        LDNS_RR_TYPE_NULL, LDNS_RR_TYPE_NSAP_PTR, LDNS_RR_TYPE_NXT,
        LDNS_RR_TYPE_ATMA, LDNS_RR_TYPE_A6,       LDNS_RR_TYPE_SINK
    };
    for (size_t i = 0; i < ARRAY_SIZE(WITHOUT); i++)
        if (WITHOUT[i] == type)
            return false;
    return ldns_rr_descript(type)->_type == type;
}

/* \# LENGTH HEX..., for any type (RFC 3597 section 5). */
static bool read_generic(struct rdata_text *text)
{
    char name[TYPE_NAME_MAX];
    uint64_t octets;
    text->at = 1;
    if (!rdata_number(text, RDATA_MAX_BYTES, "the number of octets, 0 to 65535", &octets))
        return false;
    if (text->at < text->count && !rdata_read_hex(text, LDNS_RDF_TYPE_HEX))
        return false;
    text->at = 1;
    if (text->len != octets)
        return rdata_fail(text, "%zu octets follow, not %u", text->len, (unsigned)octets);
    text->at = 0;
    if (has_text_form(text->type) && !rdata_is_well_formed(text))
        return rdata_fail(text, "these octets are no data of a record of type %s",
                          type_name_format(text->type, name));
    return true;
}

static bool read_fields(struct rdata_text *text)
{
    const ldns_rr_descriptor *layout = ldns_rr_descript(text->type);
    size_t min = ldns_rr_descriptor_minimum(layout);
    size_t max = ldns_rr_descriptor_maximum(layout);
    char shown[ZONE_TOKEN_TEXT_MAX];
    for (size_t i = 0; i < max && (i < min || text->at < text->count); i++) {
        int kind = (int)ldns_rr_descriptor_field_type(layout, i);
        const struct field *field = field_of(kind);
        if (field == NULL)
            return rdata_fail(text, "only the \\# form of RFC 3597 is understood for this type");
        if (text->at >= text->count)
            return rdata_fail_expected(text, field->what);
        if (!field->read(text, kind))
            return false;
    }
    if (text->at < text->count)
        return rdata_fail(text, "unexpected '%s' behind the data of the record",
                          zone_token_text(rdata_token(text), shown));
    return true;
}

/* Digests of these types have one length; of the other types we do not know it. */
static const struct digest {
    uint8_t type, len;
    const char *name;
} DIGESTS[] = {
    { LDNS_SHA1, 20, "SHA-1" },     /* RFC 4034 appendix A.2 */
    { LDNS_SHA256, 32, "SHA-256" }, /* RFC 4509 section 2.2 */
    { LDNS_SHA384, 48, "SHA-384" }, /* RFC 6605 section 5 */
};

/* A resolver takes a digest of the wrong length for one that no key fits. `digest_token` is where
 * it starts. */
static bool check_digest(struct rdata_text *text, size_t digest_token)
{
    enum { TYPE_AT = 3, DIGEST_AT = 4 }; /* behind key tag and algorithm */
    if (text->type != LDNS_RR_TYPE_DS && text->type != LDNS_RR_TYPE_CDS &&
        text->type != LDNS_RR_TYPE_DLV)
        return true;
    assert(text->len >= DIGEST_AT);
    size_t len = text->len - DIGEST_AT;
    const struct digest *wanted = NULL, *fitting = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(DIGESTS); i++) {
        if (DIGESTS[i].type == text->bytes[TYPE_AT])
            wanted = &DIGESTS[i];
        if (DIGESTS[i].len == len)
            fitting = &DIGESTS[i];
    }
    if (wanted == NULL || wanted == fitting)
        return true;
    text->at = digest_token;
    if (fitting == NULL)
        return rdata_fail(text, "expected %u hexadecimal digits of %s (digest type %u), got %zu",
                          wanted->len * 2u, wanted->name, wanted->type, len * 2);
    return rdata_fail(text,
                      "expected %u hexadecimal digits of %s (digest type %u), got %zu; "
                      "those of %s have digest type %u",
                      wanted->len * 2u, wanted->name, wanted->type, len * 2, fitting->name,
                      fitting->type);
}

bool rdata_text_parse(struct rdata_text *text)
{
    enum { DIGEST_TOKEN = 3, GENERIC_TOKEN = 2 };
    char name[TYPE_NAME_MAX];
    text->len = 0;
    text->at = 0;
    text->undotted = NULL;
    text->problem[0] = '\0';
    if (text->count > 0 && !text->tokens[0].is_quoted && str_eq_text(text->tokens[0].text, "\\#"))
        return read_generic(text) && check_digest(text, GENERIC_TOKEN);
    if (!has_text_form(text->type))
        return rdata_fail(text, "data of type %s can only be written as \\# LENGTH HEX (RFC 3597)",
                          type_name_format(text->type, name));
    return read_fields(text) && check_digest(text, DIGEST_TOKEN);
}
