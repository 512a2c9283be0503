/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each client address has open. Whoever has one IPv6 address usually has the
 * 2^64 beside it, too: there, the /64 counts as one client.
 *
 * Threads:   the worker's own.
 * Ownership: members are embedded in their connections.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "steering/base/addr.h"

struct client_member {
    struct client_member *next, **link; /* in its bucket; link NULL: not in the table */
    struct addr addr;
};

struct client_addrs {
    struct client_member **buckets;
    size_t bucket_mask, count;
    uint64_t seed; /* a client must not be able to choose its bucket */
};

void client_addrs_init(struct client_addrs *addrs, size_t expected, uint64_t seed);
void client_addrs_fini(struct client_addrs *addrs); /* no members are left */
void client_addrs_add(struct client_addrs *addrs, struct client_member *member,
                      const struct addr *addr);
void client_addrs_remove(struct client_addrs *addrs, struct client_member *member);
/* Stops counting at `max`. */
size_t client_addrs_count(const struct client_addrs *addrs, const struct addr *addr, size_t max);
