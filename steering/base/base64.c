/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_format(const void *bytes, size_t len, char *out_text)
{
    const uint8_t *from = bytes;
    for (; len > 0; out_text += 4) {
        size_t part = len < 3 ? len : 3;
        uint32_t bits = (uint32_t)from[0] << 16;
        if (part > 1)
            bits |= (uint32_t)from[1] << 8;
        if (part > 2)
            bits |= from[2];
        out_text[0] = alphabet[bits >> 18];
        out_text[1] = alphabet[bits >> 12 & 63];
        out_text[2] = part > 1 ? alphabet[bits >> 6 & 63] : '=';
        out_text[3] = part > 2 ? alphabet[bits & 63] : '=';
        from += part;
        len -= part;
    }
}

bool base64_is_of(struct str text, size_t len)
{
    size_t padding = (3 - len % 3) % 3;
    if (text.len != BASE64_TEXT_LEN(len))
        return false;
    size_t digits = text.len - padding;
    uint32_t last = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr[i] != '\0' ? strchr(alphabet, text.ptr[i]) : NULL;
        if (i >= digits ? text.ptr[i] != '=' : at == NULL)
            return false;
        if (i + 1 == digits)
            last = (uint32_t)(at - alphabet);
    }
    /* One byte of rest leaves 4 bits of its second digit unused, two leave 2 of the third. */
    return padding == 0 || (last & (padding == 1 ? 3u : 15u)) == 0;
}
