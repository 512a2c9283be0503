/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "pop/http/h2_common_priv.h"
#include "steering/base/mem.h"

/* RFC 9113 section 6.5.2. */
enum { FIELD_OVERHEAD = 32 };

/* ---- out ------------------------------------------------------------------------------------- */

enum {
    LENGTH_DIGITS_MAX = 20,
    OTHERS_MAX = 7, /* pseudo fields and content-length */
    OTHER_BYTES = HPACK_FIELD_EXTRA + LENGTH_DIGITS_MAX,
};

/* Where texts of one head are copied to: one piece of the arena. */
struct copier {
    char *at;
    const char *end;
};

static struct str copy(struct copier *copier, struct str text)
{
    assert(text.len <= (size_t)(copier->end - copier->at));
    char *to = copier->at;
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    copier->at += text.len;
    return (struct str){ .ptr = to, .len = text.len };
}

static bool is_content_length(struct str name)
{
    return name.len == sizeof("content-length") - 1 &&
           memcmp(name.ptr, "content-length", name.len) == 0;
}

/* content-length is written from what was understood, not from what was read. */
static bool is_sent(const struct http_head *head, const struct http_field *field)
{
    return head->content_length < 0 || !is_content_length(field->name);
}

static size_t field_bytes(const struct http_head *head)
{
    size_t bytes = 0;
    for (size_t i = 0; i < head->field_count; i++)
        bytes += head->fields[i].name.len + head->fields[i].value.len;
    return bytes;
}

/* What was said keeps texts of its own. */
static void copy_texts(struct h2_stream *stream, struct h2_said *said)
{
    struct http_head *head = &said->head;
    size_t bytes = field_bytes(head);
    char *at = (char *)arena_bytes(stream->arena, bytes);
    struct copier copier = { .at = at, .end = at + bytes };
    for (size_t i = 0; i < head->field_count; i++) {
        head->fields[i].name = copy(&copier, head->fields[i].name);
        head->fields[i].value = copy(&copier, head->fields[i].value);
    }
}

static void queue(struct h2_stream *stream, struct h2_said *said)
{
    struct h2_said **last = &stream->said;
    while (*last != NULL)
        last = &(*last)->next;
    *last = said;
}

/* With those fields of `head` that are wanted; their texts are not copied. */
static struct h2_said *said_new(struct h2_stream *stream, const struct http_head *head,
                                bool (*is_wanted)(const struct http_head *,
                                                  const struct http_field *))
{
    struct h2_said *said =
        arena_alloc(stream->arena, sizeof(*said) + head->field_count * sizeof(struct http_field));
    *said = (struct h2_said){
        .head = { .status = head->status,
                  .content_length = head->content_length,
                  .fields = (struct http_field *)(void *)(said + 1) },
    };
    for (size_t i = 0; i < head->field_count; i++)
        if (is_wanted(head, &head->fields[i]))
            said->head.fields[said->head.field_count++] = head->fields[i];
    return said;
}

void h2_queue_request(struct h2_stream *stream, const struct http_head *head)
{
    struct h2_said *said = arena_alloc(stream->arena, sizeof(*said));
    *said = (struct h2_said){ .head = *head, .kind = H2_REQUEST };
    if (head->protocol.len > 0)
        said->head.method = STR("CONNECT");
    if (head->scheme.len == 0)
        said->head.scheme = STR("https");
    queue(stream, said);
}

void h2_queue_response(struct h2_stream *stream, const struct http_head *head)
{
    assert(head->status >= 100 && head->status <= 999);
    struct h2_said *said = said_new(stream, head, is_sent);
    said->kind = H2_RESPONSE;
    /* An interim one is gone before the next comes. */
    if (head->status < 200)
        copy_texts(stream, said);
    /* RFC 9110 section 8.6: not in these. */
    if (head->status < 200 || head->status == 204)
        said->head.content_length = -1;
    queue(stream, said);
}

void h2_unqueue(struct h2_stream *stream)
{
    stream->said = NULL;
}

static void put_request_line(struct hpack_encoder *encoder, const struct http_head *head)
{
    if (str_eq(head->method, STR("GET")))
        hpack_encoder_put_row(encoder, HPACK_METHOD_GET);
    else
        hpack_encoder_put(encoder, STR(":method"), head->method, false);
    if (str_eq(head->scheme, STR("https")))
        hpack_encoder_put_row(encoder, HPACK_SCHEME_HTTPS);
    else
        hpack_encoder_put(encoder, STR(":scheme"), head->scheme, false);
    if (head->authority.len > 0)
        hpack_encoder_put(encoder, STR(":authority"), head->authority, false);
    hpack_encoder_put_once(encoder, HPACK_PATH, head->path);
    if (head->protocol.len > 0)
        hpack_encoder_put(encoder, STR(":protocol"), head->protocol, false);
}

static void put_status(struct hpack_encoder *encoder, uint16_t status)
{
    const char digits[] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
                            (char)('0' + status % 10) };
    if (status == 200)
        hpack_encoder_put_row(encoder, HPACK_STATUS_200);
    else
        hpack_encoder_put(encoder, STR(":status"),
                          (struct str){ .ptr = digits, .len = sizeof(digits) }, false);
}

static void put_content_length(struct hpack_encoder *encoder, int64_t length)
{
    char digits[LENGTH_DIGITS_MAX];
    size_t at = sizeof(digits);
    uint64_t rest = (uint64_t)length;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    hpack_encoder_put_once(encoder, HPACK_CONTENT_LENGTH,
                           (struct str){ .ptr = digits + at, .len = sizeof(digits) - at });
}

/* Returns the block's length. */
static size_t put_block(struct hpack_encoder *encoder, const struct h2_said *said, uint8_t *out)
{
    const struct http_head *head = &said->head;
    hpack_encoder_begin(encoder, out);
    if (said->kind == H2_REQUEST)
        put_request_line(encoder, head);
    else if (said->kind == H2_RESPONSE)
        put_status(encoder, head->status);
    for (size_t i = 0; i < head->field_count; i++)
        if (is_sent(head, &head->fields[i]))
            hpack_encoder_put(encoder, head->fields[i].name, head->fields[i].value,
                              head->fields[i].is_sensitive);
    if (head->content_length >= 0)
        put_content_length(encoder, head->content_length);
    return (size_t)(hpack_encoder_end(encoder) - out);
}

static size_t octets_max(const struct http_head *head)
{
    return HPACK_BEGIN_EXTRA + (size_t)OTHERS_MAX * OTHER_BYTES + head->method.len +
           head->scheme.len + head->authority.len + head->path.len + head->protocol.len +
           field_bytes(head) + head->field_count * (size_t)HPACK_FIELD_EXTRA;
}

static void put_frame_head(uint8_t *at, size_t len, uint8_t type, uint8_t flags, int32_t id)
{
    h2_write_frame_head(
        at, &(nghttp2_frame_hd){ .length = len, .type = type, .flags = flags, .stream_id = id });
}

/* A block that is too large for the rest of the buffer, or for one frame: HEADERS and as many
 * CONTINUATIONs as it takes. */
static void say_by_block(struct h2_session *session, const struct h2_said *said, uint8_t flags,
                         int32_t id)
{
    uint8_t *fields = mem_resize(NULL, octets_max(&said->head), 1);
    size_t len = put_block(&session->encoder, said, fields);
    size_t frames = len == 0 ? 1 : (len + H2_FRAME_BYTES - 1) / H2_FRAME_BYTES;
    free(session->block);
    session->block = mem_resize(NULL, len + frames * H2_FRAME_HEAD_BYTES, 1);
    uint8_t *at = session->block;
    for (size_t i = 0, from = 0; i < frames; i++) {
        size_t part = len - from < H2_FRAME_BYTES ? len - from : H2_FRAME_BYTES;
        uint8_t type = i == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION;
        uint8_t frame_flags = i == 0 ? flags & NGHTTP2_FLAG_END_STREAM : 0;
        if (i + 1 == frames)
            frame_flags |= NGHTTP2_FLAG_END_HEADERS;
        put_frame_head(at, part, type, frame_flags, id);
        memcpy(at + H2_FRAME_HEAD_BYTES, fields + from, part);
        at += H2_FRAME_HEAD_BYTES + part;
        from += part;
    }
    free(fields);
    session->said = (struct h2_piece){ .at = session->block, .len = (size_t)(at - session->block) };
}

void h2_say(struct h2_stream *stream, uint8_t flags)
{
    struct h2_session *session = stream->session;
    const struct h2_said *said = stream->said;
    assert(said != NULL && !session->has_said);
    stream->said = said->next;
    session->has_said = true;
    session->said = (struct h2_piece){ .len = 0 };
    size_t room = session->room > H2_FRAME_HEAD_BYTES ? session->room - H2_FRAME_HEAD_BYTES : 0;
    size_t max = octets_max(&said->head);
    if (max > room || max > H2_FRAME_BYTES) {
        say_by_block(session, said, flags, stream->id);
        return;
    }
    size_t len = put_block(&session->encoder, said, session->out + H2_FRAME_HEAD_BYTES);
    uint8_t frame_flags = (flags & NGHTTP2_FLAG_END_STREAM) | NGHTTP2_FLAG_END_HEADERS;
    put_frame_head(session->out, len, NGHTTP2_HEADERS, frame_flags, stream->id);
    session->out += H2_FRAME_HEAD_BYTES + len;
    session->room -= H2_FRAME_HEAD_BYTES + len;
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

static bool is_sent_behind(const struct http_head *head, const struct http_field *field)
{
    (void)head;
    return is_trailer(field->name);
}

bool h2_queue_trailers(struct h2_stream *stream, const struct http_head *head)
{
    struct h2_said *said = said_new(stream, head, is_sent_behind);
    said->kind = H2_TRAILERS;
    said->head.content_length = -1;
    copy_texts(stream, said);
    if (said->head.field_count > 0)
        queue(stream, said);
    return said->head.field_count > 0;
}

/* ---- in -------------------------------------------------------------------------------------- */

static struct str view_of(nghttp2_rcbuf *buffer)
{
    nghttp2_vec text = nghttp2_rcbuf_get_buf(buffer);
    return (struct str){ .ptr = (const char *)text.base, .len = text.len };
}

/* Names and values of HPACK's static table live for ever, all others are copied. */
static struct str keep_text(struct arena *arena, const nghttp2_rcbuf *buffer, struct str view)
{
    return nghttp2_rcbuf_is_static(buffer) ? view : arena_str(arena, view);
}

static struct str take_text(struct arena *arena, nghttp2_rcbuf *buffer)
{
    return keep_text(arena, buffer, view_of(buffer));
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

bool h2_head_take(struct h2_stream *stream, nghttp2_rcbuf *name_buffer, nghttp2_rcbuf *value,
                  uint8_t flags)
{
    const struct http_limits *limits = &stream->session->base.limits;
    struct str name = view_of(name_buffer), text = view_of(value);
    stream->head_bytes += name.len + text.len + FIELD_OVERHEAD;
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
        !http_head_add(head, stream->arena, keep_text(stream->arena, name_buffer, name),
                       keep_text(stream->arena, value, text)))
        stream->is_too_large = true;
    else if ((flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0)
        head->fields[head->field_count - 1].is_sensitive = true;
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
