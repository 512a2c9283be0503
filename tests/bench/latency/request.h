/* SPDX-License-Identifier: Apache-2.0 */
/* One request, from its start to its row of results.
 *
 * Threads:   owner only.
 * Ownership: made by who wants it done, freed by who is told that it is done.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

enum { REQUEST_ERROR_MAX = 120, REQUEST_ID_MAX = 48, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

struct connection;

struct request {
    TAILQ_ENTRY(request) under_way;     /* of its pool, oldest first */
    TAILQ_ENTRY(request) on_connection; /* of its connection */
    struct connection *connection;
    const char *path;
    char id[REQUEST_ID_MAX]; /* travels as x-test-id, which the origin writes to its journal */
    unsigned sample, number, lane, connection_number;

    uint64_t body_left;
    int32_t stream_id; /* HTTP/2 */
    bool is_encoded;   /* its first byte is in the connection's buffer */

    /* CLOCK_MONOTONIC; 0: has not happened, or (the first two) happened for an earlier request */
    uint64_t began_ns, connected_ns, handshaken_ns, sent_ns, first_ns, last_ns;
    uint64_t bytes; /* of the response's content */
    const char *tls;
    int status;
    bool is_resumed;
    bool is_hidden; /* no row: it only fetches a ticket */
    char error[REQUEST_ERROR_MAX];
};
TAILQ_HEAD(request_list, request);

/* The first error stays. */
void request_fail(struct request *request, const char *error);
/* One line of JSON. `epoch_ns`: when the program began. */
void request_print(const struct request *request, uint64_t epoch_ns, FILE *file);
