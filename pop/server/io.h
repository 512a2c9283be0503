/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker shares among its connections: the loop, a timer wheel, scratch memory, the
 * sockets that are watched, and the lists of connections that have something to read or to send.
 *
 * Shape:     one turn of the loop
 *              timers  -> io_timers that are due
 *              idle    -> transports that had more to read than a turn's share
 *              prepare -> every marked transport is flushed
 *              poll    -> sockets are ready: transports read, engines consume, streams are
 * answered, transports that have something to say are marked check   -> every marked transport is
 * flushed once: all frames that were produced in this turn leave in one write While a list is not
 * empty, an idle handle keeps the loop from sleeping: so no mark is ever lost, wherever it was
 * made.
 *
 *            Sockets are watched edge-triggered by an epoll set of our own, which the loop polls as
 *            one handle: no system call to change what is waited for, none to forget a socket.
 * Threads:   the worker's own.
 * Ownership: io_close frees nothing but its handles; the memory is free when the loop ran again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "steering/base/diag.h"
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

/* A timer lies in the level of the highest digit (of 6 bits) in which its time differs from now,
 * in the slot of that digit: so everything in a lower level is due before anything in a higher
 * one, and a slot of a higher level is spread over the lower ones when its time comes. */
enum { IO_WHEEL_BITS = 6, IO_WHEEL_SLOTS = 1 << IO_WHEEL_BITS, IO_WHEEL_LEVELS = 8 };

struct io_wheel {
    uint64_t now_ms;
    uint64_t used[IO_WHEEL_LEVELS]; /* a bit for each slot that has timers, or had */
    struct io_timer *slots[IO_WHEEL_LEVELS][IO_WHEEL_SLOTS];
};
/* Puts a timer in, to fire at `timer->at_ms`, which lies after now. */
void io_wheel_insert(struct io_wheel *wheel, struct io_timer *timer);
void io_wheel_remove(struct io_timer *timer); /* stopped ones stay stopped */
/* When to look again: UINT64_MAX without timers; never later than the first that is due. */
uint64_t io_wheel_next_ms(struct io_wheel *wheel);
/* Fires everything that is due at `now_ms`, in order of time. */
void io_wheel_advance(struct io_wheel *wheel, uint64_t now_ms);

/* ---- the loop -------------------------------------------------------------------------------- */

struct transport;
struct io_list {
    struct transport *first, *last;
};

struct io {
    uv_loop_t *loop;
    uv_timer_t ticker; /* drives the wheel: armed for the next timer that is due */
    uint64_t ticker_ms;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t again; /* runs while there is something left to do */
    uv_poll_t poll;  /* of `epoll_fd` */
    int epoll_fd;
    struct io_wheel wheel;
    struct io_list marked; /* to flush at the end of the turn */
    struct io_list unread; /* to read on in the next */
    uint8_t *read_buffer;  /* IO_BUFFER_BYTES; between two calls nobody owns its content */
    uint8_t *plain_buffer;
    uint64_t now_ms, now_ns; /* of this turn, monotonic */
    bool is_turn_begun;
    size_t transports; /* open */
};

/* On failure, for lack of a descriptor, nothing is left to close. */
MUST_USE enum err io_open(struct io *io, uv_loop_t *loop, struct diag *diag);
/* All transports are closed, all timers stopped. */
void io_close(struct io *io);
/* The first call in a turn of the loop reads the clock. For callbacks of libuv that are not io's:
 * now_ms is stale in them otherwise. */
void io_turn(struct io *io);

/* Starts or restarts: fires once, not before `after_ms` from now, and at most a few ms later. */
void io_timer_start(struct io *io, struct io_timer *timer, uint64_t after_ms,
                    void (*on_fire)(struct io_timer *timer));
void io_timer_stop(struct io *io, struct io_timer *timer); /* stopped ones stay stopped */
static inline bool io_timer_is_running(const struct io_timer *timer)
{
    return timer->link != NULL;
}
