/* SPDX-License-Identifier: Apache-2.0 */
/* The header that a load balancer in front of us sends first. It is read before TLS and from
 * trusted addresses only: anybody else could claim to be anybody. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pop/http/proxy_protocol.h"
#include "pop/server/client_conn.h"
#include "steering/base/mem.h"

struct client_proxy {
    uv_poll_t poll;
    struct client_conn *conn;
    int fd; /* -1: given away */
    uint8_t bytes[PROXY_PROTOCOL_MAX];
    size_t len;
};

static void on_poll_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)(void *)handle, struct client_proxy, poll));
}

/* Lets go of the descriptor at once; the memory follows. */
static void leave(struct client_proxy *proxy)
{
    proxy->conn->proxy = NULL;
    uv_close((uv_handle_t *)&proxy->poll, on_poll_closed);
}

void client_proxy_stop(struct client_conn *conn)
{
    struct client_proxy *proxy = conn->proxy;
    int fd = proxy->fd;
    leave(proxy);
    close(fd);
}

static void reject(struct client_proxy *proxy, const char *reason)
{
    struct client_conn *conn = proxy->conn;
    tally_add(conn->clients->worker->tally, TALLY_ACCEPT_ERRORS);
    log_limited(LOG_LEVEL_WARN, "client.proxy", "reason=%s", reason);
    client_proxy_stop(conn);
    client_conn_discard(conn);
}

static void done(struct client_proxy *proxy, const struct proxy_header *header, size_t header_len)
{
    struct client_conn *conn = proxy->conn;
    struct clients *clients = conn->clients;
    const struct addr source = addr_unmap(&header->source);
    if (header->has_addrs) {
        conn->origin.peer = source;
        conn->origin.peer_port = header->source_port;
    }
    if (header->has_addrs && !clients_admits(clients, &source)) {
        reject(proxy, "per_client");
        return;
    }
    if (header->has_addrs)
        client_addrs_add(&clients->addrs, &conn->member, &source);
    int fd = proxy->fd;
    leave(proxy); /* its bytes stay until the loop comes round */
    client_conn_start(conn, fd, proxy->bytes + header_len, proxy->len - header_len);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct client_proxy *proxy = container_of(poll, struct client_proxy, poll);
    (void)status;
    (void)events;
    io_turn(&proxy->conn->clients->worker->io);
    ssize_t got = recv(proxy->fd, proxy->bytes + proxy->len, sizeof(proxy->bytes) - proxy->len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        client_conn_close(proxy->conn);
        return;
    }
    proxy->len += (size_t)got;
    struct proxy_header header;
    size_t header_len = 0;
    switch (proxy_protocol_parse(proxy->bytes, proxy->len, &header, &header_len)) {
    case PROXY_MORE:
        if (proxy->len == sizeof(proxy->bytes))
            reject(proxy, "too_long");
        return;
    case PROXY_MALFORMED:
        reject(proxy, "malformed");
        return;
    case PROXY_DONE:
        done(proxy, &header, header_len);
        return;
    }
}

static bool is_trusted(const struct pop_node *node, const struct addr *peer)
{
    for (size_t i = 0; i < node->proxy_trusted.count; i++)
        if (cidr_has(&node->proxy_trusted.items[i], peer))
            return true;
    return false;
}

void client_proxy_start(struct client_conn *conn, int fd)
{
    struct worker *worker = conn->clients->worker;
    struct client_proxy *proxy = NULL;
    if (is_trusted(conn->settings->node, &conn->origin.peer))
        proxy = mem_calloc(1, sizeof(*proxy));
    if (proxy == NULL || uv_poll_init(&worker->loop, &proxy->poll, fd) < 0) {
        tally_add(worker->tally, TALLY_ACCEPT_ERRORS);
        log_limited(LOG_LEVEL_WARN, "client.proxy", "reason=%s", "untrusted");
        free(proxy);
        close(fd);
        client_conn_discard(conn);
        return;
    }
    proxy->conn = conn;
    proxy->fd = fd;
    conn->proxy = proxy;
    uv_poll_start(&proxy->poll, UV_READABLE, on_readable);
}
