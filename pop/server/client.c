/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/client.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "pop/server/client_conn.h"
#include "steering/base/mem.h"

enum {
    ADDR_BUCKETS = LIMIT(4096, 2),
    PER_CLIENT_MIN = 8, /* the kernel's choice of a worker is uneven for small numbers */
};

struct clients *clients_new(struct worker *worker, const int *fds)
{
    struct clients *clients = mem_calloc(1, sizeof(*clients));
    const struct pop_node *node = worker->settings->node;
    clients->worker = worker;
    clients->listener_count = node->listen_count;
    clients->listeners = mem_calloc(node->listen_count + 1, sizeof(*clients->listeners));
    for (size_t i = 0; i < node->listen_count; i++) {
        struct client_listener *listener = &clients->listeners[i];
        *listener = (struct client_listener){ .clients = clients, .index = i, .fd = fds[i] };
    }
    clients->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    client_addrs_init(&clients->addrs, ADDR_BUCKETS, rng_next(&worker->rng));
    return clients;
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    assert(clients->count == 0 && clients->open_listeners == 0);
    for (size_t i = 0; i < clients->listener_count; i++)
        if (clients->listeners[i].fd >= 0)
            close(clients->listeners[i].fd);
    if (clients->spare_fd >= 0)
        close(clients->spare_fd);
    io_timer_stop(&clients->worker->io, &clients->backoff);
    io_timer_stop(&clients->worker->io, &clients->drain_end);
    client_addrs_fini(&clients->addrs);
    free(clients->listeners);
    free(clients);
}

size_t clients_count(const struct clients *clients)
{
    return clients->count;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static size_t share_of(size_t whole, unsigned workers)
{
    return (whole + workers - 1) / workers;
}

size_t clients_max(const struct clients *clients)
{
    const struct worker *worker = clients->worker;
    return share_of(worker->settings->node->limits.connections, worker->count);
}

bool clients_admits(const struct clients *clients, const struct addr *addr)
{
    const struct worker *worker = clients->worker;
    size_t whole = worker->settings->node->limits.per_client;
    if (whole == 0)
        return true;
    size_t max = share_of(whole, worker->count);
    if (max < PER_CLIENT_MIN)
        max = whole < PER_CLIENT_MIN ? whole : PER_CLIENT_MIN;
    return client_addrs_count(&clients->addrs, addr, max) < max;
}

bool clients_close_idle(struct clients *clients)
{
    struct client_conn *conn = clients->idle_oldest;
    if (conn == NULL)
        return false;
    client_conn_close(conn);
    return true;
}

/* ---- lists ----------------------------------------------------------------------------------- */

void clients_add(struct clients *clients, struct client_conn *conn)
{
    conn->next = clients->newest;
    if (conn->next != NULL)
        conn->next->previous = conn;
    clients->newest = conn;
    clients->count++;
}

void clients_remove(struct clients *clients, struct client_conn *conn)
{
    clients_set_idle(conn, false);
    client_addrs_remove(&clients->addrs, &conn->member);
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        clients->newest = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    clients->count--;
}

static void unlist_idle(struct clients *clients, struct client_conn *conn)
{
    if (conn->idle_newer != NULL)
        conn->idle_newer->idle_older = conn->idle_older;
    else
        clients->idle_newest = conn->idle_older;
    if (conn->idle_older != NULL)
        conn->idle_older->idle_newer = conn->idle_newer;
    else
        clients->idle_oldest = conn->idle_newer;
    conn->idle_newer = conn->idle_older = NULL;
}

void clients_set_idle(struct client_conn *conn, bool is_idle)
{
    struct clients *clients = conn->clients;
    if (conn->is_idle == is_idle)
        return;
    conn->is_idle = is_idle;
    if (!is_idle) {
        unlist_idle(clients, conn);
        return;
    }
    conn->idle_older = clients->idle_newest;
    if (conn->idle_older != NULL)
        conn->idle_older->idle_newer = conn;
    else
        clients->idle_oldest = conn;
    clients->idle_newest = conn;
}

void clients_listen(struct clients *clients)
{
    if (!clients->is_draining)
        clients_accept_start(clients);
}
