/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/window.h"

enum {
    EXPECTED_SHARE = 8, /* of the budget, for one stream that has only announced its content */
    CONSUMED_SHARE = 4, /* of the window, before it doubles */
};

#define WINDOW_LIMIT ((uint32_t)INT32_MAX) /* RFC 9113 section 6.9.1 */

void window_init(struct window *window, uint32_t min, uint32_t max)
{
    if (min > WINDOW_LIMIT)
        min = WINDOW_LIMIT;
    if (max > WINDOW_LIMIT)
        max = WINDOW_LIMIT;
    *window = (struct window){ .bytes = min, .min = min, .max = max > min ? max : min };
}

static uint32_t grow(struct window *window, struct window_budget *budget, uint32_t more)
{
    budget->bytes -= more;
    window->bytes += more;
    window->consumed = 0;
    return window->bytes;
}

uint32_t window_expect(struct window *window, struct window_budget *budget, uint64_t bytes)
{
    uint64_t wanted = bytes < window->max ? bytes : window->max;
    if (wanted <= window->bytes)
        return 0;
    uint64_t more = wanted - window->bytes;
    if (more > budget->bytes / EXPECTED_SHARE)
        more = budget->bytes / EXPECTED_SHARE;
    return more == 0 ? 0 : grow(window, budget, (uint32_t)more);
}

uint32_t window_consume(struct window *window, struct window_budget *budget, size_t len,
                        size_t queued)
{
    window->consumed += len;
    if (window->consumed < window->bytes / CONSUMED_SHARE || window->bytes >= window->max)
        return 0;
    /* A slow reader would only fill a larger window with what it does not read. */
    if (queued > window->bytes / 2)
        return 0;
    uint32_t more = window->bytes;
    if (more > window->max - window->bytes)
        more = window->max - window->bytes;
    if (more > budget->bytes)
        return 0;
    return grow(window, budget, more);
}

void window_fini(struct window *window, struct window_budget *budget)
{
    budget->bytes += window->bytes - window->min;
    window->bytes = window->min;
}
