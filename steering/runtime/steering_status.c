/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/steering_status.h"

static void set_count(json_t *object, const char *key, uint64_t count)
{
    json_set_int(object, key, (int64_t)count);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_set_str(object, key, str_from(text));
}

void steering_status_add(json_t *value, const struct steering_report *report)
{
    char digest[DIGEST_TEXT_MAX];
    set_count(value, "gen", report->generation);
    set_count(value, "generation", report->generation);
    set_count(value, "generation_settled", report->settled_generation);
    json_set_str(value, "epoch", report->epoch);
    set_text(value, "digest", digest_format(&report->digest, digest));
    json_set_int(value, "changed_at_ms", report->changed_at_ms);
    json_set_int(value, "applied_at_ms", report->settled_at_ms);
    set_text(value, "source", steering_source_name(report->source));
    set_count(value, "stale_seconds", report->stale_seconds);
    set_text(value, "store", report->store_where);
    set_text(value, "store_reason", report->store_reason);
    set_text(value, "store_problem", report->store_problem);
    set_count(value, "break_glass_orders", report->break_glass_orders);
    set_text(value, "break_glass_problem", report->break_glass_problem);
    set_text(value, "last_good_problem", report->last_good_problem);
    set_text(value, "presence_problem", report->presence_problem);
    json_object_set_new(value, "rejected", json_null());
    if (report->rejected_generation != 0) {
        json_t *rejected = json_object();
        set_count(rejected, "gen", report->rejected_generation);
        set_text(rejected, "why", report->rejected_why);
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
        set_text(row, "name", topology->sites[i].name);
        set_text(row, "kind", site_kind_name(topology->sites[i].kind));
        set_text(row, "mode", mode_name(snapshot->states[i].mode));
        set_text(row, "source", sources[snapshot->states[i].source]);
        json_array_append_new(list, row);
    }
    json_object_set_new(value, "sites", list);
}
