/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering/base/mem.h"

enum {
    UDP_BUFFER_BYTES = 4 << 20, /* a burst waits here; the kernel cuts it to its own limit */
    ANY_PORT_TRIES = 64,        /* a free UDP port may be taken in TCP */
    CLOSED = -1,
};

const char *sockets_format(const struct sockets_address *address, char out_text[SOCKETS_TEXT_MAX])
{
    char text[ADDR_TEXT_MAX];
    snprintf(out_text, SOCKETS_TEXT_MAX, address->addr.family == ADDR_V6 ? "[%s]:%u" : "%s:%u",
             addr_format(&address->addr, text), address->port);
    return out_text;
}

static bool is_wildcard(const struct addr *addr)
{
    static const uint8_t none[sizeof(addr->bytes)];
    return memcmp(addr->bytes, none, sizeof(none)) == 0;
}

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* Forcing past net.core.rmem_max needs a privilege; without it the limit has to do. */
static void enlarge(int fd, int forced, int plain)
{
    if (!set(fd, SOL_SOCKET, forced, UDP_BUFFER_BYTES))
        set(fd, SOL_SOCKET, plain, UDP_BUFFER_BYTES);
}

static bool set_udp_options(int fd, const struct sockets_address *address)
{
    bool is_v6 = address->addr.family == ADDR_V6;
    enlarge(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    enlarge(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    if (is_v6) {
        /* Answers stay below the minimum MTU as far as EDNS allows; what is larger may be
         * fragmented here, but no forged "packet too big" may lower it further. */
        set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
        set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
        return !address->is_wildcard || set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    return !address->is_wildcard || set(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static int fail_open(int fd)
{
    int kept = errno;
    if (fd >= 0)
        close(fd);
    errno = kept;
    return CLOSED;
}

/* A socket bound to `address`, or CLOSED with errno. `is_shared`: other workers join. */
static int bind_one(int type, const struct sockets_address *address, bool is_shared)
{
    struct sockaddr_storage name;
    socklen_t len = addr_to_sockaddr(&address->addr, address->port, &name);
    int fd = socket(name.ss_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return CLOSED;
    if (name.ss_family == AF_INET6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return fail_open(fd);
    /* TCP: connections of a server that just ended must not bar the port for a minute. */
    if (type == SOCK_STREAM && !set(fd, SOL_SOCKET, SO_REUSEADDR, 1))
        return fail_open(fd);
    if (is_shared && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return fail_open(fd);
    if (bind(fd, (const struct sockaddr *)&name, len) != 0)
        return fail_open(fd);
    if (type == SOCK_DGRAM && !set_udp_options(fd, address))
        return fail_open(fd);
    return fd;
}

/* Is the port free of strangers? Only a bind without SO_REUSEPORT can tell. */
static bool probe(int type, const struct sockets_address *address)
{
    int fd = bind_one(type, address, false);
    if (fd < 0)
        return false;
    /* A TCP port can be bound beside one that listens as long as it does not listen itself. */
    bool is_free = type == SOCK_DGRAM || listen(fd, 1) == 0;
    int kept = errno;
    close(fd);
    errno = kept;
    return is_free;
}

static bool port_of(int fd, uint16_t *out_port)
{
    struct sockaddr_storage name = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return false;
    *out_port = addr_port((const struct sockaddr *)&name);
    return true;
}

/* Chooses a port that is free for TCP, and for UDP if that is wanted; 0 when there is none. */
static uint16_t find_port(const struct sockets_address *address, bool has_udp)
{
    for (int tries = 0; tries < ANY_PORT_TRIES; tries++) {
        struct sockets_address candidate = *address;
        int fd = bind_one(has_udp ? SOCK_DGRAM : SOCK_STREAM, &candidate, false);
        if (fd < 0)
            return 0;
        bool is_free = port_of(fd, &candidate.port);
        if (is_free && has_udp)
            is_free = probe(SOCK_STREAM, &candidate);
        close(fd);
        if (is_free)
            return candidate.port;
    }
    return 0;
}

static bool open_address(struct sockets *sockets, size_t at, const char **out_what)
{
    const struct sockets_address *address = &sockets->addresses[at];
    *out_what = "UDP";
    if (sockets->has_udp && !probe(SOCK_DGRAM, address))
        return false;
    *out_what = "TCP";
    if (!probe(SOCK_STREAM, address))
        return false;
    for (size_t worker = 0; worker < sockets->worker_count; worker++) {
        size_t slot = at * sockets->worker_count + worker;
        *out_what = "UDP";
        if (sockets->has_udp)
            sockets->udp[slot] = bind_one(SOCK_DGRAM, address, true);
        if (sockets->has_udp && sockets->udp[slot] < 0)
            return false;
        *out_what = "TCP";
        sockets->tcp[slot] = bind_one(SOCK_STREAM, address, true);
        if (sockets->tcp[slot] < 0)
            return false;
    }
    return true;
}

static void close_address(struct sockets *sockets, size_t at)
{
    for (size_t worker = 0; worker < sockets->worker_count; worker++) {
        int *fds[] = { &sockets->udp[at * sockets->worker_count + worker],
                       &sockets->tcp[at * sockets->worker_count + worker] };
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
            if (*fds[i] >= 0)
                close(*fds[i]);
            *fds[i] = CLOSED;
        }
    }
}

/* Somebody may be faster at the port that was found free. */
static bool open_any(struct sockets *sockets, size_t at, const char **out_what)
{
    struct sockets_address *address = &sockets->addresses[at];
    for (int tries = 0; tries < ANY_PORT_TRIES; tries++) {
        address->port = 0;
        address->port = find_port(address, sockets->has_udp);
        if (address->port == 0)
            return false;
        if (open_address(sockets, at, out_what))
            return true;
        int kept = errno;
        close_address(sockets, at);
        errno = kept;
        if (kept != EADDRINUSE)
            return false;
    }
    return false;
}

static const char *hint(int errnum)
{
    switch (errnum) {
    case EACCES:
        return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    case EADDRINUSE:
        return " (another process listens there)";
    case EADDRNOTAVAIL:
        return " (no interface has this address)";
    default:
        return "";
    }
}

static void open_wish(struct sockets *sockets, size_t at, const struct sockets_wish *wish,
                      struct diag *diag)
{
    struct sockets_address *address = &sockets->addresses[at];
    char text[SOCKETS_TEXT_MAX];
    const char *what = sockets->has_udp ? "UDP" : "TCP";
    *address = (struct sockets_address){ .addr = wish->addr,
                                         .port = wish->port,
                                         .is_wildcard = is_wildcard(&wish->addr) };
    bool is_open =
        wish->port == 0 ? open_any(sockets, at, &what) : open_address(sockets, at, &what);
    if (!is_open) {
        int kept = errno;
        diag_errno(diag, kept, "cannot listen on %s by %s%s", sockets_format(address, text), what,
                   hint(kept));
    }
}

enum err sockets_open(const struct sockets_wish *wishes, size_t count, size_t worker_count,
                      bool has_udp, struct diag *diag, struct sockets *out_sockets)
{
    struct sockets sockets = { .address_count = count,
                               .worker_count = worker_count,
                               .has_udp = has_udp };
    uint32_t errors_before = diag->error_count;
    sockets.addresses = mem_calloc(count, sizeof(*sockets.addresses));
    sockets.udp = mem_calloc(count * worker_count, sizeof(*sockets.udp));
    sockets.tcp = mem_calloc(count * worker_count, sizeof(*sockets.tcp));
    for (size_t i = 0; i < count * worker_count; i++)
        sockets.udp[i] = sockets.tcp[i] = CLOSED;
    for (size_t i = 0; i < count; i++)
        open_wish(&sockets, i, &wishes[i], diag);
    if (diag->error_count > errors_before) {
        sockets_close(&sockets);
        return ERR_INVALID;
    }
    *out_sockets = sockets;
    return ERR_OK;
}

void sockets_close(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->address_count; i++)
        close_address(sockets, i);
    free(sockets->addresses);
    free(sockets->udp);
    free(sockets->tcp);
    *sockets = (struct sockets){ .address_count = 0 };
}
