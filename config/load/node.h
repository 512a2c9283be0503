/* SPDX-License-Identifier: Apache-2.0 */
/* The node file: how one steer-dns runs (see config/examples/dns.yaml).
 *
 * Threads:   any; immutable once loaded.
 * Ownership: a node owns its texts and lists; node_free.
 */
#pragma once

#include "config/load/node_common.h"

enum { NODE_ZONE_MAX = 100000 };

struct node_zone {
    char *origin; /* absolute, lower-case, with final dot */
    char *file;
};

struct node_tcp {
    uint32_t connections; /* open at once */
    uint32_t per_client;  /* of those, from one address */
    uint64_t idle_ms;     /* closed after that long without a query */
    uint64_t write_ms;    /* cut off when it does not take an answer for that long */
    uint32_t pipeline;    /* queries in work at once on one connection */
};

struct node_dns {
    struct schema_listens listen;
    uint32_t workers; /* at least 1 */
    char *user;       /* root becomes that user after binding; "" = stay */
    char *identity;   /* NSID and id.server; "" = no answer */
    char *version;    /* version.bind; "" = refused */
    uint32_t edns_size;
    bool has_chaos;     /* answers class CHAOS at all */
    bool has_debug_txt; /* _steer.<zone> TXT */
    bool uses_ecs;
    struct schema_cidrs ecs_trusted; /* empty: everybody's ECS counts */
    struct node_tcp tcp;
};

struct node {
    struct node_common common;
    struct node_zone *zones;
    size_t zone_count;
    struct node_dns dns;
};

/* Parses and validates; every problem is in `diag`. The topology, databases and zones that the
 * file names are not opened. `*out_node` is owned by the caller. */
MUST_USE enum err node_load(const char *path, struct diag *diag, struct node **out_node);
void node_free(struct node *node); /* accepts NULL */
/* Every key of the file, for people. */
void node_explain_config(struct buf *out);
