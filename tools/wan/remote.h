/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: `wan set`, `wan status`, `wan exec`.
 *
 * Threads:   any; blocks.
 */
#pragma once

#include "steering/base/diag.h"

/* Sends `line` to the emulator at `socket` (NULL: see run_folder_connect) and shows the answer on
 * stdout. ERR_INVALID, with its words in `diag`, when it refuses. */
MUST_USE enum err remote_ask(const char *socket, struct str line, struct diag *diag);
/* Runs `command` at a site, with the same terminal and working folder. Returns when the way there
 * is barred, or, when the caller was outside, with the command's exit status. */
MUST_USE enum err remote_exec(const char *socket, const char *site, char *const command[],
                              struct diag *diag, int *out_status);
