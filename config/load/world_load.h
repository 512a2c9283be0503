/* SPDX-License-Identifier: Apache-2.0 */
/* From files to the world that steering works on: topology, databases, compiled geo trie.
 *
 * Threads:   any; reads files, so never from a worker.
 * Ownership: see each function.
 */
#pragma once

#include "config/load/mmdb.h"
#include "steering/base/json.h"
#include "steering/model/snapshot.h"

/* Stands for a path: the database that is part of the program. */
#define GEO_EMBEDDED "embedded"

/* Which databases say where addresses are. */
struct geo_settings {
    char **city; /* GEO_EMBEDDED or files, City or Country; later ones win on equal prefixes */
    size_t city_count;
    char *asn; /* NULL: AS numbers are unknown */
    uint32_t max_radius_km;
};
/* GEO_EMBEDDED alone, as for a node file that says nothing. */
void geo_settings_init(struct geo_settings *settings);
void geo_settings_fini(struct geo_settings *settings);

enum { WORLD_DATABASE_MAX = 9, GEO_CITY_MAX = 8 };

/* What was loaded, for status and metrics. */
struct world_database {
    char *path; /* or GEO_EMBEDDED */
    bool is_asn;
    struct mmdb_info info;
};
struct world_info {
    struct world_database databases[WORLD_DATABASE_MAX];
    size_t database_count;
    struct geo_stats geo;
};
void world_info_fini(struct world_info *info);
/* {"databases":[{"path","type","built","prefixes"}…],"classes","leaves","bytes"}, owned by the
 * caller. */
json_t *world_info_value(const struct world_info *info);

/* Loads and compiles everything. `*out_world` is one reference, for the caller; `out_info` may be
 * NULL. On failure `diag` holds every problem and both outputs are untouched. */
MUST_USE enum err world_load(const char *topology_path, const struct geo_settings *geo,
                             struct diag *diag, struct world_info *out_info,
                             struct world **out_world);
