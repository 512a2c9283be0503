/* SPDX-License-Identifier: Apache-2.0 */
/* The topology loader: from raw structs to struct topology, one file per part of the file.
 *
 * Every step reports what it finds and goes on; the result counts only when `diag` has no errors.
 * Threads: owner only.
 */
#pragma once

#include "config/load/topology_raw_priv.h"
#include "steering/base/diag.h"
#include "steering/base/suggest.h"
#include "steering/model/topology.h"

struct loader {
    const char *path;
    struct diag *diag;
    const struct raw_topology *raw;
    struct topology *topology;
    struct digest_stream *digest;
    long *area_index;                       /* raw area -> index in topology->areas */
    size_t area_capacity, network_capacity; /* of the topology's arrays */
    /* Whole sections could not be read, which was reported: what refers to them may be right. */
    bool has_lost_sites, has_lost_areas, has_lost_maps;
};

/* topology_load.c */

/* "'us-est' is not a site; did you mean 'us-east'?" with what `suggest` has found. */
void loader_unknown(struct loader *loader, const struct schema_text *text, const char *what,
                    const struct suggest *suggest);
/* SITE_NONE after reporting. `also` (NULL-terminated, or NULL): words that would have been right.
 */
struct site_id loader_find_site(struct loader *loader, const struct schema_text *text,
                                const char *const *also);
/* Index, or -1. */
long loader_find_network(const struct loader *loader, struct str name);
long loader_find_raw_area(const struct loader *loader, struct str name);

/* The site as it was written. */
const struct raw_site *loader_raw_site(const struct loader *loader, size_t site);

/* topology_backbone.c: identities and gateways of the sites. */

void loader_build_backbone(struct loader *loader);

/* topology_network.c */

void loader_build_networks(struct loader *loader);
/* Takes ownership of the content; returns the index. */
uint32_t loader_add_network(struct loader *loader, const struct network *network);

/* topology_area.c: areas, and areas made for rules. */

/* An area on its way: its terms, and which of the two lists is being read. */
struct draft {
    struct loader *loader;
    struct area area;
    size_t capacity;
    bool is_except;
    size_t expanded;
};

/* Adds a term that stands at `text`; twice the same is worth a warning. */
void draft_add_written(struct draft *draft, const struct schema_text *text, struct area_term term);
/* A hint for a thing that is something else: "'EU' is a continent; list it under 'continents'". */
void draft_report_misplaced(struct draft *draft, const struct schema_text *text, const char *is,
                            const char *key);
void loader_build_areas(struct loader *loader);
/* The area of a rule's `from`; absent means everybody. */
uint32_t loader_area_of_rule(struct loader *loader, const struct schema_texts *from);
/* `from` is absent or "any". */
bool loader_is_everybody(const struct schema_texts *from);

/* topology_place.c: adds the place that `text` names, or reports why there is none. */

void draft_add_continent(struct draft *draft, const struct schema_text *text);
void draft_add_country(struct draft *draft, const struct schema_text *text);
void draft_add_subdivision(struct draft *draft, const struct schema_text *text);

/* topology_map.c */

void loader_build_maps(struct loader *loader);

/* topology_lint.c: warnings about a topology that was built without errors. */
void topology_lint(struct loader *loader);
