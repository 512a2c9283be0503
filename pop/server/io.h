/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker shares among its connections: the loop, a timer wheel, scratch memory, and the
 * list of connections that have something to send.
 *
 * Shape:     one turn of the loop
 *              poll    -> transports read, engines consume, streams are answered, transports
 *                         that have something to say call io_mark
 *              check   -> every marked transport is flushed once: all frames that were produced
 *                         in this turn leave in one write
 * Threads:   the worker's own.
 * Ownership: io_close frees nothing but its handles; the memory is free when the loop ran again.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "steering/base/limits.h"

enum {
    IO_BUFFER_BYTES = LIMIT(64 * 1024, 512), /* read and plaintext at once */
    IO_RECORD_BYTES = 16 * 1024,             /* the largest TLS record's content */
};

/* ---- timers: one wheel instead of a uv_timer_t for each stream ------------------------------- */

/* Embedded in its owner; zeroed means stopped. */
struct io_timer {
    struct io_timer *next, **link; /* `link`: what points at this one; NULL: stopped */
    uint64_t at_ms;
    void (*on_fire)(struct io_timer *timer); /* the timer is stopped before; container_of */
};

enum { IO_WHEEL_BITS = 8, IO_WHEEL_SLOTS = 1 << IO_WHEEL_BITS, IO_WHEEL_LEVELS = 4 };

struct io_wheel {
    uint64_t now_ms;
    struct io_timer *slots[IO_WHEEL_LEVELS][IO_WHEEL_SLOTS];
    size_t count;
};

struct transport;

struct io {
    uv_loop_t *loop;
    uv_timer_t ticker; /* drives the wheel: armed for the next timer that is due */
    uv_check_t check;
    uv_prepare_t prepare;
    struct io_wheel wheel;
    struct transport *marked; /* to flush at the end of the turn */
    uint8_t *read_buffer;     /* IO_BUFFER_BYTES; between two calls nobody owns its content */
    uint8_t *plain_buffer;
    uint64_t now_ms, now_ns; /* of this turn, monotonic */
    size_t transports;       /* open */
};

void io_open(struct io *io, uv_loop_t *loop);
/* All transports are closed, all timers stopped. */
void io_close(struct io *io);

/* Starts or restarts: fires once, not before `after_ms` from now, and at most a few ms later. */
void io_timer_start(struct io *io, struct io_timer *timer, uint64_t after_ms,
                    void (*on_fire)(struct io_timer *timer));
void io_timer_stop(struct io *io, struct io_timer *timer); /* stopped ones stay stopped */
static inline bool io_timer_is_running(const struct io_timer *timer)
{
    return timer->link != NULL;
}
