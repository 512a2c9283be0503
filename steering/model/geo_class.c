/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/geo_class_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

#define UNKNOWN UINT32_MAX

struct set_item {
    uint32_t rest, network; /* `rest` is the set without `network` */
};
struct subject_item {
    uint32_t place, asn, set;
};
struct fact_item {
    uint32_t location, subject, space;
};
struct geo_subject {
    bool needs_coordinates;
    uint32_t class_id[GEO_SPACE_COUNT]; /* unless coordinates are needed; UNKNOWN = not yet */
};

static uint32_t *unknown_array(size_t count)
{
    uint32_t *array = mem_calloc(count, sizeof(*array));
    for (size_t i = 0; i < count; i++)
        array[i] = UNKNOWN;
    return array;
}

static void to_unit_sphere(double lat_deg, double lon_deg, double out_vector[3])
{
    const double radians = 3.14159265358979323846 / 180.0;
    double lat = lat_deg * radians, lon = lon_deg * radians;
    out_vector[0] = cos(lat) * cos(lon);
    out_vector[1] = cos(lat) * sin(lon);
    out_vector[2] = sin(lat);
}

/* The folded space has a class of its own, the first, that no lookup returns. */
static uint32_t add_folded_class(struct geo_classifier *classifier)
{
    memset(classifier->scratch, 0, classifier->classes.item_size);
    classifier->scratch[0] = GEO_FOLDED;
    return intern_put(&classifier->classes, classifier->scratch);
}

void geo_classifier_init(struct geo_classifier *classifier, const struct topology *topology,
                         const struct geo_builder *builder, struct diag *diag)
{
    const struct set_item empty_set = { UNKNOWN, UNKNOWN };
    size_t maps = topology->map_count;
    *classifier = (struct geo_classifier){
        .topology = topology, .builder = builder, .diag = diag, .distances_from = UNKNOWN
    };
    intern_init(&classifier->sets, sizeof(struct set_item));
    intern_init(&classifier->places, sizeof(struct location));
    intern_init(&classifier->subjects, sizeof(struct subject_item));
    intern_init(&classifier->facts, sizeof(struct fact_item));
    intern_init(&classifier->classes, (maps + 1) * sizeof(uint16_t));
    classifier->cells = mem_calloc(maps, sizeof(*classifier->cells));
    for (size_t i = 0; i < maps; i++)
        intern_init(&classifier->cells[i], sizeof(struct cell));
    classifier->place_of = unknown_array(builder->locations.count);
    classifier->class_of_location = unknown_array(builder->locations.count);
    classifier->scratch = mem_calloc(maps + 1, sizeof(uint16_t));
    classifier->site_vectors = mem_calloc(topology->site_count, sizeof(double[3]));
    classifier->distances = mem_calloc(topology->site_count, sizeof(double));
    for (size_t i = 0; i < topology->site_count; i++)
        to_unit_sphere(topology->sites[i].lat_deg, topology->sites[i].lon_deg,
                       classifier->site_vectors[i]);
    intern_put(&classifier->sets, &empty_set);
    add_folded_class(classifier);
}

void geo_classifier_fini(struct geo_classifier *classifier)
{
    intern_fini(&classifier->sets);
    intern_fini(&classifier->places);
    intern_fini(&classifier->subjects);
    intern_fini(&classifier->facts);
    intern_fini(&classifier->classes);
    for (size_t i = 0; classifier->cells != NULL && i < classifier->topology->map_count; i++)
        intern_fini(&classifier->cells[i]);
    free(classifier->cells);
    free(classifier->place_of);
    free(classifier->class_of_location);
    free(classifier->outcomes);
    free(classifier->rules);
    free(classifier->class_of_facts);
    free(classifier->scratch);
    free(classifier->site_vectors);
    free(classifier->distances);
}

/* ---- sets of networks ---------------------------------------------------------------------- */

uint32_t geo_classifier_add_network(struct geo_classifier *classifier, uint32_t set,
                                    uint32_t network)
{
    for (uint32_t at = set; at != 0;) {
        const struct set_item *item = intern_at(&classifier->sets, at);
        if (item->network == network)
            return set;
        at = item->rest;
    }
    const struct set_item bigger = { .rest = set, .network = network };
    return intern_put(&classifier->sets, &bigger);
}

static size_t list_networks(const struct geo_classifier *classifier, uint32_t set,
                            uint16_t out_networks[NETWORK_MAX])
{
    size_t count = 0;
    while (set != 0) {
        const struct set_item *item = intern_at(&classifier->sets, set);
        size_t at = count++;
        for (; at > 0 && out_networks[at - 1] > item->network; at--)
            out_networks[at] = out_networks[at - 1];
        out_networks[at] = (uint16_t)item->network;
        set = item->rest;
    }
    return count;
}

/* ---- subjects: which rule matches ---------------------------------------------------------- */

static uint32_t find_place(struct geo_classifier *classifier, uint32_t location)
{
    if (classifier->place_of[location] == UNKNOWN) {
        struct location place = *geo_builder_location(classifier->builder, location);
        place.has_coordinates = false;
        place = location_canonical(&place);
        classifier->place_of[location] = intern_put(&classifier->places, &place);
    }
    return classifier->place_of[location];
}

static uint16_t first_match(const struct topology *topology, const struct map *map,
                            const struct area_subject *subject)
{
    uint16_t at = 0;
    while (!area_matches(&topology->areas[map->rules[at].area], topology->areas, topology->networks,
                         subject)) {
        at++;
        assert(at < map->rule_count); /* the last rule of every map matches everything */
    }
    return at;
}

static void match_rules(struct geo_classifier *classifier, const struct subject_item *item,
                        struct geo_subject *out_outcome, uint16_t *out_rules)
{
    uint16_t networks[NETWORK_MAX];
    const struct topology *topology = classifier->topology;
    struct area_subject subject = {
        .location = intern_at(&classifier->places, item->place),
        .asn = item->asn,
        .networks = networks,
        .network_count = list_networks(classifier, item->set, networks),
    };
    *out_outcome = (struct geo_subject){ .needs_coordinates = false };
    for (size_t i = 0; i < GEO_SPACE_COUNT; i++)
        out_outcome->class_id[i] = UNKNOWN;
    for (size_t i = 0; i < topology->map_count; i++) {
        const struct map *map = &topology->maps[i];
        out_rules[i] = first_match(topology, map, &subject);
        if (map->rules[out_rules[i]].is_nearest || map->all_down == ALL_DOWN_NEAREST)
            out_outcome->needs_coordinates = true;
    }
}

static uint32_t find_subject(struct geo_classifier *classifier, const struct subject_item *item)
{
    size_t maps = classifier->topology->map_count;
    uint32_t number = intern_put(&classifier->subjects, item);
    if (classifier->subjects.count * maps > classifier->rules_capacity) {
        classifier->rules_capacity = classifier->subjects.count * maps * 2;
        classifier->rules =
            mem_resize(classifier->rules, classifier->rules_capacity, sizeof(*classifier->rules));
    }
    /* A new number is always the one behind the last. */
    if (classifier->subjects.count > classifier->outcome_count) {
        classifier->outcomes = mem_grow(classifier->outcomes, number, &classifier->outcome_capacity,
                                        sizeof(*classifier->outcomes));
        classifier->outcome_count++;
        match_rules(classifier, item, &classifier->outcomes[number],
                    classifier->rules + number * maps);
    }
    return number;
}

/* ---- cells: in which order the rule's sites come -------------------------------------------- */

static void measure_distances(struct geo_classifier *classifier, uint32_t location_number)
{
    if (classifier->distances_from == location_number)
        return;
    const struct location *location = geo_builder_location(classifier->builder, location_number);
    double from[3];
    to_unit_sphere((double)location->lat_deg, (double)location->lon_deg, from);
    for (size_t i = 0; i < classifier->topology->site_count; i++) {
        const double *to = classifier->site_vectors[i];
        double x = from[0] - to[0], y = from[1] - to[1], z = from[2] - to[2];
        /* The square of the chord orders like the great circle and costs no sine. */
        classifier->distances[i] = x * x + y * y + z * z;
    }
    classifier->distances_from = location_number;
}

static bool has_site(const struct site_id *sites, size_t count, struct site_id wanted)
{
    for (size_t i = 0; i < count; i++)
        if (site_id_eq(sites[i], wanted))
            return true;
    return false;
}

/* A list of sites being ordered: at most `max` of them are kept. */
struct order {
    struct site_id *sites;
    size_t count, max;
};

/* `distances` NULL keeps the order of the offers. Equal distances keep it too. */
static void order_offer(struct order *order, const double *distances, struct site_id site)
{
    size_t at = order->count;
    while (distances != NULL && at > 0 && distances[site.n] < distances[order->sites[at - 1].n])
        at--;
    if (at == order->max)
        return;
    size_t kept = order->count < order->max ? order->count++ : order->max - 1;
    memmove(order->sites + at + 1, order->sites + at, (kept - at) * sizeof(*order->sites));
    order->sites[at] = site;
}

static void fill_cell(const struct map *map, uint16_t rule_number, const double *distances,
                      struct cell *cell)
{
    const struct rule *rule = &map->rules[rule_number];
    size_t max = CANDIDATE_MAX;
    if (rule->is_nearest && rule->nearest_count > 0 && rule->nearest_count < max)
        max = rule->nearest_count;
    struct order candidates = { .sites = cell->candidates, .max = max };
    struct order spares = { .sites = cell->spares, .max = CANDIDATE_MAX };
    cell->rule = rule_number;
    for (size_t i = 0; i < rule->site_count; i++)
        order_offer(&candidates, rule->is_nearest ? distances : NULL, rule->sites[i]);
    cell->candidate_count = (uint8_t)candidates.count;
    for (size_t i = 0; map->all_down == ALL_DOWN_NEAREST && i < map->pool_count; i++)
        if (!has_site(cell->candidates, candidates.count, map->pool[i]))
            order_offer(&spares, distances, map->pool[i]);
    cell->spare_count = (uint8_t)spares.count;
}

static void refuse_cells(struct geo_classifier *classifier, const struct map *map)
{
    if (classifier->err != ERR_OK)
        return;
    diag_error(classifier->diag, 0, 0,
               "map '%s' has more than %d different orders of sites; keep fewer per client "
               "('nearest 3'), or list the sites for when all are down instead of 'nearest'",
               map->name, CELL_MAX);
    classifier->err = ERR_TOO_LARGE;
}

static uint16_t find_cell(struct geo_classifier *classifier, size_t map_number, uint16_t rule,
                          uint32_t location_number)
{
    const struct map *map = &classifier->topology->maps[map_number];
    const double *distances = NULL;
    struct cell cell;
    if ((map->rules[rule].is_nearest || map->all_down == ALL_DOWN_NEAREST) &&
        geo_builder_location(classifier->builder, location_number)->has_coordinates) {
        measure_distances(classifier, location_number);
        distances = classifier->distances;
    }
    memset(&cell, 0, sizeof(cell)); /* padding too: cells are compared by bytes */
    fill_cell(map, rule, distances, &cell);
    uint32_t number = intern_put(&classifier->cells[map_number], &cell);
    if (number >= CELL_MAX) {
        refuse_cells(classifier, map);
        return 0;
    }
    return (uint16_t)number;
}

/* ---- classes ------------------------------------------------------------------------------- */

static uint32_t make_class(struct geo_classifier *classifier, uint32_t location, uint32_t subject,
                           enum geo_space space)
{
    size_t maps = classifier->topology->map_count;
    classifier->scratch[0] = (uint16_t)space;
    for (size_t i = 0; i < maps; i++)
        classifier->scratch[i + 1] =
            find_cell(classifier, i, classifier->rules[subject * maps + i], location);
    uint32_t number = intern_put(&classifier->classes, classifier->scratch);
    if (number < GEO_CLASS_MAX)
        return number;
    if (classifier->err == ERR_OK)
        diag_error(classifier->diag, 0, 0,
                   "the maps tell more than %d kinds of clients apart; use fewer maps with "
                   "'nearest', or keep fewer sites per client ('nearest 3')",
                   GEO_CLASS_MAX);
    classifier->err = ERR_TOO_LARGE;
    return 0;
}

static uint32_t class_by_coordinates(struct geo_classifier *classifier, uint32_t location,
                                     uint32_t subject, enum geo_space space)
{
    const struct fact_item item = { .location = location, .subject = subject, .space = space };
    size_t known = classifier->facts.count;
    uint32_t number = intern_put(&classifier->facts, &item);
    if (classifier->facts.count > known) {
        classifier->class_of_facts =
            mem_grow(classifier->class_of_facts, number, &classifier->facts_capacity,
                     sizeof(*classifier->class_of_facts));
        classifier->class_of_facts[number] = make_class(classifier, location, subject, space);
    }
    return classifier->class_of_facts[number];
}

static uint32_t class_of_subject(struct geo_classifier *classifier, uint32_t location,
                                 uint32_t subject, enum geo_space space)
{
    struct geo_subject *outcome = &classifier->outcomes[subject];
    if (outcome->class_id[space] == UNKNOWN)
        outcome->class_id[space] = make_class(classifier, location, subject, space);
    return outcome->class_id[space];
}

uint32_t geo_classifier_class(struct geo_classifier *classifier, uint32_t location, uint32_t asn,
                              uint32_t set, enum geo_space space)
{
    bool is_plain = asn == 0 && set == 0 && space == GEO_ORDINARY;
    if (space == GEO_FOLDED)
        return GEO_CLASS_FOLDED;
    if (is_plain && classifier->class_of_location[location] != UNKNOWN)
        return classifier->class_of_location[location];
    const struct subject_item item = {
        .place = find_place(classifier, location),
        .asn = asn,
        .set = set,
    };
    uint32_t subject = find_subject(classifier, &item);
    bool needs_coordinates = classifier->outcomes[subject].needs_coordinates;
    if (!is_plain)
        return needs_coordinates ? class_by_coordinates(classifier, location, subject, space)
                                 : class_of_subject(classifier, location, subject, space);
    uint32_t class_id = needs_coordinates ? make_class(classifier, location, subject, space)
                                          : class_of_subject(classifier, location, subject, space);
    classifier->class_of_location[location] = class_id;
    return class_id;
}
