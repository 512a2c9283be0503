/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/grace.h"

#include "steering/base/clock.h"
#include "steering/base/mem.h"

enum { LOOK_EVERY_MS = 1 };

static void look(struct grace *grace)
{
    if (publisher_reap(grace->publisher) > 0)
        return;
    uv_timer_stop(&grace->timer);
    grace->is_waiting = false;
    grace->latest_ns = clock_monotonic_ns() - grace->begun_ns;
    grace->on_over(grace->owner);
}

static void on_timer(uv_timer_t *timer)
{
    look(container_of(timer, struct grace, timer));
}

void grace_open(struct grace *grace, uv_loop_t *loop, struct publisher *publisher,
                void (*on_over)(void *owner), void *owner)
{
    *grace = (struct grace){ .publisher = publisher, .on_over = on_over, .owner = owner };
    uv_timer_init(loop, &grace->timer);
}

void grace_begin(struct grace *grace)
{
    if (!grace->is_waiting) {
        grace->is_waiting = true;
        grace->begun_ns = clock_monotonic_ns();
        uv_timer_start(&grace->timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
    }
    look(grace);
}

void grace_close(struct grace *grace)
{
    uv_close((uv_handle_t *)&grace->timer, NULL);
}
