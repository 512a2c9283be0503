/* SPDX-License-Identifier: Apache-2.0 */
/* What clients refuse in SVCB and HTTPS records, told at load instead.
 * Threads:   any (pure).
 * Source:    RFC 9460 sections 2.2, 2.4, 7 and 8; RFC 9461 section 5 (dohpath)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum svcb_verdict { SVCB_GOOD, SVCB_ODD, SVCB_BROKEN };
enum {
    SVCB_PROBLEM_MAX = 160,
    SVCB_KEY_NAME_MAX = 16,
    SVCB_NO_KEY = -1,
    SVCB_KEY_NAMED_COUNT = 8, /* keys below have a name, others are written as keyNUMBER */
};

struct svcb_problem {
    char text[SVCB_PROBLEM_MAX];
    int key; /* the parameter that it is about, or SVCB_NO_KEY */
};

/* As zone files write the key. */
const char *svcb_key_format(unsigned key, char out_name[SVCB_KEY_NAME_MAX]);

/* `bytes` is uncompressed wire data. `out_problem` is filled unless the verdict is good. */
enum svcb_verdict svcb_check(const uint8_t *bytes, size_t len, struct svcb_problem *out_problem);
