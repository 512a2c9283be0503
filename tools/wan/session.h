/* SPDX-License-Identifier: Apache-2.0 */
/* One emulated world from start to end: walls, sites, forwarder, command.
 *
 * Threads:   main only; the process must have no other thread.
 */
#pragma once

#include "tools/wan/matrix.h"
#include "tools/wan/options.h"

/* Returns the exit status of the program; problems are printed. */
int session_run(const struct options *options, const struct matrix *matrix);
