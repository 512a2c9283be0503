/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/answer_priv.h"

enum {
    TYPE_META_FIRST = 128,
    TYPE_META_LAST = 255,
    TYPE_MAILB = 253,
    TYPE_MAILA = 254,
    FLAG_QR = 0x80, /* octet 2 */
    OPCODE_MASK = 0x78,
    FLAG_AA = 0x04,
    FLAG_TC = 0x02,
    FLAG_RD = 0x01,
    FLAG_CD = 0x10, /* octet 3 */
};

/* RFC 6895 section 3.1: types that are no data. */
static inline bool is_meta(uint16_t type)
{
    return (type >= TYPE_META_FIRST && type <= TYPE_META_LAST) || type == TYPE_OPT;
}

static void answer_meta(struct answer_job *job)
{
    switch (job->query->qtype) {
    case TYPE_AXFR:
    case TYPE_IXFR:
        job->rcode = RCODE_REFUSED;
        job->ede = EDE_PROHIBITED;
        return;
    case TYPE_MAILA:
    case TYPE_MAILB:
        job->rcode = RCODE_NOTIMP;
        return;
    default:
        job->rcode = RCODE_FORMERR;
        return;
    }
}

/* False when the zones are to answer after all. */
static __attribute__((noinline)) bool answer_special(struct answer_job *job)
{
    if (is_meta(job->query->qtype) && job->query->qtype != TYPE_ANY) {
        answer_meta(job);
        return true;
    }
    switch (job->query->qclass) {
    case CLASS_IN:
        return false;
    case CLASS_CH:
        builtin_chaos(job);
        return true;
    default:
        job->rcode = RCODE_REFUSED;
        job->ede = EDE_NOT_AUTHORITATIVE;
        return true;
    }
}

static inline void answer_question(struct answer_job *job)
{
    const struct query *query = job->query;
    bool is_usual =
        query->qclass == CLASS_IN && query->qtype < TYPE_META_FIRST && query->qtype != TYPE_OPT;
    if (is_usual || !answer_special(job))
        lookup_answer(job);
}

static void answer_verdict(struct answer_job *job, enum query_verdict verdict)
{
    switch (verdict) {
    case QUERY_OK:
        answer_question(job);
        return;
    case QUERY_NOTIMP:
        job->rcode = RCODE_NOTIMP;
        return;
    case QUERY_BADVERS:
        job->rcode = RCODE_BADVERS;
        return;
    case QUERY_FORMERR:
    case QUERY_DROP_SHORT:
    case QUERY_DROP_RESPONSE:
        job->rcode = RCODE_FORMERR;
        return;
    }
}

/* How long the whole answer may be. */
static size_t limit_bytes(const struct answer_job *job)
{
    const struct answer_request *request = job->request;
    const struct edns *edns = &job->query->edns;
    size_t limit = WIRE_MIN_UDP_BYTES;
    if (request->transport == ANSWER_TCP) {
        limit = WIRE_MAX_BYTES;
    } else if (edns->is_present && edns->payload_bytes > WIRE_MIN_UDP_BYTES) {
        /* Less than 512 means 512 (RFC 6891 section 6.2.3). */
        limit = edns->payload_bytes;
        if (limit > job->view->settings.edns_payload_bytes)
            limit = job->view->settings.edns_payload_bytes;
    }
    return limit < request->capacity ? limit : request->capacity;
}

static void write_header(const struct answer_job *job)
{
    const struct reply *reply = &job->reply;
    uint8_t *message = reply->message;
    uint8_t set = FLAG_QR;
    if (job->is_authoritative)
        set |= FLAG_AA;
    if (reply->is_full)
        set |= FLAG_TC;
    /* Opcode, RD and CD come back (RFC 4035 section 3.1.6); RA, Z and AD are never ours to set. */
    message[2] = (uint8_t)((message[2] & (OPCODE_MASK | FLAG_RD)) | set);
    message[3] = (uint8_t)((message[3] & FLAG_CD) | (job->rcode & 0x0F));
    octets_put_u16(message + 4, job->query->question_end > WIRE_HEADER_BYTES ? 1 : 0);
    octets_put_u16(message + 6, reply->counts[REPLY_ANSWER]);
    octets_put_u16(message + 8, reply->counts[REPLY_AUTHORITY]);
    octets_put_u16(message + 10,
                   (uint16_t)(reply->counts[REPLY_ADDITIONAL] + (job->opt_len > 0 ? 1 : 0)));
}

/* Records end where the room for OPT begins, so only a full answer, and one with more options than
 * were foreseen, need a look. */
static __attribute__((noinline)) void make_room(struct answer_job *job, size_t limit)
{
    struct reply *reply = &job->reply;
    if (reply->is_full) {
        /* No records at all: part of a set is worth nothing to a client that comes again by TCP,
         * and much to one who uses us against others. */
        reply->at = reply->message + job->query->question_end;
        memset(reply->counts, 0, sizeof(reply->counts));
    }
    if (job->ede != EDE_NONE && job->opt_len > 0)
        opt_measure_rare(job);
    if (job->opt_len > (size_t)(reply->message + limit - reply->at))
        job->opt_len = 0; /* only in a buffer smaller than 512 octets */
}

static size_t finish(struct answer_job *job, size_t limit)
{
    struct reply *reply = &job->reply;
    if (reply->is_full || job->ede != EDE_NONE)
        make_room(job, limit);
    write_header(job);
    if (job->opt_len > 0)
        reply->at = opt_write(job, reply->at);
    return (size_t)(reply->at - reply->message);
}

static void note_answer(const struct answer_job *job)
{
    struct answer_note *note = job->note;
    note->qtype = job->query->qtype;
    note->rcode = (uint8_t)job->rcode;
    note->is_truncated = job->reply.is_full;
    note->has_edns = job->query->edns.is_present;
    note->has_ecs = job->query->edns.ecs.is_present;
    note->ecs_scope = job->ecs_scope;
}

/* Whose place will decide. Wrong for a name without ECS or a source that is not trusted, which
 * costs a little time and nothing else: it is only a hint to the processor. */
static inline const struct addr *likely_client(const struct answer_request *request,
                                               const struct query *query)
{
    const struct ecs *ecs = &query->edns.ecs;
    return ecs->is_present && ecs->prefix.bits > 0 ? &ecs->prefix.addr : &request->client;
}

enum query_verdict answer_read(const struct answer_view *view, const struct answer_request *request,
                               struct query *out_query)
{
    enum query_verdict verdict = query_parse(request->message, request->len, out_query);
    if (verdict == QUERY_OK)
        geo_prefetch(view->geo, likely_client(request, out_query));
    return verdict;
}

void answer_fetch(const struct answer_view *view, const struct answer_request *request,
                  const struct query *query, enum query_verdict verdict)
{
    if (verdict == QUERY_OK) /* else the query may not have been read so far */
        geo_prefetch_deeper(view->geo, likely_client(request, query));
}

size_t answer_build(const struct answer_view *view, const struct answer_request *request,
                    struct answer_note *out_note)
{
    struct query query;
    enum query_verdict verdict = query_parse(request->message, request->len, &query);
    return answer_finish(view, request, &query, verdict, out_note);
}

/* An identity of full length behind a name of full length may not fit: then it is left out. */
static __attribute__((noinline)) void measure_rare(struct answer_job *job, struct query *query,
                                                   size_t limit)
{
    opt_measure_rare(job);
    if (query->question_end + job->opt_len > limit && query->edns.wants_nsid) {
        query->edns.wants_nsid = false;
        opt_measure_rare(job);
    }
}

size_t answer_finish(const struct answer_view *view, const struct answer_request *request,
                     struct query *query, enum query_verdict verdict, struct answer_note *out_note)
{
    *out_note = (struct answer_note){ .verdict = verdict };
    if (verdict == QUERY_DROP_SHORT || verdict == QUERY_DROP_RESPONSE)
        return 0;
    struct answer_job job; /* set field by field: clearing the suffix table would cost */
    job.view = view;
    job.request = request;
    job.query = query;
    job.note = out_note;
    job.rcode = RCODE_NOERROR;
    job.ede = EDE_NONE;
    job.is_authoritative = job.is_chased = false;
    job.ecs_scope = 0;
    size_t limit = limit_bytes(&job);
    job.opt_len = job.rare_options_len = 0;
    if (query->edns.is_present)
        job.opt_len = (uint16_t)opt_common_bytes(&query->edns);
    if (query->edns.wants_nsid || query->edns.has_keepalive)
        measure_rare(&job, query, limit);
    size_t records_end = limit > job.opt_len ? limit - job.opt_len : 0;
    reply_init(&job.reply, request->message, query, request->message + records_end);
    answer_verdict(&job, verdict);
    size_t len = finish(&job, limit);
    note_answer(&job);
    return len;
}
