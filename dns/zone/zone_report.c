/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/zone_report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "steering/base/mem.h"

void zone_report_init(struct zone_report *report, struct diag *diag)
{
    *report = (struct zone_report){ .diag = diag, .errors_before = diag->error_count };
}

void zone_report_fini(struct zone_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->files[i]);
    free(report->files);
    report->files = NULL;
    diag_set_file(report->diag, NULL);
}

uint16_t zone_report_add_file(struct zone_report *report, const char *path)
{
    assert(report->count < ZONE_REPORT_FILES_MAX);
    report->files =
        mem_grow(report->files, report->count, &report->capacity, sizeof(report->files[0]));
    report->files[report->count] = mem_strdup(path);
    return (uint16_t)report->count++;
}

struct diag *zone_report_at(struct zone_report *report, uint16_t file)
{
    diag_set_file(report->diag, report->files[file]);
    return report->diag;
}

uint32_t zone_report_error_count(const struct zone_report *report)
{
    return report->diag->error_count - report->errors_before;
}

const char *zone_report_place(const struct zone_report *report, uint16_t here, uint16_t file,
                              uint32_t line, char out_text[ZONE_REPORT_PLACE_MAX])
{
    if (here == file)
        snprintf(out_text, ZONE_REPORT_PLACE_MAX, "line %u", line);
    else
        snprintf(out_text, ZONE_REPORT_PLACE_MAX, "%s:%u", report->files[file], line);
    return out_text;
}
