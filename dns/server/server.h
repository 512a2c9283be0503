/* SPDX-License-Identifier: Apache-2.0 */
/* steer-dns as a running whole: sockets, workers, store, admin server, signals.
 *
 * Shape:     load everything -> bind -> drop privileges -> workers -> presence -> ready
 *            stop: presence gone -> workers joined -> admin server closed -> 0
 * Threads:   the main thread.
 */
#pragma once

/* Runs until SIGTERM or SIGINT. Returns the exit code; 1 after any error, which is on stderr. */
int server_run(const char *node_path);
/* Loads everything that server_run would load and tells all that is wrong with it, on stdout.
 * 0, or 2 when there are errors. */
int server_check(const char *node_path);
