/* SPDX-License-Identifier: Apache-2.0 */
/* What the client gets: the peer's response, or one of our own. */
#include <assert.h>

#include "pop/server/exchange_priv.h"
#include "steering/base/clock.h"

/* With one candidate from the start the next hop knows by itself. */
static bool is_told_to_persist(const struct exchange *exchange)
{
    return exchange->waiter.wish.is_last_resort &&
           (exchange->hop.is_last_resort || exchange->attempts.settings.target_count > 1);
}

void exchange_hop_out(const struct exchange *exchange, struct hop_out *out)
{
    const struct pop_node *node = exchange->settings->node;
    uint64_t now_ms = exchange->worker->io.now_ms;
    uint64_t deadline_ms = exchange->deadline_ms;
    *out = (struct hop_out){
        .to_backbone = !exchange->target.is_origin,
        .in = &exchange->hop,
        .client_text = str_from(exchange->client_text),
        .is_https = exchange->origin.is_https,
        .pseudonym = str_from(node->site),
        .cdn_id = STR("steer"),
        .site = str_from(node->site),
        .is_region = node->role == POP_ROLE_GATEWAY,
        .map = exchange->map_name,
        .attempt = exchange->number,
        .deadline_ms_left = deadline_ms > now_ms ? deadline_ms - now_ms : 1,
        .is_last_resort = is_told_to_persist(exchange),
        .request_id = exchange->hop.request_id,
        .traceparent = { .ptr = exchange->traceparent, .len = TRACEPARENT_LEN },
        .from = exchange->version == HTTP_2 ? HOP_FROM_H2 : HOP_FROM_H1,
    };
}

/* How much of what our origins may be given at once is in use; 0: unknown. */
uint32_t exchange_load_percent(const struct exchanges *exchanges)
{
    if (exchanges->capacity == 0)
        return 0;
    uint64_t percent = exchanges->count * 100 / exchanges->capacity;
    return percent > 100 ? 100 : percent == 0 ? 1 : (uint32_t)percent;
}

/* Towards the client. */
static void hop_back(const struct exchange *exchange, struct hop_out *out)
{
    exchange_hop_out(exchange, out);
    out->to_backbone = exchange->origin.is_backbone;
    if (out->is_region)
        out->load_percent = exchange_load_percent(exchange->exchanges);
}

void exchange_inform(struct exchange *exchange, const struct http_head *head)
{
    struct hop_out out;
    struct http_head passed = { .content_length = -1 };
    if (exchange->client->is_responded || exchange->is_client_closed)
        return;
    exchange->is_continued |= head->status == 100;
    hop_back(exchange, &out);
    out.load_percent = 0;
    if (hop_make_response(head, &out, &exchange->client->arena, &passed))
        http_server_inform(exchange->client, &passed);
}

/* ---- the peer's response --------------------------------------------------------------------- */

static void count_response(struct exchange *exchange, uint16_t status)
{
    static const enum tally_id classes[] = { TALLY_STATUS_1XX_ORIGIN, TALLY_STATUS_2XX_ORIGIN,
                                             TALLY_STATUS_3XX_ORIGIN, TALLY_STATUS_4XX_ORIGIN,
                                             TALLY_STATUS_5XX_ORIGIN };
    exchange->status = status;
    exchange->responded_ns = clock_monotonic_ns();
    if (status >= 100 && status < 600)
        tally_add(exchange->worker->tally, classes[status / 100 - 1]);
}

void exchange_respond(struct exchange *exchange)
{
    struct http_server_stream *client = exchange->client;
    struct http_client_stream *peer = exchange->try->stream;
    struct http_head head = { .content_length = -1 };
    struct hop_out out;
    hop_back(exchange, &out);
    if (!hop_make_response(&peer->response, &out, &client->arena, &head)) {
        struct hop_refusal refusal = { .status = 502,
                                       .error = "http_response_header_section_size",
                                       .details = "too_many_fields" };
        exchange_refuse(exchange, &refusal);
        return;
    }
    uint16_t status = peer->response.status;
    exchange->attempts.is_started = true;
    exchange->state = EXCHANGE_RESPONDING;
    pipe_forget(&client->body);
    count_response(exchange, status);
    if (client->is_upgrade && status >= 200 && status < 300) {
        exchange->state = EXCHANGE_TUNNEL;
        exchange->is_tunnel = true;
        tally_add(exchange->worker->tally, TALLY_TUNNELS);
    }
    bool has_body = http_response_has_body(client->request.method, status) ||
                    exchange->state == EXCHANGE_TUNNEL;
    http_server_respond(client, &head, has_body ? &peer->body : NULL);
}

/* ---- our own --------------------------------------------------------------------------------- */

static void write_own_body(struct exchange *exchange, struct str text)
{
    pipe_init(&exchange->own_body, &exchange->worker->pipes);
    exchange->has_own_body = true;
    pipe_write(&exchange->own_body, text.ptr, text.len);
    pipe_end(&exchange->own_body, NULL);
}

void exchange_refuse(struct exchange *exchange, const struct hop_refusal *refusal)
{
    struct http_server_stream *client = exchange->client;
    if (exchange->is_client_closed || exchange->is_ours)
        return;
    upstream_cancel(&exchange->waiter);
    exchange_abandon_try(exchange, HTTP_ERROR_CANCELLED, true);
    if (client->is_responded) {
        exchange_reset(exchange, HTTP_ERROR_INTERNAL, refusal->details);
        return;
    }
    struct hop_out out;
    struct http_head head = { .content_length = -1 };
    struct str body = STR("");
    hop_back(exchange, &out);
    hop_make_refusal(refusal, &out, &client->arena, &head, &body);
    const char *server = exchange->settings->node->server_header;
    if (server != NULL && server[0] != '\0')
        http_head_add(&head, &client->arena, STR("server"), str_from(server));
    exchange->state = EXCHANGE_RESPONDING;
    exchange->attempts.is_started = true;
    exchange->is_ours = true;
    exchange->cause = refusal->details;
    count_response(exchange, refusal->status);
    tally_add(exchange->worker->tally, TALLY_RESPONSES_OURS);
    bool has_body = body.len > 0 && http_response_has_body(client->request.method, refusal->status);
    if (has_body)
        write_own_body(exchange, body);
    http_server_respond(client, &head, has_body ? &exchange->own_body : NULL);
    pipe_detach(&client->body);
    pipe_discard(&client->body); /* what the client still sends interests nobody */
}

void exchange_reset(struct exchange *exchange, enum http_error error, const char *cause)
{
    if (exchange->is_client_closed)
        return;
    if (exchange->cause == NULL)
        exchange->cause = cause;
    exchange->state = EXCHANGE_RESPONDING;
    exchange->attempts.is_started = true;
    upstream_cancel(&exchange->waiter);
    http_server_reset(exchange->client, error);
}
