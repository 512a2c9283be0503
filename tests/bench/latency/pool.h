/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one client, and its requests under way.
 *
 * Like a browser: with HTTP/2 one connection, with HTTP/1.1 as many as there are requests; what
 * closed, says goodbye or has gone silent is replaced when a request needs it.
 * Threads:   owner only.
 */
#pragma once
#include "tests/bench/latency/client_options.h"
#include "tests/bench/latency/connection.h"

struct pool {
    const struct client_options *options;
    SSL_CTX *tls;
    int epoll_fd;
    uint64_t epoch_ns; /* when the program began */
    unsigned sample;
    const char *id; /* what the ids of this run begin with */

    struct connection_list connections;
    struct request_list under_way;
    unsigned under_way_count, connection_count;
    SSL_SESSION *ticket;                  /* the latest one; NULL: none */
    char hidden_error[REQUEST_ERROR_MAX]; /* of the last hidden request that is done */
};

void pool_init(struct pool *pool, const struct pool *model, unsigned sample);
void pool_fini(struct pool *pool);

/* Begins request `number`, `lane`; its row is printed when it is done. It leaves at pool_flush, or
 * when its connection is open. */
void pool_request(struct pool *pool, unsigned number, unsigned lane, bool is_hidden);
void pool_flush(struct pool *pool);
/* Opens connections until there are `count`; true when all of them are open, or have failed. */
bool pool_is_warm(struct pool *pool, unsigned count);
void pool_close_all(struct pool *pool);
/* Ends what took too long, frees what is closed; returns when to come again, or UINT64_MAX. */
uint64_t pool_expire(struct pool *pool, uint64_t now_ns);
/* A row for a request that could not even begin. */
void pool_report_unsent(struct pool *pool, unsigned number, unsigned lane, const char *error);

void pool_on_done(struct pool *pool, struct request *request);
