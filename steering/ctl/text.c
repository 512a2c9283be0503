/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/text.h"

#include <stdio.h>

/* Bytes of the control character at the front of `text`; 0: it is none. U+0080..U+009F are two
 * bytes long in UTF-8, and some terminals obey them. */
static size_t control_len(struct str text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    if (first < 0x20 || first == 0x7f)
        return 1;
    if (first == 0xc2 && text.len > 1 && (unsigned char)text.ptr[1] >= 0x80 &&
        (unsigned char)text.ptr[1] < 0xa0)
        return 2;
    return 0;
}

void text_append_clean(struct buf *out, struct str text)
{
    while (text.len > 0) {
        size_t len = control_len(text);
        if (len > 0)
            buf_append_text(out, "?");
        else
            buf_append(out, text.ptr, len = 1);
        text.ptr += len;
        text.len -= len;
    }
}

void text_append_clean_lines(struct buf *out, struct str text)
{
    struct str line;
    while (text.len > 0) {
        bool has_break = str_split(text, '\n', &line, &text);
        text_append_clean(out, line);
        buf_append_text(out, has_break ? "\n" : "");
    }
}

size_t text_width(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return width;
}

const char *text_format_duration(uint64_t ns, char out_text[TEXT_DURATION_MAX])
{
    double ms = (double)ns / 1e6;
    unsigned long long seconds = ns / 1000000000u;
    if (ms < 9.95)
        snprintf(out_text, TEXT_DURATION_MAX, "%.1f ms", ms);
    else if (ms < 999.5)
        snprintf(out_text, TEXT_DURATION_MAX, "%.0f ms", ms);
    else if (ms < 59995)
        snprintf(out_text, TEXT_DURATION_MAX, "%.2f s", ms / 1e3);
    else
        snprintf(out_text, TEXT_DURATION_MAX, "%llu min %llu s", seconds / 60, seconds % 60);
    return out_text;
}
