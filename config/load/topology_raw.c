/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/topology_raw_priv.h"

#include <stddef.h>

#include "config/load/topology_load.h"
#include "steering/base/mem.h"

/* The `doc` texts are what `steer explain-config` and the manual page say. */

enum { ADDRESS_MAX = 32, LIST_MAX = 2000, NETWORK_ASN_MAX = 100000 };

#define AT(type, member) .offset = offsetof(struct type, member)
#define CHILD(schema) .child = &(schema)

#define SITE_KEYS(place, identity_doc)                                                             \
    {                                                                                              \
        .name = "at",                                                                              \
        .kind = SCHEMA_COORDINATES,                                                                \
        AT(raw_site, at),                                                                          \
        .is_required = true,                                                                       \
        .doc = "Where the " place " is; 'nearest' measures from here.",                            \
    },                                                                                             \
        {                                                                                          \
            .name = "addresses",                                                                   \
            .kind = SCHEMA_ADDRESSES,                                                              \
            AT(raw_site, addresses),                                                               \
            .min = 1,                                                                              \
            .max = ADDRESS_MAX,                                                                    \
            .doc = "IPv4 and IPv6 addresses that clients are sent to. A " place                    \
                   " that a map can choose needs addresses or a cname.",                           \
        },                                                                                         \
        {                                                                                          \
            .name = "cname",                                                                       \
            .kind = SCHEMA_STRING,                                                                 \
            AT(raw_site, cname),                                                                   \
            .min = 1,                                                                              \
            .max = 254,                                                                            \
            .doc = "Name to answer with a CNAME record instead of addresses.",                     \
        },                                                                                         \
        {                                                                                          \
            .name = "capacity",                                                                    \
            .kind = SCHEMA_U32,                                                                    \
            AT(raw_site, capacity),                                                                \
            .min = 1,                                                                              \
            .max = UINT32_MAX,                                                                     \
            .doc = "Requests per second that the " place " can serve.",                            \
        },                                                                                         \
        {                                                                                          \
            .name = "group",                                                                       \
            .kind = SCHEMA_NAME,                                                                   \
            AT(raw_site, group),                                                                   \
            .doc = "Sites of one group are shown together.",                                       \
        },                                                                                         \
    {                                                                                              \
        .name = "identity", .kind = SCHEMA_STRING, AT(raw_site, identity), .min = 1, .max = 254,   \
        .fallback_doc = identity_doc,                                                              \
        .doc = "DNS name in the backbone certificates of the " place "'s nodes.",                  \
    }

static const struct schema_key region_keys[] = {
    SITE_KEYS("region", "NAME.region.steer"),
    { .name = "gateways",
      .kind = SCHEMA_PEERS,
      AT(raw_site, gateways),
      .min = 1,
      .max = SITE_GATEWAY_MAX,
      .doc = "Where the region's gateways (steer-pop) listen on the backbone. Without, no PoP "
             "reaches the region." },
};
static const struct schema_key pop_keys[] = { SITE_KEYS("PoP", "NAME.pop.steer") };
static const struct schema region_schema = { .what = "region",
                                             .keys = region_keys,
                                             .key_count = ARRAY_SIZE(region_keys),
                                             .size = sizeof(struct raw_site),
                                             .has_head = true };
static const struct schema pop_schema = { .what = "PoP",
                                          .keys = pop_keys,
                                          .key_count = ARRAY_SIZE(pop_keys),
                                          .size = sizeof(struct raw_site),
                                          .has_head = true };

static const struct schema_key network_keys[] = {
    { .name = "cidrs",
      .kind = SCHEMA_CIDRS,
      AT(raw_network, cidrs),
      .min = 1,
      .max = TOPOLOGY_CIDR_MAX,
      .doc = "Prefixes of the network." },
    { .name = "files",
      .kind = SCHEMA_TEXTS,
      AT(raw_network, files),
      .min = 1,
      .max = 100,
      .doc = "Files with one prefix a line; '#' starts a comment. Paths are relative to this "
             "file." },
    { .name = "asns",
      .kind = SCHEMA_ASNS,
      AT(raw_network, asns),
      .min = 1,
      .max = NETWORK_ASN_MAX,
      .doc = "Autonomous systems of the network; needs an ASN database." },
};
static const struct schema network_schema = { .what = "network",
                                              .keys = network_keys,
                                              .key_count = ARRAY_SIZE(network_keys),
                                              .size = sizeof(struct raw_network),
                                              .has_head = true };

#define TERM_KEY(key, value_kind, text)                                                            \
    {                                                                                              \
        .name = #key, .kind = (value_kind), AT(raw_terms, key), .min = 1, .max = LIST_MAX,         \
        .doc = (text),                                                                             \
    }
/* raw_area begins with its raw_terms, so these offsets serve for both. */
#define TERM_KEYS                                                                                  \
    TERM_KEY(continents, SCHEMA_TEXTS, "Continents by code (AF AN AS EU NA OC SA) or name."),      \
        TERM_KEY(countries, SCHEMA_TEXTS, "Countries by ISO 3166 code (US) or name."),             \
        TERM_KEY(subdivisions, SCHEMA_TEXTS,                                                       \
                 "States and provinces: US-VA, US-Virginia, or the name alone when it is unique. " \
                 "Known for the large countries."),                                                \
        TERM_KEY(networks, SCHEMA_TEXTS, "Networks of this file by name."),                        \
        TERM_KEY(areas, SCHEMA_TEXTS, "Other areas of this file, in any order."),                  \
        TERM_KEY(cidrs, SCHEMA_CIDRS, "Prefixes."),                                                \
        TERM_KEY(asns, SCHEMA_ASNS, "Autonomous systems; needs an ASN database.")

static const struct schema_key except_keys[] = { TERM_KEYS };
static const struct schema except_schema = { .what = "'except'",
                                             .keys = except_keys,
                                             .key_count = ARRAY_SIZE(except_keys),
                                             .size = sizeof(struct raw_terms),
                                             .has_head = true };
static const struct schema_key area_keys[] = {
    TERM_KEYS,
    { .name = "except",
      .kind = SCHEMA_MAPPING,
      AT(raw_area, except),
      CHILD(except_schema),
      .doc = "What is taken out again. An area of 'except' alone is everything else." },
};
static const struct schema area_schema = { .what = "area",
                                           .keys = area_keys,
                                           .key_count = ARRAY_SIZE(area_keys),
                                           .size = sizeof(struct raw_area),
                                           .has_head = true };

static const struct schema_key rule_keys[] = {
    { .name = "from",
      .kind = SCHEMA_TEXTS,
      AT(raw_rule, from),
      .min = 1,
      .max = LIST_MAX,
      .fallback_doc = "any",
      .doc = "Whom the rule is for: an area, a network, a list of them, or any. The first rule "
             "that matches decides." },
    { .name = "to",
      .kind = SCHEMA_TEXTS,
      AT(raw_rule, to),
      .is_required = true,
      .min = 1,
      .max = SITE_MAX,
      .doc = "Sites in order of preference, or 'nearest', or 'nearest 3' for the three nearest." },
};
static const struct schema rule_schema = { .what = "the rule",
                                           .keys = rule_keys,
                                           .key_count = ARRAY_SIZE(rule_keys),
                                           .size = sizeof(struct raw_rule),
                                           .has_head = true };

static const struct schema_key map_keys[] = {
    { .name = "sites",
      .kind = SCHEMA_TEXTS,
      AT(raw_map, sites),
      .min = 1,
      .max = SITE_MAX,
      .fallback = "regions",
      .doc = "What 'nearest' chooses from: regions, pops, all, or a list of sites." },
    { .name = "answers",
      .kind = SCHEMA_U32,
      AT(raw_map, answers),
      .min = 1,
      .max = ANSWER_SITES_MAX,
      .fallback = "1",
      .doc = "How many sites one answer names." },
    { .name = "all_down",
      .kind = SCHEMA_TEXTS,
      AT(raw_map, all_down),
      .min = 1,
      .max = SITE_MAX,
      .fallback = "base",
      .doc = "What to answer when none of a rule's sites may be used: base (the rule's sites "
             "nevertheless), nearest (any usable site of the map), or a list of sites." },
    { .name = "rules",
      .kind = SCHEMA_LIST,
      AT(raw_map, rules),
      CHILD(rule_schema),
      .is_required = true,
      .min = 1,
      .max = RULE_MAX,
      .doc = "Rules, tried from the first on; the last one must match everybody." },
};
static const struct schema map_schema = { .what = "map",
                                          .keys = map_keys,
                                          .key_count = ARRAY_SIZE(map_keys),
                                          .size = sizeof(struct raw_map),
                                          .has_head = true };

static const struct schema_key https_keys[] = {
    { .name = "alpn",
      .kind = SCHEMA_TEXTS,
      AT(raw_https, alpn),
      .min = 1,
      .max = 8,
      .fallback = "[h2, http/1.1]",
      .doc = "Protocols that the sites speak." },
    { .name = "port",
      .kind = SCHEMA_U32,
      AT(raw_https, port),
      .min = 1,
      .max = UINT16_MAX,
      .doc = "Port, when it is not 443." },
};
static const struct schema https_schema = { .what = "'https'",
                                            .keys = https_keys,
                                            .key_count = ARRAY_SIZE(https_keys),
                                            .size = sizeof(struct raw_https),
                                            .has_head = true };

static const struct schema_key name_keys[] = {
    { .name = "map",
      .kind = SCHEMA_NAME,
      AT(raw_name, map),
      .is_required = true,
      .doc = "Map that answers the name." },
    { .name = "ttl",
      .kind = SCHEMA_SECONDS,
      AT(raw_name, ttl_s),
      .max = TTL_MAX_S,
      .fallback = "60",
      .doc = "Time that resolvers may keep an answer." },
    { .name = "ttl_moving",
      .kind = SCHEMA_SECONDS,
      AT(raw_name, ttl_moving_s),
      .max = TTL_MAX_S,
      .fallback_doc = "20, or ttl when that is shorter",
      .doc = "The same while steering changes what the client gets." },
    { .name = "ecs",
      .kind = SCHEMA_BOOL,
      AT(raw_name, uses_ecs),
      .fallback = "true",
      .doc = "Whether the client subnet that resolvers pass on (RFC 7871) counts." },
    { .name = "https",
      .kind = SCHEMA_MAPPING,
      AT(raw_name, https),
      CHILD(https_schema),
      .doc = "Answer HTTPS records too; without this there are none." },
};
static const struct schema name_schema = { .what = "name",
                                           .keys = name_keys,
                                           .key_count = ARRAY_SIZE(name_keys),
                                           .size = sizeof(struct raw_name),
                                           .has_head = true };

static const struct schema_key topology_keys[] = {
    { .name = "regions",
      .kind = SCHEMA_NAMED,
      AT(raw_topology, regions),
      CHILD(region_schema),
      .is_required = true,
      .min = 1,
      .max = SITE_MAX,
      .doc = "Data centre sites that run origins." },
    { .name = "pops",
      .kind = SCHEMA_NAMED,
      AT(raw_topology, pops),
      CHILD(pop_schema),
      .max = SITE_MAX,
      .doc = "Points of presence: proxy sites near clients." },
    { .name = "networks",
      .kind = SCHEMA_NAMED,
      AT(raw_topology, networks),
      CHILD(network_schema),
      .max = NETWORK_MAX,
      .doc = "Named lists of prefixes and autonomous systems." },
    { .name = "areas",
      .kind = SCHEMA_NAMED,
      AT(raw_topology, areas),
      CHILD(area_schema),
      .max = AREA_MAX,
      .doc = "Named sets of places and networks." },
    { .name = "maps",
      .kind = SCHEMA_NAMED,
      AT(raw_topology, maps),
      CHILD(map_schema),
      .max = MAP_MAX,
      .doc = "Steering policies: ordered rules from areas to sites." },
    { .name = "names",
      .kind = SCHEMA_NAMED,
      .has_free_names = true,
      AT(raw_topology, names),
      CHILD(name_schema),
      .max = NAME_MAX_COUNT,
      .doc = "DNS names that are answered from a map." },
};
const struct schema topology_schema = { .what = "the topology",
                                        .keys = topology_keys,
                                        .key_count = ARRAY_SIZE(topology_keys),
                                        .size = sizeof(struct raw_topology) };

void topology_explain_config(struct buf *out)
{
    schema_explain(&topology_schema, out);
}
