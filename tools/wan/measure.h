/* SPDX-License-Identifier: Apache-2.0 */
/* How accurate the emulator is here and now: UDP probes over every link, one link after the other.
 *
 * A probe's error is its time from just before send() to its arrival in the receiving kernel,
 * minus the delay and the time that the rate takes. The program that measures needs CPU time of
 * the same machine, as any program under test does.
 * Threads:   a process of its own: it goes from network to network.
 */
#pragma once

#include "tools/wan/isolation.h"

enum { MEASURE_PER_SECOND = 10000, MEASURE_MS = 1000 };

/* What "accurate" means: 99 of 100 probes on every link. */
#define MEASURE_GOAL_NS 200000

/* Prints a line for each link and a verdict to stdout. Links must have no jitter, loss or
 * reordering meanwhile. */
MUST_USE enum err measure_run(const struct matrix *matrix, const struct isolation_site *sites,
                              uint32_t per_second, struct diag *diag);
