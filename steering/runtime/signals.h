/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT ask to stop, SIGHUP asks to reload; SIGPIPE is ignored, so that writing to
 * a closed connection is an error and not the end.
 *
 * Threads:   the main loop's own; workers are deaf to signals (thread.h).
 */
#pragma once

#include <uv.h>

#include "steering/base/err.h"

struct signals {
    uv_signal_t terminate, interrupt, hangup;
    void (*on_stop)(void *owner);
    void (*on_reload)(void *owner);
    void *owner;
};

/* One process has one of these. */
void signals_open(struct signals *signals, uv_loop_t *loop, void (*on_stop)(void *owner),
                  void (*on_reload)(void *owner), void *owner);
/* The process is about to end: the signals are ignored from now on. */
void signals_close(struct signals *signals);
/* Before anything else runs: a broken pipe must not end a program that is still starting. */
void signals_ignore_pipe(void);
