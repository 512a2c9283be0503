/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of pop/tls share.
 *
 * Threads:   the context's owner.
 */
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "pop/tls/tls.h"
#include "steering/base/limits.h"

/* ---- tls_pem.c: files ------------------------------------------------------------------------ */

struct tls_identity {
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf; may be empty */
    EVP_PKEY *key;
    int kind; /* EVP_PKEY_EC, EVP_PKEY_RSA or EVP_PKEY_ED25519 */
};
/* Reads and checks both files. `now_unix_s` 0: the dates are not looked at. */
MUST_USE enum err tls_identity_load(const struct tls_certificate_files *files, int64_t now_unix_s,
                                    struct diag *diag, struct tls_identity *out_identity);
void tls_identity_fini(struct tls_identity *identity);
/* Warns when whoever trusts `trusted` would refuse it, or not take it for `name`. */
void tls_identity_check_use(const struct tls_identity *identity, X509_STORE *trusted,
                            const char *name, struct diag *diag);
/* Certificates of authorities into a store. ERR_INVALID when there is none in the file. */
MUST_USE enum err tls_authorities_load(const char *path, struct diag *diag,
                                       STACK_OF(X509) * *out_certificates);

/* ---- tls_names.c: which certificates for which server name ------------------------------------
 */

struct tls_names;

/* Makes one SSL_CTX for each set of certificates (one of each kind) that serve a name together;
 * `make` gives a new one with everything but certificates. */
MUST_USE enum err tls_names_new(const struct tls_identity *identities, size_t count,
                                SSL_CTX *(*make)(void *owner), void *owner, struct diag *diag,
                                struct tls_names **out_names);
void tls_names_free(struct tls_names *names);
/* NULL: no certificate has this name. */
SSL_CTX *tls_names_find(const struct tls_names *names, struct str name);
SSL_CTX *tls_names_default(const struct tls_names *names);

/* ---- tls_tickets.c, tls_sessions.c ------------------------------------------------------------
 */

void tls_tickets_use(SSL_CTX *ssl_context);

enum { TLS_SESSIONS_MAX = LIMIT(256, 2) };

struct tls_session {
    char *name;
    SSL_SESSION *session;
    uint64_t used; /* by tls_sessions.clock: the least goes when there is no room */
};
struct tls_sessions {
    struct tls_session *items;
    size_t count;
    uint64_t clock;
};
void tls_sessions_fini(struct tls_sessions *sessions);
/* Takes ownership of `session`. */
void tls_sessions_put(struct tls_sessions *sessions, const char *name, SSL_SESSION *session);
/* Borrowed; NULL: none that could be resumed. */
SSL_SESSION *tls_sessions_find(struct tls_sessions *sessions, const char *name);

/* ---- tls_output.c: encrypted bytes on their way out -------------------------------------------
 */

/* Buffers are as large as a whole flush and pass from engine to engine: an idle one has none. */
struct tls_output {
    struct tls_output *next; /* in the pool */
    size_t at, len, capacity;
    uint8_t *bytes;
};
enum {
    TLS_OUTPUT_BYTES = LIMIT(68 * 1024, 64), /* at first; grows */
    TLS_OUTPUTS_FREE_MAX = 4,
};
struct tls_outputs {
    struct tls_output *free_outputs;
    size_t free_count;
};
void tls_outputs_fini(struct tls_outputs *pool);
void tls_output_append(struct tls_outputs *pool, struct tls_output **output, const void *bytes,
                       size_t len);
/* Back to the pool; `*output` may be NULL and is NULL then. */
void tls_output_release(struct tls_outputs *pool, struct tls_output **output);
/* The memory fits the bytes afterwards: for those that wait for a slow peer. */
void tls_output_shrink(struct tls_output *output);

/* ---- tls_context.c ----------------------------------------------------------------------------
 */

struct tls_context {
    uint32_t refs;
    bool is_server, is_http2, is_http1, is_strict_sni, is_verified;
    SSL_CTX *ssl_context;    /* engines begin with it; tickets belong to it */
    struct tls_names *names; /* servers */
    EVP_CIPHER *ticket_cipher;
    struct ticket_keys keys;
    struct tls_sessions sessions; /* clients */
    struct tls_outputs outputs;
};

/* ---- tls_engine.c -----------------------------------------------------------------------------
 */

struct tls_engine {
    SSL *ssl;
    struct tls_context *context;
    const uint8_t *input; /* borrowed; what OpenSSL has not taken yet */
    size_t input_len;
    struct tls_output *output; /* NULL: nothing to send */
    char *name;                /* client: whose session it is */
    char *reason;
    GENERAL_NAMES *peer_names; /* of a verified one; NULL: none */
    uint64_t read_bytes;
    uint32_t key_updates; /* of the peer */
    bool is_established, is_starved, is_failed, is_ended, is_end_sent;
};

struct tls_engine *tls_engine_of(const SSL *ssl);

/* ---- tls_bio.c --------------------------------------------------------------------------------
 */

/* The BIO of an engine: reads from its input, writes to its output. */
BIO *tls_bio_new(struct tls_engine *engine);
