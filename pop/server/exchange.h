/* SPDX-License-Identifier: Apache-2.0 */
/* The request core: one request from its head to the last byte of its response.
 *
 * Shape:     client stream ──on_request──> exchange ──upstream_acquire──> peer stream
 *
 *              ROUTING -> ACQUIRING -> SENT -> RESPONDING -> OVER
 *                ^            └─────────┴──> (failed: attempts_next) ──┐
 *                └──────────────────────────────────────────────────────┘
 *
 *            The request's pipe is read by the peer's stream, the response's pipe by the client's
 *            stream; the exchange only moves heads, watches times, and decides what follows a
 *            failure (pop/route/attempts.h).
 * Threads:   the worker's own.
 * Ownership: an exchange frees itself when client stream and peer stream are closed and released.
 */
#pragma once

#include "pop/server/worker.h"

/* What the client's connection knows about all its requests. */
struct exchange_origin {
    struct addr peer; /* of the client: after PROXY protocol */
    uint16_t peer_port;
    bool is_https;
    bool is_backbone;        /* came over the mutually authenticated backbone... */
    struct site_id source;   /* ...from this site */
    struct str server_name;  /* SNI; empty: none */
    const char *tls_version; /* for the log; NULL: plain */
    uint64_t connection_id;
    const struct transport *transport; /* lives as long as its requests' streams; NULL: unknown */
};

struct exchanges *exchanges_new(struct worker *worker);
void exchanges_free(struct exchanges *exchanges); /* none is alive */
size_t exchanges_count(const struct exchanges *exchanges);
/* Ends all that live, with 503 where no response was begun; for the end of a drain. */
void exchanges_abort(struct exchanges *exchanges);

/* For http_server_events.on_request: begins an exchange and makes it `stream->owner`. `origin` must
 * live as long as the stream's session. */
void exchange_begin(struct exchanges *exchanges, struct http_server_stream *stream,
                    const struct exchange_origin *origin);
/* Before exchange_client_closed: the client has not gone, it was given up. `cause` is for the log.
 */
void exchange_client_lost(void *stream_owner, const char *cause);
/* For http_server_events.on_closed. */
void exchange_client_closed(void *stream_owner, struct http_server_stream *stream,
                            enum http_error error);
/* For http_server_events.on_rejected: a line in the access log for what never became an exchange.
 */
void exchanges_rejected(struct exchanges *exchanges, const struct exchange_origin *origin,
                        enum http_version version, uint16_t status, const char *reason);
/* The events of client sessions that upstream makes: on_inform, on_response, on_closed. */
void exchange_on_inform(void *stream_owner, struct http_client_stream *stream,
                        const struct http_head *head);
void exchange_on_response(void *stream_owner, struct http_client_stream *stream);
void exchange_on_closed(void *stream_owner, struct http_client_stream *stream,
                        struct http_outcome outcome);
