/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "dns/server/server_priv.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/diag_print.h"
#include "steering/runtime/notify.h"

enum { THREAD_NAME_MAX = 16 };

/* ---- what is in force ---------------------------------------------------------------------- */

const struct serving *server_serving(const struct server *server)
{
    return publisher_current(server->daemon.publisher);
}

/* The last worker has left: what was counted in the dataset goes to the totals. */
static void on_retire(void *owner, struct dataset *dataset)
{
    struct server *server = owner;
    struct dataset **at = &server->live;
    while (*at != dataset)
        at = &(*at)->next_live;
    *at = dataset->next_live;
    site_totals_add(&server->totals, &dataset->counts, dataset->world->topology);
}

static void put_in_force(struct server *server, struct dataset *dataset)
{
    site_counts_init(&dataset->counts, dataset->world->topology, server->slot_count);
    dataset->on_retire = on_retire;
    dataset->owner = server;
    dataset->next_live = server->live;
    server->live = dataset;
    server->dataset = dataset;
}

static struct serving *make_serving(struct server *server)
{
    return serving_new(server->dataset, steering_snapshot(server->daemon.steering));
}

static void publish(struct server *server)
{
    publisher_publish(server->daemon.publisher, make_serving(server));
    grace_begin(&server->daemon.grace);
}

/* reload_settled follows when every worker has left the former one. */
static void adopt(struct server *server, struct dataset *dataset)
{
    struct dataset *old = server->dataset;
    put_in_force(server, dataset);
    log_set_level(dataset->node->common.log);
    steering_set_world(server->daemon.steering, dataset->world);
    steering_note_reload(server->daemon.steering, "");
    publish(server);
    dataset_unref(old); /* what still serves from it has references of its own */
}

/* ---- reloading ------------------------------------------------------------------------------ */

static enum err on_load(void *owner, struct diag *diag, void **out_loaded)
{
    const struct server *server = owner;
    struct dataset *dataset;
    enum err err = dataset_load(server->daemon.node_path, diag, &dataset);
    if (err == ERR_OK)
        *out_loaded = dataset;
    return err;
}

static void on_describe(void *owner, const void *loaded, struct diag *diag, json_t *outcome)
{
    const struct server *server = owner;
    const struct dataset *dataset = loaded;
    dataset_warn_restart(server->node, dataset->node, diag);
    json_set_int(outcome, "zones", (int64_t)zone_set_count(dataset->zones));
    json_set_int(outcome, "records", (int64_t)zone_set_record_count(dataset->zones));
}

static void on_adopt(void *owner, void *loaded)
{
    adopt(owner, loaded);
}

static void on_fail(void *owner, const char *problem)
{
    const struct server *server = owner;
    steering_note_reload(server->daemon.steering, problem);
}

static void on_discard(void *owner, void *loaded)
{
    (void)owner;
    dataset_unref(loaded);
}

/* ---- what the store says -------------------------------------------------------------------- */

static void on_change(void *owner)
{
    struct server *server = owner;
    if (!server->is_stopping)
        publish(server);
}

static void on_settled(void *owner)
{
    struct server *server = owner;
    reload_settled(&server->daemon.reload);
}

static void on_presence(void *owner, json_t *presence)
{
    status_add_presence(owner, presence);
}

/* ---- loading and binding, as whoever started us -------------------------------------------- */

static enum err load(struct server *server, struct diag *diag)
{
    enum err err = dataset_load(server->daemon.node_path, diag, &server->dataset);
    if (err != ERR_OK)
        return err;
    /* A node of our own: the dataset's goes with the next reload. */
    err = node_load(server->daemon.node_path, diag, &server->node);
    if (err == ERR_OK)
        log_set_level(server->node->common.log);
    return err;
}

static enum err bind_all(struct server *server, struct diag *diag)
{
    const struct node_common *common = &server->node->common;
    const struct schema_listens *listen = &server->node->dns.listen, *admin = &common->admin.listen;
    struct sockets_wish *wishes = mem_calloc(listen->count, sizeof(*wishes));
    struct daemon_settings settings = { .id = common->name,
                                        .role = "dns",
                                        .user = server->node->dns.user,
                                        .store_directory = common->store_directory,
                                        .state_directory = common->state_directory,
                                        .break_glass = common->break_glass,
                                        .admin = { .socket_path = common->admin.socket,
                                                   .has_tcp = admin->count > 0,
                                                   .tcp_takes_orders =
                                                       common->admin.listen_takes_orders,
                                                   .routes = server_routes,
                                                   .route_count = server_route_count,
                                                   .owner = server },
                                        .worker_count = server->node->dns.workers,
                                        .has_udp = true };
    if (admin->count > 0) {
        settings.admin.tcp_addr = admin->items[0].addr;
        settings.admin.tcp_port = admin->items[0].port;
    }
    for (size_t i = 0; i < listen->count; i++)
        wishes[i] =
            (struct sockets_wish){ .addr = listen->items[i].addr, .port = listen->items[i].port };
    enum err err = daemon_bind(&server->daemon, &settings, wishes, listen->count, diag);
    free(wishes);
    return err;
}

static enum err on_prepare(void *owner, struct diag *diag)
{
    enum err err = load(owner, diag);
    return err != ERR_OK ? err : bind_all(owner, diag);
}

/* ---- workers ------------------------------------------------------------------------------- */

static enum err start_udp(struct server *server, size_t slot, struct diag *diag)
{
    char name[THREAD_NAME_MAX];
    size_t workers = server->daemon.sockets.worker_count;
    snprintf(name, sizeof(name), "udp-%u.%u", (unsigned)(slot % workers),
             (unsigned)(slot / workers));
    const struct udp_settings settings = { .fd = server->daemon.sockets.udp[slot],
                                           .address =
                                               &server->daemon.sockets.addresses[slot / workers],
                                           .publisher = server->daemon.publisher,
                                           .slot = slot,
                                           .tally = &server->tallies[slot],
                                           .stop = &server->stop_udp,
                                           .name = name };
    server->daemon.sockets.udp[slot] = -1; /* moved */
    enum err err = udp_start(&settings, &server->udps[slot]);
    if (err != ERR_OK)
        diag_error(diag, 0, 0, "cannot start a thread: %s", err_text(err));
    return err;
}

static uint32_t share(uint32_t whole, size_t workers)
{
    return (uint32_t)((whole + workers - 1) / workers);
}

static enum err start_tcp(struct server *server, size_t worker, struct diag *diag)
{
    char name[THREAD_NAME_MAX];
    const struct node_tcp *tcp = &server->node->dns.tcp;
    struct sockets *sockets = &server->daemon.sockets;
    size_t slot = server_udp_count(server) + worker;
    int *fds = mem_calloc(sockets->address_count, sizeof(*fds));
    for (size_t i = 0; i < sockets->address_count; i++) {
        fds[i] = sockets->tcp[i * sockets->worker_count + worker];
        sockets->tcp[i * sockets->worker_count + worker] = -1; /* moved */
    }
    snprintf(name, sizeof(name), "tcp-%u", (unsigned)worker);
    const struct tcp_settings settings = {
        .fds = fds,
        .fd_count = sockets->address_count,
        .publisher = server->daemon.publisher,
        .slot = slot,
        .tally = &server->tallies[slot],
        .connections_max = share(tcp->connections, sockets->worker_count),
        .per_client_max = tcp->per_client,
        .idle_ms = tcp->idle_ms,
        .write_ms = tcp->write_ms,
        .pipeline = tcp->pipeline,
        .name = name,
    };
    enum err err = tcp_start(&settings, diag, &server->tcps[worker]);
    free(fds);
    return err;
}

static enum err start_workers(struct server *server, struct diag *diag)
{
    enum err err = ERR_OK;
    size_t udp_count = server_udp_count(server);
    server->udps = mem_calloc(udp_count, sizeof(struct udp *));
    server->tcps = mem_calloc(server->daemon.sockets.worker_count, sizeof(struct tcp *));
    for (size_t slot = 0; err == ERR_OK && slot < udp_count; slot++)
        err = start_udp(server, slot, diag);
    for (size_t i = 0; err == ERR_OK && i < server->daemon.sockets.worker_count; i++)
        err = start_tcp(server, i, diag);
    return err;
}

static void join_workers(struct server *server)
{
    if (server->udps == NULL)
        return;
    atomic_store(&server->stop_udp, true);
    for (size_t i = 0; i < server->daemon.sockets.worker_count; i++)
        if (server->tcps[i] != NULL)
            tcp_stop(server->tcps[i]);
    for (size_t i = 0; i < server->daemon.sockets.worker_count; i++)
        tcp_join(server->tcps[i]);
    for (size_t i = 0; i < server_udp_count(server); i++)
        udp_join(server->udps[i]);
    free(server->udps);
    free(server->tcps);
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* Nothing is answered any more; what is left are handles that the loop has to close. */
static void on_stop(void *owner)
{
    struct server *server = owner;
    if (server->is_stopping)
        return;
    server->is_stopping = true;
    server->is_ready = false;
    notify_send("STOPPING=1");
    daemon_close(&server->daemon);
}

static void log_ready(const struct server *server)
{
    for (size_t i = 0; i < server->daemon.sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        log_info("listen", "address=%s udp=%zu tcp=%zu",
                 sockets_format(&server->daemon.sockets.addresses[i], text),
                 server->daemon.sockets.worker_count, server->daemon.sockets.worker_count);
    }
    const struct steering_report report = steering_report(server->daemon.steering);
    log_info("ready", "node=%s version=%s zones=%zu records=%zu generation=%llu source=%s",
             server->node->common.name, STEER_VERSION, zone_set_count(server->dataset->zones),
             zone_set_record_count(server->dataset->zones), (unsigned long long)report.generation,
             steering_source_name(report.source));
}

static enum err on_run(void *owner, struct diag *diag)
{
    struct server *server = owner;
    enum err err = daemon_open_steering(&server->daemon, server->dataset->world, diag);
    if (err != ERR_OK)
        return err;
    server->slot_count = server_udp_count(server) + server->daemon.sockets.worker_count;
    server->tallies = tally_new(server->slot_count);
    put_in_force(server, server->dataset);
    daemon_open(&server->daemon, server->slot_count, make_serving(server), serving_free);
    err = start_workers(server, diag);
    if (err == ERR_OK)
        err = daemon_start(&server->daemon, diag);
    if (err != ERR_OK) {
        on_stop(server);
    } else {
        server->is_ready = true;
        log_ready(server);
        notify_send("READY=1");
    }
    uv_run(&server->daemon.loop, UV_RUN_DEFAULT);
    return err;
}

static void on_clean_up(void *owner)
{
    struct server *server = owner;
    join_workers(server);
    daemon_fini(&server->daemon);
    dataset_unref(server->dataset);
    site_totals_fini(&server->totals);
    node_free(server->node);
    free(server->tallies);
}

static const struct daemon_ops daemon_ops = {
    .prepare = on_prepare,
    .run = on_run,
    .clean_up = on_clean_up,
    .stop = on_stop,
    .settled = on_settled,
    .change = on_change,
    .presence = on_presence,
    .reload = { .load = on_load,
                .describe = on_describe,
                .adopt = on_adopt,
                .fail = on_fail,
                .discard = on_discard },
};

int server_run(const char *node_path)
{
    struct server *server = mem_calloc(1, sizeof(*server));
    int exit_code = daemon_run(&server->daemon, node_path, &daemon_ops, server);
    free(server);
    return exit_code;
}

int server_check(const char *node_path)
{
    struct diag diag;
    struct dataset *dataset = NULL;
    diag_init(&diag);
    enum err err = dataset_load(node_path, &diag, &dataset);
    diag_print(&diag, stdout);
    if (err == ERR_OK)
        printf("%s: fine; %zu zones with %zu records, %zu steered names\n", node_path,
               zone_set_count(dataset->zones), zone_set_record_count(dataset->zones),
               dataset->world->topology->name_count);
    else
        diag_print_counts(&diag, node_path, stdout);
    dataset_unref(dataset);
    diag_fini(&diag);
    return err == ERR_OK ? 0 : 2;
}
