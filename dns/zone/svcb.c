/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/svcb.h"

#include <stdbool.h>
#include <stdio.h>

#include "dns/wire/name.h"
#include "dns/wire/octets.h"
#include "dns/zone/doh_path.h"
#include "steering/base/mem.h"

enum {
    KEY_MANDATORY,
    KEY_ALPN,
    KEY_NO_DEFAULT_ALPN,
    KEY_PORT,
    KEY_IPV4HINT,
    KEY_ECH,
    KEY_IPV6HINT,
    KEY_DOHPATH
};

static const char *const KEY_NAMES[SVCB_KEY_NAMED_COUNT] = {
    "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath",
};

struct params {
    const uint8_t *bytes;
    size_t len;
};

const char *svcb_key_format(unsigned key, char out_name[SVCB_KEY_NAME_MAX])
{
    if (key < SVCB_KEY_NAMED_COUNT)
        snprintf(out_name, SVCB_KEY_NAME_MAX, "%s", KEY_NAMES[key]);
    else
        snprintf(out_name, SVCB_KEY_NAME_MAX, "key%u", key);
    return out_name;
}

static enum svcb_verdict tell(struct svcb_problem *out_problem, enum svcb_verdict verdict,
                              const char *text)
{
    snprintf(out_problem->text, sizeof(out_problem->text), "%s", text);
    out_problem->key = SVCB_NO_KEY;
    return verdict;
}

static enum svcb_verdict broken(struct svcb_problem *out_problem, unsigned key, const char *why)
{
    char name[SVCB_KEY_NAME_MAX];
    snprintf(out_problem->text, sizeof(out_problem->text), "%s: %s", svcb_key_format(key, name),
             why);
    out_problem->key = (int)key;
    return SVCB_BROKEN;
}

static bool has_key(struct params params, unsigned wanted)
{
    for (size_t at = 0; at < params.len; at += 4 + (size_t)octets_u16(params.bytes + at + 2))
        if (octets_u16(params.bytes + at) == wanted)
            return true;
    return false;
}

/* Length-prefixed ids, none of them empty, at least one. */
static bool is_alpn_list(const uint8_t *value, size_t len)
{
    size_t at = 0;
    while (at < len && value[at] != 0)
        at += 1 + (size_t)value[at];
    return len > 0 && at == len;
}

/* How long the value of a key may be: `unit` octets, `min` times or more. The others are free. */
static const struct {
    uint16_t key, unit, min, max;
} VALUE_LENGTHS[] = {
    { KEY_MANDATORY, 2, 1, UINT16_MAX }, { KEY_NO_DEFAULT_ALPN, 1, 0, 0 },    { KEY_PORT, 2, 1, 1 },
    { KEY_IPV4HINT, 4, 1, UINT16_MAX },  { KEY_IPV6HINT, 16, 1, UINT16_MAX },
};

static bool has_good_length(unsigned key, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(VALUE_LENGTHS); i++) {
        size_t unit = VALUE_LENGTHS[i].unit;
        if (VALUE_LENGTHS[i].key == key)
            return len % unit == 0 && len / unit >= VALUE_LENGTHS[i].min &&
                   len / unit <= VALUE_LENGTHS[i].max;
    }
    return true;
}

/* NULL, or what is wrong with the value. */
static const char *why_bad(unsigned key, const uint8_t *value, size_t len)
{
    if (key == KEY_DOHPATH)
        return doh_path_check((struct str){ .ptr = (const char *)value, .len = len });
    if (key == KEY_ALPN)
        return is_alpn_list(value, len) ? NULL : "malformed value";
    if (has_good_length(key, len))
        return NULL;
    return key == KEY_NO_DEFAULT_ALPN ? "takes no value" : "malformed value";
}

/* Keys strictly ascending, lengths inside, values of the right shape. */
static enum svcb_verdict check_structure(struct params params, struct svcb_problem *out_problem)
{
    size_t at = 0;
    int before = -1;
    while (at < params.len) {
        if (params.len - at < 4 || params.len - at - 4 < octets_u16(params.bytes + at + 2))
            return tell(out_problem, SVCB_BROKEN, "service parameters are cut short");
        unsigned key = octets_u16(params.bytes + at);
        size_t len = octets_u16(params.bytes + at + 2);
        if ((int)key <= before)
            return broken(out_problem, key, "keys must be ascending and stand once");
        const char *why = why_bad(key, params.bytes + at + 4, len);
        if (why != NULL)
            return broken(out_problem, key, why);
        before = (int)key;
        at += 4 + len;
    }
    return SVCB_GOOD;
}

/* A client that knows the rule drops a record whose mandatory list cannot be satisfied. */
static enum svcb_verdict check_mandatory(struct params params, struct svcb_problem *out_problem)
{
    /* Keys ascend, so the list is the first parameter or absent. */
    if (params.len == 0 || octets_u16(params.bytes) != KEY_MANDATORY)
        return SVCB_GOOD;
    size_t len = octets_u16(params.bytes + 2);
    int before = -1;
    for (size_t at = 4; at < 4 + len; at += 2) {
        unsigned key = octets_u16(params.bytes + at);
        if (key == KEY_MANDATORY)
            return broken(out_problem, KEY_MANDATORY, "must not list itself");
        if ((int)key <= before)
            return broken(out_problem, KEY_MANDATORY, "keys must be ascending and stand once");
        before = (int)key;
        if (has_key(params, key))
            continue;
        char name[SVCB_KEY_NAME_MAX];
        out_problem->key = KEY_MANDATORY;
        snprintf(out_problem->text, sizeof(out_problem->text),
                 "mandatory lists %s, which the record does not have; clients ignore such a record",
                 svcb_key_format(key, name));
        return SVCB_BROKEN;
    }
    return SVCB_GOOD;
}

enum svcb_verdict svcb_check(const uint8_t *bytes, size_t len, struct svcb_problem *out_problem)
{
    size_t name_len = len > 2 ? name_length(bytes + 2, len - 2) : 0;
    if (name_len == 0)
        return tell(out_problem, SVCB_BROKEN, "malformed target name");
    struct params params = { .bytes = bytes + 2 + name_len, .len = len - 2 - name_len };
    enum svcb_verdict verdict = check_structure(params, out_problem);
    if (verdict == SVCB_GOOD)
        verdict = check_mandatory(params, out_problem);
    if (verdict != SVCB_GOOD)
        return verdict;
    if (has_key(params, KEY_NO_DEFAULT_ALPN) && !has_key(params, KEY_ALPN))
        return broken(out_problem, KEY_NO_DEFAULT_ALPN, "needs alpn beside it");
    if (octets_u16(bytes) == 0 && params.len > 0)
        return tell(out_problem, SVCB_ODD,
                    "priority 0 is an alias: clients ignore its service parameters");
    return SVCB_GOOD;
}
