/* SPDX-License-Identifier: Apache-2.0 */
/* Writes small MaxMind DB files for tests, good ones and damaged ones.
 *
 *     struct mmdb_writer writer;
 *     mmdb_writer_init(&writer, 6, 28);
 *     size_t at = writer.data.len;
 *     put_map(&writer.data, 1); put_text(&writer.data, "country_code"); put_text(..., "US");
 *     mmdb_writer_add(&writer, "192.0.2.0/24", at);
 *     mmdb_writer_finish(&writer, "Test", &out);
 *
 * Ownership: mmdb_writer_fini.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/buf.h"
#include "steering/base/cidr.h"
#include "steering/base/mem.h"

enum { WRITER_MAX_BYTES = 1 << 22 };

/* A record of a node: 0 = empty, > 0 = number of a node, < 0 = -1 - offset into the data. */
struct mmdb_writer {
    long (*nodes)[2];
    size_t node_count, node_capacity;
    unsigned ip_version, record_bits;
    struct buf data;
};

static inline void put_byte(struct buf *out, unsigned byte)
{
    uint8_t value = (uint8_t)byte;
    buf_append(out, &value, 1);
}

static inline void put_big_endian(struct buf *out, uint64_t number, size_t len)
{
    for (size_t i = len; i-- > 0;)
        put_byte(out, (unsigned)(number >> (8 * i)) & 0xff);
}

/* Control byte, extended type, longer size. */
static inline void put_header(struct buf *out, unsigned type, size_t size)
{
    unsigned low = size < 29 ? (unsigned)size : size < 285 ? 29 : size < 65821 ? 30 : 31;
    put_byte(out, (type <= 7 ? type << 5 : 0) | low);
    if (type > 7)
        put_byte(out, type - 7);
    if (low == 29)
        put_big_endian(out, size - 29, 1);
    else if (low == 30)
        put_big_endian(out, size - 285, 2);
    else if (low == 31)
        put_big_endian(out, size - 65821, 3);
}

static inline void put_text(struct buf *out, const char *text)
{
    put_header(out, 2, strlen(text));
    buf_append(out, text, strlen(text));
}
static inline void put_map(struct buf *out, size_t pairs)
{
    put_header(out, 7, pairs);
}
static inline void put_array(struct buf *out, size_t items)
{
    put_header(out, 11, items);
}
/* 5, 6, 9: unsigned of 16, 32, 64 bits. */
static inline void put_number(struct buf *out, unsigned type, uint64_t number)
{
    size_t len = 0;
    while (len < 8 && number >> (8 * len) != 0)
        len++;
    put_header(out, type, len);
    put_big_endian(out, number, len);
}
static inline void put_double(struct buf *out, double number)
{
    uint64_t bits = 0;
    memcpy(&bits, &number, sizeof(bits));
    put_header(out, 3, 8);
    put_big_endian(out, bits, 8);
}
static inline void put_float(struct buf *out, float number)
{
    uint32_t bits = 0;
    memcpy(&bits, &number, sizeof(bits));
    put_header(out, 15, 4);
    put_big_endian(out, bits, 4);
}
/* The four-byte form, which reaches everywhere. */
static inline void put_pointer(struct buf *out, size_t target)
{
    put_byte(out, 0x38);
    put_big_endian(out, target, 4);
}

static inline long mmdb_writer_node(struct mmdb_writer *writer)
{
    writer->nodes =
        mem_grow(writer->nodes, writer->node_count, &writer->node_capacity, sizeof(long[2]));
    writer->nodes[writer->node_count][0] = writer->nodes[writer->node_count][1] = 0;
    return (long)writer->node_count++;
}

static inline void mmdb_writer_init(struct mmdb_writer *writer, unsigned ip_version,
                                    unsigned record_bits)
{
    *writer = (struct mmdb_writer){ .ip_version = ip_version, .record_bits = record_bits };
    buf_init(&writer->data, WRITER_MAX_BYTES);
    mmdb_writer_node(writer);
}

static inline void mmdb_writer_fini(struct mmdb_writer *writer)
{
    free(writer->nodes);
    buf_fini(&writer->data);
}

/* Sets the record at the end of a prefix; IPv4 goes to ::/96 of an IPv6 tree. A prefix must not lie
 * in one that was added before. */
static inline void mmdb_writer_set(struct mmdb_writer *writer, const char *prefix, long record)
{
    struct cidr net;
    enum cidr_problem problem = cidr_parse(str_from(prefix), &net);
    assert(problem == CIDR_FINE);
    (void)problem;
    if (net.addr.family == ADDR_V4 && writer->ip_version == 6) {
        memmove(net.addr.bytes + 12, net.addr.bytes, 4);
        memset(net.addr.bytes, 0, 12);
        net.addr.family = ADDR_V6;
        net.bits = (uint8_t)(net.bits + 96);
    }
    size_t at = 0;
    for (unsigned bit = 0; bit + 1 < net.bits; bit++) {
        unsigned side = addr_bit(&net.addr, bit);
        if (writer->nodes[at][side] <= 0) {
            long fresh = mmdb_writer_node(writer);
            writer->nodes[at][side] = fresh;
        }
        at = (size_t)writer->nodes[at][side];
    }
    writer->nodes[at][addr_bit(&net.addr, net.bits - 1u)] = record;
}
static inline void mmdb_writer_add(struct mmdb_writer *writer, const char *prefix, size_t data_at)
{
    mmdb_writer_set(writer, prefix, -1 - (long)data_at);
}

static inline void put_node(struct buf *out, unsigned record_bits, uint64_t left, uint64_t right)
{
    if (record_bits != 28) {
        put_big_endian(out, left, record_bits / 8);
        put_big_endian(out, right, record_bits / 8);
        return;
    }
    put_big_endian(out, left & 0xffffff, 3);
    put_byte(out, (unsigned)(left >> 24 << 4 | right >> 24));
    put_big_endian(out, right & 0xffffff, 3);
}

static inline void put_marker(struct buf *out)
{
    buf_append(out, "\xab\xcd\xefMaxMind.com", 14);
}

/* The usual metadata behind the marker, `extra` pairs still to follow. */
static inline void put_metadata(struct buf *out, uint64_t nodes, unsigned ip_version,
                                unsigned record_bits, const char *type, size_t extra)
{
    put_marker(out);
    put_map(out, 9 + extra);
    put_text(out, "node_count");
    put_number(out, 6, nodes);
    put_text(out, "record_size");
    put_number(out, 5, record_bits);
    put_text(out, "ip_version");
    put_number(out, 5, ip_version);
    put_text(out, "database_type");
    put_text(out, type);
    put_text(out, "languages");
    put_array(out, 1);
    put_text(out, "en");
    put_text(out, "binary_format_major_version");
    put_number(out, 5, 2);
    put_text(out, "binary_format_minor_version");
    put_number(out, 5, 0);
    put_text(out, "build_epoch");
    put_number(out, 9, 1780000000);
    put_text(out, "description");
    put_map(out, 1);
    put_text(out, "en");
    put_text(out, "test");
}

static inline uint64_t mmdb_writer_record(const struct mmdb_writer *writer, long record)
{
    if (record == 0)
        return writer->node_count;
    return record > 0 ? (uint64_t)record : writer->node_count + 16 + (uint64_t)(-1 - record);
}

/* Tree, separator and data; metadata is the caller's. */
static inline void mmdb_writer_body(const struct mmdb_writer *writer, struct buf *out)
{
    for (size_t i = 0; i < writer->node_count; i++)
        put_node(out, writer->record_bits, mmdb_writer_record(writer, writer->nodes[i][0]),
                 mmdb_writer_record(writer, writer->nodes[i][1]));
    for (unsigned i = 0; i < 16; i++)
        put_byte(out, 0);
    buf_append(out, writer->data.bytes, writer->data.len);
}

static inline void mmdb_writer_finish(const struct mmdb_writer *writer, const char *type,
                                      struct buf *out)
{
    mmdb_writer_body(writer, out);
    put_metadata(out, writer->node_count, writer->ip_version, writer->record_bits, type, 0);
    assert(!out->is_overflown);
}
