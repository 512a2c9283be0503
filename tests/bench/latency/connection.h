/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: TCP, TLS, and the requests on it.
 *
 *   CONNECTING --> HANDSHAKING --> OPEN --> CLOSED     (CLOSED from any state)
 *
 * Threads:   owner only.
 * Ownership: made, listed and freed by its pool.
 */
#pragma once
#include <openssl/ssl.h>

#include "steering/base/buf.h"
#include "tests/bench/latency/codec.h"
#include "tests/bench/latency/request.h"

enum connection_state {
    CONNECTION_CONNECTING = 1,
    CONNECTION_HANDSHAKING,
    CONNECTION_OPEN,
    CONNECTION_CLOSED,
};

struct pool;

struct connection {
    struct pool *pool;
    TAILQ_ENTRY(connection) link;
    struct request_list requests; /* that wait for it to open, or are under way */
    unsigned request_count;
    unsigned number; /* the how-manieth of its pool */
    const struct codec *codec;
    void *session; /* the codec's */
    enum connection_state state;
    int fd;
    SSL *ssl;
    bool is_leaving; /* gets no more requests, and closes when it has none */
    uint64_t began_ns, connected_ns, handshaken_ns;
    uint64_t heard_ns; /* of the last byte that came */
    struct buf out;
    char error[REQUEST_ERROR_MAX]; /* why it is closed */
};
TAILQ_HEAD(connection_list, connection);

/* Begins to connect; events are told by epoll with the connection as their data. */
struct connection *connection_open(struct pool *pool);
void connection_free(struct connection *connection);

/* Something may have come, or may be sent. */
void connection_on_ready(struct connection *connection);
/* Puts the request on the connection; it leaves at the next connection_flush. */
void connection_submit(struct connection *connection, struct request *request);
void connection_flush(struct connection *connection);
/* The request is done, well or not; tells its pool. */
void connection_finish(struct connection *connection, struct request *request, uint64_t now_ns);
/* Gives up a request, with its row's error. */
void connection_cancel(struct connection *connection, struct request *request, const char *error);
/* All requests fail with `error`. */
void connection_close(struct connection *connection, const char *error);
/* Closes it when it leaves and nothing is under way. */
void connection_settle(struct connection *connection);
