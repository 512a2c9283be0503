/* SPDX-License-Identifier: Apache-2.0 */
/* The generated tables behind places.h: rows, an index of their spellings, a folding table.
 *
 * A spelling is folded text (see places.c). A country stands under itself ("de", "deu",
 * "germany"), a subdivision under its country's code ("us va", "us virginia").
 * Threads: any; constant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/load/places.h"

struct places_key {
    const char *text;
    uint16_t row;
    bool is_code; /* not found without its country in front */
};

/* The letters from U+00C0 to U+024F (accented Latin) fold to one or two plain ones, or to none. */
enum { PLACES_FOLD_FIRST = 0xC0, PLACES_FOLD_LAST = 0x24F };

extern const struct place places_rows[]; /* countries first */
extern const size_t places_country_count, places_row_count;
extern const struct places_key places_keys[]; /* sorted by text */
extern const size_t places_key_count;
extern const char places_fold[PLACES_FOLD_LAST - PLACES_FOLD_FIRST + 1][3];
