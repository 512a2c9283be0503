/* SPDX-License-Identifier: Apache-2.0 */
/* The node file as it is written: one struct per mapping. node.c makes a struct node of it.
 *
 * Threads:   owner only.
 * Ownership: schema_fini(&node_schema, raw); heads borrow from the tree.
 */
#pragma once

#include "config/load/node_common_priv.h"

struct raw_zone {
    struct schema_head head;
    char *zone, *file;
};
struct raw_tcp {
    uint32_t connections, per_client, pipeline;
    uint64_t idle_ms, write_ms;
};
struct raw_dns {
    struct schema_listens listen;
    uint32_t workers, edns_size;
    char *user, *identity, *version;
    bool has_chaos, has_debug_txt, uses_ecs;
    struct schema_cidrs ecs_trusted;
    struct raw_tcp tcp;
};
struct raw_node {
    struct raw_common common;
    struct schema_items zones; /* struct raw_zone */
    struct raw_dns dns;
};

extern const struct schema node_schema; /* of struct raw_node */
