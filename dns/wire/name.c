/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/name.h"

#include <string.h>

#include "dns/wire/name_priv.h"

size_t name_length(const uint8_t *wire, size_t len)
{
    return name_scan(wire, len);
}

void name_lower(const uint8_t *wire, size_t len, uint8_t *out_lower)
{
    name_fold(wire, len, out_lower);
}

static bool eq_octets_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        /* Mostly the case is the same. */
        if (a[i] != b[i] && name_fold_octet(a[i]) != name_fold_octet(b[i]))
            return false;
    }
    return true;
}

bool name_eq_nocase(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    size_t at = 0;
    for (; a_len - at >= 8; at += 8) {
        if (memcmp(a + at, b + at, 8) != 0 && !eq_octets_nocase(a + at, b + at, 8))
            return false;
    }
    return eq_octets_nocase(a + at, b + at, a_len - at);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads one octet of a label, escapes undone; `*at` moves behind it. */
static bool parse_octet(struct str text, size_t *at, uint8_t *out_octet)
{
    char c = text.ptr[(*at)++];
    if (c != '\\') {
        *out_octet = (uint8_t)c;
        return true;
    }
    size_t left = text.len - *at;
    if (left == 0)
        return false;
    if (!is_digit(text.ptr[*at])) {
        *out_octet = (uint8_t)text.ptr[(*at)++];
        return true;
    }
    if (left < 3 || !is_digit(text.ptr[*at + 1]) || !is_digit(text.ptr[*at + 2]))
        return false;
    int value =
        (text.ptr[*at] - '0') * 100 + (text.ptr[*at + 1] - '0') * 10 + (text.ptr[*at + 2] - '0');
    *at += 3;
    *out_octet = (uint8_t)value;
    return value <= UINT8_MAX;
}

/* Reads one label up to its dot or the end of the text into `label` (length octet first).
 * Returns the octets written, 0 when malformed or longer than `room`. */
static size_t parse_label(struct str text, size_t *at, uint8_t *label, size_t room)
{
    size_t len = 0;
    while (*at < text.len && text.ptr[*at] != '.') {
        uint8_t octet;
        if (!parse_octet(text, at, &octet) || len == NAME_LABEL_MAX_BYTES || len + 1 >= room)
            return 0;
        label[++len] = octet;
    }
    if (*at < text.len)
        (*at)++; /* the dot */
    if (len == 0)
        return 0;
    label[0] = (uint8_t)len;
    return len + 1;
}

size_t name_parse(struct str text, uint8_t out_wire[NAME_MAX_BYTES])
{
    uint8_t wire[NAME_MAX_BYTES];
    size_t len = 0;
    if (str_eq_text(text, ".")) {
        out_wire[0] = 0;
        return 1;
    }
    if (text.len == 0)
        return 0;
    for (size_t at = 0; at < text.len;) {
        /* One octet stays free for the root label. */
        size_t label = parse_label(text, &at, wire + len, NAME_MAX_BYTES - 1 - len);
        if (label == 0)
            return 0;
        len += label;
    }
    wire[len++] = 0;
    memcpy(out_wire, wire, len);
    return len;
}

static size_t format_octet(uint8_t octet, char *out)
{
    size_t len = 0;
    if (octet <= ' ' || octet >= 0x7F) {
        out[len++] = '\\';
        out[len++] = (char)('0' + octet / 100);
        out[len++] = (char)('0' + octet / 10 % 10);
        out[len++] = (char)('0' + octet % 10);
        return len;
    }
    if (strchr(".\\\";()@$", octet) != NULL)
        out[len++] = '\\';
    out[len++] = (char)octet;
    return len;
}

const char *name_format(const uint8_t *wire, char out_text[NAME_TEXT_MAX])
{
    size_t at = 0;
    while (*wire != 0) {
        const uint8_t *label = wire + 1;
        for (uint8_t i = 0; i < *wire; i++)
            at += format_octet(label[i], out_text + at);
        out_text[at++] = '.';
        wire = label + *wire;
    }
    if (at == 0)
        out_text[at++] = '.';
    out_text[at] = '\0';
    return out_text;
}

unsigned name_labels(const uint8_t *wire, uint8_t out_offsets[NAME_MAX_LABELS])
{
    unsigned count = 0;
    uint8_t at = 0;
    while (wire[at] != 0) {
        out_offsets[count++] = at;
        at = (uint8_t)(at + 1 + wire[at]);
    }
    out_offsets[count] = at;
    return count;
}
