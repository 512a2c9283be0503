/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway's presence says of strays: requests that came while its region was out.
 *
 * Shape:     "strays": N since the start, "strays_per_s": n since the presence before
 * Threads:   owner only.
 */
#pragma once

#include "steering/base/json.h"

/* What was told last; zeroed: nothing yet. */
struct strays {
    uint64_t count, at_ms, per_s;
};

/* Is there more to tell than was told? Also that they have ended. */
bool strays_is_news(const struct strays *told, uint64_t count);
/* `now_ms` monotonic. A rate over less than a second says little: then the former one stays. */
void strays_tell(struct strays *told, uint64_t count, uint64_t now_ms, json_t *presence);
