/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the byte stream of a TCP connection into DNS messages; knows nothing of sockets.
 *
 * Shape:     stream = (length, 2 octets, big-endian | message)*
 *            frames_feed lends the bytes that were just read; frames_next hands out whole messages,
 *            mostly straight from those bytes; frames_settle keeps a copy of what is left, so that
 *            the lent bytes may be reused.
 * Threads:   owner only.
 * Ownership: messages are borrowed until the next call of any function here.
 * Limits:    keeps at most what one feed left over, plus one unfinished message (65537 octets).
 * Source:    RFC 1035 section 4.2.2, RFC 7766 section 8
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/buf.h"
#include "steering/base/limits.h"

enum { FRAMES_FEED_MAX = LIMIT(65536, 1) };

struct frames {
    struct buf kept; /* from earlier feeds */
    size_t kept_at;  /* messages in front of it were handed out */
    const uint8_t *fresh;
    size_t fresh_len;
    bool is_broken; /* a message of length zero: whatever follows cannot be trusted */
};

void frames_init(struct frames *frames);
void frames_fini(struct frames *frames);
/* At most FRAMES_FEED_MAX octets, borrowed until frames_settle; only after it, or at first. */
void frames_feed(struct frames *frames, const uint8_t *bytes, size_t len);
/* False: no whole message is left (or the stream is broken). */
bool frames_next(struct frames *frames, const uint8_t **out_message, size_t *out_len);
void frames_settle(struct frames *frames);
/* True when nothing is left, not even a part of a message. */
bool frames_is_empty(const struct frames *frames);
