/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/snapshot.h"

#include <assert.h>
#include <stdlib.h>

#include "steering/base/mem.h"

struct world *world_new(struct topology *topology, struct geo *geo)
{
    struct world *world = mem_calloc(1, sizeof(*world));
    atomic_init(&world->refs, 1);
    world->topology = topology;
    world->geo = geo;
    return world;
}

/* A new reference is always made from one that is held: nothing to order. */
struct world *world_ref(struct world *world)
{
    atomic_fetch_add_explicit(&world->refs, 1, memory_order_relaxed);
    return world;
}

void world_unref(struct world *world)
{
    /* Acquire and release: whoever frees has seen the last use of everyone else. */
    if (world == NULL || atomic_fetch_sub_explicit(&world->refs, 1, memory_order_acq_rel) > 1)
        return;
    geo_free(world->geo); /* borrows the topology */
    topology_free(world->topology);
    free(world);
}

static struct site_state judge(const struct site *site, const struct document *document,
                               const struct break_glass *break_glass)
{
    struct str name = str_from(site->name);
    for (size_t i = 0; break_glass != NULL && i < break_glass->count; i++)
        if (str_eq_text(name, break_glass->orders[i].site))
            return (struct site_state){ break_glass->orders[i].mode, MODE_BY_BREAK_GLASS };
    const struct document_site *listed = document_find_site(document, site->kind, name);
    if (listed != NULL && listed->mode != MODE_ACTIVE)
        return (struct site_state){ listed->mode, MODE_BY_DOCUMENT };
    return (struct site_state){ MODE_ACTIVE, MODE_BY_DEFAULT };
}

struct snapshot *snapshot_new(struct world *world, struct document *document,
                              const struct break_glass *break_glass)
{
    assert(document != NULL);
    const struct topology *topology = world->topology;
    struct snapshot *snapshot = mem_calloc(1, sizeof(*snapshot));
    atomic_init(&snapshot->refs, 1);
    snapshot->world = world_ref(world);
    snapshot->document = document;
    snapshot->states = mem_calloc(topology->site_count, sizeof(*snapshot->states));
    for (size_t i = 0; i < topology->site_count; i++)
        snapshot->states[i] = judge(&topology->sites[i], document, break_glass);
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1)
        return;
    world_unref(snapshot->world);
    document_free(snapshot->document);
    free(snapshot->states);
    free(snapshot);
}
