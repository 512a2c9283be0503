/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_fields.h"

#include <string.h>

#include "pop/http/grammar.h"
#include "steering/base/mem.h"

/* The lower case of a tchar; 0: none. */
/* clang-format off */
static const char lower_tchar[256] = {
       0,    0,    0,    0,    0,    0,    0,    0, /* 0x00 */
       0,    0,    0,    0,    0,    0,    0,    0, /* 0x08 */
       0,    0,    0,    0,    0,    0,    0,    0, /* 0x10 */
       0,    0,    0,    0,    0,    0,    0,    0, /* 0x18 */
       0,  '!',    0,  '#',  '$',  '%',  '&', '\'', /* 0x20 */
       0,    0,  '*',  '+',    0,  '-',  '.',    0, /* 0x28 */
     '0',  '1',  '2',  '3',  '4',  '5',  '6',  '7', /* 0x30 */
     '8',  '9',    0,    0,    0,    0,    0,    0, /* 0x38 */
       0,  'a',  'b',  'c',  'd',  'e',  'f',  'g', /* 0x40 */
     'h',  'i',  'j',  'k',  'l',  'm',  'n',  'o', /* 0x48 */
     'p',  'q',  'r',  's',  't',  'u',  'v',  'w', /* 0x50 */
     'x',  'y',  'z',    0,    0,    0,  '^',  '_', /* 0x58 */
     '`',  'a',  'b',  'c',  'd',  'e',  'f',  'g', /* 0x60 */
     'h',  'i',  'j',  'k',  'l',  'm',  'n',  'o', /* 0x68 */
     'p',  'q',  'r',  's',  't',  'u',  'v',  'w', /* 0x70 */
     'x',  'y',  'z',    0,  '|',    0,  '~',    0, /* 0x78 */
};
/* clang-format on */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- one line -------------------------------------------------------------------------------- */

struct line {
    struct str name, value;
};

static enum h1_fault name_fault(const char *line, size_t name_len)
{
    if (is_blank(line[name_len]))
        return name_len == 0 ? H1_FAULT_FOLD : H1_FAULT_SPACE_BEFORE_COLON;
    if (line[name_len] == '\r' && line[name_len + 1] != '\n')
        return H1_FAULT_BARE_CR;
    return H1_FAULT_FIELD_NAME;
}

/* `*at` is not the empty line; the block ends with CR LF, so every loop below stops there. */
static enum h1_fault read_line(char **at, const char *end, struct line *out_line)
{
    char *name = *at;
    size_t name_len = 0;
    for (char c; (c = lower_tchar[(uint8_t)name[name_len]]) != 0; name_len++)
        name[name_len] = c;
    if (name_len == 0 || name[name_len] != ':')
        return name_fault(name, name_len);
    char *value = name + name_len + 1;
    while (is_blank(*value))
        value++;
    struct str rest = { .ptr = value, .len = (size_t)(end - value) };
    size_t len = http_find_control(rest);
    if (value[len] != '\r')
        return H1_FAULT_CONTROL;
    if (value[len + 1] != '\n')
        return H1_FAULT_BARE_CR;
    *at = value + len + 2;
    while (len > 0 && is_blank(value[len - 1]))
        len--;
    *out_line = (struct line){
        .name = { .ptr = name, .len = name_len },
        .value = { .ptr = value, .len = len },
    };
    return H1_FAULT_NONE;
}

/* ---- special fields -------------------------------------------------------------------------- */

static const struct {
    struct str name;
    enum h1_special special;
} specials[] = {
    { { "te", 2 }, H1_HOP },
    { { "host", 4 }, H1_HOST },
    { { "cookie", 6 }, H1_COOKIE },
    { { "expect", 6 }, H1_EXPECT },
    { { "upgrade", 7 }, H1_UPGRADE },
    { { "connection", 10 }, H1_CONNECTION },
    { { "keep-alive", 10 }, H1_HOP },
    { { "content-length", 14 }, H1_CONTENT_LENGTH },
    { { "http2-settings", 14 }, H1_HOP },
    { { "proxy-connection", 16 }, H1_HOP },
    { { "transfer-encoding", 17 }, H1_TRANSFER_ENCODING },
    { { "sec-websocket-key", 17 }, H1_SEC_WEBSOCKET_KEY },
    { { "sec-websocket-accept", 20 }, H1_SEC_WEBSOCKET_ACCEPT },
    { { "sec-websocket-version", 21 }, H1_SEC_WEBSOCKET_VERSION },
};

/* Bit n: some special name has n letters. */
enum {
    SPECIAL_LENGTHS = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 14 | 1 << 16 | 1 << 17 |
                      1 << 20 | 1 << 21,
};

enum h1_special h1_special_of(struct str name)
{
    if (name.len > 21 || (SPECIAL_LENGTHS >> name.len & 1) == 0)
        return H1_ORDINARY;
    for (size_t i = 0; i < ARRAY_SIZE(specials) && specials[i].name.len <= name.len; i++)
        if (str_eq(specials[i].name, name))
            return specials[i].special;
    return H1_ORDINARY;
}

/* Is it for this connection only? */
static bool is_of_connection(enum h1_special special)
{
    return special <= H1_HOP;
}

static enum h1_fault note_special(struct h1_fields *fields, enum h1_special special,
                                  struct str value)
{
    if (special == H1_CONNECTION) {
        if (fields->count[special] == H1_CONNECTION_MAX)
            return H1_FAULT_CONNECTION;
        fields->connections[fields->count[special]] = value;
    }
    fields->value[special] = value;
    fields->count[special]++;
    return H1_FAULT_NONE;
}

static enum h1_fault add_line(struct h1_fields *fields, const struct line *line)
{
    enum h1_special special = h1_special_of(line->name);
    if (special != H1_ORDINARY) {
        enum h1_fault fault = note_special(fields, special, line->value);
        if (fault != H1_FAULT_NONE || is_of_connection(special))
            return fault;
    }
    if (!http_head_add(fields->head, fields->arena, line->name, line->value))
        return H1_FAULT_TOO_MANY_FIELDS;
    return H1_FAULT_NONE;
}

enum h1_fault h1_fields_read(struct h1_fields *fields, char *block, size_t len)
{
    char *at = block;
    const char *end = block + len;
    for (size_t lines = 0; at[0] != '\r' || at[1] != '\n'; lines++) {
        struct line line = { 0 };
        enum h1_fault fault =
            lines < fields->max ? read_line(&at, end, &line) : H1_FAULT_TOO_MANY_FIELDS;
        if (fault == H1_FAULT_NONE)
            fault = add_line(fields, &line);
        if (fault != H1_FAULT_NONE)
            return fault;
    }
    return H1_FAULT_NONE;
}

/* ---- Connection ------------------------------------------------------------------------------ */

/* A client that could have these taken out on the way would choose who it is, where it goes, or
 * what the next hop takes for content. */
static bool is_protected(struct str name)
{
    static const char *const prefixes[] = { "steer-",         "x-forwarded-", "content-",
                                            "sec-websocket-", "x-request-id", "x-real-ip" };
    static const char *const names[] = {
        "host",        "authorization",       "cookie", "forwarded",  "via",     "cdn-loop",
        "traceparent", "proxy-authorization", "expect", "set-cookie", "trailer", "cache-control"
    };
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        struct str prefix = str_from(prefixes[i]);
        if (name.len >= prefix.len && str_eq_nocase((struct str){ name.ptr, prefix.len }, prefix))
            return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq_nocase(name, str_from(names[i])))
            return true;
    return false;
}

static void take_out(struct http_head *head, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->field_count; i++)
        if (!str_eq_nocase(head->fields[i].name, name))
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
}

static struct str trim_blanks(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static enum h1_fault strip_option(struct h1_fields *fields, struct str option)
{
    if (!http_is_token(option))
        return H1_FAULT_CONNECTION;
    if (str_eq_nocase(option, STR("close")))
        fields->has_close = true;
    else if (str_eq_nocase(option, STR("keep-alive")))
        fields->has_keep_alive = true;
    else if (str_eq_nocase(option, STR("upgrade")))
        fields->has_upgrade = true;
    else if (!is_protected(option))
        take_out(fields->head, option);
    return H1_FAULT_NONE;
}

enum h1_fault h1_fields_strip(struct h1_fields *fields)
{
    unsigned options = 0;
    for (uint16_t i = 0; i < fields->count[H1_CONNECTION]; i++) {
        struct str rest = fields->connections[i];
        while (rest.len > 0) {
            struct str option;
            str_split(rest, ',', &option, &rest);
            option = trim_blanks(option);
            if (option.len == 0)
                continue;
            enum h1_fault fault =
                ++options <= H1_CONNECTION_MAX ? strip_option(fields, option) : H1_FAULT_CONNECTION;
            if (fault != H1_FAULT_NONE)
                return fault;
        }
    }
    return H1_FAULT_NONE;
}

/* ---- cookies --------------------------------------------------------------------------------- */

void h1_fields_join_cookies(struct h1_fields *fields)
{
    struct http_head *head = fields->head;
    struct http_field *first = NULL;
    size_t len = 0, kept = 0;
    if (fields->count[H1_COOKIE] < 2)
        return;
    for (size_t i = 0; i < head->field_count; i++)
        if (str_eq(head->fields[i].name, STR("cookie")))
            len += head->fields[i].value.len + 2;
    char *joined = (char *)arena_bytes(fields->arena, len), *at = joined;
    for (size_t i = 0; i < head->field_count; i++) {
        struct http_field field = head->fields[i];
        bool is_cookie = str_eq(field.name, STR("cookie"));
        if (!is_cookie || first == NULL)
            head->fields[kept++] = field;
        if (is_cookie && first == NULL)
            first = &head->fields[kept - 1];
        if (!is_cookie || field.value.len == 0)
            continue;
        if (at != joined) {
            *at++ = ';';
            *at++ = ' ';
        }
        memcpy(at, field.value.ptr, field.value.len);
        at += field.value.len;
    }
    head->field_count = kept;
    if (first != NULL)
        first->value = (struct str){ .ptr = joined, .len = (size_t)(at - joined) };
}

/* ---- trailers -------------------------------------------------------------------------------- */

/* RFC 9110 section 6.5.1: what had to be known before the content. */
static bool is_forbidden_trailer(struct str name)
{
    static const char *const names[] = { "host",      "authorization", "cookie",
                                         "forwarded", "set-cookie",    "proxy-authorization",
                                         "expect",    "range",         "cache-control",
                                         "trailer",   "max-forwards",  "location",
                                         "via",       "cdn-loop",      "retry-after",
                                         "vary",      "x-request-id",  "x-real-ip" };
    static const char *const prefixes[] = { "steer-", "x-forwarded-", "content-", "if-" };
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (str_starts_with(name, str_from(prefixes[i])))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq_text(name, names[i]))
            return true;
    return false;
}

enum h1_fault h1_fields_read_trailers(struct http_head *out_trailers, struct arena *arena,
                                      size_t max, struct str block)
{
    struct http_head head = { .content_length = -1 };
    struct h1_fields fields = { .head = &head, .arena = arena, .max = max };
    char *copy = (char *)arena_bytes(arena, block.len);
    memcpy(copy, block.ptr, block.len);
    enum h1_fault fault = h1_fields_read(&fields, copy, block.len);
    if (fault != H1_FAULT_NONE)
        return fault;
    size_t kept = 0;
    for (size_t i = 0; i < head.field_count; i++)
        if (!is_forbidden_trailer(head.fields[i].name))
            head.fields[kept++] = head.fields[i];
    head.field_count = kept;
    *out_trailers = head;
    return H1_FAULT_NONE;
}
