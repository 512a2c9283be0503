/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "dns/server/server_priv.h"
#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/runtime/steering_status.h"

enum { ZONES_LISTED_MAX = 1000 };

static void set_count(json_t *object, const char *key, uint64_t count)
{
    json_set_int(object, key, (int64_t)count);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_set_str(object, key, str_from(text));
}

static void add_listen(const struct server *server, json_t *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < server->sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        json_array_append_new(list,
                              json_string(sockets_format(&server->sockets.addresses[i], text)));
    }
    json_object_set_new(value, "listen", list);
}

static void add_admin(const struct server *server, json_t *value)
{
    const char *path = admin_socket_path(server->admin);
    uint16_t port = admin_tcp_port(server->admin);
    set_text(value, "admin", path == NULL ? "" : path);
    if (port == 0)
        return;
    char text[SOCKETS_TEXT_MAX];
    const struct sockets_address address = { .addr = server->node->admin.listen.items[0].addr,
                                             .port = port };
    set_text(value, "admin_listen", sockets_format(&address, text));
}

void status_add_presence(const struct server *server, json_t *presence)
{
    set_count(presence, "workers", server->sockets.worker_count);
    add_listen(server, presence);
    add_admin(server, presence);
}

static void add_zones(const struct zone_set *zones, json_t *value)
{
    json_t *list = json_array();
    size_t count = zone_set_count(zones);
    for (size_t i = 0; i < count && i < ZONES_LISTED_MAX; i++) {
        char text[NAME_TEXT_MAX];
        const struct zone *zone = zone_set_at(zones, i);
        json_t *row = json_object();
        set_text(row, "zone", name_format(zone->origin, text));
        set_count(row, "serial", zone->serial);
        json_array_append_new(list, row);
    }
    set_count(value, "zone_count", count);
    set_count(value, "record_count", zone_set_record_count(zones));
    json_object_set_new(value, "zones", list);
}

static void add_geo(const struct world_info *info, json_t *value)
{
    json_t *geo = json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < info->database_count; i++) {
        const struct world_database *database = &info->databases[i];
        json_t *row = json_object();
        set_text(row, "path", database->path);
        set_text(row, "type", database->info.type);
        set_count(row, "built", database->info.build_epoch);
        set_count(row, "prefixes", database->info.prefix_count);
        json_array_append_new(list, row);
    }
    json_object_set_new(geo, "databases", list);
    set_count(geo, "classes", info->geo.class_count);
    set_count(geo, "leaves", info->geo.leaf_count);
    set_count(geo, "bytes", info->geo.memory_bytes);
    json_object_set_new(value, "geo", geo);
}

static void add_files(const struct server *server, json_t *value)
{
    const struct dataset *dataset = server->dataset;
    char digest[DIGEST_TEXT_MAX];
    set_text(value, "config", server->node_path);
    set_text(value, "topology", digest_format(&dataset->world->topology->digest, digest));
    json_set_int(value, "loaded", dataset->loaded_unix_s);
    set_count(value, "load_ms", dataset->load_ns / 1000000);
    set_count(value, "reloads", server->reload.success_count);
    set_count(value, "reloads_failed", server->reload.failure_count);
    add_zones(dataset->zones, value);
    add_geo(&dataset->info, value);
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
    json_set_int(value, "v", 1);
    set_text(value, "id", server->node->name);
    set_text(value, "role", "dns");
    set_text(value, "version", STEER_VERSION);
    json_set_int(value, "pid", getpid());
    json_set_int(value, "started", server->started_unix_s);
    json_set_int(value, "uptime_seconds", clock_unix_s() - server->started_unix_s);
    json_object_set_new(value, "ready", json_boolean(server->is_ready));
    status_add_presence(server, value);
    const struct steering_report report = steering_report(server->steering);
    steering_status_add(value, &report);
    set_count(value, "alarms", answer_view_alarm_count(serving->view));
    set_count(value, "swap_us", server->grace.latest_ns / 1000);
    json_object_set_new(value, "is_settling", json_boolean(server->grace.is_waiting));
    set_count(value, "queries", query_count(server));
    steering_status_add_sites(value, answer_view_snapshot(serving->view));
    add_files(server, value);
    return value;
}
