/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/strays.h"

enum { MS_PER_S = 1000 };

bool strays_is_news(const struct strays *told, uint64_t count)
{
    return count != told->count || told->per_s > 0;
}

void strays_tell(struct strays *told, uint64_t count, uint64_t now_ms, json_t *presence)
{
    uint64_t took_ms = now_ms - told->at_ms;
    if (told->at_ms == 0)
        *told = (struct strays){ .count = count, .at_ms = now_ms };
    else if (took_ms >= MS_PER_S)
        *told = (struct strays){ .count = count,
                                 .at_ms = now_ms,
                                 .per_s = (count - told->count) * MS_PER_S / took_ms };
    json_set_int(presence, "strays", (int64_t)count);
    json_set_int(presence, "strays_per_s", (int64_t)told->per_s);
}
