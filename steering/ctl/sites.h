/* SPDX-License-Identifier: Apache-2.0 */
/* Which regions and PoPs exist, as far as the store's folder or a topology file tells.
 *
 * Shape:     what the nodes announced (the dead are remembered), and what the document lists.
 * Threads:   any (plain value).
 * Ownership: copies all names.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/model/change.h"
#include "steering/store/presence.h"

struct sites {
    char **names[2]; /* by enum site_kind, sorted */
    size_t count[2];
    struct str *views[2]; /* of the names, for struct change_world */
    bool *is_everywhere;  /* regions that all living nodes know; NULL: all */
    /* Of the topology that all living nodes share, or of the file; "" when they differ or there is
     * none. */
    char topology[DIGEST_TEXT_MAX];
    bool has_several_topologies;
};

/* Any argument may be NULL. */
void sites_collect(const struct presences *presences, const struct document *document,
                   struct sites *out_sites);
/* Those of a topology file, and nothing else. */
MUST_USE enum err sites_load(const char *topology_path, struct diag *diag, struct sites *out_sites);
void sites_fini(struct sites *sites);
struct change_world sites_world(const struct sites *sites);
