/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets for the admin server.
 * Threads:   before any other thread exists (the file mode of a socket comes from the umask).
 */
#pragma once

#include "steering/base/addr.h"
#include "steering/base/diag.h"

/* A unix socket that its owner and group may use (mode 0660). What a dead process left at `path`
 * is removed; ERR_EXISTS when somebody listens there, or something else than a socket stands
 * there. */
MUST_USE enum err admin_socket_open_unix(const char *path, struct diag *diag, int *out_fd);
/* `addr` must be a loopback address: the admin server has no passwords. Port 0 lets the kernel
 * choose; `*out_port` is what it became. */
MUST_USE enum err admin_socket_open_tcp(const struct addr *addr, uint16_t port, struct diag *diag,
                                        int *out_fd, uint16_t *out_port);
