/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/connect_rate.h"

#include <assert.h>

enum { MILLI = 1000 };

/* What is there now: `per_s` a second are as many thousandths a millisecond. */
static uint64_t level(const struct connect_rate *rate, uint64_t now_ms)
{
    uint64_t max = (uint64_t)rate->per_s * MILLI;
    uint64_t elapsed_ms = now_ms > rate->filled_at_ms ? now_ms - rate->filled_at_ms : 0;
    uint64_t gained = elapsed_ms < MILLI ? elapsed_ms * rate->per_s : max;
    return rate->milli_tokens + gained < max ? rate->milli_tokens + gained : max;
}

struct connect_rate connect_rate_init(uint32_t per_s, uint64_t now_ms)
{
    assert(per_s > 0);
    return (struct connect_rate){
        .milli_tokens = (uint64_t)per_s * MILLI,
        .per_s = per_s,
        .filled_at_ms = now_ms,
    };
}

void connect_rate_configure(struct connect_rate *rate, uint32_t per_s, uint64_t now_ms)
{
    assert(per_s > 0);
    uint64_t tokens = level(rate, now_ms);
    *rate = connect_rate_init(per_s, now_ms);
    if (tokens < rate->milli_tokens)
        rate->milli_tokens = tokens;
}

bool connect_rate_take(struct connect_rate *rate, uint64_t now_ms)
{
    rate->milli_tokens = level(rate, now_ms);
    if (now_ms > rate->filled_at_ms)
        rate->filled_at_ms = now_ms;
    if (rate->milli_tokens < MILLI)
        return false;
    rate->milli_tokens -= MILLI;
    return true;
}

uint64_t connect_rate_next_ms(const struct connect_rate *rate, uint64_t now_ms)
{
    uint64_t tokens = level(rate, now_ms);
    if (tokens >= MILLI)
        return now_ms;
    return now_ms + (MILLI - tokens + rate->per_s - 1) / rate->per_s;
}
