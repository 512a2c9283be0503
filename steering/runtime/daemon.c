/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/daemon.h"

#include <stdio.h>
#include <stdlib.h>

#include "steering/base/clock.h"
#include "steering/base/file.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/diag_print.h"
#include "steering/runtime/loop.h"

/* ---- as whoever started us ----------------------------------------------------------------- */

/* A folder that cannot be had is no reason not to serve. */
static void own_folder(const struct privileges *privileges, const char *path)
{
    struct diag diag;
    diag_init(&diag);
    if (privileges_own_folder(privileges, path, &diag) != ERR_OK)
        log_error("folder", "problem=\"%s\"", diag_first(&diag));
    diag_fini(&diag);
}

static enum err drop_privileges(const struct daemon *daemon, struct diag *diag)
{
    const struct privileges *privileges = &daemon->privileges;
    const char *files[] = { daemon->settings.log, admin_socket_path(daemon->admin) };
    char *nodes = file_join(daemon->settings.store_directory, "nodes");
    own_folder(privileges, nodes);
    own_folder(privileges, daemon->settings.state_directory);
    free(nodes);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        enum err err = files[i] == NULL ? ERR_OK : privileges_own_file(privileges, files[i], diag);
        if (err != ERR_OK)
            return err;
    }
    return privileges_drop(privileges, diag);
}

enum err daemon_bind(struct daemon *daemon, const struct daemon_settings *settings,
                     const struct sockets_wish *listens, size_t listen_count, struct diag *diag)
{
    bool has_user = settings->user != NULL && settings->user[0] != '\0';
    const char *user = has_user ? settings->user : "root";
    daemon->settings = *settings;
    enum err err = privileges_prepare(user, diag, &daemon->privileges);
    if (err != ERR_OK)
        return err;
    /* Both, for both their problems. */
    err = sockets_open(listens, listen_count, settings->worker_count, settings->has_udp, diag,
                       &daemon->sockets);
    enum err admin_err = admin_open(&settings->admin, diag, &daemon->admin);
    if (err == ERR_OK)
        err = admin_err;
    return err != ERR_OK ? err : drop_privileges(daemon, diag);
}

enum err daemon_open_steering(struct daemon *daemon, struct world *world, struct diag *diag)
{
    const struct daemon_settings *own = &daemon->settings;
    const struct steering_settings settings = { .store = own->store_directory,
                                                .last_good_folder = own->state_directory,
                                                .break_glass_path = own->break_glass,
                                                .node_id = own->id,
                                                .role = own->role,
                                                .on_change = daemon->ops->change,
                                                .on_presence = daemon->ops->presence,
                                                .has_news = daemon->ops->has_news,
                                                .owner = daemon->owner };
    return steering_open(&settings, world, diag, &daemon->steering);
}

/* ---- while it serves ----------------------------------------------------------------------- */

static void on_grace_over(void *owner)
{
    struct daemon *daemon = owner;
    steering_settled(daemon->steering);
    daemon->ops->settled(daemon->owner);
}

static void on_stop_signal(void *owner)
{
    struct daemon *daemon = owner;
    daemon->ops->stop(daemon->owner);
}

static void on_reload_signal(void *owner)
{
    struct daemon *daemon = owner;
    reload_begin(&daemon->reload, NULL);
}

void daemon_open(struct daemon *daemon, size_t slot_count, void *first,
                 void (*free_object)(void *object))
{
    daemon->publisher = publisher_new(slot_count, first, free_object);
    grace_open(&daemon->grace, &daemon->loop, daemon->publisher, on_grace_over, daemon);
    signals_open(&daemon->signals, &daemon->loop, on_stop_signal, on_reload_signal, daemon);
    daemon->is_open = true;
}

enum err daemon_start(struct daemon *daemon, struct diag *diag)
{
    enum err err = admin_start(daemon->admin, &daemon->loop, diag);
    return err != ERR_OK ? err : steering_start(daemon->steering, &daemon->loop, diag);
}

/* ---- the end ------------------------------------------------------------------------------- */

void daemon_close(struct daemon *daemon)
{
    if (daemon->steering != NULL)
        steering_leave(daemon->steering); /* first: nobody waits for a node that leaves */
    reload_stop(&daemon->reload);
    admin_close(daemon->admin); /* answers what has come meanwhile, and looks at all the rest */
    daemon->admin = NULL;
    steering_close(daemon->steering);
    daemon->steering = NULL;
    if (daemon->is_open) {
        signals_close(&daemon->signals);
        grace_close(&daemon->grace);
        daemon->is_open = false;
    }
}

void daemon_fini(struct daemon *daemon)
{
    daemon_close(daemon);
    publisher_free(daemon->publisher);
    reload_fini(&daemon->reload);
    sockets_close(&daemon->sockets);
    privileges_fini(&daemon->privileges);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&daemon->loop);
    if (failed != 0)
        log_error("stop", "error=\"%s\"", uv_strerror(failed));
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void tell(struct diag *diag)
{
    diag_print(diag, stderr); /* warnings, too */
    diag_fini(diag);
    diag_init(diag);
}

int daemon_run(struct daemon *daemon, const char *node_path, const struct daemon_ops *ops,
               void *owner)
{
    struct diag diag;
    diag_init(&diag);
    *daemon = (struct daemon){
        .node_path = node_path, .started_unix_s = clock_unix_s(), .ops = ops, .owner = owner
    };
    signals_ignore_pipe();
    enum err err = loop_open(&daemon->loop, &diag);
    if (err == ERR_OK) {
        reload_init(&daemon->reload, &daemon->loop, &ops->reload, owner);
        err = ops->prepare(owner, &diag);
        tell(&diag);
        if (err == ERR_OK)
            err = ops->run(owner, &diag);
        tell(&diag);
        ops->clean_up(owner);
    }
    diag_print(&diag, stderr);
    diag_fini(&diag);
    if (err == ERR_OK)
        log_info("stopped", "node=%s", node_path);
    return err == ERR_OK ? 0 : 1;
}
