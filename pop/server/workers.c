/* SPDX-License-Identifier: Apache-2.0 */
/* All workers of the process, from the main thread. */
#include <stdlib.h>

#include "pop/server/access_log.h"
#include "pop/server/server_priv.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"

static void on_listening(void *owner, unsigned index, bool is_warm)
{
    struct server *server = owner;
    log_info("worker.listening", "worker=%u warm=%s", index, is_warm ? "yes" : "no");
    if (++server->listening_count == server->worker_count)
        server_listening(server);
}

/* Joining takes no time: the thread has said its last word. */
static void on_drained(void *owner, unsigned index)
{
    struct server *server = owner;
    worker_thread_join(server->threads[index]);
    server->threads[index] = NULL;
    if (--server->thread_count == 0)
        server_drained(server);
}

static enum err start(struct server *server, size_t index, struct diag *diag)
{
    size_t listen_count = server->daemon.sockets.address_count;
    int *fds = mem_calloc(listen_count, sizeof(*fds));
    for (size_t i = 0; i < listen_count; i++) {
        size_t slot = i * server->daemon.sockets.worker_count + index;
        fds[i] = server->daemon.sockets.tcp[slot];
        server->daemon.sockets.tcp[slot] = -1; /* moved */
    }
    const struct topology *topology = server->dataset->world->topology;
    const struct worker_settings settings = {
        .index = (unsigned)index,
        .count = (unsigned)server->worker_count,
        .role = server->node->role,
        .site = topology_find_site(topology, str_from(server->node->site)),
        .snapshots = server->daemon.publisher,
        .tally = &server->tallies[index],
        .traffic = server->traffics[index],
        .log = server->log == NULL ? NULL : access_log_ring(server->log, index),
        .settings = dataset_take(server->dataset, index),
        .fds = fds,
        .warm_ms = server->node->backbone.warm_ms,
        .main_loop = &server->daemon.loop,
        .on_listening = on_listening,
        .on_drained = on_drained,
        .owner = server,
    };
    enum err err = worker_thread_start(&settings, diag, &server->threads[index]);
    if (err == ERR_OK)
        server->thread_count++;
    free(fds);
    return err;
}

enum err workers_start(struct server *server, struct diag *diag)
{
    enum err err = ERR_OK;
    server->tallies = tally_new(server->worker_count);
    server->threads = mem_calloc(server->worker_count, sizeof(struct worker_thread *));
    server->traffics = mem_calloc(server->worker_count, sizeof(struct traffic *));
    for (size_t i = 0; i < server->worker_count; i++)
        server->traffics[i] = traffic_new();
    for (size_t i = 0; err == ERR_OK && i < server->worker_count; i++)
        err = start(server, i, diag);
    return err;
}

void workers_publish(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        if (server->threads[i] != NULL)
            worker_thread_wake(server->threads[i]);
}

static void on_taken(void *owner)
{
    struct server *server = owner;
    if (--server->settings_pending == 0)
        server_settled(server);
}

void workers_set(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        if (server->threads[i] == NULL)
            continue;
        server->settings_pending++;
        worker_thread_set(server->threads[i], dataset_take(server->dataset, i), on_taken, server);
    }
}

void workers_set_keys(struct server *server, const struct ticket_keys *keys)
{
    for (size_t i = 0; i < server->worker_count; i++)
        if (server->threads[i] != NULL)
            worker_thread_set_keys(server->threads[i], keys);
}

void workers_drain(struct server *server, uint64_t limit_ms)
{
    for (size_t i = 0; i < server->worker_count && server->threads != NULL; i++)
        if (server->threads[i] != NULL)
            worker_thread_drain(server->threads[i], limit_ms);
}

void workers_free(struct server *server)
{
    for (size_t i = 0; i < server->worker_count && server->traffics != NULL; i++)
        traffic_free(server->traffics[i]);
    free(server->traffics);
    free(server->threads);
    free(server->tallies);
}
