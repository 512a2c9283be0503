/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pop/server/congestion.h"
#include "pop/server/transport_priv.h"
#include "steering/base/mem.h"

enum {
    FLUSH_ROUNDS = 4,
    NOTSENT_LOWAT_BYTES = 128 * 1024, /* more in the kernel could not be overtaken any more */
    USER_TIMEOUT_MS = 10 * 1000,
    NS_PER_US = 1000,
};

const char *transport_cause_name(enum transport_cause cause)
{
    static const char *const names[] = {
#define X(name, text) [TRANSPORT_##name] = (text),
        TRANSPORT_CAUSE_LIST(X)
#undef X
    };
    return names[cause];
}

/* ---- lists ----------------------------------------------------------------------------------- */

void transport_mark(struct transport *transport)
{
    struct io *io = transport->io;
    if (transport->is_marked)
        return;
    transport->is_marked = true;
    transport->next_marked = NULL;
    if (io->marked.first == NULL)
        io->marked.first = transport;
    else
        io->marked.last->next_marked = transport;
    io->marked.last = transport;
    io_again(io);
}

void transport_push_unread(struct transport *transport)
{
    struct io *io = transport->io;
    if (transport->is_unread)
        return;
    transport->is_unread = true;
    transport->next_unread = NULL;
    if (io->unread.first == NULL)
        io->unread.first = transport;
    else
        io->unread.last->next_unread = transport;
    io->unread.last = transport;
    io_again(io);
}

/* Each transport once: those that come back wait for the next turn. */
void transport_read_unread(struct io *io)
{
    struct transport *transport = io->unread.first;
    io->unread = (struct io_list){ .first = NULL };
    while (transport != NULL) {
        struct transport *next = transport->next_unread;
        transport->is_unread = false;
        if (transport->state != TRANSPORT_STATE_CLOSED) {
            transport_read(transport);
            transport_mark(transport); /* perhaps its turn was over while sending */
        }
        transport = next;
    }
}

static void bury(struct transport *transport)
{
    struct io *io = transport->io;
    if (transport->is_unread) {
        transport_mark(transport); /* the list of the unread lets go of it first */
        return;
    }
    io->transports--;
    transport->events->on_closed(transport->owner, (enum transport_cause)transport->cause);
    tls_engine_free(transport->tls);
    free(transport->stash);
    free(transport->left);
    free(transport);
}

static void flush_round(struct io *io)
{
    struct transport *transport = io->marked.first;
    io->marked = (struct io_list){ .first = NULL };
    while (transport != NULL) {
        struct transport *next = transport->next_marked;
        transport->is_marked = false;
        if (transport->state == TRANSPORT_STATE_CLOSED)
            bury(transport);
        else
            transport_flush(transport);
        transport = next;
    }
}

/* Flushing one connection often gives others something to say: a few rounds spare them a turn. */
void transport_flush_marked(struct io *io)
{
    for (int round = 0; round < FLUSH_ROUNDS && io->marked.first != NULL; round++)
        flush_round(io);
    if (io->marked.first == NULL && io->unread.first == NULL)
        uv_idle_stop(&io->again);
}

/* ---- ends ------------------------------------------------------------------------------------ */

void transport_finish(struct transport *transport, enum transport_cause cause)
{
    if (transport->state == TRANSPORT_STATE_CLOSED)
        return;
    transport->state = TRANSPORT_STATE_CLOSED;
    transport->cause = (uint8_t)cause;
    io_timer_stop(transport->io, &transport->timer);
    if (transport->fd >= 0)
        close(transport->fd); /* leaves the epoll set by that */
    transport->fd = -1;
    transport_mark(transport);
}

void transport_reset(struct transport *transport, enum transport_cause cause)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    if (transport->fd >= 0)
        setsockopt(transport->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    transport_finish(transport, cause);
}

static enum transport_cause cause_of(const struct transport *transport, int errnum)
{
    bool is_connecting = transport->state == TRANSPORT_STATE_CONNECTING;
    switch (errnum) {
    case ECONNREFUSED:
        return TRANSPORT_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
        return is_connecting ? TRANSPORT_UNREACHABLE : TRANSPORT_RESET;
    case ETIMEDOUT: /* the kernel's, or TCP_USER_TIMEOUT's */
        return is_connecting ? TRANSPORT_CONNECT_TIMEOUT : TRANSPORT_WRITE_STALL;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return TRANSPORT_RESET;
    default:
        return TRANSPORT_SYSTEM;
    }
}

void transport_fail_errno(struct transport *transport, int errnum)
{
    /* The reset of a connection that is over anyway is no news. */
    bool is_over = transport->state == TRANSPORT_STATE_LINGERING;
    transport->errnum = errnum;
    transport_finish(transport, is_over ? (enum transport_cause)transport->cause
                                        : cause_of(transport, errnum));
}

/* ---- births ---------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* sockets of other kinds refuse some */
}

static void set_options(const struct transport *transport, const char *congestion)
{
    congestion_set(transport->fd, congestion);
    set_option(transport->fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (transport->is_client_leg)
        set_option(transport->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES);
    else
        set_option(transport->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static void learn_local(struct transport *transport)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    if (getsockname(transport->fd, (struct sockaddr *)&storage, &len) != 0)
        return;
    if (addr_from_sockaddr((const struct sockaddr *)&storage, &transport->local))
        transport->local_port = addr_port((const struct sockaddr *)&storage);
}

static void learn_peer(struct transport *transport)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    if (getpeername(transport->fd, (struct sockaddr *)&storage, &len) != 0)
        return;
    if (addr_from_sockaddr((const struct sockaddr *)&storage, &transport->peer))
        transport->peer_port = addr_port((const struct sockaddr *)&storage);
}

static void on_late(struct io_timer *timer)
{
    struct transport *transport = container_of(timer, struct transport, timer);
    transport_finish(transport, transport->state == TRANSPORT_STATE_CONNECTING
                                    ? TRANSPORT_CONNECT_TIMEOUT
                                    : TRANSPORT_TLS_TIMEOUT);
}

static struct transport *transport_new(struct io *io, const struct transport_settings *settings)
{
    struct transport *transport = mem_calloc(1, sizeof(*transport));
    io_turn(io);
    transport->io = io;
    transport->events = settings->events;
    transport->owner = settings->owner;
    transport->fd = -1;
    transport->is_client_leg = settings->is_client_leg;
    transport->handshake_ms = settings->handshake_ms;
    transport->write_stall_ms = settings->write_stall_ms;
    transport->started_ns = io->now_ns;
    io->transports++;
    return transport;
}

/* Once, for everything: the edges are remembered in is_readable and is_blocked. */
static void watch(struct transport *transport)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = transport };
    if (epoll_ctl(transport->io->epoll_fd, EPOLL_CTL_ADD, transport->fd, &event) != 0)
        transport_fail_errno(transport, errno);
}

struct transport *transport_accept(struct io *io, int fd, const struct transport_settings *settings,
                                   const uint8_t *head, size_t head_len)
{
    struct transport *transport = transport_new(io, settings);
    transport->fd = fd;
    transport->is_accepted = true;
    if (settings->tls != NULL)
        transport->tls = tls_server_engine(settings->tls);
    if (head_len > 0) {
        transport->stash = mem_dup(head, head_len);
        transport->stash_len = head_len;
        transport->is_interrupted = true;
    }
    set_options(transport, settings->congestion);
    learn_peer(transport);
    learn_local(transport);
    watch(transport);
    return transport;
}

static int connect_socket(struct transport *transport, const char *congestion)
{
    struct sockaddr_storage storage;
    socklen_t len = addr_to_sockaddr(&transport->peer, transport->peer_port, &storage);
    transport->fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (transport->fd < 0)
        return errno;
    set_options(transport, congestion);
    if (connect(transport->fd, (const struct sockaddr *)&storage, len) != 0 && errno != EINPROGRESS)
        return errno;
    return 0;
}

struct transport *transport_connect(struct io *io, const struct addr *addr, uint16_t port,
                                    const struct transport_settings *settings)
{
    struct transport *transport = transport_new(io, settings);
    transport->peer = *addr;
    transport->peer_port = port;
    if (settings->tls != NULL)
        transport->tls = tls_client_engine(settings->tls, settings->server_name);
    int errnum = connect_socket(transport, settings->congestion);
    if (errnum != 0) {
        transport_fail_errno(transport, errnum);
        return transport;
    }
    if (settings->connect_ms > 0)
        io_timer_start(io, &transport->timer, settings->connect_ms, on_late);
    watch(transport);
    return transport;
}

void transport_opened(struct transport *transport)
{
    struct io *io = transport->io;
    io_timer_stop(io, &transport->timer);
    transport->state = TRANSPORT_STATE_OPEN;
    transport->handshake_us = (io->now_ns - transport->started_ns) / NS_PER_US;
    transport_mark(transport); /* what was marked too early */
    transport->events->on_open(transport->owner);
}

static void connected(struct transport *transport)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == 0 && errnum != 0) {
        transport_fail_errno(transport, errnum);
        return;
    }
    if (!transport->is_accepted)
        learn_local(transport);
    io_timer_stop(transport->io, &transport->timer);
    if (transport->tls == NULL) {
        transport_opened(transport);
    } else {
        transport->state = TRANSPORT_STATE_HANDSHAKE;
        if (transport->handshake_ms > 0)
            io_timer_start(transport->io, &transport->timer, transport->handshake_ms, on_late);
        if (!transport->is_accepted)
            transport_pump(transport); /* ours is the first word */
    }
    transport->is_readable = true; /* perhaps; and there may be a head */
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* A reset is news also for who does not read. */
static bool is_lost(struct transport *transport, uint32_t epoll_events)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    if ((epoll_events & EPOLLERR) == 0 || !transport->is_paused)
        return false;
    if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0 || errnum == 0)
        return false;
    transport_fail_errno(transport, errnum);
    return true;
}

void transport_on_ready(struct transport *transport, uint32_t epoll_events)
{
    if (transport->state == TRANSPORT_STATE_CLOSED)
        return;
    if (transport->state == TRANSPORT_STATE_CONNECTING) {
        if ((epoll_events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            connected(transport);
    } else if (is_lost(transport, epoll_events)) {
        return;
    }
    if ((epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
        transport->is_readable = true;
    if ((epoll_events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0)
        transport->is_hung_up = true;
    if ((epoll_events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && transport->is_blocked) {
        /* Not the owner has paused but the kernel, which is full of ours: see record_max. */
        transport->burst_ms = transport->io->now_ms;
        transport->is_blocked = false;
        transport_mark(transport);
    }
    if (transport->is_readable || transport->is_interrupted)
        transport_read(transport);
}

/* ---- the owner's wishes ---------------------------------------------------------------------- */

void transport_pause(struct transport *transport)
{
    transport->is_paused = true;
}

void transport_resume(struct transport *transport)
{
    transport->is_paused = false;
    if (transport->state == TRANSPORT_STATE_OPEN &&
        (transport->is_readable || transport->is_interrupted))
        transport_push_unread(transport);
}

void transport_end(struct transport *transport)
{
    transport->is_ending = true;
    transport_mark(transport);
}

void transport_close(struct transport *transport)
{
    switch ((enum transport_state)transport->state) {
    case TRANSPORT_STATE_CONNECTING:
    case TRANSPORT_STATE_HANDSHAKE:
        transport_finish(transport, TRANSPORT_LOCAL);
        return;
    case TRANSPORT_STATE_OPEN:
        transport->state = TRANSPORT_STATE_FLUSHING;
        transport->cause = transport->is_peer_ended ? TRANSPORT_PEER : TRANSPORT_LOCAL;
        transport_mark(transport);
        if (transport->is_readable)
            transport_push_unread(transport);
        return;
    case TRANSPORT_STATE_FLUSHING:
    case TRANSPORT_STATE_LINGERING:
    case TRANSPORT_STATE_CLOSED:
        return;
    }
}

void transport_cut(struct transport *transport)
{
    transport->is_cut = true;
}

void transport_abort(struct transport *transport)
{
    transport_reset(transport, TRANSPORT_LOCAL);
}

/* ---- what is known --------------------------------------------------------------------------- */

struct transport_info transport_info(const struct transport *transport)
{
    struct transport_info info = {
        .is_open = transport->state == TRANSPORT_STATE_OPEN,
        .peer = transport->peer,
        .local = transport->local,
        .peer_port = transport->peer_port,
        .local_port = transport->local_port,
        .bytes_in = transport->bytes_in,
        .bytes_out = transport->bytes_out,
        .unsent_bytes = transport_unsent(transport).len,
        .handshake_us = transport->handshake_us,
        .fd = transport->fd,
    };
    if (transport->tls != NULL)
        info.tls = tls_info(transport->tls);
    return info;
}

struct transport_flow transport_flow(const struct transport *transport)
{
    int queued = 0; /* not acknowledged, whether sent or not */
    if (ioctl(transport->fd, SIOCOUTQ, &queued) != 0 || queued < 0 ||
        (uint64_t)queued > transport->bytes_out)
        queued = 0;
    return (struct transport_flow){
        .put_bytes = transport->bytes_out + transport_unsent(transport).len,
        .arrived_bytes = transport->bytes_out - (uint64_t)queued,
        .is_blocked = transport->is_blocked,
    };
}

const struct tls_engine *transport_tls(const struct transport *transport)
{
    return transport->tls;
}

/* All zero when the kernel does not tell. */
static struct tcp_info info_of_kernel(const struct transport *transport)
{
    struct tcp_info info = { .tcpi_rtt = 0 };
    socklen_t len = sizeof(info);
    if (transport->fd < 0 || getsockopt(transport->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return (struct tcp_info){ .tcpi_rtt = 0 };
    return info;
}

uint32_t transport_rtt_us(const struct transport *transport)
{
    return info_of_kernel(transport).tcpi_rtt;
}

uint64_t transport_window_bytes(const struct transport *transport)
{
    struct tcp_info info = info_of_kernel(transport);
    return (uint64_t)info.tcpi_snd_cwnd * info.tcpi_snd_mss;
}

const char *transport_reason(const struct transport *transport)
{
    if (transport->cause == TRANSPORT_TLS && transport->tls != NULL)
        return tls_reason(transport->tls);
    if (transport->errnum != 0)
        return strerrordesc_np(transport->errnum);
    return "";
}
