/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 made by hand, for peers that break the rules, and a reader of what comes back.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop/http/codec.h"

enum {
    RAW_DATA = 0,
    RAW_HEADERS = 1,
    RAW_PRIORITY = 2,
    RAW_RST = 3,
    RAW_SETTINGS = 4,
    RAW_PUSH = 5,
    RAW_PING = 6,
    RAW_GOAWAY = 7,
    RAW_WINDOW = 8,
    RAW_CONTINUATION = 9,
    RAW_END_STREAM = 1,
    RAW_ACK = 1,
    RAW_END_HEADERS = 4,
    RAW_BYTES_MAX = 1 << 20,
};

struct raw {
    size_t len;
    uint8_t bytes[RAW_BYTES_MAX];
};

static inline void raw_bytes(struct raw *raw, const void *bytes, size_t len)
{
    if (len > RAW_BYTES_MAX - raw->len)
        abort();
    if (len > 0)
        memcpy(raw->bytes + raw->len, bytes, len);
    raw->len += len;
}

static inline void raw_frame(struct raw *raw, uint8_t type, uint8_t flags, uint32_t stream,
                             const void *payload, size_t len)
{
    const uint8_t head[9] = { (uint8_t)(len >> 16),
                              (uint8_t)(len >> 8),
                              (uint8_t)len,
                              type,
                              flags,
                              (uint8_t)(stream >> 24),
                              (uint8_t)(stream >> 16),
                              (uint8_t)(stream >> 8),
                              (uint8_t)stream };
    raw_bytes(raw, head, sizeof(head));
    raw_bytes(raw, payload, len);
}

static inline void raw_u32(struct raw *raw, uint8_t type, uint32_t stream, uint32_t value)
{
    const uint8_t payload[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                                 (uint8_t)(value >> 8), (uint8_t)value };
    raw_frame(raw, type, 0, stream, payload, sizeof(payload));
}

static inline void raw_setting(struct raw *raw, uint16_t id, uint32_t value)
{
    const uint8_t payload[6] = { (uint8_t)(id >> 8),     (uint8_t)id,
                                 (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                                 (uint8_t)(value >> 8),  (uint8_t)value };
    raw_frame(raw, RAW_SETTINGS, 0, 0, payload, sizeof(payload));
}

static inline size_t raw_text(uint8_t *to, const char *text, size_t len)
{
    if (len > 126)
        abort();
    to[0] = (uint8_t)len; /* one octet of length, no Huffman code */
    memcpy(to + 1, text, len);
    return len + 1;
}

/* "name=value|name=value": a header block of literals without indexing. In names and values `~r`,
 * `~n`, `~0` stand for CR, LF and NUL. */
static inline size_t raw_block(uint8_t *block, const char *list)
{
    size_t len = 0;
    while (*list != '\0') {
        size_t item = strcspn(list, "|"), name = strcspn(list, "=");
        block[len++] = 0;
        len += raw_text(block + len, list, name);
        char value[128];
        size_t value_len = 0;
        for (size_t at = name + 1; at < item; at++) {
            char c = list[at];
            if (c == '~') {
                c = list[++at];
                c = (char)(c == 'r' ? '\r' : c == 'n' ? '\n' : '\0');
            }
            value[value_len++] = c;
        }
        len += raw_text(block + len, value, value_len);
        list += item;
        if (*list == '|')
            list++;
    }
    return len;
}

static inline void raw_headers(struct raw *raw, uint32_t stream, const char *list, bool is_end)
{
    uint8_t block[8192];
    size_t len = raw_block(block, list);
    raw_frame(raw, RAW_HEADERS, (uint8_t)(RAW_END_HEADERS | (is_end ? RAW_END_STREAM : 0)), stream,
              block, len);
}

static inline void raw_preface(struct raw *raw)
{
    raw_bytes(raw, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    raw_frame(raw, RAW_SETTINGS, 0, 0, NULL, 0);
}

static inline void raw_send(struct raw *raw, struct http_session *to)
{
    uint8_t *exact = malloc(raw->len + 1);
    if (exact == NULL)
        abort();
    memcpy(exact, raw->bytes, raw->len);
    to->ops->receive(to, exact, raw->len);
    free(exact);
    raw->len = 0;
}

/* ---- what came back -------------------------------------------------------------------------- */

struct seen {
    unsigned frames[16];
    uint32_t rst_stream, rst_code;
    uint32_t goaway_id, goaway_code;
    uint8_t first_header; /* first octet of the last HEADERS: 0x88 is ":status 200", ... */
    uint32_t data_bytes;
};

static inline uint32_t raw_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void seen_frame(struct seen *seen, const uint8_t *head, const uint8_t *payload,
                              size_t len)
{
    uint8_t type = head[3];
    if (type < 16)
        seen->frames[type]++;
    if (type == RAW_RST) {
        seen->rst_stream = raw_be32(head + 5);
        seen->rst_code = raw_be32(payload);
    } else if (type == RAW_GOAWAY) {
        seen->goaway_id = raw_be32(payload);
        seen->goaway_code = raw_be32(payload + 4);
    } else if (type == RAW_HEADERS && len > 0) {
        seen->first_header = payload[0];
    } else if (type == RAW_DATA) {
        seen->data_bytes += (uint32_t)len;
    }
}

/* All that `from` has to say now. With `skip` octets at first (the client's preface). */
static inline struct seen raw_read(struct http_session *from, size_t skip)
{
    static uint8_t bytes[RAW_BYTES_MAX];
    size_t len = 0, got;
    while (len + 4096 < sizeof(bytes) &&
           (got = from->ops->produce(from, bytes + len, sizeof(bytes) - len)) > 0)
        len += got;
    struct seen seen = { 0 };
    size_t at = skip;
    while (at + 9 <= len) {
        size_t payload = (size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2];
        if (at + 9 + payload > len)
            abort();
        seen_frame(&seen, bytes + at, bytes + at + 9, payload);
        at += 9 + payload;
    }
    if (at != len)
        abort();
    return seen;
}
