/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

enum { LINE_MAX_BYTES = 4096 };
static const uint64_t SITE_INTERVAL_NS = 1000000000u;

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};

static _Atomic int least_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

bool log_parse_level(struct str name, enum log_level *out_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (str_eq_text(name, level_names[i])) {
            *out_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* A line break inside a value would forge a second log line, an escape drive a terminal. */
static void flatten(char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == '\x7f')
            *p = ' ';
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    char when[CLOCK_TEXT_MAX];
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    clock_format_ms(clock_unix_ms(), when);
    int head = snprintf(line, sizeof(line), "%s %s %s ", when, level_names[level], event);
    if (head < 0 || (size_t)head >= sizeof(line) - 1)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
    va_end(args);
    flatten(line);
    size_t len = strlen(line);
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* nobody is left to tell */
}

bool log_site_admits(struct log_site *site, uint64_t *out_suppressed)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t next = atomic_load_explicit(&site->next_ns, memory_order_relaxed);
    if (now < next ||
        !atomic_compare_exchange_strong(&site->next_ns, &next, now + SITE_INTERVAL_NS)) {
        atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *out_suppressed = atomic_exchange(&site->suppressed, 0);
    return true;
}
