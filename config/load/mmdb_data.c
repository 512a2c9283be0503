/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb_data.h"

#include <math.h>
#include <string.h>

/* Big-endian; `len` <= 8 and checked by the caller. */
static uint64_t read_number(const uint8_t *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* Takes `len` bytes at `*at` as a number. */
static bool take(const struct mmdb_data *data, size_t *at, size_t len, size_t *out_number)
{
    if (*at > data->len || data->len - *at < len)
        return false;
    *out_number = (size_t)read_number(data->bytes + *at, len);
    *at += len;
    return true;
}

static bool read_size(const struct mmdb_data *data, size_t *at, size_t *size)
{
    static const struct {
        size_t len, base;
    } longer[] = { { 1, 29 }, { 2, 285 }, { 3, 65821 } };
    if (*size < 29)
        return true;
    size_t form = *size - 29;
    if (!take(data, at, longer[form].len, size))
        return false;
    *size += longer[form].base;
    return true;
}

/* What a payload of that type may measure. */
static bool is_legal(enum mmdb_type type, size_t size)
{
    switch (type) {
    case MMDB_TYPE_DOUBLE:
        return size == 8;
    case MMDB_TYPE_FLOAT:
        return size == 4;
    case MMDB_TYPE_UINT16:
        return size <= 2;
    case MMDB_TYPE_UINT32:
    case MMDB_TYPE_INT32:
        return size <= 4;
    case MMDB_TYPE_UINT64:
        return size <= 8;
    case MMDB_TYPE_UINT128:
        return size <= 16;
    case MMDB_TYPE_BOOLEAN:
        return size <= 1;
    case MMDB_TYPE_POINTER:
    case MMDB_TYPE_TEXT:
    case MMDB_TYPE_BYTES:
    case MMDB_TYPE_MAP:
    case MMDB_TYPE_ARRAY:
        return true;
    }
    return false; /* types 0, 12, 13 and those beyond 15 do not exist in files */
}

/* The offset that a pointer holds, for the four lengths of pointers. */
static bool read_pointer(const struct mmdb_data *data, uint8_t control, size_t *at, size_t *target)
{
    static const size_t bases[] = { 0, 2048, 526336, 0 };
    size_t form = (control >> 3) & 3, low = 0;
    if (!take(data, at, form + 1, &low))
        return false;
    size_t high = form == 3 ? 0 : (size_t)(control & 7) << (8 * (form + 1));
    *target = high + low + bases[form];
    return *target < data->len;
}

/* Reads one control sequence as it stands. For a pointer, `size` is its target. */
static bool read_header(struct mmdb_data *data, size_t at, struct mmdb_value *out)
{
    struct mmdb_value value = { .type = MMDB_TYPE_BYTES };
    size_t control = 0, type = 0;
    if (data->budget == 0)
        return false;
    data->budget--;
    if (!take(data, &at, 1, &control))
        return false;
    type = control >> 5;
    if (type == MMDB_TYPE_POINTER) {
        if (!read_pointer(data, (uint8_t)control, &at, &value.size))
            return false;
    } else {
        if (type == 0 && (!take(data, &at, 1, &type) || (type += 7) <= MMDB_TYPE_MAP))
            return false;
        value.size = control & 31;
        if (!read_size(data, &at, &value.size))
            return false;
    }
    value.type = (enum mmdb_type)type;
    value.body = at;
    if (!is_legal(value.type, value.size))
        return false;
    *out = value;
    return true;
}

static size_t payload_len(const struct mmdb_value *value)
{
    bool has_payload = value->type != MMDB_TYPE_POINTER && value->type != MMDB_TYPE_MAP &&
                       value->type != MMDB_TYPE_ARRAY && value->type != MMDB_TYPE_BOOLEAN;
    return has_payload ? value->size : 0;
}

static bool fits(const struct mmdb_data *data, const struct mmdb_value *value)
{
    return value->body <= data->len && data->len - value->body >= payload_len(value);
}

/* `*out_next` is the offset behind the value as it stands, except for maps and arrays: there it is
 * their first entry. */
static bool read_following(struct mmdb_data *data, size_t at, struct mmdb_value *out_value,
                           size_t *out_next)
{
    struct mmdb_value value;
    if (!read_header(data, at, &value) || !fits(data, &value))
        return false;
    *out_next = value.body + payload_len(&value);
    if (value.type == MMDB_TYPE_POINTER && (!read_header(data, value.size, &value) ||
                                            value.type == MMDB_TYPE_POINTER || !fits(data, &value)))
        return false;
    *out_value = value;
    return true;
}

bool mmdb_data_read(struct mmdb_data *data, size_t at, struct mmdb_value *out_value)
{
    size_t next = 0;
    return read_following(data, at, out_value, &next);
}

/* Counts what is still to be passed instead of recursing into it. Sizes are below 2^25 and each
 * costs budget, so `left` cannot overflow. */
bool mmdb_data_skip(struct mmdb_data *data, size_t at, size_t *out_next)
{
    for (uint64_t left = 1; left > 0; left--) {
        struct mmdb_value value;
        if (!read_header(data, at, &value) || !fits(data, &value))
            return false;
        if (value.type == MMDB_TYPE_MAP)
            left += 2 * (uint64_t)value.size;
        else if (value.type == MMDB_TYPE_ARRAY)
            left += value.size;
        at = value.body + payload_len(&value);
    }
    *out_next = at;
    return true;
}

bool mmdb_data_pair(struct mmdb_data *data, size_t *at, struct str *out_key, size_t *out_value_at)
{
    struct mmdb_value key;
    size_t value_at = 0, next = 0;
    if (!read_following(data, *at, &key, &value_at) || key.type != MMDB_TYPE_TEXT ||
        !mmdb_data_skip(data, value_at, &next))
        return false;
    *out_key = mmdb_value_text(data, &key);
    *out_value_at = value_at;
    *at = next;
    return true;
}

struct str mmdb_value_text(const struct mmdb_data *data, const struct mmdb_value *value)
{
    return (struct str){ (const char *)data->bytes + value->body, payload_len(value) };
}

bool mmdb_value_number(const struct mmdb_data *data, const struct mmdb_value *value,
                       uint64_t *out_number)
{
    if (value->type != MMDB_TYPE_UINT16 && value->type != MMDB_TYPE_UINT32 &&
        value->type != MMDB_TYPE_UINT64)
        return false;
    *out_number = read_number(data->bytes + value->body, value->size);
    return true;
}

bool mmdb_value_real(const struct mmdb_data *data, const struct mmdb_value *value, double *out_real)
{
    double real = 0;
    if (value->type == MMDB_TYPE_DOUBLE) {
        uint64_t bits = read_number(data->bytes + value->body, 8);
        memcpy(&real, &bits, sizeof(real));
    } else if (value->type == MMDB_TYPE_FLOAT) {
        uint32_t bits = (uint32_t)read_number(data->bytes + value->body, 4);
        float narrow = 0;
        memcpy(&narrow, &bits, sizeof(narrow));
        real = (double)narrow;
    } else {
        return false;
    }
    if (!isfinite(real))
        return false;
    *out_real = real;
    return true;
}
