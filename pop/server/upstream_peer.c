/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/upstream_peer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pop/server/upstream_priv.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"

enum { NAME_BYTES_MAX = 512 };

static struct upstream *upstream_of(const struct upstream_peer *peer)
{
    return peer->pool->upstream;
}

static char *make_name(const struct upstream_pool *pool, const struct addr *addr, uint16_t port)
{
    char text[ADDR_TEXT_MAX];
    struct buf name;
    buf_init(&name, NAME_BYTES_MAX);
    addr_format(addr, text);
    if (addr->family == ADDR_V6)
        buf_append_format(&name, "%s/[%s]:%u", pool->name, text, port);
    else
        buf_append_format(&name, "%s/%s:%u", pool->name, text, port);
    char *copy = mem_strdup(buf_text(&name));
    buf_fini(&name);
    return copy;
}

struct upstream_peer *upstream_peer_new(struct upstream_pool *pool, const struct addr *addr,
                                        uint16_t port, bool is_on_probation)
{
    static _Atomic uint32_t last_number; /* of all workers */
    struct upstream_peer *peer = mem_calloc(1, sizeof(*peer));
    peer->pool = pool;
    peer->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed);
    peer->name = make_name(pool, addr, port);
    peer->addr = *addr;
    peer->port = port;
    choice_init(&peer->choice, is_on_probation, upstream_now_ms(pool->upstream));
    return peer;
}

void upstream_peer_free(struct upstream_peer *peer)
{
    assert(peer->conns == NULL);
    free(peer->name);
    free(peer);
}

uint32_t upstream_peer_connecting(const struct upstream_peer *peer)
{
    return peer->counts[UPSTREAM_CONN_CONNECTING] + peer->counts[UPSTREAM_CONN_SETTINGS];
}

uint32_t upstream_peer_live(const struct upstream_peer *peer)
{
    return upstream_peer_connecting(peer) + peer->counts[UPSTREAM_CONN_WARM] +
           peer->counts[UPSTREAM_CONN_SUSPECT];
}

/* ---- finding a connection -------------------------------------------------------------------- */

/* Connections of TLS origins without a name of their own are for one host each. */
static bool fits(const struct upstream_conn *conn, const struct upstream_wish *wish)
{
    if (conn->host == NULL)
        return true;
    struct str host = upstream_wish_host(wish);
    return str_eq_nocase(str_from(conn->host), host);
}

static struct upstream_conn *find_idle(const struct upstream_peer *peer,
                                       const struct upstream_wish *wish)
{
    for (struct upstream_conn *conn = peer->idle; conn != NULL; conn = conn->idle_next)
        if (fits(conn, wish) && upstream_conn_room(conn) > 0)
            return conn;
    return NULL;
}

struct upstream_conn *upstream_peer_find(const struct upstream_peer *peer,
                                         const struct upstream_wish *wish, bool accepts_suspect)
{
    if (!peer->pool->how.is_http2)
        return find_idle(peer, wish);
    enum upstream_conn_state state = accepts_suspect ? UPSTREAM_CONN_SUSPECT : UPSTREAM_CONN_WARM;
    struct upstream_conn *best = NULL;
    if (peer->counts[state] == 0)
        return NULL;
    for (struct upstream_conn *conn = peer->conns; conn != NULL; conn = conn->next) {
        if (conn->state != state || upstream_conn_room(conn) == 0 || !fits(conn, wish))
            continue;
        if (wish->needs_websocket &&
            !http_client_ops_of(conn->session)->takes_websocket(conn->session))
            continue;
        if (best == NULL || conn->session->open_streams < best->session->open_streams)
            best = conn;
    }
    return best;
}

bool upstream_peer_may_connect(const struct upstream_peer *peer, uint64_t now_ms)
{
    return !peer->is_gone && peer->next_try_ms <= now_ms &&
           !ejection_is_out(&peer->ejection, now_ms);
}

/* ---- learning -------------------------------------------------------------------------------- */

static struct ejection_pool count_out(const struct upstream_pool *pool, uint64_t now_ms)
{
    struct ejection_pool count = { .peers = pool->peer_count };
    for (size_t i = 0; i < pool->peer_count; i++)
        count.out += ejection_is_out(&pool->peers[i]->ejection, now_ms);
    return count;
}

static void observe(struct upstream_peer *peer, const struct ejection_evidence *evidence)
{
    struct upstream *upstream = upstream_of(peer);
    uint64_t now_ms = upstream_now_ms(upstream);
    enum ejection_verdict verdict = ejection_judge(evidence);
    if (verdict == EJECTION_NEUTRAL)
        return;
    /* Nothing to count out for the usual case. */
    struct ejection_pool pool = { 0 };
    if (verdict == EJECTION_FAILURE)
        pool = count_out(peer->pool, now_ms);
    if (!ejection_observe(&peer->ejection, &peer->pool->how.ejection, verdict, pool, now_ms,
                          &upstream->worker->rng))
        return;
    peer->failed_ms = now_ms;
    tally_add(upstream->worker->tally, TALLY_EJECTIONS);
    log_limited(LOG_LEVEL_WARN, "upstream.ejected", "peer=%s ms=%llu", peer->name,
                (unsigned long long)peer->ejection.duration_ms);
    upstream_warm_soon(peer->pool);
}

void upstream_peer_on_warm(struct upstream_peer *peer, struct upstream_conn *conn)
{
    uint64_t now_ms = upstream_now_ms(upstream_of(peer));
    peer->connects_ok++;
    peer->is_doubted = false;
    if (peer->connect_failures > 0 && peer->counts[UPSTREAM_CONN_WARM] == 1)
        choice_start_probation(&peer->choice, now_ms);
    /* Not forgotten yet: peers that accept and then hang up are to be waited for, too. */
    peer->next_try_ms = 0;
    if (conn->rtt.smoothed_us == 0 && conn->is_http2) {
        /* A first guess, until a PING is answered. */
        rtt_observe(&conn->rtt, transport_rtt_us(conn->transport));
    }
}

static void back_off(struct upstream_peer *peer)
{
    struct upstream *upstream = upstream_of(peer);
    uint32_t steps = ++peer->connect_failures;
    uint32_t most = peer->pool->is_origin ? UPSTREAM_ORIGIN_STEPS : UPSTREAM_BACKOFF_STEPS;
    if (steps > most)
        steps = most;
    peer->failed_ms = upstream_now_ms(upstream);
    peer->next_try_ms = peer->failed_ms + floor_plan_backoff_ms(steps, &upstream->worker->rng);
}

/* Ended by us, or an idle HTTP/1.1 connection, which servers close as they like. */
static bool is_usual_end(const struct upstream_conn *conn)
{
    if (conn->is_ours && !conn->is_ping_dead)
        return true;
    return conn->is_warmed && !conn->is_http2 && conn->requests > 0 && conn->leases == 0;
}

static void note_connect_failure(struct upstream_peer *peer)
{
    const struct ejection_evidence evidence = { .is_connect_failure = true };
    peer->connects_failed++;
    tally_add(upstream_of(peer)->worker->tally, TALLY_CONNECTS_FAILED);
    /* Gateways are let be by the backoff alone, and are warm again soon after they are back. */
    if (peer->pool->is_origin)
        observe(peer, &evidence);
}

void upstream_peer_on_end(struct upstream_peer *peer, struct upstream_conn *conn, const char *cause)
{
    uint64_t now_ms = upstream_now_ms(upstream_of(peer));
    bool has_lived = conn->is_warmed && now_ms - conn->warm_ms >= UPSTREAM_PROVEN_MS;
    if (has_lived)
        peer->connect_failures = 0;
    if (is_usual_end(conn))
        return;
    peer->last_problem = cause;
    peer->last_problem_ms = now_ms;
    peer->is_doubted = !conn->is_goaway;
    if (!conn->is_warmed)
        note_connect_failure(peer);
    log_limited(LOG_LEVEL_INFO, conn->is_warmed ? "upstream.lost" : "upstream.connect",
                "peer=%s cause=%s", peer->name, cause);
    /* One that served long and is lost is replaced at once; but a peer that does not answer is not
     * waited for. */
    if (!conn->is_warmed || conn->is_ping_dead || (!has_lived && conn->is_http2))
        back_off(peer);
}

static bool is_stale_reuse(const struct upstream_peer *peer, const struct upstream_lease *lease,
                           const struct upstream_result *result)
{
    return !peer->pool->how.is_http2 && lease->is_reused && result->status == 0 &&
           result->error == HTTP_ERROR_CLOSED;
}

void upstream_peer_judge(struct upstream_peer *peer, const struct upstream_lease *lease,
                         const struct upstream_result *result)
{
    struct upstream *upstream = upstream_of(peer);
    struct ejection_evidence evidence = {
        .is_client_fault = result->is_client_fault,
        .status = result->status,
        .error = result->error,
    };
    /* A gateway that passes on an error of its origin works. */
    if (!peer->pool->is_origin && result->status != 0)
        evidence.status = 200;
    bool is_failure = ejection_judge(&evidence) == EJECTION_FAILURE;
    const struct choice_outcome outcome = {
        .is_failure = is_failure,
        .first_byte_us = result->is_client_fault ? 0 : result->first_byte_us,
        .load_percent = result->load_percent,
    };
    choice_ended(&peer->choice, &outcome, upstream_now_ms(upstream));
    if (result->error == HTTP_ERROR_REFUSED)
        tally_add(upstream->worker->tally, TALLY_REFUSED_STREAMS);
    if (is_failure)
        peer->failures++;
    if (result->is_success && !is_failure)
        peer->connect_failures = 0;
    if (is_stale_reuse(peer, lease, result))
        return; /* the server was free to close it */
    if (is_failure && result->error != HTTP_ERROR_NONE) {
        peer->last_problem = http_error_name(result->error);
        peer->last_problem_ms = upstream_now_ms(upstream);
    }
    if (lease->is_trial && ejection_judge(&evidence) == EJECTION_SUCCESS) {
        ejection_pardon(&peer->ejection, upstream_now_ms(upstream));
        choice_start_probation(&peer->choice, upstream_now_ms(upstream));
    }
    observe(peer, &evidence);
}

void upstream_peer_retire(struct upstream_peer *peer)
{
    peer->is_gone = true;
    struct upstream_conn *next;
    for (struct upstream_conn *conn = peer->conns; conn != NULL; conn = next) {
        next = conn->next;
        upstream_conn_drain(conn);
    }
}
