/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics that every daemon has: its bond with the store, and its process.
 * Threads:   the main loop's own.
 */
#pragma once

#include "steering/runtime/metrics.h"
#include "steering/runtime/steering.h"

void steering_metrics_write(struct buf *out, const struct steering_report *report);
/* `started_unix_s`: when the process started. */
void process_metrics_write(struct buf *out, int64_t started_unix_s);
