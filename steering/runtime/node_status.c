/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/node_status.h"

#include <unistd.h>

#include "steering/base/clock.h"

void node_status_add_process(json_t *value, const struct daemon *daemon)
{
    json_set_int(value, "v", 1);
    json_set_text(value, "id", daemon->settings.id);
    json_set_text(value, "role", daemon->settings.role);
    json_set_text(value, "version", STEER_VERSION);
    json_set_int(value, "pid", getpid());
    json_set_int(value, "started", daemon->started_unix_s);
    json_set_int(value, "uptime_seconds", clock_unix_s() - daemon->started_unix_s);
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

void node_status_add_sockets(json_t *value, const struct daemon *daemon)
{
    char text[SOCKETS_TEXT_MAX];
    uint16_t port = admin_tcp_port(daemon->admin);
    json_set_count(value, "workers", daemon->sockets.worker_count);
    add_listen(value, &daemon->sockets);
    json_set_text(value, "admin", admin_socket_path(daemon->admin));
    if (port == 0)
        return;
    const struct sockets_address address = { .addr = daemon->settings.admin.tcp_addr,
                                             .port = port };
    json_set_text(value, "admin_listen", sockets_format(&address, text));
}
