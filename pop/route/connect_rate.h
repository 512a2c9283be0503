/* SPDX-License-Identifier: Apache-2.0 */
/* How fast new connections may be opened: a token bucket, one for all peers of a worker, so that
 * a fleet that lost a gateway does not come back all at once.
 *
 * Threads:   one worker's own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct connect_rate {
    uint64_t milli_tokens; /* a connection costs 1000 */
    uint32_t per_s;
    uint64_t filled_at_ms;
};

/* Starts full: one second's worth. `per_s` > 0. */
struct connect_rate connect_rate_init(uint32_t per_s, uint64_t now_ms);
/* After a reload; keeps what is in it, up to the new ceiling. */
void connect_rate_configure(struct connect_rate *rate, uint32_t per_s, uint64_t now_ms);
bool connect_rate_take(struct connect_rate *rate, uint64_t now_ms);
/* When the next one will be there; `now_ms` when there is one. */
uint64_t connect_rate_next_ms(const struct connect_rate *rate, uint64_t now_ms);
