/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/steering_status.h"

void steering_status_add(json_t *value, const struct steering_report *report)
{
    char digest[DIGEST_TEXT_MAX];
    json_set_count(value, "gen", report->generation);
    json_set_count(value, "generation", report->generation);
    json_set_count(value, "generation_settled", report->settled_generation);
    json_set_str(value, "epoch", report->epoch);
    json_set_text(value, "digest", digest_format(&report->digest, digest));
    json_set_int(value, "changed_at_ms", report->changed_at_ms);
    json_set_int(value, "applied_at_ms", report->settled_at_ms);
    json_set_text(value, "source", steering_source_name(report->source));
    json_set_count(value, "stale_seconds", report->stale_seconds);
    json_set_text(value, "store", report->store_where);
    json_set_text(value, "store_reason", report->store_reason);
    json_set_text(value, "store_problem", report->store_problem);
    json_set_count(value, "break_glass_orders", report->break_glass_orders);
    json_set_text(value, "break_glass_problem", report->break_glass_problem);
    json_set_text(value, "last_good_problem", report->last_good_problem);
    json_set_text(value, "presence_problem", report->presence_problem);
    json_object_set_new(value, "rejected", json_null());
    if (report->rejected_generation != 0) {
        json_t *rejected = json_object();
        json_set_count(rejected, "gen", report->rejected_generation);
        json_set_text(rejected, "why", report->rejected_why);
        json_object_set_new(value, "rejected", rejected);
    }
}

void steering_status_add_sites(json_t *value, const struct snapshot *snapshot)
{
    static const char *const sources[] = {
        [MODE_BY_BREAK_GLASS] = "break-glass",
        [MODE_BY_DOCUMENT] = "document",
        [MODE_BY_DEFAULT] = "default",
    };
    const struct topology *topology = snapshot->world->topology;
    json_t *list = json_array();
    for (size_t i = 0; i < topology->site_count; i++) {
        json_t *row = json_object();
        json_set_text(row, "name", topology->sites[i].name);
        json_set_text(row, "kind", site_kind_name(topology->sites[i].kind));
        json_set_text(row, "mode", mode_name(snapshot->states[i].mode));
        json_set_text(row, "source", sources[snapshot->states[i].source]);
        json_array_append_new(list, row);
    }
    json_object_set_new(value, "sites", list);
}
