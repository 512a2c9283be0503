/* SPDX-License-Identifier: Apache-2.0 */
/* One worker: a thread with its own loop, connections, pools and counters. Nothing is shared with
 * other workers but immutable snapshots and what the main thread reads (tally, traffic, log ring).
 *
 * Shape:     client conn -> http session -> exchange -> upstream -> http session -> transport
 *            (client.h)      (pop/http)    (exchange.h) (upstream.h)
 * Threads:   fields above the line belong to the worker's thread alone.
 */
#pragma once

#include <stdatomic.h>

#include "config/load/pop_node.h"
#include "pop/http/codec.h"
#include "pop/route/retry_budget.h"
#include "pop/route/route_table.h"
#include "pop/server/access_log.h"
#include "pop/server/io.h"
#include "pop/server/tally.h"
#include "pop/server/traffic.h"
#include "pop/tls/tls.h"
#include "steering/base/rng.h"
#include "steering/model/snapshot.h"
#include "steering/runtime/publisher.h"

/* Everything that comes from the node file and the topology, and that a reload replaces: one per
 * worker, made by the main thread, counted by the worker's connections and exchanges.
 * Limits, routes and certificates of a request are those of the settings it began with. */
struct settings {
    uint32_t refs;         /* the owning worker's own, not atomic */
    uint64_t version;      /* counts reloads, from 1 */
    struct pop_node *node; /* shared by all workers' settings: node_refs */
    atomic_uint *node_refs;
    struct world *world;              /* one reference */
    struct route_table *routes;       /* over node->routes */
    struct tls_context **tls_listen;  /* by index of node->listens; NULL: plain */
    struct tls_context *tls_backbone; /* client side; NULL: no backbone */
    struct tls_context **tls_origins; /* by index of node->origins; NULL: plain */
    struct http_limits client_limits, backbone_limits, origin_limits;
};
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings); /* accepts NULL; the worker's thread */

struct worker {
    unsigned index, count; /* of all workers */
    enum pop_role role;
    struct site_id site; /* where we are */
    uv_loop_t loop;
    struct io io;
    struct pipe_pool pipes;
    struct rng rng;
    struct settings *settings; /* the present ones */
    struct upstream *upstream;
    struct clients *clients; /* listeners and client connections: client.h */
    struct exchanges *exchanges;
    struct retry_budget *budgets; /* by site */
    bool is_draining;

    /* ---- shared with the main thread ---- */
    struct publisher *snapshots; /* of struct snapshot; slot = index */
    struct tally *tally;         /* written here, read there */
    struct traffic *traffic;
    struct access_log *log;  /* the ring */
    struct mailbox *mailbox; /* worker_thread.c: messages from the main thread */
};
