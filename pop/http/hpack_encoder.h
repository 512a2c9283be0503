/* SPDX-License-Identifier: Apache-2.0 */
/* Field blocks for HTTP/2, written straight into the frame: what nearly all messages of a
 * connection have in common goes out as one octet a field.
 *
 * Shape:     a field that is in a table        its index
 *            one that is seen the second time  literal, and into the dynamic table
 *            any other                         literal; is_sensitive: never to be indexed
 *
 *            Only what comes again enters the table, so that ids and times of each message do not
 *            drive out what all have in common. Names and values are never Huffman coded: what
 *            repeats is an index anyway, and the rest (ids, lengths) gains little.
 *
 *            The newest HPACK_ENTRIES fields of the table are known here; the peer's decoder may
 *            have older ones, which are not used any more.
 * Threads:   owner only.
 * Ownership: the encoder copies what it keeps. Its table comes from `blocks` with the first block:
 * a connection that said nothing yet has none. Limits:    the table's size is the least of the
 * peer's and ours. Source:    RFC 7541
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pop/http/hpack_static.h"
#include "steering/base/blocks.h"
#include "steering/base/limits.h"
#include "steering/base/str.h"

enum {
    HPACK_ENTRIES = LIMIT(64, 8),
    HPACK_TABLE_DEFAULT = 4096, /* what a decoder begins with */
    /* Octets beside those of name and value: of one field, and at a block's beginning. */
    HPACK_FIELD_EXTRA = 16,
    HPACK_BEGIN_EXTRA = 12,
};

struct hpack_table;

struct hpack_encoder {
    struct blocks *blocks;
    struct hpack_table *table; /* NULL: empty */
    uint8_t *at;               /* between begin and end... */
    uint8_t *follower;         /* ...where the place of the next field from the table is noted */
    uint32_t bytes_max;        /* of the table, now */
    uint32_t own_max;
    uint32_t told_max; /* what the decoder knows */
    uint32_t least;    /* that bytes_max was since it was told */
};

/* `table_max`: what we want to spend at most; the peer's limit is HPACK_TABLE_DEFAULT. */
void hpack_encoder_init(struct hpack_encoder *encoder, struct blocks *blocks, uint32_t table_max);
void hpack_encoder_fini(struct hpack_encoder *encoder);
/* The peer's SETTINGS_HEADER_TABLE_SIZE; takes effect with the next block. */
void hpack_encoder_limit(struct hpack_encoder *encoder, uint32_t peer_max);

/* A block is written from `out` on, which has room for HPACK_BEGIN_EXTRA octets and, for each
 * field, its name, its value and HPACK_FIELD_EXTRA. It must be sent whole, after all blocks before
 * it. */
void hpack_encoder_begin(struct hpack_encoder *encoder, uint8_t *out);
/* `name` is lower-case. */
void hpack_encoder_put(struct hpack_encoder *encoder, struct str name, struct str value,
                       bool is_sensitive);
/* A whole row of the static table. */
void hpack_encoder_put_row(struct hpack_encoder *encoder, enum hpack_row row);
/* Its name, with a value that is not kept. */
void hpack_encoder_put_once(struct hpack_encoder *encoder, enum hpack_row row, struct str value);
uint8_t *hpack_encoder_end(struct hpack_encoder *encoder); /* behind the last octet */
