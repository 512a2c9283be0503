/* SPDX-License-Identifier: Apache-2.0 */
/* JSON by jansson, with what the program needs on top: bounded parsing, one canonical text.
 *
 * Values are jansson's (`json_t *`, json_decref). Sorted keys and no white space make the
 * canonical form, so equal values have equal bytes and digests.
 * Out of memory ends the program, as in mem.h.
 * Threads:   a value belongs to one thread at a time.
 */
#pragma once

#include <jansson.h>

#include "steering/base/buf.h"
#include "steering/base/diag.h"

/* Parses one whole JSON text; duplicate keys, trailing bytes and nesting beyond jansson's limit
 * are errors. On ERR_SYNTAX `diag` says line and column. `*out_value` is owned by the caller. */
MUST_USE enum err json_parse(struct str text, struct diag *diag, json_t **out_value);
/* Canonical one-line text, without line break. */
void json_format(const json_t *value, struct buf *out);
/* Indented, for people, with a line break at the end. */
void json_format_pretty(const json_t *value, struct buf *out);

/* Fields of an object; the defaults stand for absent or wrong types. */
struct str json_get_str(const json_t *object, const char *key); /* borrowed from the value */
int64_t json_get_int(const json_t *object, const char *key, int64_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);
/* Sets `key` to a string made of any bytes: if they are not UTF-8, or hold a NUL, all that
 * is not ASCII becomes '?'. */
void json_set_str(json_t *object, const char *key, struct str text);
void json_set_text(json_t *object, const char *key, const char *text); /* json_set_str; NULL: "" */
void json_set_int(json_t *object, const char *key, int64_t number);
void json_set_count(json_t *object, const char *key, uint64_t count); /* below 2^63 */
