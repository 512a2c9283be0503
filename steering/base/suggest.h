/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of a set of known names.
 *
 * Offer every candidate; the best stays. Threads: owner only (plain value).
 */
#pragma once

#include "steering/base/str.h"

struct suggest {
    struct str wanted;
    struct str best; /* borrowed from the candidate; empty while nothing is near enough */
    unsigned distance;
};

struct suggest suggest_init(struct str wanted);
void suggest_offer(struct suggest *suggest, struct str candidate);
bool suggest_has(const struct suggest *suggest);
/* Writes "; did you mean 'x'?" or "" into `out_text` (always terminated). Returns `out_text`. */
const char *suggest_format(const struct suggest *suggest, char *out_text, size_t capacity);
enum { SUGGEST_TEXT_MAX = 128 };
