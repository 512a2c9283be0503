/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/hop_priv.h"

/* 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 */
enum {
    TRACE_AT = 3,
    TRACE_LEN = 32,
    SPAN_AT = 36,
    SPAN_LEN = 16,
    FLAGS_AT = 53,
};

static bool is_hex(struct str text, size_t at, size_t len)
{
    for (size_t i = at; i < at + len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(struct str text, size_t at, size_t len)
{
    for (size_t i = at; i < at + len; i++)
        if (text.ptr[i] != '0')
            return false;
    return true;
}

/* Later versions may have more behind it, and are continued as version 00. */
static bool is_traceparent(struct str text)
{
    if (text.len < TRACEPARENT_LEN || !is_hex(text, 0, 2))
        return false;
    bool is_version_0 = is_zero(text, 0, 2);
    if (text.ptr[0] == 'f' && text.ptr[1] == 'f')
        return false;
    if (text.len > TRACEPARENT_LEN && (is_version_0 || text.ptr[TRACEPARENT_LEN] != '-'))
        return false;
    return text.ptr[TRACE_AT - 1] == '-' && text.ptr[SPAN_AT - 1] == '-' &&
           text.ptr[FLAGS_AT - 1] == '-' && is_hex(text, TRACE_AT, TRACE_LEN) &&
           is_hex(text, SPAN_AT, SPAN_LEN) && is_hex(text, FLAGS_AT, 2) &&
           !is_zero(text, TRACE_AT, TRACE_LEN) && !is_zero(text, SPAN_AT, SPAN_LEN);
}

struct str hop_read_traceparent(struct str text)
{
    if (!is_traceparent(text))
        return STR("");
    text.len = TRACEPARENT_LEN;
    return text;
}

void hop_traceparent(struct str incoming, uint64_t random_a, uint64_t random_b, uint64_t random_c,
                     char out_text[TRACEPARENT_LEN + 1])
{
    incoming = hop_read_traceparent(incoming);
    memcpy(out_text, "00-", TRACE_AT);
    if (incoming.len > 0) {
        memcpy(out_text + TRACE_AT, incoming.ptr + TRACE_AT, TRACE_LEN);
    } else {
        str_put_hex(random_a, out_text + TRACE_AT);
        str_put_hex(random_b | 1, out_text + TRACE_AT + 16); /* all zeros would be invalid */
    }
    out_text[SPAN_AT - 1] = '-';
    str_put_hex(random_c | 1, out_text + SPAN_AT);
    /* Of the flags only "sampled" is defined; the others must be zero. */
    bool is_sampled = incoming.len > 0 && strchr("13579bdf", incoming.ptr[FLAGS_AT + 1]) != NULL;
    memcpy(out_text + FLAGS_AT - 1, is_sampled ? "-01" : "-00", 4);
}

bool hop_is_request_id(struct str text)
{
    if (text.len == 0 || text.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && (c == '\0' || strchr("-_.:+/=", c) == NULL))
            return false;
    }
    return true;
}
