/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "pop/server/transport_priv.h"
#include "steering/base/mem.h"

enum { EVENTS_MAX = LIMIT(256, 2) };

void io_turn(struct io *io)
{
    if (io->is_turn_begun)
        return;
    io->is_turn_begun = true;
    io->now_ms = uv_now(io->loop);
    io->now_ns = uv_hrtime();
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void arm(struct io *io);

static void on_tick(uv_timer_t *ticker)
{
    struct io *io = container_of(ticker, struct io, ticker);
    /* The loop's time may have moved on since the turn began (after the poll, or before the first
     * turn): with the old time nothing would be due, and arming with 0 would never end. */
    io->is_turn_begun = false;
    io_turn(io);
    io->ticker_ms = UINT64_MAX;
    io_wheel_advance(&io->wheel, io->now_ms);
    arm(io);
}

/* The ticker may be early, after timers were stopped: then it looks and is armed again. */
static void arm(struct io *io)
{
    uint64_t next_ms = io_wheel_next_ms(&io->wheel);
    if (next_ms >= io->ticker_ms)
        return;
    uint64_t now_ms = uv_now(io->loop);
    io->ticker_ms = next_ms;
    uv_timer_start(&io->ticker, on_tick, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

void io_timer_start(struct io *io, struct io_timer *timer, uint64_t after_ms,
                    void (*on_fire)(struct io_timer *timer))
{
    io_turn(io);
    io_wheel_remove(timer);
    /* Never in this millisecond: a timer that starts itself again with 0 must let others run. */
    timer->at_ms = io->now_ms + (after_ms > 0 ? after_ms : 1);
    timer->on_fire = on_fire;
    io_wheel_insert(&io->wheel, timer);
    if (timer->at_ms < io->ticker_ms)
        arm(io);
}

void io_timer_stop(struct io *io, struct io_timer *timer)
{
    (void)io; /* the ticker finds out when it fires */
    io_wheel_remove(timer);
}

/* ---- the turn -------------------------------------------------------------------------------- */

static void on_prepare(uv_prepare_t *prepare)
{
    struct io *io = container_of(prepare, struct io, prepare);
    io_turn(io);
    transport_flush_marked(io);
    io->is_turn_begun = false; /* the loop may sleep now */
}

static void on_check(uv_check_t *check)
{
    struct io *io = container_of(check, struct io, check);
    io_turn(io);
    transport_flush_marked(io);
    io->is_turn_begun = false;
}

static void on_again(uv_idle_t *again)
{
    struct io *io = container_of(again, struct io, again);
    io_turn(io);
    transport_read_unread(io);
    if (io->unread.first == NULL && io->marked.first == NULL)
        uv_idle_stop(&io->again);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct io *io = container_of(poll, struct io, poll);
    struct epoll_event ready[EVENTS_MAX];
    (void)status;
    (void)events;
    io_turn(io);
    int count = epoll_wait(io->epoll_fd, ready, EVENTS_MAX, 0);
    /* Transports that end meanwhile stay in memory until the turn's end. */
    for (int i = 0; i < count; i++)
        transport_on_ready(ready[i].data.ptr, ready[i].events);
}

/* ---- life ------------------------------------------------------------------------------------ */

enum err io_open(struct io *io, uv_loop_t *loop, struct diag *diag)
{
    *io = (struct io){ .loop = loop, .ticker_ms = UINT64_MAX };
    io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (io->epoll_fd < 0)
        return diag_errno(diag, errno, "cannot make an epoll");
    io->read_buffer = mem_resize(NULL, IO_BUFFER_BYTES, 1);
    io->plain_buffer = mem_resize(NULL, IO_BUFFER_BYTES, 1);
    uv_timer_init(loop, &io->ticker);
    uv_check_init(loop, &io->check);
    uv_prepare_init(loop, &io->prepare);
    uv_idle_init(loop, &io->again);
    int err = uv_poll_init(loop, &io->poll, io->epoll_fd);
    assert(err == 0);
    uv_check_start(&io->check, on_check);
    uv_prepare_start(&io->prepare, on_prepare);
    err = uv_poll_start(&io->poll, UV_READABLE, on_ready);
    assert(err == 0);
    io_turn(io);
    io->is_turn_begun = false;
    io->wheel.now_ms = io->now_ms;
    return ERR_OK;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct io *io = container_of((uv_poll_t *)handle, struct io, poll);
    free(io->read_buffer);
    free(io->plain_buffer);
    io->read_buffer = io->plain_buffer = NULL;
}

void io_close(struct io *io)
{
    assert(io->transports == 0 && io->marked.first == NULL && io->unread.first == NULL);
    uv_close((uv_handle_t *)&io->ticker, NULL);
    uv_close((uv_handle_t *)&io->check, NULL);
    uv_close((uv_handle_t *)&io->prepare, NULL);
    uv_close((uv_handle_t *)&io->again, NULL);
    uv_close((uv_handle_t *)&io->poll, on_poll_closed);
    close(io->epoll_fd);
    io->epoll_fd = -1;
}

void io_again(struct io *io)
{
    if (!uv_is_active((const uv_handle_t *)&io->again))
        uv_idle_start(&io->again, on_again);
}
