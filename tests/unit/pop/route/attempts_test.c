/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pop/route/attempts.h"
#include "steering/base/mem.h"

enum { TARGETS = 3, NOW_MS = 5000 };

/* A story: what happened in each attempt, told by a letter; where each went, by a digit (of the
 * target). */
static const struct {
    enum attempt_cause cause;
    char letter;
    bool has_peer;
} events[] = {
    { ATTEMPT_NO_PEER, 'n', false },     { ATTEMPT_FULL, 'f', false },
    { ATTEMPT_RESTING, 'z', false },     { ATTEMPT_ACQUIRE_TIMEOUT, 'a', false },
    { ATTEMPT_CONNECT, 'c', true },      { ATTEMPT_CONNECT, 'x', false },
    { ATTEMPT_REFUSED, 'R', true },      { ATTEMPT_NOT_PROCESSED, 'N', true },
    { ATTEMPT_RESET, 'r', true },        { ATTEMPT_CLOSED, 'd', true },
    { ATTEMPT_PING_TIMEOUT, 'p', true }, { ATTEMPT_TRY_TIMEOUT, 't', true },
    { ATTEMPT_PROTOCOL, 'b', true },     { ATTEMPT_STATUS, 's', true },
    { ATTEMPT_STATUS_421, 'm', true },   { ATTEMPT_GATEWAY, 'g', true },
};

static struct attempt_record event_of(char letter, uint32_t peer)
{
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (events[i].letter == letter)
            return (struct attempt_record){ .cause = events[i].cause,
                                            .peer = events[i].has_peer ? peer : UINT32_MAX };
    fail_msg("no event '%c'", letter);
    return (struct attempt_record){ .peer = 0 };
}

enum flags { POST = 1, OPTED = 2, BACKBONE = 4, ORIGIN = 8, ONE = 16, SPENT = 32, BIG = 64 };

struct row {
    const char *what;
    unsigned flags;
    uint32_t max;
    const char *events, *targets; /* targets[0] is the first attempt's */
    enum retry_denial denial;
    uint16_t status;
    bool is_unprocessed;
};

static const struct row rows[] = {
    { "proof: never sent", POST, 9, "ccc", "0001", RETRY_ALLOWED, 0, false },
    { "proof: refused", POST, 9, "R", "00", RETRY_ALLOWED, 0, false },
    { "proof: misdirected", POST, 9, "m", "00", RETRY_ALLOWED, 0, false },
    { "proof: the gateway did nothing", POST, 9, "N", "01", RETRY_ALLOWED, 0, false },
    { "lacks go on to the next", POST, 9, "nfa", "012", RETRY_DENIED_NOWHERE, 503, true },
    { "connects without a peer: next, then again", POST, 9, "xxxx", "01201", RETRY_ALLOWED, 0,
      false },
    { "no proof, POST: reset", POST, 9, "r", "0", RETRY_DENIED_METHOD, 502, false },
    { "no proof, POST: death", POST, 9, "d", "0", RETRY_DENIED_METHOD, 502, false },
    { "no proof, POST: ping", POST, 9, "p", "0", RETRY_DENIED_METHOD, 504, false },
    { "no proof, POST: timeout", POST, 9, "t", "0", RETRY_DENIED_METHOD, 504, false },
    { "no proof, POST: not HTTP", POST, 9, "b", "0", RETRY_DENIED_METHOD, 502, false },
    { "no proof, POST: status", POST | OPTED, 9, "s", "0", RETRY_DENIED_METHOD, 502, false },
    { "no proof, POST: gateway", POST, 9, "g", "0", RETRY_DENIED_METHOD, 502, false },
    { "proof, then none", POST, 9, "cr", "00", RETRY_DENIED_METHOD, 502, false },
    { "GET: reset stays in the region", 0, 9, "r", "00", RETRY_ALLOWED, 0, false },
    { "GET: timeout stays in the region", 0, 9, "tttt", "00011", RETRY_ALLOWED, 0, false },
    { "GET: a death goes to the next", 0, 9, "d", "01", RETRY_ALLOWED, 0, false },
    { "GET: poison", 0, 9, "dd", "01", RETRY_DENIED_POISON, 502, false },
    { "GET: silence is no poison yet", 0, 9, "dp", "012", RETRY_ALLOWED, 0, false },
    { "GET: two silent regions, the third lives", 0, 9, "pp", "012", RETRY_ALLOWED, 0, false },
    { "GET: poison, with silence", 0, 9, "dpd", "012", RETRY_DENIED_POISON, 502, false },
    { "GET: poison, by silence", 0, 9, "ppp", "012", RETRY_DENIED_POISON, 504, false },
    { "GET: poison, behind gateways", 0, 9, "gg", "01", RETRY_DENIED_POISON, 502, false },
    { "GET: poison, with proof between", 0, 9, "dcd", "011", RETRY_DENIED_POISON, 502, false },
    { "GET: death, then back to the first", 0, 9, "dnn", "0120", RETRY_ALLOWED, 0, false },
    { "GET: a death, one region", ONE, 9, "d", "00", RETRY_ALLOWED, 0, false },
    { "GET: instances used up", ONE, 9, "ttt", "000", RETRY_DENIED_NOWHERE, 504, false },
    { "GET: status without opt-in", 0, 9, "s", "0", RETRY_DENIED_METHOD, 502, false },
    { "GET: status with opt-in", OPTED, 9, "s", "00", RETRY_ALLOWED, 0, false },
    { "GET: origins die one by one", ORIGIN, 9, "d", "00", RETRY_ALLOWED, 0, false },
    { "GET: count", 0, 2, "tt", "00", RETRY_DENIED_COUNT, 504, false },
    { "lacks do not count", 0, 1, "nn", "012", RETRY_ALLOWED, 0, false },
    { "who rests is asked again when nobody else is left", POST, 9, "zzNn", "01201", RETRY_ALLOWED,
      0, false },
    { "who declined comes after who has not", 0, 9, "Ncnz", "01120", RETRY_ALLOWED, 0, false },
    { "all rest, then nothing comes", POST, 9, "zzzaaa", "012012", RETRY_DENIED_NOWHERE, 503,
      true },
    { "resting origins are left for the next region", POST | ORIGIN, 9, "z", "01", RETRY_ALLOWED, 0,
      false },
    { "backbone: resting origins are told of", BACKBONE | ORIGIN, 9, "z", "0", RETRY_DENIED_HOP,
      503, true },
    { "backbone: another instance", BACKBONE, 9, "r", "00", RETRY_ALLOWED, 0, false },
    { "backbone: no other region", BACKBONE, 9, "ccc", "000", RETRY_DENIED_HOP, 503, true },
    { "backbone: a refusal is passed back", BACKBONE, 9, "N", "0", RETRY_DENIED_HOP, 503, true },
    { "backbone: a lack is passed back", BACKBONE, 9, "n", "0", RETRY_DENIED_HOP, 503, true },
    { "backbone: failed without proof", BACKBONE, 9, "rcc", "000", RETRY_DENIED_HOP, 503, false },
    { "no budget", SPENT, 9, "R", "0", RETRY_DENIED_BUDGET, 503, true },
    { "no budget, nothing sent", SPENT, 9, "cnN", "0012", RETRY_ALLOWED, 0, false },
    { "content gone", BIG, 9, "R", "0", RETRY_DENIED_BODY, 503, true },
};

static void play(const struct row *row)
{
    struct attempt_target targets[TARGETS] = {
        { .is_origin = (row->flags & ORIGIN) != 0, .region = { 0 } },
        { .region = { 1 } },
        { .region = { 2 } },
    };
    struct attempts_settings settings = {
        .targets = targets,
        .target_count = row->flags & ONE ? 1 : TARGETS,
        .is_idempotent = (row->flags & POST) == 0,
        .retries_status = (row->flags & OPTED) != 0,
        .is_over_backbone = (row->flags & BACKBONE) != 0,
        .max = row->max,
    };
    struct retry_budget budgets[TARGETS];
    for (size_t i = 0; i < TARGETS; i++)
        budgets[i] = retry_budget_init(0, row->flags & SPENT ? 0 : 10, NOW_MS);
    struct attempts attempts;
    attempts_init(&attempts, &settings);
    struct attempts_facts facts = { NOW_MS, true, budgets };
    struct attempt_step step = attempts_next(&attempts, &facts);
    for (uint32_t i = 0; row->targets[i] != '\0'; i++) {
        assert_true(step.is_attempt);
        assert_int_equal(step.target.region.n, row->targets[i] - '0');
        if (row->events[i] == '\0')
            break;
        struct attempt_record record = event_of(row->events[i], i);
        attempts_record(&attempts, &record);
        facts.can_replay = (row->flags & BIG) == 0;
        step = attempts_next(&attempts, &facts);
    }
    assert_int_equal(step.is_attempt, row->denial == RETRY_ALLOWED);
    if (row->denial == RETRY_ALLOWED)
        return;
    assert_string_equal(retry_denial_name(step.denial), retry_denial_name(row->denial));
    assert_int_equal(step.status, row->status);
    assert_int_equal(step.is_unprocessed, row->is_unprocessed);
}

static void test_next_follows_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].what);
        play(&rows[i]);
    }
}

/* Each attempt's digit, and '!' behind a last resort. */
static void test_next_says_when_nobody_else_is_left(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned flags;
        bool is_told; /* by the hop before */
        const char *events, *expected;
    } stories[] = {
        { "one region", ONE, false, "ccc", "0!0!0!" },
        { "the last that has not declined", 0, false, "NNNN", "012!0!1!" },
        { "those that rest, too", 0, false, "zzzzz", "012!0!1!2!" },
        { "an instance that failed leaves hope", 0, false, "RRR", "0001" },
        { "a lack leaves none", 0, false, "nnNN", "012!2!2!" },
        { "hope is left behind", 0, false, "dNNR", "0120!0!" },
        { "backbone: not ours to know", BACKBONE, false, "cc", "000" },
        { "backbone: told so", BACKBONE, true, "cc", "0!0!0!" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
        const struct attempt_target targets[] = { { .region = { 0 } },
                                                  { .region = { 1 } },
                                                  { .region = { 2 } } };
        struct attempts attempts;
        attempts_init(&attempts, &(struct attempts_settings){
                                     .targets = targets,
                                     .target_count = stories[i].flags & ONE ? 1 : TARGETS,
                                     .is_idempotent = true,
                                     .is_over_backbone = (stories[i].flags & BACKBONE) != 0,
                                     .is_last_resort = stories[i].is_told,
                                     .max = 16,
                                 });
        const struct attempts_facts facts = { .now_ms = NOW_MS, .can_replay = true };
        char told[2 * ATTEMPTS_MAX + 1] = "";
        size_t len = 0;
        struct attempt_step step = attempts_next(&attempts, &facts);
        for (uint32_t turn = 0; step.is_attempt; turn++) {
            told[len++] = (char)('0' + step.target.region.n);
            if (step.is_last_resort)
                told[len++] = '!';
            if (stories[i].events[turn] == '\0')
                break;
            struct attempt_record record = event_of(stories[i].events[turn], turn);
            attempts_record(&attempts, &record);
            step = attempts_next(&attempts, &facts);
        }
        print_message("%s\n", stories[i].what);
        assert_string_equal(told, stories[i].expected);
    }
}

static struct attempts start(const struct attempts_settings *settings)
{
    struct attempts attempts;
    attempts_init(&attempts, settings);
    return attempts;
}

static const struct attempt_target two[] = { { .region = { 0 } }, { .region = { 1 } } };

static void test_next_without_targets(void **state)
{
    (void)state;
    struct attempts attempts = start(&(struct attempts_settings){ .max = 3 });
    struct attempts_facts facts = { .now_ms = NOW_MS };
    struct attempt_step step = attempts_next(&attempts, &facts);
    assert_false(step.is_attempt);
    assert_int_equal(step.status, 503);
    assert_true(step.is_unprocessed);
    attempts = start(&(struct attempts_settings){ .max = 3, .is_loop = true });
    assert_int_equal(attempts_next(&attempts, &facts).status, 508);
}

static void test_next_heeds_deadline(void **state)
{
    (void)state;
    struct attempts_settings settings = {
        .targets = two, .target_count = 2, .max = 5, .deadline_ms = NOW_MS + 100, .min_try_ms = 50
    };
    static const struct {
        uint64_t first_ms, then_ms;
        bool is_first, is_second;
    } times[] = {
        { 0, 50, true, true },
        { 0, 51, true, false },
        { 99, 0, true, true }, /* the first needs no minimum */
        { 100, 0, false, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        struct attempts attempts = start(&settings);
        struct attempts_facts facts = { NOW_MS + times[i].first_ms, true, NULL };
        struct attempt_step step = attempts_next(&attempts, &facts);
        assert_int_equal(step.is_attempt, times[i].is_first);
        if (!times[i].is_first) {
            assert_int_equal(step.status, 504);
            continue;
        }
        attempts_record(&attempts, &(struct attempt_record){ .cause = ATTEMPT_CONNECT });
        facts.now_ms = NOW_MS + times[i].then_ms;
        step = attempts_next(&attempts, &facts);
        assert_int_equal(step.is_attempt, times[i].is_second);
        assert_true(step.is_attempt || step.denial == RETRY_DENIED_DEADLINE);
    }
}

static void test_next_after_start_is_denied(void **state)
{
    (void)state;
    struct attempts attempts = start(
        &(struct attempts_settings){ .targets = two, .target_count = 2, .is_idempotent = true });
    struct attempts_facts facts = { .now_ms = NOW_MS, .can_replay = true };
    attempts_next(&attempts, &facts);
    attempts.is_started = true;
    attempts_record(&attempts, &(struct attempt_record){ .cause = ATTEMPT_REFUSED });
    struct attempt_step step = attempts_next(&attempts, &facts);
    assert_int_equal(step.denial, RETRY_DENIED_STARTED);
    assert_false(step.is_unprocessed);
}

/* A hop's first is the one that brought the request here; its retries count on from there. */
static void test_next_numbers_over_hops(void **state)
{
    (void)state;
    static const struct {
        uint32_t used, max, first, second;
    } hops[] = { { 0, 3, 1, 2 }, { 1, 3, 1, 2 }, { 2, 3, 2, 3 }, { 3, 3, 3, 0 }, { 9, 3, 9, 0 } };
    for (size_t i = 0; i < ARRAY_SIZE(hops); i++) {
        struct attempts attempts = start(&(struct attempts_settings){
            .targets = two, .target_count = 2, .max = hops[i].max, .used = hops[i].used });
        struct attempts_facts facts = { .now_ms = NOW_MS, .can_replay = true };
        struct attempt_step step = attempts_next(&attempts, &facts);
        assert_int_equal(step.number, hops[i].first);
        attempts_record(&attempts, &(struct attempt_record){ .cause = ATTEMPT_REFUSED });
        step = attempts_next(&attempts, &facts);
        assert_int_equal(step.is_attempt ? step.number : 0, hops[i].second);
    }
}

static void set_tokens(struct retry_budget *budget, uint64_t milli_tokens)
{
    budget->milli_tokens = milli_tokens;
}

static void test_wants_retry_of_statuses(void **state)
{
    (void)state;
    static const struct {
        uint16_t status;
        bool is_idempotent, is_opted, is_wanted;
    } statuses[] = {
        { 200, true, true, false },  { 500, true, true, false },  { 404, true, true, false },
        { 502, true, true, true },   { 503, true, true, true },   { 504, true, true, true },
        { 503, true, false, false }, { 503, false, true, false }, { 421, false, false, true },
        { 425, true, true, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        struct attempts attempts =
            start(&(struct attempts_settings){ .targets = two,
                                               .target_count = 2,
                                               .max = 2,
                                               .is_idempotent = statuses[i].is_idempotent,
                                               .retries_status = statuses[i].is_opted });
        struct retry_budget budgets[2] = { retry_budget_init(0, 1, NOW_MS) };
        set_tokens(&budgets[0], 1000);
        struct attempts_facts facts = { NOW_MS, true, budgets };
        attempts_next(&attempts, &facts);
        assert_int_equal(attempts_wants_retry_of(&attempts, statuses[i].status, &facts),
                         statuses[i].is_wanted);
        assert_int_equal(retry_budget_tokens(&budgets[0]), 1); /* asking costs nothing */
        set_tokens(&budgets[0], 999);
        assert_false(attempts_wants_retry_of(&attempts, statuses[i].status, &facts));
        /* What it promises is what attempts_next then does. */
        if (!statuses[i].is_wanted)
            continue;
        set_tokens(&budgets[0], 1000);
        attempts_record(&attempts, &(struct attempt_record){ .cause = statuses[i].status == 421
                                                                          ? ATTEMPT_STATUS_421
                                                                          : ATTEMPT_STATUS });
        assert_true(attempts_next(&attempts, &facts).is_attempt);
        assert_false(attempts_wants_retry_of(&attempts, statuses[i].status, &facts)); /* max */
    }
}

/* A pool of one server: what its keep-alive race costs is one try, not the request. */
static void test_tried_leaves_out_who_is_not_at_fault(void **state)
{
    (void)state;
    struct attempts attempts = start(&(struct attempts_settings){
        .targets = two, .target_count = 1, .max = 9, .is_idempotent = true });
    struct attempts_facts facts = { .now_ms = NOW_MS, .can_replay = true };
    uint32_t peers[4];
    attempts_next(&attempts, &facts);
    attempts_record(&attempts, &(struct attempt_record){
                                   .cause = ATTEMPT_CLOSED, .peer = 7, .is_stale = true });
    assert_true(attempts_next(&attempts, &facts).is_attempt);
    assert_int_equal(attempts_tried(&attempts, peers, 4), 0);
}

static void test_tried_is_of_present_target(void **state)
{
    (void)state;
    struct attempts attempts = start(&(struct attempts_settings){
        .targets = two, .target_count = 2, .max = 9, .is_idempotent = true });
    struct attempts_facts facts = { .now_ms = NOW_MS, .can_replay = true };
    static const struct {
        enum attempt_cause cause;
        uint32_t peer;
    } tries[] = { { ATTEMPT_RESET, 7 }, { ATTEMPT_CLOSED, 8 }, { ATTEMPT_RESET, 21 } };
    uint32_t peers[4];
    attempts_next(&attempts, &facts);
    assert_int_equal(attempts_tried(&attempts, peers, 4), 0);
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        attempts_record(&attempts,
                        &(struct attempt_record){ .cause = tries[i].cause, .peer = tries[i].peer });
        assert_true(attempts_next(&attempts, &facts).is_attempt);
    }
    assert_int_equal(attempts_tried(&attempts, peers, 4), 1); /* in region 1 */
    assert_int_equal(peers[0], 21);
    assert_int_equal(attempts_tried(&attempts, peers, 0), 0);
}

static void test_cause_of_outcomes(void **state)
{
    (void)state;
    for (unsigned error = HTTP_ERROR_CANCELLED; error <= HTTP_ERROR_INTERNAL; error++) {
        /* Proof of the codec must never get lost, and never be invented. */
        enum attempt_cause proven = attempt_cause_of((enum http_error)error, true);
        enum attempt_cause unproven = attempt_cause_of((enum http_error)error, false);
        assert_true(attempt_cause_is_proof(proven));
        bool is_refusal = error == HTTP_ERROR_REFUSED || error == HTTP_ERROR_GOAWAY;
        assert_int_equal(attempt_cause_is_proof(unproven), is_refusal);
    }
    assert_int_equal(attempt_cause_of(HTTP_ERROR_NONE, false), ATTEMPT_NONE);
    assert_int_equal(attempt_cause_of(HTTP_ERROR_TIMEOUT, false), ATTEMPT_PING_TIMEOUT);
    assert_int_equal(attempt_cause_of(HTTP_ERROR_CLOSED, false), ATTEMPT_CLOSED);
}

static void test_names_are_all_there(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= ATTEMPT_GATEWAY; i++)
        assert_non_null(attempt_cause_name((enum attempt_cause)i));
    for (unsigned i = 0; i <= RETRY_DENIED_POISON; i++)
        assert_non_null(retry_denial_name((enum retry_denial)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_follows_table),
        cmocka_unit_test(test_next_says_when_nobody_else_is_left),
        cmocka_unit_test(test_next_without_targets),
        cmocka_unit_test(test_next_heeds_deadline),
        cmocka_unit_test(test_next_after_start_is_denied),
        cmocka_unit_test(test_next_numbers_over_hops),
        cmocka_unit_test(test_wants_retry_of_statuses),
        cmocka_unit_test(test_tried_leaves_out_who_is_not_at_fault),
        cmocka_unit_test(test_tried_is_of_present_target),
        cmocka_unit_test(test_cause_of_outcomes),
        cmocka_unit_test(test_names_are_all_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
