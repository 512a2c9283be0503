/* SPDX-License-Identifier: Apache-2.0 */
/* A named set of places and networks: the left side of a steering rule.
 *
 * An address is in the area when a term matches it and no `is_except` term does.
 * Threads:   immutable once its topology is built.
 * Ownership: belongs to its topology.
 */
#pragma once

#include <stddef.h>

#include "steering/base/cidr.h"
#include "steering/model/location.h"

/* A named list of prefixes and autonomous systems. */
struct network {
    char *name; /* generated ("area europe, line 12") for lists written inside an area */
    struct cidr *cidrs;
    size_t cidr_count;
    uint32_t *asns;
    size_t asn_count;
};

enum area_term_kind {
    AREA_ANY,         /* everything */
    AREA_CONTINENT,   /* code[] = "EU" */
    AREA_COUNTRY,     /* code[] = "US" */
    AREA_SUBDIVISION, /* code[] = "US", subdivision[] = "VA" */
    AREA_NETWORK,     /* index into topology->networks */
    AREA_ASN,         /* index = AS number */
    AREA_AREA,        /* index into topology->areas, always smaller than the own one */
};

struct area_term {
    enum area_term_kind kind;
    bool is_except;
    char code[3];
    char subdivision[4];
    uint32_t index;
};

struct area {
    char *name;
    struct area_term *terms;
    size_t term_count;
};

/* The facts about one address that areas are matched against. */
struct area_subject {
    const struct location *location;
    uint32_t asn;             /* 0: unknown */
    const uint16_t *networks; /* sorted indexes of the networks whose CIDRs contain it */
    size_t network_count;
};

/* `areas` and `networks` are the topology's arrays, for AREA_AREA and the ASNs of networks. */
bool area_matches(const struct area *area, const struct area *areas, const struct network *networks,
                  const struct area_subject *subject);
