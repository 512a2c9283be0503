/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/hop_priv.h"

enum { FORWARDED_EXTRA_BYTES = 48 /* names and punctuation */ };

enum fate {
    KEEP,
    DROP,       /* ours, or replaced by ours, or a list that ours is added to */
    DROP_ENTRY, /* not believed where the request enters */
    TRACESTATE, /* goes with traceparent */
    MAX_FORWARDS,
    TE,
};

/* `name` has '_' where `pattern` has '-', or the same. */
static bool is_alike(struct str name, struct str pattern)
{
    if (name.len < pattern.len)
        return false;
    for (size_t i = 0; i < pattern.len; i++)
        if (name.ptr[i] != pattern.ptr[i] && !(pattern.ptr[i] == '-' && name.ptr[i] == '_'))
            return false;
    return true;
}

static bool is_alike_all(struct str name, struct str pattern)
{
    return name.len == pattern.len && is_alike(name, pattern);
}

/* rule zero: a table of names, by first letter because it is looked up for every field. */
static enum fate request_fate(struct str name)
{
    switch (name.len > 0 ? name.ptr[0] : '\0') {
    case 's':
        return is_alike(name, HOP_PREFIX) ? DROP : KEEP;
    case 'f':
        return str_eq(name, STR("forwarded")) ? DROP : KEEP;
    case 'm':
        return str_eq(name, STR("max-forwards")) ? MAX_FORWARDS : KEEP;
    case 't':
        if (str_eq(name, STR("te")))
            return TE;
        if (str_eq(name, STR("tracestate")))
            return TRACESTATE;
        return str_eq(name, STR("traceparent")) ? DROP : KEEP;
    case 'v':
        return str_eq(name, STR("via")) ? DROP : KEEP;
    case 'x':
        if (is_alike(name, STR("x-forwarded-")) || is_alike_all(name, STR("x-real-ip")))
            return DROP_ENTRY;
        return is_alike_all(name, STR("x-request-id")) ? DROP : KEEP;
    default:
        return KEEP;
    }
}

static bool has_no_counted_forwards(const struct http_head *request)
{
    return !str_eq(request->method, STR("OPTIONS")) && !str_eq(request->method, STR("TRACE"));
}

static void copy_max_forwards(const struct http_head *request, const struct http_field *field,
                              struct arena *arena, struct http_head *head)
{
    struct http_field *copy = &head->fields[head->field_count++];
    *copy = *field;
    uint64_t number = 0;
    if (has_no_counted_forwards(request) || !str_parse_u64(field->value, UINT64_MAX, &number) ||
        number == 0)
        return;
    copy->value = hop_number(arena, number - 1);
}

static void copy_fields(const struct http_head *request, const struct hop_out *out,
                        struct arena *arena, struct http_head *head)
{
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        bool is_kept = true;
        switch (request_fate(field->name)) {
        case KEEP:
            break;
        case DROP:
            is_kept = false;
            break;
        case DROP_ENTRY:
            is_kept = out->in->is_trusted;
            break;
        case TRACESTATE:
            is_kept = out->in->traceparent.len > 0;
            break;
        case MAX_FORWARDS:
            copy_max_forwards(request, field, arena, head);
            is_kept = false;
            break;
        case TE: /* the only transfer coding that concerns the next hop, too */
            is_kept = str_eq_nocase(field->value, STR("trailers"));
            break;
        }
        if (is_kept)
            head->fields[head->field_count++] = *field;
    }
}

/* for=203.0.113.7;proto=https;host="www.example.com:8443" */
static struct str make_forwarded(const struct http_head *request, const struct hop_out *out,
                                 struct arena *arena)
{
    size_t max = out->client_text.len + 2 * request->authority.len + FORWARDED_EXTRA_BYTES;
    struct hop_text text = hop_text_init(arena, max);
    if (out->in->client.family == ADDR_V6) {
        hop_text_add(&text, STR("for=\"["));
        hop_text_add(&text, out->client_text);
        hop_text_add(&text, STR("]\""));
    } else {
        hop_text_add(&text, STR("for="));
        hop_text_add(&text, out->client_text);
    }
    hop_text_add(&text, out->is_https ? STR(";proto=https") : STR(";proto=http"));
    if (request->authority.len > 0) {
        hop_text_add(&text, STR(";host="));
        hop_text_add_quoted(&text, request->authority, http_is_token(request->authority));
    }
    return hop_text_end(&text);
}

/* Where the request enters. */
static void add_entry_fields(const struct http_head *request, const struct hop_out *out,
                             struct arena *arena, struct http_head *head)
{
    hop_head_add(head, STR("forwarded"), make_forwarded(request, out, arena), false);
    hop_head_add(head, STR("x-forwarded-for"), out->client_text, false);
    hop_head_add(head, STR("x-forwarded-proto"), out->is_https ? STR("https") : STR("http"), false);
    if (request->authority.len > 0)
        hop_head_add(head, STR("x-forwarded-host"), request->authority, false);
    /* Once, by whoever lets it in: hops of ours behind it do not make it a loop. In a line of its
     * own: behind a quote that somebody left open it could not be found again. */
    hop_head_add(head, STR("cdn-loop"), out->cdn_id, false);
}

/* for=_gru1: RFC 7239 section 6.3, a name in place of an address. */
static struct str make_forwarded_by_site(struct str source, struct arena *arena)
{
    if (source.len == 0)
        return source;
    struct hop_text text = hop_text_init(arena, source.len + FORWARDED_EXTRA_BYTES);
    hop_text_add(&text, STR("for=_"));
    for (size_t i = 0; i < source.len; i++) {
        char c = source.ptr[i];
        bool is_legal = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
        hop_text_add(&text, is_legal ? (struct str){ .ptr = &c, .len = 1 } : STR("_"));
    }
    hop_text_add(&text, STR(";proto=https"));
    return hop_text_end(&text);
}

static void add_passing_fields(const struct http_head *request, const struct hop_out *out,
                               struct arena *arena, struct http_head *head)
{
    hop_add_list(head, request, STR("forwarded"), make_forwarded_by_site(out->in->source, arena),
                 arena);
}

static struct str make_visited(const struct hop_out *out, struct arena *arena)
{
    const struct hop_in *in = out->in;
    size_t max = out->site.len + 1;
    for (size_t i = 0; i < in->visited_count; i++)
        max += in->visited[i].len + 1;
    struct hop_text text = hop_text_init(arena, max);
    for (size_t i = 0; i < in->visited_count; i++) {
        if (i > 0)
            hop_text_add(&text, STR(","));
        hop_text_add(&text, in->visited[i]);
    }
    if (out->is_region && !hop_has_visited(in, out->site)) {
        if (in->visited_count > 0)
            hop_text_add(&text, STR(","));
        hop_text_add(&text, out->site);
    }
    return hop_text_end(&text);
}

static void add_backbone_fields(const struct hop_out *out, struct arena *arena,
                                struct http_head *head)
{
    if (out->client_text.len > 0)
        hop_head_add(head, HOP_CLIENT, out->client_text, false);
    struct str visited = make_visited(out, arena);
    if (visited.len > 0)
        hop_head_add(head, HOP_VISITED, visited, false);
    if (out->attempt > 0)
        hop_head_add(head, HOP_ATTEMPT, hop_number(arena, out->attempt), false);
    if (out->deadline_ms_left > 0)
        hop_head_add(head, HOP_DEADLINE, hop_number(arena, out->deadline_ms_left), true);
    if (out->is_last_resort)
        hop_head_add(head, HOP_LAST_RESORT, STR("1"), false);
    if (out->map.len > 0)
        hop_head_add(head, HOP_MAP, out->map, false);
    if (out->site.len > 0)
        hop_head_add(head, HOP_SOURCE, out->site, false);
}

bool hop_make_request(const struct http_head *request, const struct hop_out *out,
                      struct arena *arena, struct http_head *out_head)
{
    hop_head_init(request, arena, out_head);
    copy_fields(request, out, arena, out_head);
    if (out->in->is_trusted)
        add_passing_fields(request, out, arena, out_head);
    else
        add_entry_fields(request, out, arena, out_head);
    hop_add_via(out_head, request, out, arena);
    hop_head_add(out_head, STR("x-request-id"), out->request_id, true);
    if (out->traceparent.len > 0)
        hop_head_add(out_head, STR("traceparent"), out->traceparent, true);
    if (out->to_backbone)
        add_backbone_fields(out, arena, out_head);
    return out_head->field_count <= HEAD_FIELDS_MAX;
}

bool hop_make_response(const struct http_head *response, const struct hop_out *out,
                       struct arena *arena, struct http_head *out_head)
{
    hop_head_init(response, arena, out_head);
    for (size_t i = 0; i < response->field_count; i++) {
        const struct http_field *field = &response->fields[i];
        if (!str_starts_with(field->name, HOP_PREFIX) && !str_eq(field->name, STR("via")))
            out_head->fields[out_head->field_count++] = *field;
    }
    hop_add_via(out_head, response, out, arena);
    if (out->to_backbone && out->load_percent > 0)
        hop_head_add(out_head, HOP_LOAD, hop_number(arena, out->load_percent), false);
    return out_head->field_count <= HEAD_FIELDS_MAX;
}
