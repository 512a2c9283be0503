/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/cidr_file.h"

#include "steering/base/mem.h"

enum { SHOWN_MAX = 60 };

static void parse_line(struct str line, uint32_t number, struct diag *diag, struct cidr_list *list)
{
    char text[CIDR_TEXT_MAX];
    struct str content, comment;
    str_split(line, '#', &content, &comment);
    struct str word = str_trim(content);
    if (word.len == 0)
        return;
    struct cidr cidr;
    uint32_t column = (uint32_t)(word.ptr - line.ptr) + 1;
    int shown = (int)(word.len < SHOWN_MAX ? word.len : SHOWN_MAX);
    switch (cidr_parse(word, &cidr)) {
    case CIDR_SYNTAX:
        diag_error(diag, number, column,
                   "expected one prefix such as 192.0.2.0/24 or 2001:db8::/32, found '%.*s'", shown,
                   word.ptr);
        break;
    case CIDR_HOST_BITS:
        diag_error(diag, number, column,
                   "'%.*s' has bits set behind the prefix; did you mean '%s'?", shown, word.ptr,
                   cidr_format(&cidr, text));
        break;
    case CIDR_FINE:
        list->items = mem_grow(list->items, list->count, &list->capacity, sizeof(list->items[0]));
        list->items[list->count++] = cidr;
        break;
    }
}

enum err cidr_file_parse(struct str text, size_t max, struct diag *diag, struct cidr_list *list)
{
    uint32_t errors_before = diag->error_count, number = 0;
    bool has_more = text.len > 0;
    while (has_more) {
        struct str line;
        has_more = str_split(text, '\n', &line, &text);
        parse_line(line, ++number, diag, list);
        if (list->count > max)
            return diag_error(diag, number, 1, "more than %zu prefixes in one network", max);
    }
    return diag->error_count > errors_before ? ERR_INVALID : ERR_OK;
}
