/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the main thread, for the files that make up the server. */
#pragma once

#include <stdatomic.h>

#include "dns/server/serving.h"
#include "dns/server/tally.h"
#include "dns/server/tcp.h"
#include "dns/server/udp.h"
#include "steering/runtime/daemon.h"

struct server {
    struct daemon daemon; /* its publisher is of struct serving */
    struct node *node;    /* as the server was started; a reload does not replace it */
    bool is_ready, is_stopping;

    struct dataset *dataset;   /* in force */
    struct dataset *live;      /* that one, and those that workers are still leaving */
    struct site_totals totals; /* of all that went before */

    size_t slot_count;     /* UDP: [address * workers + worker]; then TCP: one per worker */
    struct tally *tallies; /* by slot */
    struct udp **udps;
    struct tcp **tcps;
    atomic_bool stop_udp;
};

static inline size_t server_udp_count(const struct server *server)
{
    return server->daemon.sockets.address_count * server->daemon.sockets.worker_count;
}
/* What queries are answered from now. */
const struct serving *server_serving(const struct server *server);

/* routes.c */
extern const struct admin_route server_routes[];
extern const size_t server_route_count;
/* exposition.c: all of /metrics. */
void exposition_write(const struct server *server, struct buf *out);
/* status.c: /status.json, owned by the caller; and what the presence takes from us. */
json_t *status_value(const struct server *server);
void status_add_presence(const struct server *server, json_t *presence);
