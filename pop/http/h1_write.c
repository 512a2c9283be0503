/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pop/http/grammar.h"
#include "pop/http/h1_fields.h"
#include "steering/base/base64.h"
#include "steering/base/digest.h"
#include "steering/base/mem.h"

/* ---- appending to memory of the right size --------------------------------------------------- */

static char *put(char *at, struct str text)
{
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_field(char *at, struct str name, struct str value)
{
    at = put(at, name);
    *at++ = ':';
    *at++ = ' ';
    at = put(at, value);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* Ours to write, or nobody's. */
static bool is_passed_on(struct str name)
{
    enum h1_special special = h1_special_of(name);
    return special == H1_ORDINARY || special == H1_EXPECT || special == H1_COOKIE ||
           special == H1_SEC_WEBSOCKET_VERSION;
}

static bool is_value(struct str value)
{
    return http_find_control(value) == value.len;
}

/* Room that the fields take; 0 and false when one can not be written. */
static bool measure_fields(const struct http_head *head, size_t *out_len)
{
    size_t len = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (!http_is_token(field->name) || !is_value(field->value))
            return false;
        len += field->name.len + field->value.len + 4;
    }
    *out_len = len;
    return true;
}

static char *put_fields(char *at, const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (is_passed_on(head->fields[i].name))
            at = put_field(at, head->fields[i].name, head->fields[i].value);
    return at;
}

/* Room for all that put_frame could write, and for the status line's numbers. */
enum { FRAME_ROOM = 256 };

static char *put_framing(char *at, const struct h1_frame *frame)
{
    if (frame->framing == H1_CHUNKED)
        return put_field(at, STR("transfer-encoding"), STR("chunked"));
    if (frame->length < 0)
        return at;
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, frame->length);
    return put_field(at, STR("content-length"), (struct str){ digits, (size_t)len });
}

static char *put_frame(char *at, const struct h1_frame *frame)
{
    if (frame->websocket.len > 0) {
        at = put_field(at, STR("connection"), STR("upgrade"));
        return put_field(at, STR("upgrade"), STR("websocket"));
    }
    at = put_framing(at, frame);
    if (frame->connection != NULL)
        at = put_field(at, STR("connection"), str_from(frame->connection));
    return at;
}

static struct str finish(char *text, char *at)
{
    *at++ = '\r';
    *at++ = '\n';
    return (struct str){ .ptr = text, .len = (size_t)(at - text) };
}

/* ---- requests -------------------------------------------------------------------------------- */

bool h1_write_request(const struct http_head *head, const struct h1_frame *frame,
                      struct arena *arena, struct str *out_text)
{
    bool is_websocket = frame->websocket.len > 0;
    struct str method = is_websocket ? STR("GET") : head->method;
    size_t room;
    if (!http_is_token(method) || !http_is_path(head->path) || str_eq(method, STR("CONNECT")) ||
        (head->authority.len > 0 && !http_is_authority(head->authority)) ||
        !measure_fields(head, &room))
        return false;
    room += method.len + head->path.len + head->authority.len + FRAME_ROOM;
    char *text = (char *)arena_bytes(arena, room), *at = put(text, method);
    *at++ = ' ';
    at = put(at, head->path);
    at = put(at, STR(" HTTP/1.1\r\n"));
    at = put_field(at, STR("host"), head->authority);
    at = put_frame(at, frame);
    if (is_websocket) {
        at = put_field(at, STR("sec-websocket-key"), frame->websocket);
        if (http_head_find(head, STR("sec-websocket-version")) == NULL)
            at = put_field(at, STR("sec-websocket-version"), STR("13"));
    }
    at = put_fields(at, head);
    *out_text = finish(text, at);
    return true;
}

/* ---- responses ------------------------------------------------------------------------------- */

static const struct {
    uint16_t status;
    const char *phrase;
} phrases[] = {
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 102, "Processing" },
    { 103, "Early Hints" },
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 203, "Non-Authoritative Information" },
    { 204, "No Content" },
    { 205, "Reset Content" },
    { 206, "Partial Content" },
    { 300, "Multiple Choices" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 425, "Too Early" },
    { 426, "Upgrade Required" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 508, "Loop Detected" },
};

const char *h1_reason_phrase(uint16_t status)
{
    for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

bool h1_write_response(const struct http_head *head, const struct h1_frame *frame,
                       struct arena *arena, struct str *out_text)
{
    bool is_websocket = frame->websocket.len > 0;
    uint16_t status = is_websocket ? 101 : head->status;
    size_t room;
    if (status < 100 || status > 999 || !measure_fields(head, &room))
        return false;
    room += FRAME_ROOM;
    char *text = (char *)arena_bytes(arena, room), *at = put(text, STR("HTTP/1.1 "));
    *at++ = (char)('0' + status / 100);
    *at++ = (char)('0' + status / 10 % 10);
    *at++ = (char)('0' + status % 10);
    *at++ = ' ';
    at = put(at, str_from(h1_reason_phrase(status)));
    at = put(at, STR("\r\n"));
    at = put_frame(at, frame);
    if (is_websocket)
        at = put_field(at, STR("sec-websocket-accept"), frame->websocket);
    at = put_fields(at, head);
    *out_text = finish(text, at);
    return true;
}

struct str h1_write_last_chunk(const struct http_head *trailers, struct arena *arena)
{
    size_t room = 8;
    if (trailers->field_count == 0)
        return STR("0\r\n\r\n");
    for (size_t i = 0; i < trailers->field_count; i++)
        room += trailers->fields[i].name.len + trailers->fields[i].value.len + 4;
    char *text = (char *)arena_bytes(arena, room), *at = put(text, STR("0\r\n"));
    for (size_t i = 0; i < trailers->field_count; i++) {
        const struct http_field *field = &trailers->fields[i];
        if (is_passed_on(field->name) && http_is_token(field->name) && is_value(field->value))
            at = put_field(at, field->name, field->value);
    }
    return finish(text, at);
}

void h1_websocket_accept(struct str key, char out_accept[H1_WEBSOCKET_ACCEPT_LEN])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[H1_WEBSOCKET_KEY_LEN + sizeof(guid) - 1];
    uint8_t sha1[DIGEST_SHA1_BYTES];
    size_t len = key.len < H1_WEBSOCKET_KEY_LEN ? key.len : H1_WEBSOCKET_KEY_LEN;
    memcpy(text, key.ptr, len);
    memcpy(text + len, guid, sizeof(guid) - 1);
    digest_sha1(text, len + sizeof(guid) - 1, sha1);
    base64_format(sha1, sizeof(sha1), out_accept);
}
