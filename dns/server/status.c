/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/server_priv.h"
#include "steering/runtime/node_status.h"
#include "steering/runtime/steering_status.h"

enum { ZONES_LISTED_MAX = 1000 };

void status_add_presence(const struct server *server, json_t *presence)
{
    node_status_add_sockets(presence, &server->daemon);
}

static void add_zones(const struct zone_set *zones, json_t *value)
{
    json_t *list = json_array();
    size_t count = zone_set_count(zones);
    for (size_t i = 0; i < count && i < ZONES_LISTED_MAX; i++) {
        char text[NAME_TEXT_MAX];
        const struct zone *zone = zone_set_at(zones, i);
        json_t *row = json_object();
        json_set_text(row, "zone", name_format(zone->origin, text));
        json_set_count(row, "serial", zone->serial);
        json_array_append_new(list, row);
    }
    json_set_count(value, "zone_count", count);
    json_set_count(value, "record_count", zone_set_record_count(zones));
    json_object_set_new(value, "zones", list);
}

static void add_files(const struct server *server, json_t *value)
{
    const struct dataset *dataset = server->dataset;
    char digest[DIGEST_TEXT_MAX];
    json_set_text(value, "config", server->daemon.node_path);
    json_set_text(value, "topology", digest_format(&dataset->world->topology->digest, digest));
    json_set_int(value, "loaded", dataset->loaded_unix_s);
    json_set_count(value, "load_ms", dataset->load_ns / 1000000);
    json_set_count(value, "reloads", server->daemon.reload.success_count);
    json_set_count(value, "reloads_failed", server->daemon.reload.failure_count);
    add_zones(dataset->zones, value);
    json_object_set_new(value, "geo", world_info_value(&dataset->info));
}

static uint64_t query_count(const struct server *server)
{
    uint64_t count = 0;
    for (size_t slot = 0; slot < server->slot_count; slot++)
        for (size_t type = 0; type < TALLY_TYPE_COUNT; type++)
            for (size_t rcode = 0; rcode < TALLY_RCODE_COUNT; rcode++)
                count += counter_read(&server->tallies[slot].queries[type][rcode]);
    return count;
}

json_t *status_value(const struct server *server)
{
    const struct serving *serving = server_serving(server);
    json_t *value = json_object();
    node_status_add_process(value, &server->daemon);
    json_object_set_new(value, "ready", json_boolean(server->is_ready));
    status_add_presence(server, value);
    const struct steering_report report = steering_report(server->daemon.steering);
    steering_status_add(value, &report);
    json_set_count(value, "alarms", answer_view_alarm_count(serving->view));
    json_set_count(value, "swap_us", server->daemon.grace.latest_ns / 1000);
    json_object_set_new(value, "is_settling", json_boolean(server->daemon.grace.is_waiting));
    json_set_count(value, "queries", query_count(server));
    steering_status_add_sites(value, answer_view_snapshot(serving->view));
    add_files(server, value);
    return value;
}
