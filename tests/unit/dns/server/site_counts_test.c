/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dns/server/site_counts.h"
#include "steering/base/mem.h"

static struct topology *make_topology(const char *const maps[], size_t map_count,
                                      const char *const sites[], size_t site_count)
{
    struct topology *topology = topology_new();
    topology->maps = mem_calloc(map_count, sizeof(*topology->maps));
    topology->sites = mem_calloc(site_count, sizeof(*topology->sites));
    topology->map_count = map_count;
    topology->site_count = topology->region_count = site_count;
    for (size_t i = 0; i < map_count; i++)
        topology->maps[i].name = mem_strdup(maps[i]);
    for (size_t i = 0; i < site_count; i++)
        topology->sites[i].name = mem_strdup(sites[i]);
    return topology;
}

static uint64_t find(const struct site_totals *totals, const char *map, const char *site)
{
    for (size_t i = 0; i < totals->count; i++)
        if (strcmp(totals->items[i].map, map) == 0 && strcmp(totals->items[i].site, site) == 0)
            return totals->items[i].count;
    return 0;
}

static void test_totals_survive_a_renumbering(void **state)
{
    (void)state;
    static const char *const old_maps[] = { "www", "api" }, *const old_sites[] = { "b", "a", "c" };
    static const char *const new_maps[] = { "api" }, *const new_sites[] = { "c", "d", "b" };
    struct topology *before = make_topology(old_maps, 2, old_sites, 3);
    struct topology *after = make_topology(new_maps, 1, new_sites, 3);
    struct site_counts counts;
    struct site_totals totals = { .items = NULL }, copy = { .items = NULL };

    site_counts_init(&counts, before, 2);
    for (int i = 0; i < 5; i++)
        site_counts_add(&counts, 0, (struct map_id){ 1 }, (struct site_id){ 0 }); /* api b */
    site_counts_add(&counts, 1, (struct map_id){ 1 }, (struct site_id){ 0 });
    site_counts_add(&counts, 1, (struct map_id){ 0 }, (struct site_id){ 2 }); /* www c */
    site_totals_add(&totals, &counts, before);
    site_counts_fini(&counts);

    site_counts_init(&counts, after, 2);
    site_counts_add(&counts, 0, (struct map_id){ 0 }, (struct site_id){ 2 }); /* api b */
    site_counts_add(&counts, 1, (struct map_id){ 0 }, (struct site_id){ 1 }); /* api d */
    site_totals_add(&totals, &counts, after);
    site_counts_fini(&counts);

    site_totals_copy(&copy, &totals);
    assert_int_equal(copy.count, 3); /* no rows for what never happened */
    assert_int_equal(find(&copy, "api", "b"), 7);
    assert_int_equal(find(&copy, "www", "c"), 1);
    assert_int_equal(find(&copy, "api", "d"), 1);
    site_totals_fini(&copy);
    site_totals_fini(&totals);
    topology_free(before);
    topology_free(after);
}

static void test_workers_do_not_share_cache_lines(void **state)
{
    (void)state;
    static const char *const maps[] = { "www" }, *const sites[] = { "a" };
    struct topology *topology = make_topology(maps, 1, sites, 1);
    struct site_counts counts;
    site_counts_init(&counts, topology, 2);
    assert_true(counts.block * sizeof(counts.cells[0]) >= 2 * 64);
    site_counts_fini(&counts);
    topology_free(topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_survive_a_renumbering),
        cmocka_unit_test(test_workers_do_not_share_cache_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
