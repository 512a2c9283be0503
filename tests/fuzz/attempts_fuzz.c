/* SPDX-License-Identifier: Apache-2.0 */
/* Random events for one request's attempts; the rules are those of the unit test. */
#include "tests/unit/pop/route/attempts_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at, *end;
};

/* Zeros when the input is used up. */
static uint64_t below(void *owner, uint64_t bound)
{
    struct bytes *bytes = owner;
    uint64_t value = 0;
    for (uint64_t reach = 1; reach < bound; reach <<= 8)
        value = value << 8 | (bytes->at < bytes->end ? *bytes->at++ : 0);
    return value % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = { data, data + size };
    rules_play((struct draw){ below, &bytes });
    return 0;
}
