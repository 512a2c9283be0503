/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/clock.h"

#include <stdio.h>
#include <time.h>

#include "steering/base/mem.h"

static struct timespec read_clock(clockid_t id)
{
    struct timespec now = { .tv_sec = 0 };
    clock_gettime(id, &now);
    return now;
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000u;
}

int64_t clock_unix_s(void)
{
    return (int64_t)read_clock(CLOCK_REALTIME).tv_sec;
}

int64_t clock_unix_ms(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* RFC 3339 has years of four digits only; numbers from files may say anything. */
static const int64_t FIRST_S = -30610224000; /* 1000-01-01T00:00:00Z */
static const int64_t LAST_S = 253402300799;  /* 9999-12-31T23:59:59Z */

static size_t format_seconds(int64_t unix_s, char *out_text)
{
    if (unix_s < FIRST_S)
        unix_s = FIRST_S;
    if (unix_s > LAST_S)
        unix_s = LAST_S;
    struct tm parts = { .tm_year = 0 };
    time_t seconds = (time_t)unix_s;
    gmtime_r(&seconds, &parts);
    return strftime(out_text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
}

const char *clock_format_s(int64_t unix_s, char out_text[CLOCK_TEXT_MAX])
{
    size_t len = format_seconds(unix_s, out_text);
    snprintf(out_text + len, CLOCK_TEXT_MAX - len, "Z");
    return out_text;
}

const char *clock_format_ms(int64_t unix_ms, char out_text[CLOCK_TEXT_MAX])
{
    int64_t ms = (unix_ms % 1000 + 1000) % 1000; /* counts up before 1970, too */
    size_t len = format_seconds(unix_ms / 1000 - (unix_ms % 1000 < 0), out_text);
    snprintf(out_text + len, CLOCK_TEXT_MAX - len, ".%03dZ", (int)ms);
    return out_text;
}

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { "", 1000 },
};

bool clock_parse_duration(struct str text, uint64_t *out_ms)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    uint64_t count = 0;
    if (!str_parse_u64((struct str){ text.ptr, digits }, UINT32_MAX, &count))
        return false;
    struct str unit = { text.ptr + digits, text.len - digits };
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (str_eq_text(unit, units[i].name)) {
            *out_ms = count * units[i].ms;
            return true;
        }
    }
    return false;
}

const char *clock_format_age(int64_t age_s, char out_text[CLOCK_TEXT_MAX])
{
    long long age = age_s < 0 ? 0 : (long long)age_s;
    if (age < 60)
        snprintf(out_text, CLOCK_TEXT_MAX, "%lld s", age);
    else if (age < 3600)
        snprintf(out_text, CLOCK_TEXT_MAX, "%lld min", age / 60);
    else if (age < 86400)
        snprintf(out_text, CLOCK_TEXT_MAX, "%lld h %lld min", age / 3600, age % 3600 / 60);
    else
        snprintf(out_text, CLOCK_TEXT_MAX, "%lld day%s", age / 86400, age < 172800 ? "" : "s");
    return out_text;
}
