/* SPDX-License-Identifier: Apache-2.0 */
/* steer-pop as a running whole: sockets, workers, store, admin server, signals.
 *
 * Shape:     load everything -> bind -> drop privileges -> workers -> presence -> ready, when all
 *            workers listen: their warm connections stand, or were waited for long enough
 *            stop: presence gone -> workers drain -> joined -> admin server closed -> 0
 * Threads:   the main thread.
 */
#pragma once

/* Runs until it was told to stop (SIGTERM, SIGINT, POST /drain) and nothing is in flight any more;
 * told again, more than a second later, it cuts off what is left. Returns the exit code; 1 after
 * any error, which is on stderr. */
int server_run(const char *node_path);
/* Loads everything that server_run would load and tells all that is wrong with it, on stdout.
 * 0, or 2 when there are errors. */
int server_check(const char *node_path);
