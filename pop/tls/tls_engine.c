/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "steering/base/mem.h"

/* A peer may change keys at the start as often as a careful implementation does in a lifetime, and
 * then once for each of these many bytes. */
enum { KEY_UPDATES_MAX = 32, KEY_UPDATE_BYTES = 1024 * 1024, REASON_MAX = 200 };

struct tls_engine *tls_engine_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* ---- birth and death ------------------------------------------------------------------------- */

/* Called for handshake messages only: costs nothing while data flows. */
static void on_info(const SSL *ssl, int where, int value)
{
    (void)value;
    struct tls_engine *engine = tls_engine_of(ssl);
    if ((where & SSL_CB_LOOP) == 0 || !engine->is_established)
        return;
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
    if (state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE)
        engine->key_updates++;
}

static struct tls_engine *engine_new(struct tls_context *context)
{
    struct tls_engine *engine = mem_calloc(1, sizeof(*engine));
    engine->context = tls_context_ref(context);
    ERR_clear_error();
    engine->ssl = SSL_new(context->ssl_context);
    assert(engine->ssl != NULL);
    SSL_set_app_data(engine->ssl, engine);
    SSL_set_info_callback(engine->ssl, on_info);
    BIO *bio = tls_bio_new(engine);
    SSL_set_bio(engine->ssl, bio, bio);
    return engine;
}

struct tls_engine *tls_server_engine(struct tls_context *context)
{
    assert(context->is_server);
    struct tls_engine *engine = engine_new(context);
    SSL_set_accept_state(engine->ssl);
    return engine;
}

/* RFC 6066 section 3: addresses are no server names; they are checked as addresses. */
static void set_name(struct tls_engine *engine)
{
    char *name = engine->name; /* not const: OpenSSL's macro casts */
    X509_VERIFY_PARAM *verify = SSL_get0_param(engine->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, name) == 1)
        return;
    bool is_set = SSL_set_tlsext_host_name(engine->ssl, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    is_set = X509_VERIFY_PARAM_set1_host(verify, name, 0) == 1 && is_set;
    /* Longer than any DNS name: must not become a connection without the check. */
    engine->is_failed = !is_set;
}

struct tls_engine *tls_client_engine(struct tls_context *context, const char *name)
{
    assert(!context->is_server);
    struct tls_engine *engine = engine_new(context);
    SSL_set_connect_state(engine->ssl);
    if (name != NULL && name[0] != '\0') {
        engine->name = mem_strdup(name);
        set_name(engine);
    }
    SSL_SESSION *session = tls_sessions_find(&context->sessions, name != NULL ? name : "");
    if (session != NULL)
        SSL_set_session(engine->ssl, session);
    ERR_clear_error();
    return engine;
}

void tls_engine_free(struct tls_engine *engine)
{
    if (engine == NULL)
        return;
    /* Without this, OpenSSL takes a connection that ended without close_notify for an attack and
     * forgets its session. */
    SSL_set_shutdown(engine->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(engine->ssl);
    tls_output_release(&engine->context->outputs, &engine->output);
    GENERAL_NAMES_free(engine->peer_names);
    free(engine->name);
    free(engine->reason);
    tls_context_unref(engine->context);
    free(engine);
}

/* ---- failure --------------------------------------------------------------------------------- */

static enum tls_status fail(struct tls_engine *engine, const char *reason)
{
    engine->is_failed = true;
    if (engine->reason == NULL)
        engine->reason = mem_strdup(reason);
    ERR_clear_error();
    return TLS_FAILED;
}

/* From OpenSSL's queue: the first entry is nearest to the cause. */
static enum tls_status fail_by_openssl(struct tls_engine *engine)
{
    unsigned long code = ERR_peek_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    long verdict = SSL_get_verify_result(engine->ssl);
    if (text == NULL)
        text = "the peer broke the protocol";
    if (ERR_GET_REASON(code) != SSL_R_CERTIFICATE_VERIFY_FAILED || verdict == X509_V_OK)
        return fail(engine, text);
    char reason[REASON_MAX];
    snprintf(reason, sizeof(reason), "%s: %s", text, X509_verify_cert_error_string(verdict));
    return fail(engine, reason);
}

static enum tls_status status_of(struct tls_engine *engine, int result)
{
    switch (SSL_get_error(engine->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        engine->is_starved = true;
        return TLS_WANTS_INPUT;
    case SSL_ERROR_ZERO_RETURN:
        engine->is_ended = true;
        return TLS_ENDED;
    default:
        return fail_by_openssl(engine);
    }
}

/* ---- the pump -------------------------------------------------------------------------------- */

void tls_feed(struct tls_engine *engine, const uint8_t *bytes, size_t len)
{
    assert(engine->input_len == 0 || len == 0); /* or bytes would be lost */
    engine->input = bytes;
    engine->input_len = len;
    if (len > 0)
        engine->is_starved = false;
}

struct str tls_rest(const struct tls_engine *engine)
{
    return (struct str){ .ptr = (const char *)engine->input, .len = engine->input_len };
}

/* Who offers nothing but HTTP/2 means it. */
static bool has_agreed(const struct tls_engine *engine)
{
    const struct tls_context *context = engine->context;
    const unsigned char *protocol;
    unsigned len;
    SSL_get0_alpn_selected(engine->ssl, &protocol, &len);
    return len > 0 || context->is_http1 || !context->is_http2;
}

/* Names count only when somebody vouched for them. */
static void keep_peer_names(struct tls_engine *engine)
{
    X509 *peer = SSL_get0_peer_certificate(engine->ssl);
    if (peer != NULL && engine->context->is_verified &&
        SSL_get_verify_result(engine->ssl) == X509_V_OK)
        engine->peer_names = X509_get_ext_d2i(peer, NID_subject_alt_name, NULL, NULL);
}

enum tls_status tls_handshake(struct tls_engine *engine)
{
    if (engine->is_failed)
        return fail(engine, "the server's name is not valid");
    if (engine->is_established)
        return TLS_OK;
    if (engine->is_starved)
        return TLS_WANTS_INPUT;
    ERR_clear_error();
    int result = SSL_do_handshake(engine->ssl);
    if (result != 1) {
        enum tls_status status = status_of(engine, result);
        return status == TLS_ENDED ? fail(engine, "closed during the handshake") : status;
    }
    engine->is_established = true;
    keep_peer_names(engine);
    if (!has_agreed(engine))
        return fail(engine, "the peer did not agree to HTTP/2 (ALPN)");
    return TLS_OK;
}

static bool is_flooded(const struct tls_engine *engine)
{
    return engine->key_updates > KEY_UPDATES_MAX + engine->read_bytes / KEY_UPDATE_BYTES;
}

enum tls_status tls_read(struct tls_engine *engine, uint8_t *out, size_t capacity, size_t *out_len)
{
    size_t len = 0;
    enum tls_status status = TLS_OK;
    if (engine->is_failed)
        return TLS_FAILED;
    if (engine->is_ended)
        return TLS_ENDED;
    if (engine->is_starved)
        return TLS_WANTS_INPUT;
    ERR_clear_error();
    while (len < capacity && status == TLS_OK) {
        size_t got = 0;
        int result = SSL_read_ex(engine->ssl, out + len, capacity - len, &got);
        len += got;
        if (result != 1)
            status = status_of(engine, 0);
    }
    engine->read_bytes += len;
    if (status != TLS_FAILED && is_flooded(engine))
        return fail(engine, "flood of key updates");
    /* What came before the end or the failure counts; the next call tells the rest. */
    if (len > 0) {
        *out_len = len;
        return TLS_OK;
    }
    return status;
}

bool tls_write(struct tls_engine *engine, const uint8_t *bytes, size_t len, size_t record_max)
{
    if (engine->is_failed || !engine->is_established || engine->is_end_sent)
        return false;
    ERR_clear_error();
    for (size_t at = 0; at < len;) {
        size_t piece = len - at < record_max ? len - at : record_max, put = 0;
        if (SSL_write_ex(engine->ssl, bytes + at, piece, &put) != 1) {
            (void)fail_by_openssl(engine);
            return false;
        }
        at += put;
    }
    return true;
}

void tls_end(struct tls_engine *engine)
{
    if (engine->is_failed || !engine->is_established || engine->is_end_sent)
        return;
    engine->is_end_sent = true;
    ERR_clear_error();
    (void)SSL_shutdown(engine->ssl); /* only writes: the peer's end is tls_read's affair */
    ERR_clear_error();
}

struct str tls_take(const struct tls_engine *engine)
{
    const struct tls_output *output = engine->output;
    if (output == NULL)
        return STR("");
    return (struct str){ .ptr = (const char *)output->bytes + output->at,
                         .len = output->len - output->at };
}

void tls_sent(struct tls_engine *engine, size_t len)
{
    struct tls_output *output = engine->output;
    assert(output != NULL ? len <= output->len - output->at : len == 0);
    if (output == NULL)
        return;
    output->at += len;
    if (output->at == output->len)
        tls_output_release(&engine->context->outputs, &engine->output);
}

void tls_shrink(struct tls_engine *engine)
{
    if (engine->output != NULL)
        tls_output_shrink(engine->output);
}

/* ---- what is known --------------------------------------------------------------------------- */

struct tls_info tls_info(const struct tls_engine *engine)
{
    const unsigned char *protocol;
    unsigned len;
    SSL_get0_alpn_selected(engine->ssl, &protocol, &len);
    return (struct tls_info){
        .is_tls = true,
        .version = SSL_version(engine->ssl) >= TLS1_3_VERSION ? TLS_VERSION_1_3 : TLS_VERSION_1_2,
        .is_resumed = SSL_session_reused(engine->ssl) == 1,
        .cipher = SSL_get_cipher_name(engine->ssl),
        .alpn = { .ptr = (const char *)protocol, .len = len },
        .server_name = str_from(SSL_get_servername(engine->ssl, TLSEXT_NAMETYPE_host_name)),
    };
}

struct str tls_peer_name(const struct tls_engine *engine, size_t index)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(engine->peer_names); i++) {
        const GENERAL_NAME *item = sk_GENERAL_NAME_value(engine->peer_names, i);
        if (item->type != GEN_DNS)
            continue;
        struct str name = {
            .ptr = (const char *)ASN1_STRING_get0_data(item->d.dNSName),
            .len = (size_t)ASN1_STRING_length(item->d.dNSName),
        };
        if (name.len == 0 || memchr(name.ptr, '\0', name.len) != NULL)
            continue;
        if (index-- == 0)
            return name;
    }
    return STR("");
}

bool tls_peer_has_name(const struct tls_engine *engine, struct str name)
{
    struct str found;
    for (size_t i = 0; (found = tls_peer_name(engine, i)).len > 0; i++)
        if (str_eq_nocase(found, name))
            return true;
    return false;
}

const char *tls_reason(const struct tls_engine *engine)
{
    return engine->reason != NULL ? engine->reason : "";
}
