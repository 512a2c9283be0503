/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "pop/server/server_priv.h"
#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/runtime/steering_status.h"

static void set_count(json_t *object, const char *key, uint64_t count)
{
    json_set_int(object, key, (int64_t)count);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_set_str(object, key, str_from(text));
}

/* "listen" as every daemon has it, and "listeners" with what they speak. */
static void add_listen(const struct server *server, json_t *value)
{
    json_t *list = json_array(), *listeners = json_array();
    for (size_t i = 0; i < server->sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        const char *address = sockets_format(&server->sockets.addresses[i], text);
        json_t *row = json_object();
        set_text(row, "address", address);
        set_text(row, "kind", server_kind_name(server->node->listens[i].kind));
        json_array_append_new(list, json_string(address));
        json_array_append_new(listeners, row);
    }
    json_object_set_new(value, "listen", list);
    json_object_set_new(value, "listeners", listeners);
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
    set_text(presence, "site", server->node->site);
    set_count(presence, "workers", server->worker_count);
    add_listen(server, presence);
    add_admin(server, presence);
}

static void add_steering(const struct server *server, json_t *value)
{
    const struct steering_report report = steering_report(server->steering);
    json_t *steering = json_object();
    steering_status_add(steering, &report);
    set_count(steering, "swap_us", server->grace.latest_ns / 1000);
    json_object_set_new(steering, "is_settling", json_boolean(server->grace.is_waiting));
    set_count(value, "generation", report.generation);
    set_count(value, "generation_settled", report.settled_generation);
    json_object_set_new(value, "steering", steering);
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
        json_array_append_new(list, row);
    }
    json_object_set_new(geo, "databases", list);
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
    set_count(value, "settings", server->version);
    set_count(value, "routes", dataset->node->route_count);
    set_count(value, "reloads", server->reload.success_count);
    set_count(value, "reloads_failed", server->reload.failure_count);
    set_count(value, "ticket_key_changes", server->tickets.success_count);
    set_count(value, "ticket_key_failures", server->tickets.failure_count);
    add_geo(&dataset->info, value);
}

static void add_drain(const struct server *server, json_t *value)
{
    json_object_set_new(value, "drain", json_null());
    if (server->state != SERVER_DRAINING)
        return;
    json_t *drain = json_object();
    set_count(drain, "since_ms", clock_monotonic_ms() - server->drain_began_ms);
    set_count(drain, "limit_ms", server->dataset->node->timeouts.drain_ms);
    set_count(drain, "workers_left", server->thread_count);
    json_object_set_new(value, "drain", drain);
}

json_t *status_value(const struct server *server)
{
    json_t *value = json_object();
    json_set_int(value, "v", 1);
    set_text(value, "id", server->node->name);
    set_text(value, "role", server_role_name(server));
    set_text(value, "version", STEER_VERSION);
    json_set_int(value, "pid", getpid());
    json_set_int(value, "started", server->started_unix_s);
    json_set_int(value, "uptime_seconds", clock_unix_s() - server->started_unix_s);
    set_text(value, "state", server_state_name(server->state));
    json_object_set_new(value, "ready", json_boolean(server->state == SERVER_SERVING));
    status_add_presence(server, value);
    add_steering(server, value);
    add_drain(server, value);
    steering_status_add_sites(value, server_snapshot(server));
    add_files(server, value);
    return value;
}
