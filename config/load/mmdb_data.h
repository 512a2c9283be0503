/* SPDX-License-Identifier: Apache-2.0 */
/* The value encoding of MaxMind DB files, decoded with every offset checked.
 *
 * libmaxminddb's own decoder is not used on foreign files: version 1.7.1 skips nested values by
 * unlimited recursion (a few megabytes of nested arrays end the process) and expands pointers
 * without a budget.
 *
 * Shape:     control byte (type in the upper 3 bits, size in the lower 5), extended type, longer
 *            size, payload. A pointer stands for the value that it points at and never for another
 *            pointer. A map is `size` pairs of key and value, an array `size` values.
 * Threads:   owner only.
 * Limits:    every value that is looked at costs one of `budget`; at 0 all reading fails.
 * Source:    MaxMind DB File Format Specification, version 2.0, "Data Section"
 */
#pragma once

#include "steering/base/str.h"

struct mmdb_data {
    const uint8_t *bytes; /* offset 0, to which pointers are relative */
    size_t len;
    uint64_t budget;
};

/* The numbers of the format. */
enum mmdb_type {
    MMDB_TYPE_POINTER = 1,
    MMDB_TYPE_TEXT = 2,
    MMDB_TYPE_DOUBLE = 3,
    MMDB_TYPE_BYTES = 4,
    MMDB_TYPE_UINT16 = 5,
    MMDB_TYPE_UINT32 = 6,
    MMDB_TYPE_MAP = 7,
    MMDB_TYPE_INT32 = 8,
    MMDB_TYPE_UINT64 = 9,
    MMDB_TYPE_UINT128 = 10,
    MMDB_TYPE_ARRAY = 11,
    MMDB_TYPE_BOOLEAN = 14,
    MMDB_TYPE_FLOAT = 15,
};

struct mmdb_value {
    enum mmdb_type type;
    size_t size; /* bytes, pairs of a map, items of an array */
    size_t body; /* offset of the payload, of the first key or item */
};

/* Reads the value at `at`, following a pointer. False: damaged. */
bool mmdb_data_read(struct mmdb_data *data, size_t at, struct mmdb_value *out_value);
/* Finds the offset behind the value at `at` without following pointers. False: damaged. */
bool mmdb_data_skip(struct mmdb_data *data, size_t at, size_t *out_next);
/* Reads a pair of a map at `*at`: key (must be a text) and the offset of its value, and moves `*at`
 * behind the pair. False: damaged. */
bool mmdb_data_pair(struct mmdb_data *data, size_t *at, struct str *out_key, size_t *out_value_at);

/* The payload of a text (or of any scalar as it stands). */
struct str mmdb_value_text(const struct mmdb_data *data, const struct mmdb_value *value);
/* False unless an unsigned integer of at most 64 bits. */
bool mmdb_value_number(const struct mmdb_data *data, const struct mmdb_value *value,
                       uint64_t *out_number);
/* False unless a double or float that is finite. */
bool mmdb_value_real(const struct mmdb_data *data, const struct mmdb_value *value,
                     double *out_real);
