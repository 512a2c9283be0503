/* SPDX-License-Identifier: Apache-2.0 */
/* What the databases know about an address.
 *
 * Shape:     codes are upper-case ASCII, NUL-terminated; "" = unknown. A subdivision is the part
 *            of ISO 3166-2 behind the dash ("VA" of US-VA).
 * Threads:   any (plain value).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct location {
    char continent[3];
    char country[3];
    char subdivision[4];
    bool has_coordinates;
    uint8_t zero; /* where padding would be: locations are hashed by bytes */
    float lat_deg, lon_deg;
};

/* The same facts with nothing behind the NULs and without coordinates that do not count (not
 * stated, not finite): equal locations have equal bytes. */
struct location location_canonical(const struct location *location);
bool location_eq(const struct location *a, const struct location *b);
uint64_t location_hash(const struct location *location);
