/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_parse.h"

#include <string.h>

#include "pop/http/grammar.h"
#include "pop/http/h1_fields.h"
#include "steering/base/base64.h"

enum {
    WEBSOCKET_KEY_BYTES = 16,
    /* Of a field line, ": " and CR LF stand for 4 of the 32 bytes that a field counts beside its
     * name and value. */
    FIELD_REST = HTTP_FIELD_OVERHEAD - 4,
};

/* ---- both ------------------------------------------------------------------------------------ */

/* The first line, without its end; `*out_rest`: what follows. */
static enum h1_fault split_line(char *block, size_t len, struct str *out_line, char **out_rest)
{
    struct str all = { .ptr = block, .len = len };
    size_t end = http_find_control(all);
    if (block[end] != '\r')
        return H1_FAULT_CONTROL;
    if (block[end + 1] != '\n')
        return H1_FAULT_BARE_CR;
    *out_line = (struct str){ .ptr = block, .len = end };
    *out_rest = block + end + 2;
    return H1_FAULT_NONE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1": 11, "HTTP/1.0": 10, another version: 0, no version at all: -1. */
static int parse_version(struct str text)
{
    if (text.len != 8 || memcmp(text.ptr, "HTTP/", 5) != 0 || !is_digit(text.ptr[5]) ||
        text.ptr[6] != '.' || !is_digit(text.ptr[7]))
        return -1;
    if (text.ptr[5] != '1' || text.ptr[7] > '1')
        return 0;
    return text.ptr[7] == '1' ? 11 : 10;
}

/* Reads all fields, and takes out what Connection names. */
static enum h1_fault read_fields(char *block, size_t len, const struct h1_rules *rules,
                                 struct h1_fields *fields, struct http_head *head)
{
    *fields = (struct h1_fields){
        .head = head,
        .arena = rules->arena,
        .max = rules->fields_max < HEAD_FIELDS_MAX ? rules->fields_max : HEAD_FIELDS_MAX,
    };
    enum h1_fault fault = h1_fields_read(fields, block, len);
    if (fault == H1_FAULT_NONE && fields->count[H1_CONNECTION] > 0)
        fault = h1_fields_strip(fields);
    if (fault == H1_FAULT_NONE && len + FIELD_REST * head->field_count > rules->head_bytes)
        fault = H1_FAULT_HEAD_TOO_LARGE;
    return fault;
}

/* transfer-encoding, when there is one. */
static enum h1_fault judge_coding(const struct h1_fields *fields, bool is_1_0)
{
    struct str rest = fields->value[H1_TRANSFER_ENCODING], last = { 0 };
    if (is_1_0)
        return H1_FAULT_TE_1_0;
    if (fields->count[H1_CONTENT_LENGTH] > 0)
        return H1_FAULT_CL_TE;
    if (fields->count[H1_TRANSFER_ENCODING] > 1)
        return H1_FAULT_TE;
    if (str_eq_nocase(rest, STR("chunked")))
        return H1_FAULT_NONE;
    bool is_chunked_before = false;
    while (rest.len > 0) {
        is_chunked_before = is_chunked_before || str_eq_nocase(last, STR("chunked"));
        str_split(rest, ',', &last, &rest);
        last = str_trim(last);
    }
    /* Sound, but with a coding that is not ours to undo; or framing that nobody can rely on. */
    bool is_sound = !is_chunked_before && str_eq_nocase(last, STR("chunked"));
    return is_sound ? H1_FAULT_TE_UNKNOWN : H1_FAULT_TE;
}

/* Sets framing by the fields alone: H1_NO_BODY when they say nothing. */
static enum h1_fault judge_framing(const struct h1_fields *fields, struct h1_message *message)
{
    if (fields->count[H1_TRANSFER_ENCODING] > 0) {
        message->framing = H1_CHUNKED;
        return judge_coding(fields, message->is_1_0);
    }
    if (fields->count[H1_CONTENT_LENGTH] == 0)
        return H1_FAULT_NONE;
    if (fields->count[H1_CONTENT_LENGTH] > 1)
        return H1_FAULT_CL_REPEATED;
    uint64_t length;
    if (!str_parse_u64(fields->value[H1_CONTENT_LENGTH], INT64_MAX, &length))
        return H1_FAULT_CL;
    message->framing = H1_LENGTH;
    message->head.content_length = (int64_t)length;
    return H1_FAULT_NONE;
}

static void judge_persistence(const struct h1_fields *fields, struct h1_message *message)
{
    message->is_persistent = !fields->has_close && (!message->is_1_0 || fields->has_keep_alive);
}

/* Does the list `Upgrade` name it? */
static bool names_websocket(const struct h1_fields *fields)
{
    struct str rest = fields->value[H1_UPGRADE], protocol;
    while (rest.len > 0) {
        str_split(rest, ',', &protocol, &rest);
        if (str_eq_nocase(str_trim(protocol), STR("websocket")))
            return true;
    }
    return false;
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool starts_with_nocase(struct str text, struct str prefix)
{
    return text.len >= prefix.len &&
           str_eq_nocase((struct str){ .ptr = text.ptr, .len = prefix.len }, prefix);
}

/* What stands behind the authority of "http://host/path?query". */
static struct str path_of(struct str rest, struct arena *arena, bool is_options)
{
    if (rest.len == 0)
        return is_options ? STR("*") : STR("/");
    if (rest.ptr[0] == '/')
        return rest;
    char *path = (char *)arena_bytes(arena, rest.len + 1);
    path[0] = '/';
    memcpy(path + 1, rest.ptr, rest.len);
    return (struct str){ .ptr = path, .len = rest.len + 1 };
}

static enum h1_fault parse_absolute(struct str target, struct arena *arena, struct http_head *head)
{
    size_t scheme = starts_with_nocase(target, STR("http://"))    ? 7
                    : starts_with_nocase(target, STR("https://")) ? 8
                                                                  : 0;
    if (scheme == 0)
        return H1_FAULT_TARGET;
    struct str rest = { .ptr = target.ptr + scheme, .len = target.len - scheme };
    size_t host = 0;
    while (host < rest.len && rest.ptr[host] != '/' && rest.ptr[host] != '?')
        host++;
    head->authority = (struct str){ .ptr = rest.ptr, .len = host };
    rest = (struct str){ .ptr = rest.ptr + host, .len = rest.len - host };
    head->path = path_of(rest, arena, str_eq(head->method, STR("OPTIONS")));
    return http_is_authority(head->authority) && http_is_path(head->path) ? H1_FAULT_NONE
                                                                          : H1_FAULT_TARGET;
}

static enum h1_fault parse_target(struct str target, struct arena *arena, struct http_head *head)
{
    if (str_eq(head->method, STR("CONNECT")))
        return http_is_authority(target) ? H1_FAULT_CONNECT : H1_FAULT_TARGET;
    if (target.len == 1 && target.ptr[0] == '*') {
        head->path = target;
        return str_eq(head->method, STR("OPTIONS")) ? H1_FAULT_NONE : H1_FAULT_ASTERISK;
    }
    if (target.len > 0 && target.ptr[0] == '/') {
        head->path = target;
        return http_is_path(target) ? H1_FAULT_NONE : H1_FAULT_TARGET;
    }
    return parse_absolute(target, arena, head);
}

/* method SP target SP version, each SP exactly one. */
static enum h1_fault parse_request_line(struct str line, struct arena *arena,
                                        struct h1_message *message)
{
    struct http_head *head = &message->head;
    struct str target, version, rest;
    if (!str_split(line, ' ', &head->method, &rest) || !str_split(rest, ' ', &target, &version))
        return H1_FAULT_REQUEST_LINE;
    int number = parse_version(version);
    if (number < 0)
        return H1_FAULT_REQUEST_LINE;
    if (!http_is_token(head->method))
        return H1_FAULT_METHOD;
    if (number == 0)
        return H1_FAULT_VERSION;
    message->is_1_0 = number == 10;
    return parse_target(target, arena, head);
}

static enum h1_fault judge_host(const struct h1_fields *fields, struct http_head *head)
{
    struct str host = fields->value[H1_HOST];
    if (fields->count[H1_HOST] == 0)
        return H1_FAULT_HOST_MISSING;
    if (fields->count[H1_HOST] > 1)
        return H1_FAULT_HOST_REPEATED;
    if (!http_is_authority(host))
        return H1_FAULT_HOST;
    /* RFC 9112 section 3.2.2 lets the target win; a hop behind us might let the field win. */
    if (head->authority.len > 0 && !str_eq_nocase(head->authority, host))
        return H1_FAULT_HOST_MISMATCH;
    head->authority = host;
    return H1_FAULT_NONE;
}

/* Turns a sound handshake into what RFC 8441 would have sent. Upgrades to other protocols are not
 * understood, hence ignored. */
static enum h1_fault judge_upgrade(const struct h1_fields *fields, struct h1_message *message)
{
    struct http_head *head = &message->head;
    if (!fields->has_upgrade || message->is_1_0 || !names_websocket(fields))
        return H1_FAULT_NONE;
    bool has_body = message->framing == H1_CHUNKED || head->content_length > 0;
    if (!str_eq(head->method, STR("GET")) || has_body || fields->count[H1_UPGRADE] > 1)
        return H1_FAULT_WEBSOCKET;
    if (fields->count[H1_SEC_WEBSOCKET_VERSION] != 1 ||
        !str_eq(fields->value[H1_SEC_WEBSOCKET_VERSION], STR("13")))
        return H1_FAULT_WEBSOCKET_VERSION;
    if (fields->count[H1_SEC_WEBSOCKET_KEY] != 1 ||
        !base64_is_of(fields->value[H1_SEC_WEBSOCKET_KEY], WEBSOCKET_KEY_BYTES))
        return H1_FAULT_WEBSOCKET;
    message->is_websocket = true;
    message->websocket_key = fields->value[H1_SEC_WEBSOCKET_KEY];
    message->framing = H1_NO_BODY;
    http_head_remove(head, STR("sec-websocket-key"));
    head->method = STR("CONNECT");
    head->protocol = STR("websocket");
    head->content_length = -1;
    return H1_FAULT_NONE;
}

static void finish_request(struct h1_fields *fields, struct h1_message *message)
{
    h1_fields_join_cookies(fields);
    /* RFC 9110 section 10.1.1: an HTTP/1.0 client cannot mean it. */
    if (message->is_1_0 && fields->count[H1_EXPECT] > 0)
        http_head_remove(&message->head, STR("expect"));
    judge_persistence(fields, message);
}

enum h1_fault h1_parse_request(char *block, size_t len, const struct h1_rules *rules,
                               struct h1_message *out_message)
{
    struct h1_message message = {
        .head = { .scheme = rules->is_https ? STR("https") : STR("http"), .content_length = -1 },
    };
    struct h1_fields fields;
    struct str line;
    char *rest;
    enum h1_fault fault = split_line(block, len, &line, &rest);
    if (fault == H1_FAULT_NONE)
        fault = parse_request_line(line, rules->arena, &message);
    if (fault == H1_FAULT_NONE)
        fault = read_fields(rest, len - (size_t)(rest - block), rules, &fields, &message.head);
    if (fault == H1_FAULT_NONE)
        fault = judge_host(&fields, &message.head);
    if (fault == H1_FAULT_NONE)
        fault = judge_framing(&fields, &message);
    if (fault == H1_FAULT_NONE)
        fault = judge_upgrade(&fields, &message);
    if (fault != H1_FAULT_NONE)
        return fault;
    finish_request(&fields, &message);
    *out_message = message;
    return H1_FAULT_NONE;
}

/* ---- responses ------------------------------------------------------------------------------- */

/* version SP 3 digits [SP reason]: many servers leave the second space out with the reason. */
static enum h1_fault parse_status_line(struct str line, struct h1_message *message)
{
    struct str version, status, rest, reason;
    uint64_t number;
    if (!str_split(line, ' ', &version, &rest))
        return H1_FAULT_STATUS_LINE;
    str_split(rest, ' ', &status, &reason);
    int known = parse_version(version);
    if (known < 0)
        return H1_FAULT_STATUS_LINE;
    if (known == 0)
        return H1_FAULT_VERSION;
    if (status.len != 3 || !str_parse_u64(status, 599, &number) || number < 100)
        return H1_FAULT_STATUS_LINE;
    message->is_1_0 = known == 10;
    message->head.status = (uint16_t)number;
    return H1_FAULT_NONE;
}

/* 101: the fields must say websocket; whether `accept` is right, the session knows. */
static enum h1_fault judge_switch(const struct h1_fields *fields, struct h1_message *message)
{
    if (message->is_1_0 || !fields->has_upgrade || fields->count[H1_UPGRADE] != 1 ||
        !str_eq_nocase(fields->value[H1_UPGRADE], STR("websocket")) ||
        fields->count[H1_SEC_WEBSOCKET_ACCEPT] != 1)
        return H1_FAULT_UPGRADE;
    message->is_websocket = true;
    message->websocket_accept = fields->value[H1_SEC_WEBSOCKET_ACCEPT];
    http_head_remove(&message->head, STR("sec-websocket-accept"));
    message->framing = H1_NO_BODY;
    message->head.content_length = -1;
    return H1_FAULT_NONE;
}

static enum h1_fault judge_response(const struct h1_fields *fields, struct str method,
                                    struct h1_message *message)
{
    struct http_head *head = &message->head;
    enum h1_fault fault = judge_framing(fields, message);
    if (fault != H1_FAULT_NONE)
        return fault;
    judge_persistence(fields, message);
    if (head->status == 101)
        return judge_switch(fields, message);
    if (http_response_has_body(method, head->status)) {
        if (message->framing == H1_NO_BODY)
            message->framing = H1_CLOSE;
    } else {
        /* HEAD and 304 state what would have come. Where nothing may be stated, whoever stated
         * it may also send it. */
        bool may_state = str_eq(method, STR("HEAD")) || head->status == 304;
        if (message->framing == H1_CHUNKED || head->content_length > 0)
            message->is_persistent = message->is_persistent && may_state;
        if (!may_state || head->status < 200 || head->status == 204)
            head->content_length = -1;
        message->framing = H1_NO_BODY;
    }
    if (message->framing == H1_CLOSE)
        message->is_persistent = false;
    return H1_FAULT_NONE;
}

enum h1_fault h1_parse_response(char *block, size_t len, struct str method,
                                const struct h1_rules *rules, struct h1_message *out_message)
{
    struct h1_message message = { .head = { .content_length = -1 } };
    struct h1_fields fields;
    struct str line;
    char *rest;
    enum h1_fault fault = split_line(block, len, &line, &rest);
    if (fault == H1_FAULT_NONE)
        fault = parse_status_line(line, &message);
    if (fault == H1_FAULT_NONE)
        fault = read_fields(rest, len - (size_t)(rest - block), rules, &fields, &message.head);
    if (fault == H1_FAULT_NONE)
        fault = judge_response(&fields, method, &message);
    if (fault == H1_FAULT_NONE)
        *out_message = message;
    return fault;
}

enum h1_fault h1_take_trailers(struct h1_scan *scan, struct str *input,
                               const struct h1_rules *rules, struct http_head *out_trailers,
                               bool *out_is_whole)
{
    size_t len;
    *out_is_whole = false;
    enum h1_fault fault = h1_scan_block(scan, *input, false, rules->head_bytes, &len);
    if (fault == H1_FAULT_NONE && len > 0)
        fault = h1_fields_read_trailers(out_trailers, rules->arena, rules->fields_max,
                                        (struct str){ .ptr = input->ptr, .len = len });
    if (fault != H1_FAULT_NONE || len == 0)
        return fault;
    *input = (struct str){ .ptr = input->ptr + len, .len = input->len - len };
    *scan = (struct h1_scan){ 0 };
    *out_is_whole = true;
    return H1_FAULT_NONE;
}
