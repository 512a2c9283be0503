/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "steering/base/mem.h"

/* libcrypto fails here only when it is out of memory or SHA-256 is switched off: both are ours
 * to die of, not a peer's to cause. */
static void must(int is_ok)
{
    assert(is_ok == 1);
}

struct digest digest_of(const void *bytes, size_t len)
{
    struct digest digest;
    must(EVP_Digest(bytes, len, digest.bytes, NULL, EVP_sha256(), NULL));
    return digest;
}

struct digest_stream *digest_start(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL);
    must(EVP_DigestInit_ex(context, EVP_sha256(), NULL));
    return (struct digest_stream *)(void *)context;
}

void digest_update(struct digest_stream *stream, const void *bytes, size_t len)
{
    must(EVP_DigestUpdate((EVP_MD_CTX *)(void *)stream, bytes, len));
}

struct digest digest_finish(struct digest_stream *stream)
{
    struct digest digest;
    EVP_MD_CTX *context = (EVP_MD_CTX *)(void *)stream;
    must(EVP_DigestFinal_ex(context, digest.bytes, NULL));
    EVP_MD_CTX_free(context);
    return digest;
}

const char *digest_format(const struct digest *digest, char out_text[DIGEST_TEXT_MAX])
{
    int at = snprintf(out_text, DIGEST_TEXT_MAX, "sha256:");
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        at += snprintf(out_text + at, DIGEST_TEXT_MAX - (size_t)at, "%02x", digest->bytes[i]);
    return out_text;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

void digest_sha1(const void *bytes, size_t len, uint8_t out_bytes[DIGEST_SHA1_BYTES])
{
    must(EVP_Digest(bytes, len, out_bytes, NULL, EVP_sha1(), NULL));
}
