/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum { CIPHER_KEY_BYTES = 32, MAC_KEY_BYTES = 32 };
/* What OpenSSL takes from the callback. */
enum { TICKET_FAILED = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_RENEW = 2 };

static const struct ticket_key *find_key(const struct ticket_keys *keys, const uint8_t *id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (memcmp(keys->items[i].id, id, TICKET_ID_BYTES) == 0)
            return &keys->items[i];
    return NULL;
}

static bool set_keys(const struct tls_context *context, const struct ticket_key *key,
                     const uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_CipherInit_ex(cipher, context->ticket_cipher, NULL, key->secret, iv, is_sealing) != 1)
        return false;
    return EVP_MAC_init(mac, key->secret + CIPHER_KEY_BYTES, MAC_KEY_BYTES, params) == 1;
}

static int on_ticket(SSL *ssl, unsigned char *id, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    const struct tls_context *context = tls_engine_of(ssl)->context;
    const struct ticket_key *current = &context->keys.items[0];
    if (is_sealing) {
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(context->ticket_cipher)) != 1)
            return TICKET_FAILED;
        memcpy(id, current->id, TICKET_ID_BYTES);
        return set_keys(context, current, iv, cipher, mac, 1) ? TICKET_GOOD : TICKET_FAILED;
    }
    const struct ticket_key *key = find_key(&context->keys, id);
    if (key == NULL)
        return TICKET_UNKNOWN;
    if (!set_keys(context, key, iv, cipher, mac, 0))
        return TICKET_FAILED;
    /* A ticket of TLS 1.3 is good for one use (RFC 8446 C.4): who has used one gets the next. */
    return key == current && SSL_version(ssl) < TLS1_3_VERSION ? TICKET_GOOD : TICKET_RENEW;
}

void tls_tickets_use(SSL_CTX *ssl_context)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_context, on_ticket);
}
