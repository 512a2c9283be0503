/* SPDX-License-Identifier: Apache-2.0 */
/* The tally in the Prometheus text format: what all workers counted, added up.
 * Threads:   any; the workers may go on counting.
 */
#pragma once

#include "pop/server/tally.h"
#include "steering/base/buf.h"

void tally_metrics_write(struct buf *out, const struct tally *tallies, size_t count);
uint64_t tally_sum(const struct tally *tallies, size_t count, enum tally_id id);
