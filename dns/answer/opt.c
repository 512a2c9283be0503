/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/answer_priv.h"

enum {
    OPTION_NSID = 3,
    OPTION_ECS = 8,
    OPTION_KEEPALIVE = 11,
    OPTION_EDE = 15,
    EDE_BYTES = 2,
    KEEPALIVE_BYTES = 2,
    KEEPALIVE_UNIT_MS = 100,
    FLAG_DO = 0x8000,
};

static bool answers_keepalive(const struct answer_job *job)
{
    /* RFC 7828 section 3.2.1: over UDP the option is ignored. */
    return job->query->edns.has_keepalive && job->request->transport == ANSWER_TCP;
}

static bool answers_nsid(const struct answer_job *job)
{
    return job->query->edns.wants_nsid && job->view->identity_len > 0;
}

static size_t rare_length(const struct answer_job *job)
{
    size_t len = 0;
    if (answers_nsid(job))
        len += OPTION_HEADER_BYTES + job->view->identity_len;
    if (answers_keepalive(job))
        len += OPTION_HEADER_BYTES + KEEPALIVE_BYTES;
    if (job->ede != EDE_NONE)
        len += OPTION_HEADER_BYTES + EDE_BYTES;
    return len;
}

void opt_measure_rare(struct answer_job *job)
{
    job->rare_options_len = (uint16_t)rare_length(job);
    job->opt_len = (uint16_t)(opt_common_bytes(&job->query->edns) + job->rare_options_len);
}

/* RFC 7871 section 7.2.1: family, source and address come back exactly as they were sent, or
 * resolvers throw the answer away. */
static uint8_t *put_ecs(const struct answer_job *job, uint8_t *at)
{
    const struct ecs *ecs = &job->query->edns.ecs;
    size_t count = ecs->address_bytes;
    at = octets_put_u64(at, (uint64_t)OPTION_ECS << 48 | (OPT_ECS_BYTES + count) << 32 |
                                (uint32_t)ecs->family << 16 | (uint32_t)ecs->prefix.bits << 8 |
                                job->ecs_scope);
    /* One store where the buffer reaches so far; what is too much of it lies behind the answer or
     * is written over. */
    const uint8_t *end = job->request->message + job->request->capacity;
    if (count <= 8 && end - at >= 8) {
        memcpy(at, ecs->prefix.addr.bytes, 8);
        return at + count;
    }
    for (size_t i = 0; i < count; i++)
        *at++ = ecs->prefix.addr.bytes[i];
    return at;
}

static uint8_t *put_rare_options(const struct answer_job *job, uint8_t *at)
{
    if (answers_nsid(job)) {
        at = octets_put_u16(at, OPTION_NSID);
        at = octets_put_u16(at, job->view->identity_len);
        memcpy(at, job->view->settings.identity, job->view->identity_len);
        at += job->view->identity_len;
    }
    if (answers_keepalive(job)) {
        uint32_t units = job->view->settings.tcp_idle_ms / KEEPALIVE_UNIT_MS;
        at = octets_put_u16(at, OPTION_KEEPALIVE);
        at = octets_put_u16(at, KEEPALIVE_BYTES);
        at = octets_put_u16(at, (uint16_t)(units > UINT16_MAX ? UINT16_MAX : units));
    }
    if (job->ede != EDE_NONE) {
        at = octets_put_u16(at, OPTION_EDE);
        at = octets_put_u16(at, EDE_BYTES);
        at = octets_put_u16(at, job->ede);
    }
    return at;
}

/* With a fault in the query no option of it is taken at its word. */
static bool answers_options(uint16_t rcode)
{
    const uint32_t faults = 1u << RCODE_FORMERR | 1u << RCODE_NOTIMP | 1u << RCODE_BADVERS;
    return (faults >> rcode & 1) == 0;
}

uint8_t *opt_write(const struct answer_job *job, uint8_t *at)
{
    const struct edns *edns = &job->query->edns;
    *at++ = 0; /* owner: the root */
    at = octets_put_u32(at, (uint32_t)TYPE_OPT << 16 | job->view->settings.edns_payload_bytes);
    /* Extended RCODE, our version 0, DO as it came, no other flag. */
    at = octets_put_u32(at, (uint32_t)job->rcode >> 4 << 24 | (edns->wants_dnssec ? FLAG_DO : 0));
    uint8_t *rdlength = at;
    at += 2;
    if (answers_options(job->rcode)) {
        if (edns->ecs.is_present)
            at = put_ecs(job, at);
        if (job->rare_options_len > 0)
            at = put_rare_options(job, at);
    }
    octets_put_u16(rdlength, (uint16_t)(at - rdlength - 2));
    return at;
}
