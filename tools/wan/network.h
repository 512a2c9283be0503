/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix at work: whose packet is this, and which link does it take?
 *
 * Threads:   owner only. Pure.
 * Ownership: borrows the matrix, which must outlive it; owns the links.
 */
#pragma once

#include "tools/wan/link.h"
#include "tools/wan/matrix.h"

struct network_address {
    struct addr addr;
    size_t site;
};

struct network {
    const struct matrix *matrix;
    uint64_t seed;
    struct link *links;                /* in the order of matrix->links */
    struct network_address *addresses; /* sorted */
    size_t address_count;
    int32_t *link_at; /* [from * site_count + to]; -1: none */
};

enum { NETWORK_NO_LINK = -1 };

/* Links draw their randomness from `seed`, each its own. */
void network_init(struct network *network, const struct matrix *matrix, uint64_t seed);
/* Every link as it was in the beginning. */
void network_restart(struct network *network);
void network_fini(struct network *network);

/* The destination of an IPv4 or IPv6 packet; false when it is cut off or neither. */
bool network_destination(const uint8_t *packet, size_t len, struct addr *out_addr);
/* The link that a packet takes which the site `from` sent, else NETWORK_NO_LINK. */
int32_t network_route(const struct network *network, size_t from, const uint8_t *packet,
                      size_t len);

/* Calls `on_link` for every link that `name` means, "FROM:TO", where either may be '*'. Returns
 * their number; 0 with a sentence in `out_problem`. */
typedef void (*network_link_fn)(void *owner, size_t link);
size_t network_select(const struct network *network, struct str name, network_link_fn on_link,
                      void *owner, struct buf *out_problem);
/* "FROM:TO" */
void network_link_name(const struct network *network, size_t link, struct buf *out);
