/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/query.h"

#include <string.h>

#include "dns/wire/name_priv.h"
#include "dns/wire/octets.h"

/* The four counts of the header as one number. */
#define QUESTION_ALONE ((uint64_t)1 << 48)
#define QUESTION_AND_RECORD (QUESTION_ALONE | 1)

enum {
    FLAG_QR = 0x80, /* of octet 2 */
    OPCODE_MASK = 0x78,
    EDNS_FLAG_DO = 0x8000,
    RR_FIXED_BYTES = 10, /* type, class, TTL, RDLENGTH */
    OPTION_HEADER_BYTES = 4,
    OPTION_NSID = 3,
    OPTION_ECS = 8,
    OPTION_KEEPALIVE = 11,
    ECS_HEADER_BYTES = 4,
    ECS_FAMILY_NONE = 0,
    ECS_FAMILY_V4 = 1,
    ECS_FAMILY_V6 = 2,
    QUESTION_FIXED_BYTES = 4,
};

/* A record's owner may end in a pointer; it is stepped over, never followed. 0: malformed. */
static size_t skip_owner(const uint8_t *message, size_t at, size_t len)
{
    size_t start = at;
    while (at < len && at - start < NAME_MAX_BYTES) {
        uint8_t label = message[at];
        if (label == 0)
            return at + 1;
        if (label >= 0xC0) {
            bool is_backward = at + 1 < len && (octets_u16(message + at) & 0x3FFFu) < at;
            return is_backward ? at + 2 : 0;
        }
        if (label > 63)
            return 0;
        at += 1u + label;
    }
    return 0;
}

/* From here to parse_opt, always inlined: most queries have a lone OPT, and must not pay the calls
 * that a second, rare way to the same functions would cause.
 *
 * The `count` octets of an address, which an option's header stands in front of. Up to eight, all
 * that resolvers send (/24, /56), are read at once with what is before them: shorter than a loop,
 * and never beyond the message. */
static inline __attribute__((always_inline)) void copy_address(const uint8_t *address, size_t count,
                                                               uint8_t *out_bytes)
{
    if (count > 8)
        memcpy(out_bytes, address, count);
    else if (count > 0)
        octets_put_u64(out_bytes, octets_u64(address + count - 8) << (64 - 8 * count));
}

/* RFC 7871 section 6: exactly the octets that SOURCE needs, no bit set beyond it, SCOPE 0. */
static inline __attribute__((always_inline)) bool parse_ecs(const uint8_t *data, size_t len,
                                                            struct ecs *out_ecs)
{
    if (out_ecs->is_present || len < ECS_HEADER_BYTES)
        return false;
    uint32_t head = octets_u32(data); /* family, SOURCE, SCOPE */
    unsigned source_bits = head >> 8 & 0xFF;
    size_t count = len - ECS_HEADER_BYTES;
    if ((head & 0xFF) != 0 || count != (source_bits + 7) / 8)
        return false;
    switch (head >> 16) {
    case ECS_FAMILY_NONE:
        /* dig and getdns say "do not use my address" so; RFC 7871 does not know family 0. */
        out_ecs->is_present = source_bits == 0;
        return out_ecs->is_present;
    case ECS_FAMILY_V4:
        if (source_bits > 32)
            return false;
        break;
    case ECS_FAMILY_V6:
        if (source_bits > 128)
            return false;
        out_ecs->prefix.addr.family = ADDR_V6;
        break;
    default:
        return false;
    }
    const uint8_t *address = data + ECS_HEADER_BYTES;
    if (source_bits % 8 != 0 && (address[count - 1] & (0xFFu >> source_bits % 8)) != 0)
        return false;
    copy_address(address, count, out_ecs->prefix.addr.bytes);
    out_ecs->prefix.bits = (uint8_t)source_bits;
    out_ecs->address_bytes = (uint8_t)count;
    out_ecs->family = (uint16_t)(head >> 16);
    out_ecs->is_present = true;
    return true;
}

static inline __attribute__((always_inline)) bool parse_options(const uint8_t *data, size_t len,
                                                                struct edns *out_edns)
{
    size_t at = 0;
    while (at < len) {
        if (len - at < OPTION_HEADER_BYTES)
            return false;
        uint16_t code = octets_u16(data + at);
        size_t option_len = octets_u16(data + at + 2);
        at += OPTION_HEADER_BYTES;
        if (option_len > len - at)
            return false;
        if (code == OPTION_ECS) {
            if (!parse_ecs(data + at, option_len, &out_edns->ecs))
                return false;
        } else if (code == OPTION_NSID) {
            out_edns->wants_nsid = true;
        } else if (code == OPTION_KEEPALIVE) {
            /* RFC 7828 section 3.2.1: a client sends no timeout. */
            out_edns->has_keepalive = option_len == 0;
        }
        at += option_len;
    }
    return true;
}

/* `fixed` is the record behind its owner, its `rdata_len` octets are known to be there. */
static inline __attribute__((always_inline)) bool parse_opt(const uint8_t *fixed, size_t rdata_len,
                                                            struct edns *out_edns)
{
    if (out_edns->is_present)
        return false;
    out_edns->is_present = true;
    out_edns->payload_bytes = octets_u16(fixed + 2);
    out_edns->version = fixed[5];
    out_edns->wants_dnssec = (octets_u16(fixed + 6) & EDNS_FLAG_DO) != 0;
    /* What options look like in another version is not ours to know. */
    return out_edns->version != 0 || parse_options(fixed + RR_FIXED_BYTES, rdata_len, out_edns);
}

/* Which records stand before `additional_at` is judged by the caller. False: malformed. */
static bool parse_records(const uint8_t *message, size_t len, size_t count, size_t additional_at,
                          struct query *query)
{
    size_t at = query->question_end;
    for (size_t i = 0; i < count; i++) {
        size_t fixed_at = skip_owner(message, at, len);
        if (fixed_at == 0 || len - fixed_at < RR_FIXED_BYTES)
            return false;
        const uint8_t *fixed = message + fixed_at;
        size_t rdata_len = octets_u16(fixed + 8);
        if (rdata_len > len - fixed_at - RR_FIXED_BYTES)
            return false;
        uint16_t type = octets_u16(fixed);
        bool is_root = fixed_at == at + 1;
        if (type == TYPE_OPT && (!is_root || !parse_opt(fixed, rdata_len, &query->edns)))
            return false;
        /* Only IXFR says something outside the additional section: which SOA it has. */
        if (i < additional_at && type != TYPE_SOA)
            return false;
        at = fixed_at + RR_FIXED_BYTES + rdata_len;
    }
    return at == len;
}

static bool parse_question(const uint8_t *message, size_t len, struct query *query)
{
    const uint8_t *name = message + WIRE_HEADER_BYTES;
    size_t name_len = name_scan(name, len - WIRE_HEADER_BYTES);
    size_t fixed_at = WIRE_HEADER_BYTES + name_len;
    if (name_len == 0 || len - fixed_at < QUESTION_FIXED_BYTES)
        return false;
    name_fold(name, name_len, query->qname);
    query->qname_len = (uint8_t)name_len;
    query->qtype = octets_u16(message + fixed_at);
    query->qclass = octets_u16(message + fixed_at + 2);
    query->question_end = (uint16_t)(fixed_at + QUESTION_FIXED_BYTES);
    return true;
}

/* What nearly every query with EDNS is: the message ends with OPT, and that is its only record. */
static bool is_lone_opt(const uint8_t *record, size_t len)
{
    return len >= 1 + RR_FIXED_BYTES && record[0] == 0 && octets_u16(record + 1) == TYPE_OPT &&
           octets_u16(record + 9) == len - 1 - RR_FIXED_BYTES;
}

static bool parse_body(const uint8_t *message, size_t len, struct query *query)
{
    uint64_t counts = octets_u64(message + 4);
    if (counts >> 48 != 1 || !parse_question(message, len, query))
        return false;
    size_t at = query->question_end;
    if (counts == QUESTION_ALONE)
        return at == len;
    if (counts == QUESTION_AND_RECORD && is_lone_opt(message + at, len - at))
        return parse_opt(message + at + 1, len - at - 1 - RR_FIXED_BYTES, &query->edns);
    size_t answer_count = counts >> 32 & 0xFFFF, authority_count = counts >> 16 & 0xFFFF;
    size_t additional_at = answer_count + authority_count;
    if (!parse_records(message, len, additional_at + (counts & 0xFFFF), additional_at, query))
        return false;
    bool is_plain = additional_at == 0;
    return is_plain || (query->qtype == TYPE_IXFR && answer_count == 0 && authority_count == 1);
}

enum query_verdict query_parse(const uint8_t *message, size_t len, struct query *out_query)
{
    if (len < WIRE_HEADER_BYTES)
        return QUERY_DROP_SHORT;
    if ((message[2] & FLAG_QR) != 0)
        return QUERY_DROP_RESPONSE;
    /* Field by field: clearing `qname` as well would cost more than the parsing. */
    out_query->qname_len = 0;
    out_query->qtype = out_query->qclass = 0;
    out_query->question_end = WIRE_HEADER_BYTES;
    out_query->edns = (struct edns){ .is_present = false };
    bool is_sound = len <= WIRE_MAX_BYTES && parse_body(message, len, out_query);
    /* An unknown opcode may give the sections another meaning, so their faults do not count. */
    if ((message[2] & OPCODE_MASK) != 0)
        return QUERY_NOTIMP;
    if (!is_sound)
        return QUERY_FORMERR;
    return out_query->edns.version != 0 ? QUERY_BADVERS : QUERY_OK;
}
