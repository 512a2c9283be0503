/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/attempts.h"

#include <assert.h>
#include <string.h>

#include "steering/base/mem.h"

/* Connections that die under one request: those that were closed, and all. */
enum { CLOSED_MAX = 2, DEATHS_MAX = 3 };

/* Where a retry is to be looked for first. */
enum direction { NEXT_INSTANCE, NEXT_TARGET };

static const struct {
    bool is_proof;
    bool is_free;  /* a retry after it is no load on anybody: the budget is not charged */
    bool is_death; /* of the connection, here or behind the gateway */
    enum direction direction;
    uint16_t status; /* for the client, when it was the last */
} causes[] = {
    [ATTEMPT_NONE] = { .status = 502 },
    [ATTEMPT_NO_PEER] = { true, true, false, NEXT_TARGET, 503 },
    [ATTEMPT_RESTING] = { true, true, false, NEXT_TARGET, 503 },
    [ATTEMPT_CONNECT] = { true, true, false, NEXT_INSTANCE, 503 },
    [ATTEMPT_FULL] = { true, true, false, NEXT_TARGET, 503 },
    [ATTEMPT_ACQUIRE_TIMEOUT] = { true, true, false, NEXT_TARGET, 503 },
    [ATTEMPT_REFUSED] = { true, false, false, NEXT_INSTANCE, 503 },
    [ATTEMPT_NOT_PROCESSED] = { true, true, false, NEXT_TARGET, 503 },
    [ATTEMPT_RESET] = { false, false, false, NEXT_INSTANCE, 502 },
    [ATTEMPT_CLOSED] = { false, false, true, NEXT_TARGET, 502 },
    [ATTEMPT_PING_TIMEOUT] = { false, false, true, NEXT_TARGET, 504 },
    [ATTEMPT_TRY_TIMEOUT] = { false, false, false, NEXT_INSTANCE, 504 },
    [ATTEMPT_PROTOCOL] = { false, false, false, NEXT_INSTANCE, 502 },
    [ATTEMPT_STATUS] = { false, false, false, NEXT_INSTANCE, 502 },
    [ATTEMPT_STATUS_421] = { true, false, false, NEXT_INSTANCE, 502 },
    [ATTEMPT_GATEWAY] = { false, false, true, NEXT_TARGET, 502 },
};

const char *attempt_cause_name(enum attempt_cause cause)
{
    static const char *const names[] = {
#define X(name, text) text,
        ATTEMPT_CAUSE_LIST(X)
#undef X
    };
    static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(causes), "each cause has its row");
    return names[cause];
}

bool attempt_cause_is_proof(enum attempt_cause cause)
{
    return causes[cause].is_proof;
}

const char *retry_denial_name(enum retry_denial denial)
{
    static const char *const names[] = {
        [RETRY_ALLOWED] = "allowed",          [RETRY_DENIED_BUDGET] = "budget",
        [RETRY_DENIED_METHOD] = "method",     [RETRY_DENIED_BODY] = "body",
        [RETRY_DENIED_DEADLINE] = "deadline", [RETRY_DENIED_STARTED] = "started",
        [RETRY_DENIED_COUNT] = "count",       [RETRY_DENIED_NOWHERE] = "nowhere",
        [RETRY_DENIED_HOP] = "hop",           [RETRY_DENIED_POISON] = "poison",
    };
    return names[denial];
}

void attempts_init(struct attempts *attempts, const struct attempts_settings *settings)
{
    memset(attempts, 0, offsetof(struct attempts, records));
    attempts->settings = *settings;
    if (attempts->settings.target_count > ATTEMPT_TARGET_MAX)
        attempts->settings.target_count = ATTEMPT_TARGET_MAX;
    for (size_t i = 0; i < attempts->settings.target_count; i++)
        attempts->targets[i] = settings->targets[i];
    attempts->settings.targets = NULL; /* the caller's may be gone */
}

static bool has_room(const struct attempts *attempts, size_t target)
{
    return !attempts->states[target].is_exhausted &&
           attempts->states[target].tries < INSTANCE_TRIES;
}

/* The candidate as a whole cannot serve at present. */
static bool is_declining(enum attempt_cause cause)
{
    return cause == ATTEMPT_NOT_PROCESSED || cause == ATTEMPT_RESTING;
}

static bool has_hope(const struct attempts *attempts, size_t target)
{
    return has_room(attempts, target) && !attempts->states[target].has_declined;
}

/* The first that `suits` behind the present one, then from the beginning: a candidate that was left
 * after one instance may have another that lives. */
static size_t find_other_target(const struct attempts *attempts,
                                bool (*suits)(const struct attempts *attempts, size_t target))
{
    size_t count = attempts->settings.target_count;
    for (size_t i = 1; i < count; i++) {
        size_t target = (attempts->at + i) % count;
        if (suits(attempts, target))
            return target;
    }
    return SIZE_MAX;
}

/* One origin says nothing about the others of our own region. */
static bool prefers_same(const struct attempts *attempts, const struct attempt_record *last)
{
    if (attempts->targets[attempts->at].is_origin)
        return true;
    return last->peer != UINT32_MAX && causes[last->cause].direction == NEXT_INSTANCE;
}

/* Who has not declined, else who has. */
static size_t find_target(const struct attempts *attempts, const struct attempt_record *last)
{
    size_t at = attempts->at;
    size_t other = find_other_target(attempts, has_hope);
    if (has_hope(attempts, at) && (other == SIZE_MAX || prefers_same(attempts, last)))
        return at;
    if (other == SIZE_MAX)
        other = find_other_target(attempts, has_room);
    return other == SIZE_MAX && has_room(attempts, at) ? at : other;
}

static enum retry_denial choose_target(const struct attempts *attempts,
                                       const struct attempt_record *last, size_t *out_target)
{
    size_t target = attempts->at;
    if (!attempts->settings.is_over_backbone) {
        target = find_target(attempts, last);
        if (target == SIZE_MAX)
            return RETRY_DENIED_NOWHERE;
    } else if (!has_room(attempts, target) || is_declining(last->cause)) {
        return find_other_target(attempts, has_room) != SIZE_MAX ? RETRY_DENIED_HOP
                                                                 : RETRY_DENIED_NOWHERE;
    }
    *out_target = target;
    return RETRY_ALLOWED;
}

static bool is_too_late(const struct attempts *attempts, uint64_t now_ms, uint64_t needed_ms)
{
    uint64_t deadline_ms = attempts->settings.deadline_ms;
    return deadline_ms != 0 && (now_ms >= deadline_ms || deadline_ms - now_ms < needed_ms);
}

/* The hop before us has counted the attempt that brought the request here: our first is the same
 * one, further on. */
static uint32_t next_number(const struct attempts *attempts)
{
    uint32_t used = attempts->settings.used;
    return (used > 0 ? used : 1) + attempts->sent;
}

/* What does the failure itself allow? */
static enum retry_denial judge_failure(const struct attempts *attempts,
                                       const struct attempt_record *last)
{
    if (last->is_proof || causes[last->cause].is_proof)
        return RETRY_ALLOWED;
    if (!attempts->settings.is_idempotent)
        return RETRY_DENIED_METHOD;
    if (last->cause == ATTEMPT_STATUS && !attempts->settings.retries_status)
        return RETRY_DENIED_METHOD;
    return RETRY_ALLOWED;
}

/* All but the budget. */
static enum retry_denial judge(const struct attempts *attempts, const struct attempt_record *last,
                               const struct attempts_facts *facts, size_t *out_target)
{
    if (attempts->is_started || attempts->is_over)
        return RETRY_DENIED_STARTED;
    enum retry_denial denial = judge_failure(attempts, last);
    if (denial != RETRY_ALLOWED)
        return denial;
    /* Who falls silent was more likely cut off than killed by a request. */
    if (attempts->deaths - attempts->silences >= CLOSED_MAX || attempts->deaths >= DEATHS_MAX)
        return RETRY_DENIED_POISON;
    if (!facts->can_replay)
        return RETRY_DENIED_BODY;
    if (is_too_late(attempts, facts->now_ms, attempts->settings.min_try_ms))
        return RETRY_DENIED_DEADLINE;
    if (attempts->count >= ATTEMPTS_MAX ||
        (attempts->sent > 0 && next_number(attempts) > attempts->settings.max))
        return RETRY_DENIED_COUNT;
    return choose_target(attempts, last, out_target);
}

/* NULL: nothing is charged for it. */
static struct retry_budget *budget_of(const struct attempts *attempts,
                                      const struct attempts_facts *facts, size_t target)
{
    struct site_id region = attempts->targets[target].region;
    return facts->budgets != NULL && !site_is_none(region) ? &facts->budgets[region.n] : NULL;
}

static bool is_unprocessed(const struct attempts *attempts)
{
    bool is_proof = !attempts->is_started && !attempts->is_over;
    for (size_t i = 0; i < attempts->count; i++)
        is_proof &= attempts->records[i].is_proof;
    return is_proof;
}

static struct attempt_step give_up(struct attempts *attempts, enum retry_denial denial)
{
    struct attempt_step step = {
        .denial = denial,
        .status = attempts->settings.is_loop ? 508 : 503,
        .is_unprocessed = is_unprocessed(attempts),
    };
    if (attempts->count > 0) {
        step.cause = attempts->records[attempts->count - 1].cause;
        step.status = causes[step.cause].status;
    }
    if (denial == RETRY_DENIED_DEADLINE)
        step.status = 504;
    return step;
}

static struct attempt_step start(struct attempts *attempts, size_t target)
{
    attempts->at = target;
    attempts->states[target].tries++;
    /* Over the backbone other candidates are for the hop before us to try. */
    attempts->is_last_resort = attempts->settings.is_over_backbone
                                   ? attempts->settings.is_last_resort
                                   : find_other_target(attempts, has_hope) == SIZE_MAX;
    return (struct attempt_step){
        .is_attempt = true,
        .target = attempts->targets[target],
        .is_last_resort = attempts->is_last_resort,
        .number = next_number(attempts),
        .status = 502,
    };
}

static struct attempt_step first_step(struct attempts *attempts, const struct attempts_facts *facts)
{
    if (attempts->settings.target_count == 0)
        return give_up(attempts, RETRY_DENIED_NOWHERE);
    if (is_too_late(attempts, facts->now_ms, 0))
        return give_up(attempts, RETRY_DENIED_DEADLINE);
    struct retry_budget *budget = budget_of(attempts, facts, 0);
    if (budget != NULL)
        retry_budget_feed(budget);
    return start(attempts, 0);
}

struct attempt_step attempts_next(struct attempts *attempts, const struct attempts_facts *facts)
{
    if (attempts->count == 0)
        return first_step(attempts, facts);
    const struct attempt_record *last = &attempts->records[attempts->count - 1];
    size_t target = 0;
    enum retry_denial denial = judge(attempts, last, facts, &target);
    if (denial != RETRY_ALLOWED)
        return give_up(attempts, denial);
    struct retry_budget *budget = budget_of(attempts, facts, target);
    if (budget != NULL && !causes[last->cause].is_free && !retry_budget_take(budget, facts->now_ms))
        return give_up(attempts, RETRY_DENIED_BUDGET);
    return start(attempts, target);
}

void attempts_record(struct attempts *attempts, const struct attempt_record *record)
{
    assert(attempts->count < ATTEMPTS_MAX);
    struct attempt_record *kept = &attempts->records[attempts->count++];
    *kept = *record;
    kept->target = attempts->targets[attempts->at];
    kept->is_last_resort = attempts->is_last_resort;
    kept->is_proof =
        kept->cause != ATTEMPT_NONE && (record->is_proof || causes[record->cause].is_proof);
    if (kept->cause == ATTEMPT_NONE)
        attempts->is_over = true;
    if (is_declining(kept->cause))
        attempts->states[attempts->at].has_declined = true;
    /* Without a peer nothing was tried, and nothing else will be found there; but a connection
     * that failed may have been to one instance only, and who rests comes back. */
    if (kept->peer != UINT32_MAX)
        attempts->sent++;
    else if (kept->cause != ATTEMPT_CONNECT && kept->cause != ATTEMPT_RESTING)
        attempts->states[attempts->at].is_exhausted = true;
    if (causes[kept->cause].is_death && !kept->is_proof) {
        attempts->deaths++;
        attempts->silences += kept->cause == ATTEMPT_PING_TIMEOUT;
    }
}

bool attempts_wants_retry_of(const struct attempts *attempts, uint16_t status,
                             const struct attempts_facts *facts)
{
    struct attempt_record last = { .status = status };
    if (status == 421)
        last.cause = ATTEMPT_STATUS_421;
    else if (status == 502 || status == 503 || status == 504)
        last.cause = ATTEMPT_STATUS;
    else
        return false;
    struct attempts trial = *attempts;
    attempts_record(&trial, &last);
    size_t target = 0;
    if (judge(&trial, &last, facts, &target) != RETRY_ALLOWED)
        return false;
    struct retry_budget *budget = budget_of(attempts, facts, target);
    return budget == NULL || retry_budget_has(budget, facts->now_ms);
}

/* May the peer be asked once more, this time as a last resort? */
static bool may_persist(const struct attempts *attempts, const struct attempt_record *record)
{
    return record->cause == ATTEMPT_NOT_PROCESSED && attempts->is_last_resort &&
           !record->is_last_resort;
}

size_t attempts_tried(const struct attempts *attempts, uint32_t *out_peers, size_t max)
{
    size_t count = 0;
    struct attempt_target at = attempts->targets[attempts->at];
    for (size_t i = 0; i < attempts->count && count < max; i++) {
        const struct attempt_record *record = &attempts->records[i];
        if (record->peer != UINT32_MAX && !record->is_stale && !may_persist(attempts, record) &&
            record->target.is_origin == at.is_origin &&
            site_id_eq(record->target.region, at.region))
            out_peers[count++] = record->peer;
    }
    return count;
}

/* rule zero: a table of errors, written as a switch so that the compiler sees a missing one. */
enum attempt_cause attempt_cause_of(enum http_error error, bool is_unprocessed)
{
    switch (error) {
    case HTTP_ERROR_NONE:
        return ATTEMPT_NONE;
    case HTTP_ERROR_REFUSED:
    case HTTP_ERROR_GOAWAY:
        return ATTEMPT_REFUSED;
    case HTTP_ERROR_CLOSED:
        return is_unprocessed ? ATTEMPT_CONNECT : ATTEMPT_CLOSED;
    case HTTP_ERROR_TIMEOUT:
        return is_unprocessed ? ATTEMPT_CONNECT : ATTEMPT_PING_TIMEOUT;
    case HTTP_ERROR_PROTOCOL:
    case HTTP_ERROR_TOO_LARGE:
        return is_unprocessed ? ATTEMPT_CONNECT : ATTEMPT_PROTOCOL;
    case HTTP_ERROR_CANCELLED:
    case HTTP_ERROR_RESET:
    case HTTP_ERROR_ENHANCE_YOUR_CALM:
    case HTTP_ERROR_INTERNAL:
        break;
    }
    return is_unprocessed ? ATTEMPT_REFUSED : ATTEMPT_RESET;
}
