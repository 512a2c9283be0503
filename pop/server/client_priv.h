/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the client side share: all connections of one worker. */
#pragma once

#include "pop/server/client.h"
#include "pop/server/client_addrs.h"

struct client_conn;

/* A listening socket. */
struct client_listener {
    uv_poll_t poll;
    struct clients *clients;
    size_t index; /* into settings->node->listens */
    int fd;       /* -1: closed */
    bool is_open; /* the handle is */
};

struct clients {
    struct worker *worker;
    struct client_listener *listeners;
    size_t listener_count, open_listeners;
    int spare_fd; /* given up when there are no others, to accept and close at least */
    bool is_accepting, is_draining;
    struct io_timer backoff;   /* out of descriptors: no accepts until then */
    struct io_timer drain_end; /* the bound of a drain, then of its end */
    bool is_drain_over;        /* requests have been ended */
    void (*on_drained)(void *owner);
    void *on_drained_owner;

    struct client_conn *newest; /* of all */
    struct client_conn *idle_newest, *idle_oldest;
    struct client_addrs addrs;
    size_t count;
    uint64_t next_id;
};

/* ---- client.c ---- */
size_t clients_max(const struct clients *clients);
/* May this address have one more? */
bool clients_admits(const struct clients *clients, const struct addr *addr);
/* Closes the connection that has been idle for longest; false: none is idle. */
bool clients_close_idle(struct clients *clients);
void clients_add(struct clients *clients, struct client_conn *conn);
void clients_remove(struct clients *clients, struct client_conn *conn);
void clients_set_idle(struct client_conn *conn, bool is_idle);

/* ---- client_listen.c ---- */
void clients_accept_start(struct clients *clients);
/* Takes what the kernel has queued, then closes the sockets. */
void clients_accept_stop(struct clients *clients);

/* ---- client_drain.c ---- */
/* A connection or a listener is gone. */
void clients_check_drained(struct clients *clients);
