/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/world_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

struct run {
    struct diag diag;
    struct buf out;
    struct world *world;
    struct world_info info;
    enum err err;
};

/* NOLINTNEXTLINE(readability-non-const-parameter): the settings own their texts elsewhere */
static void start(struct run *run, const char *topology, char **city, size_t city_count, char *asn)
{
    struct geo_settings geo = {
        .city = city, .city_count = city_count, .asn = asn, .max_radius_km = 500
    };
    *run = (struct run){ .world = NULL };
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    run->err = world_load(topology, &geo, &run->diag, &run->info, &run->world);
    diag_format(&run->diag, &run->out);
    assert_int_equal(run->err == ERR_OK, run->world != NULL);
}

static void finish(struct run *run)
{
    world_unref(run->world);
    world_info_fini(&run->info);
    buf_fini(&run->out);
    diag_fini(&run->diag);
}

/* The first candidate of the map for the client. */
static const char *first_site(const struct world *world, const char *map, const char *client)
{
    struct addr addr;
    long index = topology_find_map(world->topology, str_from(map));
    assert_true(index >= 0 && addr_parse(str_from(client), &addr));
    struct map_id id = { (uint16_t)index };
    struct geo_match match = geo_lookup(world->geo, &addr);
    const struct cell *cell = geo_cell_at(world->geo, id, geo_cell(world->geo, match.class_id, id));
    return world->topology->sites[cell->candidates[0].n].name;
}

static const char example[] = "config/examples/topology.yaml";

static void test_load_with_embedded_data(void **state)
{
    static const struct {
        const char *map, *client, *site;
    } rows[] = {
        { "api", "198.51.100.200", "eu-west" }, /* network office */
        { "api", "2001:db8:ffff::1", "eu-west" },
        { "api", "129.187.10.100", "eu-west" }, /* Munich */
        { "api", "129.94.0.196", "us-west" },   /* Sydney */
        { "api", "128.32.244.172", "us-west" }, /* Berkeley, California */
        { "edge", "143.107.1.9", "gru1" },      /* São Paulo */
        { "edge", "137.132.21.27", "sin1" },    /* Singapore */
    };
    struct run run;
    struct geo_settings geo;
    (void)state;
    geo_settings_init(&geo);
    assert_string_equal(geo.city[0], GEO_EMBEDDED);
    assert_int_equal(geo.max_radius_km, 500);
    start(&run, example, geo.city, geo.city_count, NULL);
    assert_string_equal(buf_text(&run.out), "");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(first_site(run.world, rows[i].map, rows[i].client), rows[i].site);
    assert_int_equal(run.info.database_count, 1);
    assert_string_equal(run.info.databases[0].path, GEO_EMBEDDED);
    assert_true(run.info.databases[0].info.build_epoch > 1700000000);
    assert_true(run.info.databases[0].info.prefix_count > 100000);
    assert_true(run.info.geo.leaf_count > 0);
    finish(&run);
    geo_settings_fini(&geo);
}

/* Two shapes, two families: flat.mmdb knows IPv4 alone, and comes last, so it wins on 192.0.2/24.
 */
static void test_load_joins_databases(void **state)
{
    char nested[] = "tests/data/nested.mmdb", flat[] = "tests/data/flat.mmdb";
    char *both[] = { nested, flat }, *reverse[] = { flat, nested };
    struct run run;
    (void)state;
    start(&run, example, both, 2, NULL);
    assert_int_equal(run.err, ERR_OK);
    assert_int_equal(run.info.database_count, 2);
    assert_string_equal(run.info.databases[1].path, "tests/data/flat.mmdb");
    assert_string_equal(run.info.databases[1].info.type, "flat city ipv4");
    assert_string_equal(first_site(run.world, "api", "192.0.2.1"), "us-west");    /* California */
    assert_string_equal(first_site(run.world, "api", "203.0.113.1"), "us-east");  /* Quebec */
    assert_string_equal(first_site(run.world, "api", "198.51.100.1"), "eu-west"); /* England */
    finish(&run);
    start(&run, example, reverse, 2, NULL);
    assert_string_equal(first_site(run.world, "api", "192.0.2.1"), "us-east"); /* Virginia */
    finish(&run);
}

static void test_info_value_tells_of_databases_in_order(void **state)
{
    char nested[] = "tests/data/nested.mmdb", flat[] = "tests/data/flat.mmdb";
    char *both[] = { nested, flat };
    struct run run;
    (void)state;
    start(&run, example, both, ARRAY_SIZE(both), NULL);
    json_t *value = world_info_value(&run.info);
    const json_t *list = json_object_get(value, "databases");
    assert_int_equal(json_array_size(list), ARRAY_SIZE(both));
    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        const json_t *row = json_array_get(list, i);
        const struct mmdb_info *info = &run.info.databases[i].info;
        assert_true(str_eq_text(json_get_str(row, "path"), both[i]));
        assert_true(str_eq_text(json_get_str(row, "type"), info->type));
        assert_int_equal(json_get_int(row, "built", -1), info->build_epoch);
        assert_int_equal(json_get_int(row, "prefixes", -1), info->prefix_count);
        assert_true(info->prefix_count > 0);
    }
    assert_int_equal(json_get_int(value, "classes", -1), run.info.geo.class_count);
    assert_int_equal(json_get_int(value, "leaves", -1), run.info.geo.leaf_count);
    assert_int_equal(json_get_int(value, "bytes", -1), run.info.geo.memory_bytes);
    json_decref(value);
    finish(&run);
}

static const char asn_topology[] = "regions:\n"
                                   "  a: { at: [1, 2], addresses: [192.0.2.1] }\n"
                                   "  b: { at: [50, 2], addresses: [192.0.2.2] }\n"
                                   "areas: { isp: { asns: [64500] } }\n"
                                   "maps: { m: { rules: [{ from: isp, to: [b] }, { to: [a] }] } }\n"
                                   "names: { n.example: { map: m } }\n";

static void test_load_warns_of_missing_asns(void **state)
{
    char path[] = "/tmp/steer-world-XXXXXX", flat[] = "tests/data/flat.mmdb";
    char *city[] = { flat };
    struct run run;
    (void)state;
    close(mkstemp(path));
    assert_int_equal(file_replace(path, str_from(asn_topology), false), ERR_OK);
    start(&run, path, city, 1, NULL);
    assert_int_equal(run.err, ERR_OK);
    assert_string_equal(buf_text(&run.out), "warning: the topology uses AS numbers, but geo.asn "
                                            "names no database for them\n");
    finish(&run);
    /* a city database in the place of an ASN database holds no AS numbers */
    start(&run, path, city, 1, flat);
    assert_int_equal(run.err, ERR_OK);
    assert_string_equal(buf_text(&run.out),
                        "tests/data/flat.mmdb: warning: the database holds no AS numbers\n");
    assert_true(run.info.databases[1].is_asn);
    finish(&run);
    unlink(path);
}

/* Topology and every database are reported in one run, and nothing is handed out. */
static void test_load_reports_everything(void **state)
{
    char path[] = "/tmp/steer-world-XXXXXX", missing[] = "/nonexistent/c.mmdb";
    char text[] = "config/examples/dns.yaml", expected[512];
    char *city[] = { missing, text };
    struct run run;
    (void)state;
    close(mkstemp(path));
    assert_int_equal(file_replace(path, STR("regions: 5\n"), false), ERR_OK);
    start(&run, path, city, 2, missing);
    assert_int_equal(run.err, ERR_INVALID);
    snprintf(expected, sizeof(expected),
             "%s:1:10: error: 'regions' must be names with a mapping each, found '5'\n"
             "/nonexistent/c.mmdb: error: cannot open the database: No such file or directory\n"
             "config/examples/dns.yaml: error: not a usable MaxMind DB file: it has no metadata\n"
             "/nonexistent/c.mmdb: error: cannot open the database: No such file or directory\n",
             path);
    assert_string_equal(buf_text(&run.out), expected);
    assert_int_equal(run.info.database_count, 0);
    finish(&run);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_with_embedded_data),
        cmocka_unit_test(test_load_joins_databases),
        cmocka_unit_test(test_info_value_tells_of_databases_in_order),
        cmocka_unit_test(test_load_warns_of_missing_asns),
        cmocka_unit_test(test_load_reports_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
