/* SPDX-License-Identifier: Apache-2.0 */
/* Heads with hostile fields, as codecs may let them through: what a hop makes of them must be sound
 * and must not carry what the client made up about us. First byte: flags; then the authority and
 * "name: value" in lines. */
#include <assert.h>
#include <string.h>

#include "pop/route/hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TRUSTED = 1, TO_BACKBONE = 2, REGION = 4, V6 = 8, TRACE = 16, FROM_H1 = 32 };

static bool is_lower(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z')
            return false;
    return true;
}

/* Only what a codec would let through. */
static struct http_head read_head(struct str text, struct arena *arena)
{
    struct http_head head = { .method = STR("GET"),
                              .scheme = STR("https"),
                              .authority = STR("a"),
                              .path = STR("/"),
                              .status = 200,
                              .content_length = -1 };
    struct str line;
    str_split(text, '\n', &line, &text);
    if (http_is_authority(line))
        head.authority = line;
    while (text.len > 0) {
        str_split(text, '\n', &line, &text);
        struct str name;
        struct str value;
        str_split(line, ':', &name, &value);
        value = str_trim(value);
        if (http_is_token(name) && is_lower(name) && http_is_field_value(value) &&
            !http_head_add(&head, arena, name, value))
            break;
    }
    return head;
}

static void check_sound(const struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        assert(http_is_token(head->fields[i].name) && is_lower(head->fields[i].name));
        assert(http_is_field_value(head->fields[i].value));
    }
}

static size_t count_of(const struct http_head *head, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++)
        count += str_eq(head->fields[i].name, name);
    return count;
}

/* What the next hop reads is what this one meant. */
static void check_request(const struct http_head *made, const struct hop_out *out)
{
    check_sound(made);
    assert(count_of(made, STR("x-request-id")) == 1);
    assert(count_of(made, STR("traceparent")) == 1);
    if (!out->in->is_trusted) {
        assert(count_of(made, STR("forwarded")) == 1);
        assert(count_of(made, STR("x-forwarded-for")) == 1);
        assert(count_of(made, STR("x-real-ip")) == 0);
    }
    if (!out->to_backbone) {
        for (size_t i = 0; i < made->field_count; i++)
            assert(!str_starts_with(made->fields[i].name, STR("steer-")));
        return;
    }
    struct addr peer;
    assert(addr_parse(STR("192.0.2.9"), &peer));
    struct hop_in next;
    hop_read(made, true, &peer, out->cdn_id, &next);
    assert(addr_eq(&next.client, &out->in->client));
    assert(next.is_last_resort == out->is_last_resort);
    assert(next.attempts_used == out->attempt && next.deadline_ms_left == out->deadline_ms_left);
    assert(str_eq(next.map, out->map) && str_eq(next.source, out->site));
    assert(str_eq(next.request_id, out->request_id));
    assert(str_eq(next.traceparent, out->traceparent));
    for (size_t i = 0; i < out->in->visited_count; i++)
        assert(hop_has_visited(&next, out->in->visited[i]));
    assert(!out->is_region || next.is_visited_too_long || hop_has_visited(&next, out->site));
    assert(next.cdn_loops >= (out->in->is_trusted ? out->in->cdn_loops : 1));
}

static void check_refusal(const struct hop_out *out, struct arena *arena, struct str details)
{
    char text[64] = { 0 };
    memcpy(text, details.ptr, details.len < sizeof(text) ? details.len : sizeof(text) - 1);
    struct hop_refusal refusal = { .status = 503,
                                   .error = "destination_unavailable",
                                   .details = text,
                                   .is_unprocessed = true,
                                   .retry_after_s = 1 };
    struct http_head made;
    struct str body;
    hop_make_refusal(&refusal, out, arena, &made, &body);
    check_sound(&made);
    assert(hop_response_cause(&made, true) ==
           (out->to_backbone ? ATTEMPT_NOT_PROCESSED : ATTEMPT_NONE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned flags = data[0];
    struct arena arena;
    arena_init(&arena, 1024);
    struct str text = { (const char *)data + 1, size - 1 };
    struct http_head head = read_head(text, &arena);
    if (flags & TRACE)
        head.method = STR("TRACE");
    struct addr peer;
    assert(addr_parse(flags & V6 ? STR("2001:db8::7") : STR("203.0.113.7"), &peer));
    struct hop_in in;
    hop_read(&head, flags & TRUSTED, &peer, STR("steer"), &in);
    char trace[TRACEPARENT_LEN + 1];
    hop_traceparent(in.traceparent, size, 2, 3, trace);
    char client[ADDR_TEXT_MAX];
    struct hop_out out = {
        .to_backbone = flags & TO_BACKBONE,
        .in = &in,
        .client_text = str_from(addr_format(&in.client, client)),
        .pseudonym = STR("gru1"),
        .cdn_id = STR("steer"),
        .site = STR("gru1"),
        .is_region = flags & REGION,
        .map = STR("api"),
        .attempt = 2,
        .deadline_ms_left = 14850,
        .is_last_resort = true,
        .request_id = in.request_id.len > 0 ? in.request_id : STR("r-1"),
        .traceparent = str_from(trace),
        .from = flags & FROM_H1 ? HOP_FROM_H1 : HOP_FROM_H2,
        .load_percent = 37,
    };
    struct http_head made;
    if (hop_make_request(&head, &out, &arena, &made))
        check_request(&made, &out);
    if (hop_make_response(&head, &out, &arena, &made)) {
        check_sound(&made);
        assert(hop_response_cause(&made, true) == ATTEMPT_NONE);
        assert(hop_response_load(&made, true) == (out.to_backbone ? 37 : UINT32_MAX));
    }
    check_refusal(&out, &arena, text);
    arena_fini(&arena);
    return 0;
}
