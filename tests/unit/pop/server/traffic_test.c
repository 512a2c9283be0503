/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/traffic.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum { US_EAST, EU_WEST, GRU1 };

/* Regions us-east and eu-west, PoP gru1; map "api": a network to eu-west, the rest to us-east. */
static struct world *make_world(void)
{
    struct topology *topology = topology_new();
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = NULL;
    struct diag diag;
    diag_init(&diag);
    fixture_site(topology, "us-east", SITE_REGION, 39, -77, "192.0.2.1");
    fixture_site(topology, "eu-west", SITE_REGION, 53, -6, "192.0.2.2");
    fixture_site(topology, "gru1", SITE_POP, -23, -46, "192.0.2.3");
    uint32_t network = fixture_network(topology, "lab");
    fixture_network_cidr(topology, network, fixture_cidr("203.0.113.0/24"));
    uint32_t lab = fixture_area_of(topology, "lab",
                                   (struct area_term){ .kind = AREA_NETWORK, .index = network });
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id map = fixture_map(topology, "api", 1, ALL_DOWN_BASE);
    const struct site_id sites[] = { { US_EAST }, { EU_WEST } };
    fixture_rule(topology, map, lab, &sites[1], 1);
    fixture_rule(topology, map, any, sites, 2);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return world_new(topology, geo);
}

static struct cell_id cell_of(const struct world *world, const char *address)
{
    struct addr addr = fixture_addr(address);
    struct geo_match match = geo_lookup(world->geo, &addr);
    return geo_cell(world->geo, match.class_id, (struct map_id){ 0 });
}

static void count(struct traffic *traffic, struct world *world, const char *address, uint16_t site)
{
    const struct traffic_event event = { .cell = cell_of(world, address),
                                         .site = { site },
                                         .source = SITE_NONE,
                                         .bytes_in = 10,
                                         .bytes_out = 1000 };
    traffic_count(traffic, world, &event);
}

static int64_t number_of(const json_t *value, const char *cell_name, const char *site,
                         const char *key)
{
    const json_t *map = json_object_get(json_object_get(value, "maps"), "api");
    const json_t *cells = json_object_get(map, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        if (str_eq_text(json_get_str(cell, "cell"), cell_name)) {
            const json_t *row = json_object_get(json_object_get(cell, "sites"), site);
            return json_get_int(row, key, 0);
        }
    }
    return 0;
}

static int64_t requests_of(const json_t *value, const char *cell_name, const char *site)
{
    return number_of(value, cell_name, site, "requests");
}

static void test_count_by_cell_and_site_over_workers(void **state)
{
    (void)state;
    struct world *world = make_world();
    struct traffic *workers[2] = { traffic_new(), traffic_new() };
    count(workers[0], world, "203.0.113.5", EU_WEST);
    count(workers[0], world, "203.0.113.6", EU_WEST);
    count(workers[1], world, "203.0.113.7", EU_WEST);
    count(workers[1], world, "203.0.113.7", US_EAST);
    count(workers[1], world, "198.51.100.7", US_EAST);
    json_t *value = traffic_value(workers, 2);
    assert_int_equal(requests_of(value, "lab/eu-west", "eu-west"), 3);
    assert_int_equal(requests_of(value, "lab/eu-west", "us-east"), 1);
    assert_int_equal(number_of(value, "lab/eu-west", "eu-west", "bytes_in"), 30);
    assert_int_equal(number_of(value, "lab/eu-west", "eu-west", "bytes_out"), 3000);
    assert_int_equal(requests_of(value, "any/us-east,eu-west", "us-east"), 1);
    assert_int_equal(json_array_size(json_object_get(value, "strays")), 0);
    json_decref(value);
    traffic_free(workers[0]);
    traffic_free(workers[1]);
    world_unref(world);
}

static void test_count_strays_and_fallbacks_by_source(void **state)
{
    (void)state;
    struct world *world = make_world();
    struct traffic *traffic = traffic_new();
    struct traffic_event event = {
        .site = { EU_WEST }, .source = { GRU1 }, .is_stray = true, .is_fallback = true
    };
    traffic_count(traffic, world, &event);
    event.is_fallback = false;
    traffic_count(traffic, world, &event);
    json_t *value = traffic_value(&traffic, 1);
    const json_t *stray = json_array_get(json_object_get(value, "strays"), 0);
    const json_t *fallback = json_array_get(json_object_get(value, "fallbacks"), 0);
    assert_true(str_eq_text(json_get_str(stray, "from"), "gru1"));
    assert_true(str_eq_text(json_get_str(stray, "to"), "eu-west"));
    assert_int_equal(json_get_int(stray, "requests", 0), 2);
    assert_int_equal(json_get_int(fallback, "requests", 0), 1);
    json_decref(value);
    traffic_free(traffic);
    world_unref(world);
}

/* Reloads make new worlds: nothing that was counted is lost when the old ones go. */
static void test_counts_outlive_worlds(void **state)
{
    (void)state;
    enum { WORLDS = 12 };
    struct traffic *traffic = traffic_new();
    for (int i = 0; i < WORLDS; i++) {
        struct world *world = make_world();
        count(traffic, world, "203.0.113.5", EU_WEST);
        count(traffic, world, "203.0.113.5", EU_WEST);
        world_unref(world);
    }
    json_t *value = traffic_value(&traffic, 1);
    assert_int_equal(requests_of(value, "lab/eu-west", "eu-west"), 2 * WORLDS);
    json_decref(value);
    traffic_free(traffic);
}

struct counting {
    struct traffic *traffic;
    struct world *world;
    atomic_bool is_done;
};

enum { EVENTS = 20000 };

static void *run_worker(void *arg)
{
    struct counting *counting = arg;
    for (int i = 0; i < EVENTS; i++)
        count(counting->traffic, counting->world, i % 2 == 0 ? "203.0.113.5" : "198.51.100.1",
              (uint16_t)(i % 3));
    atomic_store(&counting->is_done, true);
    return NULL;
}

/* For ThreadSanitizer; and the sum never shrinks. */
static void test_value_while_counting(void **state)
{
    (void)state;
    struct counting counting = { .traffic = traffic_new(), .world = make_world() };
    pthread_t thread;
    int64_t before = 0;
    assert_int_equal(pthread_create(&thread, NULL, run_worker, &counting), 0);
    while (!atomic_load(&counting.is_done)) {
        json_t *value = traffic_value(&counting.traffic, 1);
        int64_t now = requests_of(value, "lab/eu-west", "us-east");
        assert_true(now >= before);
        before = now;
        json_decref(value);
    }
    pthread_join(thread, NULL);
    traffic_free(counting.traffic);
    world_unref(counting.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_by_cell_and_site_over_workers),
        cmocka_unit_test(test_count_strays_and_fallbacks_by_source),
        cmocka_unit_test(test_counts_outlive_worlds),
        cmocka_unit_test(test_value_while_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
