/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon's life around its workers: from its files and sockets to the last handle of its loop.
 *
 * Shape:     daemon_run
 *              ops.prepare    with the rights that we were started with: loads all files, then
 *                             daemon_bind, after which those rights are gone
 *              ops.run        daemon_open_steering, daemon_open, starts the workers, daemon_start,
 *                             runs the loop, which ends by the daemon_close that ops.stop leads to
 *              ops.clean_up   joins the workers, then daemon_fini, then what only it knows of
 * Threads:   the main thread's own.
 * Ownership: all of it is the daemon's, from when it is opened until daemon_fini.
 */
#pragma once

#include <uv.h>

#include "steering/runtime/admin.h"
#include "steering/runtime/grace.h"
#include "steering/runtime/privileges.h"
#include "steering/runtime/publisher.h"
#include "steering/runtime/reload.h"
#include "steering/runtime/signals.h"
#include "steering/runtime/sockets.h"
#include "steering/runtime/steering.h"

struct daemon_ops {
    enum err (*prepare)(void *owner, struct diag *diag);
    enum err (*run)(void *owner, struct diag *diag);
    void (*clean_up)(void *owner); /* as far as it came */
    void (*stop)(void *owner);     /* SIGTERM or SIGINT: end, perhaps later; maybe not the first */
    void (*settled)(void *owner);  /* every worker has left what was published before */
    /* As struct steering_settings has them. */
    void (*change)(void *owner);
    void (*presence)(void *owner, json_t *presence);
    bool (*has_news)(void *owner);
    struct reload_ops reload;
};

/* What a node file says of a daemon's place in the system. Texts are borrowed until daemon_fini. */
struct daemon_settings {
    const char *id, *role; /* in the store */
    const char *user;      /* whom to become; NULL or "": nobody else */
    const char *store_directory, *state_directory;
    const char *break_glass; /* NULL: none */
    const char *log;         /* a file that is opened anew later; NULL: none */
    struct admin_settings admin;
    size_t worker_count;
    bool has_udp;
};

struct daemon {
    uv_loop_t loop;
    const char *node_path;
    int64_t started_unix_s;
    struct privileges privileges;
    struct sockets sockets;
    struct admin *admin;
    struct steering *steering;
    struct publisher *publisher;
    struct grace grace;
    struct signals signals;
    struct reload reload;
    struct daemon_settings settings;
    const struct daemon_ops *ops;
    void *owner;
    bool is_open; /* grace and signals */
};

/* `owner` is what the ops are given; `node_path` and `ops` are borrowed until it returns. Returns
 * the exit code; 1 after any error, which is on stderr. */
int daemon_run(struct daemon *daemon, const char *node_path, const struct daemon_ops *ops,
               void *owner);

/* Everything that needs the rights we were started with, and then gives them up. */
MUST_USE enum err daemon_bind(struct daemon *daemon, const struct daemon_settings *settings,
                              const struct sockets_wish *listens, size_t listen_count,
                              struct diag *diag);
/* Takes a reference to `world`. */
MUST_USE enum err daemon_open_steering(struct daemon *daemon, struct world *world,
                                       struct diag *diag);
/* Publishes `first` to `slot_count` workers, as publisher_new, and heeds signals. */
void daemon_open(struct daemon *daemon, size_t slot_count, void *first,
                 void (*free_object)(void *object));
/* With the workers running: answers admin requests and announces the node. */
MUST_USE enum err daemon_start(struct daemon *daemon, struct diag *diag);
/* Takes the presence back and closes all but what workers use: the loop comes to its end. */
void daemon_close(struct daemon *daemon);
/* With the workers joined. Of a daemon that came as far as it came. */
void daemon_fini(struct daemon *daemon);
