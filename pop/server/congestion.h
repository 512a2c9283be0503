/* SPDX-License-Identifier: Apache-2.0 */
/* The congestion control of TCP connections, as the node file wishes it.
 *
 * Threads:   any.
 * Source:    tcp(7), TCP_CONGESTION
 */
#pragma once

#include "config/load/pop_node.h"

/* Warns, at the line of the wish, of what the kernel does not know, or will not give to the user
 * that the server is going to be. Never an error: the same file serves machines with other kernels.
 */
void congestion_check(const struct pop_node *node, struct diag *diag);

/* For a connection that begins. `name` NULL: the system's, and no system call. When the kernel
 * refuses, that is logged, rate limited, and the connection has the system's. */
void congestion_set(int fd, const char *name);
