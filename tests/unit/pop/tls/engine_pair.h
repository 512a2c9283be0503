/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines that talk to each other in memory. */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/tls/tls.h"
#include "steering/base/mem.h"

struct engine_pair {
    struct tls_engine *client, *server;
    enum tls_status client_status, server_status; /* of the handshake */
};

/* Moves everything that `from` has to say, in pieces of at most `piece` bytes, and lets `to` go on
 * with its handshake or, when that is done, read into `out`. */
static inline enum tls_status engine_pass(struct tls_engine *from, struct tls_engine *to,
                                          size_t piece, struct buf *out)
{
    enum tls_status status = tls_handshake(to);
    struct str said;
    while ((said = tls_take(from)).len > 0 && status != TLS_FAILED) {
        size_t len = said.len < piece ? said.len : piece;
        uint8_t *copy = mem_dup(said.ptr, len); /* of exactly this size, for the sanitizer */
        tls_sent(from, len);
        tls_feed(to, copy, len);
        status = tls_handshake(to);
        while (status == TLS_OK) {
            uint8_t bytes[1000];
            size_t got = 0;
            status = tls_read(to, bytes, sizeof(bytes), &got);
            if (status == TLS_OK && out != NULL)
                buf_append(out, bytes, got);
        }
        tls_feed(to, NULL, 0);
        free(copy);
        if (status == TLS_WANTS_INPUT && tls_handshake(to) == TLS_OK)
            status = TLS_OK;
    }
    return status;
}

static inline void engine_pair_shake(struct engine_pair *pair, size_t piece)
{
    for (int round = 0; round < 6; round++) {
        enum tls_status client = tls_handshake(pair->client);
        pair->client_status = client == TLS_FAILED ? client : pair->client_status;
        pair->server_status = engine_pass(pair->client, pair->server, piece, NULL);
        enum tls_status status = engine_pass(pair->server, pair->client, piece, NULL);
        if (pair->client_status != TLS_FAILED)
            pair->client_status = status;
        if (pair->server_status == TLS_FAILED || pair->client_status == TLS_FAILED)
            break;
    }
    /* The last words: an alert for the server. */
    if (pair->client_status == TLS_FAILED && pair->server_status != TLS_FAILED)
        pair->server_status = engine_pass(pair->client, pair->server, piece, NULL);
}

static inline struct engine_pair engine_pair_new(struct tls_context *client,
                                                 struct tls_context *server, const char *name)
{
    return (struct engine_pair){
        .client = tls_client_engine(client, name),
        .server = tls_server_engine(server),
        .client_status = TLS_WANTS_INPUT,
        .server_status = TLS_WANTS_INPUT,
    };
}

static inline bool engine_pair_is_done(const struct engine_pair *pair)
{
    return pair->client_status == TLS_OK && pair->server_status == TLS_OK;
}

static inline void engine_pair_fini(struct engine_pair *pair)
{
    tls_engine_free(pair->client);
    tls_engine_free(pair->server);
}
