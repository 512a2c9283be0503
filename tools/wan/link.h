/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a wide-area link: when does a packet that enters now come out, if at all?
 *
 * Shape:     packet -> blackhole? -> MTU -> queue (tail drop) -> transmitter (rate) -> loss
 *                   -> delay + jitter (order kept) -> or held back (reordered)
 *
 *            The transmitter is a clock: it is busy until free_ns, and what is queued is what it
 *            has yet to send until then. So there is no queue of packets here.
 *            Jitter is not drawn for each packet, which would either reorder them or push every
 *            packet to the longest delay: the delay wanders, from one random value to the next
 *            along a line, never so steeply that packets overtake each other.
 * Threads:   owner only. Pure: time comes in, and randomness from the seed.
 */
#pragma once

#include "steering/base/rng.h"
#include "tools/wan/link_settings.h"

enum link_fate {
    LINK_PASSES,
    LINK_DROPS_BLACKHOLE,
    LINK_DROPS_MTU,
    LINK_DROPS_QUEUE,
    LINK_DROPS_LOSS,
    LINK_FATE_COUNT,
};

struct link {
    struct link_settings settings;
    struct rng rng;
    uint64_t seed;
    uint64_t free_ns;      /* the transmitter is done with all that was accepted */
    uint64_t last_exit_ns; /* of the packets that were not held back */
    uint64_t fate_count[LINK_FATE_COUNT];
    uint64_t byte_count; /* of packets that pass */
    uint64_t reordered_count;
};

void link_init(struct link *link, const struct link_settings *settings, uint64_t seed);
/* From `now_ns` on; what is queued stays queued, what has left is not called back. */
void link_change(struct link *link, const struct link_settings *settings, uint64_t now_ns);
/* A packet of `size_bytes` enters. With LINK_PASSES `*out_exit_ns` is when it leaves, else it is
 * untouched. `now_ns` must not go back. */
enum link_fate link_offer(struct link *link, size_t size_bytes, uint64_t now_ns,
                          uint64_t *out_exit_ns);
/* Accepted and not yet sent by the transmitter. */
uint64_t link_queued_bytes(const struct link *link, uint64_t now_ns);
/* What the jitter adds to the delay at that moment: -jitter to +jitter. */
int64_t link_jitter_ns(const struct link *link, uint64_t now_ns);
/* "passed", "blackhole", "mtu", "queue", "loss". */
const char *link_fate_name(enum link_fate fate);
