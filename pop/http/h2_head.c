/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "pop/http/h2_common_priv.h"
#include "steering/base/mem.h"

/* RFC 9113 section 6.5.2. */
enum { FIELD_OVERHEAD = 32 };

/* ---- out ------------------------------------------------------------------------------------- */

/* Where texts of one head are copied to: one piece of the arena. */
struct copier {
    uint8_t *at;
    const uint8_t *end;
};

static struct str copy(struct copier *copier, struct str text)
{
    assert(text.len <= (size_t)(copier->end - copier->at));
    uint8_t *to = copier->at;
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    copier->at += text.len;
    return (struct str){ .ptr = (const char *)to, .len = text.len };
}

/* Both texts live until the frame is sent. */
static void add(struct h2_fields *fields, struct str name, struct str value)
{
    assert(fields->count < fields->capacity);
    fields->items[fields->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.ptr, /* nghttp2 only reads it */
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)value.ptr,
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

/* `name` is a literal. */
static void add_copied(struct h2_fields *fields, struct copier *copier, struct str name,
                       struct str value)
{
    add(fields, name, copy(copier, value));
}

static size_t field_bytes(const struct http_head *head)
{
    size_t bytes = 0;
    for (size_t i = 0; i < head->field_count; i++)
        bytes += head->fields[i].name.len + head->fields[i].value.len;
    return bytes;
}

static bool is_content_length(struct str name)
{
    return name.len == sizeof("content-length") - 1 &&
           memcmp(name.ptr, "content-length", name.len) == 0;
}

static void add_field(struct h2_fields *fields, struct copier *copier,
                      const struct http_field *field)
{
    struct str name = copy(copier, field->name);
    add(fields, name, copy(copier, field->value));
    if (field->is_sensitive)
        fields->items[fields->count - 1].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
}

/* All fields; content-length is written from what was understood, not from what was read. */
static void add_fields(struct h2_fields *fields, struct copier *copier,
                       const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count && i < HEAD_FIELDS_MAX; i++)
        if (head->content_length < 0 || !is_content_length(head->fields[i].name))
            add_field(fields, copier, &head->fields[i]);
}

static void add_content_length(struct h2_fields *fields, struct arena *arena, int64_t length)
{
    if (length < 0)
        return;
    enum { DIGITS_MAX = 20 };
    char *text = (char *)arena_bytes(arena, DIGITS_MAX);
    size_t at = DIGITS_MAX;
    uint64_t rest = (uint64_t)length;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    add(fields, STR("content-length"), (struct str){ .ptr = text + at, .len = DIGITS_MAX - at });
}

static struct copier copier_make(struct arena *arena, size_t bytes)
{
    uint8_t *at = arena_bytes(arena, bytes);
    return (struct copier){ .at = at, .end = at + bytes };
}

static void fields_init(struct h2_fields *fields, const struct http_head *head, struct arena *arena)
{
    enum { OTHERS_MAX = 8 }; /* pseudo fields, and content-length */
    size_t count = head->field_count < HEAD_FIELDS_MAX ? head->field_count : HEAD_FIELDS_MAX;
    fields->count = 0;
    fields->capacity = count + OTHERS_MAX;
    fields->items = arena_alloc(arena, fields->capacity * sizeof(*fields->items));
}

void h2_fields_of_request(struct h2_fields *fields, const struct http_head *head,
                          struct arena *arena)
{
    bool is_extended = head->protocol.len > 0;
    struct str method = is_extended ? STR("CONNECT") : head->method;
    struct str scheme = head->scheme.len > 0 ? head->scheme : STR("https");
    struct copier copier =
        copier_make(arena, method.len + scheme.len + head->authority.len + head->path.len +
                               head->protocol.len + field_bytes(head));
    fields_init(fields, head, arena);
    add_copied(fields, &copier, STR(":method"), method);
    add_copied(fields, &copier, STR(":scheme"), scheme);
    if (head->authority.len > 0)
        add_copied(fields, &copier, STR(":authority"), head->authority);
    add_copied(fields, &copier, STR(":path"), head->path);
    if (is_extended)
        add_copied(fields, &copier, STR(":protocol"), head->protocol);
    add_fields(fields, &copier, head);
    add_content_length(fields, arena, head->content_length);
}

void h2_fields_of_response(struct h2_fields *fields, const struct http_head *head,
                           struct arena *arena)
{
    assert(head->status >= 100 && head->status <= 999);
    const char status[] = { (char)('0' + head->status / 100), (char)('0' + head->status / 10 % 10),
                            (char)('0' + head->status % 10) };
    struct copier copier = copier_make(arena, sizeof(status) + field_bytes(head));
    fields_init(fields, head, arena);
    add_copied(fields, &copier, STR(":status"),
               (struct str){ .ptr = status, .len = sizeof(status) });
    add_fields(fields, &copier, head);
    /* RFC 9110 section 8.6: not in these. */
    if (head->status >= 200 && head->status != 204)
        add_content_length(fields, arena, head->content_length);
}

/* Those that would frame, route, or authorise a message come too late in trailers (RFC 9110
 * section 6.5.1), and a gateway that merged them would be fooled. */
static bool is_trailer(struct str name)
{
    static const char *const banned[] = {
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    };
    if (name.len == 0 || name.ptr[0] == ':' || str_starts_with(name, STR("steer-")))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(banned); i++)
        if (str_eq_text(name, banned[i]))
            return false;
    return true;
}

void h2_fields_of_trailers(struct h2_fields *fields, const struct http_head *head,
                           struct arena *arena)
{
    struct copier copier = copier_make(arena, field_bytes(head));
    fields_init(fields, head, arena);
    for (size_t i = 0; i < head->field_count && i < HEAD_FIELDS_MAX; i++)
        if (is_trailer(head->fields[i].name))
            add_field(fields, &copier, &head->fields[i]);
}

/* ---- in -------------------------------------------------------------------------------------- */

/* Names and values of HPACK's static table live for ever, all others are copied. */
static struct str take_text(struct arena *arena, nghttp2_rcbuf *buffer)
{
    nghttp2_vec text = nghttp2_rcbuf_get_buf(buffer);
    struct str view = { .ptr = (const char *)text.base, .len = text.len };
    return nghttp2_rcbuf_is_static(buffer) ? view : arena_str(arena, view);
}

static struct str view_of(nghttp2_rcbuf *buffer)
{
    nghttp2_vec text = nghttp2_rcbuf_get_buf(buffer);
    return (struct str){ .ptr = (const char *)text.base, .len = text.len };
}

static void take_status(struct http_head *head, struct str value)
{
    uint64_t status;
    if (value.len == 3 && str_parse_u64(value, 999, &status))
        head->status = (uint16_t)status;
}

/* nghttp2 has checked which ones may be there, how often, and most of their grammar. */
static void take_pseudo(struct h2_stream *stream, struct str name, nghttp2_rcbuf *value)
{
    struct http_head *head = stream->head;
    if (str_eq(name, STR(":status")))
        take_status(head, view_of(value));
    else if (str_eq(name, STR(":method")))
        head->method = take_text(stream->arena, value);
    else if (str_eq(name, STR(":path")))
        head->path = take_text(stream->arena, value);
    else if (str_eq(name, STR(":authority")))
        head->authority = take_text(stream->arena, value);
    else if (str_eq(name, STR(":scheme")))
        head->scheme = take_text(stream->arena, value);
    else if (str_eq(name, STR(":protocol")))
        head->protocol = take_text(stream->arena, value);
}

/* True: not to be among the fields. */
static bool take_special(struct h2_stream *stream, struct str name, nghttp2_rcbuf *value)
{
    switch (name.len) {
    case sizeof("host") - 1:
        if (memcmp(name.ptr, "host", name.len) != 0)
            return false;
        stream->host = take_text(stream->arena, value);
        return true;
    case sizeof("cookie") - 1:
        if (memcmp(name.ptr, "cookie", name.len) == 0)
            stream->cookies++;
        return false;
    case sizeof("content-length") - 1:
        if (is_content_length(name)) {
            uint64_t length;
            if (str_parse_u64(view_of(value), INT64_MAX, &length))
                stream->head->content_length = (int64_t)length;
        }
        return false;
    default:
        return false;
    }
}

bool h2_head_take(struct h2_stream *stream, nghttp2_rcbuf *name_buffer, nghttp2_rcbuf *value)
{
    const struct http_limits *limits = &stream->session->base.limits;
    struct str name = view_of(name_buffer);
    stream->head_bytes += name.len + view_of(value).len + FIELD_OVERHEAD;
    if (stream->head_bytes > limits->head_bytes) {
        stream->is_too_large = true;
        /* A refusal in good order needs the rest of the block; a bomb does not get one. */
        return stream->head_bytes / 4 <= limits->head_bytes;
    }
    if (name.len > 0 && name.ptr[0] == ':') {
        if (!stream->has_head)
            take_pseudo(stream, name, value);
        return true;
    }
    struct http_head *head = stream->has_head ? &stream->trailers : stream->head;
    if (stream->has_head ? !is_trailer(name) : take_special(stream, name, value))
        return true;
    if (head->field_count >= limits->fields ||
        !http_head_add(head, stream->arena, take_text(stream->arena, name_buffer),
                       take_text(stream->arena, value)))
        stream->is_too_large = true;
    return true;
}

/* "cookie: a" "cookie: b" -> "cookie: a; b", as HTTP/1.1 needs it (RFC 9113 section 8.2.3). */
static void join_cookies(struct h2_stream *stream)
{
    struct http_head *head = stream->head;
    size_t bytes = 0, crumbs = 0;
    for (size_t i = 0; i < head->field_count; i++)
        if (str_eq(head->fields[i].name, STR("cookie"))) {
            bytes += head->fields[i].value.len + 2;
            crumbs++;
        }
    if (crumbs < 2)
        return;
    char *joined = (char *)arena_bytes(stream->arena, bytes);
    size_t len = 0, kept = 0;
    struct http_field *first = NULL;
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field field = head->fields[i];
        bool is_crumb = str_eq(field.name, STR("cookie"));
        if (is_crumb && len > 0) {
            memcpy(joined + len, "; ", 2);
            len += 2;
        }
        if (is_crumb && field.value.len > 0)
            memcpy(joined + len, field.value.ptr, field.value.len);
        if (is_crumb)
            len += field.value.len;
        if (is_crumb && first != NULL)
            continue;
        head->fields[kept] = field;
        if (is_crumb)
            first = &head->fields[kept];
        kept++;
    }
    assert(first != NULL);
    first->value = (struct str){ .ptr = joined, .len = len };
    head->field_count = kept;
}

void h2_head_finish(struct h2_stream *stream)
{
    if (stream->cookies > 1)
        join_cookies(stream);
}
