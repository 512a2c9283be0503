/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, and SHA-1 for protocols that ask for it, by OpenSSL's libcrypto (the only file of base
 * that uses it).
 *
 * Shape:     text form "sha256:<64 lower-case hex digits>"
 * Threads:   any.
 */
#pragma once

#include "steering/base/str.h"

enum { DIGEST_BYTES = 32, DIGEST_TEXT_MAX = 7 + 64 + 1 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct digest digest_of(const void *bytes, size_t len);
/* Over several pieces; digest_finish ends the computation and frees its state. */
struct digest_stream;
struct digest_stream *digest_start(void);
void digest_update(struct digest_stream *stream, const void *bytes, size_t len);
struct digest digest_finish(struct digest_stream *stream);

const char *digest_format(const struct digest *digest, char out_text[DIGEST_TEXT_MAX]);
bool digest_eq(const struct digest *a, const struct digest *b);

enum { DIGEST_SHA1_BYTES = 20 };
/* Broken as a digest: only where a protocol names it. */
void digest_sha1(const void *bytes, size_t len, uint8_t out_bytes[DIGEST_SHA1_BYTES]);
