/* SPDX-License-Identifier: Apache-2.0 */
/* Waits, without holding up the loop, until every worker has left what was published before.
 *
 * Shape:     grace_begin after each publisher_publish. Workers that sleep have left already, then
 *            `on_over` is called at once; otherwise a timer looks every millisecond until they
 *            have. Publishing again while waiting prolongs the wait: one call for all.
 * Threads:   the loop's own.
 */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "steering/runtime/publisher.h"

struct grace {
    uv_timer_t timer;
    struct publisher *publisher;
    void (*on_over)(void *owner);
    void *owner;
    bool is_waiting;
    uint64_t begun_ns;  /* of the present or latest wait */
    uint64_t latest_ns; /* how long the latest one took */
};

void grace_open(struct grace *grace, uv_loop_t *loop, struct publisher *publisher,
                void (*on_over)(void *owner), void *owner);
void grace_begin(struct grace *grace);
/* `on_over` is not called any more. The memory is free after the loop has run once more. */
void grace_close(struct grace *grace);
