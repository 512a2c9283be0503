/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that answers depend on, compiled: zones, steering snapshot, and the pre-encoded
 * records of every (name class, type, site set) that steering can produce now.
 *
 * A new document makes a new view in well under a millisecond for usual topologies: zones and
 * world are shared with the old one, only the choice per cell and the encoded sets are new.
 * Threads:   built by one thread, then immutable and counted; any thread may ref and unref.
 * Ownership: holds references to its snapshot and zones.
 */
#pragma once

#include "dns/zone/zone_set.h"
#include "steering/model/decide.h"

struct answer_view;

/* Settings of the server that show in answers; copied. */
struct answer_settings {
    uint16_t edns_payload_bytes; /* our own, and the cap of the client's; 512..4096 */
    char identity[256];          /* NSID and id.server; "" = off */
    char version[256];           /* version.bind; "" = REFUSED */
    bool answers_chaos;
    bool answers_debug_txt; /* _steer.<zone> TXT */
    bool uses_ecs;
    struct cidr *ecs_trusted; /* only these sources' ECS is used; empty: all */
    size_t ecs_trusted_count;
    uint32_t tcp_idle_ms; /* announced by edns-tcp-keepalive */
};

/* Takes its own references to `snapshot` and `zones`. `zones` must have been bound to the
 * snapshot's topology by zone_set_bind. */
struct answer_view *answer_view_new(struct snapshot *snapshot, struct zone_set *zones,
                                    const struct answer_settings *settings);
struct answer_view *answer_view_ref(struct answer_view *view);
void answer_view_unref(struct answer_view *view); /* accepts NULL */

const struct snapshot *answer_view_snapshot(const struct answer_view *view);
struct zone_set *answer_view_zones(const struct answer_view *view);
/* Site sets that answers may carry: an index is in answer_note.site_set. */
size_t answer_view_site_set_count(const struct answer_view *view);
/* The sites of a set, first = preferred. */
const struct site_id *answer_view_site_set(const struct answer_view *view, uint32_t site_set,
                                           size_t *out_count);
/* Cells (over all maps) for which nothing usable was left: alarm. */
size_t answer_view_alarm_count(const struct answer_view *view);
