/* SPDX-License-Identifier: Apache-2.0 */
/* Collects the records of one zone, judges them as a whole, and compiles them into a zone set.
 *
 * Threads:   owner only.
 * Ownership: copies what it is given; what it compiles belongs to the set.
 */
#pragma once

#include "dns/zone/zone_report.h"
#include "dns/zone/zone_set_priv.h"

struct zone_builder;

struct zone_record {
    const uint8_t *owner; /* lower case, inside the zone */
    size_t owner_len;
    uint16_t type;
    uint32_t ttl_s;
    const uint8_t *bytes;
    uint16_t len;
    uint16_t file; /* of the report */
    uint32_t line;
};

/* `zone` is one of the set's, with its origin set. Owned by the caller. */
struct zone_builder *zone_builder_new(struct zone_set *set, struct zone *zone,
                                      struct zone_report *report);
void zone_builder_free(struct zone_builder *builder); /* accepts NULL */
/* ERR_TOO_LARGE when there are too many records or names. */
MUST_USE enum err zone_builder_add(struct zone_builder *builder, const struct zone_record *record);
/* `child` is a zone below this one, with none of our zones between them, and is served by its own
 * data: what this zone has below its apex is left out. */
void zone_builder_add_child(struct zone_builder *builder, struct zone *child);
/* Reports what is wrong, and puts nodes and records into the set. `saw_soa`, `saw_ns`: such a
 * record was there but could not be read, so that its absence is not news. */
void zone_builder_finish(struct zone_builder *builder, bool saw_soa, bool saw_ns);
