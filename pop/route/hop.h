/* SPDX-License-Identifier: Apache-2.0 */
/* What one hop adds to, takes from and understands of a message's head.
 *
 * Shape:     our own fields travel over the backbone only; they are taken out of whatever clients
 *            and origins send:
 *
 *            steer-client         203.0.113.7      address of the client, as the first hop saw it
 *            steer-visited        us-east,us-west  regions that have seen the request
 *            steer-attempt        2                number of this attempt, over all hops
 *            steer-deadline-ms    14850            what is left
 *            steer-last-resort    1                nobody else is left to try
 *            steer-map            api              whose order of regions applies
 *            steer-source         gru1             the site that sent it here
 *            steer-not-processed  evacuated        response: nobody did anything with it
 *            steer-failed         connection_terminated
 *                                                  response: the gateway's own, not an origin's;
 *                                                  somebody may have done something
 *            steer-load           37               response: percent of capacity in use
 * Threads:   any (pure).
 * Source:    RFC 9110 section 7.6, RFC 7239, RFC 8586 (CDN-Loop), RFC 9209 (Proxy-Status),
 *            W3C Trace Context
 */
#pragma once

#include "pop/http/head.h"
#include "pop/route/attempts.h"
#include "steering/base/addr.h"

enum {
    HOP_VISITED_MAX = 8,
    HOP_COUNT_MAX = 3,
    HOP_FIELDS_MAX = 16, /* that one hop adds to a head */
    REQUEST_ID_MAX = 64,
    TRACEPARENT_LEN = 55,
};

/* What came with a request. */
struct hop_in {
    bool is_trusted; /* over the backbone: the fields below were read from it */
    struct addr client;
    struct str client_text;
    struct str visited[HOP_VISITED_MAX];
    size_t visited_count;
    bool is_visited_too_long;
    uint32_t attempts_used;
    uint64_t deadline_ms_left; /* 0: not stated */
    bool is_last_resort;       /* the hop before has nobody else to ask */
    struct str map, source;
    struct str request_id;  /* empty: none that is usable */
    struct str traceparent; /* sound; empty: none */
    unsigned cdn_loops;     /* how often our own id stands in CDN-Loop */
    bool is_last_recipient; /* OPTIONS or TRACE with Max-Forwards: 0: must not go on */
};
/* Texts are borrowed from `request`. Untrusted requests: everything but request id and traceparent
 * stays empty, and `client` is `peer`. Malformed values over the backbone count as absent. */
void hop_read(const struct http_head *request, bool is_trusted, const struct addr *peer,
              struct str cdn_id, struct hop_in *out_in);
bool hop_has_visited(const struct hop_in *in, struct str region);

/* What goes on. */
struct hop_out {
    bool to_backbone; /* else to an origin */
    const struct hop_in *in;
    struct str client_text;
    bool is_https;        /* how the client came: x-forwarded-proto */
    struct str pseudonym; /* of this hop, for Via and Proxy-Status: "gru1" */
    struct str cdn_id;    /* for CDN-Loop: "steer" */
    struct str site;      /* of this hop: steer-source; and steer-visited, when it is a region */
    bool is_region;
    bool is_last_resort; /* nobody else is left to ask */
    struct str map;
    uint32_t attempt; /* this one's number, from 1, over all hops */
    uint64_t deadline_ms_left;
    struct str request_id;                  /* of this request: never empty */
    struct str traceparent;                 /* with our own span */
    enum { HOP_FROM_H1, HOP_FROM_H2 } from; /* how the message came */
    uint32_t load_percent;                  /* of a response to the backbone: ours; 0: not said */
};
/* The head for the next hop: end-to-end fields of `request`, our own instead of what came. Builds
 * in `arena`; field texts are borrowed from `request` and `out`. Where a request enters (untrusted)
 * Forwarded, X-Forwarded-* and X-Real-IP of the client are dropped, also when spelled with "_",
 * which origins may read as "-"; Forwarded, X-Forwarded-For, -Proto and -Host are made anew, and
 * CDN-Loop gets our id. Behind it they are passed on, with the site that sent it in Forwarded.
 * False: more than HEAD_FIELDS_MAX fields (431); the head must not be sent. */
bool hop_make_request(const struct http_head *request, const struct hop_out *out,
                      struct arena *arena, struct http_head *out_head);
/* The head for the client side: without our own fields (what a gateway says is for this hop), with
 * Via, and to the backbone steer-load. False as above (502). */
bool hop_make_response(const struct http_head *response, const struct hop_out *out,
                       struct arena *arena, struct http_head *out_head);
/* What a response says about itself: NOT_PROCESSED or GATEWAY, by our gateway (`is_from_backbone`),
 * STATUS_421, or NONE. */
enum attempt_cause hop_response_cause(const struct http_head *response, bool is_from_backbone);
/* NOT_PROCESSED, because its region is out and refuses strays: so it would any other request. */
bool hop_response_is_evacuated(const struct http_head *response);
/* steer-load; UINT32_MAX: none. */
uint32_t hop_response_load(const struct http_head *response, bool is_from_backbone);

/* A response of our own, with Proxy-Status, cache-control: no-store, x-request-id and, over the
 * backbone, steer-not-processed when `is_unprocessed`, else steer-failed for 502, 503 and 504. The
 * short body text goes to `out_body`. */
struct hop_refusal {
    uint16_t status;
    const char *error;   /* RFC 9209 section 2.3: "connection_timeout", "proxy_loop_detected" ...;
                            NULL: the request is at fault, no Proxy-Status */
    const char *details; /* our stable word, for people; NULL: none */
    bool is_unprocessed;
    uint32_t retry_after_s; /* 0: none */
    const char *allow;      /* methods, for 405 and for 200 to OPTIONS; NULL: not stated */
};
void hop_make_refusal(const struct hop_refusal *refusal, const struct hop_out *out,
                      struct arena *arena, struct http_head *out_head, struct str *out_body);
/* RFC 9209's word for a cause. */
const char *hop_proxy_error(enum attempt_cause cause);

/* "00-<trace>-<span>-<flags>": continues `incoming` with a new span, or starts a trace. */
void hop_traceparent(struct str incoming, uint64_t random_a, uint64_t random_b, uint64_t random_c,
                     char out_text[TRACEPARENT_LEN + 1]);
/* Letters, digits and -_.:+/= of 1 to REQUEST_ID_MAX bytes. */
bool hop_is_request_id(struct str text);
