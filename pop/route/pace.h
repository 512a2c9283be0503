/* SPDX-License-Identifier: Apache-2.0 */
/* Does a client that somebody else waits for move its content at the least rate?
 *
 * Shape:     lag    grows by the time for which it was waited for, shrinks by what its bytes pay
 *                   for at the least rate, never below nothing: fast hours buy no slow ones
 *            lost   when it is `grace_ms` behind
 *            So one that is silent is lost after the same time as one that sends a byte now and
 *            then, and one that makes up for a silence shorter than that is not.
 *
 *            It is waited for in the span between two looks when both find it so: of others nobody
 *            knows who held whom up.
 * Threads:   owner only (plain values).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t at_ms, bytes; /* of the last look */
    uint64_t lag_ms;
    bool is_awaited; /* at the last look */
};

struct pace_look {
    uint64_t now_ms;
    uint64_t bytes;   /* moved so far */
    bool is_awaited;  /* nothing but the client holds them up */
    uint32_t rate;    /* bytes a second; 0: any */
    uint32_t sharers; /* streams that share the rate: all of its connection; at least 1 */
    uint64_t grace_ms;
};

struct pace pace_init(uint64_t now_ms);
/* True: it is too slow. */
bool pace_look(struct pace *pace, const struct pace_look *look);
