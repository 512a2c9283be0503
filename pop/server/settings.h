/* SPDX-License-Identifier: Apache-2.0 */
/* Makes struct settings (worker.h): everything that one worker needs of the node file, with the
 * certificates and keys that it names loaded and checked.
 *
 * Threads:   settings_new anywhere (it reads files); then they belong to their worker.
 * Ownership: see worker.h.
 */
#pragma once

#include "pop/server/worker.h"

/* What workers' settings share; borrowed during settings_new, except for what is counted. */
struct settings_source {
    struct pop_node *node;
    atomic_uint *node_refs; /* counts who needs `node`; settings_new takes one */
    struct world *world;    /* one reference is taken */
    uint64_t version;
    const struct ticket_keys *keys;
    int64_t now_unix_s;
};

/* Every problem of every file is in `diag`. */
MUST_USE enum err settings_new(const struct settings_source *source, struct diag *diag,
                               struct settings **out_settings);
/* New ticket keys for all TLS listeners of clients; the worker's thread. */
void settings_set_keys(struct settings *settings, const struct ticket_keys *keys);

/* One reference less to a shared node; any thread. */
void settings_release_node(struct pop_node *node, atomic_uint *node_refs);
