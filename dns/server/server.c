/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/server/server_priv.h"
#include "steering/base/clock.h"
#include "steering/base/file.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/diag_print.h"
#include "steering/runtime/loop.h"
#include "steering/runtime/notify.h"

enum { THREAD_NAME_MAX = 16 };

/* ---- what is in force ---------------------------------------------------------------------- */

const struct serving *server_serving(const struct server *server)
{
    return publisher_current(server->publisher);
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
    return serving_new(server->dataset, steering_snapshot(server->steering));
}

static void publish(struct server *server)
{
    publisher_publish(server->publisher, make_serving(server));
    grace_begin(&server->grace);
}

/* reload_settled follows when every worker has left the former one. */
static void adopt(struct server *server, struct dataset *dataset)
{
    struct dataset *old = server->dataset;
    put_in_force(server, dataset);
    log_set_level(dataset->node->common.log);
    steering_set_world(server->steering, dataset->world);
    steering_note_reload(server->steering, "");
    publish(server);
    dataset_unref(old); /* what still serves from it has references of its own */
}

/* ---- reloading ------------------------------------------------------------------------------ */

static enum err on_load(void *owner, struct diag *diag, void **out_loaded)
{
    const struct server *server = owner;
    struct dataset *dataset;
    enum err err = dataset_load(server->node_path, diag, &dataset);
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
    steering_note_reload(server->steering, problem);
}

static void on_discard(void *owner, void *loaded)
{
    (void)owner;
    dataset_unref(loaded);
}

static const struct reload_ops reload_ops = {
    .load = on_load,
    .describe = on_describe,
    .adopt = on_adopt,
    .fail = on_fail,
    .discard = on_discard,
};

/* ---- what the store says -------------------------------------------------------------------- */

static void on_change(void *owner)
{
    struct server *server = owner;
    if (!server->is_stopping)
        publish(server);
}

static void on_grace_over(void *owner)
{
    struct server *server = owner;
    steering_settled(server->steering);
    reload_settled(&server->reload);
}

static void on_presence(void *owner, json_t *presence)
{
    status_add_presence(owner, presence);
}

/* ---- loading and binding, as whoever started us -------------------------------------------- */

static enum err load(struct server *server, struct diag *diag)
{
    enum err err = dataset_load(server->node_path, diag, &server->dataset);
    if (err != ERR_OK)
        return err;
    /* A node of our own: the dataset's goes with the next reload. */
    err = node_load(server->node_path, diag, &server->node);
    if (err == ERR_OK)
        log_set_level(server->node->common.log);
    return err;
}

static enum err open_sockets(struct server *server, struct diag *diag)
{
    const struct node_dns *dns = &server->node->dns;
    struct sockets_wish *wishes = mem_calloc(dns->listen.count, sizeof(*wishes));
    for (size_t i = 0; i < dns->listen.count; i++)
        wishes[i] = (struct sockets_wish){ .addr = dns->listen.items[i].addr,
                                           .port = dns->listen.items[i].port };
    enum err err =
        sockets_open(wishes, dns->listen.count, dns->workers, true, diag, &server->sockets);
    free(wishes);
    return err;
}

static enum err open_admin(struct server *server, struct diag *diag)
{
    const struct node_admin *admin = &server->node->common.admin;
    struct admin_settings settings = { .socket_path = admin->socket,
                                       .routes = server_routes,
                                       .route_count = server_route_count,
                                       .owner = server };
    if (admin->listen.count > 0) {
        settings.has_tcp = true;
        settings.tcp_addr = admin->listen.items[0].addr;
        settings.tcp_port = admin->listen.items[0].port;
    }
    return admin_open(&settings, diag, &server->admin);
}

/* A folder that cannot be had is no reason not to answer queries. */
static void own_folder(const struct server *server, const char *path)
{
    struct diag diag;
    diag_init(&diag);
    if (privileges_own_folder(&server->privileges, path, &diag) != ERR_OK)
        log_error("folder", "problem=\"%s\"", diag_first(&diag));
    diag_fini(&diag);
}

static enum err drop_privileges(struct server *server, struct diag *diag)
{
    char *nodes = file_join(server->node->common.store_directory, "nodes");
    own_folder(server, nodes);
    own_folder(server, server->node->common.state_directory);
    free(nodes);
    enum err err = ERR_OK;
    if (admin_socket_path(server->admin) != NULL)
        err = privileges_own_file(&server->privileges, admin_socket_path(server->admin), diag);
    return err != ERR_OK ? err : privileges_drop(&server->privileges, diag);
}

/* Everything that needs the rights we were started with; they are gone afterwards. */
static enum err prepare(struct server *server, struct diag *diag)
{
    const char *user = "";
    enum err err = load(server, diag);
    if (err != ERR_OK)
        return err;
    user = server->node->dns.user;
    err = privileges_prepare(user == NULL || user[0] == '\0' ? "root" : user, diag,
                             &server->privileges);
    if (err != ERR_OK)
        return err;
    /* Both, for both their problems. */
    err = open_sockets(server, diag);
    enum err admin_err = open_admin(server, diag);
    if (err == ERR_OK)
        err = admin_err;
    return err != ERR_OK ? err : drop_privileges(server, diag);
}

static enum err open_steering(struct server *server, struct diag *diag)
{
    const struct node *node = server->node;
    const struct steering_settings settings = { .store = node->common.store_directory,
                                                .last_good_folder = node->common.state_directory,
                                                .break_glass_path = node->common.break_glass,
                                                .node_id = node->common.name,
                                                .role = "dns",
                                                .on_change = on_change,
                                                .on_presence = on_presence,
                                                .owner = server };
    return steering_open(&settings, server->dataset->world, diag, &server->steering);
}

/* ---- workers ------------------------------------------------------------------------------- */

static enum err start_udp(struct server *server, size_t slot, struct diag *diag)
{
    char name[THREAD_NAME_MAX];
    size_t workers = server->sockets.worker_count;
    snprintf(name, sizeof(name), "udp-%u.%u", (unsigned)(slot % workers),
             (unsigned)(slot / workers));
    const struct udp_settings settings = { .fd = server->sockets.udp[slot],
                                           .address = &server->sockets.addresses[slot / workers],
                                           .publisher = server->publisher,
                                           .slot = slot,
                                           .tally = &server->tallies[slot],
                                           .stop = &server->stop_udp,
                                           .name = name };
    server->sockets.udp[slot] = -1; /* moved */
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
    struct sockets *sockets = &server->sockets;
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
        .publisher = server->publisher,
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
    server->tcps = mem_calloc(server->sockets.worker_count, sizeof(struct tcp *));
    for (size_t slot = 0; err == ERR_OK && slot < udp_count; slot++)
        err = start_udp(server, slot, diag);
    for (size_t i = 0; err == ERR_OK && i < server->sockets.worker_count; i++)
        err = start_tcp(server, i, diag);
    return err;
}

static void join_workers(struct server *server)
{
    if (server->udps == NULL)
        return;
    atomic_store(&server->stop_udp, true);
    for (size_t i = 0; i < server->sockets.worker_count; i++)
        if (server->tcps[i] != NULL)
            tcp_stop(server->tcps[i]);
    for (size_t i = 0; i < server->sockets.worker_count; i++)
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
    steering_leave(server->steering); /* first: nobody waits for a node that leaves */
    reload_stop(&server->reload);
    admin_close(server->admin); /* answers what has come meanwhile, and looks at all the rest */
    server->admin = NULL;
    steering_close(server->steering);
    server->steering = NULL;
    signals_close(&server->signals);
    grace_close(&server->grace);
}

static void on_reload(void *owner)
{
    struct server *server = owner;
    reload_begin(&server->reload, NULL);
}

static void log_ready(const struct server *server)
{
    for (size_t i = 0; i < server->sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        log_info("listen", "address=%s udp=%zu tcp=%zu",
                 sockets_format(&server->sockets.addresses[i], text), server->sockets.worker_count,
                 server->sockets.worker_count);
    }
    const struct steering_report report = steering_report(server->steering);
    log_info("ready", "node=%s version=%s zones=%zu records=%zu generation=%llu source=%s",
             server->node->common.name, STEER_VERSION, zone_set_count(server->dataset->zones),
             zone_set_record_count(server->dataset->zones), (unsigned long long)report.generation,
             steering_source_name(report.source));
}

static enum err run(struct server *server, struct diag *diag)
{
    enum err err = open_steering(server, diag);
    if (err != ERR_OK)
        return err;
    server->slot_count = server_udp_count(server) + server->sockets.worker_count;
    server->tallies = tally_new(server->slot_count);
    put_in_force(server, server->dataset);
    server->publisher = publisher_new(server->slot_count, make_serving(server), serving_free);
    grace_open(&server->grace, &server->loop, server->publisher, on_grace_over, server);
    signals_open(&server->signals, &server->loop, on_stop, on_reload, server);
    err = start_workers(server, diag);
    if (err == ERR_OK)
        err = admin_start(server->admin, &server->loop, diag);
    if (err == ERR_OK)
        err = steering_start(server->steering, &server->loop, diag);
    if (err != ERR_OK) {
        on_stop(server);
    } else {
        server->is_ready = true;
        log_ready(server);
        notify_send("READY=1");
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return err;
}

/* As far as it came. */
static void clean_up(struct server *server)
{
    join_workers(server);
    steering_close(server->steering);
    admin_close(server->admin);
    publisher_free(server->publisher);
    dataset_unref(server->dataset);
    site_totals_fini(&server->totals);
    reload_fini(&server->reload);
    sockets_close(&server->sockets);
    privileges_fini(&server->privileges);
    node_free(server->node);
    free(server->tallies);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&server->loop);
    if (failed != 0)
        log_error("stop", "error=\"%s\"", uv_strerror(failed));
}

int server_run(const char *node_path)
{
    struct server *server = mem_calloc(1, sizeof(*server));
    struct diag diag;
    diag_init(&diag);
    server->node_path = node_path;
    server->started_unix_s = clock_unix_s();
    signals_ignore_pipe();
    enum err err = loop_open(&server->loop, &diag);
    if (err != ERR_OK) {
        diag_print(&diag, stderr);
        goto out;
    }
    reload_init(&server->reload, &server->loop, &reload_ops, server);
    err = prepare(server, &diag);
    diag_print(&diag, stderr); /* warnings, too */
    diag_fini(&diag);
    diag_init(&diag);
    if (err == ERR_OK) {
        err = run(server, &diag);
        diag_print(&diag, stderr);
    }
    clean_up(server);
    if (err == ERR_OK)
        log_info("stopped", "node=%s", node_path);
out:
    diag_fini(&diag);
    free(server);
    return err == ERR_OK ? 0 : 1;
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
        printf("%s: %u errors, %u warnings\n", node_path, diag.error_count, diag.warning_count);
    dataset_unref(dataset);
    diag_fini(&diag);
    return err == ERR_OK ? 0 : 2;
}
