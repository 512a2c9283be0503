/* SPDX-License-Identifier: Apache-2.0 */
/* What every link has done so far, for people and for programs.
 *
 * Threads:   owning loop only.
 */
#pragma once

#include "tools/wan/forwarder.h"

/* A line per link below a head line. */
void status_text(const struct forwarder *forwarder, uint64_t seed, struct buf *out);
/* {"seed":7,"under_way":0,...,"links":[{"from":"client","to":"pop","delay":"15ms",...}]} */
void status_json(const struct forwarder *forwarder, uint64_t seed, struct buf *out);
