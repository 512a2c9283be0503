/* SPDX-License-Identifier: Apache-2.0 */
/* Domain names in wire form: length-prefixed labels, root label last, no compression.
 *
 * Threads:   any (pure).
 * Limits:    255 octets a name, 63 a label.
 * Source:    RFC 1035 section 3.1, RFC 4343 (case)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/str.h"

enum { NAME_MAX_BYTES = 255, NAME_MAX_LABELS = 128, NAME_TEXT_MAX = 1024 };

/* Length in octets, root label included, of an uncompressed name that starts at `wire` and has at
 * most `len` octets to live in; 0 when it is malformed (pointer, label type, too long, cut). */
size_t name_length(const uint8_t *wire, size_t len);
/* Copies with ASCII letters lowered; `len` octets. */
void name_lower(const uint8_t *wire, size_t len, uint8_t *out_lower);
bool name_eq_nocase(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* Presentation form <-> wire. Escapes \. and \DDD are understood; a missing final dot is implied.
 * name_parse returns the length in octets, 0 when malformed. */
size_t name_parse(struct str text, uint8_t out_wire[NAME_MAX_BYTES]);
const char *name_format(const uint8_t *wire, char out_text[NAME_TEXT_MAX]);
/* Labels without the root; `out_offsets[i]` = where label i starts, out_offsets[count] = the root.
 */
unsigned name_labels(const uint8_t *wire, uint8_t out_offsets[NAME_MAX_LABELS]);
