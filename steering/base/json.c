/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/json.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

static void *allocate(size_t size)
{
    return mem_resize(NULL, 1, size);
}

/* jansson answers a failed allocation with a missing key or half a text, and most of its callers
 * cannot tell: a document without its generation must never be written. Its values are made all
 * over the program, so this is set before main. */
__attribute__((constructor)) static void refuse_to_run_out_of_memory(void)
{
    json_set_alloc_funcs(allocate, free);
}

enum err json_parse(struct str text, struct diag *diag, json_t **out_value)
{
    json_error_t problem;
    if (text.len == 0) {
        diag_error(diag, 0, 0, "empty, expected JSON");
        return ERR_SYNTAX;
    }
    json_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &problem);
    if (value == NULL) {
        uint32_t line = problem.line > 0 ? (uint32_t)problem.line : 0;
        uint32_t column = problem.column > 0 ? (uint32_t)problem.column : 0;
        diag_error(diag, line, column, "not JSON: %s", problem.text);
        return ERR_SYNTAX;
    }
    *out_value = value;
    return ERR_OK;
}

static int append(const char *bytes, size_t len, void *data)
{
    struct buf *out = data;
    buf_append(out, bytes, len);
    return out->is_overflown ? -1 : 0;
}

void json_format(const json_t *value, struct buf *out)
{
    json_dump_callback(value, append, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

void json_format_pretty(const json_t *value, struct buf *out)
{
    json_dump_callback(value, append, out, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    buf_append_text(out, "\n");
}

struct str json_get_str(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return (struct str){ .ptr = "", .len = 0 };
    return (struct str){ .ptr = json_string_value(value), .len = json_string_length(value) };
}

int64_t json_get_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

void json_set_str(json_t *object, const char *key, struct str text)
{
    bool has_nul = text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL;
    json_t *value = has_nul ? NULL : json_stringn(text.ptr != NULL ? text.ptr : "", text.len);
    if (value == NULL) { /* not UTF-8, or with a NUL that json_parse would not read back */
        char *ascii = mem_strndup(text.ptr, text.len);
        for (size_t i = 0; i < text.len; i++)
            if ((unsigned char)ascii[i] >= 0x80 || ascii[i] == '\0')
                ascii[i] = '?';
        value = json_stringn(ascii, text.len);
        free(ascii);
    }
    json_object_set_new(object, key, value);
}

void json_set_text(json_t *object, const char *key, const char *text)
{
    json_set_str(object, key, str_from(text));
}

void json_set_int(json_t *object, const char *key, int64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

void json_set_count(json_t *object, const char *key, uint64_t count)
{
    json_set_int(object, key, (int64_t)count);
}
