/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "tests/unit/steering/model/topology_fixture.h"

static void test_distance(void **state)
{
    static const struct row {
        double lat_a, lon_a, lat_b, lon_b, km;
    } rows[] = {
        { 0, 0, 0, 0, 0 },
        { 0, 0, 0, 180, 20015 },
        { 90, 0, -90, 77, 20015 },
        { 0, 179, 0, -179, 222.39 },
        { 48.86, 2.35, 40.71, -74.01, 5837 },    /* Paris, New York */
        { -33.87, 151.21, 51.51, -0.13, 16994 }, /* Sydney, London */
        { 50, 8, 50.001, 8, 0.111 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct site site = { .lat_deg = rows[i].lat_a, .lon_deg = rows[i].lon_a };
        double km = site_distance_km(&site, rows[i].lat_b, rows[i].lon_b);
        if (fabs(km - rows[i].km) > 0.001 * rows[i].km + 0.001)
            fail_msg("row %zu: %f km", i, km);
    }
}

static void test_find(void **state)
{
    (void)state;
    struct topology *topology = topology_new();
    fixture_site(topology, "us-east", SITE_REGION, 0, 0, "192.0.2.1");
    fixture_site(topology, "gru1", SITE_POP, 0, 0, "2001:db8::1");
    struct map_id map = fixture_map(topology, "api", 1, ALL_DOWN_BASE);
    fixture_name(topology, "www.example.com.", map);
    fixture_name(topology, ".", map);
    assert_int_equal(topology_find_site(topology, STR("gru1")).n, 1);
    assert_true(site_is_none(topology_find_site(topology, STR("gru"))));
    assert_int_equal(topology_find_map(topology, STR("api")), 0);
    assert_int_equal(topology_find_map(topology, STR("web")), -1);
    assert_int_equal(topology_find_name(topology, STR("www.example.com.")), 0);
    assert_int_equal(topology_find_name(topology, STR("WWW.Example.com")), 0);
    assert_int_equal(topology_find_name(topology, STR(".")), 1);
    assert_int_equal(topology_find_name(topology, STR("example.com")), -1);
    assert_int_equal(topology_find_name(topology, STR("")), -1);
    assert_true(site_has_family(&topology->sites[0], ADDR_V4));
    assert_false(site_has_family(&topology->sites[0], ADDR_V6));
    assert_true(site_has_family(&topology->sites[1], ADDR_V6));
    assert_string_equal(site_kind_name(SITE_REGION), "region");
    assert_string_equal(site_kind_name(SITE_POP), "pop");
    topology_free(topology);
    topology_free(NULL);
}

static void test_location_equality(void **state)
{
    (void)state;
    struct location a = { "EU", "FR", "", true, 0, 0.0f, 2.0f };
    struct location b = { "EU", "FR", "", true, 0, -0.0f, 2.0f };
    struct location c = { "EU", "FR", "", false, 0, 7.0f, 7.0f };
    struct location d = { "EU", "FR", "", false, 0, 0.0f, 0.0f };
    struct location e = { "EU", "FR", "", true, 0, NAN, 2.0f };
    struct location f = { "EU", "FR", "\0X", false, 0, 0.0f, 0.0f };
    assert_true(location_eq(&a, &b));
    assert_true(location_hash(&a) == location_hash(&b));
    assert_false(location_eq(&a, &d));
    assert_true(location_eq(&c, &d));
    assert_true(location_eq(&e, &d));
    assert_true(location_eq(&f, &d));
    assert_true(location_hash(&f) == location_hash(&d));
    b.country[1] = 'X';
    assert_false(location_eq(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_location_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
