/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/proxy_protocol.h"

#include <string.h>

enum {
    V1_MAX = 107, /* with CR LF */
    V2_SIGNATURE = 12,
    V2_FIXED = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
};

static const uint8_t v1_begin[6] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const uint8_t v2_begin[V2_SIGNATURE] = { '\r', '\n', '\r', '\n', 0,   '\r',
                                                '\n', 'Q',  'U',  'I',  'T', '\n' };

/* Do the bytes there are begin like that? */
static bool begins(const uint8_t *bytes, size_t len, const uint8_t *want, size_t want_len)
{
    return memcmp(bytes, want, len < want_len ? len : want_len) == 0;
}

/* ---- version 1 ------------------------------------------------------------------------------- */

/* No leading zeros, which some read as octal. */
static bool parse_port(struct str text, uint16_t *out_port)
{
    uint64_t port;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0') ||
        !str_parse_u64(text, UINT16_MAX, &port))
        return false;
    *out_port = (uint16_t)port;
    return true;
}

/* source SP destination SP port SP port, each SP exactly one. */
static bool parse_v1_addrs(struct str text, uint8_t family, struct proxy_header *header)
{
    struct str source, destination, source_port, destination_port;
    if (!str_split(text, ' ', &source, &text) || !str_split(text, ' ', &destination, &text) ||
        !str_split(text, ' ', &source_port, &destination_port))
        return false;
    header->has_addrs = true;
    return addr_parse(source, &header->source) && addr_parse(destination, &header->destination) &&
           header->source.family == family && header->destination.family == family &&
           parse_port(source_port, &header->source_port) &&
           parse_port(destination_port, &header->destination_port);
}

static bool parse_v1_line(struct str line, struct proxy_header *header)
{
    struct str protocol, rest;
    bool has_more = str_split(line, ' ', &protocol, &rest);
    if (str_eq(protocol, STR("UNKNOWN")))
        return true; /* whatever follows is to be ignored */
    if (!has_more)
        return false;
    if (str_eq(protocol, STR("TCP4")))
        return parse_v1_addrs(rest, ADDR_V4, header);
    return str_eq(protocol, STR("TCP6")) && parse_v1_addrs(rest, ADDR_V6, header);
}

static enum proxy_verdict parse_v1(const uint8_t *bytes, size_t len,
                                   struct proxy_header *out_header, size_t *out_len)
{
    size_t max = len < V1_MAX ? len : V1_MAX;
    const uint8_t *lf = memchr(bytes, '\n', max);
    if (lf == NULL)
        return len >= V1_MAX ? PROXY_MALFORMED : PROXY_MORE;
    size_t end = (size_t)(lf - bytes);
    struct proxy_header header = { .has_addrs = false };
    struct str line = { .ptr = (const char *)bytes + sizeof(v1_begin),
                        .len = end - sizeof(v1_begin) };
    if (line.len == 0 || line.ptr[line.len - 1] != '\r')
        return PROXY_MALFORMED;
    line.len--;
    if (memchr(line.ptr, '\0', line.len) != NULL || !parse_v1_line(line, &header))
        return PROXY_MALFORMED;
    *out_header = header;
    *out_len = end + 1;
    return PROXY_DONE;
}

/* ---- version 2 ------------------------------------------------------------------------------- */

static uint16_t u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* `size` bytes of address: 4 or 16. */
static void read_v2_addrs(const uint8_t *at, size_t size, struct proxy_header *header)
{
    uint8_t family = size == 4 ? ADDR_V4 : ADDR_V6;
    header->has_addrs = true;
    header->source.family = header->destination.family = family;
    memcpy(header->source.bytes, at, size);
    memcpy(header->destination.bytes, at + size, size);
    header->source_port = u16(at + 2 * size);
    header->destination_port = u16(at + 2 * size + 2);
}

/* How many bytes the addresses of this family and transport take; -1: not known to anybody.
 * `*out_size`: of one address that is ours to read, or 0. */
static int v2_addrs_len(uint8_t family, size_t *out_size)
{
    *out_size = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
    switch (family) {
    case 0x00: /* UNSPEC */
        return 0;
    case 0x11: /* TCP, UDP over IPv4 */
    case 0x12:
        return 12;
    case 0x21:
    case 0x22:
        return 36;
    case 0x31: /* unix */
    case 0x32:
        return 216;
    default:
        return -1;
    }
}

/* TLVs are stepped over, but must fill what is left. */
static bool are_tlvs_sound(const uint8_t *at, size_t len)
{
    while (len > 0) {
        if (len < 3 || len - 3 < u16(at + 1))
            return false;
        size_t size = 3 + (size_t)u16(at + 1);
        at += size;
        len -= size;
    }
    return true;
}

static enum proxy_verdict parse_v2(const uint8_t *bytes, size_t len,
                                   struct proxy_header *out_header, size_t *out_len)
{
    struct proxy_header header = { .has_addrs = false };
    if (len > V2_SIGNATURE && bytes[V2_SIGNATURE] != V2_LOCAL && bytes[V2_SIGNATURE] != V2_PROXY)
        return PROXY_MALFORMED;
    if (len < V2_FIXED)
        return PROXY_MORE;
    size_t rest = u16(bytes + 14), size;
    if (V2_FIXED + rest > PROXY_PROTOCOL_MAX)
        return PROXY_MALFORMED;
    int addrs = v2_addrs_len(bytes[13], &size);
    bool is_proxy = bytes[V2_SIGNATURE] == V2_PROXY;
    if (is_proxy && (addrs < 0 || rest < (size_t)addrs))
        return PROXY_MALFORMED;
    if (len < V2_FIXED + rest)
        return PROXY_MORE;
    const uint8_t *at = bytes + V2_FIXED;
    /* What a LOCAL header carries must be ignored; so is what follows UNSPEC. */
    if (is_proxy && addrs > 0 && !are_tlvs_sound(at + addrs, rest - (size_t)addrs))
        return PROXY_MALFORMED;
    if (is_proxy && size > 0)
        read_v2_addrs(at, size, &header);
    *out_header = header;
    *out_len = V2_FIXED + rest;
    return PROXY_DONE;
}

enum proxy_verdict proxy_protocol_parse(const uint8_t *bytes, size_t len,
                                        struct proxy_header *out_header, size_t *out_len)
{
    if (len == 0)
        return PROXY_MORE;
    if (begins(bytes, len, v2_begin, sizeof(v2_begin)))
        return len < sizeof(v2_begin) ? PROXY_MORE : parse_v2(bytes, len, out_header, out_len);
    if (!begins(bytes, len, v1_begin, sizeof(v1_begin)))
        return PROXY_MALFORMED;
    return len < sizeof(v1_begin) ? PROXY_MORE : parse_v1(bytes, len, out_header, out_len);
}
