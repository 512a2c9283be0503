/* SPDX-License-Identifier: Apache-2.0 */
/* The geolocation database inside the program (config/geo/steer-geo.mmdb).
 * Threads: any; constant.
 */
#pragma once

extern const unsigned char geo_embedded_start[], geo_embedded_end[];
