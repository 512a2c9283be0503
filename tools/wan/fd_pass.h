/* SPDX-License-Identifier: Apache-2.0 */
/* A line of text with file descriptors beside it, over a unix socket.
 *
 * Threads:   any.
 * Source:    unix(7), SCM_RIGHTS
 */
#pragma once

#include "steering/base/err.h"
#include "steering/base/str.h"

enum { FD_PASS_MAX = 4 };

/* Sends at once or fails with ERR_IO; `errno` is kept. */
MUST_USE enum err fd_pass_send(int socket_fd, struct str text, const int *fds, size_t fd_count);
/* Waits for the next piece, of at most `capacity` bytes. ERR_NOT_FOUND: the other end is closed;
 * ERR_IO with errno. The descriptors, close-on-exec, are owned by the caller. */
MUST_USE enum err fd_pass_receive(int socket_fd, void *out_text, size_t capacity, size_t *out_len,
                                  int out_fds[FD_PASS_MAX], size_t *out_fd_count);
