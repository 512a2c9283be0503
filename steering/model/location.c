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

_Static_assert(sizeof(struct location) == 3 + 3 + 4 + 1 + 1 + 4 + 4, "no padding");

struct location location_canonical(const struct location *location)
{
    struct location plain = { .has_coordinates = false };
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
    return strcmp(plain_a.continent, plain_b.continent) == 0 &&
           strcmp(plain_a.country, plain_b.country) == 0 &&
           strcmp(plain_a.subdivision, plain_b.subdivision) == 0 &&
           plain_a.has_coordinates == plain_b.has_coordinates &&
           plain_a.lat_deg == plain_b.lat_deg && plain_a.lon_deg == plain_b.lon_deg;
}

uint64_t location_hash(const struct location *location)
{
    struct location plain = location_canonical(location);
    return hash_bytes(&plain, sizeof(plain), 0);
}
