/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a zone file, with the files that it includes, into a zone builder.
 *
 * Threads:   owner only.
 * Limits:    ZONE_FILE_MAX_BYTES in all, ZONE_INCLUDE_DEPTH_MAX files deep,
 *            ZONE_REPORT_ERRORS_MAX errors, then it gives up.
 * Source:    RFC 1035 section 5, RFC 2308 section 4 ($TTL), RFC 3597
 */
#pragma once

#include "dns/zone/zone_builder.h"

struct zone_parser_seen {
    bool soa, ns; /* a record of that type could not be read */
};

/* Problems go to `report`, to which `path` is added as file 0. */
void zone_parser_run(const char *path, const struct zone *zone, struct zone_builder *builder,
                     struct zone_report *report, struct zone_parser_seen *out_seen);
