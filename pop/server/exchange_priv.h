/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the request core share.
 *
 * Shape:     exchange.c          birth, events, end
 *            exchange_route.c    which route, which regions, or why not
 *            exchange_attempt.c  ask for a connection, send, judge, try again
 *            exchange_reply.c    heads towards the client: the peer's, or our own
 *            exchange_watch.c    one timer: deadline, try, silence, slow clients
 *            exchange_log.c      the line of the access log, and what is counted at the end
 *
 *            Every entry from outside is bracketed by exchange_hold and exchange_let_go: whatever
 *            happens in between, the exchange goes only at the end of the outermost.
 */
#pragma once

#include "pop/route/attempts.h"
#include "pop/route/hop.h"
#include "pop/route/pace.h"
#include "pop/server/exchange.h"
#include "pop/server/upstream.h"
#include "steering/base/clock.h"

enum {
    EXCHANGE_POOL_MAX = LIMIT(1024, 1), /* kept for later, of exchanges and of tries */
    EXCHANGE_MIN_TRY_MS = 20,           /* no retry when less of the deadline is left */
};

enum exchange_state {
    EXCHANGE_ROUTING,
    EXCHANGE_ACQUIRING,  /* waits for a connection */
    EXCHANGE_SENT,       /* waits for the peer's response head */
    EXCHANGE_RESPONDING, /* a head went to the client: the peer's or our own */
    EXCHANGE_TUNNEL,     /* the same, for a WebSocket */
    EXCHANGE_OVER,
};

/* One stream towards a peer. Outlives its exchange when that has given it up: cancelled streams
 * close later. */
struct exchange_try {
    struct exchange_try *next_free;
    struct exchange *exchange; /* NULL: nobody waits for it */
    struct exchanges *exchanges;
    struct upstream_lease lease;
    struct upstream_result result;
    struct http_client_stream *stream;
    bool is_closed; /* told upstream */
};

/* How the client takes the response, at the last look; bytes. */
struct exchange_line {
    uint64_t consumed_bytes; /* of its content, by the client's session */
    uint64_t arrived_bytes;  /* of the connection, on the wire... */
    uint64_t end_bytes;      /* ...and when all of this response will have, that was taken so far */
    uint64_t worth_bytes;    /* sum of what the connection moved for this response's sake */
};

struct exchange {
    struct exchange *next, *previous; /* of the living; or `next` free one */
    struct exchanges *exchanges;
    struct worker *worker;
    struct settings *settings; /* one reference */
    enum exchange_state state;
    unsigned holds;
    bool is_client_closed, is_aborted; /* aborted: by the client */
    bool is_stepping, steps_again;
    bool is_stray, is_tunnel, is_ours; /* ours: we made the response */
    enum http_version version;         /* of the client */

    struct http_server_stream *client;
    struct exchange_origin origin; /* server_name is not kept */
    const struct pop_route *route; /* NULL: none yet */
    struct hop_in hop;
    char client_text[ADDR_TEXT_MAX];
    char fresh_id[33];
    char traceparent[TRACEPARENT_LEN + 1];

    struct map_id map;
    struct cell_id cell;
    bool has_place;       /* map and cell are known */
    struct site_id first; /* the best candidate */
    struct site_id site;  /* who answered; SITE_NONE: nobody */
    struct str map_name;  /* borrowed from the settings or the request */

    struct attempt_target target; /* of the present attempt */
    uint32_t number;              /* and which it is, over all hops */
    struct upstream_waiter waiter;
    struct exchange_try *try; /* the present one */
    bool is_websocket_lack;   /* a peer was there but takes no tunnels */
    bool is_continued;        /* 100 came: the client may send its content */

    struct io_timer timer;
    uint64_t deadline_ms, try_due_ms;
    uint64_t deadline_span_ms;                 /* from the last byte of the request */
    uint64_t seen_up, seen_down, seen_arrived; /* bytes at the last look */
    uint64_t moved_ms, up_ms, down_ms;         /* when any, the first, the second changed */
    struct pace request_pace, response_pace;   /* of the client */
    struct exchange_line line;

    uint64_t begun_ms, begun_ns, asked_ns, sent_ns, responded_ns, waited_ns;
    uint16_t status;   /* that the client got; 0: none */
    const char *cause; /* of the error; NULL: none */
    bool has_own_body;

    /* What the client's codec had set, when we listen in to count a body without a length. */
    void (*on_consumed)(void *writer, struct pipe *pipe, size_t bytes);
    void *writer;

    /* From its records on nothing is cleared for the next request (take_exchange). */
    struct attempts attempts;
    const char *peer_names[ATTEMPTS_MAX]; /* beside attempts.records */
    struct pipe own_body;                 /* when has_own_body */
};

struct exchanges {
    struct worker *worker;
    struct exchange *living, *free;
    struct exchange_try *free_tries;
    size_t count, free_count, free_try_count, try_count;
    /* Looked up once per settings: the topology's number of each route's map. */
    uint64_t settings_version;
    long *maps;
    uint64_t capacity; /* requests at once that our origins may be given; 0: unknown */
    struct site_id site;
    /* Until when a region is asked after the others, by site number: its gateways have just said
     * that it is evacuated, of which our document, of that generation, says nothing. */
    uint64_t declined_until_ms[SITE_MAX];
    uint64_t generation;
    int64_t time_s; /* that time_text is for */
    char time_text[CLOCK_TEXT_MAX];
    char line[ACCESS_LOG_LINE_MAX];
};

/* ---- exchange.c ---- */
void exchange_hold(struct exchange *exchange);
/* The exchange may be gone afterwards. */
void exchange_let_go(struct exchange *exchange);
struct exchange_try *exchange_take_try(struct exchange *exchange);
void exchange_give_try(struct exchange_try *try);
/* Not interested in the present try any more: cancels it. `error` NONE: it is no failure. */
void exchange_abandon_try(struct exchange *exchange, enum http_error error, bool is_client_fault);
/* Also when the settings have changed. */
void exchanges_refresh(struct exchanges *exchanges);
void exchanges_forget_declined(struct exchanges *exchanges);

/* ---- exchange_route.c ---- */
/* True: attempts are ready to begin. False: `*out_refusal` is to be the answer. */
bool exchange_route(struct exchange *exchange, struct hop_refusal *out_refusal);

/* ---- exchange_attempt.c ---- */
void exchange_next(struct exchange *exchange);
/* The present try has failed: notes it, gives it up, goes on. */
void exchange_fail(struct exchange *exchange, enum attempt_cause cause, bool is_proof,
                   uint16_t status);
/* The deadline is over: 504. */
void exchange_expire(struct exchange *exchange);
void exchange_give_up(struct exchange *exchange, const struct attempt_step *step);

/* ---- exchange_reply.c ---- */
void exchange_hop_out(const struct exchange *exchange, struct hop_out *out);
void exchange_inform(struct exchange *exchange, const struct http_head *head);
void exchange_respond(struct exchange *exchange);
void exchange_refuse(struct exchange *exchange, const struct hop_refusal *refusal);
/* No response can follow (any more): visible to the client. */
void exchange_reset(struct exchange *exchange, enum http_error error, const char *cause);
uint32_t exchange_load_percent(const struct exchanges *exchanges);

/* ---- exchange_watch.c ---- */
void exchange_watch(struct exchange *exchange);
void exchange_watch_length(struct exchange *exchange);

/* ---- exchange_log.c ---- */
void exchange_account(struct exchange *exchange);
