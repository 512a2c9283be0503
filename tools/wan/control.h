/* SPDX-License-Identifier: Apache-2.0 */
/* The socket behind `wan set`, `wan status` and `wan exec`.
 *
 * Shape:     one line in, an answer out, end of connection:
 *                status | status json | set FROM:TO [both] KEY=VALUE... | enter SITE
 *            The answer begins with "ok\n" or "error TEXT\n". That of `enter` brings descriptors
 *            along: the walls of isolation.h.
 * Threads:   owning loop only.
 * Ownership: borrows the forwarder and the descriptors until its handles are closed.
 * Limits:    CONTROL_CLIENT_MAX connections, CONTROL_LINE_MAX bytes of a line. Only the user that
 *            started it, and root, may reach the socket.
 */
#pragma once

#include "tools/wan/forwarder.h"

enum { CONTROL_CLIENT_MAX = 16, CONTROL_LINE_MAX = 4096, CONTROL_ANSWER_MAX = 4 << 20 };

struct control;
struct control_client {
    struct control *control;
    uv_poll_t poll;
    int fd;       /* -1: being closed, or free */
    bool is_free; /* the loop has let go of it */
    size_t len;
    char line[CONTROL_LINE_MAX];
};

struct control {
    struct forwarder *forwarder;
    const struct isolation_site *sites;
    uint64_t seed;
    int wall_fds[ISOLATION_WALL_COUNT]; /* but for the site's */
    int listen_fd;
    uv_poll_t poll;
    struct control_client clients[CONTROL_CLIENT_MAX];
};

/* `listen_fd` listens already, and does not block; it is owned by the control from here on. */
MUST_USE enum err control_open(struct control *control, struct forwarder *forwarder,
                               const struct isolation_site *sites, uint64_t seed, int listen_fd,
                               struct diag *diag);
void control_close(struct control *control);
