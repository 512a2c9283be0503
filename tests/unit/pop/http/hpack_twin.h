/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder beside nghttp2's decoder: what went in must come out, in order, with the same marks.
 * For tests and the fuzz target.
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/hpack_encoder.h"
#include "steering/base/mem.h"

enum { TWIN_FIELDS_MAX = 64, TWIN_BLOCK_MAX = 1 << 20 };

struct twin_field {
    struct str name, value;
    bool is_sensitive;
};

struct twin {
    struct blocks blocks;
    struct hpack_encoder encoder;
    nghttp2_hd_inflater *decoder;
    uint8_t *block; /* the last one */
    size_t len;
};

#define TWIN_CHECK(claim)                                                                          \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct twin *twin_new(uint32_t table_max)
{
    struct twin *twin = mem_calloc(1, sizeof(*twin));
    blocks_init(&twin->blocks, 1 << 20);
    hpack_encoder_init(&twin->encoder, &twin->blocks, table_max);
    if (nghttp2_hd_inflate_new(&twin->decoder) != 0)
        abort();
    return twin;
}

static inline void twin_free(struct twin *twin)
{
    hpack_encoder_fini(&twin->encoder);
    nghttp2_hd_inflate_del(twin->decoder);
    blocks_fini(&twin->blocks);
    free(twin->block);
    free(twin);
}

/* The peer announces another size of its table. */
static inline void twin_limit(struct twin *twin, uint32_t bytes)
{
    TWIN_CHECK(nghttp2_hd_inflate_change_table_size(twin->decoder, bytes) == 0);
    hpack_encoder_limit(&twin->encoder, bytes);
}

static inline void twin_encode(struct twin *twin, const struct twin_field *fields, size_t count)
{
    size_t max = HPACK_BEGIN_EXTRA;
    for (size_t i = 0; i < count; i++)
        max += fields[i].name.len + fields[i].value.len + HPACK_FIELD_EXTRA;
    free(twin->block);
    twin->block = malloc(max); /* exact, so that sanitizers see a byte too many */
    TWIN_CHECK(twin->block != NULL && max < TWIN_BLOCK_MAX);
    hpack_encoder_begin(&twin->encoder, twin->block);
    for (size_t i = 0; i < count; i++)
        hpack_encoder_put(&twin->encoder, fields[i].name, fields[i].value, fields[i].is_sensitive);
    twin->len = (size_t)(hpack_encoder_end(&twin->encoder) - twin->block);
    TWIN_CHECK(twin->len <= max);
}

static inline void twin_compare(const nghttp2_nv *got, const struct twin_field *want)
{
    TWIN_CHECK(got->namelen == want->name.len);
    TWIN_CHECK(memcmp(got->name, want->name.ptr, want->name.len) == 0);
    TWIN_CHECK(got->valuelen == want->value.len);
    TWIN_CHECK(want->value.len == 0 || memcmp(got->value, want->value.ptr, want->value.len) == 0);
    TWIN_CHECK(((got->flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0) == want->is_sensitive);
}

static inline void twin_decode(struct twin *twin, const struct twin_field *fields, size_t count)
{
    const uint8_t *at = twin->block;
    size_t left = twin->len, seen = 0;
    for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
        nghttp2_nv field;
        ssize_t taken = nghttp2_hd_inflate_hd2(twin->decoder, &field, &flags, at, left, 1);
        TWIN_CHECK(taken >= 0);
        at += taken;
        left -= (size_t)taken;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0)
            continue;
        TWIN_CHECK(seen < count);
        twin_compare(&field, &fields[seen++]);
    }
    nghttp2_hd_inflate_end_headers(twin->decoder);
    TWIN_CHECK(left == 0 && seen == count);
}

/* One block there and back; returns its octets. */
static inline size_t twin_pass(struct twin *twin, const struct twin_field *fields, size_t count)
{
    twin_encode(twin, fields, count);
    twin_decode(twin, fields, count);
    return twin->len;
}

/* ---- random play ----------------------------------------------------------------------------- */

/* A number below `bound`, from a generator or from fuzz input. */
struct twin_draw {
    uint64_t (*below)(void *owner, uint64_t bound);
    void *owner;
};

static inline struct str twin_draw_text(struct twin_draw draw, char *out, const char *start)
{
    static const uint16_t lengths[] = { 0, 1, 2, 5, 9, 30, 126, 127, 128, 300, 1000, 1100, 5000 };
    enum { KINDS = sizeof(lengths) / sizeof(lengths[0]) };
    size_t at = strlen(start);
    memcpy(out, start, at);
    size_t len = lengths[draw.below(draw.owner, draw.below(draw.owner, 4) == 0 ? KINDS : 6)];
    memset(out + at, 'a' + (int)draw.below(draw.owner, 3), len);
    return (struct str){ .ptr = out, .len = at + len };
}

static inline struct twin_field twin_draw_field(struct twin_draw draw, char *text)
{
    static const struct twin_field common[] = {
        { .name = { ":status", 7 }, .value = { "200", 3 } },
        { .name = { ":status", 7 }, .value = { "201", 3 } },
        { .name = { ":method", 7 }, .value = { "GET", 3 } },
        { .name = { ":path", 5 }, .value = { "/a", 2 } },
        { .name = { "server", 6 }, .value = { "x", 1 } },
        { .name = { "etag", 4 }, .value = { "\"1\"", 3 } },
        { .name = { "via", 3 }, .value = { "2 gru1", 6 } },
        { .name = { "cookie", 6 }, .value = { "a=b", 3 }, .is_sensitive = true },
        { .name = { "accept-encoding", 15 }, .value = { "gzip, deflate", 13 } },
        { .name = { "x-one", 5 }, .value = { "1", 1 } },
        { .name = { "x-two", 5 }, .value = { "", 0 } },
        { .name = { "x-id", 4 }, .value = { "7", 1 }, .is_sensitive = true },
    };
    enum { COMMON = sizeof(common) / sizeof(common[0]) };
    uint64_t kind = draw.below(draw.owner, COMMON + 6);
    if (kind < COMMON)
        return common[kind];
    struct twin_field field = { .name = twin_draw_text(draw, text, "n") };
    field.value = twin_draw_text(draw, text + field.name.len, "");
    field.is_sensitive = draw.below(draw.owner, 8) == 0;
    return field;
}

static inline void twin_play(struct twin_draw draw, size_t blocks)
{
    enum { FIELD_TEXT_MAX = 2 * (5000 + 8) };
    static const uint32_t limits[] = { 0, 31, 34, 100, 300, 1000, 4096, 65536 };
    enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };
    struct twin *twin = twin_new(limits[draw.below(draw.owner, LIMITS)]);
    struct twin_field fields[TWIN_FIELDS_MAX];
    char *text = mem_calloc(TWIN_FIELDS_MAX, FIELD_TEXT_MAX);
    for (size_t i = 0; i < blocks; i++) {
        size_t count = draw.below(draw.owner, 24);
        for (size_t at = 0; at < count; at++)
            fields[at] = twin_draw_field(draw, text + at * FIELD_TEXT_MAX);
        twin_pass(twin, fields, count);
        for (uint64_t changes = draw.below(draw.owner, 12); changes < 3; changes++)
            twin_limit(twin, limits[draw.below(draw.owner, LIMITS)]);
    }
    free(text);
    twin_free(twin);
}
