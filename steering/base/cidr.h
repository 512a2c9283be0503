/* SPDX-License-Identifier: Apache-2.0 */
/* An address prefix: 203.0.113.0/24, 2001:db8::/32.
 *
 * Bits of the address beyond `bits` are always zero.
 * Threads:   any (plain value).
 */
#pragma once

#include "steering/base/addr.h"

struct cidr {
    struct addr addr;
    uint8_t bits; /* 0..32 or 0..128 */
};

enum { CIDR_TEXT_MAX = ADDR_TEXT_MAX + 4 };

enum cidr_problem { CIDR_FINE, CIDR_SYNTAX, CIDR_HOST_BITS };

/* The prefix of `bits` bits that `addr` lies in; `bits` is cut to the family's maximum. */
struct cidr cidr_make(const struct addr *addr, unsigned bits);
/* "ADDR/BITS" or a bare address (a /32 or /128). With CIDR_HOST_BITS (bits set beyond the
 * prefix) `*out_cidr` is the masked prefix, for the error message; untouched on CIDR_SYNTAX. */
enum cidr_problem cidr_parse(struct str text, struct cidr *out_cidr);
const char *cidr_format(const struct cidr *cidr, char out_text[CIDR_TEXT_MAX]);
bool cidr_has(const struct cidr *cidr, const struct addr *addr);
bool cidr_eq(const struct cidr *a, const struct cidr *b);
