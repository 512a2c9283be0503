/* SPDX-License-Identifier: Apache-2.0 */
/* An IP address without port, in network byte order.
 *
 * Threads:   any (plain value).
 * Source:    RFC 5952 (text form), RFC 6052/7915 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo)
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "steering/base/str.h"

enum addr_family { ADDR_V4, ADDR_V6 };

struct addr {
    uint8_t family;    /* enum addr_family */
    uint8_t bytes[16]; /* IPv4 uses the first 4; the rest is zero */
};

enum { ADDR_TEXT_MAX = 48 };

static inline unsigned addr_max_bits(const struct addr *addr)
{
    return addr->family == ADDR_V4 ? 32 : 128;
}
/* Bit `at` from the most significant; `at` < addr_max_bits. */
static inline unsigned addr_bit(const struct addr *addr, unsigned at)
{
    return (unsigned)addr->bytes[at / 8] >> (7 - at % 8) & 1u;
}
static inline uint32_t addr_v4_u32(const struct addr *addr)
{
    return (uint32_t)addr->bytes[0] << 24 | (uint32_t)addr->bytes[1] << 16 |
           (uint32_t)addr->bytes[2] << 8 | addr->bytes[3];
}

bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_parse(struct str text, struct addr *out_addr);
const char *addr_format(const struct addr *addr, char out_text[ADDR_TEXT_MAX]);
struct addr addr_from_v4_u32(uint32_t host_order);
/* False for families other than AF_INET and AF_INET6. IPv4-mapped addresses stay IPv6. */
bool addr_from_sockaddr(const struct sockaddr *sockaddr, struct addr *out_addr);
/* The port beside it; 0 for other families. */
uint16_t addr_port(const struct sockaddr *sockaddr);
/* Fills `out_storage`; returns the length for bind(2). */
socklen_t addr_to_sockaddr(const struct addr *addr, uint16_t port,
                           struct sockaddr_storage *out_storage);

/* Folds the IPv6 forms that carry an IPv4 client into that client: IPv4-mapped ::ffff:0:0/96,
 * NAT64 64:ff9b::/96, 6to4 2002::/16 and Teredo 2001::/32 (client address, inverted).
 * `*out_v4` is set and the number of IPv6 bits in front of the embedded address (96, 96, 16, 96)
 * returned; 0 when `addr` is none of these. */
unsigned addr_fold(const struct addr *addr, struct addr *out_v4);

/* An IPv4-mapped address as the IPv4 address that it is, any other one as it came: who speaks IPv4
 * to a socket for both families is still an IPv4 client. */
struct addr addr_unmap(const struct addr *addr);
