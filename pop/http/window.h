/* SPDX-License-Identifier: Apache-2.0 */
/* How much of one stream's content the peer may send before we took any of it.
 *
 * Shape:     starts small; opens to the length of the content as soon as that is stated, so that it
 *            comes in one flight; and doubles while the reader keeps up: a quarter of a window was
 *            consumed since the last growth, and little is waiting. A quarter, because a sender in
 *            slow start doubles what it sends in each round trip, and must hear of the growth
 *            before it is there. So many short messages cost little memory, and one long one
 *            fills a long fat path (16 MiB is 1 Gb/s at 100 ms).
 *            Growth comes out of the connection's budget and goes back when the stream ends. What
 *            is only announced gets a share of what is left of it: readers that take nothing
 *            cannot use it up.
 * Threads:   owner only (plain values).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct window_budget {
    uint64_t bytes; /* that windows of this connection may still grow by */
};

struct window {
    uint32_t bytes;    /* granted now */
    uint32_t min, max; /* at first, at most */
    uint64_t consumed; /* since the last growth */
};

void window_init(struct window *window, uint32_t min, uint32_t max);
/* So many bytes are announced. Returns the new size when the window is to grow, else 0. */
uint32_t window_expect(struct window *window, struct window_budget *budget, uint64_t bytes);
/* `len` bytes were consumed, `queued` received ones wait. Returns the new size when the window is
 * to grow, else 0. */
uint32_t window_consume(struct window *window, struct window_budget *budget, size_t len,
                        size_t queued);
/* The stream is over. */
void window_fini(struct window *window, struct window_budget *budget);
