/* SPDX-License-Identifier: Apache-2.0 */
/* One TCP connection, with TLS or without, as a pump of plaintext.
 *
 * Shape:     socket --read--> [TLS engine] --on_bytes--> owner (an HTTP session)
 *            socket <-write-- [TLS engine] <--on_pull--- owner
 *
 *            Pull-based: the owner says transport_mark when it has something to send; at the end
 *            of the loop's turn the transport pulls, encrypts and writes, as long as the kernel
 *            takes it. What the kernel does not take stays encrypted in a small buffer, and
 *            nothing more is pulled until that is gone: so a slow peer holds back its own
 *            streams and no memory.
 *
 *              CONNECTING -> HANDSHAKE -> OPEN -> FLUSHING (transport_close) -> LINGERING -> CLOSED
 *              (from everywhere: abort, failure -> CLOSED)
 * Threads:   the worker's own.
 * Ownership: transports belong to whom the events go. After on_closed (always asynchronous, always
 *            last, exactly once) the transport is gone.
 * Limits:    TRANSPORT_UNSENT_MAX encrypted bytes.
 */
#pragma once

#include "pop/server/io.h"
#include "pop/tls/tls.h"
#include "steering/base/addr.h"

/* One pull, encrypted into the smallest records, and a handshake's flight. */
enum { TRANSPORT_UNSENT_MAX = IO_BUFFER_BYTES + IO_BUFFER_BYTES / 16 + 16 * 1024 };

/* Why a connection ended; stable words for logs and metrics. */
#define TRANSPORT_CAUSE_LIST(X)                                                                    \
    X(LOCAL, "local") /* we closed it */                                                           \
    X(PEER, "peer")   /* orderly: FIN, close_notify */                                             \
    X(RESET, "reset") /* RST, EPIPE */                                                             \
    X(REFUSED, "connect_refused")                                                                  \
    X(UNREACHABLE, "unreachable")                                                                  \
    X(CONNECT_TIMEOUT, "connect_timeout")                                                          \
    X(TLS_TIMEOUT, "tls_timeout")                                                                  \
    X(TLS, "tls_error")           /* transport_reason has OpenSSL's */                             \
    X(TRUNCATED, "truncated")     /* FIN without close_notify */                                   \
    X(WRITE_STALL, "write_stall") /* the peer took no byte for write_stall_ms */                   \
    X(SYSTEM, "system")

enum transport_cause {
#define X(name, text) TRANSPORT_##name,
    TRANSPORT_CAUSE_LIST(X)
#undef X
};
const char *transport_cause_name(enum transport_cause cause);

struct transport;

struct transport_events {
    /* TLS done (or TCP connected, without TLS): transport_info tells ALPN and peer. */
    void (*on_open)(void *owner);
    /* Plaintext; valid during the call. Closing and aborting the transport in here is legal. */
    void (*on_bytes)(void *owner, const uint8_t *bytes, size_t len);
    /* The peer will send no more; sending is still possible. */
    void (*on_end)(void *owner);
    /* Fill `out`; 0: nothing to send now. `capacity` 0: after transport_end, when the owner marked
     * the transport once more; nothing can be sent. */
    size_t (*on_pull)(void *owner, uint8_t *out, size_t capacity);
    /* Everything that was pulled has been accepted by the kernel. NULL: not wanted. */
    void (*on_flushed)(void *owner);
    void (*on_closed)(void *owner, enum transport_cause cause);
};

struct transport_settings {
    const struct transport_events *events;
    void *owner;
    struct tls_context *tls; /* a reference is taken; NULL: plain */
    const char *server_name; /* client side with TLS: SNI, and what the certificate must say */
    uint32_t connect_ms, handshake_ms, write_stall_ms;
    const char *congestion; /* control; NULL: the system's */
    bool is_client_leg;     /* little is kept in the kernel, where nothing can overtake it */
};

/* Takes over an accepted socket. `head`: bytes that were read already (after a PROXY header). */
struct transport *transport_accept(struct io *io, int fd, const struct transport_settings *settings,
                                   const uint8_t *head, size_t head_len);
/* Never fails at once: troubles come as on_closed. */
struct transport *transport_connect(struct io *io, const struct addr *addr, uint16_t port,
                                    const struct transport_settings *settings);

/* There is something to pull. Cheap, may be called any number of times in a turn. */
void transport_mark(struct transport *transport);
/* Stop and resume on_bytes. */
void transport_pause(struct transport *transport);
void transport_resume(struct transport *transport);
/* Half-close: after what is pulled now, the peer sees the end (close_notify, FIN). Reading goes
 * on. For tunnels. */
void transport_end(struct transport *transport);
/* Pulls what the owner still has, sends it, then close_notify and FIN, then waits shortly for the
 * peer's end so that the kernel does not send RST over the last bytes. */
void transport_close(struct transport *transport);
/* When it is closed, in whichever way, the peer shall see that something is missing: what was
 * pulled is sent, but then comes RST. A FIN without close_notify is not enough: many TLS clients
 * take it for an end. */
void transport_cut(struct transport *transport);
/* At once, with RST. */
void transport_abort(struct transport *transport);

struct transport_info {
    bool is_open;
    struct tls_info tls; /* zero without TLS */
    struct addr peer, local;
    uint16_t peer_port, local_port;
    uint64_t bytes_in, bytes_out; /* on the wire */
    size_t unsent_bytes;          /* encrypted, not yet taken by the kernel */
    uint64_t handshake_us;        /* from accept or connect to open */
    int fd;
};
struct transport_info transport_info(const struct transport *transport);

/* How far the peer is with what it is sent; bytes on the wire, since the beginning. */
struct transport_flow {
    uint64_t put_bytes;     /* that the owner gave, encrypted */
    uint64_t arrived_bytes; /* that the peer's kernel has acknowledged */
    bool is_blocked;        /* more waits for the kernel */
};
/* A system call. */
struct transport_flow transport_flow(const struct transport *transport);
/* For the names in the peer's certificate; NULL: plain. */
const struct tls_engine *transport_tls(const struct transport *transport);
/* Smoothed round trip time as the kernel measured it; 0: unknown. A system call. */
uint32_t transport_rtt_us(const struct transport *transport);
/* OpenSSL's words for a TLS error, the system's for others, or ""; valid in on_closed. */
const char *transport_reason(const struct transport *transport);
