/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/exchange_priv.h"
#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/base/prefetch.h"

/* The id of this program in CDN-Loop. */
#define CDN_ID STR("steer")

/* ---- all exchanges of a worker --------------------------------------------------------------- */

struct exchanges *exchanges_new(struct worker *worker)
{
    struct exchanges *exchanges = mem_calloc(1, sizeof(*exchanges));
    exchanges->worker = worker;
    exchanges_refresh(exchanges);
    return exchanges;
}

void exchanges_free(struct exchanges *exchanges)
{
    if (exchanges == NULL)
        return;
    assert(exchanges->count == 0 && exchanges->try_count == 0);
    while (exchanges->free != NULL) {
        struct exchange *next = exchanges->free->next;
        free(exchanges->free);
        exchanges->free = next;
    }
    while (exchanges->free_tries != NULL) {
        struct exchange_try *next = exchanges->free_tries->next_free;
        free(exchanges->free_tries);
        exchanges->free_tries = next;
    }
    free(exchanges->maps);
    free(exchanges);
}

size_t exchanges_count(const struct exchanges *exchanges)
{
    return exchanges->count;
}

static uint64_t origin_capacity(const struct pop_node *node)
{
    enum { H2_STREAMS = 100 }; /* what a peer that says nothing allows at once */
    uint64_t capacity = 0;
    for (size_t i = 0; i < node->origin_count; i++) {
        const struct pop_origin *origin = &node->origins[i];
        uint64_t each = origin->protocol == POP_ORIGIN_HTTP2 ? H2_STREAMS : 1;
        capacity += each * origin->connections_max * origin->server_count;
    }
    return capacity;
}

void exchanges_refresh(struct exchanges *exchanges)
{
    const struct settings *settings = exchanges->worker->settings;
    if (exchanges->maps != NULL && exchanges->settings_version == settings->version)
        return;
    const struct pop_node *node = settings->node;
    const struct topology *topology = settings->world->topology;
    exchanges->settings_version = settings->version;
    exchanges->maps = mem_resize(exchanges->maps, node->route_count + 1, sizeof(long));
    for (size_t i = 0; i < node->route_count; i++)
        exchanges->maps[i] = topology_find_map(topology, str_from(node->routes[i].map));
    exchanges->capacity = origin_capacity(node);
    exchanges->site = topology_find_site(topology, str_from(node->site));
    exchanges_forget_declined(exchanges);
}

void exchanges_forget_declined(struct exchanges *exchanges)
{
    memset(exchanges->declined_until_ms, 0, sizeof(exchanges->declined_until_ms));
}

void exchanges_abort(struct exchanges *exchanges)
{
    static const struct hop_refusal refusal = { .status = 503,
                                                .error = "connection_limit_reached",
                                                .details = "shutting_down",
                                                .retry_after_s = 1 };
    struct exchange *next;
    for (struct exchange *exchange = exchanges->living; exchange != NULL; exchange = next) {
        next = exchange->next; /* ending one request never ends another */
        exchange_hold(exchange);
        if (exchange->client->is_responded)
            exchange_reset(exchange, HTTP_ERROR_CANCELLED, "shutting_down");
        else
            exchange_refuse(exchange, &refusal);
        exchange_let_go(exchange);
    }
}

/* ---- tries ----------------------------------------------------------------------------------- */

struct exchange_try *exchange_take_try(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    struct exchange_try *try = exchanges->free_tries;
    if (try != NULL) {
        exchanges->free_tries = try->next_free;
        exchanges->free_try_count--;
        prefetch_for_write(try->next_free);
    } else {
        try = mem_calloc(1, sizeof(*try));
    }
    *try = (struct exchange_try){ .exchange = exchange,
                                  .exchanges = exchanges,
                                  .result = { .load_percent = UINT32_MAX } };
    exchanges->try_count++;
    return try;
}

void exchange_give_try(struct exchange_try *try)
{
    struct exchanges *exchanges = try->exchanges;
    exchanges->try_count--;
    if (exchanges->free_try_count >= EXCHANGE_POOL_MAX) {
        free(try);
        return;
    }
    try->next_free = exchanges->free_tries;
    exchanges->free_tries = try;
    exchanges->free_try_count++;
}

void exchange_abandon_try(struct exchange *exchange, enum http_error error, bool is_client_fault)
{
    struct exchange_try *try = exchange->try;
    if (try == NULL)
        return;
    exchange->try = NULL;
    try->exchange = NULL;
    /* What still comes must not eat up the credit of the connection that others share. */
    pipe_detach(&try->stream->body);
    pipe_discard(&try->stream->body);
    if (try->is_closed) {
        http_client_release(try->stream);
        exchange_give_try(try);
        return;
    }
    try->result.is_client_fault = is_client_fault;
    if (try->result.error == HTTP_ERROR_NONE)
        try->result.error = error;
    http_client_cancel(try->stream, error == HTTP_ERROR_NONE ? HTTP_ERROR_CANCELLED : error);
}

/* ---- one exchange ---------------------------------------------------------------------------- */

static struct exchange *take_exchange(struct exchanges *exchanges)
{
    struct exchange *exchange = exchanges->free;
    if (exchange != NULL) {
        exchanges->free = exchange->next;
        exchanges->free_count--;
        prefetch_for_write(exchange->next);
        memset(exchange, 0, offsetof(struct exchange, attempts.records));
    } else {
        exchange = mem_calloc(1, sizeof(*exchange));
    }
    exchange->next = exchanges->living;
    if (exchange->next != NULL)
        exchange->next->previous = exchange;
    exchanges->living = exchange;
    exchanges->count++;
    return exchange;
}

static void give_exchange(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        exchanges->living = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    exchanges->count--;
    if (exchanges->free_count >= EXCHANGE_POOL_MAX) {
        free(exchange);
        return;
    }
    exchange->next = exchanges->free;
    exchanges->free = exchange;
    exchanges->free_count++;
}

static void finish(struct exchange *exchange)
{
    exchange->state = EXCHANGE_OVER;
    io_timer_stop(&exchange->worker->io, &exchange->timer);
    upstream_cancel(&exchange->waiter);
    exchange_account(exchange);
    /* After an early response the peer may still wait for the request: that is no fault. */
    enum http_error error = exchange->is_aborted ? HTTP_ERROR_CANCELLED : HTTP_ERROR_NONE;
    exchange_abandon_try(exchange, error, exchange->is_aborted);
    if (exchange->has_own_body)
        pipe_fini(&exchange->own_body);
    http_server_release(exchange->client);
    settings_unref(exchange->settings);
    give_exchange(exchange);
}

void exchange_hold(struct exchange *exchange)
{
    exchange->holds++;
}

void exchange_let_go(struct exchange *exchange)
{
    assert(exchange->holds > 0);
    if (--exchange->holds == 0 && exchange->is_client_closed)
        finish(exchange);
}

static void identify(struct exchange *exchange)
{
    struct rng *rng = &exchange->worker->rng;
    if (exchange->hop.request_id.len == 0) {
        str_put_hex(rng_next(rng), exchange->fresh_id);
        str_put_hex(rng_next(rng), exchange->fresh_id + 16);
        exchange->hop.request_id = (struct str){ .ptr = exchange->fresh_id, .len = 32 };
    }
    hop_traceparent(exchange->hop.traceparent, rng_next(rng), rng_next(rng), rng_next(rng),
                    exchange->traceparent);
}

static void start_clock(struct exchange *exchange)
{
    uint64_t now_ms = exchange->worker->io.now_ms;
    exchange->begun_ns = clock_monotonic_ns();
    exchange->begun_ms = exchange->moved_ms = exchange->up_ms = exchange->down_ms = now_ms;
    exchange->request_pace = exchange->response_pace = pace_init(now_ms);
    /* Until a route says otherwise: refusals do not wait for anybody. */
    exchange->deadline_ms = UINT64_MAX;
}

void exchange_begin(struct exchanges *exchanges, struct http_server_stream *stream,
                    const struct exchange_origin *origin)
{
    struct worker *worker = exchanges->worker;
    exchanges_refresh(exchanges);
    struct exchange *exchange = take_exchange(exchanges);
    exchange->exchanges = exchanges;
    exchange->worker = worker;
    exchange->settings = settings_ref(worker->settings);
    exchange->client = stream;
    exchange->version = stream->session->version;
    exchange->origin = *origin;
    exchange->origin.server_name = STR("");
    exchange->first = exchange->site = SITE_NONE;
    exchange->site = SITE_NONE;
    stream->owner = exchange;
    tally_add(worker->tally, TALLY_REQUESTS);
    tally_add(worker->tally, TALLY_STREAMS);
    start_clock(exchange);
    hop_read(&stream->request, origin->is_backbone, &origin->peer, CDN_ID, &exchange->hop);
    addr_format(&exchange->hop.client, exchange->client_text);
    identify(exchange);

    exchange_hold(exchange);
    struct hop_refusal refusal = { 0 };
    if (exchange_route(exchange, &refusal)) {
        if (stream->has_body && !stream->is_upgrade)
            pipe_retain(&stream->body, exchange->settings->node->limits.replay_bytes);
        exchange_watch_length(exchange);
        exchange_next(exchange);
    } else {
        exchange_refuse(exchange, &refusal);
    }
    exchange_watch(exchange);
    exchange_let_go(exchange);
}

/* How a response was cut. A stream knows only that its connection was closed, which may tell why.
 */
static const char *cut_name(const struct exchange_try *try, enum http_error error)
{
    bool is_ping_dead = !try->is_closed && upstream_is_ping_dead(&try->lease);
    return is_ping_dead ? attempt_cause_name(ATTEMPT_PING_TIMEOUT) : http_error_name(error);
}

/* What to blame when the client's side ends with an error that we did not cause. */
static void blame(struct exchange *exchange)
{
    const struct exchange_try *try = exchange->try;
    bool is_truncated = try != NULL && try->stream->body.is_broken;
    if (exchange->cause != NULL)
        return;
    if (is_truncated) {
        exchange->cause = cut_name(try, try->stream->body.error);
        return;
    }
    exchange->is_aborted = true;
    exchange->cause = "client_abort";
    tally_add(exchange->worker->tally, TALLY_CLIENT_ABORTS);
}

void exchange_client_lost(void *stream_owner, const char *cause)
{
    struct exchange *exchange = stream_owner;
    if (exchange->cause != NULL)
        return;
    exchange->is_aborted = true;
    exchange->cause = cause;
}

/* cppcheck-suppress constParameter ; an event's signature, and the stream does change */
void exchange_client_closed(void *stream_owner, struct http_server_stream *stream,
                            enum http_error error)
{
    struct exchange *exchange = stream_owner;
    assert(exchange->client == stream && !exchange->is_client_closed);
    exchange_hold(exchange);
    exchange->is_client_closed = true;
    if (error != HTTP_ERROR_NONE)
        blame(exchange);
    exchange_let_go(exchange);
}

/* ---- events of the peer's stream ------------------------------------------------------------- */

void exchange_on_inform(void *stream_owner, struct http_client_stream *stream,
                        const struct http_head *head)
{
    const struct exchange_try *try = stream_owner;
    struct exchange *exchange = try->exchange;
    (void)stream;
    if (exchange == NULL || exchange->state != EXCHANGE_SENT)
        return;
    exchange_hold(exchange);
    exchange_inform(exchange, head);
    exchange_let_go(exchange);
}

void exchange_on_closed(void *stream_owner, struct http_client_stream *stream,
                        struct http_outcome outcome)
{
    struct exchange_try *try = stream_owner;
    struct exchange *exchange = try->exchange;
    if (exchange != NULL) /* else it was cancelled, and why is noted */
        try->result.error = outcome.error;
    bool is_ping_dead = upstream_is_ping_dead(&try->lease);
    const char *cut = cut_name(try, outcome.error);
    upstream_done(try->exchanges->worker->upstream, &try->lease, &try->result);
    try->is_closed = true;
    if (exchange == NULL) {
        http_client_release(stream);
        exchange_give_try(try);
        return;
    }
    exchange_hold(exchange);
    if (exchange->state == EXCHANGE_SENT) {
        enum http_error error = is_ping_dead ? HTTP_ERROR_TIMEOUT : outcome.error;
        if (error == HTTP_ERROR_NONE)
            error = HTTP_ERROR_PROTOCOL; /* an end without a response */
        enum attempt_cause cause = attempt_cause_of(error, outcome.is_unprocessed);
        bool is_proof = outcome.is_unprocessed || attempt_cause_is_proof(cause);
        exchange_fail(exchange, cause, is_proof, 0);
    } else {
        if (outcome.error != HTTP_ERROR_NONE && exchange->cause == NULL)
            exchange->cause = cut;
        /* An early response: nobody reads the rest of the request, but a client that does not
         * listen before it has sent everything must not wait for ever. */
        if (!pipe_is_finished(&exchange->client->body)) {
            pipe_detach(&exchange->client->body);
            pipe_discard(&exchange->client->body);
        }
    }
    exchange_let_go(exchange);
}
