/* SPDX-License-Identifier: Apache-2.0 */
/* Starts worker threads: named, and deaf to signals, which belong to the main loop.
 * Threads:   any.
 */
#pragma once

#include <pthread.h>

#include "steering/base/err.h"

/* `name` is cut to 15 characters, the kernel's limit. ERR_BUSY when the system has no room for
 * another thread. */
MUST_USE enum err thread_start(pthread_t *out_thread, const char *name, void *(*run)(void *arg),
                               void *arg);
