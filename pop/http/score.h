/* SPDX-License-Identifier: Apache-2.0 */
/* One number for what a peer does that is legal singly and hostile in bulk.
 *
 * Shape:     acts cost points, requests that end well give some back. At three quarters of the
 *            maximum the connection is to be drained, at the maximum to be closed.
 *            Control frames are paid from an allowance first: it grows with what we send (a peer
 *            may answer each DATA frame with WINDOW_UPDATEs) and a little with each call (a PING
 *            now and then costs nothing, for ever), so that no clock is needed.
 * Threads:   owner only (plain value).
 * Limits:    points stop at the maximum.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*    name             points  control?  word */
#define SCORE_LIST(X)                                                                              \
    X(EARLY_RESET, 4, false, "rapid_reset")    /* before the response: its work is lost */         \
    X(LATE_RESET, 1, false, "reset")           /* amid the response */                             \
    X(INDUCED_RESET, 8, false, "made_reset")   /* its fault, so that we had to reset */            \
    X(REFUSED, 1, false, "too_many_streams")   /* beyond what we take at once */                   \
    X(BAD_REQUEST, 2, false, "bad_requests")   /* refused by the codec */                          \
    X(LARGE_HEAD, 50, false, "header_bomb")    /* far beyond the limit */                          \
    X(EMPTY_DATA, 1, true, "empty_data_flood") /* nothing in it, and not the end */                \
    X(SETTINGS, 8, true, "settings_flood")                                                         \
    X(PING, 1, true, "ping_flood")                                                                 \
    X(PRIORITY, 1, true, "priority_flood")                                                         \
    X(WINDOW_UPDATE, 1, true, "window_update_flood")

enum score_act {
#define X(name, points, is_control, word) SCORE_##name,
    SCORE_LIST(X)
#undef X
};

enum score_verdict {
    SCORE_GOOD,
    SCORE_DRAIN,
    SCORE_CLOSE,
};

struct score {
    uint32_t points, max;
    uint32_t allowance; /* control frames that cost nothing */
    const char *reason; /* the word of the act that crossed a line; NULL: none did */
};

void score_init(struct score *score, uint32_t max);
/* The verdict after it. */
enum score_verdict score_charge(struct score *score, enum score_act act);
/* A request ended well. */
void score_reward(struct score *score);
/* Bytes came (however many): once per call. `frames` of content were sent. */
void score_allow(struct score *score, uint32_t frames);
