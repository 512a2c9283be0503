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
#include "steering/model/geo.h"
#include "tests/unit/steering/model/topology_fixture.h"

static struct geo *compile(const struct topology *topology, const struct geo_builder *builder)
{
    struct diag diag;
    struct geo *geo = NULL;
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    diag_fini(&diag);
    return geo;
}

/* The rule that `client` ends in. */
static uint32_t rule_of(const struct geo *geo, struct map_id map, const struct geo_match *match)
{
    return geo_cell_at(geo, map, geo_cell(geo, match->class_id, map))->rule;
}

static void network_rule(struct topology *topology, struct map_id map, const char *net)
{
    uint32_t network = fixture_network(topology, net);
    fixture_network_cidr(topology, network, fixture_cidr(net));
    struct area_term term = { .kind = AREA_NETWORK, .index = network };
    uint32_t area = fixture_area_of(topology, net, term);
    fixture_rule(topology, map, area, (struct site_id[]){ { 0 } }, 1);
}

static void any_rule(struct topology *topology, struct map_id map)
{
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    fixture_rule(topology, map, any, (struct site_id[]){ { 0 } }, 1);
}

static void test_lookup_scope_is_exact(void **state)
{
    static const struct row {
        const char *client;
        uint32_t rule;
        uint8_t scope_bits;
        bool is_special;
    } rows[] = {
        { "10.1.0.0", 0, 16, false },
        { "10.1.255.255", 0, 16, false },
        { "10.0.0.0", 1, 16, false },
        { "10.2.0.0", 1, 15, false },
        { "10.128.0.0", 1, 9, false },
        { "8.8.8.8", 3, 7, false },
        { "11.0.0.0", 3, 8, false },
        { "128.0.0.1", 3, 3, false },
        { "192.168.4.5", 3, 16, true },
        { "192.169.0.0", 3, 16, false },
        { "172.16.0.1", 3, 12, true },
        { "127.0.0.1", 3, 8, true },
        /* IPv4 clients in IPv6 clothes. */
        { "::ffff:10.2.0.0", 1, 96 + 15, false },
        { "64:ff9b::10.2.0.0", 1, 96 + 15, false },
        { "2002:a02::1", 1, 16 + 15, false },
        { "2001:0:1:2:3:4:f5fd:ffff", 1, 96 + 15, false }, /* Teredo: ~10.2.0.0 */
        { "::ffff:127.0.0.1", 3, 96 + 8, true },
        /* Real IPv6, up to the folded blocks but not over them. */
        { "2001:db8::1", 2, 32, false },
        { "2001:db9::", 3, 32, false },
        { "2001:1::", 3, 32, false },
        { "2003::", 3, 16, false },
        { "2000::", 3, 16, false },
        { "::1", 3, 128, true },
        { "::2", 3, 127, false },
        { "fc00::1", 3, 7, true },
        { "fe00::", 3, 9, false },
        { "fe80::1", 3, 10, true },
        { "64:ff9b:1::", 3, 48, false },
    };
    (void)state;
    struct topology *topology = topology_new();
    fixture_site(topology, "a", SITE_REGION, 0, 0, NULL);
    struct map_id map = fixture_map(topology, "m", 1, ALL_DOWN_BASE);
    network_rule(topology, map, "10.1.0.0/16");
    network_rule(topology, map, "10.0.0.0/8");
    network_rule(topology, map, "2001:db8::/32");
    any_rule(topology, map);
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = compile(topology, builder);
    geo_builder_free(builder);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct addr client = fixture_addr(rows[i].client);
        struct geo_match match = geo_lookup(geo, &client);
        if (match.scope_bits != rows[i].scope_bits || match.is_special != rows[i].is_special ||
            rule_of(geo, map, &match) != rows[i].rule)
            fail_msg("%s: rule %u scope %u special %d", rows[i].client, rule_of(geo, map, &match),
                     match.scope_bits, match.is_special);
    }
    assert_false(geo_is_uniform(geo, map));
    geo_free(geo);
    topology_free(topology);
}

/* Each of the 256 slots of a table node in a run of its own, twice below each other. */
static void test_lookup_in_full_nodes(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_site(topology, "a", SITE_REGION, 0, 0, NULL);
    struct map_id map = fixture_map(topology, "m", 1, ALL_DOWN_BASE);
    uint32_t odd = fixture_network(topology, "odd");
    for (uint32_t i = 1; i < 256; i += 2) {
        struct addr addr = addr_from_v4_u32(0xc6330000u | i << 8);
        fixture_network_cidr(topology, odd, cidr_make(&addr, 24));
        addr = addr_from_v4_u32(0xc6336400u | i); /* 198.51.100.i */
        fixture_network_cidr(topology, odd, cidr_make(&addr, 32));
    }
    fixture_rule(
        topology, map,
        fixture_area_of(topology, "odd", (struct area_term){ .kind = AREA_NETWORK, .index = odd }),
        (struct site_id[]){ { 0 } }, 1);
    any_rule(topology, map);
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = compile(topology, builder);
    for (uint32_t i = 0; i < 65536; i++) {
        struct addr client = addr_from_v4_u32(0xc6330000u | i);
        struct geo_match match = geo_lookup(geo, &client);
        bool is_odd = (i >> 8) % 2 == 1 || (i >> 8 == 100 && i % 2 == 1);
        assert_int_equal(rule_of(geo, map, &match), is_odd ? 0 : 1);
        assert_int_equal(match.scope_bits, i >> 8 == 100 ? 32 : 24);
    }
    geo_free(geo);
    geo_builder_free(builder);
    topology_free(topology);
}

/* The order of rules decides, not the length of prefixes. */
static void test_lookup_first_rule_wins_over_longer_prefix(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_site(topology, "a", SITE_REGION, 0, 0, NULL);
    struct map_id map = fixture_map(topology, "m", 1, ALL_DOWN_BASE);
    network_rule(topology, map, "198.51.0.0/16");
    network_rule(topology, map, "198.51.100.0/24");
    any_rule(topology, map);
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = compile(topology, builder);
    struct addr client = fixture_addr("198.51.100.7");
    struct geo_match match = geo_lookup(geo, &client);
    assert_int_equal(rule_of(geo, map, &match), 0);
    assert_int_equal(match.scope_bits, 16);
    geo_free(geo);
    geo_builder_free(builder);
    topology_free(topology);
}

static void test_compile_ignores_what_no_rule_names(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_site(topology, "a", SITE_REGION, 0, 0, NULL);
    struct map_id map = fixture_map(topology, "m", 1, ALL_DOWN_BASE);
    any_rule(topology, map);
    uint32_t network = fixture_network(topology, "unused");
    fixture_network_cidr(topology, network, fixture_cidr("10.1.2.0/24"));
    struct geo_builder *builder = geo_builder_new();
    struct cidr net = fixture_cidr("198.51.100.0/24");
    struct location paris = { .continent = "EU", .country = "FR", .has_coordinates = true };
    geo_builder_add_location(builder, &net, &paris);
    geo_builder_add_asn(builder, &net, 64500);
    struct geo *geo = compile(topology, builder);
    struct addr inside = fixture_addr("198.51.100.1"), outside = fixture_addr("198.51.101.1");
    struct addr private_addr = fixture_addr("10.1.2.3");
    struct geo_match a = geo_lookup(geo, &inside), b = geo_lookup(geo, &outside);
    assert_int_equal(a.class_id, b.class_id);
    assert_int_equal(a.scope_bits, b.scope_bits);
    assert_int_equal(geo_lookup(geo, &private_addr).scope_bits, 8);
    assert_true(geo_is_uniform(geo, map));
    assert_int_equal(geo_cell_count(geo, map), 1);
    struct geo_stats stats = geo_stats(geo);
    assert_int_equal(stats.class_count, 2); /* ordinary and special space */
    assert_int_equal(stats.location_count, 1);
    assert_true(stats.memory_bytes > 0 && stats.leaf_count > 10);
    geo_free(geo);
    geo_builder_free(builder);
    topology_free(topology);
}

static void test_compile_works_without_maps(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = compile(topology, builder);
    struct addr client = fixture_addr("192.0.2.1");
    assert_false(geo_lookup(geo, &client).is_special);
    geo_free(geo);
    geo_free(NULL);
    geo_builder_free(builder);
    geo_builder_free(NULL);
    topology_free(topology);
}

static void test_nearest_orders_by_distance(void **state)
{
    static const struct row {
        const char *client;
        uint16_t nearest_count;
        const char *expected;
    } rows[] = {
        { "192.0.2.1", 0, "eu us jp" },    /* Paris */
        { "198.51.100.1", 0, "jp eu us" }, /* Seoul */
        { "203.0.113.1", 0, "us eu jp" },  /* no coordinates: as listed */
        { "198.51.100.1", 2, "jp eu" },    { "203.0.113.1", 1, "us" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct topology *topology = topology_new();
        struct site_id us = fixture_site(topology, "us", SITE_REGION, 39, -77, NULL);
        struct site_id eu = fixture_site(topology, "eu", SITE_REGION, 50, 8, NULL);
        struct site_id jp = fixture_site(topology, "jp", SITE_REGION, 35, 139, NULL);
        uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
        struct map_id map = fixture_map(topology, "m", 1, ALL_DOWN_BASE);
        struct rule *rule = fixture_rule(topology, map, any, (struct site_id[]){ us, eu, jp }, 3);
        rule->is_nearest = true;
        rule->nearest_count = rows[i].nearest_count;
        struct geo_builder *builder = geo_builder_new();
        struct cidr net = fixture_cidr("192.0.2.0/24");
        struct location location = { .has_coordinates = true, .lat_deg = 49, .lon_deg = 2 };
        geo_builder_add_location(builder, &net, &location);
        net = fixture_cidr("198.51.100.0/24");
        location = (struct location){ .has_coordinates = true, .lat_deg = 37.5f, .lon_deg = 127 };
        geo_builder_add_location(builder, &net, &location);
        net = fixture_cidr("203.0.113.0/24");
        location = (struct location){ .country = "FR" };
        geo_builder_add_location(builder, &net, &location);
        struct geo *geo = compile(topology, builder);
        struct addr client = fixture_addr(rows[i].client);
        struct geo_match match = geo_lookup(geo, &client);
        const struct cell *cell = geo_cell_at(geo, map, geo_cell(geo, match.class_id, map));
        char got[64] = "";
        for (size_t j = 0; j < cell->candidate_count; j++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", j > 0 ? " " : "",
                     topology->sites[cell->candidates[j].n].name);
        assert_string_equal(got, rows[i].expected);
        geo_free(geo);
        geo_builder_free(builder);
        topology_free(topology);
    }
}

/* More orders of sites than a cell number can name: an error that says what to do. */
static void test_compile_refuses_too_many_cells(void **state)
{
    (void)state;
    struct rng rng = rng_init(1);
    struct topology *topology = topology_new();
    struct site_id sites[120];
    char name[32];
    for (size_t i = 0; i < ARRAY_SIZE(sites); i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        sites[i] = fixture_site(topology, name, SITE_REGION, (double)rng_below(&rng, 120) - 60,
                                (double)rng_below(&rng, 360) - 180, NULL);
    }
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id map = fixture_map(topology, "web", 1, ALL_DOWN_BASE);
    struct rule *rule = fixture_rule(topology, map, any, sites, ARRAY_SIZE(sites));
    rule->is_nearest = true;
    struct geo_builder *builder = geo_builder_new();
    for (uint32_t i = 0; i < 150000; i++) {
        struct addr addr = addr_from_v4_u32((20u << 24) + (i << 6));
        struct cidr net = cidr_make(&addr, 26);
        struct location location = { .has_coordinates = true };
        location.lat_deg = (float)rng_below(&rng, 1700) / 10 - 85;
        location.lon_deg = (float)rng_below(&rng, 3600) / 10 - 180;
        geo_builder_add_location(builder, &net, &location);
    }
    struct diag diag;
    struct geo *geo = NULL;
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_TOO_LARGE);
    assert_null(geo);
    assert_int_equal(diag.error_count, 1);
    assert_non_null(strstr(diag_first(&diag), "map 'web' has more than 65535"));
    assert_non_null(strstr(diag_first(&diag), "'nearest 3'"));
    diag_fini(&diag);
    rule->nearest_count = 2;
    geo_free(compile(topology, builder));
    geo_builder_free(builder);
    topology_free(topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_scope_is_exact),
        cmocka_unit_test(test_lookup_in_full_nodes),
        cmocka_unit_test(test_lookup_first_rule_wins_over_longer_prefix),
        cmocka_unit_test(test_compile_ignores_what_no_rule_names),
        cmocka_unit_test(test_compile_works_without_maps),
        cmocka_unit_test(test_nearest_orders_by_distance),
        cmocka_unit_test(test_compile_refuses_too_many_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
