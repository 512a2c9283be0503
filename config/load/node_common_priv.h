/* SPDX-License-Identifier: Apache-2.0 */
/* How the rows that both node files have become settings.
 *
 * Threads:   owner only.
 */
#pragma once

#include <stddef.h>

#include "config/load/node_common.h"

enum { NODE_PATH_MAX_BYTES = 4095, NODE_TEXT_MAX_BYTES = 255 };

struct raw_geo {
    struct schema_texts city;
    char *asn;
    uint32_t max_radius_km;
};
struct raw_store {
    char *directory;
};
struct raw_admin {
    struct schema_head head;
    char *socket;
    struct schema_listens listen;
    bool listen_orders;
};
struct raw_common {
    char *topology, *state, *break_glass, *name;
    struct raw_store store;
    struct raw_geo geo;
    struct raw_admin admin;
    unsigned log;
};

extern const struct schema node_common_store_schema, node_common_geo_schema;
extern const char *const node_common_log_words[];

/* The `doc` texts are what `steer explain-config` and the manual pages say. */

#define NODE_AT(type, member) .offset = offsetof(struct type, member)
#define NODE_PATH .kind = SCHEMA_STRING, .min = 1, .max = NODE_PATH_MAX_BYTES

/* Rows for a struct whose member `common` is a struct raw_common: the first ones of its table. */
#define NODE_FIRST_KEYS(type)                                                                      \
    { .name = "topology",                                                                          \
      NODE_PATH,                                                                                   \
      NODE_AT(type, common.topology),                                                              \
      .is_required = true,                                                                         \
      .doc = "The topology file. Paths are relative to this file." },                              \
        { .name = "store",                                                                         \
          .kind = SCHEMA_MAPPING,                                                                  \
          NODE_AT(type, common.store),                                                             \
          .child = &node_common_store_schema,                                                      \
          .doc = "Where the steering document lives." },                                           \
        { .name = "state",                                                                         \
          NODE_PATH,                                                                               \
          NODE_AT(type, common.state),                                                             \
          .fallback = "/var/lib/steer/state",                                                      \
          .doc = "Folder for the last-known-good document of this node." },                        \
        { .name = "break_glass",                                                                   \
          NODE_PATH,                                                                               \
          NODE_AT(type, common.break_glass),                                                       \
          .doc = "File of orders that beat the document on this node alone." },                    \
        { .name = "node",                                                                          \
          .kind = SCHEMA_NAME,                                                                     \
          NODE_AT(type, common.name),                                                              \
          .fallback_doc = "the host name",                                                         \
          .doc = "Name of this node in status and presence." },                                    \
    {                                                                                              \
        .name = "geo", .kind = SCHEMA_MAPPING, NODE_AT(type, common.geo),                          \
        .child = &node_common_geo_schema, .doc = "Where addresses are."                            \
    }

/* The last ones; `admin_schema` is of a struct raw_admin. */
#define NODE_LAST_KEYS(type, admin_schema)                                                         \
    { .name = "admin",                                                                             \
      .kind = SCHEMA_MAPPING,                                                                      \
      NODE_AT(type, common.admin),                                                                 \
      .child = &(admin_schema),                                                                    \
      .doc = "Metrics, status and control." },                                                     \
    {                                                                                              \
        .name = "log", .kind = SCHEMA_WORD, NODE_AT(type, common.log),                             \
        .words = node_common_log_words, .fallback = "info",                                        \
        .doc = "Least important message that is written."                                          \
    }

/* Rows of a struct raw_admin. */
#define NODE_ADMIN_KEYS(default_socket)                                                            \
    { .name = "socket",                                                                            \
      NODE_PATH,                                                                                   \
      NODE_AT(raw_admin, socket),                                                                  \
      .fallback = default_socket,                                                                  \
      .doc = "Unix socket of the admin interface." },                                              \
        { .name = "listen",                                                                        \
          .kind = SCHEMA_LISTEN,                                                                   \
          NODE_AT(raw_admin, listen),                                                              \
          .max = 1,                                                                                \
          .doc = "The same over TCP, on a loopback address: for everybody on the machine, so "     \
                 "nothing "                                                                        \
                 "but GET." },                                                                     \
    {                                                                                              \
        .name = "listen_orders", .kind = SCHEMA_BOOL, NODE_AT(raw_admin, listen_orders),           \
        .fallback = "false",                                                                       \
        .doc = "POST over 'listen', too: whoever is on the machine may reload and drain."          \
    }

/* The text leaves the raw struct. */
char *node_common_take(char **text);
/* Beside the node file `file`; NULL stays NULL. */
char *node_common_path(const char *file, const char *path);
uint32_t node_common_cpus(uint32_t most);
/* Empties `raw`, which was read from `file`, and checks what its tables cannot. */
void node_common_build(struct raw_common *raw, const char *file, struct node_common *out_common,
                       struct diag *diag);
void node_common_fini(struct node_common *common);
