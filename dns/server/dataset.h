/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that comes from files, loaded together: node file, topology, databases, zones. A
 * reload makes a new one, whole, or none.
 *
 * Threads:   dataset_load anywhere (it reads files); afterwards the content is immutable, and ref
 *            and unref belong to the main thread.
 * Ownership: counted; whoever calls dataset_load holds the first reference.
 */
#pragma once

#include "config/load/node.h"
#include "dns/answer/view.h"
#include "dns/server/site_counts.h"

struct dataset {
    unsigned refs;
    struct node *node;
    struct world *world;
    struct world_info info;
    struct zone_set *zones; /* bound to the world's topology */
    struct answer_settings settings;
    int64_t loaded_unix_s;
    uint64_t load_ns; /* how long it took */
    /* Once it serves: */
    struct site_counts counts;
    struct dataset *next_live; /* the server's list of those whose counts are not in its totals */
    void (*on_retire)(void *owner, struct dataset *dataset); /* the last reference goes */
    void *owner;
};

/* Every problem of every file is in `diag`. `*out_dataset` has no counters yet. */
MUST_USE enum err dataset_load(const char *node_path, struct diag *diag,
                               struct dataset **out_dataset);
struct dataset *dataset_ref(struct dataset *dataset);
void dataset_unref(struct dataset *dataset); /* accepts NULL */

/* What differs between the node file that the server was started with and this one, and cannot
 * change while it runs: one warning each. */
void dataset_warn_restart(const struct node *started, const struct node *now, struct diag *diag);
