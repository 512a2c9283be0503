/* SPDX-License-Identifier: Apache-2.0 */
/* Which class an address belongs to, by what is known of it: the maps' rules are matched once
 * per distinct set of facts, never per prefix.
 *
 * Shape:     (place, AS, networks) = subject -> first matching rule of every map;
 *            (subject, coordinates) -> one cell per map -> class.
 * Threads:   owner only.
 * Ownership: borrows topology and builder; geo_classifier_fini.
 * Limits:    GEO_CLASS_MAX, CELL_MAX: beyond them `err` is set and classes mean nothing.
 */
#pragma once

#include "steering/model/geo_builder_priv.h"

enum geo_space { GEO_ORDINARY, GEO_SPECIAL, GEO_FOLDED, GEO_SPACE_COUNT };
/* Of all folded space: a lookup that ends there starts again with the IPv4 address inside. */
enum { GEO_CLASS_FOLDED = 0 };

struct geo_classifier {
    const struct topology *topology;
    const struct geo_builder *builder;
    struct diag *diag;
    enum err err;

    struct intern sets;     /* linked lists of networks; number 0 = the empty set */
    struct intern places;   /* struct location without coordinates */
    struct intern subjects; /* (place, AS, set) */
    struct intern facts;    /* (location, subject, space) where coordinates decide */
    struct intern classes;  /* space, then a cell number per map */
    struct intern *cells;   /* struct cell, by map */

    uint32_t *place_of;           /* by location number; UNKNOWN = not looked up yet */
    uint32_t *class_of_location;  /* for no AS, no network, ordinary space */
    struct geo_subject *outcomes; /* by subject number */
    uint16_t *rules;              /* map_count a subject: the rule that matches first */
    size_t outcome_count, outcome_capacity, rules_capacity;
    uint32_t *class_of_facts;
    size_t facts_capacity;

    double (*site_vectors)[3]; /* by site_id: on the unit sphere */
    double *distances;         /* by site_id, from the location in `distances_from` */
    uint32_t distances_from;
    uint16_t *scratch;
};

void geo_classifier_init(struct geo_classifier *classifier, const struct topology *topology,
                         const struct geo_builder *builder, struct diag *diag);
void geo_classifier_fini(struct geo_classifier *classifier);
/* `set` with `network` added; the same list always gets the same number. */
uint32_t geo_classifier_add_network(struct geo_classifier *classifier, uint32_t set,
                                    uint32_t network);
/* `location` is a number of the builder, `asn` an AS number that some rule names, or 0. */
uint32_t geo_classifier_class(struct geo_classifier *classifier, uint32_t location, uint32_t asn,
                              uint32_t set, enum geo_space space);
