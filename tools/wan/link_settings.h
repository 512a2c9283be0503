/* SPDX-License-Identifier: Apache-2.0 */
/* What one direction of a link does to packets, and its text form: `delay=15ms loss=0.5%`.
 *
 * The same keys and values stand in a matrix file and behind `wan set`.
 * Threads:   any (plain value).
 */
#pragma once

#include "steering/base/buf.h"

struct link_settings {
    uint64_t delay_ns;
    uint64_t jitter_ns;  /* at most delay_ns: the delay wanders between delay ± jitter */
    uint64_t hold_ns;    /* how long a reordered packet is held back */
    uint64_t rate_bit_s; /* 0: unlimited */
    uint64_t queue_bytes;
    uint64_t mtu_bytes; /* of the IP packet */
    uint64_t loss_ppm;
    uint64_t reorder_ppm;
    uint64_t is_blackhole; /* 0 or 1 */
};

enum { LINK_SETTINGS_KEY_COUNT = 9 };

/* No delay, no loss, no limit of the rate, 256 KiB of queue, an MTU of 1500. */
struct link_settings link_settings_default(void);
/* Name of key `at` < LINK_SETTINGS_KEY_COUNT, and what a person may write for it. */
const char *link_settings_key(size_t at);
const char *link_settings_about(size_t at);
/* False, `settings` untouched, when there is no such key or the value does not fit; then
 * `out_problem` is a sentence that says what was expected. */
bool link_settings_set(struct link_settings *settings, struct str key, struct str value,
                       struct buf *out_problem);
/* What one key cannot know: the jitter must not exceed the delay. */
bool link_settings_check(const struct link_settings *settings, struct buf *out_problem);
/* The value of key `at`, as link_settings_set takes it. */
void link_settings_format(const struct link_settings *settings, size_t at, struct buf *out);
