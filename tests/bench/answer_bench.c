/* SPDX-License-Identifier: Apache-2.0 */
/* answer_bench CASE COUNT: builds COUNT answers, for callgrind (as the difference of two run
 * lengths) and for wall time. The packets of a case differ from each other as real ones do; copying
 * one into place is part of every case and is what the case "copy" measures alone.
 * answer_bench view COUNT builds COUNT views of 3 maps, about 500 cells each and 10 names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/answer/answer.h"
#include "dns/wire/octets.h"
#include "steering/base/clock.h"
#include "steering/base/rng.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum {
    PREFIXES = 50000,
    PACKETS = 4096, /* a power of two */
    PACKET_MAX_BYTES = 512,
    BUFFER_BYTES = 4096,
    STATIC_NAMES = 2000,
    PLACES = 500,
    MAPS = 3,
    NAMES = 10,
    REGIONS = 9,
};

struct packet {
    uint8_t bytes[PACKET_MAX_BYTES];
    size_t len;
    struct addr client;
};

struct bench {
    struct topology *topology;
    struct world *world;
    struct zone_set *zones;
    struct answer_view *view;
    struct packet packets[PACKETS];
};

static void check(enum err err, const struct diag *diag)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "answer_bench: %s\n", diag_first(diag));
    exit(1);
}

static struct topology *make_topology(void)
{
    struct topology *topology = topology_new();
    for (int i = 0; i < REGIONS; i++) {
        char name[16], v4[32];
        snprintf(name, sizeof(name), "region%d", i);
        snprintf(v4, sizeof(v4), "192.0.2.%d", i + 1);
        struct site_id id =
            fixture_site(topology, name, SITE_REGION, i * 13.0 - 50.0, i * 37.0 - 150.0, v4);
        struct site *site = &topology->sites[id.n];
        FIXTURE_APPEND(site->addresses, site->address_count);
        site->addresses[1] = fixture_addr("2001:db8::1");
        site->addresses[1].bytes[15] = (uint8_t)(i + 1);
    }
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    for (int i = 0; i < MAPS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "map%d", i);
        struct map_id map = fixture_map(topology, name, (uint8_t)(i + 1), ALL_DOWN_BASE);
        struct site_id sites[REGIONS];
        for (size_t j = 0; j < REGIONS; j++)
            sites[j] = (struct site_id){ (uint16_t)j };
        struct rule *rule = fixture_rule(topology, map, any, sites, REGIONS);
        rule->is_nearest = true;
    }
    for (int i = 0; i < NAMES; i++) {
        char name[64];
        snprintf(name, sizeof(name), "www%d.example.com.", i);
        fixture_name(topology, name, (struct map_id){ (uint16_t)(i % MAPS) });
        topology->names[i].https_alpn = mem_strdup("h2,http/1.1");
    }
    return topology;
}

static struct geo *make_geo(const struct topology *topology, struct rng *rng)
{
    struct geo_builder *builder = geo_builder_new();
    for (int i = 0; i < PREFIXES; i++) {
        struct addr addr = addr_from_v4_u32((uint32_t)rng_next(rng));
        unsigned bits = 8 + (unsigned)rng_below(rng, 17);
        if (i % 4 == 0) {
            addr = fixture_addr("2001::");
            for (int j = 2; j < 7; j++)
                addr.bytes[j] = (uint8_t)rng_next(rng);
            bits = 32 + (unsigned)rng_below(rng, 25);
        }
        uint64_t place = rng_below(rng, PLACES), row = place / 25;
        struct location location = {
            .continent = "EU",
            .country = "DE",
            .has_coordinates = true,
            .lat_deg = (float)(place % 25) * 7.0f - 85.0f,
            .lon_deg = (float)row * 17.0f - 170.0f,
        };
        struct cidr net = cidr_make(&addr, bits);
        geo_builder_add_location(builder, &net, &location);
    }
    struct geo *geo = NULL;
    struct diag diag;
    diag_init(&diag);
    check(geo_compile(topology, builder, &diag, &geo), &diag);
    diag_fini(&diag);
    geo_builder_free(builder);
    return geo;
}

static struct zone_set *make_zones(const struct topology *topology)
{
    char path[] = "/tmp/steer-answer-bench-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    fputs("$ORIGIN example.com.\n$TTL 300\n@ SOA ns1 host 1 7200 900 1209600 300\n"
          "@ NS ns1\n@ NS ns2\nns1 A 192.0.2.53\nns2 A 192.0.2.54\n"
          "child NS ns.child\nns.child A 192.0.2.55\nalias CNAME www0\n",
          file);
    for (int i = 0; i < STATIC_NAMES; i++)
        fprintf(file, "host%d A 192.0.2.%d\n", i, i % 256);
    fclose(file);
    const struct zone_source source = { "example.com", path };
    struct zone_steered names[NAMES];
    for (size_t i = 0; i < NAMES; i++)
        names[i] = (struct zone_steered){ .name = topology->names[i].name, .has_https = true };
    struct zone_set *zones = NULL;
    struct diag diag;
    diag_init(&diag);
    check(zone_set_load(&source, 1, &diag, &zones), &diag);
    check(zone_set_bind(zones, names, NAMES, &diag), &diag);
    diag_fini(&diag);
    unlink(path);
    return zones;
}

static struct answer_view *make_view(const struct bench *bench)
{
    const struct answer_settings settings = { .edns_payload_bytes = 1232, .uses_ecs = true };
    struct snapshot *snapshot = snapshot_new(bench->world, document_new("bench"), NULL);
    struct answer_view *view = answer_view_new(snapshot, bench->zones, &settings);
    snapshot_unref(snapshot);
    return view;
}

/* What a case asks. */
struct scenario {
    const char *name;
    const char *format; /* of the name, with a number */
    unsigned modulo;
    uint16_t type;
    int ecs_bits; /* -1: no EDNS, 0: EDNS alone; 24 or 56: with ECS */
};

static const struct scenario scenarios[] = {
    { "static", "host%u.example.com.", STATIC_NAMES, TYPE_A, -1 },
    { "static-edns", "host%u.example.com.", STATIC_NAMES, TYPE_A, 0 },
    { "geo", "www%u.example.com.", NAMES, TYPE_A, -1 },
    { "geo-edns", "www%u.example.com.", NAMES, TYPE_A, 0 },
    { "geo-ecs", "www%u.example.com.", NAMES, TYPE_A, 24 },
    { "geo-ecs6", "www%u.example.com.", NAMES, TYPE_AAAA, 56 },
    { "geo-https", "www%u.example.com.", NAMES, TYPE_HTTPS, 24 },
    { "chased", "alias.example.com.", 1, TYPE_A, 24 },
    { "nxdomain", "nothing%u.example.com.", 100000, TYPE_A, 0 },
    { "referral", "x%u.child.example.com.", 100000, TYPE_A, 0 },
    { "refused", "host%u.elsewhere.test.", 100000, TYPE_A, 0 },
};

static uint8_t *put_opt(uint8_t *at, const struct scenario *scenario, struct rng *rng)
{
    *at++ = 0;
    at = octets_put_u16(at, TYPE_OPT);
    at = octets_put_u16(at, 1232);
    at = octets_put_u32(at, 0);
    if (scenario->ecs_bits == 0)
        return octets_put_u16(at, 0);
    size_t len = (size_t)scenario->ecs_bits / 8;
    struct addr addr = addr_from_v4_u32((uint32_t)rng_next(rng));
    if (scenario->ecs_bits > 32) {
        addr = fixture_addr("2001::");
        for (int j = 2; j < 7; j++)
            addr.bytes[j] = (uint8_t)rng_next(rng);
    }
    at = octets_put_u16(at, (uint16_t)(8 + len));
    at = octets_put_u16(at, 8);
    at = octets_put_u16(at, (uint16_t)(4 + len));
    at = octets_put_u16(at, scenario->ecs_bits > 32 ? 2 : 1);
    *at++ = (uint8_t)scenario->ecs_bits;
    *at++ = 0;
    memcpy(at, addr.bytes, len);
    return at + len;
}

static void make_packets(struct bench *bench, const struct scenario *scenario, struct rng *rng)
{
    for (unsigned i = 0; i < PACKETS; i++) {
        struct packet *packet = &bench->packets[i];
        char name[64];
        /* Formats come from the table above only. */
        unsigned number = (unsigned)rng_below(rng, scenario->modulo);
        const char *mark = strstr(scenario->format, "%u");
        if (mark == NULL)
            snprintf(name, sizeof(name), "%s", scenario->format);
        else
            snprintf(name, sizeof(name), "%.*s%u%s", (int)(mark - scenario->format),
                     scenario->format, number, mark + 2);
        uint8_t *at = octets_put_u16(packet->bytes, (uint16_t)i);
        at = octets_put_u16(at, 0);
        at = octets_put_u16(at, 1);
        at = octets_put_u32(at, 0);
        at = octets_put_u16(at, scenario->ecs_bits >= 0 ? 1 : 0);
        at += name_parse(str_from(name), at);
        at = octets_put_u16(at, scenario->type);
        at = octets_put_u16(at, CLASS_IN);
        if (scenario->ecs_bits >= 0)
            at = put_opt(at, scenario, rng);
        packet->len = (size_t)(at - packet->bytes);
        packet->client = addr_from_v4_u32((uint32_t)rng_next(rng));
    }
}

static void run_answers(const struct bench *bench, const struct scenario *scenario, size_t count)
{
    uint8_t buffer[BUFFER_BYTES];
    size_t octets = 0, steered = 0;
    uint64_t start_ns = clock_monotonic_ns();
    for (size_t i = 0; i < count; i++) {
        const struct packet *packet = &bench->packets[i % PACKETS];
        memcpy(buffer, packet->bytes, packet->len);
        octets += packet->len;
        if (scenario == NULL)
            continue;
        const struct answer_request request = {
            .message = buffer,
            .len = packet->len,
            .capacity = sizeof(buffer),
            .client = packet->client,
        };
        struct answer_note note;
        octets += answer_build(bench->view, &request, &note);
        steered += note.is_steered;
    }
    uint64_t spent_ns = clock_monotonic_ns() - start_ns;
    printf("%s: %zu answers, %.1f ns each, %zu octets, %zu steered\n",
           scenario != NULL ? scenario->name : "copy", count, (double)spent_ns / (double)count,
           octets, steered);
}

static void run_views(const struct bench *bench, size_t count)
{
    uint64_t start_ns = clock_monotonic_ns();
    for (size_t i = 0; i < count; i++)
        answer_view_unref(make_view(bench));
    uint64_t spent_ns = clock_monotonic_ns() - start_ns;
    printf("view: %d maps, %zu cells in the first, %d names, %zu site sets: %.3f ms each\n", MAPS,
           geo_cell_count(bench->world->geo, (struct map_id){ 0 }), NAMES,
           answer_view_site_set_count(bench->view), (double)spent_ns / 1e6 / (double)count);
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t count;
    const struct scenario *scenario = argc == 3 ? find_scenario(argv[1]) : NULL;
    bool is_view = argc == 3 && strcmp(argv[1], "view") == 0;
    bool is_copy = argc == 3 && strcmp(argv[1], "copy") == 0;
    if ((scenario == NULL && !is_view && !is_copy) ||
        !str_parse_u64(str_from(argv[2]), UINT32_MAX, &count)) {
        fprintf(stderr, "usage: answer_bench CASE COUNT\ncases: copy view");
        for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
            fprintf(stderr, " %s", scenarios[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    struct rng rng = rng_init(42); /* the same packets in every run */
    struct bench *bench = mem_calloc(1, sizeof(*bench));
    bench->topology = make_topology();
    bench->world = world_new(bench->topology, make_geo(bench->topology, &rng));
    bench->zones = make_zones(bench->topology);
    bench->view = make_view(bench);
    make_packets(bench, scenario != NULL ? scenario : &scenarios[0], &rng);
    if (is_view)
        run_views(bench, (size_t)count);
    else
        run_answers(bench, scenario, (size_t)count);
    answer_view_unref(bench->view);
    zone_set_unref(bench->zones);
    world_unref(bench->world);
    free(bench);
    return 0;
}
