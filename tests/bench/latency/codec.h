/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection needs of a version of HTTP. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct request;

enum { CODEC_FILL_BYTES = 16384 };

struct codec {
    const char *alpn;
    void (*start)(struct connection *connection); /* the handshake is done */
    void (*stop)(struct connection *connection);
    /* Whether one more request can go out at once; also asked before `start`. */
    bool (*has_room)(const struct connection *connection);
    void (*submit)(struct connection *connection, struct request *request);
    /* Plaintext that arrived at `now_ns`. Tells of responses by connection_finish; returns NULL, or
     * what is wrong with the connection. */
    const char *(*receive)(struct connection *connection, const uint8_t *bytes, size_t len,
                           uint64_t now_ns);
    /* What is to be sent, into connection->out: some CODEC_FILL_BYTES at a time. */
    void (*fill)(struct connection *connection);
    /* Forgets a request that failed; false: the connection is of no use any more. */
    bool (*cancel)(struct connection *connection, struct request *request);
    /* No bytes will come any more. NULL if that is fine for what is under way. */
    void (*on_end)(struct connection *connection, uint64_t now_ns);
};

extern const struct codec codec_h1;
extern const struct codec codec_h2;
