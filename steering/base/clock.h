/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks and their text forms. Only main, server, runtime, ctl and log read them; lower
 * layers take `now` as an argument.
 * Threads:   any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "steering/base/str.h"

uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_ms(void);
int64_t clock_unix_s(void);
int64_t clock_unix_ms(void);

/* RFC 3339 UTC: "2026-11-21T02:30:11Z" and, with milliseconds, "2026-11-21T02:30:11.004Z". Moments
 * outside of the years 1000 to 9999 are shown as the nearest one inside. */
enum { CLOCK_TEXT_MAX = 40 };
const char *clock_format_s(int64_t unix_s, char out_text[CLOCK_TEXT_MAX]);
const char *clock_format_ms(int64_t unix_ms, char out_text[CLOCK_TEXT_MAX]);

/* "90s", "15m", "2h", "1d", "250ms" or a bare number of seconds -> milliseconds. */
bool clock_parse_duration(struct str text, uint64_t *out_ms);
/* "4 s", "12 min", "3 h 20 min", "2 days": how long ago, for people. */
const char *clock_format_age(int64_t age_s, char out_text[CLOCK_TEXT_MAX]);
