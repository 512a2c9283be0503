/* SPDX-License-Identifier: Apache-2.0 */
/* One query on its way to an answer: what all files of this folder hand to each other. */
#pragma once

#include "dns/answer/answer.h"
#include "dns/answer/reply_priv.h"
#include "dns/answer/view_priv.h"

enum {
    RCODE_YXDOMAIN = 6,
    EDE_NONE = 0xFFFF,
    EDE_PROHIBITED = 18,
    EDE_NOT_AUTHORITATIVE = 20,
    OPT_FIXED_BYTES = 11,
    OPTION_HEADER_BYTES = 4,
    OPT_ECS_BYTES = 4, /* of its option, in front of the address */
};

struct answer_job {
    const struct answer_view *view;
    const struct answer_request *request;
    const struct query *query;
    struct answer_note *note;
    struct reply reply;
    uint16_t opt_len;          /* 0: no OPT */
    uint16_t rare_options_len; /* of that, for other options than ECS */
    uint16_t rcode;
    uint16_t ede;
    bool is_authoritative;
    bool is_chased; /* beyond the question's name: records are owned by a CNAME's target */
    uint8_t ecs_scope;
};

/* lookup.c: class IN, from the zones on. */
void lookup_answer(struct answer_job *job);
/* The SOA that makes a negative answer cacheable. */
void lookup_soa(struct answer_job *job, const struct zone *zone);
/* RFC 8482: something that is not empty and not worth an amplification attack. */
void lookup_minimal_any(struct answer_job *job, uint16_t owner_at);

/* steered.c: the answer at a steered node, whose name stands at `owner_at`. */
void steered_answer(struct answer_job *job, const struct zone_node *node, uint16_t owner_at);

/* builtin.c: names that no zone file holds. */
void builtin_chaos(struct answer_job *job);
/* False when the question is not for the _steer name of `zone`. */
bool builtin_steer(struct answer_job *job, const struct zone *zone);

/* What OPT takes without rare options. */
static inline size_t opt_common_bytes(const struct edns *edns)
{
    const struct ecs *ecs = &edns->ecs;
    size_t len = OPT_FIXED_BYTES;
    return ecs->is_present ? len + OPTION_HEADER_BYTES + OPT_ECS_BYTES + ecs->address_bytes : len;
}
/* opt.c: sets `opt_len` and `rare_options_len` where there may be other options than ECS. Less is
 * written when a fault is found. */
void opt_measure_rare(struct answer_job *job);
/* Writes the OPT record; returns its end. */
uint8_t *opt_write(const struct answer_job *job, uint8_t *at);
