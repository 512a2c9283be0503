/* SPDX-License-Identifier: Apache-2.0 */
/* The walls around an emulated world: namespaces that the kernel takes down with their first
 * process, however that ends.
 *
 * Shape:     wan (outside; waits)
 *              +- the forwarder: process 1 of a PID namespace. When it dies, so does every process
 *                 below it, and with them and its descriptors every site's network.
 *                   +- the command, shells, whatever they start
 *
 * Threads:   of a process with one thread only.
 * Source:    user_namespaces(7), pid_namespaces(7), network_namespaces(7)
 */
#pragma once

#include "steering/base/diag.h"
#include "tools/wan/matrix.h"

/* What one must enter to be inside, in the order of entering. */
enum isolation_wall {
    ISOLATION_USER,
    ISOLATION_PID,
    ISOLATION_MOUNT,
    ISOLATION_NET,
    ISOLATION_WALL_COUNT
};

/* Children of the caller will live in a new PID namespace; where that is not allowed, in a user
 * namespace, where the caller is root, too. ERR_DENIED with what could be done about it. */
MUST_USE enum err isolation_begin(struct diag *diag);
/* In the first child: a mount namespace whose /proc shows the new processes. */
MUST_USE enum err isolation_settle(struct diag *diag);

struct isolation_site {
    int tun_fd, net_fd; /* the device; the namespace */
};
/* Makes the network of every site of `matrix`; the descriptors in `out_sites` are owned by the
 * caller. The caller itself stays where it is. */
MUST_USE enum err isolation_build(const struct matrix *matrix, struct diag *diag,
                                  struct isolation_site *out_sites);

/* Descriptors of the walls around the caller, but for ISOLATION_NET, into `out_fds`. */
MUST_USE enum err isolation_open(struct diag *diag, int out_fds[ISOLATION_WALL_COUNT]);
/* Goes inside, by those walls that the caller is not behind already; the working folder stays the
 * same by name. `*out_is_outside`: children of the caller will be inside, the caller is not yet. */
MUST_USE enum err isolation_enter(const int fds[ISOLATION_WALL_COUNT], struct diag *diag,
                                  bool *out_is_outside);
