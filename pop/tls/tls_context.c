/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "steering/base/digest.h"
#include "steering/base/mem.h"

/* AES-128 first: it is the cheapest where the processor has it, and clients on processors that
 * have not prefer ChaCha20, which SSL_OP_PRIORITIZE_CHACHA then honours. */
static const char ciphers_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static char groups[] = "X25519:P-256:P-384"; /* not const: OpenSSL's macro casts that away */

static const uint8_t alpn_http2[] = { 2, 'h', '2' };
static const uint8_t alpn_http1[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

enum { TICKETS_TO_BROWSERS = 2, TICKETS_TO_GATEWAYS = 1 };

void tls_start(void)
{
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        abort();
}

/* ---- both sides ------------------------------------------------------------------------------ */

/* No renegotiation (a way to make others pay for handshakes), no compression (CRIME). Buffers of
 * records go when they are empty, so that an idle connection has none. */
static SSL_CTX *ssl_context_new(const SSL_METHOD *method, enum tls_version min_version)
{
    SSL_CTX *ssl_context = SSL_CTX_new(method);
    assert(ssl_context != NULL);
    SSL_CTX_set_options(ssl_context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl_context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int version = min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    bool is_set = SSL_CTX_set_min_proto_version(ssl_context, version) == 1 &&
                  SSL_CTX_set_max_proto_version(ssl_context, TLS1_3_VERSION) == 1 &&
                  SSL_CTX_set_cipher_list(ssl_context, ciphers_1_2) == 1 &&
                  SSL_CTX_set_ciphersuites(ssl_context, ciphers_1_3) == 1 &&
                  SSL_CTX_set1_groups_list(ssl_context, groups) == 1;
    assert(is_set); /* constants of ours */
    return ssl_context;
}

static struct tls_context *context_new(bool is_server, bool is_http2, bool is_http1)
{
    struct tls_context *context = mem_calloc(1, sizeof(*context));
    context->refs = 1;
    context->is_server = is_server;
    context->is_http2 = is_http2;
    context->is_http1 = is_http1;
    return context;
}

/* An authority named by the operator is trusted as it is, also when it is an intermediate one. */
static void trust(SSL_CTX *ssl_context, STACK_OF(X509) * authorities)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl_context);
    for (int i = 0; i < sk_X509_num(authorities); i++)
        X509_STORE_add_cert(store, sk_X509_value(authorities, i));
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->refs++;
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || --context->refs > 0)
        return;
    SSL_CTX_free(context->ssl_context);
    tls_names_free(context->names);
    EVP_CIPHER_free(context->ticket_cipher);
    ticket_keys_wipe(&context->keys);
    tls_sessions_fini(&context->sessions);
    tls_outputs_fini(&context->outputs);
    free(context);
}

void tls_context_set_keys(struct tls_context *context, const struct ticket_keys *keys)
{
    assert(keys->count > 0);
    context->keys = *keys;
}

/* ---- servers --------------------------------------------------------------------------------- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned int offered_len, void *owner)
{
    const struct tls_context *context = owner;
    (void)ssl;
    const struct {
        const uint8_t *wire;
        bool is_spoken;
    } protocols[] = { { alpn_http2, context->is_http2 }, { alpn_http1, context->is_http1 } };
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        const uint8_t *wire = protocols[i].wire;
        if (!protocols[i].is_spoken)
            continue;
        for (unsigned at = 0; at < offered_len; at += 1u + offered[at]) {
            if (offered[at] == wire[0] && memcmp(offered + at + 1, wire + 1, wire[0]) == 0) {
                *out = offered + at + 1;
                *out_len = wire[0];
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Certificates only: what else a connection goes by stays that of the context it began with. */
static int on_server_name(SSL *ssl, int *alert, void *owner)
{
    const struct tls_context *context = owner;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *chosen = name != NULL ? tls_names_find(context->names, str_from(name)) : NULL;
    if (chosen == NULL && context->is_strict_sni) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (chosen != NULL && chosen != SSL_get_SSL_CTX(ssl) && SSL_set_SSL_CTX(ssl, chosen) == NULL)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return name != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

struct server_build {
    const struct tls_server_settings *settings;
    struct tls_context *context;
    STACK_OF(X509) * authorities; /* NULL: clients need no certificate */
};

/* Sessions are good only where the same clients are let in: tickets of a public listener must not
 * open the backbone's, though the fleet shares the keys. */
static void set_session_id(SSL_CTX *ssl_context, STACK_OF(X509) * authorities)
{
    uint8_t digest[EVP_MAX_MD_SIZE] = "public listener";
    unsigned len = SSL_MAX_SID_CTX_LENGTH;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool is_done = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(md, digest, sizeof("public listener")) == 1;
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        uint8_t fingerprint[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        is_done =
            is_done &&
            X509_digest(sk_X509_value(authorities, i), EVP_sha256(), fingerprint, &size) == 1 &&
            EVP_DigestUpdate(md, fingerprint, size) == 1;
    }
    is_done = is_done && EVP_DigestFinal_ex(md, digest, &len) == 1 &&
              SSL_CTX_set_session_id_context(ssl_context, digest, len) == 1;
    EVP_MD_CTX_free(md);
    assert(is_done);
}

static void demand_certificates(SSL_CTX *ssl_context, STACK_OF(X509) * authorities)
{
    trust(ssl_context, authorities);
    for (int i = 0; i < sk_X509_num(authorities); i++)
        SSL_CTX_add_client_CA(ssl_context, sk_X509_value(authorities, i));
    SSL_CTX_set_verify(ssl_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static SSL_CTX *make_server_context(void *owner)
{
    const struct server_build *build = owner;
    const struct tls_server_settings *settings = build->settings;
    SSL_CTX *ssl_context = ssl_context_new(TLS_server_method(), settings->min_version);
    if (settings->ciphers != NULL)
        (void)SSL_CTX_set_cipher_list(ssl_context, settings->ciphers); /* was tried before */
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_OFF);
    if (settings->session_s > 0)
        SSL_CTX_set_timeout(ssl_context, (long)settings->session_s);
    SSL_CTX_set_num_tickets(ssl_context,
                            build->authorities != NULL ? TICKETS_TO_GATEWAYS : TICKETS_TO_BROWSERS);
    tls_tickets_use(ssl_context);
    SSL_CTX_set_alpn_select_cb(ssl_context, on_alpn, build->context);
    SSL_CTX_set_tlsext_servername_callback(ssl_context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ssl_context, build->context);
    set_session_id(ssl_context, build->authorities);
    if (build->authorities != NULL)
        demand_certificates(ssl_context, build->authorities);
    return ssl_context;
}

static enum err check_ciphers(const struct tls_server_settings *settings, struct diag *diag)
{
    if (settings->ciphers == NULL)
        return ERR_OK;
    SSL_CTX *trial = ssl_context_new(TLS_server_method(), settings->min_version);
    bool is_good = SSL_CTX_set_cipher_list(trial, settings->ciphers) == 1;
    SSL_CTX_free(trial);
    ERR_clear_error();
    if (is_good)
        return ERR_OK;
    return diag_error(diag, 0, 0,
                      "no cipher in '%s'; expected OpenSSL's names for TLS 1.2 with ':' between "
                      "them, such as 'ECDHE-ECDSA-AES128-GCM-SHA256'",
                      settings->ciphers);
}

/* Looks at all files, so that one run shows all that is wrong. */
static enum err load_identities(const struct tls_server_settings *settings, int64_t now_unix_s,
                                struct diag *diag, struct tls_identity *out_identities)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < settings->certificate_count; i++) {
        enum err one =
            tls_identity_load(&settings->certificates[i], now_unix_s, diag, &out_identities[i]);
        if (err == ERR_OK)
            err = one;
    }
    return err;
}

enum err tls_server_new(const struct tls_server_settings *settings, const struct ticket_keys *keys,
                        int64_t now_unix_s, struct diag *diag, struct tls_context **out_context)
{
    if (settings->certificate_count == 0)
        return diag_error(diag, 0, 0, "a TLS listener needs at least one certificate");
    struct tls_context *context = context_new(true, settings->is_http2, settings->is_http1);
    struct server_build build = { .settings = settings, .context = context };
    struct tls_identity *identities = mem_calloc(settings->certificate_count, sizeof(*identities));
    context->is_strict_sni = settings->is_strict_sni;
    context->is_verified = settings->client_ca != NULL;
    context->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    assert(context->ticket_cipher != NULL);
    if (keys != NULL)
        tls_context_set_keys(context, keys);
    else
        ticket_keys_random(&context->keys);
    enum err err = load_identities(settings, now_unix_s, diag, identities);
    enum err cipher_err = check_ciphers(settings, diag);
    enum err ca_err = ERR_OK;
    if (settings->client_ca != NULL)
        ca_err = tls_authorities_load(settings->client_ca, diag, &build.authorities);
    err = err != ERR_OK ? err : cipher_err != ERR_OK ? cipher_err : ca_err;
    if (err == ERR_OK)
        err = tls_names_new(identities, settings->certificate_count, make_server_context, &build,
                            diag, &context->names);
    if (err != ERR_OK)
        goto out;
    context->ssl_context = tls_names_default(context->names);
    SSL_CTX_up_ref(context->ssl_context);
    *out_context = context;
    context = NULL; /* moved to the caller */
out:
    for (size_t i = 0; i < settings->certificate_count; i++)
        tls_identity_fini(&identities[i]);
    free(identities);
    sk_X509_pop_free(build.authorities, X509_free);
    tls_context_unref(context);
    return err;
}

/* ---- clients --------------------------------------------------------------------------------- */

/* TLS 1.3's tickets come at any time after the handshake; the last one is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_engine *engine = tls_engine_of(ssl);
    tls_sessions_put(&engine->context->sessions, engine->name != NULL ? engine->name : "", session);
    return 1; /* the reference is ours */
}

static void offer_protocols(SSL_CTX *ssl_context, const struct tls_client_settings *settings)
{
    uint8_t wire[sizeof(alpn_http2) + sizeof(alpn_http1)];
    unsigned len = 0;
    if (settings->is_http2) {
        memcpy(wire + len, alpn_http2, sizeof(alpn_http2));
        len += (unsigned)sizeof(alpn_http2);
    }
    if (settings->is_http1) {
        memcpy(wire + len, alpn_http1, sizeof(alpn_http1));
        len += (unsigned)sizeof(alpn_http1);
    }
    if (len > 0)
        SSL_CTX_set_alpn_protos(ssl_context, wire, len);
}

static enum err set_trust(SSL_CTX *ssl_context, const struct tls_client_settings *settings,
                          struct diag *diag)
{
    if (!settings->is_verified)
        return ERR_OK;
    SSL_CTX_set_verify(ssl_context, SSL_VERIFY_PEER, NULL);
    if (settings->ca == NULL) {
        SSL_CTX_set_default_verify_paths(ssl_context);
        return ERR_OK;
    }
    STACK_OF(X509) *authorities = NULL;
    enum err err = tls_authorities_load(settings->ca, diag, &authorities);
    if (err == ERR_OK)
        trust(ssl_context, authorities);
    sk_X509_pop_free(authorities, X509_free);
    return err;
}

static enum err set_certificate(SSL_CTX *ssl_context, const struct tls_client_settings *settings,
                                struct diag *diag)
{
    if (settings->certificate.certificate == NULL)
        return ERR_OK;
    struct tls_identity identity = { .kind = EVP_PKEY_NONE };
    enum err err = tls_identity_load(&settings->certificate, settings->now_unix_s, diag, &identity);
    if (err == ERR_OK &&
        SSL_CTX_use_cert_and_key(ssl_context, identity.leaf, identity.key, identity.chain, 1) != 1)
        err = diag_error(diag, 0, 0, "OpenSSL refuses '%s': %s", settings->certificate.certificate,
                         ERR_reason_error_string(ERR_peek_last_error()));
    if (err == ERR_OK && settings->ca != NULL && settings->own_name != NULL) {
        diag_set_file(diag, settings->certificate.certificate);
        tls_identity_check_use(&identity, SSL_CTX_get_cert_store(ssl_context), settings->own_name,
                               diag);
        diag_set_file(diag, NULL);
    }
    tls_identity_fini(&identity);
    ERR_clear_error();
    return err;
}

enum err tls_client_new(const struct tls_client_settings *settings, struct diag *diag,
                        struct tls_context **out_context)
{
    struct tls_context *context = context_new(false, settings->is_http2, settings->is_http1);
    context->is_verified = settings->is_verified;
    context->ssl_context = ssl_context_new(TLS_client_method(), settings->min_version);
    offer_protocols(context->ssl_context, settings);
    SSL_CTX_set_session_cache_mode(context->ssl_context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl_context, on_session);
    enum err err = set_trust(context->ssl_context, settings, diag);
    enum err certificate_err = set_certificate(context->ssl_context, settings, diag);
    if (err == ERR_OK)
        err = certificate_err;
    if (err != ERR_OK)
        tls_context_unref(context);
    else
        *out_context = context;
    return err;
}
