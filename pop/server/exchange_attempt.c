/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt after the other: a connection, the request on it, and what its outcome means. */
#include <assert.h>
#include <string.h>

#include "pop/server/exchange_priv.h"
#include "steering/base/clock.h"
#include "steering/base/mem.h"

enum {
    NS_PER_US = 1000,
    NS_PER_MS = 1000000,
    DECLINE_MS = 1000, /* of a region; it is forgotten sooner when our document changes */
};

static struct attempts_facts facts_of(const struct exchange *exchange)
{
    const struct http_server_stream *client = exchange->client;
    return (struct attempts_facts){
        .now_ms = exchange->worker->io.now_ms,
        .can_replay = !client->has_body || pipe_can_rewind(&client->body),
        .budgets = exchange->worker->budgets,
    };
}

static void count_denial(struct tally *tally, enum retry_denial denial)
{
    static const enum tally_id ids[] = {
        [RETRY_DENIED_BUDGET] = TALLY_DENIED_BUDGET,
        [RETRY_DENIED_METHOD] = TALLY_DENIED_METHOD,
        [RETRY_DENIED_BODY] = TALLY_DENIED_BODY,
        [RETRY_DENIED_DEADLINE] = TALLY_DENIED_DEADLINE,
        [RETRY_DENIED_STARTED] = TALLY_DENIED_STARTED,
        [RETRY_DENIED_COUNT] = TALLY_DENIED_OTHER,
        [RETRY_DENIED_NOWHERE] = TALLY_DENIED_OTHER,
        [RETRY_DENIED_HOP] = TALLY_DENIED_OTHER,
        [RETRY_DENIED_POISON] = TALLY_DENIED_OTHER,
    };
    if (denial != RETRY_ALLOWED)
        tally_add(tally, ids[denial]);
}

/* ---- what follows a failure ------------------------------------------------------------------ */

static void record(struct exchange *exchange, enum attempt_cause cause, bool is_proof,
                   uint16_t status)
{
    const struct exchange_try *try = exchange->try;
    uint64_t now_ns = clock_monotonic_ns();
    struct attempt_record made = {
        .peer = try == NULL ? UINT32_MAX : try->lease.peer,
        .cause = cause,
        .is_proof = is_proof,
        /* The only origin server of a region may be asked again, on another connection. */
        .is_stale = cause == ATTEMPT_CLOSED && exchange->target.is_origin && try != NULL &&
                    try->lease.is_reused,
        .status = status,
        .started_ms = exchange->asked_ns / NS_PER_MS,
        .took_us = (now_ns - exchange->asked_ns) / NS_PER_US,
    };
    size_t at = exchange->attempts.count;
    attempts_record(&exchange->attempts, &made);
    exchange->peer_names[at] = try == NULL ? NULL : try->lease.peer_name;
    exchange->waited_ns += now_ns - exchange->asked_ns;
    struct tally *tally = exchange->worker->tally;
    if (cause != ATTEMPT_NONE)
        tally_add(tally, exchange->attempts.records[at].is_proof ? TALLY_ATTEMPT_FAILS_PROOF
                                                                 : TALLY_ATTEMPT_FAILS_NO_PROOF);
}

void exchange_fail(struct exchange *exchange, enum attempt_cause cause, bool is_proof,
                   uint16_t status)
{
    static const enum http_error errors[] = {
        [ATTEMPT_TRY_TIMEOUT] = HTTP_ERROR_TIMEOUT,
        [ATTEMPT_STATUS_421] = HTTP_ERROR_NONE,
    };
    record(exchange, cause, is_proof, status);
    enum http_error error = (size_t)cause < ARRAY_SIZE(errors) ? errors[cause] : HTTP_ERROR_NONE;
    exchange_abandon_try(exchange, error, false);
    exchange_next(exchange);
}

void exchange_expire(struct exchange *exchange)
{
    static const struct hop_refusal refusal = { .status = 504,
                                                .error = "http_response_timeout",
                                                .details = "deadline" };
    tally_add(exchange->worker->tally, TALLY_DEADLINE_EXCEEDED);
    upstream_cancel(&exchange->waiter);
    if (exchange->state == EXCHANGE_ACQUIRING) {
        record(exchange, ATTEMPT_ACQUIRE_TIMEOUT, true, 0);
    } else {
        record(exchange, ATTEMPT_TRY_TIMEOUT, !exchange->try->stream->is_produced, 0);
        exchange_abandon_try(exchange, HTTP_ERROR_TIMEOUT, false);
    }
    exchange_refuse(exchange, &refusal);
}

/* May an HTTP/2 client learn by REFUSED_STREAM that it can repeat the request itself? Only when a
 * peer said so; where nobody could be asked, a 503 with Retry-After spreads what follows. */
static bool is_refusal_passed_on(const struct exchange *exchange, const struct attempt_step *step)
{
    return step->is_unprocessed && step->cause == ATTEMPT_REFUSED &&
           !exchange->origin.is_backbone && exchange->version == HTTP_2;
}

void exchange_give_up(struct exchange *exchange, const struct attempt_step *step)
{
    count_denial(exchange->worker->tally, step->denial);
    if (step->status == 508)
        tally_add(exchange->worker->tally, TALLY_LOOPS);
    if (step->denial == RETRY_DENIED_DEADLINE)
        tally_add(exchange->worker->tally, TALLY_DEADLINE_EXCEEDED);
    if (is_refusal_passed_on(exchange, step)) {
        exchange_reset(exchange, HTTP_ERROR_REFUSED, attempt_cause_name(step->cause));
        return;
    }
    struct hop_refusal refusal = {
        .status = step->status,
        .error = hop_proxy_error(step->cause),
        .details = attempt_cause_name(step->cause),
        .is_unprocessed = step->is_unprocessed,
        .retry_after_s = step->status == 503 ? 1 : 0,
    };
    if (step->status == 508) {
        refusal.error = "proxy_loop_detected";
    } else if (step->denial == RETRY_DENIED_DEADLINE) {
        refusal.error = "connection_timeout";
        refusal.details = "deadline";
    } else if (exchange->is_websocket_lack) {
        refusal.status = 502;
        refusal.error = "http_upgrade_failed";
        refusal.details = "websocket";
        refusal.retry_after_s = 0;
    }
    exchange_refuse(exchange, &refusal);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The lease is of no use: with what this hop adds, the head has too many fields. */
static void give_back(struct exchange *exchange, const struct upstream_lease *lease)
{
    static const struct hop_refusal refusal = { .status = 431, .details = "too_many_fields" };
    struct upstream_result result = { .is_client_fault = true, .load_percent = UINT32_MAX };
    upstream_done(exchange->worker->upstream, lease, &result);
    exchange_refuse(exchange, &refusal);
}

static void send_request(struct exchange *exchange, const struct upstream_lease *lease)
{
    struct http_server_stream *client = exchange->client;
    struct hop_out out;
    exchange_hop_out(exchange, &out);
    struct http_head head = { .content_length = -1 };
    if (!hop_make_request(&client->request, &out, &client->arena, &head)) {
        give_back(exchange, lease);
        return;
    }
    struct exchange_try *try = exchange_take_try(exchange);
    exchange->try = try;
    try->lease = *lease;
    struct pipe *body = client->has_body ? &client->body : NULL;
    if (body != NULL && exchange->attempts.count > 0)
        pipe_rewind(body);
    uint64_t now_ms = exchange->worker->io.now_ms;
    exchange->state = EXCHANGE_SENT;
    exchange->sent_ns = clock_monotonic_ns();
    exchange->try_due_ms = now_ms + exchange->route->try_ms;
    tally_add(exchange->worker->tally, TALLY_ATTEMPTS);
    try->stream = http_client_request(lease->session, &head, body, try);
    exchange_watch(exchange);
}

static void on_lease(struct upstream_waiter *waiter, const struct upstream_lease *lease)
{
    struct exchange *exchange = container_of(waiter, struct exchange, waiter);
    exchange_hold(exchange);
    send_request(exchange, lease);
    exchange_let_go(exchange);
}

static void on_lack(struct upstream_waiter *waiter, enum upstream_lack lack)
{
    static const enum attempt_cause causes[] = {
        [UPSTREAM_NO_PEER] = ATTEMPT_NO_PEER,
        [UPSTREAM_RESTING] = ATTEMPT_RESTING,
        [UPSTREAM_FULL] = ATTEMPT_FULL,
        [UPSTREAM_TIMEOUT] = ATTEMPT_ACQUIRE_TIMEOUT,
        [UPSTREAM_NO_WEBSOCKET] = ATTEMPT_NO_PEER,
    };
    struct exchange *exchange = container_of(waiter, struct exchange, waiter);
    exchange_hold(exchange);
    exchange->is_websocket_lack = lack == UPSTREAM_NO_WEBSOCKET;
    exchange_fail(exchange, causes[lack], true, 0);
    exchange_let_go(exchange);
}

static void acquire(struct exchange *exchange, const struct attempt_step *step)
{
    struct attempt_target target = step->target;
    struct upstream_wish *wish = &exchange->waiter.wish;
    *wish = (struct upstream_wish){
        .target = { .is_origin = target.is_origin,
                    .region = target.region,
                    .origin = target.is_origin ? (size_t)exchange->route->origin : 0 },
        .settings = exchange->settings,
        .host = exchange->client->request.authority,
        .needs_websocket = exchange->client->is_upgrade,
        .is_last_resort = step->is_last_resort,
    };
    wish->tried_count = attempts_tried(&exchange->attempts, wish->tried, UPSTREAM_TRIED_MAX);
    exchange->waiter.on_lease = on_lease;
    exchange->waiter.on_lack = on_lack;
    exchange->state = EXCHANGE_ACQUIRING;
    exchange->asked_ns = clock_monotonic_ns();
    upstream_acquire(exchange->worker->upstream, &exchange->waiter);
}

static void count_retry(struct exchange *exchange, struct attempt_target target)
{
    const struct attempts *attempts = &exchange->attempts;
    if (attempts->count == 0)
        return;
    struct attempt_target last = attempts->records[attempts->count - 1].target;
    bool is_cross = last.is_origin != target.is_origin || !site_id_eq(last.region, target.region);
    tally_add(exchange->worker->tally, is_cross ? TALLY_RETRIES_CROSS : TALLY_RETRIES_SAME);
}

static void step_once(struct exchange *exchange)
{
    struct attempts_facts facts = facts_of(exchange);
    struct attempt_step step = attempts_next(&exchange->attempts, &facts);
    if (!step.is_attempt) {
        exchange_give_up(exchange, &step);
        return;
    }
    count_retry(exchange, step.target);
    exchange->number = step.number;
    exchange->target = step.target;
    acquire(exchange, &step);
}

/* A lack may be told from inside upstream_acquire: a loop instead of a recursion. */
void exchange_next(struct exchange *exchange)
{
    if (exchange->is_stepping) {
        exchange->steps_again = true;
        return;
    }
    exchange->is_stepping = true;
    do {
        exchange->steps_again = false;
        if (!exchange->is_client_closed)
            step_once(exchange);
    } while (exchange->steps_again);
    exchange->is_stepping = false;
}

/* ---- the peer's answer ----------------------------------------------------------------------- */

/* The region as a whole, and not only for this request. */
static void note_decline(const struct exchange *exchange, const struct http_head *response)
{
    struct exchanges *exchanges = exchange->exchanges;
    bool is_same_topology = exchange->settings->version == exchanges->settings_version;
    if (is_same_topology && hop_response_is_evacuated(response))
        exchanges->declined_until_ms[exchange->target.region.n] =
            exchange->worker->io.now_ms + DECLINE_MS;
}

static void judge(struct exchange *exchange, const struct http_head *response)
{
    struct attempts_facts facts = facts_of(exchange);
    uint16_t status = response->status;
    enum attempt_cause cause = hop_response_cause(response, !exchange->target.is_origin);
    if (cause == ATTEMPT_NOT_PROCESSED)
        note_decline(exchange, response);
    if (cause == ATTEMPT_NOT_PROCESSED || cause == ATTEMPT_GATEWAY) {
        exchange_fail(exchange, cause, cause == ATTEMPT_NOT_PROCESSED, status);
        return;
    }
    if (status >= 400 && attempts_wants_retry_of(&exchange->attempts, status, &facts)) {
        bool is_misdirected = cause == ATTEMPT_STATUS_421;
        exchange_fail(exchange, is_misdirected ? cause : ATTEMPT_STATUS, is_misdirected, status);
        return;
    }
    record(exchange, ATTEMPT_NONE, false, status);
    exchange->site = exchange->target.region;
    exchange_respond(exchange);
}

static void note_result(struct exchange_try *try, const struct exchange *exchange)
{
    const struct http_head *response = &try->stream->response;
    uint64_t now_ns = exchange->worker->io.now_ns;
    try->result.is_success = true;
    try->result.status = response->status;
    if (now_ns > exchange->sent_ns)
        try->result.first_byte_us = (now_ns - exchange->sent_ns) / NS_PER_US;
    try->result.load_percent = hop_response_load(response, !exchange->target.is_origin);
}

void exchange_on_response(void *stream_owner, struct http_client_stream *stream)
{
    struct exchange_try *try = stream_owner;
    struct exchange *exchange = try->exchange;
    if (exchange == NULL || exchange->is_client_closed)
        return;
    assert(try->stream == stream && exchange->state == EXCHANGE_SENT);
    exchange_hold(exchange);
    note_result(try, exchange);
    judge(exchange, &stream->response);
    exchange_watch(exchange);
    exchange_let_go(exchange);
}
