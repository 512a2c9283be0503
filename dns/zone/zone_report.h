/* SPDX-License-Identifier: Apache-2.0 */
/* Where the records of one zone come from, so that problems can be told with file and line.
 * Threads:   owner only.
 */
#pragma once

#include "steering/base/diag.h"

/* Files count from 0: the zone's own; then every $INCLUDE. */
enum { ZONE_REPORT_FILES_MAX = 65535, ZONE_REPORT_ERRORS_MAX = 1000 };

struct zone_report {
    struct diag *diag;
    char **files;
    size_t count, capacity;
    uint32_t errors_before;
};

void zone_report_init(struct zone_report *report, struct diag *diag);
void zone_report_fini(struct zone_report *report);
/* Returns the number of the file. At most ZONE_REPORT_FILES_MAX (checked by the caller). */
uint16_t zone_report_add_file(struct zone_report *report, const char *path);
/* `diag` set to that file. */
struct diag *zone_report_at(struct zone_report *report, uint16_t file);
uint32_t zone_report_error_count(const struct zone_report *report);
/* "line 7", or "other.zone:7" when that is not the file of `here`. Returns `out_text`. */
enum { ZONE_REPORT_PLACE_MAX = 128 };
const char *zone_report_place(const struct zone_report *report, uint16_t here, uint16_t file,
                              uint32_t line, char out_text[ZONE_REPORT_PLACE_MAX]);
