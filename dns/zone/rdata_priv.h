/* SPDX-License-Identifier: Apache-2.0 */
/* How the readers of single fields talk to rdata_text.c. A reader starts at token `at`, appends to
 * `bytes`, moves `at` behind what it used, and returns false after rdata_fail. */
#pragma once

#include "dns/zone/rdata_text.h"
#include "steering/base/err.h"

/* `kind` is an ldns_rdf_type; plain int keeps ldns out of this header. */
typedef bool rdata_field_fn(struct rdata_text *text, int kind);

/* Always false, to stand in a return statement. */
bool rdata_fail(struct rdata_text *text, const char *format, ...) PRINTF_LIKE(2, 3);
/* "expected <what>, got '<token at>'" or "... but the record ends". Always false. */
bool rdata_fail_expected(struct rdata_text *text, const char *what);
bool rdata_put(struct rdata_text *text, const void *bytes, size_t len);
bool rdata_put_u8(struct rdata_text *text, unsigned value);
bool rdata_put_u16(struct rdata_text *text, unsigned value);

/* The token at `at`; an empty one behind the last. */
struct str rdata_token(const struct rdata_text *text);
/* A whole decimal number up to `max`. */
bool rdata_number(struct rdata_text *text, uint64_t max, const char *what, uint64_t *out_value);
/* A NUL-terminated copy of the token when it fits, else false. */
bool rdata_copy(const struct rdata_text *text, char *out_text, size_t capacity);
bool rdata_read_name(struct rdata_text *text, int kind);
bool rdata_read_address(struct rdata_text *text, int kind);

/* rdata_ldns.c: what ldns reads, each behind a check of what would trip it. */
bool rdata_read_base64(struct rdata_text *text, int kind);
bool rdata_read_base64_token(struct rdata_text *text);
bool rdata_read_hex(struct rdata_text *text, int kind);
bool rdata_read_hex_token(struct rdata_text *text);
bool rdata_read_mnemonic(struct rdata_text *text, int kind);
bool rdata_read_type_bitmap(struct rdata_text *text, int kind);
bool rdata_read_colon_dash(struct rdata_text *text, int kind);
bool rdata_read_svcparams(struct rdata_text *text, int kind);
/* Whether `bytes` are data that a record of this type, which ldns knows, can have. */
bool rdata_is_well_formed(const struct rdata_text *text);

/* rdata_rare.c: fields of several tokens. */
bool rdata_read_apl(struct rdata_text *text, int kind);
bool rdata_read_hip(struct rdata_text *text, int kind);
bool rdata_read_ipseckey(struct rdata_text *text, int kind);
bool rdata_read_nsap(struct rdata_text *text, int kind);
bool rdata_read_wks(struct rdata_text *text, int kind);
/* rdata_loc.c */
bool rdata_read_loc(struct rdata_text *text, int kind);
