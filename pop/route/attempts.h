/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one request's attempts: may it be tried again after this failure, where, and if not,
 * what does the client get? By proof first, then by method; zero duplicated POSTs, ever.
 *
 * Shape:     attempts_init(candidates)
 *            loop: attempts_next -> ATTEMPT target | GIVE_UP status
 *                  ... the attempt runs ...
 *                  attempts_failed / attempts_refused / attempts_answered
 *
 *            Candidates are regions (or the local origin pool), in order; in each at most
 *            INSTANCE_TRIES instances, none of them twice. Where next, after
 *
 *              an instance's failure (connect, refused, reset, timeout, status)
 *                    another instance of the same candidate; when that is not possible, the next
 *              something that concerns the candidate as a whole: its gateway said "not processed",
 *              or a connection died under the request (perhaps all of the region is dying, and
 *              a request gets few deaths)
 *                    the next candidate; when there is none left, another instance
 *              a lack (nothing to connect to)
 *                    the next candidate; this one not again
 *
 *            Origins are an exception: one says nothing about the others of our own region.
 *
 *            A candidate that has declined (its gateway said "not processed", or all its peers are
 *            resting after failures) is asked again only when no other is left that has not. From
 *            then on each attempt is a last resort: peers are tried although they rest, and waited
 *            for, and a gateway that has said "not processed" may be asked once more. So a region
 * that cannot serve costs no time while another can, and when none can, the first that is back is
 * found by the requests themselves.
 *
 *            A hop that was reached over the backbone stays in its candidate: whether another
 *            region is tried is for the hop before it to say, which it leaves by passing the
 *            failure back.
 *
 *            What a failure allows:
 *
 *              proof that nothing was done   any method, when the content can be sent once more
 *              no proof                      idempotent methods only; a status of an origin only
 *                                            where the route says so; not after two connections
 *                                            were closed under the request, or three have died:
 *                                            it may be the cause
 *              response head sent on         nothing
 *
 *            The budget of the region that a retry goes to is charged when it is decided. What
 *            never left us, and what a gateway refused as a whole, costs nothing: such a request
 *            has been no load on anybody, and when a region is gone all of its traffic must move.
 * Threads:   owner only; pure.
 * Source:    RFC 9110 section 9.2.2, RFC 9113 section 8.7, RFC 8470
 */
#pragma once

#include "pop/http/head.h"
#include "pop/http/pipe.h"
#include "pop/route/retry_budget.h"
#include "steering/model/topology.h"

enum { ATTEMPT_TARGET_MAX = CANDIDATE_MAX + 1, ATTEMPTS_MAX = 16, INSTANCE_TRIES = 3 };

struct attempt_target {
    bool is_origin;        /* our own region's origins */
    struct site_id region; /* of origins: our own */
};

/* Why an attempt did not bring a response that counts; stable words for log and metrics. */
#define ATTEMPT_CAUSE_LIST(X)                                                                      \
    X(NONE, "none")                                                                                \
    X(NO_PEER, "no_peer") /* upstream_lack */                                                      \
    X(RESTING, "resting") /* all peers have just failed; somebody else may serve */                \
    X(CONNECT, "connect")                                                                          \
    X(FULL, "full")                                                                                \
    X(ACQUIRE_TIMEOUT, "acquire_timeout")                                                          \
    X(REFUSED, "refused")             /* REFUSED_STREAM, above GOAWAY */                           \
    X(NOT_PROCESSED, "not_processed") /* steer-not-processed of our own gateway */                 \
    X(RESET, "reset")                                                                              \
    X(CLOSED, "connection_closed")                                                                 \
    X(PING_TIMEOUT, "ping_timeout")                                                                \
    X(TRY_TIMEOUT, "try_timeout")                                                                  \
    X(PROTOCOL, "protocol_error")                                                                  \
    X(STATUS, "status") /* 502, 503, 504 of an origin */                                           \
    X(STATUS_421, "misdirected")                                                                   \
    X(GATEWAY, "gateway_failed") /* steer-failed: our own gateway lost it without proof */

enum attempt_cause {
#define X(name, text) ATTEMPT_##name,
    ATTEMPT_CAUSE_LIST(X)
#undef X
};
const char *attempt_cause_name(enum attempt_cause cause);

/* Does this cause alone prove that the peer did nothing? */
bool attempt_cause_is_proof(enum attempt_cause cause);

enum retry_denial {
    RETRY_ALLOWED,
    RETRY_DENIED_BUDGET,
    RETRY_DENIED_METHOD,
    RETRY_DENIED_BODY, /* no longer replayable */
    RETRY_DENIED_DEADLINE,
    RETRY_DENIED_STARTED, /* the client has seen a response head */
    RETRY_DENIED_COUNT,   /* attempts used up */
    RETRY_DENIED_NOWHERE, /* no candidate is left */
    RETRY_DENIED_HOP,     /* somebody else nearer to the client decides */
    RETRY_DENIED_POISON,  /* two connections were closed under it, or three died: its fault? */
};
const char *retry_denial_name(enum retry_denial denial);

struct attempts_settings {
    const struct attempt_target *targets; /* in order; copied */
    size_t target_count;
    bool is_idempotent;
    bool retries_status;
    bool is_over_backbone; /* the request came from a PoP or gateway... */
    bool is_last_resort;   /* ...which has nobody else to send it to */
    bool is_loop;          /* candidates were left out, because they have been visited */
    uint32_t max;          /* in all, over all hops; a hop's first is always allowed */
    uint32_t used;         /* number of the attempt that brought it here (steer-attempt); 0: none */
    uint64_t deadline_ms;  /* monotonic; 0: none */
    uint64_t min_try_ms;   /* no retry when less is left */
};

/* What was tried, for log and decisions. */
struct attempt_record {
    struct attempt_target target;
    uint32_t peer; /* UINT32_MAX: none was found */
    enum attempt_cause cause;
    bool is_proof;       /* the peer did certainly nothing with it */
    bool is_stale;       /* an idle connection was just being closed: says nothing about the peer */
    bool is_last_resort; /* of the step; filled in */
    uint16_t status;     /* 0: none */
    uint64_t started_ms, took_us;
};

struct attempts {
    struct attempts_settings settings;
    struct attempt_target targets[ATTEMPT_TARGET_MAX];
    size_t at;           /* present target */
    bool is_last_resort; /* the present attempt */
    struct {
        uint8_t tries;
        bool is_exhausted; /* nothing more to find there */
        bool has_declined; /* not again while another may serve */
    } states[ATTEMPT_TARGET_MAX];
    unsigned sent;     /* attempts that had a peer: these count against `max` */
    size_t count;      /* of records */
    unsigned deaths;   /* connections that died with it in flight, without proof... */
    unsigned silences; /* ...of which so many did not answer PING */
    bool is_started;   /* set by the caller: a response head went to the client */
    bool is_over;      /* a response that counts has come */
    struct attempt_record records[ATTEMPTS_MAX]; /* last: attempts_init leaves them as they are */
};

void attempts_init(struct attempts *attempts, const struct attempts_settings *settings);

/* What the caller knows when it asks. */
struct attempts_facts {
    uint64_t now_ms;
    bool can_replay;              /* pipe_can_rewind of the request's body */
    struct retry_budget *budgets; /* by site number: fed by a first attempt, charged when a retry
                                     is allowed; NULL: no limit */
};

struct attempt_step {
    bool is_attempt; /* else give up */
    struct attempt_target target;
    bool is_last_resort;      /* nobody else is left: try also what rests, and wait for it */
    uint32_t number;          /* over all hops, from 1: for steer-attempt */
    enum retry_denial denial; /* why not, when giving up */
    uint16_t status;          /* for the client: 502, 503, 504 or 508 */
    bool is_unprocessed;      /* proof, over all attempts, that nobody did anything with it */
    enum attempt_cause cause; /* of the last failure */
};
/* The first attempt, or the one after the last recorded failure. */
struct attempt_step attempts_next(struct attempts *attempts, const struct attempts_facts *facts);

/* Records how the attempt went that the last step gave; `target` is filled in. A failure with
 * ATTEMPT_NONE is a response that counts. */
void attempts_record(struct attempts *attempts, const struct attempt_record *record);
/* Would a response of this status be tried again rather than passed on? (Ask before recording
 * it; nothing is charged.) */
bool attempts_wants_retry_of(const struct attempts *attempts, uint16_t status,
                             const struct attempts_facts *facts);
/* Peers that were tried in the present target and are not to be tried again, for upstream_wish;
 * returns how many. */
size_t attempts_tried(const struct attempts *attempts, uint32_t *out_peers, size_t max);
/* From the outcome of a peer's stream to the cause. HTTP_ERROR_TIMEOUT is a connection that did
 * not answer PING: streams have no clocks of their own. */
enum attempt_cause attempt_cause_of(enum http_error error, bool is_unprocessed);
