/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled trie and its tables.
 * Threads:   immutable.
 */
#pragma once

#include "steering/model/geo.h"
#include "steering/model/geo_table_priv.h"

struct geo {
    const struct topology *topology;
    struct geo_table table;
    uint16_t *class_cells; /* map_count cell numbers a class */
    struct geo_cells {
        struct cell *items;
        size_t count;
    } * cells; /* by map */
    struct geo_stats stats;
};
