/* SPDX-License-Identifier: Apache-2.0 */
/* What the halves of hop share: names of our fields, and building texts in an arena.
 *
 * Threads:   any (pure).
 */
#pragma once

#include <string.h>

#include "pop/route/hop.h"

#define HOP_PREFIX STR("steer-")
#define HOP_CLIENT STR("steer-client")
#define HOP_VISITED STR("steer-visited")
#define HOP_ATTEMPT STR("steer-attempt")
#define HOP_DEADLINE STR("steer-deadline-ms")
#define HOP_LAST_RESORT STR("steer-last-resort")
#define HOP_MAP STR("steer-map")
#define HOP_SOURCE STR("steer-source")
#define HOP_NOT_PROCESSED STR("steer-not-processed")
#define HOP_FAILED STR("steer-failed")
#define HOP_LOAD STR("steer-load")

enum { HOP_NUMBER_MAX = 20 /* digits of a uint64_t */ };

/* A text under construction, in bytes of an arena that were counted before. */
struct hop_text {
    char *start, *at, *end;
};
struct hop_text hop_text_init(struct arena *arena, size_t max_bytes);
void hop_text_add(struct hop_text *text, struct str piece);
void hop_text_add_number(struct hop_text *text, uint64_t number);
/* As a token where that is one, else as a quoted string (which takes up to twice its length and
 * two bytes); what a quoted string cannot hold becomes '?'. */
void hop_text_add_quoted(struct hop_text *text, struct str piece, bool is_token);
struct str hop_text_end(const struct hop_text *text);

struct str hop_number(struct arena *arena, uint64_t number);
/* Room for all fields of `from` and HOP_FIELDS_MAX more; pseudo-fields copied. */
void hop_head_init(const struct http_head *from, struct arena *arena, struct http_head *out_head);
/* There is room. `is_unique`: the value is another one with nearly every request, so it would only
 * push out of HPACK's table what is worth having there. */
void hop_head_add(struct http_head *head, struct str name, struct str value, bool is_unique);
/* The sound part of a traceparent; empty: it is not one. */
struct str hop_read_traceparent(struct str text);
/* All that `from` has under `name` and `element` behind it, as one line: what reads only the first
 * or the last of several would see half of the way. `element` may be empty. */
void hop_add_list(struct http_head *head, const struct http_head *from, struct str name,
                  struct str element, struct arena *arena);
/* "2 gru1", behind what `from` has. */
void hop_add_via(struct http_head *head, const struct http_head *from, const struct hop_out *out,
                 struct arena *arena);
