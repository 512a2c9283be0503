/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a builder, for the compiler.
 * Threads:   owner only.
 */
#pragma once

#include "steering/model/geo.h"
#include "steering/model/intern.h"
#include "steering/model/prefix_trie.h"

struct geo_builder {
    struct intern locations; /* struct location, canonical; number 0 = nothing known */
    struct intern asns;      /* uint32_t; number 0 = AS 0 = unknown */
    struct prefix_trie location_trie, asn_trie; /* values: those numbers */
};

static inline const struct location *geo_builder_location(const struct geo_builder *builder,
                                                          uint32_t number)
{
    return intern_at(&builder->locations, number);
}
