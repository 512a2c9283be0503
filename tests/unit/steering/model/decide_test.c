/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steering/base/rng.h"
#include "steering/model/decide.h"
#include "tests/unit/steering/model/topology_fixture.h"

static uint64_t seed;

/* ---- worlds ---------------------------------------------------------------------------------- */

static struct world *world_of(struct topology *topology)
{
    struct diag diag;
    struct geo *geo = NULL;
    struct geo_builder *builder = geo_builder_new();
    struct location paris = {
        .continent = "EU", .country = "FR", .has_coordinates = true, .lat_deg = 48.9f, .lon_deg = 2
    };
    struct cidr net = fixture_cidr("192.0.2.0/24");
    geo_builder_add_location(builder, &net, &paris);
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return world_new(topology, geo);
}

static struct snapshot *snapshot_of(struct world *world, const char *text, const char *orders_text)
{
    struct diag diag;
    struct document *document = NULL;
    struct break_glass orders = { .count = 0 };
    diag_init(&diag);
    assert_int_equal(document_parse(str_from(text), &diag, &document), ERR_OK);
    if (orders_text != NULL)
        assert_int_equal(break_glass_parse(str_from(orders_text), NULL, &diag, &orders), ERR_OK);
    struct snapshot *snapshot = snapshot_new(world, document, orders_text != NULL ? &orders : NULL);
    break_glass_fini(&orders);
    diag_fini(&diag);
    return snapshot;
}

/* "LEVEL SITE SITE... [moving]" for the client 192.0.2.1. */
static void tell(const struct snapshot *snapshot, struct map_id map, struct buf *out)
{
    struct addr client = fixture_addr("192.0.2.1");
    struct geo_match match = geo_lookup(snapshot->world->geo, &client);
    struct cell_id cell = geo_cell(snapshot->world->geo, match.class_id, map);
    struct decision decision = decide(snapshot, map, cell, 1);
    buf_clear(out);
    buf_append_text(out, decision_level_name(decision.level));
    for (size_t i = 0; i < decision.count; i++)
        buf_append_format(out, " %s", snapshot->world->topology->sites[decision.sites[i].n].name);
    if (decision.is_moving)
        buf_append_text(out, " moving");
}

/* Regions a, b, c, d from west to east and the PoP p; three maps that differ in what happens
 * when all candidates (a, b) are down. */
static struct world *five_sites(void)
{
    static const enum all_down all_down[] = { ALL_DOWN_BASE, ALL_DOWN_NEAREST, ALL_DOWN_SITES };
    struct topology *topology = topology_new();
    struct site_id a = fixture_site(topology, "a", SITE_REGION, 45, -100, NULL);
    struct site_id b = fixture_site(topology, "b", SITE_REGION, 45, -60, NULL);
    struct site_id c = fixture_site(topology, "c", SITE_REGION, 45, 100, NULL);
    struct site_id d = fixture_site(topology, "d", SITE_REGION, 45, 10, NULL);
    struct site_id p = fixture_site(topology, "p", SITE_POP, 45, 20, NULL);
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    for (size_t i = 0; i < ARRAY_SIZE(all_down); i++) {
        struct map_id map = fixture_map(topology,
                                        i == 0   ? "m0"
                                        : i == 1 ? "m1"
                                                 : "m2",
                                        i == 2 ? 2 : 1, all_down[i]);
        fixture_rule(topology, map, any, (struct site_id[]){ a, b }, 2);
        fixture_map_pool(topology, map, a);
        fixture_map_pool(topology, map, c);
        fixture_map_pool(topology, map, d);
        fixture_map_all_down_site(topology, map, p);
        fixture_map_all_down_site(topology, map, c);
    }
    return world_of(topology);
}

#define DOC(regions, pops)                                                                         \
    "{\"v\":1,\"epoch\":\"E\",\"gen\":4,\"pops\":{" pops "},\"regions\":{" regions "}}"
#define MODE(site, mode) "\"" site "\":{\"mode\":\"" mode "\"}"

static void test_decide(void **state)
{
    static const struct row {
        const char *document, *orders;
        uint16_t map;
        const char *expected;
    } rows[] = {
        { DOC("", ""), NULL, 0, "base a b" },
        { DOC(MODE("c", "evacuated"), ""), NULL, 0, "base a b" },
        { DOC(MODE("a", "evacuated"), ""), NULL, 0, "steered b moving" },
        { DOC(MODE("a", "draining"), ""), NULL, 0, "steered b moving" },
        { DOC(MODE("a", "offline"), ""), NULL, 0, "steered b moving" },
        { DOC(MODE("a", "restoring"), ""), NULL, 0, "base a b moving" },
        /* The second candidate is in no answer of one site, but in those of two. */
        { DOC(MODE("b", "evacuated"), ""), NULL, 0, "steered a" },
        { DOC(MODE("b", "evacuated"), ""), NULL, 2, "steered a moving" },
        { DOC(MODE("b", "restoring"), ""), NULL, 0, "base a b" },
        { DOC(MODE("b", "restoring"), ""), NULL, 2, "base a b moving" },
        /* All candidates are out. */
        { DOC(MODE("a", "evacuated") "," MODE("b", "draining"), ""), NULL, 0, "nothing-left a b" },
        { DOC(MODE("a", "evacuated") "," MODE("b", "draining"), ""), NULL, 1, "spare d c moving" },
        { DOC(MODE("a", "evacuated") "," MODE("b", "draining"), ""), NULL, 2, "spare p c moving" },
        { DOC(MODE("a", "evacuated") "," MODE("b", "draining"), MODE("p", "draining")), NULL, 2,
          "spare c moving" },
        { DOC(MODE("a", "evacuated") "," MODE("b", "evacuated") "," MODE("d", "evacuated"), ""),
          NULL, 1, "spare c moving" },
        /* And the spares too. */
        { DOC(MODE("a", "evacuated") "," MODE("b", "evacuated") "," MODE("c", "evacuated") "," MODE(
                  "d", "evacuated"),
              ""),
          NULL, 1, "nothing-left a b" },
        /* Break-glass beats the document in both directions. */
        { DOC(MODE("a", "evacuated"), ""), "serve a", 0, "base a b" },
        { DOC("", ""), "evacuate a", 0, "steered b moving" },
        { DOC(MODE("b", "evacuated"), ""), "evacuate a\nserve b", 0, "steered b moving" },
        { DOC("", ""), "none", 0, "base a b" },
        /* Sites that the topology does not have change nothing. */
        { DOC(MODE("mars", "evacuated"), MODE("a", "draining")), "drain venus", 0, "base a b" },
    };
    (void)state;
    struct world *world = five_sites();
    struct buf got;
    buf_init(&got, 4096);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct snapshot *snapshot = snapshot_of(world, rows[i].document, rows[i].orders);
        tell(snapshot, (struct map_id){ rows[i].map }, &got);
        if (strcmp(buf_text(&got), rows[i].expected) != 0)
            fail_msg("row %zu: got '%s', want '%s'", i, buf_text(&got), rows[i].expected);
        snapshot_unref(snapshot);
    }
    world_unref(world);
    buf_fini(&got);
}

/* A map may list more sites for the worst case than a decision holds. */
static void test_decide_takes_no_more_spares_than_fit(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    struct map_id map = { 0 };
    char name[32];
    fixture_map(topology, "m", 1, ALL_DOWN_SITES);
    for (size_t i = 0; i < 2 * CANDIDATE_MAX; i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        struct site_id site = fixture_site(topology, name, SITE_REGION, 0, 0, NULL);
        fixture_map_all_down_site(topology, map, site);
    }
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    fixture_rule(topology, map, any, (struct site_id[]){ { 0 } }, 1);
    struct world *world = world_of(topology);
    struct snapshot *snapshot = snapshot_of(world, DOC(MODE("s0", "evacuated"), ""), NULL);
    struct decision decision = decide(snapshot, map, (struct cell_id){ 0 }, 1);
    assert_int_equal(decision.level, DECISION_SPARE);
    assert_int_equal(decision.count, CANDIDATE_MAX);
    assert_int_equal(decision.sites[CANDIDATE_MAX - 1].n, CANDIDATE_MAX);
    snapshot_unref(snapshot);
    world_unref(world);
}

/* ---- properties over random worlds -------------------------------------------------------------
 */

static bool one_in(struct rng *rng, uint64_t n)
{
    return rng_below(rng, n) == 0;
}

static struct world *random_world(struct rng *rng)
{
    struct topology *topology = topology_new();
    char name[32];
    size_t count = 1 + (size_t)rng_below(rng, 24);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        fixture_site(topology, name, i * 2 < count ? SITE_REGION : SITE_POP,
                     (double)rng_below(rng, 180) - 90, (double)rng_below(rng, 360) - 180, NULL);
    }
    uint32_t eu =
        fixture_area_of(topology, "eu", (struct area_term){ .kind = AREA_CONTINENT, .code = "EU" });
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "m%zu", i);
        struct map_id map = fixture_map(topology, name, (uint8_t)(1 + rng_below(rng, 4)),
                                        (enum all_down)rng_below(rng, ALL_DOWN_SITES + 1));
        for (size_t j = 0; j < 2; j++) {
            struct site_id sites[24];
            size_t sites_count = 0;
            for (size_t k = 0; k < count; k++)
                if (sites_count == 0 || one_in(rng, 2))
                    sites[sites_count++] = (struct site_id){ (uint16_t)k };
            struct rule *rule = fixture_rule(topology, map, j == 0 ? eu : any, sites, sites_count);
            rule->is_nearest = one_in(rng, 2);
            rule->nearest_count = (uint16_t)rng_below(rng, 4);
        }
        for (size_t k = 0; k < count; k++) {
            if (one_in(rng, 2))
                fixture_map_pool(topology, map, (struct site_id){ (uint16_t)k });
            if (one_in(rng, 4))
                fixture_map_all_down_site(topology, map, (struct site_id){ (uint16_t)k });
        }
    }
    return world_of(topology);
}

static struct snapshot *random_snapshot(struct world *world, struct rng *rng, uint16_t evacuated)
{
    static const enum mode modes[] = { MODE_ACTIVE, MODE_ACTIVE, MODE_RESTORING, MODE_EVACUATED,
                                       MODE_DRAINING };
    uint64_t out_of_ten = rng_below(rng, 11);
    struct snapshot *snapshot = snapshot_new(world, document_new("E"), NULL);
    for (size_t i = 0; i < world->topology->site_count; i++)
        if (rng_below(rng, 10) < out_of_ten)
            snapshot->states[i].mode = modes[rng_below(rng, ARRAY_SIZE(modes))];
    if (evacuated != UINT16_MAX)
        snapshot->states[evacuated].mode = MODE_EVACUATED;
    return snapshot;
}

static bool has(const struct site_id *sites, size_t count, struct site_id site)
{
    for (size_t i = 0; i < count; i++)
        if (site_id_eq(sites[i], site))
            return true;
    return false;
}

static bool decision_eq(const struct decision *a, const struct decision *b)
{
    return a->count == b->count && a->level == b->level && a->is_moving == b->is_moving &&
           memcmp(a->sites, b->sites, a->count * sizeof(a->sites[0])) == 0;
}

static bool is_usable(const struct snapshot *snapshot, struct site_id site)
{
    return mode_is_usable(snapshot->states[site.n].mode);
}

static struct map_id map_of(size_t at)
{
    return (struct map_id){ (uint16_t)at };
}

static struct cell_id cell_of(size_t at)
{
    return (struct cell_id){ (uint16_t)at };
}

static void check_decision(const struct snapshot *snapshot, struct map_id map_id,
                           struct cell_id cell_id, uint64_t key)
{
    const struct map *map = &snapshot->world->topology->maps[map_id.n];
    const struct cell *cell = geo_cell_at(snapshot->world->geo, map_id, cell_id);
    struct decision decision = decide(snapshot, map_id, cell_id, key);
    struct decision again = decide(snapshot, map_id, cell_id, key);
    bool any_candidate = false;
    assert_true(decision_eq(&decision, &again));
    assert_in_range(decision.count, 1, CANDIDATE_MAX);
    for (size_t i = 0; i < cell->candidate_count; i++)
        any_candidate |= is_usable(snapshot, cell->candidates[i]);
    for (size_t i = 0; i < decision.count; i++) {
        struct site_id site = decision.sites[i];
        assert_false(has(decision.sites, i, site)); /* once each */
        assert_true(decision.level == DECISION_NOTHING_LEFT || is_usable(snapshot, site));
        if (decision.level == DECISION_SPARE)
            assert_true(has(cell->spares, cell->spare_count, site) ||
                        has(map->all_down_sites, map->all_down_site_count, site));
        else
            assert_true(has(cell->candidates, cell->candidate_count, site));
    }
    assert_int_equal(any_candidate, decision.level <= DECISION_STEERED);
    if (decision.level == DECISION_BASE)
        assert_int_equal(decision.count, cell->candidate_count);
}

static void test_decide_holds_its_promises(void **state)
{
    (void)state;
    struct rng rng = rng_init(seed);
    for (size_t i = 0; i < 300; i++) {
        struct world *world = random_world(&rng);
        for (size_t j = 0; j < 20; j++) {
            struct snapshot *snapshot = random_snapshot(world, &rng, UINT16_MAX);
            for (size_t m = 0; m < world->topology->map_count; m++)
                for (size_t c = 0; c < geo_cell_count(world->geo, map_of(m)); c++)
                    check_decision(snapshot, map_of(m), cell_of(c), rng_next(&rng));
            snapshot_unref(snapshot);
        }
        world_unref(world);
    }
}

/* Evacuating a site and restoring it leaves every decision as it was, and evacuating moves only
 * cells that used the site. */
static void test_decide_evacuate_and_restore_is_neutral(void **state)
{
    (void)state;
    struct rng rng = rng_init(seed);
    for (size_t i = 0; i < 300; i++) {
        struct world *world = random_world(&rng);
        uint16_t site = (uint16_t)rng_below(&rng, world->topology->site_count);
        uint64_t modes_seed = rng_next(&rng);
        struct rng same[3] = { rng_init(modes_seed), rng_init(modes_seed), rng_init(modes_seed) };
        struct snapshot *before = random_snapshot(world, &same[0], UINT16_MAX);
        struct snapshot *during = random_snapshot(world, &same[1], site);
        struct snapshot *after = random_snapshot(world, &same[2], UINT16_MAX);
        for (size_t m = 0; m < world->topology->map_count; m++) {
            struct map_id map = map_of(m);
            for (size_t c = 0; c < geo_cell_count(world->geo, map); c++) {
                struct cell_id cell = cell_of(c);
                struct decision a = decide(before, map, cell, i), b = decide(during, map, cell, i);
                struct decision z = decide(after, map, cell, i);
                assert_true(decision_eq(&a, &z));
                if (!has(a.sites, a.count, (struct site_id){ site }))
                    assert_memory_equal(a.sites, b.sites, b.count * sizeof(b.sites[0]));
            }
        }
        snapshot_unref(before);
        snapshot_unref(during);
        snapshot_unref(after);
        world_unref(world);
    }
}

static void test_decide_key_tells_prefixes_apart(void **state)
{
    (void)state;
    struct cidr nets[] = { fixture_cidr("192.0.2.0/24"), fixture_cidr("192.0.2.0/25"),
                           fixture_cidr("192.0.3.0/24"), fixture_cidr("c000:200::/24") };
    for (size_t i = 0; i < ARRAY_SIZE(nets); i++)
        for (size_t j = 0; j < i; j++)
            assert_true(decide_key(&nets[i]) != decide_key(&nets[j]));
    struct cidr again = fixture_cidr("192.0.2.0/24");
    assert_true(decide_key(&nets[0]) == decide_key(&again));
}

int main(void)
{
    const char *wanted = getenv("STEER_SEED");
    seed = wanted != NULL ? strtoull(wanted, NULL, 10) : rng_seed() >> 16;
    print_message("STEER_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decide),
        cmocka_unit_test(test_decide_takes_no_more_spares_than_fit),
        cmocka_unit_test(test_decide_holds_its_promises),
        cmocka_unit_test(test_decide_evacuate_and_restore_is_neutral),
        cmocka_unit_test(test_decide_key_tells_prefixes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
