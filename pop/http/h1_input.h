/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that came and could not be used yet: the beginning of a head, pipelined requests.
 *
 * Threads:   one worker's own.
 * Ownership: holds no memory while empty.
 * Limits:    H1_INPUT_MAX.
 */
#pragma once

#include "steering/base/buf.h"
#include "steering/base/limits.h"

/* More than the largest head and what one turn of the loop can bring after reading was to stop. */
enum { H1_INPUT_MAX = 4 * 1024 * 1024 };

struct h1_input {
    struct buf kept;
    size_t at; /* of `kept`, before this all is used */
};

void h1_input_init(struct h1_input *input);
void h1_input_fini(struct h1_input *input);
size_t h1_input_len(const struct h1_input *input);
/* What is kept and `fresh` as one view; `fresh` itself when nothing is kept. */
struct str h1_input_join(struct h1_input *input, struct str fresh);
/* `rest` is what was not used of the view that h1_input_join gave last. */
void h1_input_keep(struct h1_input *input, struct str rest);
bool h1_input_is_overflown(const struct h1_input *input);
