/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/site.h"

#include <math.h>

static const double EARTH_RADIUS_KM = 6371.0088;
static const double RADIANS_PER_DEGREE = 3.14159265358979323846 / 180.0;

const char *site_kind_name(enum site_kind kind)
{
    return kind == SITE_REGION ? "region" : "pop";
}

bool site_has_family(const struct site *site, enum addr_family family)
{
    for (size_t i = 0; i < site->address_count; i++)
        if (site->addresses[i].family == family)
            return true;
    return false;
}

/* Haversine: unlike the law of cosines it stays exact for places close to each other. */
double site_distance_km(const struct site *site, double lat_deg, double lon_deg)
{
    double lat_a = site->lat_deg * RADIANS_PER_DEGREE;
    double lat_b = lat_deg * RADIANS_PER_DEGREE;
    double half_lat = sin((lat_b - lat_a) / 2);
    double half_lon = sin((lon_deg - site->lon_deg) * RADIANS_PER_DEGREE / 2);
    double h = half_lat * half_lat + cos(lat_a) * cos(lat_b) * half_lon * half_lon;
    return 2 * EARTH_RADIUS_KM * asin(sqrt(h < 1 ? h : 1));
}
