/* SPDX-License-Identifier: Apache-2.0 */
/* One UDP socket and the thread that answers on it, batch by batch, in place.
 *
 * Shape:     recvmmsg -> for each datagram: answer_build over it -> sendmmsg of what remains.
 *            Nothing else on this path asks the kernel, allocates or locks.
 * Threads:   udp_start and udp_join by the main thread; everything else by the worker's own.
 * Ownership: takes the descriptor; udp_join frees all.
 * Limits:    UDP_BATCH datagrams at a time, UDP_QUERY_MAX octets each; longer ones are dropped.
 */
#pragma once

#include <stdatomic.h>

#include "steering/runtime/sockets.h"
#include "dns/server/tally.h"
#include "steering/runtime/publisher.h"

enum { UDP_BATCH = 32, UDP_QUERY_MAX = 4096 };

struct udp_settings {
    int fd; /* bound, blocking */
    const struct sockets_address *address;
    struct publisher *publisher; /* of struct serving */
    size_t slot;                 /* in publisher, and in the serving's counts */
    struct tally *tally;
    const atomic_bool *stop; /* looked at between batches, at least four times a second */
    const char *name;        /* of the thread */
};

struct udp;

/* ERR_BUSY: no thread to be had; the descriptor is closed then, too. */
MUST_USE enum err udp_start(const struct udp_settings *settings, struct udp **out_udp);
/* Waits for the thread, which needs `stop` to be set. Accepts NULL. */
void udp_join(struct udp *udp);
