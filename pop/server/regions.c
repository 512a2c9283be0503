/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/regions.h"

#include <math.h>

enum { KEY_BITS_V4 = 24, KEY_BITS_V6 = 56 };

static bool has(const struct regions *regions, struct site_id id)
{
    for (size_t i = 0; i < regions->count; i++)
        if (site_id_eq(regions->items[i], id))
            return true;
    return false;
}

static void add(struct regions *regions, struct site_id id)
{
    if (!has(regions, id))
        regions->items[regions->count++] = id;
}

static bool is_usable(const struct snapshot *snapshot, size_t site)
{
    return mode_is_usable(snapshot->states[site].mode);
}

static struct decision decide_for(const struct snapshot *snapshot, struct map_id map,
                                  const struct addr *client, uint32_t class_id)
{
    const struct cidr key =
        cidr_make(client, client->family == ADDR_V4 ? KEY_BITS_V4 : KEY_BITS_V6);
    return decide(snapshot, map, geo_cell(snapshot->world->geo, class_id, map), decide_key(&key));
}

static void add_decided(const struct topology *topology, const struct decision *decision,
                        struct site_id except, struct regions *regions)
{
    for (size_t i = 0; i < decision->count; i++) {
        struct site_id id = decision->sites[i];
        if (topology->sites[id.n].kind == SITE_REGION && !site_id_eq(id, except))
            add(regions, id);
    }
}

void regions_for_client(const struct snapshot *snapshot, struct map_id map,
                        const struct addr *client, struct regions *out_regions,
                        struct decision *out_decision)
{
    const struct topology *topology = snapshot->world->topology;
    struct geo_match match = geo_lookup(snapshot->world->geo, client);
    struct decision decision = decide_for(snapshot, map, client, match.class_id);
    out_regions->count = 0;
    add_decided(topology, &decision, SITE_NONE, out_regions);
    bool is_empty = out_regions->count == 0;
    for (size_t i = 0; is_empty && i < topology->region_count; i++)
        if (is_usable(snapshot, i))
            add(out_regions, (struct site_id){ (uint16_t)i });
    if (out_decision != NULL)
        *out_decision = decision;
}

/* The nearest region that is not yet in the list; SITE_NONE when all are. */
static struct site_id nearest(const struct snapshot *snapshot, struct site_id self, bool usable,
                              const struct regions *regions)
{
    const struct topology *topology = snapshot->world->topology;
    const struct site *here = &topology->sites[self.n];
    struct site_id best = SITE_NONE;
    double best_km = INFINITY;
    for (size_t i = 0; i < topology->region_count; i++) {
        struct site_id id = { (uint16_t)i };
        if (site_id_eq(id, self) || is_usable(snapshot, i) != usable || has(regions, id))
            continue;
        double km = site_distance_km(&topology->sites[i], here->lat_deg, here->lon_deg);
        if (site_is_none(best) || km < best_km) {
            best = id;
            best_km = km;
        }
    }
    return best;
}

static void add_nearest(const struct snapshot *snapshot, struct site_id self, bool usable,
                        struct regions *regions)
{
    for (;;) {
        struct site_id id = nearest(snapshot, self, usable, regions);
        if (site_is_none(id))
            return;
        add(regions, id);
    }
}

void regions_for_site(const struct snapshot *snapshot, struct site_id self,
                      const struct map_id *maps, size_t map_count, struct regions *out_regions)
{
    const struct topology *topology = snapshot->world->topology;
    const struct site *here = &topology->sites[self.n];
    out_regions->count = 0;
    if (here->address_count > 0) {
        const struct addr *address = &here->addresses[0];
        struct geo_match match = geo_lookup(snapshot->world->geo, address);
        for (size_t i = 0; !match.is_special && i < map_count; i++) {
            struct decision decision = decide_for(snapshot, maps[i], address, match.class_id);
            add_decided(topology, &decision, self, out_regions);
        }
    }
    add_nearest(snapshot, self, true, out_regions);
    add_nearest(snapshot, self, false, out_regions);
}
