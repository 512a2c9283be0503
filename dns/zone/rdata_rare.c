/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of several tokens, or with an inner structure that ldns reads without checking it.
 * Source:    RFC 1035 section 3.4.2 (WKS), RFC 1706 (NSAP), RFC 3123 (APL), RFC 4025 (IPSECKEY),
 *            RFC 8005 (HIP) */
#include <arpa/inet.h>
#include <string.h>

#include <ldns/ldns.h>

#include "dns/wire/octets.h"
#include "dns/zone/rdata_priv.h"

struct apl_item {
    unsigned family, bits, len;
    uint8_t address[16];
    bool is_negated;
};

/* [!]FAMILY:ADDRESS/BITS */
static bool parse_apl(struct str text, struct apl_item *out_item)
{
    struct apl_item item = { .is_negated = text.len > 0 && text.ptr[0] == '!' };
    struct str family, address, bits_text;
    char copy[INET6_ADDRSTRLEN];
    uint64_t bits;
    if (item.is_negated) {
        text.ptr++;
        text.len--;
    }
    if (!str_split(text, ':', &family, &text) || !str_split(text, '/', &address, &bits_text))
        return false;
    bool is_v4 = str_eq_text(family, "1");
    if ((!is_v4 && !str_eq_text(family, "2")) || address.len >= sizeof(copy) ||
        !str_parse_u64(bits_text, is_v4 ? 32 : 128, &bits))
        return false;
    memcpy(copy, address.ptr, address.len);
    copy[address.len] = '\0';
    if (inet_pton(is_v4 ? AF_INET : AF_INET6, copy, item.address) != 1)
        return false;
    item.family = is_v4 ? 1 : 2;
    item.bits = (unsigned)bits;
    item.len = is_v4 ? 4 : 16;
    *out_item = item;
    return true;
}

/* On the wire: family, bits, negation and length, address without trailing zeros. */
bool rdata_read_apl(struct rdata_text *text, int kind)
{
    (void)kind;
    struct apl_item item;
    if (!parse_apl(rdata_token(text), &item))
        return rdata_fail_expected(text,
                                   "an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32");
    while (item.len > 0 && item.address[item.len - 1] == 0)
        item.len--;
    text->at++;
    return rdata_put_u16(text, item.family) && rdata_put_u8(text, item.bits) &&
           rdata_put_u8(text, item.len | (item.is_negated ? 0x80u : 0)) &&
           rdata_put(text, item.address, item.len);
}

/* ALGORITHM HIT KEY -> HIT length, algorithm, key length, HIT, key; rendezvous servers follow as
 * names of their own. */
bool rdata_read_hip(struct rdata_text *text, int kind)
{
    (void)kind;
    enum { HEAD_BYTES = 4 };
    uint64_t algorithm;
    size_t start = text->len;
    static const uint8_t blank[HEAD_BYTES];
    if (!rdata_number(text, UINT8_MAX, "a number from 0 to 255", &algorithm) ||
        !rdata_put(text, blank, HEAD_BYTES) || !rdata_read_hex_token(text))
        return false;
    size_t tag_len = text->len - start - HEAD_BYTES;
    if (tag_len > UINT8_MAX)
        return rdata_fail(text, "host identity tag is longer than 255 octets");
    size_t key_at = text->len;
    if (!rdata_read_base64_token(text))
        return false;
    text->bytes[start] = (uint8_t)tag_len;
    text->bytes[start + 1] = (uint8_t)algorithm;
    octets_put_u16(text->bytes + start + 2, (uint16_t)(text->len - key_at));
    return true;
}

/* PRECEDENCE GATEWAY-TYPE ALGORITHM GATEWAY [KEY] */
bool rdata_read_ipseckey(struct rdata_text *text, int kind)
{
    (void)kind;
    enum { GATEWAY_NONE, GATEWAY_V4, GATEWAY_V6, GATEWAY_NAME };
    uint64_t precedence, gateway, algorithm;
    if (!rdata_number(text, UINT8_MAX, "a number from 0 to 255", &precedence) ||
        !rdata_number(text, GATEWAY_NAME, "a gateway type from 0 to 3", &gateway) ||
        !rdata_number(text, UINT8_MAX, "a number from 0 to 255", &algorithm) ||
        !rdata_put_u8(text, (unsigned)precedence) || !rdata_put_u8(text, (unsigned)gateway) ||
        !rdata_put_u8(text, (unsigned)algorithm))
        return false;
    bool is_good;
    if (gateway == GATEWAY_NONE) {
        is_good =
            str_eq_text(rdata_token(text), ".") || rdata_fail_expected(text, "'.' for no gateway");
        text->at += is_good ? 1 : 0;
    } else if (gateway == GATEWAY_NAME) {
        is_good = rdata_read_name(text, LDNS_RDF_TYPE_DNAME);
    } else {
        is_good =
            rdata_read_address(text, gateway == GATEWAY_V4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA);
    }
    if (!is_good || text->at >= text->count)
        return is_good;
    return rdata_read_base64(text, LDNS_RDF_TYPE_B64);
}

/* 0x and digits, dots between them at will. */
bool rdata_read_nsap(struct rdata_text *text, int kind)
{
    (void)kind;
    enum { NSAP_MAX_CHARS = 2 * 255 };
    struct str from = rdata_token(text);
    char digits[NSAP_MAX_CHARS];
    size_t len = 0;
    if (from.len < 2 || from.ptr[0] != '0' || (from.ptr[1] | 0x20) != 'x')
        return rdata_fail_expected(text, "0x and hexadecimal digits");
    for (size_t i = 2; i < from.len; i++) {
        if (from.ptr[i] == '.')
            continue;
        if (len == sizeof(digits))
            return rdata_fail(text, "longer than 255 octets");
        digits[len++] = from.ptr[i];
    }
    const struct token stripped = { .text = { .ptr = digits, .len = len } };
    const struct token *kept = text->tokens;
    size_t kept_count = text->count, kept_at = text->at;
    text->tokens = &stripped;
    text->count = 1;
    text->at = 0;
    bool is_good = rdata_read_hex_token(text);
    text->tokens = kept;
    text->count = kept_count;
    text->at = kept_at + (is_good ? 1 : 0);
    return is_good;
}

/* PROTOCOL PORT... -> protocol number and a bitmap of ports. Service names are not looked up:
 * what they mean would depend on a file of the machine that loads the zone. */
bool rdata_read_wks(struct rdata_text *text, int kind)
{
    (void)kind;
    enum { PORT_COUNT = 65536 };
    struct str protocol = rdata_token(text);
    uint64_t number;
    if (str_eq_nocase(protocol, STR("TCP")))
        number = 6;
    else if (str_eq_nocase(protocol, STR("UDP")))
        number = 17;
    else if (!str_parse_u64(protocol, UINT8_MAX, &number))
        return rdata_fail_expected(text, "TCP, UDP or a protocol number");
    text->at++;
    uint8_t ports[PORT_COUNT / 8] = { 0 };
    size_t len = 0;
    while (text->at < text->count) {
        uint64_t port;
        if (!rdata_number(text, PORT_COUNT - 1, "a port number", &port))
            return false;
        ports[port / 8] |= (uint8_t)(0x80 >> port % 8);
        if (len < port / 8 + 1)
            len = port / 8 + 1;
    }
    return rdata_put_u8(text, (unsigned)number) && rdata_put(text, ports, len);
}
