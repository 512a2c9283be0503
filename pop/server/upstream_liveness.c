/* SPDX-License-Identifier: Apache-2.0 */
/* Does the gateway behind an HTTP/2 connection still live? Carries out what liveness_check says,
 * and in between sets connections aside whose PING is overdue.
 *
 * Shape:     silence -> PING -> (overdue) SUSPECT -> (dead) aborted: its streams end and move on
 *            Timers fire before sockets are read. After a pause of our own, answers may be waiting
 *            in the kernel; so a bad verdict counts only when it stands after a further turn.
 */
#include "pop/route/liveness.h"

#include "pop/server/upstream_priv.h"
#include "steering/base/log.h"

enum { SECOND_LOOK_MS = 10, PER_MS = 1000 };

static struct worker *worker_of(const struct upstream_conn *conn)
{
    return conn->peer->pool->upstream->worker;
}

static uint64_t timeout_min_ms(const struct upstream_conn *conn)
{
    return conn->settings->node->backbone.ping_timeout_min_ms;
}

/* Overdue long before it is given up: meanwhile others get the requests. */
static uint64_t suspect_after_ms(const struct upstream_conn *conn)
{
    uint64_t by_rtt_ms = 2 * conn->rtt.smoothed_us / PER_MS;
    uint64_t least_ms = timeout_min_ms(conn) / 4;
    return by_rtt_ms > least_ms ? by_rtt_ms : least_ms;
}

static bool is_silent_since_ping(const struct upstream_conn *conn)
{
    return conn->has_ping && conn->heard_ms <= conn->ping_ms;
}

static struct liveness_verdict check(const struct upstream_conn *conn, uint64_t now_ms)
{
    const struct liveness_settings settings = {
        .idle_ms = conn->settings->node->backbone.ping_idle_ms,
        .timeout_min_ms = timeout_min_ms(conn),
    };
    uint32_t open = conn->session->open_streams;
    const struct liveness_facts facts = {
        .now_ms = now_ms,
        .heard_ms = conn->heard_ms,
        .has_ping = conn->has_ping,
        .ping_since_ms = conn->ping_ms,
        .open_streams = open > conn->leases ? open : conn->leases,
        .rtt_us = conn->rtt.smoothed_us,
    };
    return liveness_check(&settings, &facts);
}

static void give_up(struct upstream_conn *conn)
{
    conn->is_ping_dead = true;
    conn->peer->ping_timeouts++;
    tally_add(worker_of(conn)->tally, TALLY_PING_TIMEOUTS);
    upstream_conn_abort(conn, "ping_timeout");
}

/* False: look once more first, then act. */
static bool is_sure(struct upstream_conn *conn)
{
    conn->is_asked_twice = !conn->is_asked_twice;
    if (!conn->is_asked_twice)
        return true;
    upstream_conn_wake(conn, SECOND_LOOK_MS);
    return false;
}

void upstream_liveness_look(struct upstream_conn *conn)
{
    if (conn->session == NULL || conn->state < UPSTREAM_CONN_WARM ||
        conn->state == UPSTREAM_CONN_CLOSED)
        return;
    struct worker *worker = worker_of(conn);
    uint64_t now_ms = worker->io.now_ms;
    struct liveness_verdict verdict = check(conn, now_ms);
    if (verdict.action == LIVENESS_DEAD) {
        if (is_sure(conn))
            give_up(conn);
        return;
    }
    if (verdict.action == LIVENESS_SEND_PING) {
        conn->has_ping = true;
        conn->ping_ms = now_ms;
        conn->ping_ns = worker->io.now_ns;
        conn->session->ops->ping(conn->session);
        transport_mark(conn->transport);
    }
    uint64_t next_ms = verdict.next_ms;
    if (conn->state == UPSTREAM_CONN_WARM && is_silent_since_ping(conn)) {
        uint64_t suspect_ms = conn->ping_ms + suspect_after_ms(conn);
        if (suspect_ms <= now_ms) {
            if (!is_sure(conn))
                return;
            upstream_conn_move(conn, UPSTREAM_CONN_SUSPECT);
        } else if (suspect_ms < next_ms) {
            next_ms = suspect_ms;
        }
    }
    if (next_ms != UINT64_MAX)
        upstream_conn_wake(conn, next_ms > now_ms ? next_ms - now_ms : 1);
    else
        conn->check_ms = UINT64_MAX;
}

void upstream_liveness_heard(struct upstream_conn *conn)
{
    conn->heard_ms = worker_of(conn)->io.now_ms;
    conn->is_asked_twice = false;
    if (conn->state == UPSTREAM_CONN_SUSPECT)
        upstream_conn_move(conn, UPSTREAM_CONN_WARM);
}

void upstream_liveness_pong(struct upstream_conn *conn)
{
    if (!conn->has_ping)
        return;
    struct worker *worker = worker_of(conn);
    uint64_t took_ns = worker->io.now_ns - conn->ping_ns;
    conn->has_ping = false;
    if (worker->io.now_ms - conn->warm_ms >= UPSTREAM_PROVEN_MS)
        conn->peer->connect_failures = 0;
    rtt_observe(&conn->rtt, took_ns / PER_MS);
    rtt_observe(&conn->peer->rtt, took_ns / PER_MS);
    histogram_record(&worker->tally->histograms[TALLY_PEER_RTT_NS], took_ns, 1);
}

void upstream_liveness_begun(struct upstream_conn *conn)
{
    /* Looks again soon anyway: bytes that come meanwhile only postpone. */
    if (conn->is_http2 && (conn->check_ms == UINT64_MAX || !io_timer_is_running(&conn->timer) ||
                           conn->check_ms > worker_of(conn)->io.now_ms + LIVENESS_WAIT_MIN_MS))
        upstream_liveness_look(conn);
}
