/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_body.h"

#include <string.h>

#include "steering/base/mem.h"

static const struct {
    uint16_t status;
    const char *word;
} faults[] = {
#define X(name, status, word) { status, word },
    H1_FAULT_LIST(X)
#undef X
};

uint16_t h1_fault_status(enum h1_fault fault)
{
    return (size_t)fault < ARRAY_SIZE(faults) ? faults[fault].status : 500;
}

const char *h1_fault_word(enum h1_fault fault)
{
    return (size_t)fault < ARRAY_SIZE(faults) ? faults[fault].word : "unknown";
}

/* ---- blocks of lines ------------------------------------------------------------------------- */

/* Judges in the order of the octets, never looking ahead: so that a message is judged alike
 * however it was cut into pieces. */
static enum h1_fault size_fault(const struct h1_scan *scan, size_t len, bool has_start_line,
                                size_t max_bytes)
{
    if (len <= max_bytes)
        return H1_FAULT_NONE;
    return has_start_line && scan->lines == 0 ? H1_FAULT_TARGET_TOO_LONG : H1_FAULT_HEAD_TOO_LARGE;
}

enum h1_fault h1_scan_block(struct h1_scan *scan, struct str input, bool has_start_line,
                            size_t max_bytes, size_t *out_len)
{
    *out_len = 0;
    while (scan->at < input.len) {
        const char *lf = memchr(input.ptr + scan->at, '\n', input.len - scan->at);
        if (lf == NULL)
            break;
        size_t end = (size_t)(lf - input.ptr);
        enum h1_fault fault = size_fault(scan, end + 1, has_start_line, max_bytes);
        if (fault != H1_FAULT_NONE)
            return fault;
        if (end == scan->line || lf[-1] != '\r')
            return H1_FAULT_BARE_LF;
        bool is_empty = end == scan->line + 1;
        if (is_empty && has_start_line && scan->lines == 0)
            return H1_FAULT_BLANK_LINES;
        scan->at = scan->line = end + 1;
        scan->lines++;
        if (is_empty) {
            *out_len = end + 1;
            return H1_FAULT_NONE;
        }
    }
    scan->at = input.len;
    return size_fault(scan, input.len, has_start_line, max_bytes);
}

/* ---- content --------------------------------------------------------------------------------- */

void h1_body_init(struct h1_body *body, enum h1_framing framing, uint64_t length)
{
    *body = (struct h1_body){ .framing = framing, .left = framing == H1_LENGTH ? length : 0 };
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* 16 digits of which the first is below 8: less than 2^63, and zeros do not go on forever. */
static enum h1_fault take_size_octet(struct h1_body *body, char c)
{
    int value = hex_value(c);
    if (value >= 0) {
        if (body->digits == 16 || body->left >> 59 != 0)
            return H1_FAULT_CHUNK_SIZE;
        body->left = body->left << 4 | (uint64_t)value;
        body->digits++;
        return H1_FAULT_NONE;
    }
    if (body->digits == 0)
        return H1_FAULT_CHUNK_SIZE;
    if (c == '\r')
        body->state = H1_CHUNK_LF;
    else if (c == ';')
        body->state = H1_CHUNK_EXTENSION;
    else
        return c == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_CHUNK_SIZE;
    return H1_FAULT_NONE;
}

/* Extensions mean nothing to us, and are not passed on. */
static enum h1_fault take_extension_octet(struct h1_body *body, char c)
{
    if (c == '\r') {
        body->state = H1_CHUNK_LF;
        return H1_FAULT_NONE;
    }
    if (c == '\n')
        return H1_FAULT_BARE_LF;
    if (((uint8_t)c < 0x20 && c != '\t') || c == 0x7f || ++body->extension_bytes > H1_EXTENSION_MAX)
        return H1_FAULT_CHUNK_EXTENSION;
    return H1_FAULT_NONE;
}

/* One octet of what stands between the data. */
static enum h1_fault take_octet(struct h1_body *body, char c)
{
    switch (body->state) {
    case H1_CHUNK_SIZE:
        return take_size_octet(body, c);
    case H1_CHUNK_EXTENSION:
        return take_extension_octet(body, c);
    case H1_CHUNK_LF:
        if (c != '\n')
            return H1_FAULT_BARE_CR;
        body->state = body->left > 0 ? H1_CHUNK_DATA : H1_CHUNK_TRAILERS;
        return H1_FAULT_NONE;
    case H1_CHUNK_END_CR:
        if (c != '\r')
            return H1_FAULT_CHUNK_END;
        body->state = H1_CHUNK_END_LF;
        return H1_FAULT_NONE;
    case H1_CHUNK_END_LF:
        if (c != '\n')
            return H1_FAULT_CHUNK_END;
        body->state = H1_CHUNK_SIZE;
        body->digits = 0;
        return H1_FAULT_NONE;
    case H1_CHUNK_DATA:
    case H1_CHUNK_TRAILERS:
        break;
    }
    return H1_FAULT_CHUNK_END;
}

static struct str take(struct str *input, uint64_t max)
{
    struct str part = { .ptr = input->ptr, .len = input->len < max ? input->len : (size_t)max };
    input->ptr += part.len;
    input->len -= part.len;
    return part;
}

static enum h1_body_step next_chunked(struct h1_body *body, struct str *input, struct str *out_data,
                                      enum h1_fault *out_fault)
{
    while (body->state != H1_CHUNK_TRAILERS) {
        if (input->len == 0)
            return H1_BODY_MORE;
        if (body->state == H1_CHUNK_DATA) {
            *out_data = take(input, body->left);
            body->left -= out_data->len;
            if (body->left == 0)
                body->state = H1_CHUNK_END_CR;
            return H1_BODY_DATA;
        }
        *out_fault = take_octet(body, take(input, 1).ptr[0]);
        if (*out_fault != H1_FAULT_NONE)
            return H1_BODY_BAD;
    }
    return H1_BODY_TRAILERS;
}

enum h1_body_step h1_body_next(struct h1_body *body, struct str *input, struct str *out_data,
                               enum h1_fault *out_fault)
{
    switch (body->framing) {
    case H1_CHUNKED:
        return next_chunked(body, input, out_data, out_fault);
    case H1_LENGTH:
        if (body->left == 0)
            return H1_BODY_END;
        if (input->len == 0)
            return H1_BODY_MORE;
        *out_data = take(input, body->left);
        body->left -= out_data->len;
        return H1_BODY_DATA;
    case H1_CLOSE:
        if (input->len == 0)
            return H1_BODY_MORE;
        *out_data = take(input, UINT64_MAX);
        return H1_BODY_DATA;
    case H1_NO_BODY:
        break;
    }
    return H1_BODY_END;
}
