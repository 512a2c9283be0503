/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/link_settings.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

#define SECOND_NS 1000000000u

struct unit {
    const char *name;
    uint64_t scale;
};
/* Longer names first where one ends in the other: the first that fits is taken. */
static const struct unit time_units[] = {
    { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", SECOND_NS }, { NULL, 0 }
};
static const struct unit share_units[] = { { "%", 10000 }, { NULL, 0 } };
static const struct unit rate_units[] = {
    { "kbit", 1000 }, { "Mbit", 1000000 }, { "Gbit", 1000000000 }, { "bit", 1 }, { NULL, 0 }
};
static const struct unit size_units[] = {
    { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "", 1 }, { NULL, 0 }
};
/* Words that stand for numbers. */
static const struct unit rate_words[] = { { "unlimited", 0 }, { NULL, 0 } };
static const struct unit bool_words[] = { { "false", 0 }, { "true", 1 }, { NULL, 0 } };
static const struct unit no_words[] = { { NULL, 0 } };
static const struct unit no_units[] = { { NULL, 0 } };

struct row {
    const char *key;
    size_t offset;
    const struct unit *units, *words;
    uint64_t min, max, fallback;
    const char *about;
};

#define ROW(name, field, ...)                                                                      \
    {                                                                                              \
        .key = (name), .offset = offsetof(struct link_settings, field), __VA_ARGS__                \
    }
static const struct row rows[LINK_SETTINGS_KEY_COUNT] = {
    ROW("delay", delay_ns, .units = time_units, .words = no_words, .max = 60ull * SECOND_NS,
        .about = "a time from 0ms to 60s: 15ms, 0.3ms, 250us"),
    ROW("jitter", jitter_ns, .units = time_units, .words = no_words, .max = 10ull * SECOND_NS,
        .about = "a time from 0ms to 10s, at most the delay"),
    ROW("loss", loss_ppm, .units = share_units, .words = no_words, .max = 1000000,
        .about = "a share from 0% to 100%: 1%, 0.05%"),
    ROW("reorder", reorder_ppm, .units = share_units, .words = no_words, .max = 1000000,
        .about = "a share from 0% to 100%"),
    ROW("hold", hold_ns, .units = time_units, .words = no_words, .max = 10ull * SECOND_NS,
        .fallback = 2000000, .about = "a time from 0ms to 10s"),
    ROW("rate", rate_bit_s, .units = rate_units, .words = rate_words, .min = 1000,
        .max = 100000000000, .about = "a rate from 1kbit to 100Gbit per second, or unlimited"),
    ROW("queue", queue_bytes, .units = size_units, .words = no_words, .min = 1500, .max = 1 << 30,
        .fallback = 256 << 10, .about = "a size from 1500 to 1024MiB: 256KiB"),
    ROW("mtu", mtu_bytes, .units = size_units, .words = no_words, .min = 68, .max = 65535,
        .fallback = 1500, .about = "bytes from 68 (with IPv6: 1280) to 65535"),
    ROW("blackhole", is_blackhole, .units = no_units, .words = bool_words, .max = 1,
        .about = "true or false"),
};

static uint64_t *field_of(struct link_settings *settings, const struct row *row)
{
    return (uint64_t *)(void *)((char *)settings + row->offset);
}
static uint64_t value_of(const struct link_settings *settings, const struct row *row)
{
    return *(const uint64_t *)(const void *)((const char *)settings + row->offset);
}

struct link_settings link_settings_default(void)
{
    struct link_settings settings = { .delay_ns = 0 };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        *field_of(&settings, &rows[i]) = rows[i].fallback;
    return settings;
}

const char *link_settings_key(size_t at)
{
    assert(at < ARRAY_SIZE(rows));
    return rows[at].key;
}

const char *link_settings_about(size_t at)
{
    assert(at < ARRAY_SIZE(rows));
    return rows[at].about;
}

/* "DIGITS[.DIGITS]" times `scale`; what is finer than 1 is not accepted. */
static bool parse_scaled(struct str text, uint64_t scale, uint64_t max, uint64_t *out_value)
{
    struct str whole, fraction;
    uint64_t value = 0;
    bool has_fraction = str_split(text, '.', &whole, &fraction);
    if (!str_parse_u64(whole, max / scale, &value) || (has_fraction && fraction.len == 0))
        return false;
    value *= scale;
    for (size_t i = 0; i < fraction.len; i++) {
        char digit = fraction.ptr[i];
        if (digit < '0' || digit > '9' || scale % 10 != 0)
            return false;
        scale /= 10;
        value += (uint64_t)(digit - '0') * scale;
    }
    *out_value = value;
    return true;
}

static bool parse_value(const struct row *row, struct str text, uint64_t *out_value)
{
    uint64_t value = 0;
    for (const struct unit *word = row->words; word->name != NULL; word++) {
        if (str_eq_text(text, word->name)) {
            *out_value = word->scale;
            return true;
        }
    }
    if (row->units == time_units && str_eq_text(text, "0")) {
        *out_value = 0;
        return true;
    }
    for (const struct unit *unit = row->units; unit->name != NULL; unit++) {
        struct str name = str_from(unit->name);
        struct str number = { text.ptr, text.len - name.len };
        if (!str_ends_with(text, name))
            continue;
        if (!parse_scaled(number, unit->scale, row->max, &value) || value < row->min ||
            value > row->max)
            return false;
        *out_value = value;
        return true;
    }
    return false;
}

static const struct row *find_row(struct str key, struct buf *out_problem)
{
    struct suggest suggest = suggest_init(key);
    char hint[SUGGEST_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (str_eq_text(key, rows[i].key))
            return &rows[i];
        suggest_offer(&suggest, str_from(rows[i].key));
    }
    buf_append_format(out_problem, "a link has no '%.*s'%s", STR_ARG(key),
                      suggest_format(&suggest, hint, sizeof(hint)));
    return NULL;
}

bool link_settings_set(struct link_settings *settings, struct str key, struct str value,
                       struct buf *out_problem)
{
    const struct row *row = find_row(key, out_problem);
    if (row == NULL)
        return false;
    uint64_t number = 0;
    if (!parse_value(row, value, &number)) {
        buf_append_format(out_problem, "'%s' must be %s; found '%.*s'", row->key, row->about,
                          STR_ARG(value));
        return false;
    }
    *field_of(settings, row) = number;
    return true;
}

bool link_settings_check(const struct link_settings *settings, struct buf *out_problem)
{
    if (settings->jitter_ns <= settings->delay_ns)
        return true;
    buf_append_text(out_problem, "the jitter must not exceed the delay");
    return false;
}

void link_settings_format(const struct link_settings *settings, size_t at, struct buf *out)
{
    assert(at < ARRAY_SIZE(rows));
    const struct row *row = &rows[at];
    uint64_t value = value_of(settings, row);
    for (const struct unit *word = row->words; word->name != NULL; word++) {
        if (value == word->scale) {
            buf_append_text(out, word->name);
            return;
        }
    }
    if (row->units == time_units)
        buf_append_format(out, "%.12gms", (double)value / 1e6);
    else if (row->units == share_units)
        buf_append_format(out, "%.7g%%", (double)value / 1e4);
    else if (row->units == rate_units)
        buf_append_format(out, value % 1000 == 0 ? "%.12gMbit" : "%.0fbit",
                          value % 1000 == 0 ? (double)value / 1e6 : (double)value);
    else
        buf_append_format(out, "%" PRIu64, value);
}
