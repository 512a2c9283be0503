/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/node_status.h"

#include <unistd.h>

#include "steering/base/clock.h"

void node_status_add_process(json_t *value, const struct node_status *status)
{
    json_set_int(value, "v", 1);
    json_set_text(value, "id", status->id);
    json_set_text(value, "role", status->role);
    json_set_text(value, "version", STEER_VERSION);
    json_set_int(value, "pid", getpid());
    json_set_int(value, "started", status->started_unix_s);
    json_set_int(value, "uptime_seconds", clock_unix_s() - status->started_unix_s);
}

static void add_listen(json_t *value, const struct sockets *sockets)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sockets->address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        json_array_append_new(list, json_string(sockets_format(&sockets->addresses[i], text)));
    }
    json_object_set_new(value, "listen", list);
}

void node_status_add_sockets(json_t *value, const struct node_status *status)
{
    char text[SOCKETS_TEXT_MAX];
    uint16_t port = admin_tcp_port(status->admin);
    json_set_count(value, "workers", status->worker_count);
    add_listen(value, status->sockets);
    json_set_text(value, "admin", admin_socket_path(status->admin));
    if (port == 0 || status->admin_addr == NULL)
        return;
    const struct sockets_address address = { .addr = *status->admin_addr, .port = port };
    json_set_text(value, "admin_listen", sockets_format(&address, text));
}
