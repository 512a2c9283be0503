/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/hop_priv.h"

#include <assert.h>

#include "steering/base/mem.h"

enum { LOAD_MAX_PERCENT = 10000, BODY_EXTRA_BYTES = 64 };

/* An sf-token (RFC 8941 section 3.3.4) begins with a letter. */
static bool is_sf_token(struct str text)
{
    char first = text.len > 0 ? text.ptr[0] : '\0';
    bool is_alpha = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    return is_alpha && http_is_token(text);
}

/* gru1; error=connection_timeout; details="acquire_timeout" */
static struct str make_proxy_status(struct str pseudonym, struct str error, struct str details,
                                    struct arena *arena)
{
    struct hop_text text =
        hop_text_init(arena, 2 * pseudonym.len + error.len + 2 * details.len + BODY_EXTRA_BYTES);
    hop_text_add_quoted(&text, pseudonym, is_sf_token(pseudonym));
    hop_text_add(&text, STR("; error="));
    hop_text_add(&text, error);
    if (details.len > 0) {
        hop_text_add(&text, STR("; details="));
        hop_text_add_quoted(&text, details, false);
    }
    return hop_text_end(&text);
}

/* "503 acquire_timeout\nrequest 01J...\n" */
static struct str make_body(uint16_t status, struct str word, struct str request_id,
                            struct arena *arena)
{
    struct hop_text text = hop_text_init(arena, word.len + request_id.len + BODY_EXTRA_BYTES);
    hop_text_add_number(&text, status);
    if (word.len > 0) {
        hop_text_add(&text, STR(" "));
        hop_text_add(&text, word);
    }
    hop_text_add(&text, STR("\nrequest "));
    hop_text_add(&text, request_id);
    hop_text_add(&text, STR("\n"));
    return hop_text_end(&text);
}

/* A field value cannot hold everything that a text may. */
static struct str field_word(struct str word)
{
    return http_is_token(word) ? word : STR("yes");
}

static bool is_failure_of_gateway(uint16_t status)
{
    return status == 502 || status == 503 || status == 504;
}

void hop_make_refusal(const struct hop_refusal *refusal, const struct hop_out *out,
                      struct arena *arena, struct http_head *out_head, struct str *out_body)
{
    struct str error = str_from(refusal->error);
    struct str details = str_from(refusal->details);
    struct str word = details.len > 0 ? details : error;
    bool has_body = refusal->status != 200; /* OPTIONS, answered: Allow says it all */
    *out_body = has_body ? make_body(refusal->status, word, out->request_id, arena) : STR("");
    struct http_head empty = {
        .status = refusal->status,
        .content_length = (int64_t)out_body->len,
    };
    hop_head_init(&empty, arena, out_head);
    if (has_body)
        hop_head_add(out_head, STR("content-type"), STR("text/plain; charset=utf-8"), false);
    if (refusal->allow != NULL)
        hop_head_add(out_head, STR("allow"), str_from(refusal->allow), false);
    hop_head_add(out_head, STR("cache-control"), STR("no-store"), false);
    if (error.len > 0)
        hop_head_add(out_head, STR("proxy-status"),
                     make_proxy_status(out->pseudonym, error, details, arena), false);
    hop_head_add(out_head, STR("x-request-id"), out->request_id, true);
    if (refusal->retry_after_s > 0)
        hop_head_add(out_head, STR("retry-after"), hop_number(arena, refusal->retry_after_s),
                     false);
    if (out->to_backbone && refusal->is_unprocessed)
        hop_head_add(out_head, HOP_NOT_PROCESSED, field_word(word), false);
    else if (out->to_backbone && is_failure_of_gateway(refusal->status))
        hop_head_add(out_head, HOP_FAILED, field_word(error), false);
}

enum attempt_cause hop_response_cause(const struct http_head *response, bool is_from_backbone)
{
    if (is_from_backbone && http_head_find(response, HOP_NOT_PROCESSED) != NULL)
        return ATTEMPT_NOT_PROCESSED;
    if (is_from_backbone && http_head_find(response, HOP_FAILED) != NULL)
        return ATTEMPT_GATEWAY;
    return response->status == 421 ? ATTEMPT_STATUS_421 : ATTEMPT_NONE;
}

bool hop_response_is_evacuated(const struct http_head *response)
{
    return str_eq(http_head_get(response, HOP_NOT_PROCESSED), STR("evacuated"));
}

uint32_t hop_response_load(const struct http_head *response, bool is_from_backbone)
{
    uint64_t percent = 0;
    if (!is_from_backbone ||
        !str_parse_u64(http_head_get(response, HOP_LOAD), LOAD_MAX_PERCENT, &percent))
        return UINT32_MAX;
    return (uint32_t)percent;
}

const char *hop_proxy_error(enum attempt_cause cause)
{
    static const char *const words[] = {
        [ATTEMPT_NONE] = "proxy_internal_error",
        [ATTEMPT_NO_PEER] = "destination_unavailable",
        [ATTEMPT_RESTING] = "destination_unavailable",
        [ATTEMPT_CONNECT] = "connection_refused",
        [ATTEMPT_FULL] = "connection_limit_reached",
        [ATTEMPT_ACQUIRE_TIMEOUT] = "connection_timeout",
        [ATTEMPT_REFUSED] = "destination_unavailable",
        [ATTEMPT_NOT_PROCESSED] = "destination_unavailable",
        [ATTEMPT_RESET] = "connection_terminated",
        [ATTEMPT_CLOSED] = "connection_terminated",
        [ATTEMPT_PING_TIMEOUT] = "connection_read_timeout",
        [ATTEMPT_TRY_TIMEOUT] = "http_response_timeout",
        [ATTEMPT_PROTOCOL] = "http_protocol_error",
        [ATTEMPT_STATUS] = "destination_unavailable",
        [ATTEMPT_STATUS_421] = "http_request_denied",
        [ATTEMPT_GATEWAY] = "connection_terminated",
    };
    static_assert(ARRAY_SIZE(words) == ATTEMPT_GATEWAY + 1, "each cause has its word");
    return words[cause];
}
