/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/answer_priv.h"

enum {
    OPT_FIXED_BYTES = 11,
    OPTION_HEADER_BYTES = 4,
    OPTION_NSID = 3,
    OPTION_ECS = 8,
    OPTION_KEEPALIVE = 11,
    OPTION_EDE = 15,
    EDE_BYTES = 2,
    KEEPALIVE_BYTES = 2,
    KEEPALIVE_UNIT_MS = 100,
    ECS_HEADER_BYTES = 4,
    FLAG_DO = 0x8000,
};

/* With a fault in the query (FORMERR, NOTIMP, BADVERS) no option of it is taken at its word. */
static bool answers_options(const struct answer_job *job)
{
    return job->rcode != RCODE_FORMERR && job->rcode != RCODE_NOTIMP && job->rcode != RCODE_BADVERS;
}

static size_t ecs_address_bytes(const struct ecs *ecs)
{
    return (ecs->prefix.bits + 7u) / 8u;
}

static bool answers_keepalive(const struct answer_job *job)
{
    /* RFC 7828 section 3.2.1: over UDP the option is ignored. */
    return job->query->edns.has_keepalive && job->request->transport == ANSWER_TCP;
}

static bool answers_nsid(const struct answer_job *job)
{
    return job->query->edns.wants_nsid && job->view->identity_len > 0;
}

size_t opt_length(const struct answer_job *job)
{
    const struct edns *edns = &job->query->edns;
    size_t len = OPT_FIXED_BYTES;
    if (!answers_options(job))
        return len;
    if (edns->ecs.is_present)
        len += OPTION_HEADER_BYTES + ECS_HEADER_BYTES + ecs_address_bytes(&edns->ecs);
    if (answers_nsid(job))
        len += OPTION_HEADER_BYTES + job->view->identity_len;
    if (answers_keepalive(job))
        len += OPTION_HEADER_BYTES + KEEPALIVE_BYTES;
    if (job->ede != EDE_NONE)
        len += OPTION_HEADER_BYTES + EDE_BYTES;
    return len;
}

/* RFC 7871 section 7.2.1: family, source and address come back exactly as they were sent, or
 * resolvers throw the answer away. */
static uint8_t *put_ecs(uint8_t *at, const struct ecs *ecs, uint8_t scope_bits)
{
    size_t address_bytes = ecs_address_bytes(ecs);
    uint16_t family = ecs->prefix.addr.family == ADDR_V4 ? 1 : 2;
    at = octets_put_u16(at, OPTION_ECS);
    at = octets_put_u16(at, (uint16_t)(ECS_HEADER_BYTES + address_bytes));
    at = octets_put_u16(at, ecs->is_family_zero ? 0 : family);
    *at++ = ecs->prefix.bits;
    *at++ = scope_bits;
    memcpy(at, ecs->prefix.addr.bytes, address_bytes);
    return at + address_bytes;
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

uint8_t *opt_write(const struct answer_job *job, uint8_t *at)
{
    const struct edns *edns = &job->query->edns;
    *at++ = 0; /* owner: the root */
    at = octets_put_u16(at, TYPE_OPT);
    at = octets_put_u16(at, job->view->settings.edns_payload_bytes);
    *at++ = (uint8_t)(job->rcode >> 4);
    *at++ = 0; /* our version */
    at = octets_put_u16(at, edns->wants_dnssec ? FLAG_DO : 0);
    uint8_t *rdlength = at;
    at += 2;
    if (answers_options(job)) {
        if (edns->ecs.is_present)
            at = put_ecs(at, &edns->ecs, job->ecs_scope);
        at = put_rare_options(job, at);
    }
    octets_put_u16(rdlength, (uint16_t)(at - rdlength - 2));
    return at;
}
