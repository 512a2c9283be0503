/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pop/server/access_log.h"
#include "pop/server/server_priv.h"
#include "steering/base/clock.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/diag_print.h"
#include "steering/runtime/notify.h"

enum {
    DRAIN_GRACE_MS = 5000,
    SAME_STOP_MS = 1000,
    HURRY_MS = 2000,
    LOG_END_MS = 5000,
    LOG_HURRY_MS = 500
};

const char *server_state_name(enum server_state state)
{
    static const char *const names[] = {
        [SERVER_STARTING] = "starting",
        [SERVER_SERVING] = "serving",
        [SERVER_DRAINING] = "draining",
    };
    return names[state];
}

const char *server_kind_name(enum pop_listen_kind kind)
{
    static const char *const names[] = {
        [POP_LISTEN_HTTPS] = "https",
        [POP_LISTEN_HTTP] = "http",
        [POP_LISTEN_REDIRECT] = "redirect",
        [POP_LISTEN_BACKBONE] = "backbone",
    };
    return names[kind];
}

const char *server_role_name(const struct server *server)
{
    return server->node->role == POP_ROLE_GATEWAY ? "gateway" : "pop";
}

const struct snapshot *server_snapshot(const struct server *server)
{
    return publisher_current(server->daemon.publisher);
}

/* ---- what the store says --------------------------------------------------------------------- */

static void free_snapshot(void *snapshot)
{
    snapshot_unref(snapshot);
}

static void publish(struct server *server)
{
    publisher_publish(server->daemon.publisher, steering_snapshot(server->daemon.steering));
    workers_publish(server);
    grace_begin(&server->daemon.grace);
}

static void on_change(void *owner)
{
    publish(owner);
}

static void on_presence(void *owner, json_t *presence)
{
    struct server *server = owner;
    status_add_presence(server, presence);
    if (server->node->role == POP_ROLE_GATEWAY)
        strays_tell(&server->strays, status_stray_count(server), clock_monotonic_ms(), presence);
}

static bool has_news(void *owner)
{
    const struct server *server = owner;
    return server->node->role == POP_ROLE_GATEWAY &&
           strays_is_news(&server->strays, status_stray_count(server));
}

/* ---- reloading ------------------------------------------------------------------------------- */

/* Snapshot and settings: both must be everywhere before a reload is done. */
void server_settled(struct server *server)
{
    if (server->settings_pending == 0 && !server->daemon.grace.is_waiting)
        reload_settled(&server->daemon.reload);
}

static void on_settled(void *owner)
{
    server_settled(owner);
}

/* Certificates that only root can read were fine at the start, and are not any more. */
static void explain_denied(const struct server *server, struct diag *diag)
{
    bool is_denied = false;
    for (size_t i = 0; i < diag->count; i++)
        is_denied |= strstr(diag->entries[i].text, strerror(EACCES)) != NULL;
    if (is_denied && server->daemon.privileges.is_root && !server->daemon.privileges.keeps_uid)
        diag_error(diag, 0, 0,
                   "since the start files are read as user '%s': keys and certificates must be "
                   "readable for that user",
                   server->daemon.privileges.user);
}

/* A rotation counts on it, whatever is wrong with the other files. */
static void reopen_log(const struct server *server)
{
    const char *path = server->dataset->node->access_log;
    struct diag diag;
    int fd;
    if (server->log == NULL || path == NULL || strcmp(path, "-") == 0)
        return;
    diag_init(&diag);
    if (access_log_open_file(path, &diag, &fd) == ERR_OK)
        access_log_use_file(server->log, fd);
    else
        log_error("access_log.reopen", "why=\"%s\"", diag_first(&diag));
    diag_fini(&diag);
}

static enum err on_load(void *owner, struct diag *diag, void **out_loaded)
{
    const struct server *server = owner;
    const struct dataset_wish wish = { .node_path = server->daemon.node_path,
                                       .started = server->node,
                                       .version = server->version + 1,
                                       .keys = &server->keys,
                                       .has_log = server->log != NULL };
    struct dataset *dataset = NULL;
    enum err err = dataset_load(&wish, diag, &dataset);
    if (err == ERR_OK) {
        *out_loaded = dataset;
    } else {
        explain_denied(server, diag);
        reopen_log(server);
    }
    return err;
}

static void on_describe(void *owner, const void *loaded, struct diag *diag, json_t *outcome)
{
    const struct dataset *dataset = loaded;
    (void)owner;
    (void)diag; /* dataset_load has warned of what takes a restart */
    json_set_int(outcome, "routes", (int64_t)dataset->node->route_count);
    json_set_int(outcome, "certificates", (int64_t)dataset->node->tls.certificate_count);
    json_set_int(outcome, "origins", (int64_t)dataset->node->origin_count);
}

static void on_adopt(void *owner, void *loaded)
{
    struct server *server = owner;
    struct dataset *old = server->dataset;
    server->dataset = loaded;
    server->version++;
    log_set_level(server->dataset->node->common.log);
    if (server->dataset->log_fd >= 0)
        access_log_use_file(server->log, dataset_take_log(server->dataset));
    ticket_watch_set(&server->tickets, server->dataset->node->tls.tickets,
                     &server->dataset->tickets);
    steering_set_world(server->daemon.steering, server->dataset->world);
    steering_note_reload(server->daemon.steering, "");
    workers_set(server); /* before: settled is what has both */
    publish(server);
    dataset_free(old);
}

static void on_fail(void *owner, const char *problem)
{
    const struct server *server = owner;
    steering_note_reload(server->daemon.steering, problem);
}

static void on_discard(void *owner, void *loaded)
{
    (void)owner;
    dataset_free(loaded);
}

static void on_keys(void *owner, const struct ticket_keys *keys)
{
    workers_set_keys(owner, keys);
}

/* ---- loading and binding, as whoever started us ---------------------------------------------- */

/* A connection each for clients and peers. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("limits", "resource=descriptors error=\"%s\"", strerror(errno));
}

static enum err load(struct server *server, struct diag *diag)
{
    const struct dataset_wish wish = {
        .node_path = server->daemon.node_path, .version = 1, .keys = &server->keys, .has_log = true
    };
    enum err err = dataset_load(&wish, diag, &server->dataset);
    if (err != ERR_OK)
        return err;
    /* It stays when the dataset goes. */
    server->version = 1;
    server->node = server->dataset->node;
    server->node_refs = server->dataset->node_refs;
    atomic_fetch_add(server->node_refs, 1);
    server->worker_count = server->dataset->worker_count;
    log_set_level(server->node->common.log);
    return ERR_OK;
}

static enum err bind_all(struct server *server, struct diag *diag)
{
    const struct pop_node *node = server->node;
    const struct node_common *common = &node->common;
    const struct schema_listens *admin = &common->admin.listen;
    bool has_log_file = node->access_log != NULL && strcmp(node->access_log, "-") != 0;
    struct sockets_wish *wishes = mem_calloc(node->listen_count, sizeof(*wishes));
    struct daemon_settings settings = { .id = common->name,
                                        .role = server_role_name(server),
                                        .user = node->user,
                                        .store_directory = common->store_directory,
                                        .state_directory = common->state_directory,
                                        .break_glass = common->break_glass,
                                        .log = has_log_file ? node->access_log : NULL,
                                        .admin = { .socket_path = common->admin.socket,
                                                   .has_tcp = admin->count > 0,
                                                   .tcp_takes_orders =
                                                       common->admin.listen_takes_orders,
                                                   .routes = server_routes,
                                                   .route_count = server_route_count,
                                                   .owner = server },
                                        .worker_count = server->worker_count };
    if (admin->count > 0) {
        settings.admin.tcp_addr = admin->items[0].addr;
        settings.admin.tcp_port = admin->items[0].port;
    }
    for (size_t i = 0; i < node->listen_count; i++)
        wishes[i] = (struct sockets_wish){ .addr = node->listens[i].at.addr,
                                           .port = node->listens[i].at.port };
    enum err err = daemon_bind(&server->daemon, &settings, wishes, node->listen_count, diag);
    free(wishes);
    return err;
}

static enum err on_prepare(void *owner, struct diag *diag)
{
    struct server *server = owner;
    raise_descriptor_limit();
    ticket_keys_random(&server->keys);
    enum err err = load(server, diag);
    return err != ERR_OK ? err : bind_all(server, diag);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The last worker is gone; what is left are handles that the loop has to close. */
void server_drained(struct server *server)
{
    ticket_watch_close(&server->tickets);
    uv_close((uv_handle_t *)&server->drain_limit, NULL);
    daemon_close(&server->daemon);
}

static void end_log(const struct server *server, int limit_ms)
{
    uint64_t left = access_log_end(server->log, limit_ms);
    if (left > 0)
        log_error("access_log.end", "file=%s lost=%llu why=\"it takes nothing\"",
                  server->node->access_log, (unsigned long long)left);
}

/* Without a goodbye to anybody: what is in flight is lost. */
static void end_at_once(const struct server *server, const char *why)
{
    log_error("stopped", "node=%s at_once=yes why=\"%s\" workers_left=%zu",
              server->daemon.node_path, why, server->thread_count);
    if (server->daemon.admin != NULL)
        admin_remove_socket(server->daemon.admin);
    end_log(server, LOG_HURRY_MS);
    _exit(1);
}

static void on_drain_limit(uv_timer_t *timer)
{
    end_at_once(container_of(timer, struct server, drain_limit), "workers did not end in time");
}

static void drain(struct server *server, uint64_t limit_ms)
{
    server->state = SERVER_DRAINING;
    server->drain_began_ms = clock_monotonic_ms();
    notify_send("STOPPING=1");
    steering_leave(server->daemon.steering); /* first: nobody waits for a node that leaves */
    reload_stop(&server->daemon.reload);
    log_info("drain", "limit_ms=%llu workers=%zu", (unsigned long long)limit_ms,
             server->thread_count);
    uv_timer_start(&server->drain_limit, on_drain_limit, limit_ms + DRAIN_GRACE_MS, 0);
    if (server->thread_count == 0)
        server_drained(server);
    else
        workers_drain(server, limit_ms);
}

void server_drain(struct server *server)
{
    if (server->state != SERVER_DRAINING)
        drain(server, server->dataset->node->timeouts.drain_ms);
}

/* What is in flight is cut off, so that it can be seen to be cut off; nobody waits for the rest. */
static void hurry(struct server *server)
{
    log_warn("drain", "limit_ms=0 workers=%zu why=\"told to stop again\"", server->thread_count);
    uv_timer_start(&server->drain_limit, on_drain_limit, HURRY_MS, 0);
    workers_drain(server, 0);
}

static void on_stop(void *owner)
{
    struct server *server = owner;
    /* One wish to stop may come as several signals: to the group and to the process. */
    if (server->state == SERVER_DRAINING &&
        clock_monotonic_ms() - server->drain_began_ms >= SAME_STOP_MS)
        hurry(server);
    server_drain(server);
}

/* ---- the whole ------------------------------------------------------------------------------- */

void server_listening(struct server *server)
{
    if (server->state != SERVER_STARTING)
        return;
    server->state = SERVER_SERVING;
    for (size_t i = 0; i < server->daemon.sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        log_info("listen", "address=%s kind=%s workers=%zu",
                 sockets_format(&server->daemon.sockets.addresses[i], text),
                 server_kind_name(server->node->listens[i].kind), server->worker_count);
    }
    const struct steering_report report = steering_report(server->daemon.steering);
    log_info("ready", "node=%s role=%s site=%s version=%s routes=%zu generation=%llu source=%s",
             server->node->common.name, server_role_name(server), server->node->site, STEER_VERSION,
             server->dataset->node->route_count, (unsigned long long)report.generation,
             steering_source_name(report.source));
    notify_send("READY=1");
}

static enum err open_log(struct server *server, struct diag *diag)
{
    if (server->dataset->log_fd < 0)
        return ERR_OK;
    return access_log_start(server->node->access_log, dataset_take_log(server->dataset),
                            server->worker_count, diag, &server->log);
}

static enum err on_run(void *owner, struct diag *diag)
{
    struct server *server = owner;
    enum err err = open_log(server, diag);
    if (err == ERR_OK)
        err = daemon_open_steering(&server->daemon, server->dataset->world, diag);
    if (err != ERR_OK)
        return err;
    daemon_open(&server->daemon, server->worker_count, steering_snapshot(server->daemon.steering),
                free_snapshot);
    ticket_watch_open(&server->tickets, &server->daemon.loop, on_keys, server);
    ticket_watch_set(&server->tickets, server->node->tls.tickets, &server->dataset->tickets);
    uv_timer_init(&server->daemon.loop, &server->drain_limit);
    err = workers_start(server, diag);
    if (err == ERR_OK)
        err = daemon_start(&server->daemon, diag);
    if (err != ERR_OK)
        drain(server, 0);
    uv_run(&server->daemon.loop, UV_RUN_DEFAULT);
    return err;
}

static void on_clean_up(void *owner)
{
    struct server *server = owner;
    daemon_fini(&server->daemon);
    workers_free(server);
    end_log(server, LOG_END_MS);
    access_log_close(server->log); /* after its last writer */
    dataset_free(server->dataset);
    if (server->node != NULL)
        settings_release_node(server->node, server->node_refs);
    ticket_keys_wipe(&server->keys);
}

static const struct daemon_ops daemon_ops = {
    .prepare = on_prepare,
    .run = on_run,
    .clean_up = on_clean_up,
    .stop = on_stop,
    .settled = on_settled,
    .change = on_change,
    .presence = on_presence,
    .has_news = has_news,
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
    struct ticket_keys keys;
    diag_init(&diag);
    ticket_keys_random(&keys);
    const struct dataset_wish wish = { .node_path = node_path, .version = 1, .keys = &keys };
    enum err err = dataset_load(&wish, &diag, &dataset);
    diag_print(&diag, stdout);
    if (err == ERR_OK)
        printf("%s: fine; %s at %s, %zu routes, %zu certificates, %zu origins\n", node_path,
               dataset->node->role == POP_ROLE_GATEWAY ? "gateway" : "pop", dataset->node->site,
               dataset->node->route_count, dataset->node->tls.certificate_count,
               dataset->node->origin_count);
    else
        diag_print_counts(&diag, node_path, stdout);
    dataset_free(dataset);
    ticket_keys_wipe(&keys);
    diag_fini(&diag);
    return err == ERR_OK ? 0 : 2;
}
