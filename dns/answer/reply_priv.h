/* SPDX-License-Identifier: Apache-2.0 */
/* The records of an answer under construction, written behind the question.
 *
 * Shape:     header | question | records ... | room for OPT
 *            Sections must be written in order. What does not fit sets `is_full` and nothing more
 *            is written: a truncated answer carries no records at all.
 * Threads:   owner only.
 * Ownership: writes into the caller's message.
 * Limits:    REPLY_SUFFIX_MAX names remembered for compression; more only cost octets.
 * Source:    RFC 1035 section 4.1.4 (compression), RFC 3597 section 4 (of which rdata)
 */
#pragma once

#include <string.h>

#include "dns/wire/octets.h"
#include "dns/zone/zone_set.h"

enum {
    REPLY_SUFFIX_MAX = 48,
    REPLY_POINTER = 0xC000,
    REPLY_POINTER_END = 0x4000, /* offsets from here on cannot be pointed at */
    REPLY_QNAME_AT = WIRE_HEADER_BYTES,
    REPLY_A_BYTES = 16, /* one encoded A record */
};

enum reply_section { REPLY_ANSWER, REPLY_AUTHORITY, REPLY_ADDITIONAL, REPLY_SECTION_COUNT };

/* A name that stands in the message: `len` octets when written out. */
struct reply_suffix {
    uint16_t at;
    uint8_t len;
};

struct reply {
    uint8_t *message;
    uint8_t *at, *end;
    bool is_full;
    uint16_t counts[REPLY_SECTION_COUNT];
    uint8_t qname_len;
    uint8_t suffix_count; /* 0 until the first name is compressed */
    struct reply_suffix suffixes[REPLY_SUFFIX_MAX];
};

/* Who owns a record. `at` != 0: a pointer there is enough. */
struct reply_owner {
    const uint8_t *name;
    uint8_t name_len;
    uint16_t at;
};

static inline void reply_init(struct reply *reply, uint8_t *message, const struct query *query,
                              uint8_t *end)
{
    reply->message = message;
    reply->at = message + query->question_end;
    reply->end = end;
    reply->is_full = reply->at > end;
    reply->counts[REPLY_ANSWER] = reply->counts[REPLY_AUTHORITY] = 0;
    reply->counts[REPLY_ADDITIONAL] = 0;
    reply->qname_len = query->qname_len;
    reply->suffix_count = 0;
}

/* False, and the answer is full, when `len` octets do not fit. */
static inline bool reply_has_room(struct reply *reply, size_t len)
{
    if (reply->is_full || len > (size_t)(reply->end - reply->at))
        reply->is_full = true;
    return !reply->is_full;
}

/* Records encoded with the owner C0 0C. */
static inline void reply_encoded(struct reply *reply, const uint8_t *bytes, size_t len,
                                 uint16_t count, uint16_t owner_at)
{
    if (!reply_has_room(reply, len))
        return;
    if (len == REPLY_A_BYTES) /* the usual answer: no call for two moves */
        memcpy(reply->at, bytes, REPLY_A_BYTES);
    else
        memcpy(reply->at, bytes, len);
    if (owner_at != REPLY_QNAME_AT) {
        for (uint8_t *record = reply->at; record < reply->at + len;
             record += 12 + octets_u16(record + 10))
            octets_put_u16(record, (uint16_t)(REPLY_POINTER | owner_at));
    }
    reply->at += len;
    reply->counts[REPLY_ANSWER] = (uint16_t)(reply->counts[REPLY_ANSWER] + count);
}

/* Where `name`, as a whole, stands already; 0: nowhere that can be pointed at. */
uint16_t reply_find(struct reply *reply, const uint8_t *name, size_t name_len);
/* True when the name at `at`, pointers followed, is `name` (ASCII case ignored). */
bool reply_name_is(const struct reply *reply, uint16_t at, const uint8_t *name);
void reply_rrset(struct reply *reply, enum reply_section section, const struct reply_owner *owner,
                 const struct rrset *rrset, uint32_t ttl_s);
/* Returns where the target stands; 0 when it cannot be pointed at. */
uint16_t reply_cname(struct reply *reply, const struct reply_owner *owner, uint32_t ttl_s,
                     const uint8_t *target, size_t target_len);
/* One record of plain octets in the answer section, owned by the question's name. */
void reply_record(struct reply *reply, uint16_t type, uint16_t class, uint32_t ttl_s,
                  const uint8_t *rdata, uint16_t rdata_len);
