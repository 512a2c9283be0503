/* SPDX-License-Identifier: Apache-2.0 */
/* HPACK's static table, as an encoder needs it.
 *
 * Threads:   any (constant data).
 * Source:    RFC 7541 appendix A
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "steering/base/str.h"

enum { HPACK_STATIC_COUNT = 61 };

/* Rows that are known without looking. */
enum hpack_row {
    HPACK_METHOD_GET = 2,
    HPACK_PATH = 4,
    HPACK_SCHEME_HTTPS = 7,
    HPACK_STATUS_200 = 8,
    HPACK_CONTENT_LENGTH = 28,
};

struct hpack_static_match {
    uint8_t index;   /* 0: no such name */
    bool is_whole;   /* the value is the same, too */
    bool is_private; /* its value says what one client asked for, or got */
};

struct hpack_static_match hpack_static_find(struct str name, struct str value);
