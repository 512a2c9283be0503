/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of session tickets: one file, shared by the fleet, so that a client that was at one
 * server resumes at any other.
 *
 * Shape:     a text file, one key a line, '#' starts a comment:
 *
 *                current  <id: 32 hex digits> <secret: 128 hex digits>
 *                previous ...
 *                next     ...
 *
 *            New tickets are made with `current`; tickets of all three are taken. Rotation: put
 *            the new key as `next` on every server first, then make it `current`. A ticket that
 *            was not made with `current` is renewed. `steer-pop --new-ticket-key` prints a line.
 * Threads:   a plain value.
 * Limits:    one current, at most TICKET_KEYS_MAX in all.
 */
#pragma once

#include "steering/base/diag.h"

enum { TICKET_KEYS_MAX = 8, TICKET_ID_BYTES = 16, TICKET_SECRET_BYTES = 64 };

enum ticket_key_role { TICKET_KEY_CURRENT, TICKET_KEY_PREVIOUS, TICKET_KEY_NEXT };

struct ticket_key {
    enum ticket_key_role role;
    uint8_t id[TICKET_ID_BYTES];         /* travels in the ticket */
    uint8_t secret[TICKET_SECRET_BYTES]; /* 32 for AES-256, 32 for HMAC-SHA-256 */
};

struct ticket_keys {
    struct ticket_key items[TICKET_KEYS_MAX]; /* the current one first */
    size_t count;
};

/* All or nothing; messages never show secrets. Warns about a file that others can read. */
MUST_USE enum err ticket_keys_load(const char *path, struct diag *diag,
                                   struct ticket_keys *out_keys);
MUST_USE enum err ticket_keys_parse(struct str text, struct diag *diag,
                                    struct ticket_keys *out_keys);
/* One current key, from the kernel's randomness. */
void ticket_keys_random(struct ticket_keys *out_keys);
/* "current ID SECRET\n" for a file. */
void ticket_key_format(const struct ticket_key *key, struct buf *out);
/* Overwrites the secrets. */
void ticket_keys_wipe(struct ticket_keys *keys);
