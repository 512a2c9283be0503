/* SPDX-License-Identifier: Apache-2.0 */
/* Everything about the peers, as JSON. */
#include "pop/server/upstream_priv.h"
#include "steering/base/json.h"

static json_t *connections_of(const struct upstream_peer *peer)
{
    json_t *counts = json_object();
    for (unsigned state = 0; state < UPSTREAM_CONN_CLOSED; state++)
        json_set_count(counts, upstream_conn_state_name(state), peer->counts[state]);
    return counts;
}

static uint64_t streams_of(const struct upstream_peer *peer)
{
    uint64_t streams = 0;
    for (const struct upstream_conn *conn = peer->conns; conn != NULL; conn = conn->next)
        if (conn->session != NULL)
            streams += conn->session->open_streams;
    return streams;
}

static uint64_t left_ms(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

static void add_learned(json_t *row, const struct upstream_peer *peer, uint64_t now_ms)
{
    json_set_count(row, "rtt_us", peer->rtt.smoothed_us);
    json_set_count(row, "latency_us", (uint64_t)peer->choice.latency_us);
    if (peer->choice.load_percent != CHOICE_NO_LOAD)
        json_set_count(row, "load_percent", peer->choice.load_percent);
    json_object_set_new(row, "is_ejected", json_boolean(ejection_is_out(&peer->ejection, now_ms)));
    json_set_count(row, "ejected_ms_left", left_ms(peer->ejection.until_ms, now_ms));
    json_set_count(row, "failures_in_a_row", peer->ejection.failures);
    json_set_count(row, "connect_failures_in_a_row", peer->connect_failures);
    json_set_count(row, "retry_ms_left", left_ms(peer->next_try_ms, now_ms));
    if (peer->last_problem == NULL)
        return;
    json_set_str(row, "last_problem", str_from(peer->last_problem));
    json_set_count(row, "last_problem_ms_ago", now_ms - peer->last_problem_ms);
}

static json_t *row_of(const struct upstream_peer *peer, uint64_t now_ms)
{
    const struct upstream_pool *pool = peer->pool;
    json_t *row = json_object();
    json_set_str(row, "peer", str_from(peer->name));
    json_set_str(row, "kind", pool->is_origin ? STR("origin") : STR("gateway"));
    json_set_str(row, pool->is_origin ? "origin" : "region", str_from(pool->name));
    json_object_set_new(row, "is_configured", json_boolean(!peer->is_gone));
    json_object_set_new(row, "connections", connections_of(peer));
    json_set_count(row, "streams", streams_of(peer));
    json_set_count(row, "in_flight", peer->choice.in_flight);
    json_set_count(row, "requests", peer->requests);
    json_set_count(row, "failures", peer->failures);
    json_set_count(row, "connects_ok", peer->connects_ok);
    json_set_count(row, "connects_failed", peer->connects_failed);
    json_set_count(row, "ping_timeouts", peer->ping_timeouts);
    json_set_count(row, "goaways", peer->goaways);
    add_learned(row, peer, now_ms);
    if (!pool->is_origin) {
        json_set_count(row, "region_floor", pool->floor);
        json_set_count(row, "region_floor_deficit", pool->deficit);
    }
    return row;
}

json_t *upstream_status(const struct upstream *upstream)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < upstream->peer_count; i++) {
        const struct upstream_peer *peer = upstream->peers[i];
        if (!peer->is_gone || peer->conns != NULL)
            json_array_append_new(rows, row_of(peer, upstream_now_ms(upstream)));
    }
    return rows;
}
