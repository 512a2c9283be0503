/* SPDX-License-Identifier: Apache-2.0 */
/* Plays one request with events that somebody else draws (a generator, a fuzzer), and checks after
 * every step what must hold, with books of its own. */
#pragma once

#include <assert.h>
#include <string.h>

#include "pop/route/attempts.h"

struct draw {
    uint64_t (*below)(void *owner, uint64_t bound);
    void *owner;
};

enum { RULES_REGIONS_MAX = 4, RULES_PEERS_MAX = 4 };

struct rules {
    struct draw draw;
    struct attempts_settings settings;
    struct attempt_target targets[RULES_REGIONS_MAX];
    struct retry_budget budgets[RULES_REGIONS_MAX + 1];
    uint32_t peers[RULES_REGIONS_MAX]; /* how many a candidate has; numbered 100 x target + i */
    bool is_tried[RULES_REGIONS_MAX][RULES_PEERS_MAX];
    bool is_spared[RULES_REGIONS_MAX][RULES_PEERS_MAX]; /* for a last resort */
    bool is_lacking[RULES_REGIONS_MAX], has_declined[RULES_REGIONS_MAX];
    bool is_last_resort; /* of the present attempt */
    unsigned tries[RULES_REGIONS_MAX];
    bool is_unproven, is_replayable, is_started;
    unsigned deaths, closings, sent, records;
    uint64_t now_ms;
    struct attempt_record last;
    size_t at;
};

static inline uint64_t rules_below(struct rules *rules, uint64_t bound)
{
    return rules->draw.below(rules->draw.owner, bound);
}

static inline bool rules_chance(struct rules *rules, unsigned percent)
{
    return rules_below(rules, 100) < percent;
}

static inline size_t rules_find(const struct rules *rules, struct attempt_target target)
{
    for (size_t i = 0; i < rules->settings.target_count; i++)
        if (rules->targets[i].is_origin == target.is_origin &&
            site_id_eq(rules->targets[i].region, target.region))
            return i;
    assert(false);
    return 0;
}

static inline bool rules_is_free(enum attempt_cause cause)
{
    return cause == ATTEMPT_NO_PEER || cause == ATTEMPT_CONNECT || cause == ATTEMPT_FULL ||
           cause == ATTEMPT_ACQUIRE_TIMEOUT || cause == ATTEMPT_NOT_PROCESSED ||
           cause == ATTEMPT_RESTING;
}

static inline void rules_setup(struct rules *rules, struct draw draw, struct attempts *attempts)
{
    *rules = (struct rules){ .draw = draw, .is_replayable = true, .now_ms = 1000000 };
    size_t count = 1 + rules_below(rules, RULES_REGIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        rules->targets[i] = (struct attempt_target){ .region = { (uint16_t)i } };
        rules->peers[i] = (uint32_t)rules_below(rules, RULES_PEERS_MAX + 1);
    }
    rules->targets[0].is_origin = rules_chance(rules, 25);
    for (size_t i = 0; i <= RULES_REGIONS_MAX; i++) {
        rules->budgets[i] = retry_budget_init(20, (uint32_t)rules_below(rules, 3), rules->now_ms);
        rules->budgets[i].milli_tokens = 1000 * rules_below(rules, 4);
    }
    rules->settings = (struct attempts_settings){
        .targets = rules->targets,
        .target_count = count,
        .is_idempotent = rules_chance(rules, 60),
        .retries_status = rules_chance(rules, 50),
        .is_over_backbone = rules_chance(rules, 25),
        .is_last_resort = rules_chance(rules, 30),
        .max = 1 + (uint32_t)rules_below(rules, 6),
        .used = (uint32_t)rules_below(rules, 3),
        .deadline_ms = rules_chance(rules, 70) ? rules->now_ms + rules_below(rules, 8000) : 0,
        .min_try_ms = 50,
    };
    attempts_init(attempts, &rules->settings);
}

static inline bool rules_declines(enum attempt_cause cause)
{
    return cause == ATTEMPT_NOT_PROCESSED || cause == ATTEMPT_RESTING;
}

/* Is there somebody who has not declined, the present candidate apart? */
static inline bool rules_has_other(const struct rules *rules)
{
    for (size_t i = 0; i < rules->settings.target_count; i++)
        if (i != rules->at && !rules->has_declined[i] && !rules->is_lacking[i] &&
            rules->tries[i] < INSTANCE_TRIES)
            return true;
    return false;
}

/* `rules->at` was chosen. */
static inline void rules_check_choice(struct rules *rules, const struct attempt_step *step)
{
    bool has_other = rules_has_other(rules);
    if (rules->settings.is_over_backbone) {
        assert(step->is_last_resort == rules->settings.is_last_resort);
    } else {
        assert(step->is_last_resort == !has_other);
        /* Who has declined is asked only when nobody else is left. */
        assert(!rules->has_declined[rules->at] || !has_other);
    }
    rules->is_last_resort = step->is_last_resort;
}

/* Would there be anything to try? Counted without knowing how attempts.c chooses. */
static inline bool rules_has_candidate(const struct rules *rules)
{
    for (size_t i = 0; i < rules->settings.target_count; i++) {
        bool may_go = !rules->settings.is_over_backbone ||
                      (i == rules->at && !rules_declines(rules->last.cause));
        if (may_go && !rules->is_lacking[i] && rules->tries[i] < INSTANCE_TRIES)
            return true;
    }
    return false;
}

static inline bool rules_is_late(const struct rules *rules, uint64_t needed_ms)
{
    return rules->settings.deadline_ms != 0 &&
           rules->now_ms + needed_ms > rules->settings.deadline_ms;
}

static inline bool rules_is_count_used(const struct rules *rules)
{
    uint32_t used = rules->settings.used > 0 ? rules->settings.used : 1;
    return rules->records >= ATTEMPTS_MAX ||
           (rules->sent > 0 && used + rules->sent > rules->settings.max);
}

static inline void rules_check_retry(const struct rules *rules)
{
    assert(!rules->is_started);
    assert(rules->last.cause != ATTEMPT_NONE);
    assert(rules->settings.is_idempotent || !rules->is_unproven);
    assert(rules->last.cause != ATTEMPT_STATUS || rules->settings.retries_status ||
           rules->last.is_proof);
    assert(rules->deaths < 3 && rules->closings < 2);
    assert(rules->is_replayable);
    assert(!rules_is_late(rules, rules->settings.min_try_ms));
    assert(!rules_is_count_used(rules));
    assert(rules_has_candidate(rules));
}

/* A refusal needs a reason that holds. */
static inline void rules_check_denial(const struct rules *rules, const struct attempt_step *step,
                                      const uint64_t *tokens)
{
    bool is_proof = rules->last.is_proof || attempt_cause_is_proof(rules->last.cause);
    switch (step->denial) {
    case RETRY_ALLOWED:
        assert(false);
        break;
    case RETRY_DENIED_STARTED:
        assert(rules->is_started || rules->last.cause == ATTEMPT_NONE);
        break;
    case RETRY_DENIED_METHOD:
        assert(!is_proof);
        assert(!rules->settings.is_idempotent ||
               (rules->last.cause == ATTEMPT_STATUS && !rules->settings.retries_status));
        break;
    case RETRY_DENIED_POISON:
        assert(rules->deaths >= 3 || rules->closings >= 2);
        break;
    case RETRY_DENIED_BODY:
        assert(!rules->is_replayable);
        break;
    case RETRY_DENIED_DEADLINE:
        assert(rules_is_late(rules, rules->records > 0 ? rules->settings.min_try_ms : 1));
        assert(step->status == 504);
        break;
    case RETRY_DENIED_COUNT:
        assert(rules_is_count_used(rules));
        break;
    case RETRY_DENIED_HOP:
        assert(rules->settings.is_over_backbone);
        assert(!rules_has_candidate(rules));
        break;
    case RETRY_DENIED_NOWHERE:
        assert(!rules_has_candidate(rules));
        break;
    case RETRY_DENIED_BUDGET: {
        bool has_empty = false;
        for (size_t i = 0; i < rules->settings.target_count; i++)
            has_empty |= tokens[i] == 0;
        assert(has_empty && !rules_is_free(rules->last.cause));
        break;
    }
    }
    assert(step->status == 502 || step->status == 503 || step->status == 504);
    assert(step->is_unprocessed == (!rules->is_unproven && !rules->is_started &&
                                    (rules->records == 0 || rules->last.cause != ATTEMPT_NONE)));
}

/* What upstream would find: a peer that was not tried, or nothing. */
static inline uint32_t rules_find_peer(struct rules *rules, const struct attempts *attempts)
{
    uint32_t tried[ATTEMPTS_MAX];
    size_t count = attempts_tried(attempts, tried, ATTEMPTS_MAX);
    size_t expected = 0;
    for (size_t i = 0; i < RULES_PEERS_MAX; i++)
        if (rules->is_last_resort && rules->is_spared[rules->at][i])
            rules->is_tried[rules->at][i] = rules->is_spared[rules->at][i] = false;
    for (size_t i = 0; i < RULES_PEERS_MAX; i++)
        expected += rules->is_tried[rules->at][i];
    assert(count == expected);
    for (size_t i = 0; i < count; i++)
        assert(tried[i] / 100 == rules->at && rules->is_tried[rules->at][tried[i] % 100]);
    for (uint32_t i = 0; i < rules->peers[rules->at]; i++)
        if (!rules->is_tried[rules->at][i])
            return (uint32_t)(100 * rules->at + i);
    return UINT32_MAX;
}

static inline struct attempt_record rules_outcome(struct rules *rules, uint32_t peer)
{
    struct attempt_record record = { .peer = peer, .started_ms = rules->now_ms };
    if (peer == UINT32_MAX) {
        static const enum attempt_cause lacks[] = { ATTEMPT_NO_PEER, ATTEMPT_FULL,
                                                    ATTEMPT_ACQUIRE_TIMEOUT, ATTEMPT_CONNECT,
                                                    ATTEMPT_RESTING };
        record.cause = lacks[rules_below(rules, rules->is_last_resort ? 4 : 5)];
        record.is_proof = true;
        return record;
    }
    do {
        record.cause = (enum attempt_cause)rules_below(rules, ATTEMPT_GATEWAY + 1);
    } while (record.cause >= ATTEMPT_NO_PEER && record.cause <= ATTEMPT_ACQUIRE_TIMEOUT &&
             record.cause != ATTEMPT_CONNECT);
    record.is_proof = attempt_cause_is_proof(record.cause) ||
                      (record.cause == ATTEMPT_CLOSED && rules_chance(rules, 30));
    return record;
}

static inline void rules_note(struct rules *rules, const struct attempt_record *record)
{
    rules->last = *record;
    rules->records++;
    if (record->peer != UINT32_MAX) {
        rules->is_tried[rules->at][record->peer % 100] = true;
        rules->is_spared[rules->at][record->peer % 100] =
            record->cause == ATTEMPT_NOT_PROCESSED && !rules->is_last_resort;
        rules->sent++;
    } else if (record->cause != ATTEMPT_CONNECT && record->cause != ATTEMPT_RESTING) {
        rules->is_lacking[rules->at] = true;
    }
    if (!record->is_proof && record->cause != ATTEMPT_NONE)
        rules->is_unproven = true;
    rules->closings +=
        !record->is_proof && (record->cause == ATTEMPT_CLOSED || record->cause == ATTEMPT_GATEWAY);
    rules->has_declined[rules->at] |= rules_declines(record->cause);
    rules->deaths += !record->is_proof &&
                     (record->cause == ATTEMPT_CLOSED || record->cause == ATTEMPT_PING_TIMEOUT ||
                      record->cause == ATTEMPT_GATEWAY);
}

/* Plays it to the end. */
static inline void rules_play(struct draw draw)
{
    struct rules rules;
    struct attempts attempts;
    rules_setup(&rules, draw, &attempts);
    for (unsigned turn = 0;; turn++) {
        assert(turn <= ATTEMPTS_MAX);
        uint64_t tokens[RULES_REGIONS_MAX];
        for (size_t i = 0; i < RULES_REGIONS_MAX; i++) {
            retry_budget_has(&rules.budgets[i], rules.now_ms); /* fills it up to now */
            tokens[i] = retry_budget_tokens(&rules.budgets[i]);
        }
        struct attempts_facts facts = { rules.now_ms, rules.is_replayable, rules.budgets };
        struct attempt_step step = attempts_next(&attempts, &facts);
        if (!step.is_attempt) {
            rules_check_denial(&rules, &step, tokens);
            return;
        }
        if (rules.records > 0)
            rules_check_retry(&rules);
        rules.at = rules_find(&rules, step.target);
        rules_check_choice(&rules, &step);
        bool is_charged = rules.records > 0 && !rules_is_free(rules.last.cause);
        uint64_t left = retry_budget_tokens(&rules.budgets[rules.at]);
        if (is_charged)
            assert(tokens[rules.at] > 0 && left == tokens[rules.at] - 1);
        else if (rules.records > 0)
            assert(left == tokens[rules.at]);
        uint32_t used = rules.settings.used > 0 ? rules.settings.used : 1;
        assert(step.number == used + rules.sent);
        rules.tries[rules.at]++;
        rules.now_ms += rules_below(&rules, 900);
        struct attempt_record record = rules_outcome(&rules, rules_find_peer(&rules, &attempts));
        attempts_record(&attempts, &record);
        rules_note(&rules, &record);
        if (rules_chance(&rules, 5))
            rules.is_replayable = false;
        if (rules_chance(&rules, 5))
            rules.is_started = attempts.is_started = true;
    }
}
