/* SPDX-License-Identifier: Apache-2.0 */
/* How long a city-sized database takes to build and compile, and what a lookup costs.
 *
 * Usage: geo_lookup_bench [PREFIXES [LOOKUPS]]; under callgrind, two runs with different LOOKUPS
 * give instructions per lookup as a difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "steering/base/clock.h"
#include "steering/base/rng.h"
#include "steering/model/geo.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum { SITES = 12, PLACES = 60000, CLIENTS = 1 << 16 };

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static long peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static struct topology *make_topology(void)
{
    struct topology *topology = topology_new();
    struct rng rng = rng_init(7);
    struct site_id sites[SITES];
    char name[32];
    for (size_t i = 0; i < SITES; i++) {
        snprintf(name, sizeof(name), "site%zu", i);
        sites[i] = fixture_site(topology, name, SITE_REGION, (double)rng_below(&rng, 130) - 60,
                                (double)rng_below(&rng, 360) - 180, NULL);
    }
    struct area_term europe = { .kind = AREA_CONTINENT, .code = "EU" };
    uint32_t eu = fixture_area_of(topology, "europe", europe);
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id api = fixture_map(topology, "api", 1, ALL_DOWN_BASE);
    fixture_rule(topology, api, eu, sites, 3);
    struct rule *rule = fixture_rule(topology, api, any, sites, 3);
    rule->is_nearest = true;
    struct map_id web = fixture_map(topology, "web", 1, ALL_DOWN_BASE);
    rule = fixture_rule(topology, web, any, sites, SITES);
    rule->is_nearest = true;
    rule->nearest_count = 3;
    return topology;
}

/* Neighbours in address space are neighbours on the map, as in the real data. */
static struct location place(struct rng *rng, size_t at, size_t count)
{
    static const char continents[6][3] = { "AF", "AS", "EU", "NA", "OC", "SA" };
    static uint32_t town;
    if (rng_below(rng, 3) > 0)
        town = (uint32_t)(at * PLACES / count + rng_below(rng, 400)) % PLACES;
    struct rng own = rng_init(town / 100);
    struct location location = { .has_coordinates = true };
    memcpy(location.continent, continents[rng_below(&own, 6)], 3);
    location.country[0] = (char)('A' + rng_below(&own, 26));
    location.country[1] = (char)('A' + rng_below(&own, 26));
    location.lat_deg = (float)rng_below(&own, 120) - 60 + (float)(town % 100) / 20;
    location.lon_deg = (float)rng_below(&own, 350) - 180 + (float)(town % 97) / 20;
    return location;
}

static void add_v4(struct geo_builder *builder, struct rng *rng, size_t count)
{
    uint64_t at = (uint64_t)1 << 24;
    unsigned usual_bits = 8;
    while ((uint64_t)1 << usual_bits < count)
        usual_bits++;
    for (size_t i = 0; i < count && at < (uint64_t)224 << 24; i++) {
        unsigned bits = usual_bits - 2 + (unsigned)rng_below(rng, 6);
        bits = bits > 30 ? 30 : bits;
        while (at & (((uint64_t)1 << (32 - bits)) - 1))
            bits++;
        struct addr addr = addr_from_v4_u32((uint32_t)at);
        struct cidr net = cidr_make(&addr, bits);
        struct location location = place(rng, i, count);
        geo_builder_add_location(builder, &net, &location);
        at += (uint64_t)1 << (32 - bits);
    }
}

static void add_v6(struct geo_builder *builder, struct rng *rng, size_t count)
{
    uint64_t at = (uint64_t)0x2400 << 48;
    for (size_t i = 0; i < count; i++) {
        unsigned bits = 40 + (unsigned)rng_below(rng, 9);
        at += (uint64_t)1 << (64 - bits);
        at &= ~(((uint64_t)1 << (64 - bits)) - 1);
        struct addr addr = { .family = ADDR_V6 };
        for (unsigned j = 0; j < 8; j++)
            addr.bytes[j] = (uint8_t)(at >> (56 - 8 * j));
        struct cidr net = cidr_make(&addr, bits);
        struct location location = place(rng, i, count);
        geo_builder_add_location(builder, &net, &location);
    }
}

static void measure(const struct geo *geo, enum addr_family family, size_t lookups)
{
    static struct addr clients[CLIENTS];
    struct rng rng = rng_init(42);
    uint64_t sum = 0, scopes = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct addr){ .family = (uint8_t)family };
        for (size_t j = 0; j < (family == ADDR_V4 ? 4 : 8); j++)
            clients[i].bytes[j] = (uint8_t)rng_below(&rng, 256);
        if (family == ADDR_V6)
            clients[i].bytes[0] = 0x24, clients[i].bytes[1] = 0;
    }
    uint64_t start = clock_monotonic_ns();
    for (size_t i = 0; i < lookups; i++) {
        struct geo_match match = geo_lookup(geo, &clients[i % CLIENTS]);
        sum += match.class_id;
        scopes += match.scope_bits;
    }
    printf("%s: %.1f ns a lookup, mean scope /%.1f (checksum %llu)\n",
           family == ADDR_V4 ? "IPv4" : "IPv6", seconds_since(start) * 1e9 / (double)lookups,
           (double)scopes / (double)lookups, (unsigned long long)sum);
}

int main(int argc, char **argv)
{
    size_t prefixes = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000000;
    size_t lookups = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000000;
    struct rng rng = rng_init(1);
    struct diag diag;
    struct geo *geo = NULL;
    diag_init(&diag);
    struct topology *topology = make_topology();
    struct geo_builder *builder = geo_builder_new();
    uint64_t start = clock_monotonic_ns();
    add_v4(builder, &rng, prefixes * 6 / 10);
    add_v6(builder, &rng, prefixes * 4 / 10);
    printf("build: %zu prefixes in %.2f s, peak %ld MiB\n", prefixes, seconds_since(start),
           peak_mib());
    start = clock_monotonic_ns();
    if (geo_compile(topology, builder, &diag, &geo) != ERR_OK) {
        fprintf(stderr, "%s\n", diag_first(&diag));
        return 1;
    }
    struct geo_stats stats = geo_stats(geo);
    printf("compile: %.2f s, peak %ld MiB; %zu locations, %zu leaves, %zu classes, %.1f MiB\n",
           seconds_since(start), peak_mib(), stats.location_count, stats.leaf_count,
           stats.class_count, (double)stats.memory_bytes / 1048576);
    geo_builder_free(builder);
    measure(geo, ADDR_V4, lookups);
    measure(geo, ADDR_V6, lookups);
    geo_free(geo);
    topology_free(topology);
    diag_fini(&diag);
    return 0;
}
