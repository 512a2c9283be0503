/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt lines on stderr: `2026-11-21T02:30:11.004Z warn zone.load file=example.zone line=3`.
 *
 * Only main, server, runtime and ctl log; lower layers return errors and diagnostics.
 * Messages that the network can cause go through log_limited, once a second per call site.
 * Threads:   any; one write(2) per line, so lines never mix.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "steering/base/err.h"
#include "steering/base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines below `level` are dropped. Starts as LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
bool log_parse_level(struct str name, enum log_level *out_level);

void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, (event), __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_LEVEL_INFO, (event), __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_LEVEL_WARN, (event), __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, (event), __VA_ARGS__)

struct log_site {
    _Atomic uint64_t next_ns;
    _Atomic uint64_t suppressed;
};
/* True at most once a second per site; `*out_suppressed` = lines not written since. */
bool log_site_admits(struct log_site *site, uint64_t *out_suppressed);
#define log_limited(level, event, format, ...)                                                     \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        uint64_t log_suppressed = 0;                                                               \
        if (log_site_admits(&log_site_here, &log_suppressed))                                      \
            log_write((level), (event), format " suppressed=%llu", __VA_ARGS__,                    \
                      (unsigned long long)log_suppressed);                                         \
    } while (0)
