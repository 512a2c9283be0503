/* SPDX-License-Identifier: Apache-2.0 */
/* The promise of the geo trie: every address inside a returned scope gets the same answer, the
 * scope is as short as that allows, and no two scopes overlap. Random worlds are compared with a
 * twin that matches rules directly on the address. STEER_SEED=N repeats a run. */
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

enum {
    WORLDS = 60,
    LOOKUPS = 120,
    ANCHORS = 24,
    PREFIXES_MAX = 48,
    MAPS_MAX = 4,
};

static uint64_t seed;

/* ---- a random world -------------------------------------------------------------------------- */

struct db_entry {
    struct cidr net;
    struct location location;
    uint32_t asn;
};

struct random_world {
    struct rng rng;
    struct topology *topology;
    struct addr anchors[2][ANCHORS];
    struct db_entry locations[PREFIXES_MAX], asns[PREFIXES_MAX];
    size_t location_count, asn_count;
    bool *is_relevant; /* by network */
};

static const struct location places[] = {
    { .continent = "EU", .country = "DE", .has_coordinates = true, .lat_deg = 51, .lon_deg = 9 },
    { .continent = "EU", .country = "FR", .has_coordinates = true, .lat_deg = 47, .lon_deg = 2 },
    { .continent = "EU", .country = "FR" },
    { .continent = "NA",
      .country = "US",
      .subdivision = "VA",
      .has_coordinates = true,
      .lat_deg = 37.5f,
      .lon_deg = -78.5f },
    { .continent = "NA",
      .country = "US",
      .subdivision = "CA",
      .has_coordinates = true,
      .lat_deg = 36.5f,
      .lon_deg = -119.5f },
    { .continent = "NA", .country = "US" },
    { .continent = "AS", .country = "JP", .has_coordinates = true, .lat_deg = 35, .lon_deg = 139 },
    { .continent = "AF" },
    { .country = "" },
};
static const uint32_t as_numbers[] = { 0, 64500, 64501, 64502, 4200000001u };
/* Where the interesting borders are: special-purpose space and the blocks that addr_fold folds,
 * written down once more: the twin must not ask the code under test. */
static const char *const special_texts[] = {
    "0.0.0.0/8",     "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.168.0.0/16", "::1/128",       "fc00::/7",    "fe80::/10",
};
static const char *const folded_texts[] = { "::ffff:0:0/96", "64:ff9b::/96", "2001::/32",
                                            "2002::/16" };
enum { SPECIALS = ARRAY_SIZE(special_texts), FOLDS = ARRAY_SIZE(folded_texts) };
enum { FOLD_TEREDO = 2, FOLD_6TO4 = 3 };
static struct cidr special_nets[SPECIALS], folded_nets[FOLDS];

static void parse_nets(void)
{
    for (size_t i = 0; i < SPECIALS; i++)
        special_nets[i] = fixture_cidr(special_texts[i]);
    for (size_t i = 0; i < FOLDS; i++)
        folded_nets[i] = fixture_cidr(folded_texts[i]);
}

static unsigned fold_lead_bits(size_t fold)
{
    return fold == FOLD_6TO4 ? 16 : 96;
}

static size_t below(struct random_world *world, size_t bound)
{
    return (size_t)rng_below(&world->rng, bound);
}

static bool one_in(struct random_world *world, size_t n)
{
    return below(world, n) == 0;
}

static struct addr any_addr(struct random_world *world, enum addr_family family)
{
    struct addr addr = { .family = (uint8_t)family };
    for (size_t i = 0; i < (family == ADDR_V4 ? 4 : 16); i++)
        addr.bytes[i] = (uint8_t)below(world, 256);
    return addr;
}

static struct addr flip(struct addr addr, unsigned bit)
{
    addr.bytes[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
    return addr;
}

/* Near one of a few places, so that prefixes nest and touch. */
static struct addr near_anchor(struct random_world *world, enum addr_family family)
{
    struct addr addr = world->anchors[family][below(world, ANCHORS)];
    while (!one_in(world, 3))
        addr = flip(addr, (unsigned)below(world, addr_max_bits(&addr)));
    return addr;
}

static struct cidr any_net(struct random_world *world)
{
    enum addr_family family = (enum addr_family)below(world, 2);
    struct addr addr = near_anchor(world, family);
    unsigned max = addr_max_bits(&addr);
    unsigned bits = (unsigned)below(world, one_in(world, 4) ? 9 : max + 1);
    return cidr_make(&addr, bits);
}

static void make_anchors(struct random_world *world)
{
    for (size_t i = 0; i < ANCHORS; i++) {
        world->anchors[ADDR_V4][i] = any_addr(world, ADDR_V4);
        world->anchors[ADDR_V6][i] = any_addr(world, ADDR_V6);
    }
    for (size_t i = 0; i < SPECIALS; i++)
        world->anchors[special_nets[i].addr.family][i] = special_nets[i].addr;
    for (size_t i = 0; i < FOLDS; i++)
        world->anchors[ADDR_V6][ANCHORS - 1 - i] = folded_nets[i].addr;
}

static void make_databases(struct random_world *world)
{
    world->location_count = below(world, PREFIXES_MAX + 1);
    for (size_t i = 0; i < world->location_count; i++)
        world->locations[i] =
            (struct db_entry){ any_net(world), places[below(world, ARRAY_SIZE(places))], 0 };
    world->asn_count = below(world, PREFIXES_MAX + 1);
    for (size_t i = 0; i < world->asn_count; i++)
        world->asns[i] =
            (struct db_entry){ .net = any_net(world),
                               .asn = as_numbers[below(world, ARRAY_SIZE(as_numbers))] };
}

static void make_sites(struct random_world *world)
{
    char name[32];
    size_t count = 1 + below(world, one_in(world, 8) ? 30 : 7);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "site%zu", i);
        double lat = (double)below(world, 170) - 85, lon = (double)below(world, 360) - 180;
        if (i > 0 && one_in(world, 4)) { /* two in one town: a tie */
            lat = world->topology->sites[i - 1].lat_deg;
            lon = world->topology->sites[i - 1].lon_deg;
        }
        fixture_site(world->topology, name, i < count / 2 ? SITE_REGION : SITE_POP, lat, lon, NULL);
    }
}

static void make_networks(struct random_world *world)
{
    char name[32];
    size_t count = below(world, 7);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "net%zu", i);
        uint32_t network = fixture_network(world->topology, name);
        for (size_t j = below(world, 6); j > 0; j--)
            fixture_network_cidr(world->topology, network, any_net(world));
        for (size_t j = one_in(world, 2) ? 0 : below(world, 3); j > 0; j--)
            fixture_network_asn(world->topology, network,
                                as_numbers[below(world, ARRAY_SIZE(as_numbers))]);
    }
}

static struct area_term any_term(struct random_world *world, uint32_t area)
{
    struct area_term term = { .kind = (enum area_term_kind)below(world, AREA_AREA + 1) };
    const struct location *place = &places[below(world, ARRAY_SIZE(places))];
    if (term.kind == AREA_NETWORK && world->topology->network_count == 0)
        term.kind = AREA_COUNTRY;
    if (term.kind == AREA_AREA && area == 0)
        term.kind = AREA_CONTINENT;
    term.is_except = one_in(world, 4);
    if (term.kind == AREA_CONTINENT)
        memcpy(term.code, place->continent, sizeof(term.code));
    if (term.kind == AREA_COUNTRY || term.kind == AREA_SUBDIVISION)
        memcpy(term.code, place->country, sizeof(term.code));
    if (term.kind == AREA_SUBDIVISION)
        memcpy(term.subdivision, place->subdivision, sizeof(term.subdivision));
    if (term.kind == AREA_NETWORK)
        term.index = (uint32_t)below(world, world->topology->network_count);
    if (term.kind == AREA_ASN)
        term.index = as_numbers[1 + below(world, ARRAY_SIZE(as_numbers) - 1)];
    if (term.kind == AREA_AREA)
        term.index = (uint32_t)below(world, area);
    return term;
}

static void make_areas(struct random_world *world)
{
    char name[32];
    size_t count = 1 + below(world, 7);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "area%zu", i);
        uint32_t area = fixture_area(world->topology, name);
        for (size_t j = 1 + below(world, 4); j > 0; j--)
            fixture_area_term(world->topology, area, any_term(world, area));
    }
    fixture_area_of(world->topology, "any", (struct area_term){ .kind = AREA_ANY });
}

static void make_rule(struct random_world *world, struct map_id map, uint32_t area)
{
    struct topology *topology = world->topology;
    struct site_id sites[32];
    size_t count = 1 + below(world, topology->site_count);
    for (size_t i = 0; i < count; i++)
        sites[i] = (struct site_id){ (uint16_t)((i * 7 + area) % topology->site_count) };
    if (topology->site_count % 7 == 0) /* the stride above would repeat sites */
        for (size_t i = 0; i < count; i++)
            sites[i] = (struct site_id){ (uint16_t)i };
    struct rule *rule = fixture_rule(topology, map, area, sites, count);
    rule->is_nearest = one_in(world, 2);
    if (rule->is_nearest && one_in(world, 2))
        rule->nearest_count = (uint16_t)(1 + below(world, 4));
}

static void make_maps(struct random_world *world)
{
    struct topology *topology = world->topology;
    char name[32];
    size_t count = 1 + below(world, MAPS_MAX);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "map%zu", i);
        struct map_id map =
            fixture_map(topology, name, 1, (enum all_down)below(world, ALL_DOWN_SITES + 1));
        for (size_t j = 0; j < topology->site_count; j++)
            if (!one_in(world, 3))
                fixture_map_pool(topology, map, (struct site_id){ (uint16_t)j });
        for (size_t j = below(world, 5); j > 0; j--)
            make_rule(world, map, (uint32_t)below(world, topology->area_count));
        make_rule(world, map, (uint32_t)topology->area_count - 1);
    }
}

static void mark_relevant(struct random_world *world, uint32_t at)
{
    const struct area *area = &world->topology->areas[at];
    for (size_t i = 0; i < area->term_count; i++) {
        if (area->terms[i].kind == AREA_NETWORK)
            world->is_relevant[area->terms[i].index] = true;
        if (area->terms[i].kind == AREA_AREA)
            mark_relevant(world, area->terms[i].index);
    }
}

static void random_world_init(struct random_world *world, uint64_t number)
{
    *world = (struct random_world){ .rng = rng_init(number), .topology = topology_new() };
    make_anchors(world);
    make_databases(world);
    make_sites(world);
    make_networks(world);
    make_areas(world);
    make_maps(world);
    world->is_relevant = mem_calloc(world->topology->network_count, sizeof(bool));
    for (size_t i = 0; i < world->topology->map_count; i++)
        for (size_t j = 0; j < world->topology->maps[i].rule_count; j++)
            mark_relevant(world, world->topology->maps[i].rules[j].area);
}

static void random_world_fini(struct random_world *world)
{
    free(world->is_relevant);
    topology_free(world->topology);
}

static struct geo *compile(const struct random_world *world)
{
    struct diag diag;
    struct geo *geo = NULL;
    diag_init(&diag);
    struct geo_builder *builder = geo_builder_new();
    for (size_t i = 0; i < world->location_count; i++)
        geo_builder_add_location(builder, &world->locations[i].net, &world->locations[i].location);
    for (size_t i = 0; i < world->asn_count; i++)
        geo_builder_add_asn(builder, &world->asns[i].net, world->asns[i].asn);
    assert_int_equal(geo_compile(world->topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return geo;
}

/* ---- the twin -------------------------------------------------------------------------------- */

struct twin_answer {
    bool is_special;
    unsigned fold; /* number of the folded block + 1, 0 = none */
    struct cell cells[MAPS_MAX];
};

struct twin_facts {
    struct location location;
    uint32_t asn;
    struct addr addr;
};

static struct twin_facts twin_facts(const struct random_world *world, const struct addr *addr)
{
    struct twin_facts facts = { .addr = *addr };
    int best = -1;
    for (size_t i = 0; i < world->location_count; i++) {
        if (world->locations[i].net.bits < best || !cidr_has(&world->locations[i].net, addr))
            continue;
        best = world->locations[i].net.bits;
        facts.location = world->locations[i].location;
    }
    best = -1;
    for (size_t i = 0; i < world->asn_count; i++) {
        if (world->asns[i].net.bits < best || !cidr_has(&world->asns[i].net, addr))
            continue;
        best = world->asns[i].net.bits;
        facts.asn = world->asns[i].asn;
    }
    return facts;
}

static bool twin_in_network(const struct network *network, const struct twin_facts *facts)
{
    for (size_t i = 0; i < network->cidr_count; i++)
        if (cidr_has(&network->cidrs[i], &facts->addr))
            return true;
    for (size_t i = 0; i < network->asn_count; i++)
        if (network->asns[i] == facts->asn && facts->asn != 0)
            return true;
    return false;
}

static bool twin_matches(const struct topology *topology, uint32_t at,
                         const struct twin_facts *facts)
{
    bool is_in = false, is_out = false;
    for (size_t i = 0; i < topology->areas[at].term_count; i++) {
        const struct area_term *term = &topology->areas[at].terms[i];
        const struct location *location = &facts->location;
        bool hit = term->kind == AREA_ANY;
        if (term->kind == AREA_CONTINENT)
            hit = strcmp(location->continent, term->code) == 0;
        if (term->kind == AREA_COUNTRY)
            hit = strcmp(location->country, term->code) == 0;
        if (term->kind == AREA_SUBDIVISION)
            hit = strcmp(location->country, term->code) == 0 &&
                  strcmp(location->subdivision, term->subdivision) == 0;
        if (term->kind == AREA_NETWORK)
            hit = twin_in_network(&topology->networks[term->index], facts);
        if (term->kind == AREA_ASN)
            hit = facts->asn == term->index;
        if (term->kind == AREA_AREA)
            hit = twin_matches(topology, term->index, facts);
        is_in |= hit && !term->is_except;
        is_out |= hit && term->is_except;
    }
    return is_in && !is_out;
}

/* Selection sort by distance: the first of equals comes first. */
static uint8_t twin_order(const struct topology *topology, const struct site_id *from, size_t count,
                          const struct location *by, size_t max, struct site_id *out_sites)
{
    bool taken[64] = { false };
    size_t made = 0;
    for (; made < count && made < max; made++) {
        size_t best = count;
        for (size_t i = 0; i < count; i++) {
            if (taken[i])
                continue;
            if (best == count) {
                best = i;
                continue;
            }
            if (by == NULL)
                continue;
            const struct site *a = &topology->sites[from[i].n];
            const struct site *b = &topology->sites[from[best].n];
            if (site_distance_km(a, (double)by->lat_deg, (double)by->lon_deg) <
                site_distance_km(b, (double)by->lat_deg, (double)by->lon_deg))
                best = i;
        }
        taken[best] = true;
        out_sites[made] = from[best];
    }
    return (uint8_t)made;
}

static void twin_cell(const struct topology *topology, const struct map *map,
                      const struct twin_facts *facts, struct cell *cell)
{
    const struct location *by = facts->location.has_coordinates ? &facts->location : NULL;
    while (!twin_matches(topology, map->rules[cell->rule].area, facts))
        cell->rule++;
    const struct rule *rule = &map->rules[cell->rule];
    size_t max = CANDIDATE_MAX;
    if (rule->is_nearest && rule->nearest_count > 0 && rule->nearest_count < max)
        max = rule->nearest_count;
    cell->candidate_count = twin_order(topology, rule->sites, rule->site_count,
                                       rule->is_nearest ? by : NULL, max, cell->candidates);
    if (map->all_down != ALL_DOWN_NEAREST)
        return;
    struct site_id others[64];
    size_t other_count = 0;
    for (size_t i = 0; i < map->pool_count; i++) {
        bool is_candidate = false;
        for (size_t j = 0; j < cell->candidate_count; j++)
            is_candidate |= site_id_eq(cell->candidates[j], map->pool[i]);
        if (!is_candidate)
            others[other_count++] = map->pool[i];
    }
    cell->spare_count = twin_order(topology, others, other_count, by, CANDIDATE_MAX, cell->spares);
}

static bool twin_is_special(const struct random_world *world, const struct addr *addr)
{
    bool is_special = false;
    for (size_t i = 0; i < SPECIALS; i++)
        is_special |= cidr_has(&special_nets[i], addr);
    for (size_t i = 0; i < world->topology->network_count; i++)
        for (size_t j = 0; world->is_relevant[i] && j < world->topology->networks[i].cidr_count;
             j++)
            if (cidr_has(&world->topology->networks[i].cidrs[j], addr))
                return false;
    return is_special;
}

static struct twin_answer twin_lookup(const struct random_world *world, const struct addr *addr)
{
    struct twin_answer answer;
    struct addr inner = *addr;
    memset(&answer, 0, sizeof(answer)); /* unused candidates too: they are compared */
    for (unsigned i = 0; i < FOLDS; i++)
        if (cidr_has(&folded_nets[i], addr))
            answer.fold = i + 1;
    if (answer.fold > 0)
        addr_fold(addr, &inner);
    struct twin_facts facts = twin_facts(world, &inner);
    answer.is_special = twin_is_special(world, &inner);
    for (size_t i = 0; i < world->topology->map_count; i++)
        twin_cell(world->topology, &world->topology->maps[i], &facts, &answer.cells[i]);
    return answer;
}

static bool cell_eq(const struct cell *a, const struct cell *b)
{
    return a->rule == b->rule && a->candidate_count == b->candidate_count &&
           a->spare_count == b->spare_count &&
           memcmp(a->candidates, b->candidates, sizeof(a->candidates)) == 0 &&
           memcmp(a->spares, b->spares, sizeof(a->spares)) == 0;
}

static bool twin_eq(const struct twin_answer *a, const struct twin_answer *b)
{
    bool is_equal = a->is_special == b->is_special && a->fold == b->fold;
    for (size_t i = 0; i < MAPS_MAX; i++)
        is_equal = is_equal && cell_eq(&a->cells[i], &b->cells[i]);
    return is_equal;
}

/* ---- the comparison -------------------------------------------------------------------------- */

static struct addr last_of(const struct cidr *net)
{
    struct addr addr = net->addr;
    for (unsigned bit = net->bits; bit < addr_max_bits(&addr); bit++)
        addr = flip(addr, bit);
    return addr;
}

static bool add_one(struct addr *addr, int direction)
{
    for (size_t i = addr_max_bits(addr) / 8; i > 0; i--) {
        uint8_t *byte = &addr->bytes[i - 1];
        *byte = (uint8_t)(*byte + direction);
        if (*byte != (direction > 0 ? 0x00 : 0xff))
            return true;
    }
    return false;
}

/* Every address where something may begin or end, offered to `visit` if it lies in `scope`. */
struct visitor {
    const struct random_world *world;
    const struct geo *geo;
    struct cidr scope;
    struct twin_answer answer;
    struct geo_match match;
    bool has_other; /* an address with another answer was seen */
    void (*visit)(struct visitor *visitor, const struct addr *addr);
};

static void offer(struct visitor *visitor, const struct addr *addr)
{
    if (cidr_has(&visitor->scope, addr))
        visitor->visit(visitor, addr);
}

static void offer_borders(struct visitor *visitor, const struct cidr *net)
{
    struct addr first = net->addr, last = last_of(net);
    offer(visitor, &first);
    offer(visitor, &last);
    if (add_one(&first, -1))
        offer(visitor, &first);
    if (add_one(&last, 1))
        offer(visitor, &last);
}

/* `inner` in the IPv6 form `fold`; `like` lends Teredo its server and port. */
static struct addr wrap(const struct addr *inner, size_t fold, const struct addr *like)
{
    unsigned lead = fold_lead_bits(fold);
    struct addr addr = fold == FOLD_TEREDO ? cidr_make(like, lead).addr : folded_nets[fold].addr;
    for (unsigned i = 0; i < 4; i++)
        addr.bytes[lead / 8 + i] =
            fold == FOLD_TEREDO ? (uint8_t)~inner->bytes[i] : inner->bytes[i];
    return addr;
}

/* The borders of `net`; those of an IPv4 net also as seen through the IPv6 forms. */
static void offer_all(struct visitor *visitor, const struct cidr *net)
{
    if (net->addr.family == visitor->scope.addr.family) {
        offer_borders(visitor, net);
        return;
    }
    for (size_t i = 0; i < FOLDS && net->addr.family == ADDR_V4; i++) {
        if (!cidr_has(&folded_nets[i], &visitor->scope.addr))
            continue;
        struct addr addr = wrap(&net->addr, i, &visitor->scope.addr);
        struct cidr seen = cidr_make(&addr, fold_lead_bits(i) + net->bits);
        offer_borders(visitor, &seen);
    }
}

static void visit_borders(struct visitor *visitor)
{
    const struct random_world *world = visitor->world;
    offer_borders(visitor, &visitor->scope);
    for (size_t i = 0; i < world->location_count; i++)
        offer_all(visitor, &world->locations[i].net);
    for (size_t i = 0; i < world->asn_count; i++)
        offer_all(visitor, &world->asns[i].net);
    for (size_t i = 0; i < world->topology->network_count; i++)
        for (size_t j = 0; j < world->topology->networks[i].cidr_count; j++)
            offer_all(visitor, &world->topology->networks[i].cidrs[j]);
    for (size_t i = 0; i < SPECIALS; i++)
        offer_all(visitor, &special_nets[i]);
    for (size_t i = 0; i < FOLDS; i++)
        offer_all(visitor, &folded_nets[i]);
}

static void fail_at(const struct visitor *visitor, const struct addr *addr, const char *what)
{
    char text[ADDR_TEXT_MAX], scope[CIDR_TEXT_MAX];
    fail_msg("STEER_SEED=%llu: %s at %s, scope %s", (unsigned long long)seed, what,
             addr_format(addr, text), cidr_format(&visitor->scope, scope));
}

static void expect_same(struct visitor *visitor, const struct addr *addr)
{
    struct geo_match match = geo_lookup(visitor->geo, addr);
    struct twin_answer answer = twin_lookup(visitor->world, addr);
    if (!twin_eq(&answer, &visitor->answer))
        fail_at(visitor, addr, "the scope covers another answer");
    if (match.class_id != visitor->match.class_id)
        fail_at(visitor, addr, "the scope covers another class");
    if (match.scope_bits != visitor->match.scope_bits)
        fail_at(visitor, addr, "the scope overlaps another scope");
}

static void look_for_other(struct visitor *visitor, const struct addr *addr)
{
    if (visitor->has_other)
        return;
    struct twin_answer answer = twin_lookup(visitor->world, addr);
    visitor->has_other = !twin_eq(&answer, &visitor->answer);
}

static void expect_equal_to_twin(const struct visitor *visitor, const struct addr *addr)
{
    const struct topology *topology = visitor->world->topology;
    if (visitor->match.is_special != visitor->answer.is_special)
        fail_at(visitor, addr, "special or not?");
    for (uint16_t i = 0; i < topology->map_count; i++) {
        struct map_id map = { i };
        struct cell_id id = geo_cell(visitor->geo, visitor->match.class_id, map);
        const struct cell *cell = geo_cell_at(visitor->geo, map, id);
        if (cell->rule != visitor->answer.cells[i].rule)
            fail_at(visitor, addr, "another rule than the twin");
        if (!cell_eq(cell, &visitor->answer.cells[i]))
            fail_at(visitor, addr, "other sites than the twin");
    }
}

static void check_address(struct random_world *world, const struct geo *geo,
                          const struct addr *addr)
{
    struct addr inner;
    struct visitor visitor = {
        .world = world,
        .geo = geo,
        .answer = twin_lookup(world, addr),
        .match = geo_lookup(geo, addr),
        .visit = expect_same,
    };
    unsigned scope_bits = visitor.match.scope_bits;
    assert_true(scope_bits <= addr_max_bits(addr));
    visitor.scope = cidr_make(addr, scope_bits);
    expect_equal_to_twin(&visitor, addr);
    visit_borders(&visitor);
    for (size_t i = 0; i < 4; i++) { /* and a few from the middle */
        struct addr other = *addr;
        for (unsigned bit = scope_bits; bit < addr_max_bits(addr); bit++)
            if (one_in(world, 2))
                other = flip(other, bit);
        expect_same(&visitor, &other);
    }
    unsigned lead = addr_fold(addr, &inner);
    if (scope_bits == lead) /* nothing shorter can be claimed */
        return;
    visitor.scope = cidr_make(addr, scope_bits - 1);
    visitor.visit = look_for_other;
    visit_borders(&visitor);
    if (!visitor.has_other)
        fail_at(&visitor, addr, "the scope is longer than it must be; this one would do");
}

static struct addr any_client(struct random_world *world)
{
    if (!one_in(world, 4))
        return one_in(world, 8) ? any_addr(world, (enum addr_family)below(world, 2))
                                : near_anchor(world, (enum addr_family)below(world, 2));
    struct addr inner = near_anchor(world, ADDR_V4);
    size_t fold = below(world, FOLDS);
    struct addr like = folded_nets[fold].addr;
    like.bytes[4] = (uint8_t)below(world, 256);
    return wrap(&inner, fold, &like);
}

static void test_lookup_scope_holds_one_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        struct random_world world;
        random_world_init(&world, seed + i);
        struct geo *geo = compile(&world);
        for (size_t j = 0; j < LOOKUPS; j++) {
            struct addr addr = any_client(&world);
            check_address(&world, geo, &addr);
        }
        geo_free(geo);
        random_world_fini(&world);
    }
}

int main(void)
{
    const char *wanted = getenv("STEER_SEED");
    seed = wanted != NULL ? strtoull(wanted, NULL, 10) : rng_seed() >> 16;
    parse_nets();
    print_message("STEER_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_scope_holds_one_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
