/* SPDX-License-Identifier: Apache-2.0 */
/* The smoothed round-trip time of one peer, measured by PING.
 *
 * Threads:   owner only (plain value); zeroed means "nothing measured".
 * Source:    RFC 6298 section 2
 */
#pragma once

#include <stdint.h>

struct rtt {
    uint64_t smoothed_us; /* 0: nothing measured */
    uint64_t deviation_us;
};

void rtt_observe(struct rtt *rtt, uint64_t sample_us);
