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
#include "steering/base/file.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/diag_print.h"
#include "steering/runtime/loop.h"
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
    return publisher_current(server->publisher);
}

/* ---- what the store says --------------------------------------------------------------------- */

static void free_snapshot(void *snapshot)
{
    snapshot_unref(snapshot);
}

static void publish(struct server *server)
{
    publisher_publish(server->publisher, steering_snapshot(server->steering));
    workers_publish(server);
    grace_begin(&server->grace);
}

static void on_change(void *owner)
{
    publish(owner);
}

static void on_grace_over(void *owner)
{
    struct server *server = owner;
    steering_settled(server->steering);
    server_settled(server);
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
    if (server->settings_pending == 0 && !server->grace.is_waiting)
        reload_settled(&server->reload);
}

/* Certificates that only root can read were fine at the start, and are not any more. */
static void explain_denied(const struct server *server, struct diag *diag)
{
    bool is_denied = false;
    for (size_t i = 0; i < diag->count; i++)
        is_denied |= strstr(diag->entries[i].text, strerror(EACCES)) != NULL;
    if (is_denied && server->privileges.is_root && !server->privileges.keeps_uid)
        diag_error(diag, 0, 0,
                   "since the start files are read as user '%s': keys and certificates must be "
                   "readable for that user",
                   server->privileges.user);
}

static enum err on_load(void *owner, struct diag *diag, void **out_loaded)
{
    const struct server *server = owner;
    const struct dataset_wish wish = { .node_path = server->node_path,
                                       .started = server->node,
                                       .version = server->version + 1,
                                       .keys = &server->keys,
                                       .has_log = server->log != NULL };
    struct dataset *dataset = NULL;
    enum err err = dataset_load(&wish, diag, &dataset);
    if (err == ERR_OK)
        *out_loaded = dataset;
    else
        explain_denied(server, diag);
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
    steering_set_world(server->steering, server->dataset->world);
    steering_note_reload(server->steering, "");
    workers_set(server); /* before: settled is what has both */
    publish(server);
    dataset_free(old);
}

static void on_fail(void *owner, const char *problem)
{
    const struct server *server = owner;
    steering_note_reload(server->steering, problem);
}

static void on_discard(void *owner, void *loaded)
{
    (void)owner;
    dataset_free(loaded);
}

static const struct reload_ops reload_ops = {
    .load = on_load,
    .describe = on_describe,
    .adopt = on_adopt,
    .fail = on_fail,
    .discard = on_discard,
};

static void on_reload(void *owner)
{
    struct server *server = owner;
    reload_begin(&server->reload, NULL);
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
        .node_path = server->node_path, .version = 1, .keys = &server->keys, .has_log = true
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

static enum err open_sockets(struct server *server, struct diag *diag)
{
    const struct pop_node *node = server->node;
    struct sockets_wish *wishes = mem_calloc(node->listen_count, sizeof(*wishes));
    for (size_t i = 0; i < node->listen_count; i++)
        wishes[i] = (struct sockets_wish){ .addr = node->listens[i].at.addr,
                                           .port = node->listens[i].at.port };
    enum err err = sockets_open(wishes, node->listen_count, server->worker_count, false, diag,
                                &server->sockets);
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

/* A folder that cannot be had is no reason not to serve. */
static void own_folder(const struct server *server, const char *path)
{
    struct diag diag;
    diag_init(&diag);
    if (privileges_own_folder(&server->privileges, path, &diag) != ERR_OK)
        log_error("folder", "problem=\"%s\"", diag_first(&diag));
    diag_fini(&diag);
}

/* So that it can be opened anew after a rotation. */
static enum err own_log(const struct server *server, struct diag *diag)
{
    const char *path = server->node->access_log;
    if (path == NULL || strcmp(path, "-") == 0)
        return ERR_OK;
    return privileges_own_file(&server->privileges, path, diag);
}

static enum err drop_privileges(struct server *server, struct diag *diag)
{
    char *nodes = file_join(server->node->common.store_directory, "nodes");
    own_folder(server, nodes);
    own_folder(server, server->node->common.state_directory);
    free(nodes);
    enum err err = own_log(server, diag);
    if (err == ERR_OK && admin_socket_path(server->admin) != NULL)
        err = privileges_own_file(&server->privileges, admin_socket_path(server->admin), diag);
    return err != ERR_OK ? err : privileges_drop(&server->privileges, diag);
}

/* Everything that needs the rights we were started with; they are gone afterwards. */
static enum err prepare(struct server *server, struct diag *diag)
{
    raise_descriptor_limit();
    enum err err = load(server, diag);
    if (err != ERR_OK)
        return err;
    const char *user = server->node->user;
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
    const struct pop_node *node = server->node;
    const struct steering_settings settings = {
        .store = node->common.store_directory,
        .last_good_folder = node->common.state_directory,
        .break_glass_path = node->common.break_glass,
        .node_id = node->common.name,
        .role = server_role_name(server),
        .on_change = on_change,
        .on_presence = on_presence,
        .has_news = has_news,
        .owner = server,
    };
    return steering_open(&settings, server->dataset->world, diag, &server->steering);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The last worker is gone; what is left are handles that the loop has to close. */
void server_drained(struct server *server)
{
    admin_close(server->admin); /* answers what has come meanwhile, and looks at all the rest */
    server->admin = NULL;
    steering_close(server->steering);
    server->steering = NULL;
    if (server->has_handles) {
        signals_close(&server->signals);
        grace_close(&server->grace);
        ticket_watch_close(&server->tickets);
        uv_close((uv_handle_t *)&server->drain_limit, NULL);
        server->has_handles = false;
    }
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
    log_error("stopped", "node=%s at_once=yes why=\"%s\" workers_left=%zu", server->node_path, why,
              server->thread_count);
    if (server->admin != NULL)
        admin_remove_socket(server->admin);
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
    steering_leave(server->steering); /* first: nobody waits for a node that leaves */
    reload_stop(&server->reload);
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
    for (size_t i = 0; i < server->sockets.address_count; i++) {
        char text[SOCKETS_TEXT_MAX];
        log_info("listen", "address=%s kind=%s workers=%zu",
                 sockets_format(&server->sockets.addresses[i], text),
                 server_kind_name(server->node->listens[i].kind), server->worker_count);
    }
    const struct steering_report report = steering_report(server->steering);
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

static enum err run(struct server *server, struct diag *diag)
{
    enum err err = open_log(server, diag);
    if (err == ERR_OK)
        err = open_steering(server, diag);
    if (err != ERR_OK)
        return err;
    server->publisher =
        publisher_new(server->worker_count, steering_snapshot(server->steering), free_snapshot);
    grace_open(&server->grace, &server->loop, server->publisher, on_grace_over, server);
    signals_open(&server->signals, &server->loop, on_stop, on_reload, server);
    ticket_watch_open(&server->tickets, &server->loop, on_keys, server);
    ticket_watch_set(&server->tickets, server->node->tls.tickets, &server->dataset->tickets);
    uv_timer_init(&server->loop, &server->drain_limit);
    server->has_handles = true;
    err = workers_start(server, diag);
    if (err == ERR_OK)
        err = admin_start(server->admin, &server->loop, diag);
    if (err == ERR_OK)
        err = steering_start(server->steering, &server->loop, diag);
    if (err != ERR_OK)
        drain(server, 0);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return err;
}

/* As far as it came. */
static void clean_up(struct server *server)
{
    steering_close(server->steering);
    admin_close(server->admin);
    publisher_free(server->publisher);
    workers_free(server);
    end_log(server, LOG_END_MS);
    access_log_close(server->log); /* after its last writer */
    dataset_free(server->dataset);
    reload_fini(&server->reload);
    sockets_close(&server->sockets);
    privileges_fini(&server->privileges);
    if (server->node != NULL)
        settings_release_node(server->node, server->node_refs);
    ticket_keys_wipe(&server->keys);
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
    ticket_keys_random(&server->keys);
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
        printf("%s: %u errors, %u warnings\n", node_path, diag.error_count, diag.warning_count);
    dataset_free(dataset);
    ticket_keys_wipe(&keys);
    diag_fini(&diag);
    return err == ERR_OK ? 0 : 2;
}
