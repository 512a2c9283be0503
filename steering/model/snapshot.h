/* SPDX-License-Identifier: Apache-2.0 */
/* One immutable view of everything that steering depends on: topology, geo trie, document and
 * node-local break-glass modes, resolved to one mode per site.
 *
 * Threads:   immutable; world and snapshot are counted atomically, any thread may ref and unref.
 * Ownership: a snapshot holds a reference to its world and owns its document.
 */
#pragma once

#include <stdatomic.h>

#include "steering/model/document.h"
#include "steering/model/geo.h"

/* What comes from files: it stays while documents come and go. */
struct world {
    atomic_uint refs;
    struct topology *topology;
    struct geo *geo;
};
/* Takes ownership of both. The caller holds the first reference. */
struct world *world_new(struct topology *topology, struct geo *geo);
struct world *world_ref(struct world *world);
void world_unref(struct world *world); /* accepts NULL */

/* Why a site has its mode; the precedence of the design, highest first. */
enum mode_source { MODE_BY_BREAK_GLASS, MODE_BY_DOCUMENT, MODE_BY_DEFAULT };

struct site_state {
    enum mode mode;
    enum mode_source source;
};

/* Node-local orders that beat the document (a file that an operator writes by hand when nothing
 * else works). */
struct break_glass {
    struct break_glass_order {
        char *site;
        enum mode mode;
    } * orders;
    size_t count;
};
/* Text form, one order a line: "evacuate us-east", "drain gru1", "serve eu-west"; '#' starts a
 * comment; the single word "none" is the empty set of orders. All or nothing: any unknown word,
 * unknown site (names in `topology`, NULL = not checked) or a file without any of these is an
 * error with line and column. */
MUST_USE enum err break_glass_parse(struct str text, const struct topology *topology,
                                    struct diag *diag, struct break_glass *out_orders);
void break_glass_fini(struct break_glass *orders);

struct snapshot {
    atomic_uint refs;
    struct world *world;
    struct document *document; /* never NULL */
    struct site_state *states; /* by site_id */
};
/* Takes a reference to `world` and ownership of `document`; `break_glass` (may be NULL) is
 * copied into the states. Sites of the document that the topology lacks are ignored. */
struct snapshot *snapshot_new(struct world *world, struct document *document,
                              const struct break_glass *break_glass);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* accepts NULL */
