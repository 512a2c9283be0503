/* SPDX-License-Identifier: Apache-2.0 */
/* What every daemon says of itself as a process: in its presence, and in /status.json.
 * Threads:   the main loop's own.
 */
#pragma once

#include "steering/base/json.h"
#include "steering/runtime/admin.h"
#include "steering/runtime/sockets.h"

struct node_status {
    const char *id, *role;
    int64_t started_unix_s;
    const struct sockets *sockets;
    size_t worker_count;
    const struct admin *admin;
    const struct addr *admin_addr; /* of its TCP listener; NULL: it has none */
};

/* "v", "id", "role", "version", "pid", "started", "uptime_seconds". */
void node_status_add_process(json_t *value, const struct node_status *status);
/* "workers", "listen", "admin", and "admin_listen" if it listens on TCP. */
void node_status_add_sockets(json_t *value, const struct node_status *status);
