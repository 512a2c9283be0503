/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/tally.h"

#include <stdlib.h>
#include <string.h>

struct tally *tally_new(size_t count)
{
    struct tally *tallies = aligned_alloc(_Alignof(struct tally), count * sizeof(*tallies));
    if (tallies == NULL)
        abort();
    memset(tallies, 0, count * sizeof(*tallies));
    return tallies;
}
