/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/location.h"

#include <math.h>
#include <string.h>

#include "steering/base/hash.h"

static void copy_code(char *to, const char *from, size_t size)
{
    for (size_t i = 0; i + 1 < size && from[i] != '\0'; i++)
        to[i] = from[i];
}

struct location location_canonical(const struct location *location)
{
    struct location plain;
    memset(&plain, 0, sizeof(plain)); /* the padding too: callers compare and hash the bytes */
    copy_code(plain.continent, location->continent, sizeof(plain.continent));
    copy_code(plain.country, location->country, sizeof(plain.country));
    copy_code(plain.subdivision, location->subdivision, sizeof(plain.subdivision));
    if (location->has_coordinates && isfinite(location->lat_deg) && isfinite(location->lon_deg)) {
        plain.has_coordinates = true;
        plain.lat_deg = location->lat_deg + 0.0f; /* -0 becomes 0 */
        plain.lon_deg = location->lon_deg + 0.0f;
    }
    return plain;
}

bool location_eq(const struct location *a, const struct location *b)
{
    struct location plain_a = location_canonical(a);
    struct location plain_b = location_canonical(b);
    return memcmp(&plain_a, &plain_b, sizeof(plain_a)) == 0;
}

uint64_t location_hash(const struct location *location)
{
    struct location plain = location_canonical(location);
    return hash_bytes(&plain, sizeof(plain), 0);
}
