/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/liveness.h"

/* `factor` smoothed round trips in milliseconds, but not less than `min_ms`. */
static uint64_t round_trips_ms(const struct liveness_facts *facts, uint64_t factor, uint64_t min_ms)
{
    uint64_t time_ms = (factor * facts->rtt_us + 999) / 1000;
    return time_ms > min_ms ? time_ms : min_ms;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

struct liveness_verdict liveness_check(const struct liveness_settings *settings,
                                       const struct liveness_facts *facts)
{
    uint64_t timeout_ms = round_trips_ms(facts, 4, settings->timeout_min_ms);
    /* At least a millisecond: a verdict that says "now" again would spin. */
    if (timeout_ms == 0)
        timeout_ms = 1;
    if (facts->has_ping) {
        uint64_t dead_ms = later(facts->ping_since_ms, facts->heard_ms) + timeout_ms;
        if (facts->now_ms >= dead_ms && facts->late_ms > timeout_ms / 2)
            return (struct liveness_verdict){ LIVENESS_NONE, facts->now_ms + 1 };
        if (facts->now_ms >= dead_ms)
            return (struct liveness_verdict){ LIVENESS_DEAD, UINT64_MAX };
        return (struct liveness_verdict){ LIVENESS_NONE, dead_ms };
    }
    uint64_t quiet_ms = UINT64_MAX;
    if (settings->idle_ms > 0)
        quiet_ms = settings->idle_ms;
    if (facts->open_streams > 0) {
        uint64_t wait_ms = round_trips_ms(facts, 2, LIVENESS_WAIT_MIN_MS);
        quiet_ms = wait_ms < quiet_ms ? wait_ms : quiet_ms;
    }
    if (quiet_ms == UINT64_MAX)
        return (struct liveness_verdict){ LIVENESS_NONE, UINT64_MAX };
    if (facts->now_ms >= facts->heard_ms + quiet_ms)
        return (struct liveness_verdict){ LIVENESS_SEND_PING, facts->now_ms + timeout_ms };
    return (struct liveness_verdict){ LIVENESS_NONE, facts->heard_ms + quiet_ms };
}
