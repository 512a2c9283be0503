/* SPDX-License-Identifier: Apache-2.0 */
/* Text for terminals.
 * Threads:   any.
 */
#pragma once

#include "steering/base/buf.h"

/* Everything of `text` that a terminal would obey instead of showing (control characters) becomes
 * '?': reasons and names come from other people's files. */
void text_append_clean(struct buf *out, struct str text);
/* The same of every line of `text`. */
void text_append_clean_lines(struct buf *out, struct str text);
/* Columns that `text` takes: code points, which is right for all but East Asian and combining
 * ones. */
size_t text_width(struct str text);

/* "0.4 ms", "38 ms", "1.20 s", "2 min 5 s". */
enum { TEXT_DURATION_MAX = 32 };
const char *text_format_duration(uint64_t ns, char out_text[TEXT_DURATION_MAX]);
