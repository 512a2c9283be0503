/* SPDX-License-Identifier: Apache-2.0 */
/* Names as they stand in zone files: absolute, relative to an origin, or "@".
 *
 * Threads:   any (pure).
 * Source:    RFC 1035 section 5.1
 */
#pragma once

#include "dns/wire/name.h"
#include "dns/zone/lexer.h"

/* A name in wire form, case as written. */
struct zone_name {
    uint8_t wire[NAME_MAX_BYTES];
    uint8_t len;
};

/* Returns NULL, or why `token` is no name (a static text). `*out_repeats_origin`: it lacks a final
 * dot and ends like the origin does, as in "www.example.com" below example.com. */
const char *zone_name_parse(const struct token *token, const struct zone_name *origin,
                            struct zone_name *out_name, bool *out_repeats_origin);
/* Whether `name` is `apex` or below it. Both in lower case. */
bool zone_name_is_within(const uint8_t *name, size_t name_len, const uint8_t *apex,
                         size_t apex_len);
/* A token for people: shortened, without odd octets. Returns `out_text`. */
enum { ZONE_TOKEN_TEXT_MAX = 72 };
const char *zone_token_text(struct str token, char out_text[ZONE_TOKEN_TEXT_MAX]);
/* "3600", "1h30m", "2w": seconds. False on anything else or beyond 32 bits. */
bool zone_period_parse(struct str text, uint32_t *out_s);
