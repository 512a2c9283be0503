/* SPDX-License-Identifier: Apache-2.0 */
/* Does the process behind a connection of the backbone still live? Its kernel acknowledges what it
 * is sent, and TCP's keep-alive, also while it stands still: its requests would be held for ever.
 *
 * Shape:     requests, and silence for a quarter of timeouts.write_stall -> PING
 *            still silent when the rest of that time has passed -> aborted: its requests end
 *
 *            A PoP whose clients are slow may say nothing for minutes, but it answers; so this is
 *            as patient as with a client. What stood on the line before the PING is waited for as
 *            long as it goes on arriving. Who gets nothing asks by itself all the time
 *            (upstream_liveness.c), so it is seldom that we must. */
#include "pop/route/liveness.h"

#include "pop/server/client_conn.h"
#include "steering/base/log.h"

enum { LOOKS = 4, SECOND_LOOK_MS = 10 };

static uint64_t now_ms(const struct client_conn *conn)
{
    return conn->clients->worker->io.now_ms;
}

static uint64_t limit_ms(const struct client_conn *conn)
{
    return conn->settings->node->timeouts.write_stall_ms;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct liveness_verdict check(const struct client_conn *conn)
{
    const struct client_liveness *alive = &conn->alive;
    uint64_t quiet_ms = limit_ms(conn) / LOOKS;
    const struct liveness_settings settings = {
        .idle_ms = quiet_ms,
        .timeout_min_ms =
            later(limit_ms(conn) - quiet_ms, conn->settings->node->backbone.ping_timeout_min_ms),
    };
    const struct liveness_facts facts = {
        .now_ms = now_ms(conn),
        .heard_ms = alive->heard_ms,
        .has_ping = alive->has_ping,
        .ping_since_ms = alive->ping_ms,
        .rtt_us = alive->rtt_us,
    };
    return liveness_check(&settings, &facts);
}

static void ask(struct client_conn *conn)
{
    struct client_liveness *alive = &conn->alive;
    struct transport_flow flow = transport_flow(conn->transport);
    alive->has_ping = true;
    alive->ping_ms = now_ms(conn);
    alive->ping_end_bytes = flow.put_bytes; /* a PING overtakes what is not encrypted yet */
    alive->arrived_bytes = flow.arrived_bytes;
    alive->rtt_us = transport_rtt_us(conn->transport);
    client_conn_ping(conn);
}

/* A PING that is not there yet cannot be answered. */
static void observe_line(struct client_conn *conn)
{
    struct client_liveness *alive = &conn->alive;
    uint64_t before = alive->arrived_bytes;
    alive->arrived_bytes = transport_flow(conn->transport).arrived_bytes;
    if (before < alive->ping_end_bytes && alive->arrived_bytes > before)
        alive->ping_ms = now_ms(conn);
}

static void give_up(struct client_conn *conn)
{
    char text[ADDR_TEXT_MAX];
    conn->lost = "client_ping_timeout";
    tally_add(conn->clients->worker->tally, TALLY_CLIENT_PING_TIMEOUTS);
    log_limited(LOG_LEVEL_WARN, "client.ping_timeout", "peer=%s requests=%u",
                addr_format(&conn->origin.peer, text), conn->streams);
    client_conn_abort(conn);
}

/* Timers fire before sockets are read: after a pause of our own, the answer may wait there. */
static bool is_sure(struct client_conn *conn)
{
    conn->alive.is_asked_twice = !conn->alive.is_asked_twice;
    return !conn->alive.is_asked_twice;
}

void client_liveness_begun(struct client_conn *conn)
{
    conn->alive.look_ms = conn->alive.heard_ms + limit_ms(conn) / LOOKS;
}

void client_liveness_heard(struct client_conn *conn)
{
    conn->alive.heard_ms = now_ms(conn);
    conn->alive.has_ping = conn->alive.is_asked_twice = false;
}

uint64_t client_liveness_due_ms(const struct client_conn *conn)
{
    bool is_watched = conn->origin.is_backbone && conn->streams > 0;
    return is_watched ? conn->alive.look_ms : UINT64_MAX;
}

void client_liveness_look(struct client_conn *conn)
{
    if (conn->alive.has_ping)
        observe_line(conn);
    struct liveness_verdict verdict = check(conn);
    uint64_t next_ms = verdict.next_ms;
    if (verdict.action == LIVENESS_SEND_PING) {
        ask(conn);
    } else if (verdict.action == LIVENESS_DEAD) {
        if (is_sure(conn)) {
            give_up(conn);
            return;
        }
        next_ms = now_ms(conn) + SECOND_LOOK_MS;
    }
    /* In between: is the line moving? */
    uint64_t soon_ms = now_ms(conn) + limit_ms(conn) / LOOKS;
    conn->alive.look_ms = next_ms < soon_ms ? next_ms : soon_ms;
}
