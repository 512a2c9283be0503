/* SPDX-License-Identifier: Apache-2.0 */
/* Opens event loops where descriptors may have run out.
 * Threads:   any; a process's first loop is opened before it has other threads.
 */
#pragma once

#include <uv.h>

#include "steering/base/diag.h"

/* On failure nothing is left to close. A loop that is open has its own means to be woken: no
 * uv_async_init on it takes another descriptor. */
MUST_USE enum err loop_open(uv_loop_t *loop, struct diag *diag);
