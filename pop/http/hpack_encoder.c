/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/hpack_encoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS = 2 * HPACK_ENTRIES,
    SEEN = 64,
    ENTRY_OVERHEAD = 32, /* RFC 7541 section 4.1 */
    FIRST_DYNAMIC = HPACK_STATIC_COUNT + 1,
    ENTRY_TEXT_MAX = 1024, /* longer ones would drive out too much */
    NONE = UINT8_MAX,
};

/* How a field or an order begins: the bits above the number, and how many the number has. */
struct prefix {
    uint8_t high, bits;
};
static const struct prefix indexed = { 0x80, 7 };
static const struct prefix literal_kept = { 0x40, 6 };
static const struct prefix size_update = { 0x20, 5 };
static const struct prefix literal_never = { 0x10, 4 };
static const struct prefix literal_once = { 0x00, 4 };
static const struct prefix raw_text = { 0x00, 7 };

struct entry {
    char *text; /* name, then value */
    uint32_t hash;
    uint16_t name_len, value_len; /* of no name: it was evicted */
    uint8_t older;                /* of the same bucket: its place; NONE */
    uint8_t follower;             /* the place of what came next in the last block that had it */
};

/* A ring: the entry that was inserted as n-th (from 0) has place n % HPACK_ENTRIES. */
struct hpack_table {
    struct entry entries[HPACK_ENTRIES];
    uint8_t newest[BUCKETS]; /* of each bucket: its place; NONE */
    uint32_t seen[SEEN];     /* hashes of fields that came once */
    uint8_t first;           /* the place of what came first in the last block */
    uint32_t inserted, count, bytes;
};

/* ---- the dynamic table ----------------------------------------------------------------------- */

static uint64_t load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t absorb(uint64_t state, struct str text)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    size_t at = 0;
    for (; text.len - at >= sizeof(uint64_t); at += sizeof(uint64_t))
        state = ((state ^ load(text.ptr + at)) * odd) ^ (state >> 29);
    uint64_t rest = text.len;
    if (at < text.len && text.len >= sizeof(uint64_t))
        rest ^= load(text.ptr + text.len - sizeof(uint64_t)) << 8;
    else
        for (; at < text.len; at++)
            rest = (rest << 8) | (uint8_t)text.ptr[at];
    return ((state ^ rest) * odd) ^ (state >> 29);
}

/* Collisions cost a walk of HPACK_ENTRIES steps at most, so it need not be keyed. */
static uint32_t hash_of(struct str name, struct str value)
{
    uint64_t state = absorb(absorb(name.len, name), value);
    return (uint32_t)(state >> 32);
}

static bool is_entry(const struct entry *entry, struct str name, struct str value)
{
    return entry->name_len == name.len && entry->value_len == value.len &&
           memcmp(entry->text, name.ptr, name.len) == 0 &&
           memcmp(entry->text + name.len, value.ptr, value.len) == 0;
}

static uint32_t bytes_of(const struct entry *entry)
{
    return (uint32_t)entry->name_len + entry->value_len + ENTRY_OVERHEAD;
}

static void evict(struct hpack_encoder *encoder)
{
    struct hpack_table *table = encoder->table;
    uint8_t place = (uint8_t)((table->inserted - table->count) % HPACK_ENTRIES);
    struct entry *oldest = &table->entries[place];
    uint8_t *link = &table->newest[oldest->hash % BUCKETS];
    while (*link != place)
        link = &table->entries[*link].older;
    *link = NONE; /* older ones went before */
    table->bytes -= bytes_of(oldest);
    table->count--;
    blocks_give(encoder->blocks, oldest->text);
    oldest->name_len = 0;
}

static void shrink(struct hpack_encoder *encoder, uint32_t bytes, uint32_t count)
{
    const struct hpack_table *table = encoder->table;
    while (table != NULL && (table->bytes > bytes || table->count > count))
        evict(encoder);
}

static struct hpack_table *table_new(struct blocks *blocks)
{
    struct hpack_table *table = blocks_take(blocks, sizeof(*table));
    if (table == NULL)
        abort();
    memset(table, 0, sizeof(*table));
    memset(table->newest, NONE, sizeof(table->newest));
    return table;
}

/* Returns its place. */
static uint8_t insert(struct hpack_encoder *encoder, uint32_t hash, struct str name,
                      struct str value)
{
    struct hpack_table *table = encoder->table;
    uint32_t bytes = (uint32_t)(name.len + value.len) + ENTRY_OVERHEAD;
    shrink(encoder, encoder->bytes_max - bytes, HPACK_ENTRIES - 1);
    char *text = blocks_take(encoder->blocks, name.len + value.len);
    if (text == NULL)
        abort();
    memcpy(text, name.ptr, name.len);
    if (value.len > 0)
        memcpy(text + name.len, value.ptr, value.len);
    uint8_t place = (uint8_t)(table->inserted % HPACK_ENTRIES);
    uint8_t *bucket = &table->newest[hash % BUCKETS];
    table->entries[place] = (struct entry){ .text = text,
                                            .hash = hash,
                                            .name_len = (uint16_t)name.len,
                                            .value_len = (uint16_t)value.len,
                                            .older = *bucket };
    *bucket = place;
    table->bytes += bytes;
    table->count++;
    table->inserted++;
    return place;
}

/* Its place; NONE: not there. */
static uint8_t find(const struct hpack_table *table, uint32_t hash, struct str name,
                    struct str value)
{
    uint8_t place = table->newest[hash % BUCKETS];
    while (place != NONE &&
           !(table->entries[place].hash == hash && is_entry(&table->entries[place], name, value)))
        place = table->entries[place].older;
    return place;
}

/* Heads of one connection have nearly the same fields in the same order. */
static void follow(struct hpack_encoder *encoder, uint8_t place)
{
    *encoder->follower = place;
    encoder->follower = &encoder->table->entries[place].follower;
}

/* The first time it is only noted. */
static bool is_worth_keeping(struct hpack_encoder *encoder, uint32_t hash, struct str name,
                             struct str value)
{
    if (name.len + value.len > ENTRY_TEXT_MAX ||
        name.len + value.len + ENTRY_OVERHEAD > encoder->bytes_max)
        return false;
    uint32_t *seen = &encoder->table->seen[hash % SEEN];
    if (*seen == hash)
        return true;
    *seen = hash;
    return false;
}

/* ---- octets ---------------------------------------------------------------------------------- */

/* RFC 7541 section 5.1. */
static uint8_t *put_number(uint8_t *at, struct prefix prefix, size_t number)
{
    size_t most = ((size_t)1 << prefix.bits) - 1;
    if (number < most) {
        *at++ = (uint8_t)(prefix.high | number);
        return at;
    }
    *at++ = (uint8_t)(prefix.high | most);
    for (number -= most; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

static uint8_t *put_text(uint8_t *at, struct str text)
{
    at = put_number(at, raw_text, text.len);
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static void put_literal(struct hpack_encoder *encoder, struct prefix prefix, size_t name_index,
                        struct str name, struct str value)
{
    uint8_t *at = put_number(encoder->at, prefix, name_index);
    if (name_index == 0)
        at = put_text(at, name);
    encoder->at = put_text(at, value);
}

static void put_entry(struct hpack_encoder *encoder, uint8_t place)
{
    uint32_t newer = (encoder->table->inserted - 1 - place) % HPACK_ENTRIES;
    encoder->at = put_number(encoder->at, indexed, FIRST_DYNAMIC + newer);
    follow(encoder, place);
}

static void put_unknown(struct hpack_encoder *encoder, size_t name_index, struct str name,
                        struct str value)
{
    uint32_t hash = hash_of(name, value);
    uint8_t place = find(encoder->table, hash, name, value);
    if (place != NONE) {
        put_entry(encoder, place);
    } else if (is_worth_keeping(encoder, hash, name, value)) {
        put_literal(encoder, literal_kept, name_index, name, value);
        follow(encoder, insert(encoder, hash, name, value));
    } else {
        put_literal(encoder, literal_once, name_index, name, value);
    }
}

/* ---- the face -------------------------------------------------------------------------------- */

void hpack_encoder_init(struct hpack_encoder *encoder, struct blocks *blocks, uint32_t table_max)
{
    *encoder = (struct hpack_encoder){
        .blocks = blocks,
        .own_max = table_max,
        .bytes_max = HPACK_TABLE_DEFAULT,
        .told_max = HPACK_TABLE_DEFAULT,
        .least = HPACK_TABLE_DEFAULT,
    };
    hpack_encoder_limit(encoder, HPACK_TABLE_DEFAULT);
}

void hpack_encoder_fini(struct hpack_encoder *encoder)
{
    shrink(encoder, 0, 0);
    blocks_give(encoder->blocks, encoder->table);
    encoder->table = NULL;
}

void hpack_encoder_limit(struct hpack_encoder *encoder, uint32_t peer_max)
{
    encoder->bytes_max = peer_max < encoder->own_max ? peer_max : encoder->own_max;
    if (encoder->bytes_max < encoder->least)
        encoder->least = encoder->bytes_max;
    shrink(encoder, encoder->bytes_max, HPACK_ENTRIES);
}

void hpack_encoder_begin(struct hpack_encoder *encoder, uint8_t *out)
{
    assert(encoder->at == NULL);
    if (encoder->table == NULL)
        encoder->table = table_new(encoder->blocks);
    encoder->follower = &encoder->table->first;
    encoder->at = out;
    /* Of several changes the decoder must learn the least and the last (section 4.2). */
    if (encoder->least < encoder->told_max && encoder->least < encoder->bytes_max)
        encoder->at = put_number(encoder->at, size_update, encoder->least);
    if (encoder->bytes_max != encoder->told_max || encoder->at != out)
        encoder->at = put_number(encoder->at, size_update, encoder->bytes_max);
    encoder->told_max = encoder->least = encoder->bytes_max;
}

void hpack_encoder_put(struct hpack_encoder *encoder, struct str name, struct str value,
                       bool is_sensitive)
{
    assert(name.len > 0);
    uint8_t guess = *encoder->follower;
    if (is_sensitive) {
        put_literal(encoder, literal_never, hpack_static_find(name, value).index, name, value);
    } else if (is_entry(&encoder->table->entries[guess], name, value)) {
        put_entry(encoder, guess);
    } else {
        struct hpack_static_match match = hpack_static_find(name, value);
        if (match.is_whole)
            encoder->at = put_number(encoder->at, indexed, match.index);
        else if (match.is_private)
            put_literal(encoder, literal_once, match.index, name, value);
        else
            put_unknown(encoder, match.index, name, value);
    }
}

void hpack_encoder_put_row(struct hpack_encoder *encoder, enum hpack_row row)
{
    encoder->at = put_number(encoder->at, indexed, row);
}

void hpack_encoder_put_once(struct hpack_encoder *encoder, enum hpack_row row, struct str value)
{
    encoder->at = put_text(put_number(encoder->at, literal_once, row), value);
}

uint8_t *hpack_encoder_end(struct hpack_encoder *encoder)
{
    uint8_t *end = encoder->at;
    assert(end != NULL);
    encoder->at = NULL;
    return end;
}
