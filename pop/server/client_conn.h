/* SPDX-License-Identifier: Apache-2.0 */
/* One client connection: PROXY header, TLS, the session that ALPN chose, and its clocks.
 *
 * Shape:     PROXY -> HANDSHAKE -> SILENT (no byte yet) -> OPEN -> CLOSING -> gone
 *
 *            One timer for all clocks: it is set to the earliest that matters, and looks at all of
 *            them when it fires. Requests do not touch it unless they make something due earlier.
 * Threads:   the worker's own.
 * Ownership: belongs to its clients (client_priv.h) and frees itself when its transport is gone.
 */
#pragma once

#include "pop/server/client_addrs.h"
#include "pop/server/client_priv.h"
#include "pop/server/transport.h"

enum client_phase {
    CLIENT_PROXY,     /* waits for the header of a load balancer */
    CLIENT_HANDSHAKE, /* the transport's own clock runs */
    CLIENT_SILENT,
    CLIENT_OPEN,
    CLIENT_CLOSING,
};

/* Of the backbone: what is known of the process at the other end (client_liveness.c). */
struct client_liveness {
    uint64_t look_ms;  /* when to look, while there are requests */
    uint64_t heard_ms; /* when bytes came last */
    uint64_t ping_ms;  /* the unanswered one, or when the line last moved in front of it */
    uint64_t ping_end_bytes, arrived_bytes; /* on the wire: up to the PING; that have arrived */
    uint32_t rtt_us;
    bool has_ping, is_asked_twice;
};

struct client_conn {
    struct client_conn *next, *previous;         /* of all, newest first */
    struct client_conn *idle_newer, *idle_older; /* of those without a request */
    struct client_member member;                 /* in the table of addresses */
    struct clients *clients;
    struct settings *settings; /* one reference */
    size_t listen;             /* index into settings->node->listens */
    struct exchange_origin origin;
    struct client_proxy *proxy;   /* only in CLIENT_PROXY */
    struct transport *transport;  /* NULL before CLIENT_HANDSHAKE */
    struct http_session *session; /* NULL before CLIENT_SILENT */
    struct io_timer timer;
    enum client_phase phase;
    uint32_t streams; /* requests in progress */
    bool is_idle;     /* in the list of idle ones */
    bool is_rested;   /* idle for so long that its session has given memory back */
    bool is_h2, has_settings_ack;
    bool is_draining, is_drain_final;
    uint64_t source_version; /* of the settings whose number of a site origin.source is */
    uint64_t opened_ms, idle_since_ms;
    uint64_t head_since_ms; /* a head is arriving; 0: none */
    uint64_t head_stream;   /* HTTP/2: of which of its streams */
    uint64_t retire_ms;     /* its greatest age */
    uint64_t drain_due_ms;  /* the next step of its drain */
    uint32_t pings;         /* unanswered ones */
    const char *lost;       /* why it was given up, for the log of its requests; NULL: it was not */
    struct client_liveness alive;
};

/* The socket is accepted and within limits; `peer` as the kernel says. Takes `fd` over. */
void client_conn_new(struct clients *clients, size_t listen, int fd, const struct addr *peer,
                     uint16_t peer_port);
/* From client_proxy.c: the header was read; `rest` came behind it. */
void client_conn_start(struct client_conn *conn, int fd, const uint8_t *rest, size_t rest_len);
/* Without a transport: frees. `fd` is the caller's. */
void client_conn_discard(struct client_conn *conn);
/* Orderly: what is there to say, is said. */
void client_conn_close(struct client_conn *conn);
void client_conn_abort(struct client_conn *conn);
/* No new requests: two-phase GOAWAY, or `Connection: close`. */
void client_conn_drain(struct client_conn *conn);
/* HTTP/2: there will be a pong. */
void client_conn_ping(struct client_conn *conn);
/* Sets the timer to what is due first. */
void client_conn_arm(struct client_conn *conn);

/* ---- client_proxy.c ---- */
/* Reads the header, then calls client_conn_start or client_conn_discard. */
void client_proxy_start(struct client_conn *conn, int fd);
/* Not wanted any more: closes the socket. */
void client_proxy_stop(struct client_conn *conn);

/* ---- client_liveness.c ---- */
/* The first of its requests has begun. */
void client_liveness_begun(struct client_conn *conn);
void client_liveness_heard(struct client_conn *conn);
/* When to look; UINT64_MAX: no need. */
uint64_t client_liveness_due_ms(const struct client_conn *conn);
/* May abort the connection. */
void client_liveness_look(struct client_conn *conn);

/* ---- client_redirect.c ---- */
extern const struct http_server_events client_redirect_events;
/* Everything of http_session_events, for all kinds of listeners. */
#define CLIENT_SESSION_EVENTS                                                                      \
    {                                                                                              \
        .on_wants_write = client_on_wants_write, .on_wants_read = client_on_wants_read,            \
        .on_pong = client_on_pong, .on_settings_ack = client_on_settings_ack                       \
    }
void client_on_wants_write(void *owner);
void client_on_wants_read(void *owner);
void client_on_pong(void *owner);
void client_on_settings_ack(void *owner);
void client_on_rejected(void *owner, uint16_t status, const char *reason);
/* A request has begun, or is over. */
void client_conn_busy(struct client_conn *conn);
void client_conn_done(struct client_conn *conn);
