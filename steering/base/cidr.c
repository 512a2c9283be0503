/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/cidr.h"

#include <stdio.h>
#include <string.h>

struct cidr cidr_make(const struct addr *addr, unsigned bits)
{
    unsigned most = addr_max_bits(addr);
    struct cidr cidr = { .addr = *addr, .bits = (uint8_t)(bits < most ? bits : most) };
    for (unsigned i = 0; i < sizeof(cidr.addr.bytes); i++) {
        unsigned kept = cidr.bits > 8 * i ? cidr.bits - 8 * i : 0;
        if (kept < 8)
            cidr.addr.bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
    return cidr;
}

/* `*bits` comes in as the most that there may be. No leading zeros: some read 010 as eight. */
static bool parse_bits(struct str text, uint64_t *bits)
{
    if (text.len > 1 && text.ptr[0] == '0')
        return false;
    return str_parse_u64(text, *bits, bits);
}

enum cidr_problem cidr_parse(struct str text, struct cidr *out_cidr)
{
    struct str head, tail;
    struct addr addr;
    bool has_bits = str_split(text, '/', &head, &tail);
    if (!addr_parse(head, &addr))
        return CIDR_SYNTAX;
    uint64_t bits = addr_max_bits(&addr);
    if (has_bits && !parse_bits(tail, &bits))
        return CIDR_SYNTAX;
    *out_cidr = cidr_make(&addr, (unsigned)bits);
    return addr_eq(&out_cidr->addr, &addr) ? CIDR_FINE : CIDR_HOST_BITS;
}

const char *cidr_format(const struct cidr *cidr, char out_text[CIDR_TEXT_MAX])
{
    char text[ADDR_TEXT_MAX];
    snprintf(out_text, CIDR_TEXT_MAX, "%s/%u", addr_format(&cidr->addr, text), cidr->bits);
    return out_text;
}

bool cidr_has(const struct cidr *cidr, const struct addr *addr)
{
    if (cidr->addr.family != addr->family)
        return false;
    unsigned whole = cidr->bits / 8;
    if (memcmp(cidr->addr.bytes, addr->bytes, whole) != 0)
        return false;
    unsigned rest = cidr->bits % 8;
    return rest == 0 || (cidr->addr.bytes[whole] ^ addr->bytes[whole]) >> (8 - rest) == 0;
}

bool cidr_eq(const struct cidr *a, const struct cidr *b)
{
    return a->bits == b->bits && addr_eq(&a->addr, &b->addr);
}
