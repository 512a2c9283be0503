/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the main thread, for the files that make up the server. */
#pragma once

#include "pop/server/dataset.h"
#include "pop/server/strays.h"
#include "pop/server/ticket_watch.h"
#include "pop/server/worker_thread.h"
#include "steering/runtime/daemon.h"

/* STARTING -> SERVING -> DRAINING; STARTING -> DRAINING */
enum server_state { SERVER_STARTING, SERVER_SERVING, SERVER_DRAINING };

struct server {
    struct daemon daemon;  /* its publisher is of struct snapshot; slot = worker */
    struct pop_node *node; /* as the server was started; shared: node_refs */
    atomic_uint *node_refs;
    enum server_state state;

    struct dataset *dataset; /* in force; its settings are with the workers */
    uint64_t version;        /* of the settings in force, from 1 */
    struct ticket_keys keys; /* of this process alone, for want of a file */
    struct ticket_watch tickets;

    size_t worker_count;
    struct worker_thread **threads; /* NULL: not started yet, or joined */
    size_t listening_count, thread_count;
    size_t settings_pending; /* workers that have not taken the new settings yet */
    struct tally *tallies;   /* by worker */
    struct traffic **traffics;
    struct access_log_writer *log;

    struct strays strays;   /* of a gateway, as its presence has it */
    uv_timer_t drain_limit; /* for workers that do not come to their end */
    uint64_t drain_began_ms;
};

const char *server_state_name(enum server_state state);
const char *server_role_name(const struct server *server); /* "pop" or "gateway" */
const char *server_kind_name(enum pop_listen_kind kind);
/* What requests are steered by from now. */
const struct snapshot *server_snapshot(const struct server *server);
/* Stops accepting and ends when nothing is in flight any more. */
void server_drain(struct server *server);

/* workers.c: all workers at once. */
MUST_USE enum err workers_start(struct server *server, struct diag *diag);
void workers_publish(struct server *server); /* there is another snapshot */
/* New settings from the dataset in force; server_settled follows. */
void workers_set(struct server *server);
void workers_set_keys(struct server *server, const struct ticket_keys *keys);
void workers_drain(struct server *server, uint64_t limit_ms);
void workers_free(struct server *server); /* all are joined */
/* server.c, for those */
void server_listening(struct server *server);
void server_settled(struct server *server);
void server_drained(struct server *server);

/* routes.c */
extern const struct admin_route server_routes[];
extern const size_t server_route_count;
/* exposition.c: all of /metrics. */
void exposition_write(const struct server *server, struct buf *out);
/* status.c: /status.json without what workers say, owned by the caller; and what the presence
 * takes from us. */
json_t *status_value(const struct server *server);
void status_add_presence(const struct server *server, json_t *presence);
uint64_t status_stray_count(const struct server *server);
/* gather.c: /status.json with what each worker says of itself and its peers. */
void gather_status(struct server *server, struct admin_request *request);
/* explaining.c: /explain. */
void explaining_reply(const struct server *server, struct admin_request *request);
