/* SPDX-License-Identifier: Apache-2.0 */
/* Who is connected: the order in which connections fell silent, and how many a client has.
 *
 * Shape:     two lists through every member: all members, silent longest first, and the members
 *            of one hash bucket of clients.
 * Threads:   owner only.
 * Ownership: members are embedded in the caller's connections; the table owns its buckets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/addr.h"

struct tcp_member {
    struct tcp_member *older, *newer;   /* by activity */
    struct tcp_member *previous, *next; /* in the bucket */
    struct addr client;                 /* IPv6: the /64 */
    uint64_t active_ms;
};

struct tcp_clients {
    struct tcp_member *oldest, *newest;
    struct tcp_member **buckets;
    size_t bucket_mask;
    size_t count;
    uint64_t seed; /* of the hash: clients choose their addresses */
};

void tcp_clients_init(struct tcp_clients *clients, size_t expected, uint64_t seed);
void tcp_clients_fini(struct tcp_clients *clients);
/* `addr` is the whole address; active now. */
void tcp_clients_add(struct tcp_clients *clients, struct tcp_member *member,
                     const struct addr *addr, uint64_t now_ms);
void tcp_clients_remove(struct tcp_clients *clients, struct tcp_member *member);
void tcp_clients_touch(struct tcp_clients *clients, struct tcp_member *member, uint64_t now_ms);
/* Connections of the client behind `addr`; `*out_oldest` is the one silent longest, or NULL. */
size_t tcp_clients_of(const struct tcp_clients *clients, const struct addr *addr,
                      struct tcp_member **out_oldest);
