/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/decide.h"

#include "steering/base/hash.h"

const char *decision_level_name(enum decision_level level)
{
    switch (level) {
    case DECISION_BASE:
        return "base";
    case DECISION_STEERED:
        return "steered";
    case DECISION_SPARE:
        return "spare";
    case DECISION_NOTHING_LEFT:
        return "nothing-left";
    }
    return "unknown";
}

uint64_t decide_key(const struct cidr *client)
{
    return hash_bytes(client->addr.bytes, sizeof(client->addr.bytes),
                      (uint64_t)client->addr.family << 8 | client->bits);
}

static void take_usable(struct decision *decision, const struct snapshot *snapshot,
                        const struct site_id *sites, size_t count)
{
    for (size_t i = 0; i < count && decision->count < CANDIDATE_MAX; i++)
        if (mode_is_usable(snapshot->states[sites[i].n].mode))
            decision->sites[decision->count++] = sites[i];
}

static void take_spares(struct decision *decision, const struct snapshot *snapshot,
                        const struct map *map, const struct cell *cell)
{
    switch (map->all_down) {
    case ALL_DOWN_BASE:
        break;
    case ALL_DOWN_NEAREST:
        take_usable(decision, snapshot, cell->spares, cell->spare_count);
        break;
    case ALL_DOWN_SITES:
        take_usable(decision, snapshot, map->all_down_sites, map->all_down_site_count);
        break;
    }
}

static void take_base(struct decision *decision, const struct cell *cell)
{
    for (size_t i = 0; i < cell->candidate_count; i++)
        decision->sites[i] = cell->candidates[i];
    decision->count = cell->candidate_count;
}

/* Only the sites that an answer shows count: the order of those behind them moves nobody. */
static bool moves_clients(const struct decision *decision, const struct snapshot *snapshot,
                          const struct map *map, const struct cell *cell)
{
    for (size_t i = 0; i < map->answers; i++) {
        bool has_base = i < cell->candidate_count;
        if (i >= decision->count)
            return has_base;
        if (!has_base || !site_id_eq(decision->sites[i], cell->candidates[i]))
            return true;
        if (snapshot->states[decision->sites[i].n].mode == MODE_RESTORING)
            return true;
    }
    return false;
}

struct decision decide(const struct snapshot *snapshot, struct map_id map_id,
                       struct cell_id cell_id, uint64_t key)
{
    (void)key; /* whole cells move together until shares exist */
    const struct world *world = snapshot->world;
    const struct map *map = &world->topology->maps[map_id.n];
    const struct cell *cell = geo_cell_at(world->geo, map_id, cell_id);
    struct decision decision = { .level = DECISION_BASE };
    take_usable(&decision, snapshot, cell->candidates, cell->candidate_count);
    if (decision.count < cell->candidate_count)
        decision.level = DECISION_STEERED;
    if (decision.count == 0) {
        decision.level = DECISION_SPARE;
        take_spares(&decision, snapshot, map, cell);
    }
    if (decision.count == 0) {
        decision.level = DECISION_NOTHING_LEFT;
        take_base(&decision, cell);
    }
    decision.is_moving = moves_clients(&decision, snapshot, map, cell);
    return decision;
}
