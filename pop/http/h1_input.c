/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/h1_input.h"

void h1_input_init(struct h1_input *input)
{
    input->at = 0;
    buf_init(&input->kept, H1_INPUT_MAX);
}

void h1_input_fini(struct h1_input *input)
{
    buf_fini(&input->kept);
}

size_t h1_input_len(const struct h1_input *input)
{
    return input->kept.len - input->at;
}

struct str h1_input_join(struct h1_input *input, struct str fresh)
{
    if (h1_input_len(input) == 0)
        return fresh;
    if (fresh.len > 0) {
        buf_consume(&input->kept, input->at);
        input->at = 0;
        buf_append(&input->kept, fresh.ptr, fresh.len);
    }
    return (struct str){ .ptr = (const char *)input->kept.bytes + input->at,
                         .len = h1_input_len(input) };
}

void h1_input_keep(struct h1_input *input, struct str rest)
{
    if (input->kept.len > 0) {
        input->at = input->kept.len - rest.len;
        if (rest.len > 0)
            return;
        bool is_overflown = input->kept.is_overflown;
        buf_fini(&input->kept);
        h1_input_init(input);
        input->kept.is_overflown = is_overflown;
        return;
    }
    if (rest.len > 0)
        buf_append(&input->kept, rest.ptr, rest.len);
}

bool h1_input_is_overflown(const struct h1_input *input)
{
    return input->kept.is_overflown;
}
