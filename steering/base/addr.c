/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/addr.h"

#include <arpa/inet.h>
#include <string.h>

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool addr_parse(struct str text, struct addr *out_addr)
{
    char copy[ADDR_TEXT_MAX];
    struct addr addr = { .family = ADDR_V4 };
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, addr.bytes) != 1) {
        addr.family = ADDR_V6;
        if (inet_pton(AF_INET6, copy, addr.bytes) != 1)
            return false;
    }
    *out_addr = addr;
    return true;
}

/* inet_ntop goes through printf, and addresses are written all the time. */
static const char *format_v4(const uint8_t bytes[4], char *out_text)
{
    char *at = out_text;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = bytes[i];
        if (i > 0)
            *at++ = '.';
        if (byte >= 100)
            *at++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *at++ = (char)('0' + byte / 10 % 10);
        *at++ = (char)('0' + byte % 10);
    }
    *at = '\0';
    return out_text;
}

const char *addr_format(const struct addr *addr, char out_text[ADDR_TEXT_MAX])
{
    if (addr->family == ADDR_V4)
        return format_v4(addr->bytes, out_text);
    return inet_ntop(AF_INET6, addr->bytes, out_text, ADDR_TEXT_MAX);
}

struct addr addr_from_v4_u32(uint32_t host_order)
{
    struct addr addr = { .family = ADDR_V4 };
    for (unsigned i = 0; i < 4; i++)
        addr.bytes[i] = (uint8_t)(host_order >> (24 - 8 * i));
    return addr;
}

bool addr_from_sockaddr(const struct sockaddr *sockaddr, struct addr *out_addr)
{
    struct addr addr = { .family = ADDR_V4 };
    if (sockaddr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sockaddr;
        memcpy(addr.bytes, &in->sin_addr, 4);
    } else if (sockaddr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sockaddr;
        addr.family = ADDR_V6;
        memcpy(addr.bytes, &in6->sin6_addr, 16);
    } else {
        return false;
    }
    *out_addr = addr;
    return true;
}

uint16_t addr_port(const struct sockaddr *sockaddr)
{
    if (sockaddr->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)sockaddr)->sin_port);
    if (sockaddr->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)sockaddr)->sin6_port);
    return 0;
}

socklen_t addr_to_sockaddr(const struct addr *addr, uint16_t port,
                           struct sockaddr_storage *out_storage)
{
    memset(out_storage, 0, sizeof(*out_storage));
    if (addr->family == ADDR_V4) {
        struct sockaddr_in *in = (void *)out_storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, addr->bytes, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (void *)out_storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, addr->bytes, 16);
    return sizeof(*in6);
}

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64_prefix[12] = { 0x00, 0x64, 0xff, 0x9b };
static const uint8_t teredo_prefix[4] = { 0x20, 0x01, 0x00, 0x00 };

unsigned addr_fold(const struct addr *addr, struct addr *out_v4)
{
    const uint8_t *from = NULL;
    uint8_t invert = 0;
    unsigned lead = 96;
    if (addr->family != ADDR_V6)
        return 0;
    if (memcmp(addr->bytes, mapped_prefix, 12) == 0 || memcmp(addr->bytes, nat64_prefix, 12) == 0) {
        from = addr->bytes + 12;
    } else if (addr->bytes[0] == 0x20 && addr->bytes[1] == 0x02) {
        from = addr->bytes + 2;
        lead = 16;
    } else if (memcmp(addr->bytes, teredo_prefix, 4) == 0) {
        from = addr->bytes + 12;
        invert = 0xff;
    } else {
        return 0;
    }
    struct addr v4 = { .family = ADDR_V4 };
    for (unsigned i = 0; i < 4; i++)
        v4.bytes[i] = from[i] ^ invert;
    *out_v4 = v4;
    return lead;
}

struct addr addr_unmap(const struct addr *addr)
{
    if (addr->family != ADDR_V6 || memcmp(addr->bytes, mapped_prefix, sizeof(mapped_prefix)) != 0)
        return *addr;
    struct addr v4 = { .family = ADDR_V4 };
    memcpy(v4.bytes, addr->bytes + sizeof(mapped_prefix), 4);
    return v4;
}
