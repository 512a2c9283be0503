/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/latency/pool.h"

#include <stdlib.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

void pool_init(struct pool *pool, const struct pool *model, unsigned sample)
{
    *pool = *model;
    pool->sample = sample;
    TAILQ_INIT(&pool->connections);
    TAILQ_INIT(&pool->under_way);
}

void pool_fini(struct pool *pool)
{
    pool_close_all(pool);
    SSL_SESSION_free(pool->ticket);
    pool->ticket = NULL;
}

static struct connection *open_one(struct pool *pool)
{
    struct connection *connection = connection_open(pool);
    connection->number = pool->connection_count++;
    TAILQ_INSERT_TAIL(&pool->connections, connection, link);
    return connection;
}

static struct connection *find_usable(struct pool *pool)
{
    for (struct connection *connection = TAILQ_FIRST(&pool->connections); connection != NULL;
         connection = TAILQ_NEXT(connection, link))
        if (connection->state != CONNECTION_CLOSED && !connection->is_leaving &&
            connection->codec->has_room(connection))
            return connection;
    return NULL;
}

static struct request *make_request(struct pool *pool, unsigned number, unsigned lane)
{
    const struct client_options *options = pool->options;
    struct request *request = mem_calloc(1, sizeof(*request));
    request->sample = pool->sample;
    request->number = number;
    request->lane = lane;
    request->path = options->paths[number % options->path_count];
    request->body_left = options->body_bytes;
    snprintf(request->id, sizeof(request->id), "%s-%u-%u-%u", pool->id, pool->sample, number, lane);
    return request;
}

void pool_request(struct pool *pool, unsigned number, unsigned lane, bool is_hidden)
{
    struct request *request = make_request(pool, number, lane);
    struct connection *connection = find_usable(pool);
    request->is_hidden = is_hidden;
    TAILQ_INSERT_TAIL(&pool->under_way, request, under_way);
    pool->under_way_count++;
    if (connection != NULL) {
        request->began_ns = clock_monotonic_ns();
    } else {
        connection = open_one(pool);
        request->began_ns = connection->began_ns;
    }
    connection_submit(connection, request);
    if (connection->state == CONNECTION_CLOSED) {
        request_fail(request, connection->error);
        connection_finish(connection, request, 0);
    }
}

void pool_flush(struct pool *pool)
{
    for (struct connection *connection = TAILQ_FIRST(&pool->connections); connection != NULL;
         connection = TAILQ_NEXT(connection, link))
        connection_flush(connection);
}

bool pool_is_warm(struct pool *pool, unsigned count)
{
    struct connection *connection = NULL;
    while (pool->connection_count < count)
        open_one(pool);
    for (connection = TAILQ_FIRST(&pool->connections); connection != NULL;
         connection = TAILQ_NEXT(connection, link))
        if (connection->state != CONNECTION_OPEN && connection->state != CONNECTION_CLOSED)
            return false;
    return true;
}

void pool_on_done(struct pool *pool, struct request *request)
{
    TAILQ_REMOVE(&pool->under_way, request, under_way);
    pool->under_way_count--;
    if (!request->is_hidden)
        request_print(request, pool->epoch_ns, stdout);
    else
        snprintf(pool->hidden_error, sizeof(pool->hidden_error), "%s", request->error);
    free(request);
}

void pool_report_unsent(struct pool *pool, unsigned number, unsigned lane, const char *error)
{
    struct request *request = make_request(pool, number, lane);
    request->began_ns = clock_monotonic_ns();
    request_fail(request, error);
    request_print(request, pool->epoch_ns, stdout);
    free(request);
}

static void free_closed(struct pool *pool)
{
    struct connection *connection = TAILQ_FIRST(&pool->connections);
    while (connection != NULL) {
        struct connection *next = TAILQ_NEXT(connection, link);
        if (connection->state == CONNECTION_CLOSED) {
            TAILQ_REMOVE(&pool->connections, connection, link);
            connection_free(connection);
        }
        connection = next;
    }
}

uint64_t pool_expire(struct pool *pool, uint64_t now_ns)
{
    uint64_t patience_ns = pool->options->timeout_ms * NS_PER_MS;
    struct request *request = NULL;
    while ((request = TAILQ_FIRST(&pool->under_way)) != NULL &&
           request->began_ns + patience_ns <= now_ns)
        connection_cancel(request->connection, request, "timeout");
    pool_flush(pool); /* resets of cancelled streams */
    free_closed(pool);
    request = TAILQ_FIRST(&pool->under_way);
    return request == NULL ? UINT64_MAX : request->began_ns + patience_ns;
}

void pool_close_all(struct pool *pool)
{
    for (struct connection *connection = TAILQ_FIRST(&pool->connections); connection != NULL;
         connection = TAILQ_NEXT(connection, link))
        connection_close(connection, "closed by the client");
    free_closed(pool);
}
