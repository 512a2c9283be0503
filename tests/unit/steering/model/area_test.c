/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/steering/model/topology_fixture.h"

/* Areas of the rows below, by index. */
enum { VIRGINIA, US_BUT_VIRGINIA, EUROPE, BUT_ALL, PEERS, AS_64500, MIX, ANY, NOTHING };

static struct topology *areas(void)
{
    struct topology *topology = topology_new();
    uint32_t peers = fixture_network(topology, "peers");
    fixture_network_cidr(topology, peers, fixture_cidr("198.51.100.0/24"));
    fixture_network_asn(topology, peers, 64501);
    struct area_term virginia = { .kind = AREA_SUBDIVISION, .code = "US", .subdivision = "VA" };
    struct area_term us = { .kind = AREA_COUNTRY, .code = "US" };
    struct area_term area = { .kind = AREA_AREA, .index = VIRGINIA, .is_except = true };
    fixture_area_of(topology, "virginia", virginia);
    uint32_t rest = fixture_area_of(topology, "us but virginia", us);
    fixture_area_term(topology, rest, area);
    fixture_area_of(topology, "europe", (struct area_term){ .kind = AREA_CONTINENT, .code = "EU" });
    fixture_area_of(topology, "but all", (struct area_term){ .kind = AREA_ANY, .is_except = true });
    fixture_area_of(topology, "peers", (struct area_term){ .kind = AREA_NETWORK, .index = peers });
    fixture_area_of(topology, "as", (struct area_term){ .kind = AREA_ASN, .index = 64500 });
    uint32_t mix =
        fixture_area_of(topology, "mix", (struct area_term){ .kind = AREA_AREA, .index = EUROPE });
    fixture_area_term(topology, mix, (struct area_term){ .kind = AREA_AREA, .index = PEERS });
    fixture_area_term(topology, mix,
                      (struct area_term){ .kind = AREA_COUNTRY, .is_except = true, .code = "FR" });
    fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    fixture_area(topology, "nothing");
    return topology;
}

static void test_matches(void **state)
{
    static const struct row {
        struct location location;
        uint32_t asn;
        bool is_peer;
        const char *areas; /* one letter by area: x = in it */
    } rows[] = {
        { { "NA", "US", "VA", false, 0, 0, 0 }, 0, false, "x......x." },
        { { "NA", "US", "CA", false, 0, 0, 0 }, 0, false, ".x.....x." },
        { { "NA", "US", "", false, 0, 0, 0 }, 0, false, ".x.....x." },
        { { "EU", "VA", "", false, 0, 0, 0 }, 0, false, "..x...xx." }, /* the Vatican */
        { { "EU", "FR", "VA", false, 0, 0, 0 }, 0, false, "..x....x." },
        { { "", "", "", false, 0, 0, 0 }, 0, false, ".......x." },
        { { "", "", "", false, 0, 0, 0 }, 64500, false, ".....x.x." },
        { { "", "", "", false, 0, 0, 0 }, 64501, false, "....x.xx." },
        { { "", "", "", false, 0, 0, 0 }, 0, true, "....x.xx." },
        { { "EU", "FR", "", false, 0, 0, 0 }, 64500, true, "..x.xx.x." },
    };
    (void)state;
    static const uint16_t peers[] = { 0 };
    struct topology *topology = areas();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct area_subject subject = {
            .location = &rows[i].location,
            .asn = rows[i].asn,
            .networks = peers,
            .network_count = rows[i].is_peer ? 1 : 0,
        };
        for (size_t j = 0; j < topology->area_count; j++)
            if (area_matches(&topology->areas[j], topology->areas, topology->networks, &subject) !=
                (rows[i].areas[j] == 'x'))
                fail_msg("row %zu, area %s", i, topology->areas[j].name);
    }
    topology_free(topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_matches) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
