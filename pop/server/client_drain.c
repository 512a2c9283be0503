/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a worker's client side: nobody new, everybody told at once, nothing in flight lost,
 * and all of it bounded. */
#include "pop/server/client_conn.h"
#include "steering/base/mem.h"

enum { LAST_WORDS_MS = 500 }; /* for the 503s and resets of what did not end in time */

void clients_check_drained(struct clients *clients)
{
    if (!clients->is_draining || clients->count > 0 || clients->open_listeners > 0)
        return;
    void (*on_drained)(void *) = clients->on_drained;
    clients->on_drained = NULL;
    io_timer_stop(&clients->worker->io, &clients->drain_end);
    if (on_drained != NULL)
        on_drained(clients->on_drained_owner);
}

static void for_each(struct clients *clients, void (*act)(struct client_conn *conn))
{
    struct client_conn *next;
    for (struct client_conn *conn = clients->newest; conn != NULL; conn = next) {
        next = conn->next;
        act(conn);
    }
}

/* Twice: first with last words, then without. */
static void on_drain_end(struct io_timer *timer)
{
    struct clients *clients = container_of(timer, struct clients, drain_end);
    if (!clients->is_drain_over) {
        clients->is_drain_over = true;
        log_warn("client.drain", "worker=%u connections=%zu msg=\"the drain's time is over\"",
                 clients->worker->index, clients->count);
        exchanges_abort(clients->worker->exchanges);
        for_each(clients, client_conn_close);
        io_timer_start(&clients->worker->io, timer, LAST_WORDS_MS, on_drain_end);
        return;
    }
    for_each(clients, client_conn_abort);
}

void clients_drain(struct clients *clients, uint64_t limit_ms, void (*on_drained)(void *owner),
                   void *owner)
{
    clients->is_draining = true;
    clients->on_drained = on_drained;
    clients->on_drained_owner = owner;
    clients_accept_stop(clients);
    for_each(clients, client_conn_drain);
    io_timer_start(&clients->worker->io, &clients->drain_end, limit_ms, on_drain_end);
    clients_check_drained(clients);
}
