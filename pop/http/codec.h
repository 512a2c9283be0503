/* SPDX-License-Identifier: Apache-2.0 */
/* What the request core sees of HTTP: sessions and streams, the same for HTTP/1.1 and HTTP/2.
 *
 * Shape:     a session is one connection's engine, without I/O: bytes in, bytes out.
 *
 *              bytes ──receive──> session ──on_request / on_response──> request core
 *              bytes <──produce── session <──respond / request─────────
 *
 *            Content never passes through calls: a received body lands in the stream's own pipe,
 *            and a body to send is read from somebody else's pipe. Each pipe joins exactly one
 *            receiving and one sending stream.
 *
 *            h1_server.h, h2_server.h make server sessions; h1_client.h, h2_client.h client ones.
 *            An HTTP/1.1 session has one stream at a time (pipelined requests wait).
 * Threads:   one worker's own. Calls made from inside an event are legal, except
 *            http_session_free: free the session after the call that raised the event returned.
 * Ownership: a stream belongs to its session until it is closed (on_closed) AND released by the
 *            request core (http_*_release), whichever comes last; its head and pipe live until
 *            then, even if the session was freed in between.
 * Limits:    struct http_limits.
 */
#pragma once

#include "pop/http/pipe.h"

struct http_session;

/* What we allow a peer. */
struct http_limits {
    uint32_t head_bytes;        /* name + value + 32 over all fields, request line included */
    uint32_t fields;            /* at most HEAD_FIELDS_MAX */
    uint32_t streams;           /* HTTP/2: at once (SETTINGS_MAX_CONCURRENT_STREAMS) */
    uint32_t requests;          /* on one connection, then it is drained; 0: any number */
    uint32_t stream_window;     /* HTTP/2: receive window of a stream at first */
    uint32_t stream_window_max; /* ... and where it may grow to while its content is consumed */
    uint32_t connection_window;
    uint32_t hpack_table_bytes;
    uint32_t h1_buffer_bytes; /* HTTP/1.1: stop reading while a pipe holds more than that */
    uint32_t score_max;       /* points of misbehaviour; three quarters: GOAWAY, all: close */
    bool is_shared;           /* HTTP/2: the peer carries many clients (backbone): be fair among its
                                 streams whatever priority they claim, let it reset any number */
};

enum { HTTP_EARLY_REFUSAL_MAX = 64 };

/* What every session does with bytes. A session that `is_over` produces what is left to say (an
 * error response, GOAWAY) and is then to be closed. */
struct http_session_ops {
    /* Takes all bytes. Events are raised from in here. */
    void (*receive)(struct http_session *session, const uint8_t *bytes, size_t len);
    /* The peer's orderly end (FIN, close_notify): no byte will come. */
    void (*receive_end)(struct http_session *session);
    /* Puts bytes for the peer into `out`; 0: nothing to say now. May raise on_closed, and in
     * HTTP/1.1 on_request, for a pipelined request that waited for the response before it. */
    size_t (*produce)(struct http_session *session, uint8_t *out, size_t capacity);
    /* Is there something to produce? */
    bool (*wants_write)(const struct http_session *session);
    /* False: leave the peer's bytes in the socket for now (HTTP/1.1 only; HTTP/2 has windows). */
    bool (*wants_read)(const struct http_session *session);
    /* No new streams, those that live go on. HTTP/2 server: GOAWAY with the highest id, and with
     * `is_final` the last id that was taken (call it once more a round trip later). HTTP/1.1:
     * `Connection: close` with the next response, or at once when idle. */
    void (*drain)(struct http_session *session, bool is_final);
    /* HTTP/2: sends a PING; on_pong answers. HTTP/1.1: nothing. */
    void (*ping)(struct http_session *session);
    /* It has been idle for a while: gives back memory that it does not need now. NULL: nothing. */
    void (*rest)(struct http_session *session);
    void (*free)(struct http_session *session); /* open streams end with HTTP_ERROR_CLOSED */
};

struct http_session_events {
    /* There is something to produce: schedule a flush. May be called often, also from inside
     * other calls; must not call back. */
    void (*on_wants_write)(void *owner);
    /* wants_read became true again. */
    void (*on_wants_read)(void *owner);
    void (*on_pong)(void *owner);
    /* HTTP/2: the peer's first SETTINGS came; and its acknowledgement of ours. NULL: ignored. */
    void (*on_settings)(void *owner);
    void (*on_settings_ack)(void *owner);
    /* A client session: the peer takes no new streams (GOAWAY, `Connection: close`). */
    void (*on_draining)(void *owner);
};

enum http_version { HTTP_1_0, HTTP_1_1, HTTP_2 };

/* First member of every session's own struct. */
struct http_session {
    const struct http_session_ops *ops;
    const struct http_session_events *events;
    void *owner;
    struct pipe_pool *pool;
    struct http_limits limits;
    enum http_version version;
    bool is_draining;      /* takes no new streams */
    bool is_over;          /* close the connection when all is produced */
    bool is_cut;           /* HTTP/1.x: the content would have ended with the connection, but is not
                              whole: an orderly end would be taken for its own */
    bool is_head_open;     /* HTTP/2: a head has begun and waits for the rest of itself */
    bool is_write_ended;   /* HTTP/1.1, a tunnel's half-close: when all is produced, end our
                              direction (FIN) and go on reading */
    enum http_error error; /* why it is over; NONE: in good order */
    const char *reason;    /* a stable word for what the peer did wrong ("cl_te", "rapid_reset"),
                              or NULL */
    uint32_t open_streams; /* now */
    uint64_t total_streams;
    uint32_t score;                  /* of misbehaviour, decaying with requests that end well */
    uint64_t last_bytes_out_streams; /* HTTP/2: bytes of DATA that wait for the peer's window */
};

void http_session_free(struct http_session *session); /* accepts NULL */

/* ---- server ---------------------------------------------------------------------------------- */

struct http_server_stream;

struct http_server_events {
    struct http_session_events session; /* first */
    /* The head of a sound request is complete; `stream->request` and `stream->body` are there.
     * Set `stream->owner`, and answer now or later. Requests that break the rules of HTTP never
     * come here: the codec answers (400, 431, 501, ...) or resets by itself, and reports
     * on_rejected. */
    void (*on_request)(void *session_owner, struct http_server_stream *stream);
    /* Over: `error` NONE when the response has been produced whole; otherwise the client went
     * away or the connection ended. Always follows on_request, exactly once. `stream` stays
     * readable until http_server_release. */
    void (*on_closed)(void *stream_owner, struct http_server_stream *stream, enum http_error error);
    /* For the log and metrics: the codec itself refused something. `status` 0: by reset. */
    void (*on_rejected)(void *session_owner, uint16_t status, const char *reason);
};

struct http_server_stream_ops {
    /* 1xx (100, 103); dropped for HTTP/1.0. */
    void (*inform)(struct http_server_stream *stream, const struct http_head *head);
    /* Once. The texts of the head's fields must live until on_closed or reset, and so must `body`
     * (NULL: none). With `body`, the codec attaches itself as reader, and ends the response with
     * the pipe (trailers included).
     * A broken pipe: the response is visibly truncated (RST_STREAM; HTTP/1.1: closed without the
     * last chunk, or short). 2xx to an extended CONNECT or 101-like upgrade: a tunnel. */
    void (*respond)(struct http_server_stream *stream, const struct http_head *head,
                    struct pipe *body);
    /* Instead of a response, or in its midst. HTTP/1.1: closes the connection. REFUSED tells an
     * HTTP/2 client that it may repeat the request. */
    void (*reset)(struct http_server_stream *stream, enum http_error error);
    /* The request core has done with it. */
    void (*release)(struct http_server_stream *stream);
};

struct http_server_stream {
    const struct http_server_stream_ops *ops;
    struct http_session *session; /* NULL after the session was freed */
    void *owner;                  /* of the request core */
    struct arena arena;           /* of the request; the core may use it, too */
    struct http_head request;
    struct pipe body; /* what the client sends */
    uint64_t id;      /* HTTP/2: stream id; HTTP/1.1: counted from 1 */
    bool has_body;    /* announced: content is coming (or a tunnel is wanted) */
    bool is_upgrade;  /* wants a WebSocket: an HTTP/1.1 Upgrade, or RFC 8441; both look
                         like :protocol = "websocket" in `request` */
    bool is_responded;
    uint64_t response_bytes; /* content produced */
};

static inline void http_server_inform(struct http_server_stream *stream,
                                      const struct http_head *head)
{
    stream->ops->inform(stream, head);
}
static inline void http_server_respond(struct http_server_stream *stream,
                                       const struct http_head *head, struct pipe *body)
{
    stream->ops->respond(stream, head, body);
}
static inline void http_server_reset(struct http_server_stream *stream, enum http_error error)
{
    stream->ops->reset(stream, error);
}
static inline void http_server_release(struct http_server_stream *stream)
{
    stream->ops->release(stream);
}

/* ---- client ---------------------------------------------------------------------------------- */

struct http_client_stream;

/* How a client stream ended. */
struct http_outcome {
    enum http_error error; /* NONE: the response is complete */
    bool is_unprocessed;   /* proof that the peer did nothing with it: never produced, REFUSED, or
                              above GOAWAY's last stream */
    bool has_response;     /* its head had come */
};

struct http_client_events {
    struct http_session_events session; /* first */
    /* 100, 103, ...: never 101. */
    void (*on_inform)(void *stream_owner, struct http_client_stream *stream,
                      const struct http_head *head);
    /* The final head is in `stream->response`; content lands in `stream->body`. */
    void (*on_response)(void *stream_owner, struct http_client_stream *stream);
    /* Over, exactly once after http_client_request, never from inside it. With a response, its
     * pipe was ended or broken before, and what is in it may still be read until release. */
    void (*on_closed)(void *stream_owner, struct http_client_stream *stream,
                      struct http_outcome outcome);
};

struct http_client_ops {
    struct http_session_ops session; /* first */
    /* Starts a request. Asserts http_client_room > 0. What `head` points at (fields, texts) is
     * borrowed until the request was produced, cancelled or closed.
     * `body` NULL: none; the codec attaches itself to it as reader, and detaches when the stream
     * closes. Bodies without content_length are chunked in HTTP/1.1. A head with `protocol` is a
     * WebSocket: extended CONNECT in HTTP/2, Upgrade in HTTP/1.1 (which answers 101; it is
     * reported as 200). */
    struct http_client_stream *(*request)(struct http_session *session,
                                          const struct http_head *head, struct pipe *body,
                                          void *stream_owner);
    /* How many further requests may be started right now: 0 before SETTINGS have come, when
     * draining, when the peer's limit is reached (never more than it has announced). */
    uint32_t (*room)(const struct http_session *session);
    /* Does the peer take extended CONNECT (RFC 8441)? HTTP/1.1: always true. */
    bool (*takes_websocket)(const struct http_session *session);
    /* Not wanted any more: RST_STREAM(CANCEL), or HTTP/1.1: the connection is over. Detaches from
     * the request's body before it returns (the next attempt reads it at once, or it goes), and
     * never touches it again; on_closed follows, later. */
    void (*cancel)(struct http_client_stream *stream, enum http_error error);
    void (*release)(struct http_client_stream *stream);
};

struct http_client_stream {
    const struct http_client_ops *ops;
    struct http_session *session; /* NULL after the session was freed */
    void *owner;
    struct arena arena; /* of the response */
    struct http_head response;
    struct pipe body; /* what the server sends */
    uint64_t id;
    bool is_produced; /* a byte of the request has left the session: it may be processed */
};

static inline const struct http_client_ops *http_client_ops_of(const struct http_session *session)
{
    return (const struct http_client_ops *)(const void *)session->ops;
}
static inline struct http_client_stream *http_client_request(struct http_session *session,
                                                             const struct http_head *head,
                                                             struct pipe *body, void *stream_owner)
{
    return http_client_ops_of(session)->request(session, head, body, stream_owner);
}
static inline uint32_t http_client_room(const struct http_session *session)
{
    return http_client_ops_of(session)->room(session);
}
static inline void http_client_cancel(struct http_client_stream *stream, enum http_error error)
{
    stream->ops->cancel(stream, error);
}
static inline void http_client_release(struct http_client_stream *stream)
{
    stream->ops->release(stream);
}
