/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/log_query.h"

#include <string.h>

#include "steering/base/mem.h"

#define REDACTED STR("redacted")

/* ---- which names ----------------------------------------------------------------------------- */

/* Anywhere in a name, whose case and separators do not count: they mean nothing else. So
 * "client_secret", "X-Amz-Credential" and "userPassword" are meant. */
static const char *const parts[] = {
    "token",    "secret",    "password", "passwd",     "passphrase", "passcode", "signature",
    "apikey",   "accesskey", "authkey",  "privatekey", "credential", "session",  "assertion",
    "samlresp", "samlreq",   "authoriz", "bearer",     "oauth",      "jwt",      "cookie",
    "hmac",     "verifier",  "csrf",     "xsrf",
};
/* Short ones, only as a word of the name: "api_key", "authCode" and "x-sig", but not "monkey". */
static const char *const words[] = {
    "key", "keys", "code", "auth", "authn", "authentication", "pass", "pwd",   "pw",  "pin",
    "otp", "totp", "sig",  "sign", "sid",   "ticket",         "mac",  "creds", "ssn",
};

enum { NAME_MAX_BYTES = 64 };

struct name {
    char text[NAME_MAX_BYTES];    /* decoded */
    char letters[NAME_MAX_BYTES]; /* of that, in lower case */
    size_t len, letter_count;
    bool is_too_long;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Once, as the query's own grammar says, however often a server may do it. */
static void decode(struct str encoded, struct name *out_name)
{
    out_name->len = out_name->letter_count = 0;
    out_name->is_too_long = false;
    for (size_t i = 0; i < encoded.len; i++) {
        char c = encoded.ptr[i];
        if (out_name->len == sizeof(out_name->text)) {
            out_name->is_too_long = true;
            return;
        }
        if (c == '%' && encoded.len - i > 2) {
            int high = hex_digit(encoded.ptr[i + 1]), low = hex_digit(encoded.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        out_name->text[out_name->len++] = c;
        if (is_letter(c))
            out_name->letters[out_name->letter_count++] = (char)(c | 0x20);
    }
}

/* Does a word begin at `at`? After anything that is no letter, and in "authCode" at the C. */
static bool begins_word(const struct name *name, size_t at)
{
    if (at == 0 || !is_letter(name->text[at - 1]))
        return true;
    return is_upper(name->text[at]) && !is_upper(name->text[at - 1]);
}

static bool has_word(const struct name *name, struct str word)
{
    for (size_t at = 0; at + word.len <= name->len; at++) {
        size_t end = at + word.len;
        if (begins_word(name, at) &&
            (end == name->len || begins_word(name, end) || !is_letter(name->text[end])) &&
            str_eq_nocase((struct str){ .ptr = name->text + at, .len = word.len }, word))
            return true;
    }
    return false;
}

static bool has_part(const struct name *name, struct str part)
{
    for (size_t at = 0; at + part.len <= name->letter_count; at++)
        if (name->letters[at] == part.ptr[0] && memcmp(name->letters + at, part.ptr, part.len) == 0)
            return true;
    return false;
}

bool log_query_is_secret_name(struct str encoded)
{
    struct name name;
    decode(encoded, &name);
    if (name.is_too_long)
        return true; /* no name is that long */
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (has_part(&name, str_from(parts[i])))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (has_word(&name, str_from(words[i])))
            return true;
    return false;
}

/* ---- the query ------------------------------------------------------------------------------- */

struct parameter {
    struct str all, name, value; /* `value` empty: there is none */
    bool has_value;
};

static struct parameter next_parameter(struct str *rest)
{
    struct parameter parameter = { .has_value = false };
    size_t len = 0, equals = SIZE_MAX;
    for (; len < rest->len && rest->ptr[len] != '&' && rest->ptr[len] != ';'; len++)
        if (rest->ptr[len] == '=' && equals == SIZE_MAX)
            equals = len;
    parameter.all = (struct str){ .ptr = rest->ptr, .len = len };
    parameter.has_value = equals != SIZE_MAX;
    parameter.name = (struct str){ .ptr = rest->ptr, .len = parameter.has_value ? equals : len };
    if (parameter.has_value)
        parameter.value = (struct str){ .ptr = rest->ptr + equals + 1, .len = len - equals - 1 };
    *rest = (struct str){ .ptr = rest->ptr + len, .len = rest->len - len };
    return parameter;
}

/* A JSON Web Token shows itself, whatever it is called: base64 of {". */
static bool is_token(struct str text)
{
    return str_starts_with(text, STR("eyJ"));
}

static bool is_secret(const struct parameter *parameter)
{
    if (!parameter->has_value)
        return is_token(parameter->all) || parameter->all.len > NAME_MAX_BYTES;
    if (parameter->value.len == 0)
        return false;
    return is_token(parameter->value) || log_query_is_secret_name(parameter->name);
}

/* Behind the first question mark; false: there is none. */
static bool find_query(struct str path, struct str *out_query)
{
    const char *mark = path.len == 0 ? NULL : memchr(path.ptr, '?', path.len);
    if (mark == NULL)
        return false;
    *out_query = (struct str){ .ptr = mark + 1, .len = (size_t)(path.ptr + path.len - mark) - 1 };
    return true;
}

static void put(char **out, struct str text)
{
    if (text.len > 0)
        memcpy(*out, text.ptr, text.len);
    *out += text.len;
}

static void put_parameter(char **out, const struct parameter *parameter)
{
    if (!is_secret(parameter)) {
        put(out, parameter->all);
        return;
    }
    if (parameter->has_value)
        put(out, (struct str){ .ptr = parameter->name.ptr, .len = parameter->name.len + 1 });
    put(out, REDACTED);
}

/* Each parameter is followed by its separator, or by the end. */
static void skip_separator(struct str *rest)
{
    if (rest->len > 0)
        *rest = (struct str){ .ptr = rest->ptr + 1, .len = rest->len - 1 };
}

static size_t count_secrets(struct str query)
{
    size_t count = 0;
    while (query.len > 0) {
        struct parameter parameter = next_parameter(&query);
        count += is_secret(&parameter);
        skip_separator(&query);
    }
    return count;
}

struct str log_query_redact(struct str path, struct arena *arena)
{
    struct str query;
    if (!find_query(path, &query))
        return path;
    size_t secrets = count_secrets(query);
    if (secrets == 0)
        return path;
    char *text = (char *)arena_bytes(arena, path.len + secrets * REDACTED.len);
    char *out = text;
    put(&out, (struct str){ .ptr = path.ptr, .len = path.len - query.len });
    while (query.len > 0) {
        struct parameter parameter = next_parameter(&query);
        put_parameter(&out, &parameter);
        put(&out, (struct str){ .ptr = query.ptr, .len = query.len > 0 });
        skip_separator(&query);
    }
    return (struct str){ .ptr = text, .len = (size_t)(out - text) };
}

struct str log_query_drop(struct str path)
{
    struct str query;
    if (!find_query(path, &query))
        return path;
    return (struct str){ .ptr = path.ptr, .len = path.len - query.len - 1 };
}
