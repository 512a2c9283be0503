/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/pace.h"

#include <assert.h>

enum { MS_PER_S = 1000 };

struct pace pace_init(uint64_t now_ms)
{
    return (struct pace){ .at_ms = now_ms };
}

static uint64_t paid_ms(uint64_t bytes, const struct pace_look *look)
{
    /* More than that is enough in any case; and the products fit. */
    if (bytes > UINT32_MAX * (uint64_t)MS_PER_S)
        bytes = UINT32_MAX * (uint64_t)MS_PER_S;
    uint64_t worth = bytes * look->sharers;
    uint64_t paid_s = worth / look->rate;
    if (paid_s > UINT32_MAX)
        paid_s = UINT32_MAX;
    return paid_s * MS_PER_S + worth % look->rate * MS_PER_S / look->rate;
}

bool pace_look(struct pace *pace, const struct pace_look *look)
{
    assert(look->sharers > 0);
    uint64_t lag_ms = pace->lag_ms;
    if (look->is_awaited && pace->is_awaited)
        lag_ms += look->now_ms - pace->at_ms;
    uint64_t bytes = look->bytes > pace->bytes ? look->bytes - pace->bytes : 0;
    uint64_t paid = look->rate == 0 ? lag_ms : paid_ms(bytes, look);
    *pace = (struct pace){ .at_ms = look->now_ms,
                           .bytes = look->bytes,
                           .lag_ms = lag_ms > paid ? lag_ms - paid : 0,
                           .is_awaited = look->is_awaited };
    return pace->lag_ms >= look->grace_ms && look->is_awaited && look->rate != 0;
}
