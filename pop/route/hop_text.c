/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "pop/route/hop_priv.h"

struct hop_text hop_text_init(struct arena *arena, size_t max_bytes)
{
    char *start = (char *)arena_bytes(arena, max_bytes);
    return (struct hop_text){ .start = start, .at = start, .end = start + max_bytes };
}

void hop_text_add(struct hop_text *text, struct str piece)
{
    assert(piece.len <= (size_t)(text->end - text->at));
    if (piece.len > 0)
        memcpy(text->at, piece.ptr, piece.len);
    text->at += piece.len;
}

void hop_text_add_number(struct hop_text *text, uint64_t number)
{
    char digits[HOP_NUMBER_MAX];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    hop_text_add(text, (struct str){ .ptr = digits + at, .len = sizeof(digits) - at });
}

void hop_text_add_quoted(struct hop_text *text, struct str piece, bool is_token)
{
    if (is_token) {
        hop_text_add(text, piece);
        return;
    }
    hop_text_add(text, STR("\""));
    for (size_t i = 0; i < piece.len; i++) {
        char c = piece.ptr[i];
        assert(text->end - text->at >= 2);
        if (c == '"' || c == '\\')
            *text->at++ = '\\';
        *text->at++ = c >= ' ' && c <= '~' ? c : '?';
    }
    hop_text_add(text, STR("\""));
}

struct str hop_text_end(const struct hop_text *text)
{
    return (struct str){ .ptr = text->start, .len = (size_t)(text->at - text->start) };
}

struct str hop_number(struct arena *arena, uint64_t number)
{
    struct hop_text text = hop_text_init(arena, HOP_NUMBER_MAX);
    hop_text_add_number(&text, number);
    return hop_text_end(&text);
}

void hop_head_init(const struct http_head *from, struct arena *arena, struct http_head *out_head)
{
    *out_head = *from;
    out_head->field_count = 0;
    out_head->field_capacity = from->field_count + HOP_FIELDS_MAX;
    out_head->fields = arena_alloc(arena, out_head->field_capacity * sizeof(*out_head->fields));
}

void hop_head_add(struct http_head *head, struct str name, struct str value, bool is_unique)
{
    assert(head->field_count < head->field_capacity);
    head->fields[head->field_count++] = (struct http_field){
        .name = name,
        .value = value,
        .is_sensitive = is_unique,
    };
}

void hop_add_list(struct http_head *head, const struct http_head *from, struct str name,
                  struct str element, struct arena *arena)
{
    const struct http_field *only = NULL;
    size_t count = 0;
    size_t len = element.len;
    for (size_t i = 0; i < from->field_count; i++) {
        if (!str_eq(from->fields[i].name, name) || from->fields[i].value.len == 0)
            continue;
        only = &from->fields[i];
        len += only->value.len + 2;
        count++;
    }
    if (count == 1 && element.len == 0) {
        head->fields[head->field_count++] = *only;
        return;
    }
    if (count + element.len == 0)
        return;
    if (count == 0) {
        hop_head_add(head, name, element, false);
        return;
    }
    struct hop_text text = hop_text_init(arena, len);
    for (size_t i = 0; i < from->field_count; i++) {
        if (!str_eq(from->fields[i].name, name) || from->fields[i].value.len == 0)
            continue;
        if (text.at > text.start)
            hop_text_add(&text, STR(", "));
        hop_text_add(&text, from->fields[i].value);
    }
    if (element.len > 0) {
        hop_text_add(&text, STR(", "));
        hop_text_add(&text, element);
    }
    hop_head_add(head, name, hop_text_end(&text), only->is_sensitive);
}

void hop_add_via(struct http_head *head, const struct http_head *from, const struct hop_out *out,
                 struct arena *arena)
{
    struct hop_text text = hop_text_init(arena, out->pseudonym.len + 4);
    hop_text_add(&text, out->from == HOP_FROM_H2 ? STR("2 ") : STR("1.1 "));
    hop_text_add(&text, out->pseudonym);
    hop_add_list(head, from, STR("via"), hop_text_end(&text), arena);
}
