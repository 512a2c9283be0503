/* SPDX-License-Identifier: Apache-2.0 */
/* What every node file says, whichever server it is for.
 *
 * Threads:   any; immutable once loaded.
 * Ownership: part of a struct node or struct pop_node, which frees it.
 */
#pragma once

#include "config/load/schema.h"
#include "config/load/world_load.h"
#include "steering/base/log.h"

enum { NODE_WORKER_MAX = 256 };

struct node_admin {
    char *socket;
    struct schema_listens listen; /* none or one, loopback only */
    bool listen_takes_orders;     /* POST over `listen`, too */
};

/* Paths are absolute, or relative to the working directory like the node file's own. */
struct node_common {
    char *topology;
    char *store_directory;
    char *state_directory; /* last-known-good */
    char *break_glass;     /* NULL: none */
    char *name;
    struct geo_settings geo;
    struct node_admin admin;
    enum log_level log;
};

/* A setting that a server was started with, and whether the file still says the same. */
struct node_setting {
    const char *key;
    bool is_same;
};
/* Warns of each one that is not the same: it cannot change while a server runs. */
void node_settings_warn_restart(const struct node_setting *settings, size_t count,
                                struct diag *diag);
/* The same for what both servers have: all but topology, geo and log level. */
void node_common_warn_restart(const struct node_common *started, const struct node_common *now,
                              struct diag *diag);
/* NULL is a setting that is not there. */
bool node_text_eq(const char *a, const char *b);
bool node_listens_eq(const struct schema_listens *a, const struct schema_listens *b);
