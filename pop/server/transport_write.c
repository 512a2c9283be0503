/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pop/server/transport_priv.h"
#include "steering/base/mem.h"

enum {
    TURN_BYTES = 8 * IO_BUFFER_BYTES,    /* of one connection, before others have theirs */
    PULL_ROOM_MIN = IO_BUFFER_BYTES / 4, /* less is not offered to the owner */
    SMALL_RECORD_BYTES = 1300,           /* with all headers one packet, nearly everywhere */
    SMALL_RECORDS_UNTIL = 32 * 1024,
    BURST_PAUSE_MS = 20, /* then what is on its way has mostly arrived */
    SHRINK_AFTER_MS = 250,
    LINGERING_MS = 2000,
};

/* ---- the kernel ------------------------------------------------------------------------------ */

struct str transport_unsent(const struct transport *transport)
{
    if (transport->tls != NULL)
        return tls_take(transport->tls);
    return (struct str){ .ptr = (const char *)transport->left + transport->left_at,
                         .len = transport->left_len - transport->left_at };
}

static void drop_unsent(struct transport *transport, size_t len)
{
    if (transport->tls != NULL) {
        tls_sent(transport->tls, len);
        return;
    }
    transport->left_at += len;
    if (transport->left_at == transport->left_len) {
        free(transport->left);
        transport->left = NULL;
        transport->left_at = transport->left_len = 0;
    }
}

/* Something, since the last look. */
static bool has_arrived(struct transport *transport)
{
    uint64_t before = transport->arrived_bytes;
    transport->arrived_bytes = transport_flow(transport).arrived_bytes;
    return transport->arrived_bytes != before;
}

static void on_stall(struct io_timer *timer)
{
    struct transport *transport = container_of(timer, struct transport, timer);
    if (!transport->is_blocked)
        return;
    uint64_t waited_ms = transport->io->now_ms - transport->progress_ms;
    uint64_t limit_ms = transport->write_stall_ms;
    /* The kernel asks for more when a good part of what it has is gone: on a slow line, that may
     * last longer than any stall. */
    bool is_arriving = has_arrived(transport);
    if (limit_ms > 0 && waited_ms >= limit_ms) {
        if (!is_arriving) {
            transport_reset(transport, TRANSPORT_WRITE_STALL);
            return;
        }
        transport->progress_ms = transport->io->now_ms;
        waited_ms = 0;
    }
    /* Not in a buffer of full size: thousands of slow peers may be waited for. */
    if (waited_ms >= SHRINK_AFTER_MS && transport->tls != NULL)
        tls_shrink(transport->tls);
    uint64_t next_ms = waited_ms < SHRINK_AFTER_MS ? SHRINK_AFTER_MS : limit_ms;
    if (next_ms > waited_ms)
        io_timer_start(transport->io, timer, next_ms - waited_ms, on_stall);
}

/* The timer is left alone when bytes move again: it looks by itself whether they still do. */
static void block(struct transport *transport)
{
    if (!transport->is_blocked)
        transport->progress_ms = transport->io->now_ms;
    transport->is_blocked = true;
    bool is_timed =
        transport->state == TRANSPORT_STATE_OPEN || transport->state == TRANSPORT_STATE_FLUSHING;
    if (is_timed && !io_timer_is_running(&transport->timer))
        io_timer_start(transport->io, &transport->timer, SHRINK_AFTER_MS, on_stall);
}

/* How many of the bytes the kernel took; SIZE_MAX: the connection is lost. Writes until the kernel
 * says no, or has all: only a clear "no" is sure to be followed by an edge. */
static size_t send_bytes(struct transport *transport, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t put = send(transport->fd, bytes + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            block(transport);
            break;
        }
        if (put < 0) {
            transport_fail_errno(transport, errno);
            return SIZE_MAX;
        }
        done += (size_t)put;
        transport->bytes_out += (size_t)put;
        transport->progress_ms = transport->io->now_ms;
    }
    return done;
}

bool transport_send(struct transport *transport)
{
    struct str unsent = transport_unsent(transport);
    if (unsent.len == 0)
        return true;
    if (transport->is_blocked)
        return false;
    size_t done = send_bytes(transport, (const uint8_t *)unsent.ptr, unsent.len);
    if (done == SIZE_MAX)
        return false;
    drop_unsent(transport, done);
    return done == unsent.len;
}

/* ---- from the owner -------------------------------------------------------------------------- */

/* A full record, and what TLS and TCP add to it, in one flight. */
static bool has_wide_window(const struct transport *transport)
{
    return transport_window_bytes(transport) >= IO_RECORD_BYTES + IO_RECORD_BYTES / 16;
}

/* Small records let a peer use each packet as it comes: a slow start sends no full record in one
 * flight, and a paced one takes milliseconds for it. Full ones cost less of everything; and who
 * sends without pauses gets only those. So does a backbone connection as soon as its window is
 * wide: what it brings packet by packet, a PoP would hand on packet by packet, and each of these
 * writes leaves the client a packet that is not full, of the few that its own window allows. */
static size_t record_max(struct transport *transport, size_t len)
{
    uint64_t now_ms = transport->io->now_ms;
    if (now_ms - transport->burst_ms >= BURST_PAUSE_MS)
        transport->burst_bytes = 0;
    transport->burst_ms = now_ms;
    if (!transport->is_client_leg && len > SMALL_RECORD_BYTES &&
        transport->burst_bytes < SMALL_RECORDS_UNTIL && has_wide_window(transport))
        transport->burst_bytes = SMALL_RECORDS_UNTIL;
    size_t max =
        transport->burst_bytes < SMALL_RECORDS_UNTIL ? SMALL_RECORD_BYTES : IO_RECORD_BYTES;
    transport->burst_bytes += len;
    return max;
}

/* Fills the worker's buffer from the owner. `*out_is_drained`: it has no more for now. */
static size_t pull(struct transport *transport, bool *out_is_drained)
{
    uint8_t *out = transport->io->plain_buffer;
    size_t len = 0;
    *out_is_drained = false;
    while (IO_BUFFER_BYTES - len >= PULL_ROOM_MIN) {
        size_t room = IO_BUFFER_BYTES - len;
        size_t got = transport->events->on_pull(transport->owner, out + len, room);
        assert(got <= room);
        if (transport->state == TRANSPORT_STATE_CLOSED)
            return 0;
        if (got == 0) {
            /* With little room it may just have been too little. */
            *out_is_drained = room >= IO_BUFFER_BYTES - PULL_ROOM_MIN;
            break;
        }
        len += got;
    }
    return len;
}

/* Encrypts and sends, or sends and keeps what the kernel does not take. False: no more now. */
static bool put(struct transport *transport, size_t len)
{
    const uint8_t *bytes = transport->io->plain_buffer;
    transport->is_dirty = true;
    if (transport->tls != NULL) {
        if (!tls_write(transport->tls, bytes, len, record_max(transport, len))) {
            transport_finish(transport, TRANSPORT_TLS);
            return false;
        }
        return transport_send(transport);
    }
    size_t done = send_bytes(transport, bytes, len);
    if (done == SIZE_MAX)
        return false;
    if (done == len)
        return true;
    transport->left = mem_dup(bytes + done, len - done);
    transport->left_len = len - done;
    transport->left_at = 0;
    return false;
}

/* True: everything that the owner has for now is with the kernel. */
static bool drain_owner(struct transport *transport)
{
    bool is_drained = false;
    for (size_t sent = 0; !is_drained;) {
        if (sent >= TURN_BYTES) {
            transport_push_unread(transport);
            return false;
        }
        size_t len = pull(transport, &is_drained);
        if (transport->state == TRANSPORT_STATE_CLOSED)
            return false;
        if (len == 0)
            return true;
        sent += len;
        if (!put(transport, len))
            return false;
    }
    return true;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void on_lingered(struct io_timer *timer)
{
    struct transport *transport = container_of(timer, struct transport, timer);
    transport_finish(transport, (enum transport_cause)transport->cause);
}

/* close(2) while the peer still sends would answer with RST, and the RST would overtake the last
 * bytes that it has not read yet. */
static void linger(struct transport *transport)
{
    if (transport->is_fin_read) {
        transport_finish(transport, (enum transport_cause)transport->cause);
        return;
    }
    transport->state = TRANSPORT_STATE_LINGERING;
    io_timer_start(transport->io, &transport->timer, LINGERING_MS, on_lingered);
    if (transport->is_readable)
        transport_push_unread(transport);
}

static void end_sending(struct transport *transport)
{
    if (!transport->is_shut && transport->tls != NULL && !transport->is_cut)
        tls_end(transport->tls);
    if (!transport_send(transport))
        return;
    if (transport->is_cut) {
        transport_reset(transport, (enum transport_cause)transport->cause);
        return;
    }
    if (!transport->is_shut) {
        transport->is_shut = true;
        shutdown(transport->fd, SHUT_WR);
    }
    if (transport->state == TRANSPORT_STATE_FLUSHING)
        linger(transport);
}

static void flush_owner(struct transport *transport)
{
    if (!transport_send(transport))
        return;
    if (transport->is_shut && transport->state == TRANSPORT_STATE_OPEN) {
        /* Nothing can be sent any more, but its session may have something to settle. */
        uint8_t none;
        (void)transport->events->on_pull(transport->owner, &none, 0);
        if (transport->state == TRANSPORT_STATE_CLOSED)
            return;
    } else if (!transport->is_shut && !drain_owner(transport)) {
        return;
    }
    if (transport->is_dirty) {
        transport->is_dirty = false;
        if (transport->events->on_flushed != NULL)
            transport->events->on_flushed(transport->owner);
    }
    if (transport->state == TRANSPORT_STATE_FLUSHING ||
        (transport->state == TRANSPORT_STATE_OPEN && transport->is_ending))
        end_sending(transport);
}

void transport_flush(struct transport *transport)
{
    switch ((enum transport_state)transport->state) {
    case TRANSPORT_STATE_HANDSHAKE:
        (void)transport_send(transport);
        return;
    case TRANSPORT_STATE_OPEN:
    case TRANSPORT_STATE_FLUSHING:
        flush_owner(transport);
        return;
    case TRANSPORT_STATE_CONNECTING:
    case TRANSPORT_STATE_LINGERING:
    case TRANSPORT_STATE_CLOSED:
        return;
    }
}
