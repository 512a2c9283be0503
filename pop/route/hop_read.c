/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/hop_priv.h"

enum { ATTEMPT_NUMBER_MAX = 1000, DEADLINE_MAX_MS = 24 * 3600 * 1000, NAME_TEXT_MAX = 255 };

/* Names of sites and maps as a topology may have them; empty: not one. */
static struct str read_name(struct str text)
{
    bool is_name = text.len <= NAME_TEXT_MAX && http_is_token(text);
    return is_name ? text : STR("");
}

static void read_client(struct str text, const struct addr *peer, struct hop_in *in)
{
    in->client = *peer;
    if (addr_parse(text, &in->client))
        in->client_text = text;
}

static void read_visited(struct str text, struct hop_in *in)
{
    struct str one;
    while (text.len > 0) {
        str_split(text, ',', &one, &text);
        one = read_name(str_trim(one));
        if (one.len == 0)
            continue;
        if (in->visited_count == HOP_VISITED_MAX) {
            in->is_visited_too_long = true;
            return;
        }
        in->visited[in->visited_count++] = one;
    }
}

static void read_backbone(const struct http_field *field, const struct addr *peer,
                          struct hop_in *in)
{
    uint64_t number = 0;
    if (str_eq(field->name, HOP_CLIENT))
        read_client(field->value, peer, in);
    else if (str_eq(field->name, HOP_VISITED))
        read_visited(field->value, in);
    else if (str_eq(field->name, HOP_ATTEMPT) &&
             str_parse_u64(field->value, ATTEMPT_NUMBER_MAX, &number))
        in->attempts_used = (uint32_t)number;
    else if (str_eq(field->name, HOP_DEADLINE) &&
             str_parse_u64(field->value, DEADLINE_MAX_MS, &number))
        in->deadline_ms_left = number > 0 ? number : 1; /* over, rather than not stated */
    else if (str_eq(field->name, HOP_LAST_RESORT))
        in->is_last_resort = str_eq(field->value, STR("1"));
    else if (str_eq(field->name, HOP_MAP))
        in->map = read_name(field->value);
    else if (str_eq(field->name, HOP_SOURCE))
        in->source = read_name(field->value);
}

/* The end of a list's first element; commas in quoted strings do not count. */
static size_t element_end(struct str list)
{
    bool is_quoted = false;
    for (size_t i = 0; i < list.len; i++) {
        if (list.ptr[i] == '"')
            is_quoted = !is_quoted;
        else if (list.ptr[i] == '\\' && is_quoted)
            i++;
        else if (list.ptr[i] == ',' && !is_quoted)
            return i;
    }
    return list.len;
}

/* cdn-info *( OWS "," OWS cdn-info ), each a name with parameters behind ";". */
static unsigned count_cdn_id(struct str list, struct str cdn_id)
{
    unsigned count = 0;
    while (list.len > 0) {
        size_t end = element_end(list);
        struct str id;
        struct str parameters;
        str_split((struct str){ .ptr = list.ptr, .len = end }, ';', &id, &parameters);
        count += str_eq_nocase(str_trim(id), cdn_id);
        end += end < list.len;
        list = (struct str){ .ptr = list.ptr + end, .len = list.len - end };
    }
    return count;
}

static void read_common(const struct http_head *request, const struct http_field *field,
                        struct str cdn_id, struct hop_in *in)
{
    uint64_t number = 0;
    if (str_eq(field->name, STR("x-request-id"))) {
        if (in->request_id.len == 0 && hop_is_request_id(field->value))
            in->request_id = field->value;
    } else if (str_eq(field->name, STR("cdn-loop"))) {
        in->cdn_loops += count_cdn_id(field->value, cdn_id);
    } else if (str_eq(field->name, STR("max-forwards"))) {
        bool is_counted =
            str_eq(request->method, STR("OPTIONS")) || str_eq(request->method, STR("TRACE"));
        if (is_counted && str_parse_u64(field->value, UINT64_MAX, &number) && number == 0)
            in->is_last_recipient = true;
    }
}

void hop_read(const struct http_head *request, bool is_trusted, const struct addr *peer,
              struct str cdn_id, struct hop_in *out_in)
{
    struct hop_in in = { .is_trusted = is_trusted, .client = *peer };
    unsigned traceparents = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        /* All that is looked for begins with one of these. */
        switch (field->name.len > 0 ? field->name.ptr[0] : '\0') {
        case 's':
            if (is_trusted && str_starts_with(field->name, HOP_PREFIX))
                read_backbone(field, peer, &in);
            break;
        case 't':
            /* Twice is as good as none: nobody could say which is meant. */
            if (str_eq(field->name, STR("traceparent")))
                in.traceparent = ++traceparents == 1 ? hop_read_traceparent(field->value) : STR("");
            break;
        case 'c':
        case 'm':
        case 'x':
            read_common(request, field, cdn_id, &in);
            break;
        default:
            break;
        }
    }
    *out_in = in;
}

bool hop_has_visited(const struct hop_in *in, struct str region)
{
    for (size_t i = 0; i < in->visited_count; i++)
        if (str_eq(in->visited[i], region))
            return true;
    return false;
}
