/* SPDX-License-Identifier: Apache-2.0 */
/* What every daemon says of itself as a process: in its presence, and in /status.json.
 * Threads:   the main loop's own.
 */
#pragma once

#include "steering/runtime/daemon.h"

/* "v", "id", "role", "version", "pid", "started", "uptime_seconds". */
void node_status_add_process(json_t *value, const struct daemon *daemon);
/* "workers", "listen", "admin", and "admin_listen" if it listens on TCP. */
void node_status_add_sockets(json_t *value, const struct daemon *daemon);
