/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pop/server/access_log.h"
#include "pop/server/congestion.h"
#include "steering/base/clock.h"
#include "steering/base/mem.h"

/* ---- marks ----------------------------------------------------------------------------------- */

struct file_mark file_mark_of(const char *path)
{
    struct stat seen;
    if (stat(path, &seen) != 0)
        return (struct file_mark){ .size = 0 };
    return (
        struct file_mark){ .changed = seen.st_mtim, .size = seen.st_size, .inode = seen.st_ino };
}

bool file_mark_eq(const struct file_mark *a, const struct file_mark *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

/* ---- what a reload cannot change ------------------------------------------------------------- */

static bool listen_eq(const struct pop_listen *a, const struct pop_listen *b)
{
    return a->kind == b->kind && schema_listen_eq(&a->at, &b->at) &&
           a->has_proxy_protocol == b->has_proxy_protocol && a->redirect_port == b->redirect_port;
}

static bool listens_eq(const struct pop_node *a, const struct pop_node *b)
{
    if (a->listen_count != b->listen_count)
        return false;
    for (size_t i = 0; i < a->listen_count; i++)
        if (!listen_eq(&a->listens[i], &b->listens[i]))
            return false;
    return true;
}

void dataset_warn_restart(const struct pop_node *started, const struct pop_node *now,
                          struct diag *diag)
{
    const struct node_setting settings[] = {
        { "role", started->role == now->role },
        { "site", node_text_eq(started->site, now->site) },
        { "workers", started->workers == now->workers },
        { "user", node_text_eq(started->user, now->user) },
        { "listen", listens_eq(started, now) },
        { "access_log", (started->access_log == NULL) == (now->access_log == NULL) },
    };
    node_common_warn_restart(&started->common, &now->common, diag);
    node_settings_warn_restart(settings, ARRAY_SIZE(settings), diag);
}

static void keep_text(char **text, const char *kept)
{
    free(*text);
    *text = kept == NULL ? NULL : mem_strdup(kept);
}

/* The sockets are bound, the threads run: what they are built on stays as it was. */
static void keep_started(struct pop_node *node, const struct pop_node *started)
{
    free(node->listens);
    node->listens = mem_dup(started->listens, started->listen_count * sizeof(*started->listens));
    node->listen_count = started->listen_count;
    node->workers = started->workers;
    node->role = started->role;
    keep_text(&node->site, started->site);
    keep_text(&node->common.name, started->common.name);
}

/* ---- loading --------------------------------------------------------------------------------- */

static enum err load_keys(struct dataset *dataset, const struct dataset_wish *wish,
                          struct diag *diag, struct ticket_keys *out_keys)
{
    const char *path = dataset->node->tls.tickets;
    if (path == NULL) {
        *out_keys = *wish->keys;
        return ERR_OK;
    }
    dataset->tickets = file_mark_of(path);
    return ticket_keys_load(path, diag, out_keys);
}

/* The first worker's says what is wrong; the others read the same files. */
static enum err make_settings(struct dataset *dataset, const struct dataset_wish *wish,
                              const struct ticket_keys *keys, struct diag *diag)
{
    const struct settings_source source = { .node = dataset->node,
                                            .node_refs = dataset->node_refs,
                                            .world = dataset->world,
                                            .version = wish->version,
                                            .keys = keys,
                                            .now_unix_s = clock_unix_s() };
    enum err err = settings_new(&source, diag, &dataset->settings[0]);
    for (size_t i = 1; err == ERR_OK && i < dataset->worker_count; i++) {
        struct diag again;
        diag_init(&again);
        err = settings_new(&source, &again, &dataset->settings[i]);
        if (err != ERR_OK)
            diag_error(diag, 0, 0, "the files changed while they were read: %s",
                       diag_first(&again));
        diag_fini(&again);
    }
    return err;
}

/* ---- when certificates expire ---------------------------------------------------------------- */

/* A file that stands twice in the node file is told once. */
static void add_certificate(struct dataset *dataset, const char *path, const char *use)
{
    for (size_t i = 0; i < dataset->certificate_count; i++)
        if (node_text_eq(dataset->certificates[i].path, path) &&
            node_text_eq(dataset->certificates[i].use, use))
            return;
    dataset->certificates[dataset->certificate_count++] = (struct dataset_certificate){
        .path = path,
        .use = use,
        .expires_unix_s = tls_file_expiry(path, node_text_eq(use, "authorities")),
    };
}

static void note_certificates(struct dataset *dataset)
{
    const struct pop_node *node = dataset->node;
    dataset->certificates =
        mem_calloc(node->tls.certificate_count + 2, sizeof(*dataset->certificates));
    for (size_t i = 0; i < node->tls.certificate_count; i++)
        add_certificate(dataset, node->tls.certificates[i].certificate, "clients");
    add_certificate(dataset, node->backbone.certificate, "backbone");
    add_certificate(dataset, node->backbone.ca, "authorities");
}

static enum err load_node(struct dataset *dataset, const struct dataset_wish *wish,
                          struct diag *diag)
{
    enum err err = pop_node_load(wish->node_path, diag, &dataset->node);
    if (err != ERR_OK)
        return err;
    dataset->node_refs = mem_calloc(1, sizeof(*dataset->node_refs));
    atomic_init(dataset->node_refs, 1);
    if (wish->started != NULL) {
        dataset_warn_restart(wish->started, dataset->node, diag);
        keep_started(dataset->node, wish->started);
    }
    congestion_check(dataset->node, diag);
    dataset->worker_count = dataset->node->workers;
    dataset->settings = mem_calloc(dataset->worker_count, sizeof(struct settings *));
    return ERR_OK;
}

/* All of them are looked at even if one is wrong: all problems in one run. */
static enum err load_files(struct dataset *dataset, const struct dataset_wish *wish,
                           struct diag *diag)
{
    struct ticket_keys keys = { .count = 0 };
    const struct pop_node *node = dataset->node;
    enum err err =
        world_load(node->common.topology, &node->common.geo, diag, &dataset->info, &dataset->world);
    if (err == ERR_OK)
        err = pop_node_check(node, dataset->world->topology, diag);
    enum err keys_err = load_keys(dataset, wish, diag, &keys);
    if (wish->has_log && node->access_log != NULL) {
        enum err log_err = access_log_open_file(node->access_log, diag, &dataset->log_fd);
        keys_err = keys_err == ERR_OK ? log_err : keys_err;
    }
    /* Certificates can be looked at without a sound topology, but not without a world. */
    if (dataset->world != NULL) {
        const struct ticket_keys *usable = keys.count > 0 ? &keys : wish->keys;
        enum err settings_err = make_settings(dataset, wish, usable, diag);
        err = err == ERR_OK ? settings_err : err;
    }
    ticket_keys_wipe(&keys);
    return err == ERR_OK ? keys_err : err;
}

enum err dataset_load(const struct dataset_wish *wish, struct diag *diag,
                      struct dataset **out_dataset)
{
    uint64_t began_ns = clock_monotonic_ns();
    struct dataset *dataset = mem_calloc(1, sizeof(*dataset));
    dataset->log_fd = -1;
    enum err err = load_node(dataset, wish, diag);
    if (err == ERR_OK)
        err = load_files(dataset, wish, diag);
    diag_set_file(diag, NULL);
    if (err != ERR_OK) {
        dataset_free(dataset);
        return err;
    }
    note_certificates(dataset);
    dataset->loaded_unix_s = clock_unix_s();
    dataset->load_ns = clock_monotonic_ns() - began_ns;
    *out_dataset = dataset;
    return ERR_OK;
}

struct settings *dataset_take(struct dataset *dataset, size_t worker)
{
    struct settings *settings = dataset->settings[worker];
    dataset->settings[worker] = NULL;
    return settings;
}

int dataset_take_log(struct dataset *dataset)
{
    int fd = dataset->log_fd;
    dataset->log_fd = -1;
    return fd;
}

void dataset_free(struct dataset *dataset)
{
    if (dataset == NULL)
        return;
    for (size_t i = 0; i < dataset->worker_count; i++)
        settings_unref(dataset->settings[i]);
    free(dataset->settings);
    free(dataset->certificates);
    world_unref(dataset->world);
    if (dataset->info.database_count > 0)
        world_info_fini(&dataset->info);
    if (dataset->node != NULL)
        settings_release_node(dataset->node, dataset->node_refs);
    if (dataset->log_fd > STDERR_FILENO)
        close(dataset->log_fd);
    free(dataset);
}
