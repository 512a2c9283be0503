/* SPDX-License-Identifier: Apache-2.0 */
/* Any fields, under any changes of the table's size: nghttp2's decoder reads what was written. */
#include "tests/unit/pop/http/hpack_twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at, *end;
};

/* Zeros when the input is used up. */
static uint64_t below(void *owner, uint64_t bound)
{
    struct bytes *bytes = owner;
    return (bytes->at < bytes->end ? *bytes->at++ : 0) % bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = { data, data + size };
    twin_play((struct twin_draw){ below, &bytes }, 1 + size / 16);
    return 0;
}
