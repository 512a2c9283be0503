/* SPDX-License-Identifier: Apache-2.0 */
/* Does the peer of a connection still live? Whatever was received proves it; a PING asks.
 *
 * Shape:     ask   - after `idle_ms` of silence
 *                  - with streams open, after max(2 x smoothed RTT, LIVENESS_WAIT_MIN_MS) of
 *                    silence; so the first stream after an idle time is accompanied by a PING
 *            dead  - max(4 x smoothed RTT, `timeout_min_ms`) after the PING, and nothing at all
 *                    was received since (bulk data may stand before the answer)
 *            Call it after a stream was opened, and when `next_ms` has come; bytes that are
 *            received only ever postpone.
 * Threads:   any (pure).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LIVENESS_WAIT_MIN_MS = 250 };

struct liveness_settings {
    uint64_t idle_ms;        /* backbone.ping_idle_ms; 0: no PING while idle */
    uint64_t timeout_min_ms; /* backbone.ping_timeout_min_ms */
};

struct liveness_facts {
    uint64_t now_ms;
    uint64_t heard_ms;      /* when a byte was received last (at first: when it was connected) */
    bool has_ping;          /* one is unanswered... */
    uint64_t ping_since_ms; /* ...since then */
    uint64_t late_ms;       /* how long after `next_ms` this is: when the loop stood still, the
                               answer may wait unread, and nobody is declared dead */
    uint32_t open_streams;
    uint64_t rtt_us; /* smoothed; 0: unknown */
};

enum liveness_action { LIVENESS_NONE, LIVENESS_SEND_PING, LIVENESS_DEAD };

struct liveness_verdict {
    enum liveness_action action;
    /* When to ask again, for SEND_PING as if it had been sent; always later than now.
     * UINT64_MAX: not before a stream is opened. */
    uint64_t next_ms;
};
struct liveness_verdict liveness_check(const struct liveness_settings *settings,
                                       const struct liveness_facts *facts);
