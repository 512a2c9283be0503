/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "dns/answer/view_priv.h"
#include "dns/wire/octets.h"

enum {
    /* Leaves room in a 64 KiB message for header, question and OPT. */
    BLOB_MAX_BYTES = 0xF000,
    HINTS_MAX_BYTES = 0x4000, /* per family */
    RECORD_HEAD_BYTES = 12,
    ALPN_MAX_BYTES = 255,
    /* RFC 9460 section 14.3.2; they must stand in this order. */
    KEY_ALPN = 1,
    KEY_PORT = 3,
    KEY_IPV4HINT = 4,
    KEY_IPV6HINT = 6,
};

struct encoder {
    struct buf *bytes;
    const struct topology *topology;
    const struct view_site_set *sites;
    const struct view_blob_key *key;
    size_t start;
    uint16_t count;
};

static void put_u16(struct buf *bytes, uint16_t value)
{
    uint8_t octets[2];
    octets_put_u16(octets, value);
    buf_append(bytes, octets, sizeof(octets));
}

static void put_head(struct encoder *encoder, size_t rdata_len)
{
    uint8_t head[RECORD_HEAD_BYTES] = { 0xC0, WIRE_HEADER_BYTES };
    octets_put_u16(head + 2, (uint16_t)encoder->key->type);
    octets_put_u16(head + 4, CLASS_IN);
    octets_put_u32(head + 6, encoder->key->ttl_s);
    octets_put_u16(head + 10, (uint16_t)rdata_len);
    buf_append(encoder->bytes, head, sizeof(head));
    encoder->count++;
}

/* Two sites may share an address; a set must not hold it twice. Looks through what was written
 * from `start` on, one address at the end of every `step` octets. */
static bool has_address(const struct buf *bytes, size_t start, size_t step, const uint8_t *address,
                        size_t len)
{
    for (size_t at = start + step; at <= bytes->len; at += step) {
        if (memcmp(bytes->bytes + at - len, address, len) == 0)
            return true;
    }
    return false;
}

static void encode_addresses(struct encoder *encoder, enum addr_family family)
{
    size_t len = family == ADDR_V4 ? 4 : 16, step = RECORD_HEAD_BYTES + len;
    struct buf *bytes = encoder->bytes;
    for (size_t i = 0; i < encoder->sites->count; i++) {
        const struct site *site = &encoder->topology->sites[encoder->sites->sites[i].n];
        for (size_t j = 0; j < site->address_count; j++) {
            const struct addr *address = &site->addresses[j];
            bool fits = bytes->len - encoder->start < BLOB_MAX_BYTES;
            if (address->family != family || !fits ||
                has_address(bytes, encoder->start, step, address->bytes, len))
                continue;
            put_head(encoder, len);
            buf_append(bytes, address->bytes, len);
        }
    }
}

static void encode_cname(struct encoder *encoder)
{
    uint8_t target[NAME_MAX_BYTES];
    const struct site *site = &encoder->topology->sites[encoder->sites->sites[0].n];
    size_t len = name_parse(str_from(site->cname), target);
    if (len == 0)
        return;
    put_head(encoder, len);
    buf_append(encoder->bytes, target, len);
}

static void put_hints(struct encoder *encoder, enum addr_family family)
{
    size_t len = family == ADDR_V4 ? 4 : 16;
    struct buf *bytes = encoder->bytes;
    size_t key_at = bytes->len, start = key_at + 4;
    put_u16(bytes, family == ADDR_V4 ? KEY_IPV4HINT : KEY_IPV6HINT);
    put_u16(bytes, 0);
    for (size_t i = 0; i < encoder->sites->count; i++) {
        const struct site *site = &encoder->topology->sites[encoder->sites->sites[i].n];
        for (size_t j = 0; j < site->address_count; j++) {
            const struct addr *address = &site->addresses[j];
            bool fits = bytes->len - start < HINTS_MAX_BYTES;
            if (address->family == family && fits &&
                !has_address(bytes, start, len, address->bytes, len))
                buf_append(bytes, address->bytes, len);
        }
    }
    if (bytes->len == start)
        bytes->len = key_at;
    else
        octets_put_u16(bytes->bytes + key_at + 2, (uint16_t)(bytes->len - start));
}

/* RFC 9460: priority 1, target "." (the owner itself). */
static void encode_https(struct encoder *encoder, const struct view_https *https)
{
    static const uint8_t service_mode[] = { 0, 1, 0 };
    size_t head_at = encoder->bytes->len;
    put_head(encoder, 0);
    buf_append(encoder->bytes, service_mode, sizeof(service_mode));
    if (https->alpn_len > 0) {
        put_u16(encoder->bytes, KEY_ALPN);
        put_u16(encoder->bytes, https->alpn_len);
        buf_append(encoder->bytes, https->alpn, https->alpn_len);
    }
    if (https->port != 0) {
        put_u16(encoder->bytes, KEY_PORT);
        put_u16(encoder->bytes, 2);
        put_u16(encoder->bytes, https->port);
    }
    put_hints(encoder, ADDR_V4);
    put_hints(encoder, ADDR_V6);
    size_t rdata_len = encoder->bytes->len - head_at - RECORD_HEAD_BYTES;
    octets_put_u16(encoder->bytes->bytes + head_at + 10, (uint16_t)rdata_len);
}

struct view_blob view_encode(struct buf *bytes, const struct topology *topology,
                             const struct view_site_set *sites, const struct view_blob_key *key,
                             const struct view_https *https)
{
    struct encoder encoder = { bytes, topology, sites, key, bytes->len, 0 };
    if (sites->count > 0 && (sites->is_cname != 0) == (key->type == TYPE_CNAME)) {
        if (key->type == TYPE_A)
            encode_addresses(&encoder, ADDR_V4);
        else if (key->type == TYPE_AAAA)
            encode_addresses(&encoder, ADDR_V6);
        else if (key->type == TYPE_CNAME)
            encode_cname(&encoder);
        else if (key->type == TYPE_HTTPS)
            encode_https(&encoder, https);
    }
    return (struct view_blob){
        .at = (uint32_t)encoder.start,
        .len = (uint16_t)(bytes->len - encoder.start),
        .count = encoder.count,
    };
}

/* "h2,http/1.1" to length-prefixed protocol names; what exceeds 255 octets is left out, whole
 * names at a time. */
void view_https_init(struct view_https *https, const char *alpn, uint16_t port)
{
    memset(https, 0, sizeof(*https)); /* it is compared as bytes */
    https->port = port;
    struct str rest = str_from(alpn);
    while (rest.len > 0) {
        struct str protocol;
        str_split(rest, ',', &protocol, &rest);
        protocol = str_trim(protocol);
        if (protocol.len == 0 || https->alpn_len + 1 + protocol.len > ALPN_MAX_BYTES)
            continue;
        https->alpn[https->alpn_len] = (uint8_t)protocol.len;
        memcpy(https->alpn + https->alpn_len + 1, protocol.ptr, protocol.len);
        https->alpn_len = (uint16_t)(https->alpn_len + 1 + protocol.len);
    }
}
