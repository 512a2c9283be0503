/* SPDX-License-Identifier: Apache-2.0 */
/* In which order a proxy thinks of the regions: for a client, as decide() says; and for itself, to
 * know where warm connections are needed first.
 *
 * Threads:   any (pure over an immutable snapshot).
 */
#pragma once

#include "steering/model/decide.h"

struct regions {
    struct site_id items[SITE_MAX];
    size_t count;
};

/* The regions that a client's requests are sent to, in order: those of decide(), without PoPs; if
 * there are none, all usable ones in the topology's order. `out_decision` may be NULL. */
void regions_for_client(const struct snapshot *snapshot, struct map_id map,
                        const struct addr *client, struct regions *out_regions,
                        struct decision *out_decision);
/* All regions but `self`: first what `maps` would send a client at our own place to, then the
 * usable ones by distance, then the others by distance. Our place is our address; one that tells
 * nothing of a place (private, loopback) leaves it to the distance. */
void regions_for_site(const struct snapshot *snapshot, struct site_id self,
                      const struct map_id *maps, size_t map_count, struct regions *out_regions);
