/* SPDX-License-Identifier: Apache-2.0 */
/* Where the control sockets of running emulators are: $XDG_RUNTIME_DIR/steer-wan, else
 * /tmp/steer-wan-UID, one NUMBER.sock each.
 *
 * Threads:   any; processes may race, each owns its file.
 */
#pragma once

#include "steering/base/diag.h"

/* A listening, non-blocking socket at `path`, or at a path of its own when that is NULL.
 * `*out_path` is owned by the caller, who unlinks it. What emulators that were killed have left
 * behind is removed. */
MUST_USE enum err run_folder_listen(const char *path, struct diag *diag, int *out_fd,
                                    char **out_path);
/* A socket connected with the emulator at `path`; NULL: the one in $STEER_WAN_SOCKET, else the
 * only one that runs. */
MUST_USE enum err run_folder_connect(const char *path, struct diag *diag, int *out_fd);
