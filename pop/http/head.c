/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/head.h"

#include <string.h>

#include "pop/http/grammar.h"
#include "steering/base/mem.h"

enum { FIELDS_AT_FIRST = LIMIT(16, 1) };

bool http_head_add(struct http_head *head, struct arena *arena, struct str name, struct str value)
{
    if (head->field_count == head->field_capacity) {
        if (head->field_count >= HEAD_FIELDS_MAX)
            return false;
        size_t capacity = head->field_capacity > 0 ? 2 * head->field_capacity : FIELDS_AT_FIRST;
        struct http_field *fields = arena_alloc(arena, capacity * sizeof(*fields));
        if (head->field_count > 0)
            memcpy(fields, head->fields, head->field_count * sizeof(*fields));
        head->fields = fields;
        head->field_capacity = capacity;
    }
    head->fields[head->field_count++] = (struct http_field){
        .name = name,
        .value = value,
        .is_sensitive = http_field_is_sensitive(name),
    };
    return true;
}

const struct http_field *http_head_find(const struct http_head *head, struct str name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (str_eq(head->fields[i].name, name))
            return &head->fields[i];
    return NULL;
}

struct str http_head_get(const struct http_head *head, struct str name)
{
    const struct http_field *field = http_head_find(head, name);
    return field != NULL ? field->value : (struct str){ .ptr = "", .len = 0 };
}

size_t http_head_remove(struct http_head *head, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->field_count; i++)
        if (!str_eq(head->fields[i].name, name))
            head->fields[kept++] = head->fields[i];
    size_t removed = head->field_count - kept;
    head->field_count = kept;
    return removed;
}

void http_head_copy(const struct http_head *from, struct arena *arena, struct http_head *out_head)
{
    struct http_head head = {
        .method = arena_str(arena, from->method),
        .scheme = arena_str(arena, from->scheme),
        .authority = arena_str(arena, from->authority),
        .path = arena_str(arena, from->path),
        .protocol = arena_str(arena, from->protocol),
        .status = from->status,
        .content_length = from->content_length,
    };
    if (from->field_count > 0)
        head.fields = arena_alloc(arena, from->field_count * sizeof(*head.fields));
    head.field_capacity = from->field_count;
    for (size_t i = 0; i < from->field_count; i++)
        head.fields[head.field_count++] = (struct http_field){
            .name = arena_str(arena, from->fields[i].name),
            .value = arena_str(arena, from->fields[i].value),
            .is_sensitive = from->fields[i].is_sensitive,
        };
    *out_head = head;
}

bool http_field_is_sensitive(struct str name)
{
    /* Called for every field of every message: the length alone settles most. */
    switch (name.len) {
    case sizeof("cookie") - 1:
        return memcmp(name.ptr, "cookie", name.len) == 0;
    case sizeof("set-cookie") - 1:
        return memcmp(name.ptr, "set-cookie", name.len) == 0;
    case sizeof("authorization") - 1:
        return memcmp(name.ptr, "authorization", name.len) == 0;
    case sizeof("steer-identity") - 1:
        return memcmp(name.ptr, "steer-identity", name.len) == 0;
    case sizeof("proxy-authorization") - 1:
        return memcmp(name.ptr, "proxy-authorization", name.len) == 0;
    default:
        return false;
    }
}

size_t http_head_size(const struct http_head *head)
{
    size_t size = 0;
    for (size_t i = 0; i < head->field_count; i++)
        size += head->fields[i].name.len + head->fields[i].value.len + HTTP_FIELD_OVERHEAD;
    return size;
}

bool http_method_is_idempotent(struct str method)
{
    static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" };
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (str_eq_text(method, methods[i]))
            return true;
    return false;
}

bool http_response_has_body(struct str method, uint16_t status)
{
    return status >= 200 && status != 204 && status != 304 && !str_eq(method, STR("HEAD"));
}

/* ---- grammar --------------------------------------------------------------------------------- */

/* tchar: RFC 9110 section 5.6.2; what a registered name may hold besides percent-encoding:
 * RFC 3986 section 3.2.2. A: both. */
enum { T = HTTP_TCHAR, H = HTTP_HOST, A = T | H };

/* clang-format off */
const uint8_t http_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    0, A, 0, T, A, T, A, A, H, H, A, A, H, A, A, 0, /* 0x20 */
    A, A, A, A, A, A, A, A, A, A, 0, H, 0, H, 0, 0, /* 0x30 */
    0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* 0x40 */
    A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, T, A, /* 0x50 */
    T, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* 0x60 */
    A, A, A, A, A, A, A, A, A, A, A, 0, T, 0, A, 0, /* 0x70 */
};
/* clang-format on */

bool http_is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((http_classes[(uint8_t)text.ptr[i]] & HTTP_TCHAR) == 0)
            return false;
    return text.len > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_is_field_value(struct str text)
{
    if (text.len == 0)
        return true;
    return http_find_control(text) == text.len && !is_blank(text.ptr[0]) &&
           !is_blank(text.ptr[text.len - 1]);
}

bool http_is_path(struct str text)
{
    if (text.len == 1 && text.ptr[0] == '*')
        return true;
    /* A fragment never belongs into a request, and hops disagree about what it would cut off. */
    return text.len > 0 && text.ptr[0] == '/' && http_find_control(text) == text.len &&
           memchr(text.ptr, ' ', text.len) == NULL && memchr(text.ptr, '\t', text.len) == NULL &&
           memchr(text.ptr, '#', text.len) == NULL;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_registered_name(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if ((http_classes[(uint8_t)host.ptr[i]] & HTTP_HOST) != 0)
            continue;
        if (host.ptr[i] != '%' || host.len - i < 3 || !is_hex(host.ptr[i + 1]) ||
            !is_hex(host.ptr[i + 2]))
            return false;
        i += 2;
    }
    return host.len > 0;
}

/* What stands in brackets. Only the alphabet: nobody here connects to it. */
static bool is_ip_literal(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!is_hex(host.ptr[i]) && host.ptr[i] != ':' && host.ptr[i] != '.')
            return false;
    return host.len > 1 && memchr(host.ptr, ':', host.len) != NULL;
}

bool http_is_authority(struct str text)
{
    struct str host, port = { .ptr = "", .len = 0 };
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *end = memchr(text.ptr, ']', text.len);
        if (end == NULL)
            return false;
        host = (struct str){ .ptr = text.ptr + 1, .len = (size_t)(end - text.ptr) - 1 };
        port = (struct str){ .ptr = end + 1, .len = text.len - host.len - 2 };
        if (!is_ip_literal(host) || (port.len > 0 && port.ptr[0] != ':'))
            return false;
        if (port.len == 0)
            return true;
        port = (struct str){ .ptr = port.ptr + 1, .len = port.len - 1 };
    } else {
        bool has_port = str_split(text, ':', &host, &port);
        if (!is_registered_name(host))
            return false;
        if (!has_port)
            return true;
    }
    uint64_t number;
    return port.len <= 5 && str_parse_u64(port, UINT16_MAX, &number);
}
