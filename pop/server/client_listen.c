/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting, within limits and without descriptors to spare. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pop/server/client_conn.h"
#include "steering/base/mem.h"

enum {
    BACKLOG = 4096,       /* cut to the system's limit by the kernel */
    ACCEPTS_AT_ONCE = 64, /* then connections that are open have their turn */
    BACKOFF_MS = 100,
    BACKBONE_ALIVE_S = 5,
};

/* ---- out of descriptors ---------------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void pause_accepts(struct clients *clients)
{
    for (size_t i = 0; i < clients->listener_count; i++)
        if (clients->listeners[i].is_open)
            uv_poll_stop(&clients->listeners[i].poll);
}

static void resume_accepts(struct clients *clients)
{
    for (size_t i = 0; i < clients->listener_count; i++)
        if (clients->listeners[i].is_open)
            uv_poll_start(&clients->listeners[i].poll, UV_READABLE, on_readable);
}

static void on_backoff(struct io_timer *timer)
{
    struct clients *clients = container_of(timer, struct clients, backoff);
    if (clients->is_accepting)
        resume_accepts(clients);
}

/* There is no descriptor for a connection that waits: an idle one is given up for it. When there is
 * none, the reserve lets one be closed politely instead of leaving all of them hanging. */
static void run_short(struct client_listener *listener)
{
    struct clients *clients = listener->clients;
    if (!clients_close_idle(clients) && clients->spare_fd >= 0) {
        close(clients->spare_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        clients->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    pause_accepts(clients);
    io_timer_start(&clients->worker->io, &clients->backoff, BACKOFF_MS, on_backoff);
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void refuse(struct clients *clients, int fd)
{
    tally_add(clients->worker->tally, TALLY_ACCEPT_ERRORS);
    close(fd);
}

/* A PoP that has died gives no credit any more, as one whose clients are slow. The kernel tells of
 * machines that are gone (how often is asked, when nothing is on its way; TCP_USER_TIMEOUT ends
 * it), PING of processes that stand still (client_liveness.c). */
static void keep_alive(int fd)
{
    const int on = 1, idle_s = BACKBONE_ALIVE_S;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
}

static void take(struct client_listener *listener, int fd, const struct sockaddr_storage *storage)
{
    struct clients *clients = listener->clients;
    const struct sockaddr *sockaddr = (const struct sockaddr *)storage;
    const struct settings *settings = clients->worker->settings;
    struct addr peer;
    if (!addr_from_sockaddr(sockaddr, &peer) || listener->index >= settings->node->listen_count) {
        refuse(clients, fd);
        return;
    }
    peer = addr_unmap(&peer);
    const struct pop_listen *listen_on = &settings->node->listens[listener->index];
    bool is_counted = listen_on->kind != POP_LISTEN_BACKBONE;
    bool is_crowded = is_counted && clients->count >= clients_max(clients);
    if (is_crowded && !clients_close_idle(clients)) {
        refuse(clients, fd);
        return;
    }
    if (is_counted && !listen_on->has_proxy_protocol && !clients_admits(clients, &peer)) {
        refuse(clients, fd);
        return;
    }
    if (!is_counted)
        keep_alive(fd);
    tally_add(clients->worker->tally, TALLY_ACCEPTS);
    client_conn_new(clients, listener->index, fd, &peer, addr_port(sockaddr));
}

static bool is_passing(int errnum)
{
    /* Of the connection, not of us (accept(2), "Error handling"). */
    return errnum == EINTR || errnum == ECONNABORTED || errnum == EPROTO || errnum == ENETDOWN ||
           errnum == EHOSTDOWN || errnum == EHOSTUNREACH || errnum == ENETUNREACH ||
           errnum == EPERM;
}

/* False: there is nothing more to accept now. */
static bool accept_one(struct client_listener *listener)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    int fd = accept4(listener->fd, (struct sockaddr *)&storage, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take(listener, fd, &storage);
        return true;
    }
    int errnum = errno;
    if (errnum == EAGAIN || errnum == EWOULDBLOCK)
        return false;
    tally_add(listener->clients->worker->tally, TALLY_ACCEPT_ERRORS);
    if (is_passing(errnum))
        return true;
    log_limited(LOG_LEVEL_WARN, "client.accept", "worker=%u errno=%d problem=\"%s\"",
                listener->clients->worker->index, errnum,
                errnum == EMFILE || errnum == ENFILE ? "out of file descriptors" : "cannot accept");
    run_short(listener);
    return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct client_listener *listener = container_of(poll, struct client_listener, poll);
    (void)status;
    (void)events;
    io_turn(&listener->clients->worker->io);
    for (unsigned i = 0; i < ACCEPTS_AT_ONCE; i++)
        if (!accept_one(listener))
            break;
}

/* ---- starting and stopping ------------------------------------------------------------------- */

void clients_accept_start(struct clients *clients)
{
    clients->is_accepting = true;
    for (size_t i = 0; i < clients->listener_count; i++) {
        struct client_listener *listener = &clients->listeners[i];
        if (listener->fd < 0 || listener->is_open)
            continue;
        if (listen(listener->fd, BACKLOG) < 0 ||
            uv_poll_init(&clients->worker->loop, &listener->poll, listener->fd) < 0) {
            log_error("client.listen", "worker=%u listener=%zu error=\"%s\"",
                      clients->worker->index, i, err_text(err_from_errno(errno)));
            continue;
        }
        listener->is_open = true;
        clients->open_listeners++;
    }
    resume_accepts(clients);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct client_listener *listener =
        container_of((uv_poll_t *)(void *)handle, struct client_listener, poll);
    listener->clients->open_listeners--;
    clients_check_drained(listener->clients);
}

/* With SO_REUSEPORT the kernel resets what waits in the queue of a socket that is closed. No more
 * than the queue held: who connects as fast as we accept would keep us from ever stopping. */
static void take_queued(struct client_listener *listener)
{
    bool is_more = listener->is_open;
    for (unsigned i = 0; is_more && i <= BACKLOG; i++)
        is_more = accept_one(listener);
}

void clients_accept_stop(struct clients *clients)
{
    clients->is_accepting = false;
    io_timer_stop(&clients->worker->io, &clients->backoff);
    for (size_t i = 0; i < clients->listener_count; i++) {
        struct client_listener *listener = &clients->listeners[i];
        take_queued(listener);
        if (listener->is_open) {
            uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
            listener->is_open = false;
        }
        if (listener->fd >= 0)
            close(listener->fd);
        listener->fd = -1;
    }
    io_timer_stop(&clients->worker->io, &clients->backoff);
}
