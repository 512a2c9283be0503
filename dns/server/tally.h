/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker counts while it answers: single-writer counters in cache lines of its own.
 *
 * Threads:   written by its worker, read by the main thread for /metrics.
 * Limits:    the label sets are fixed: types and RCODEs that are not listed count as "other", so
 *            no query can make a metric grow.
 */
#pragma once

#include "dns/answer/answer.h"
#include "steering/runtime/histogram.h"

/*      id     qtype  label */
#define TALLY_TYPE_LIST(X)                                                                         \
    X(A, 1)                                                                                        \
    X(NS, 2)                                                                                       \
    X(CNAME, 5)                                                                                    \
    X(SOA, 6)                                                                                      \
    X(PTR, 12)                                                                                     \
    X(MX, 15)                                                                                      \
    X(TXT, 16)                                                                                     \
    X(AAAA, 28)                                                                                    \
    X(SRV, 33)                                                                                     \
    X(DS, 43)                                                                                      \
    X(DNSKEY, 48)                                                                                  \
    X(SVCB, 64)                                                                                    \
    X(HTTPS, 65)                                                                                   \
    X(ANY, 255)

enum tally_type {
    TALLY_TYPE_OTHER,
#define X(name, qtype) TALLY_TYPE_##name,
    TALLY_TYPE_LIST(X)
#undef X
        TALLY_TYPE_COUNT
};

enum tally_rcode {
    TALLY_RCODE_OTHER,
    TALLY_RCODE_NOERROR,
    TALLY_RCODE_FORMERR,
    TALLY_RCODE_SERVFAIL,
    TALLY_RCODE_NXDOMAIN,
    TALLY_RCODE_NOTIMP,
    TALLY_RCODE_REFUSED,
    TALLY_RCODE_BADVERS,
    TALLY_RCODE_COUNT
};

/* Queries that get no answer, and answers that the kernel did not take. */
enum tally_drop {
    TALLY_DROP_SHORT,
    TALLY_DROP_RESPONSE,
    TALLY_DROP_PORT_ZERO,
    TALLY_DROP_OVERSIZE,
    TALLY_DROP_SEND_AGAIN,   /* EAGAIN: the socket's send buffer is full */
    TALLY_DROP_SEND_BUFFERS, /* ENOBUFS, ENOMEM */
    TALLY_DROP_SEND_DENIED,  /* EPERM, EACCES: a packet filter */
    TALLY_DROP_SEND_OTHER,
    TALLY_DROP_COUNT
};

/* Why a TCP connection ended. */
enum tally_close {
    TALLY_CLOSE_CLIENT,  /* it said goodbye, or vanished */
    TALLY_CLOSE_IDLE,    /* no query for too long */
    TALLY_CLOSE_EVICTED, /* made room for another */
    TALLY_CLOSE_SLOW,    /* did not read its answers */
    TALLY_CLOSE_BROKEN,  /* sent what cannot be answered */
    TALLY_CLOSE_STOP,    /* the server stops */
    TALLY_CLOSE_COUNT
};

enum { TALLY_SCOPE_COUNT = 129 };

struct tally {
    _Alignas(64) struct counter queries[TALLY_TYPE_COUNT][TALLY_RCODE_COUNT];
    struct counter edns, truncated;
    struct counter scopes[TALLY_SCOPE_COUNT]; /* of answers to queries with ECS, each one of them */
    struct counter dropped[TALLY_DROP_COUNT];
    struct histogram latency;
    struct counter tcp_accepted, tcp_refused;
    struct counter tcp_closed[TALLY_CLOSE_COUNT];
};

/* Zeroed, aligned; `count` workers. Free with free(). */
struct tally *tally_new(size_t count);
const char *tally_type_name(enum tally_type type);
const char *tally_rcode_name(enum tally_rcode rcode);
const char *tally_drop_name(enum tally_drop reason);
const char *tally_close_name(enum tally_close reason);

extern const uint8_t tally_type_of[256];
extern const uint8_t tally_rcode_of[32];

static inline void tally_drop(struct tally *tally, enum tally_drop reason)
{
    counter_add(&tally->dropped[reason], 1);
}

/* One answer that was made. */
static inline void tally_answer(struct tally *tally, const struct answer_note *note)
{
    unsigned type = note->qtype < 256 ? tally_type_of[note->qtype] : TALLY_TYPE_OTHER;
    unsigned rcode = note->rcode < 32 ? tally_rcode_of[note->rcode] : TALLY_RCODE_OTHER;
    counter_add(&tally->queries[type][rcode], 1);
    if (note->has_edns)
        counter_add(&tally->edns, 1);
    if (note->has_ecs)
        counter_add(&tally->scopes[note->ecs_scope < TALLY_SCOPE_COUNT ? note->ecs_scope : 128], 1);
    if (note->is_truncated)
        counter_add(&tally->truncated, 1);
}

/* One query that answer_build wanted dropped. */
static inline void tally_unanswered(struct tally *tally, const struct answer_note *note)
{
    tally_drop(tally,
               note->verdict == QUERY_DROP_RESPONSE ? TALLY_DROP_RESPONSE : TALLY_DROP_SHORT);
}
