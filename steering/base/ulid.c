/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/ulid.h"

#include "steering/base/clock.h"
#include "steering/base/rng.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void format_digits(uint64_t value, unsigned count, char *out_text)
{
    for (unsigned i = count; i > 0; i--) {
        out_text[i - 1] = alphabet[value & 31u];
        value >>= 5;
    }
}

const char *ulid_format(int64_t unix_ms, uint64_t random_high, uint64_t random_low,
                        char out_text[ULID_TEXT_MAX])
{
    format_digits((uint64_t)unix_ms, 10, out_text);
    format_digits(random_high, 8, out_text + 10);
    format_digits(random_low, 8, out_text + 18);
    out_text[26] = '\0';
    return out_text;
}

const char *ulid_new(char out_text[ULID_TEXT_MAX])
{
    return ulid_format(clock_unix_ms(), rng_seed(), rng_seed(), out_text);
}
