/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/window.h"

#define WINDOW_LIMIT ((uint32_t)INT32_MAX) /* RFC 9113 section 6.9.1 */

void window_init(struct window *window, uint32_t min, uint32_t max)
{
    if (min > WINDOW_LIMIT)
        min = WINDOW_LIMIT;
    if (max > WINDOW_LIMIT)
        max = WINDOW_LIMIT;
    *window = (struct window){ .bytes = min, .min = min, .max = max > min ? max : min };
}

uint32_t window_consume(struct window *window, struct window_budget *budget, size_t len,
                        size_t queued)
{
    window->consumed += len;
    if (window->consumed < window->bytes || window->bytes >= window->max)
        return 0;
    /* A slow reader would only fill a larger window with what it does not read. */
    if (queued > window->bytes / 2)
        return 0;
    uint32_t more = window->bytes;
    if (more > window->max - window->bytes)
        more = window->max - window->bytes;
    if (more > budget->bytes)
        return 0;
    budget->bytes -= more;
    window->bytes += more;
    window->consumed = 0;
    return window->bytes;
}

void window_fini(struct window *window, struct window_budget *budget)
{
    budget->bytes += window->bytes - window->min;
    window->bytes = window->min;
}
