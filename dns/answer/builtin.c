/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/answer_priv.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_PIECE_MAX = 255, STEER_LABEL_BYTES = 7 };

/* TXT data: the text in pieces of at most 255 octets. */
static uint16_t text_rdata(const char *text, size_t len, uint8_t *out)
{
    uint8_t *at = out;
    do {
        size_t piece = len < TEXT_PIECE_MAX ? len : TEXT_PIECE_MAX;
        *at++ = (uint8_t)piece;
        memcpy(at, text, piece);
        at += piece;
        text += piece;
        len -= piece;
    } while (len > 0);
    return (uint16_t)(at - out);
}

static bool asks_text(const struct query *query)
{
    return query->qtype == TYPE_TXT || query->qtype == TYPE_ANY;
}

void builtin_chaos(struct answer_job *job)
{
    const struct answer_settings *settings = &job->view->settings;
    const struct query *query = job->query;
    const struct {
        const char *name; /* its final NUL is the root label */
        size_t len;
        const char *text;
    } names[] = {
        { "\7version\4bind", 14, settings->version },
        { "\7version\6server", 16, settings->version },
        { "\2id\6server", 11, settings->identity },
        { "\10hostname\4bind", 15, settings->identity },
    };
    job->rcode = RCODE_REFUSED;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!settings->answers_chaos || names[i].text[0] == '\0' ||
            names[i].len != query->qname_len ||
            memcmp(names[i].name, query->qname, query->qname_len) != 0)
            continue;
        job->rcode = RCODE_NOERROR;
        job->is_authoritative = true;
        if (!asks_text(query))
            return;
        uint8_t rdata[STEER_TXT_MAX];
        uint16_t len = text_rdata(names[i].text, strlen(names[i].text), rdata);
        reply_record(&job->reply, TYPE_TXT, CLASS_CH, 0, rdata, len);
        return;
    }
    job->ede = EDE_NOT_AUTHORITATIVE;
}

bool builtin_steer(struct answer_job *job, const struct zone *zone)
{
    const struct answer_view *view = job->view;
    const struct query *query = job->query;
    if (!view->settings.answers_debug_txt ||
        query->qname_len != zone->origin_len + STEER_LABEL_BYTES ||
        memcmp(query->qname, "\6_steer", STEER_LABEL_BYTES) != 0)
        return false;
    if (!asks_text(query)) {
        lookup_soa(job, zone);
        return true;
    }
    int64_t age_s = job->request->now_unix_s - view->op_at_unix_s;
    if (view->op_at_unix_s == 0 || age_s < 0)
        age_s = 0;
    char text[2 * STEER_TXT_MAX + 32];
    int len = snprintf(text, sizeof(text), "%sage=%" PRId64 "%s", view->steer_head, age_s,
                       view->steer_tail);
    uint8_t rdata[sizeof(text) + sizeof(text) / TEXT_PIECE_MAX + 2];
    reply_record(&job->reply, TYPE_TXT, CLASS_IN, 0, rdata, text_rdata(text, (size_t)len, rdata));
    return true;
}
