/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/server_priv.h"
#include "steering/base/clock.h"
#include "steering/runtime/node_status.h"
#include "steering/runtime/steering_status.h"

/* "listen" once more, with what they speak. */
static void add_listeners(const struct server *server, json_t *value)
{
    json_t *listeners = json_array();
    for (size_t i = 0; i < server->daemon.sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        json_t *row = json_object();
        json_set_text(row, "address", sockets_format(&server->daemon.sockets.addresses[i], text));
        json_set_text(row, "kind", server_kind_name(server->node->listens[i].kind));
        json_array_append_new(listeners, row);
    }
    json_object_set_new(value, "listeners", listeners);
}

void status_add_presence(const struct server *server, json_t *presence)
{
    json_set_text(presence, "site", server->node->site);
    node_status_add_sockets(presence, &server->daemon);
    add_listeners(server, presence);
}

uint64_t status_stray_count(const struct server *server)
{
    uint64_t count = 0;
    for (size_t i = 0; server->tallies != NULL && i < server->worker_count; i++)
        count += counter_read(&server->tallies[i].counts[TALLY_STRAYS]);
    return count;
}

static void add_steering(const struct server *server, json_t *value)
{
    const struct steering_report report = steering_report(server->daemon.steering);
    json_t *steering = json_object();
    steering_status_add(steering, &report);
    json_set_count(steering, "swap_us", server->daemon.grace.latest_ns / 1000);
    json_object_set_new(steering, "is_settling", json_boolean(server->daemon.grace.is_waiting));
    json_set_count(value, "generation", report.generation);
    json_set_count(value, "generation_settled", report.settled_generation);
    json_object_set_new(value, "steering", steering);
}

static void add_certificates(const struct dataset *dataset, json_t *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dataset->certificate_count; i++) {
        const struct dataset_certificate *one = &dataset->certificates[i];
        json_t *row = json_object();
        json_set_text(row, "path", one->path);
        json_set_text(row, "use", one->use);
        json_set_int(row, "expires", one->expires_unix_s);
        json_array_append_new(list, row);
    }
    json_object_set_new(value, "certificates", list);
}

static void add_files(const struct server *server, json_t *value)
{
    const struct dataset *dataset = server->dataset;
    char digest[DIGEST_TEXT_MAX];
    json_set_text(value, "config", server->daemon.node_path);
    json_set_text(value, "topology", digest_format(&dataset->world->topology->digest, digest));
    json_set_int(value, "loaded", dataset->loaded_unix_s);
    json_set_count(value, "load_ms", dataset->load_ns / 1000000);
    json_set_count(value, "settings", server->version);
    json_set_count(value, "routes", dataset->node->route_count);
    json_set_count(value, "reloads", server->daemon.reload.success_count);
    json_set_count(value, "reloads_failed", server->daemon.reload.failure_count);
    json_set_count(value, "ticket_key_changes", server->tickets.success_count);
    json_set_count(value, "ticket_key_failures", server->tickets.failure_count);
    add_certificates(dataset, value);
    json_object_set_new(value, "geo", world_info_value(&dataset->info));
}

static void add_drain(const struct server *server, json_t *value)
{
    json_object_set_new(value, "drain", json_null());
    if (server->state != SERVER_DRAINING)
        return;
    json_t *drain = json_object();
    json_set_count(drain, "since_ms", clock_monotonic_ms() - server->drain_began_ms);
    json_set_count(drain, "limit_ms", server->dataset->node->timeouts.drain_ms);
    json_set_count(drain, "workers_left", server->thread_count);
    json_object_set_new(value, "drain", drain);
}

json_t *status_value(const struct server *server)
{
    json_t *value = json_object();
    node_status_add_process(value, &server->daemon);
    json_set_text(value, "state", server_state_name(server->state));
    json_object_set_new(value, "ready", json_boolean(server->state == SERVER_SERVING));
    status_add_presence(server, value);
    add_steering(server, value);
    add_drain(server, value);
    steering_status_add_sites(value, server_snapshot(server));
    add_files(server, value);
    return value;
}
