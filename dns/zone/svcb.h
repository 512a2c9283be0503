/* SPDX-License-Identifier: Apache-2.0 */
/* What clients refuse in SVCB and HTTPS records, told at load instead.
 * Threads:   any (pure).
 * Source:    RFC 9460 sections 2.2, 2.4, 7 and 8
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum svcb_verdict { SVCB_GOOD, SVCB_ODD, SVCB_BROKEN };
enum { SVCB_PROBLEM_MAX = 160 };

/* `bytes` is uncompressed wire data. `out_problem` is filled unless the verdict is good. */
enum svcb_verdict svcb_check(const uint8_t *bytes, size_t len, char out_problem[SVCB_PROBLEM_MAX]);
