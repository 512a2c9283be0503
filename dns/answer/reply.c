/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/reply_priv.h"

enum { RECORD_FIXED_BYTES = 10, LABEL_POINTER = 0xC0 };

/* Pointers in our own message always lead backward, so this ends. */
static const uint8_t *follow(const struct reply *reply, const uint8_t *label)
{
    while (*label >= LABEL_POINTER)
        label = reply->message + (octets_u16(label) & ~(unsigned)REPLY_POINTER);
    return label;
}

bool reply_name_is(const struct reply *reply, uint16_t at, const uint8_t *name)
{
    const uint8_t *there = reply->message + at;
    for (;;) {
        there = follow(reply, there);
        size_t label_len = 1u + *name;
        if (!name_eq_nocase(there, 1u + *there, name, label_len))
            return false;
        if (*name == 0)
            return true;
        there += label_len;
        name += label_len;
    }
}

static void remember(struct reply *reply, size_t at, size_t len)
{
    if (at < REPLY_POINTER_END && reply->suffix_count < REPLY_SUFFIX_MAX)
        reply->suffixes[reply->suffix_count++] =
            (struct reply_suffix){ .at = (uint16_t)at, .len = (uint8_t)len };
}

/* Only answers that compress a name pay for it. */
static void remember_qname(struct reply *reply)
{
    const uint8_t *label = reply->message + REPLY_QNAME_AT;
    for (size_t at = 0; at + 1 < reply->qname_len; at += 1u + label[at])
        remember(reply, REPLY_QNAME_AT + at, reply->qname_len - at);
}

uint16_t reply_find(struct reply *reply, const uint8_t *name, size_t name_len)
{
    if (reply->suffix_count == 0)
        remember_qname(reply);
    for (size_t i = 0; i < reply->suffix_count; i++) {
        const struct reply_suffix *suffix = &reply->suffixes[i];
        if (suffix->len == name_len && reply_name_is(reply, suffix->at, name))
            return suffix->at;
    }
    return 0;
}

/* Writes the name with its longest known suffix as a pointer. Returns where it stands, which is
 * an older place when it is known as a whole; 0 when it cannot be pointed at, or is full. */
static uint16_t put_name(struct reply *reply, const uint8_t *name, size_t name_len)
{
    size_t own_len = 0;
    uint16_t suffix_at = 0;
    while (name[own_len] != 0) {
        suffix_at = reply_find(reply, name + own_len, name_len - own_len);
        if (suffix_at != 0)
            break;
        own_len += 1u + name[own_len];
    }
    size_t tail_len = suffix_at != 0 ? 2 : 1;
    if (!reply_has_room(reply, own_len + tail_len))
        return 0;
    size_t start = (size_t)(reply->at - reply->message);
    memcpy(reply->at, name, own_len);
    reply->at += own_len;
    if (suffix_at != 0)
        reply->at = octets_put_u16(reply->at, (uint16_t)(REPLY_POINTER | suffix_at));
    else
        *reply->at++ = 0;
    for (size_t at = 0; at < own_len; at += 1u + name[at])
        remember(reply, start + at, name_len - at);
    if (own_len == 0)
        return suffix_at;
    return start < REPLY_POINTER_END ? (uint16_t)start : 0;
}

static void put_owner(struct reply *reply, const struct reply_owner *owner)
{
    if (owner->at == 0) {
        put_name(reply, owner->name, owner->name_len);
        return;
    }
    if (reply_has_room(reply, 2))
        reply->at = octets_put_u16(reply->at, (uint16_t)(REPLY_POINTER | owner->at));
}

static void put_bytes(struct reply *reply, const uint8_t *bytes, size_t len)
{
    if (len == 0 || !reply_has_room(reply, len))
        return;
    memcpy(reply->at, bytes, len);
    reply->at += len;
}

/* Returns where RDLENGTH goes once it is known; NULL when full. */
static uint8_t *put_fixed(struct reply *reply, uint16_t type, uint16_t class, uint32_t ttl_s)
{
    if (!reply_has_room(reply, RECORD_FIXED_BYTES))
        return NULL;
    uint8_t *at = octets_put_u16(reply->at, type);
    at = octets_put_u16(at, class);
    at = octets_put_u32(at, ttl_s);
    reply->at = at + 2;
    return at;
}

static void finish_record(struct reply *reply, enum reply_section section, uint8_t *rdlength)
{
    if (reply->is_full)
        return;
    octets_put_u16(rdlength, (uint16_t)(reply->at - rdlength - 2));
    reply->counts[section]++;
}

static void put_rdata(struct reply *reply, const struct rdata *rdata)
{
    if (rdata->name_len == 0) {
        put_bytes(reply, rdata->bytes, rdata->len);
        return;
    }
    size_t behind = (size_t)rdata->name_at + rdata->name_len;
    put_bytes(reply, rdata->bytes, rdata->name_at);
    put_name(reply, rdata->bytes + rdata->name_at, rdata->name_len);
    put_bytes(reply, rdata->bytes + behind, rdata->len - behind);
}

void reply_rrset(struct reply *reply, enum reply_section section, const struct reply_owner *owner,
                 const struct rrset *rrset, uint32_t ttl_s)
{
    if (section == REPLY_ANSWER && rrset->encoded != NULL && owner->at != 0) {
        reply_encoded(reply, rrset->encoded, rrset->encoded_len, rrset->count, owner->at);
        return;
    }
    for (size_t i = 0; i < rrset->count && !reply->is_full; i++) {
        put_owner(reply, owner);
        uint8_t *rdlength = put_fixed(reply, rrset->type, CLASS_IN, ttl_s);
        put_rdata(reply, &rrset->rdata[i]);
        finish_record(reply, section, rdlength);
    }
}

uint16_t reply_cname(struct reply *reply, const struct reply_owner *owner, uint32_t ttl_s,
                     const uint8_t *target, size_t target_len)
{
    put_owner(reply, owner);
    uint8_t *rdlength = put_fixed(reply, TYPE_CNAME, CLASS_IN, ttl_s);
    uint16_t target_at = put_name(reply, target, target_len);
    finish_record(reply, REPLY_ANSWER, rdlength);
    return target_at;
}

void reply_record(struct reply *reply, uint16_t type, uint16_t class, uint32_t ttl_s,
                  const uint8_t *rdata, uint16_t rdata_len)
{
    const struct reply_owner qname = { .at = REPLY_QNAME_AT };
    put_owner(reply, &qname);
    uint8_t *rdlength = put_fixed(reply, type, class, ttl_s);
    put_bytes(reply, rdata, rdata_len);
    finish_record(reply, REPLY_ANSWER, rdlength);
}
