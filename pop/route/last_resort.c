/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/last_resort.h"

static uint64_t due_ms(const struct last_resort_peer *peer)
{
    return peer->failed_ms == 0 ? 0 : peer->failed_ms + LAST_RESORT_GAP_MS;
}

static bool is_to_open(const struct last_resort_peer *peer)
{
    return !peer->is_excluded && !peer->is_coming && !peer->is_full;
}

/* Of equals the first. */
static bool is_sooner(const struct last_resort_peer *peers, size_t peer, size_t best)
{
    return best == SIZE_MAX || peers[peer].failed_ms < peers[best].failed_ms;
}

struct last_resort last_resort_choose(const struct last_resort_peer *peers, size_t count,
                                      uint64_t now_ms)
{
    struct last_resort none = { LAST_RESORT_NONE, SIZE_MAX, UINT64_MAX };
    size_t ready = SIZE_MAX, to_open = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (peers[i].is_excluded)
            continue;
        none.action = LAST_RESORT_WAIT;
        if (peers[i].is_ready && is_sooner(peers, i, ready))
            ready = i;
        if (is_to_open(&peers[i]) && is_sooner(peers, i, to_open))
            to_open = i;
    }
    if (ready != SIZE_MAX)
        return (struct last_resort){ LAST_RESORT_USE, ready, UINT64_MAX };
    if (to_open == SIZE_MAX)
        return none;
    if (due_ms(&peers[to_open]) <= now_ms)
        return (struct last_resort){ LAST_RESORT_OPEN, to_open, UINT64_MAX };
    none.next_ms = due_ms(&peers[to_open]);
    return none;
}
