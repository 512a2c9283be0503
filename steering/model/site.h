/* SPDX-License-Identifier: Apache-2.0 */
/* A place that answers clients: a region (data centre with origins) or a PoP (proxy site).
 *
 * Threads:   immutable once its topology is built.
 * Ownership: a site belongs to its topology, which frees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/addr.h"
#include "steering/base/str.h"

enum { SITE_MAX = 1024 };

/* Index into topology->sites, in the order of the file: regions first, then PoPs. */
struct site_id {
    uint16_t n;
};
#define SITE_NONE ((struct site_id){ UINT16_MAX })

static inline bool site_is_none(struct site_id id)
{
    return id.n == UINT16_MAX;
}
static inline bool site_id_eq(struct site_id a, struct site_id b)
{
    return a.n == b.n;
}

enum site_kind { SITE_REGION, SITE_POP };

/* One instance of a region's front door on the backbone. */
struct site_gateway {
    struct addr addr;
    uint16_t port;
};

enum { SITE_GATEWAY_MAX = 64 };

struct site {
    char *name; /* unique across regions and PoPs */
    enum site_kind kind;
    double lat_deg, lon_deg;
    uint32_t capacity; /* requests per second; 0 = not stated */
    char *group;       /* NULL: none */
    struct addr *addresses;
    size_t address_count;
    char *cname;                   /* absolute lower-case name with final dot, or NULL */
    struct site_gateway *gateways; /* of a region; PoPs have none */
    size_t gateway_count;
    char *identity; /* DNS name in the certificates of its nodes on the backbone; never NULL:
                       NAME.region.steer or NAME.pop.steer when the file says nothing */
};

/* "region" or "pop". */
const char *site_kind_name(enum site_kind kind);
bool site_has_family(const struct site *site, enum addr_family family);
/* Great-circle distance on a sphere. */
double site_distance_km(const struct site *site, double lat_deg, double lon_deg);
