/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/rtt.h"

void rtt_observe(struct rtt *rtt, uint64_t sample_us)
{
    if (sample_us == 0)
        sample_us = 1; /* 0 means that nothing was measured */
    if (rtt->smoothed_us == 0) {
        *rtt = (struct rtt){ .smoothed_us = sample_us, .deviation_us = sample_us / 2 };
        return;
    }
    uint64_t difference =
        rtt->smoothed_us > sample_us ? rtt->smoothed_us - sample_us : sample_us - rtt->smoothed_us;
    rtt->deviation_us = (3 * rtt->deviation_us + difference) / 4;
    rtt->smoothed_us = (7 * rtt->smoothed_us + sample_us) / 8;
    if (rtt->smoothed_us == 0)
        rtt->smoothed_us = 1;
}
