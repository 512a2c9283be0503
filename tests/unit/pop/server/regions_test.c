/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "pop/server/regions.h"
#include "steering/base/mem.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum { NEAR, MIDDLE, FAR, POP };

/* Three regions in a line from the PoP; map "turned" names them from far to near, "pops" only PoPs.
 */
static struct world *make_world(void)
{
    struct diag diag;
    struct geo *geo = NULL;
    struct topology *topology = topology_new();
    struct geo_builder *builder = geo_builder_new();
    struct site_id ids[] = {
        fixture_site(topology, "near", SITE_REGION, 0, 10, "192.0.2.1"),
        fixture_site(topology, "middle", SITE_REGION, 0, 20, "192.0.2.2"),
        fixture_site(topology, "far", SITE_REGION, 0, 30, "192.0.2.3"),
        fixture_site(topology, "pop", SITE_POP, 0, 0, "192.0.2.9"),
    };
    const struct site_id turned[] = { ids[FAR], ids[MIDDLE], ids[NEAR] };
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    fixture_rule(topology, fixture_map(topology, "turned", 1, ALL_DOWN_BASE), any, turned,
                 ARRAY_SIZE(turned));
    fixture_rule(topology, fixture_map(topology, "pops", 1, ALL_DOWN_BASE), any, &ids[POP], 1);
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return world_new(topology, geo);
}

static struct snapshot *make_snapshot(struct world *world, const char *regions)
{
    struct diag diag;
    struct document *document = NULL;
    char text[256];
    snprintf(text, sizeof(text), "{\"v\":1,\"epoch\":\"E\",\"gen\":1,\"regions\":%s}", regions);
    diag_init(&diag);
    assert_int_equal(document_parse(str_from(text), &diag, &document), ERR_OK);
    diag_fini(&diag);
    return snapshot_new(world, document, NULL);
}

static void expect(const struct regions *regions, const char *want, const char *what)
{
    static const char letters[] = "nmfp";
    char got[SITE_MAX + 1];
    size_t i = 0;
    for (; i < regions->count; i++)
        got[i] = letters[regions->items[i].n];
    got[i] = '\0';
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s instead of %s", what, got, want);
}

#define OUT(name) "{\"" name "\":{\"mode\":\"evacuated\"}}"

static void test_orders_follow_maps_modes_and_distance(void **state)
{
    (void)state;
    static const struct {
        const char *document, *map;
        const char *client; /* the order for a client... */
        const char *site;   /* ...and for the PoP itself */
    } rows[] = {
        { "{}", "turned", "fmn", "fmn" },
        { OUT("far"), "turned", "mn", "mnf" },
        { OUT("middle"), "turned", "fn", "fnm" },
        /* PoP sites do not count; without any region left, all usable ones. */
        { "{}", "pops", "nmf", "nmf" },
        { OUT("near"), "pops", "mf", "mfn" },
    };
    struct addr client = fixture_addr("203.0.113.9");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct world *world = make_world();
        struct snapshot *snapshot = make_snapshot(world, rows[i].document);
        long found = topology_find_map(world->topology, str_from(rows[i].map));
        struct map_id map = { (uint16_t)found };
        struct regions regions;
        regions_for_client(snapshot, map, &client, &regions, NULL);
        expect(&regions, rows[i].client, "client");
        regions_for_site(snapshot, (struct site_id){ POP }, &map, 1, &regions);
        expect(&regions, rows[i].site, "site");
        /* A region never stands in its own list. */
        regions_for_site(snapshot, (struct site_id){ NEAR }, &map, 1, &regions);
        for (size_t k = 0; k < regions.count; k++)
            assert_int_not_equal(regions.items[k].n, NEAR);
        assert_int_equal(regions.count, 2);
        snapshot_unref(snapshot);
        world_unref(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_follow_maps_modes_and_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
