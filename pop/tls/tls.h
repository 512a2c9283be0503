/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 and 1.3 by OpenSSL, without I/O: ciphertext in, plaintext out, and back.
 *
 * Shape:     tls_context   certificates by name, ALPN, session tickets, trust; one per worker
 *                          and listener (OpenSSL's locks are per context)
 *            tls_engine    one connection
 *
 *              ciphertext ──tls_feed──> engine ──tls_read──> plaintext
 *              ciphertext <──tls_take── engine <──tls_write── plaintext
 *
 * Threads:   a context may be built by one thread and then belongs to the worker that uses it;
 *            engines are their worker's own.
 * Ownership: contexts are counted; an engine holds a reference. tls_engine_free.
 * Source:    RFC 8446, RFC 5246, RFC 5077, RFC 7301, RFC 6066 section 3
 */
#pragma once

#include "pop/tls/ticket_keys.h"
#include "steering/base/diag.h"

struct tls_context;
struct tls_engine;

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* ---- contexts -------------------------------------------------------------------------------- */

struct tls_certificate_files {
    const char *certificate; /* PEM: the chain, leaf first */
    const char *key;         /* PEM */
};

/* First of all in a program, before any other use of OpenSSL: what we offer and trust is in our own
 * files, and neither openssl.cnf nor OPENSSL_CONF may change it or load code. */
void tls_start(void);

/* When the first certificate of the chain in a file expires, Unix time; for authorities, the last
 * one. 0: the file cannot be read. */
int64_t tls_file_expiry(const char *path, bool is_of_authorities);

struct tls_server_settings {
    /* By SNI: the names in the certificates (wildcards included) choose; several kinds (P-256 and
     * RSA) for one name work together. Without a match the first certificate serves. */
    const struct tls_certificate_files *certificates;
    size_t certificate_count;
    enum tls_version min_version;
    const char *ciphers;     /* TLS 1.2; NULL: our list */
    bool is_http2, is_http1; /* ALPN; without ALPN: HTTP/1.1 if allowed */
    const char *client_ca;   /* PEM: clients must have a certificate from there; NULL: none asked */
    uint32_t session_s;      /* how long tickets live */
    bool is_strict_sni;      /* refuse names without a certificate */
};
/* Loads and checks everything (a key that does not fit its certificate, one that has expired ->
 * warning); `diag` names files. NULL after errors. `keys` may be NULL: random ones. */
MUST_USE enum err tls_server_new(const struct tls_server_settings *settings,
                                 const struct ticket_keys *keys, int64_t now_unix_s,
                                 struct diag *diag, struct tls_context **out_context);

struct tls_client_settings {
    struct tls_certificate_files certificate; /* .certificate NULL: none is shown */
    const char *ca;                           /* PEM; NULL: the system's */
    bool is_verified; /* false: any certificate (origins only, when the operator says so) */
    enum tls_version min_version;
    bool is_http2, is_http1;
    int64_t now_unix_s; /* 0: the dates of our certificate are not looked at */
    /* Peers trust `ca` as we do, and know us by this name: a certificate that is not from there or
     * not for it is warned of. NULL: not looked at. */
    const char *own_name;
};
MUST_USE enum err tls_client_new(const struct tls_client_settings *settings, struct diag *diag,
                                 struct tls_context **out_context);

struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* accepts NULL; engines keep theirs */
/* New keys take effect for the next handshakes; connections stay. */
void tls_context_set_keys(struct tls_context *context, const struct ticket_keys *keys);

/* ---- engines --------------------------------------------------------------------------------- */

struct tls_engine *tls_server_engine(struct tls_context *context);
/* `name`: SNI and, when verified, what the certificate must be for (NULL: none). Resumes the last
 * session that `context` had with that name. */
struct tls_engine *tls_client_engine(struct tls_context *context, const char *name);
void tls_engine_free(struct tls_engine *engine); /* accepts NULL */

enum tls_status {
    TLS_OK,
    TLS_WANTS_INPUT, /* nothing more without further ciphertext */
    TLS_ENDED,       /* the peer's close_notify */
    TLS_FAILED,      /* tls_reason says why; what tls_take gives (an alert) should still go out */
};

/* Gives ciphertext to the engine. It is borrowed and must stay until tls_read (or tls_handshake)
 * has returned TLS_WANTS_INPUT, ended or failed. With `len` 0: forgets what it was given. */
void tls_feed(struct tls_engine *engine, const uint8_t *bytes, size_t len);
/* What the engine has not taken of it yet: to be copied and fed again by who stops in the middle.
 */
struct str tls_rest(const struct tls_engine *engine);
/* Goes on with the handshake; TLS_OK: it is complete. */
enum tls_status tls_handshake(struct tls_engine *engine);
/* Plaintext into `out`, at least one byte with TLS_OK. */
enum tls_status tls_read(struct tls_engine *engine, uint8_t *out, size_t capacity, size_t *out_len);
/* Encrypts all `len` bytes as one or more records of at most `record_max` content bytes. False:
 * failed. */
bool tls_write(struct tls_engine *engine, const uint8_t *bytes, size_t len, size_t record_max);
/* Adds close_notify to the output. */
void tls_end(struct tls_engine *engine);
/* What is to be sent; borrowed until the next call that encrypts. tls_sent drops the front of it.
 */
struct str tls_take(const struct tls_engine *engine);
void tls_sent(struct tls_engine *engine, size_t len);

struct tls_info {
    bool is_tls;
    enum tls_version version;
    bool is_resumed;
    const char *cipher;     /* OpenSSL's name; static */
    struct str alpn;        /* "h2", "http/1.1" or empty; borrowed from the engine */
    struct str server_name; /* as the client asked; borrowed */
};
struct tls_info tls_info(const struct tls_engine *engine);
/* Does the peer's certificate carry this DNS name among its subject alternative names? (exact) */
bool tls_peer_has_name(const struct tls_engine *engine, struct str name);
/* The `index`-th DNS name of the peer's certificate; empty: no more. Borrowed. */
struct str tls_peer_name(const struct tls_engine *engine, size_t index);
/* For logs: OpenSSL's last words about this engine, "" when there are none. */
const char *tls_reason(const struct tls_engine *engine);
/* Idle: give the buffers back. */
void tls_shrink(struct tls_engine *engine);
