/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/digest.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

/* No bytes, no block, and that is no failure: what libcrypto's own functions do. */
static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    void *block = malloc(size);
    if (block == NULL && size > 0)
        mem_exhausted();
    return block;
}

static void release(void *block, const char *file, int line)
{
    (void)file, (void)line;
    free(block);
}

static void *reallocate(void *block, size_t size, const char *file, int line)
{
    if (size > 0)
        return mem_resize(block, 1, size);
    release(block, file, line);
    return NULL;
}

/* libcrypto follows null pointers when it has no memory to set itself up. It asks for some at its
 * first use, which may be anywhere, and takes no functions after that: so this is done before main,
 * for all that is linked with it (TLS, too). */
__attribute__((constructor)) static void refuse_to_run_out_of_memory(void)
{
    CRYPTO_set_mem_functions(allocate, reallocate, release);
}

/* libcrypto fails here only when SHA-256 is switched off: ours to die of, not a peer's to cause. */
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
