/* SPDX-License-Identifier: Apache-2.0 */
/* What transport.c, transport_read.c, transport_write.c and io.c share.
 *
 * Threads:   the worker's own.
 */
#pragma once

#include "pop/server/transport.h"

enum transport_state {
    TRANSPORT_STATE_CONNECTING, /* also accepted ones, until the loop has looked at them */
    TRANSPORT_STATE_HANDSHAKE,
    TRANSPORT_STATE_OPEN,
    TRANSPORT_STATE_FLUSHING,  /* the owner has closed: what it still has goes out */
    TRANSPORT_STATE_LINGERING, /* all is out, FIN too: the peer's end is waited for */
    TRANSPORT_STATE_CLOSED,    /* on_closed comes at the end of the turn */
};

struct transport {
    struct io *io;
    const struct transport_events *events;
    void *owner;
    struct tls_engine *tls; /* NULL: plain */
    struct transport *next_marked, *next_unread;
    struct io_timer timer; /* connect, handshake, write stall or lingering, by state */
    int fd;
    int errnum; /* of the system's failure, for transport_reason */
    uint8_t state, cause;

    bool is_marked, is_unread; /* in which lists */
    bool is_accepted, is_client_leg;
    bool is_readable;    /* the socket may have more, as far as we know */
    bool is_hung_up;     /* the kernel announced an end: read until it comes */
    bool is_blocked;     /* the kernel takes no more */
    bool is_paused;      /* by the owner */
    bool is_interrupted; /* input is left in `stash` or in the engine */
    bool is_peer_ended;  /* close_notify, or FIN without TLS */
    bool is_fin_read;
    bool is_ending; /* transport_end was called */
    bool is_cut;    /* transport_cut was called */
    bool is_shut;   /* FIN is sent */
    bool is_dirty;  /* something was pulled since on_flushed */

    uint8_t *stash; /* input that waits for transport_resume */
    size_t stash_len;
    uint8_t *left; /* plain: what the kernel did not take */
    size_t left_at, left_len;

    uint32_t handshake_ms, write_stall_ms;
    uint64_t started_ns, handshake_us;
    uint64_t progress_ms;   /* when the kernel last took something, or the peer was seen to */
    uint64_t arrived_bytes; /* at the last look at a blocked one */
    uint64_t burst_ms, burst_bytes; /* of the run of records without a pause of the owner's */
    uint64_t lingered_bytes;
    uint64_t bytes_in, bytes_out;
    struct addr peer, local;
    uint16_t peer_port, local_port;
};

/* ---- io.c ------------------------------------------------------------------------------------ */

/* The loop must not sleep before it has run once more. */
void io_again(struct io *io);

/* ---- transport.c ----------------------------------------------------------------------------- */

void transport_on_ready(struct transport *transport, uint32_t epoll_events);
/* Reads on where a turn's share was not enough or the owner resumed. */
void transport_read_unread(struct io *io);
/* Flushes what is marked, and buries what is closed. */
void transport_flush_marked(struct io *io);

void transport_push_unread(struct transport *transport);
/* What the kernel sends in one flight; 0: unknown. A system call. */
uint64_t transport_window_bytes(const struct transport *transport);
/* The end: closes the socket; on_closed comes later. */
void transport_finish(struct transport *transport, enum transport_cause cause);
/* The same with RST. */
void transport_reset(struct transport *transport, enum transport_cause cause);
void transport_fail_errno(struct transport *transport, int errnum);
/* TLS is done, or was none. */
void transport_opened(struct transport *transport);

/* ---- transport_read.c, transport_write.c ------------------------------------------------------
 */

/* Reads what the socket has, up to a turn's share. */
void transport_read(struct transport *transport);
/* Goes on with the handshake, decrypts and delivers what the engine has. */
void transport_pump(struct transport *transport);
void transport_flush(struct transport *transport);
/* Sends what is encrypted already. True: all of it is gone. */
bool transport_send(struct transport *transport);
/* Encrypted, or plain and not taken by the kernel. */
struct str transport_unsent(const struct transport *transport);
