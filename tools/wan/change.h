/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of links at run time: `client:pop both delay=40ms loss=1%`.
 *
 * Threads:   owner only. Pure: time comes in.
 */
#pragma once

#include "tools/wan/network.h"

/* Words are separated by one or more spaces: a link (FROM:TO, either may be '*'), then `both` for
 * the way back, too, and KEY=VALUE in any order. All or nothing; false with a sentence in
 * `out_problem`. `*out_count` is the number of links that were changed. */
bool change_apply(struct network *network, struct str words, uint64_t now_ns,
                  struct buf *out_problem, size_t *out_count);
