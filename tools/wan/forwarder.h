/* SPDX-License-Identifier: Apache-2.0 */
/* Carries packets from site to site: reads the TUN devices, asks the links, writes in time.
 *
 * Threads:   owning loop only.
 * Ownership: borrows the network, the loop and the descriptors until forwarder_close has run its
 *            course (the loop then has no handle of it).
 * Limits:    FORWARDER_MAX_BYTES of packets under way; more is dropped and counted.
 */
#pragma once

#include <uv.h>

#include "tools/wan/departures.h"
#include "tools/wan/isolation.h"
#include "tools/wan/network.h"
#include "tools/wan/spread.h"

enum { FORWARDER_MAX_BYTES = 512 << 20 };

struct forwarder;
struct forwarder_site {
    struct forwarder *forwarder;
    size_t index;
    int tun_fd;
    uv_poll_t poll;
};

/* What the link itself does not know. */
struct forwarder_link {
    uint64_t delivered_count;
    uint64_t refused_count; /* the receiving device did not take it */
    struct spread late;     /* moment of writing minus the moment of the link */
};

struct forwarder {
    uv_loop_t *loop;
    struct network *network;
    struct forwarder_site *sites;
    struct forwarder_link *links;
    struct departures departures;
    int timer_fd;
    uint64_t start_ns; /* by the monotonic clock; all other times count from here */
    uint64_t armed_ns; /* 0: the timer is off */
    uint64_t spin_ns;
    uv_poll_t timer;
    uv_idle_t spinning; /* active: a departure is nearer than spin_ns */
    uint64_t unroutable_count;
    uint64_t overflow_count;
};

/* `spin_ns`: how long before a departure the loop stops sleeping; 0: it always sleeps. */
MUST_USE enum err forwarder_open(struct forwarder *forwarder, uv_loop_t *loop,
                                 struct network *network, const struct isolation_site *sites,
                                 uint64_t spin_ns, struct diag *diag);
/* Now, as the links count: from the start. */
uint64_t forwarder_now(const struct forwarder *forwarder);
/* Every link as the matrix has it, as if nothing had passed yet; drops what is under way. */
void forwarder_restart(struct forwarder *forwarder);
/* Its memory is freed by forwarder_fini when the loop has ended. */
void forwarder_close(struct forwarder *forwarder);
void forwarder_fini(struct forwarder *forwarder);
