/* SPDX-License-Identifier: Apache-2.0 */
/* What is tried when nothing of a pool may be: each peer is ejected, or waits after a connection
 * that failed. For requests alone that have nowhere else to go (attempts.h).
 *
 * Shape:     ready   ejected, but connected: of these the one that failed longest ago gets the
 *                    request
 *            else    a connection is opened to each, the one that failed longest ago first: one at
 *                    a time to a peer, and none within LAST_RESORT_GAP_MS after a failure
 *            so whoever is back is found by traffic within the gap, at a rate that is no load on
 *            who is down.
 * Threads:   any (pure).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAST_RESORT_GAP_MS = 25 };

struct last_resort_peer {
    bool is_excluded; /* tried for this request, or configured no more */
    bool is_ready;    /* a connection has room */
    bool is_coming;   /* a connection is on its way */
    bool is_full;     /* as many connections as it may have */
    uint64_t failed_ms;
};

enum last_resort_action {
    LAST_RESORT_USE,  /* the connection that `peer` has */
    LAST_RESORT_OPEN, /* one to `peer`; then ask again: there may be others to open */
    LAST_RESORT_WAIT, /* for what is on its way, and until `next_ms` */
    LAST_RESORT_NONE, /* there is nobody to wait for */
};

struct last_resort {
    enum last_resort_action action;
    size_t peer;
    uint64_t next_ms; /* of WAIT; UINT64_MAX: nothing comes by time alone */
};
struct last_resort last_resort_choose(const struct last_resort_peer *peers, size_t count,
                                      uint64_t now_ms);
