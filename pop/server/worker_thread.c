/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/worker_thread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pop/server/client.h"
#include "pop/server/mailbox.h"
#include "pop/server/regions.h"
#include "pop/server/settings.h"
#include "pop/server/upstream.h"
#include "steering/base/clock.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/loop.h"
#include "steering/runtime/thread.h"

enum {
    THREAD_NAME_MAX = 16,
    PULSE_MS = 250,
    FREE_CHUNKS_MAX = LIMIT(256, 2), /* 4 MiB a worker are kept for the next requests */
};

struct worker_thread {
    struct worker worker;
    struct worker_settings settings; /* as started; `settings` and `fds` have moved */
    struct mailbox in;               /* on the worker's loop */
    struct mailbox out;              /* on the main loop */
    pthread_t thread;
    int *fds; /* ours until clients_new */
    /* The worker's own: */
    struct io_timer warm; /* how long to wait for the floor */
    uv_timer_t pulse;     /* watches the loop and fills gauges */
    uint64_t pulse_ns;
    uint64_t began_ms;
    bool is_listening;
    bool are_clients_gone;
};

/* ---- letters --------------------------------------------------------------------------------- */

enum letter_kind {
    /* to the worker */
    LETTER_SETTINGS,
    LETTER_KEYS,
    LETTER_WAKE,
    LETTER_STATUS,
    LETTER_DRAIN,
    /* to the main thread */
    LETTER_LISTENING,
    LETTER_TAKEN,
    LETTER_TOLD,
    LETTER_DRAINED,
};

struct note {
    struct letter letter; /* first */
    enum letter_kind kind;
    void *owner;
    union {
        struct {
            struct settings *settings;
            void (*on_taken)(void *owner);
        } settings;
        struct {
            json_t *value;
            void (*on_status)(void *owner, json_t *value);
        } status;
        struct ticket_keys keys;
        uint64_t limit_ms;
        bool is_warm;
    } as;
};

static struct note *note_new(enum letter_kind kind)
{
    struct note *note = mem_calloc(1, sizeof(*note));
    note->kind = kind;
    return note;
}

static void note_free(struct note *note)
{
    if (note->kind == LETTER_KEYS)
        ticket_keys_wipe(&note->as.keys);
    free(note);
}

static void post(struct mailbox *mailbox, struct note *note)
{
    mailbox_post(mailbox, &note->letter);
}

/* ---- the worker's side ----------------------------------------------------------------------- */

/* The maps that routes use, each once; those that this topology lacks are left out. */
static size_t maps_of(const struct pop_node *node, const struct topology *topology,
                      struct map_id out_maps[MAP_MAX])
{
    bool is_seen[MAP_MAX] = { false };
    size_t count = 0;
    for (size_t i = 0; i < node->route_count; i++) {
        long map = node->routes[i].map == NULL
                       ? -1
                       : topology_find_map(topology, str_from(node->routes[i].map));
        if (map < 0 || is_seen[map])
            continue;
        is_seen[map] = true;
        out_maps[count++] = (struct map_id){ (uint16_t)map };
    }
    return count;
}

/* Between a reload's snapshot and its settings, ids may mean different sites: then this is called
 * again at once. */
static void order_regions(struct worker *worker)
{
    const struct settings *settings = worker->settings;
    const struct topology *topology = settings->world->topology;
    struct map_id maps[MAP_MAX];
    struct regions regions = { .count = 0 };
    size_t map_count = maps_of(settings->node, topology, maps);
    const struct snapshot *snapshot = publisher_enter(worker->snapshots, worker->index);
    bool is_same = snapshot->world == settings->world;
    if (is_same)
        regions_for_site(snapshot, worker->site, maps, map_count, &regions);
    publisher_leave(worker->snapshots, worker->index);
    if (is_same)
        upstream_set_regions(worker->upstream, regions.items, regions.count);
}

static void listen_now(struct worker_thread *thread, bool is_warm)
{
    struct worker *worker = &thread->worker;
    if (thread->is_listening || worker->is_draining)
        return;
    thread->is_listening = true;
    io_timer_stop(&worker->io, &thread->warm);
    if (!is_warm)
        log_warn("worker.degraded",
                 "worker=%u waited_ms=%llu problem=\"not all warm connections "
                 "stand; listening all the same\"",
                 worker->index, (unsigned long long)thread->settings.warm_ms);
    clients_listen(worker->clients);
    struct note *note = note_new(LETTER_LISTENING);
    note->as.is_warm = is_warm;
    post(&thread->out, note);
}

static void on_warm(void *owner)
{
    listen_now(owner, true);
}

static void on_warm_timeout(struct io_timer *timer)
{
    struct worker_thread *thread = container_of(timer, struct worker_thread, warm);
    listen_now(thread, upstream_is_warm(thread->worker.upstream));
}

static void on_pulse(uv_timer_t *timer)
{
    struct worker_thread *thread = container_of(timer, struct worker_thread, pulse);
    struct worker *worker = &thread->worker;
    uint64_t now_ns = uv_hrtime(), took_ns = now_ns - thread->pulse_ns;
    uint64_t due_ns = (uint64_t)PULSE_MS * 1000000;
    thread->pulse_ns = now_ns;
    histogram_record(&worker->tally->histograms[TALLY_LOOP_LAG_NS],
                     took_ns > due_ns ? took_ns - due_ns : 0, 1);
    tally_set(worker->tally, TALLY_BUFFERED_BYTES, worker->pipes.live_bytes);
    tally_set(worker->tally, TALLY_RETAINED_BYTES, worker->pipes.retained_bytes);
}

static size_t retained_max(const struct settings *settings, unsigned worker_count)
{
    return (size_t)(settings->node->limits.replay_total_bytes / worker_count);
}

static void take_settings(struct worker_thread *thread, struct note *note)
{
    struct worker *worker = &thread->worker;
    struct settings *old = worker->settings;
    struct settings *settings = note->as.settings.settings;
    worker->settings = settings;
    worker->site = topology_find_site(settings->world->topology, str_from(settings->node->site));
    worker->pipes.retained_max = retained_max(settings, worker->count);
    upstream_configure(worker->upstream);
    order_regions(worker);
    settings_unref(old);
    note->kind = LETTER_TAKEN;
    post(&thread->out, note);
}

static void tell_status(struct worker_thread *thread, struct note *note)
{
    const struct worker *worker = &thread->worker;
    json_t *value = json_object();
    json_set_int(value, "worker", worker->index);
    json_set_int(value, "clients", (int64_t)clients_count(worker->clients));
    json_set_int(value, "requests", (int64_t)exchanges_count(worker->exchanges));
    json_set_int(value, "settings", (int64_t)worker->settings->version);
    json_object_set_new(value, "listening", json_boolean(thread->is_listening));
    json_object_set_new(value, "warm", json_boolean(upstream_is_warm(worker->upstream)));
    json_object_set_new(value, "draining", json_boolean(worker->is_draining));
    json_object_set_new(value, "peers", upstream_status(worker->upstream));
    note->as.status.value = value;
    note->kind = LETTER_TOLD;
    post(&thread->out, note);
}

/* Nothing is left that could call us; the loop runs out. */
static void on_upstream_closed(void *owner)
{
    struct worker_thread *thread = owner;
    uv_close((uv_handle_t *)&thread->pulse, NULL);
    mailbox_close(&thread->in, NULL);
    io_close(&thread->worker.io);
}

static void on_clients_drained(void *owner)
{
    struct worker_thread *thread = owner;
    thread->are_clients_gone = true;
    upstream_close(thread->worker.upstream, on_upstream_closed, thread);
}

static void drain(struct worker_thread *thread, uint64_t limit_ms)
{
    struct worker *worker = &thread->worker;
    if (thread->are_clients_gone)
        return;
    worker->is_draining = true;
    io_timer_stop(&worker->io, &thread->warm);
    clients_drain(worker->clients, limit_ms, on_clients_drained, thread);
}

static void on_letter_in(void *owner, struct letter *letter)
{
    struct worker_thread *thread = owner;
    struct note *note = container_of(letter, struct note, letter);
    switch (note->kind) {
    case LETTER_SETTINGS:
        take_settings(thread, note);
        return; /* goes back */
    case LETTER_STATUS:
        tell_status(thread, note);
        return;
    case LETTER_KEYS:
        settings_set_keys(thread->worker.settings, &note->as.keys);
        break;
    case LETTER_WAKE:
        order_regions(&thread->worker);
        break;
    case LETTER_DRAIN:
        drain(thread, note->as.limit_ms);
        break;
    case LETTER_LISTENING:
    case LETTER_TAKEN:
    case LETTER_TOLD:
    case LETTER_DRAINED:
        assert(false);
        break;
    }
    note_free(note);
}

static void init_budgets(struct worker *worker)
{
    const struct pop_limits *limits = &worker->settings->node->limits;
    uint32_t share = (limits->retry_min_per_s + worker->count - 1) / worker->count;
    /* For every site there could ever be: a reload may add some. */
    worker->budgets = mem_calloc(SITE_MAX, sizeof(*worker->budgets));
    for (size_t i = 0; i < SITE_MAX; i++)
        worker->budgets[i] = retry_budget_init(limits->retry_percent, share, clock_monotonic_ms());
}

static void open_worker(struct worker_thread *thread)
{
    struct worker *worker = &thread->worker;
    pipe_pool_init(&worker->pipes, FREE_CHUNKS_MAX, retained_max(worker->settings, worker->count));
    worker->rng = rng_init(rng_seed());
    init_budgets(worker);
    uv_timer_init(&worker->loop, &thread->pulse);
    thread->pulse_ns = uv_hrtime();
    uv_timer_start(&thread->pulse, on_pulse, PULSE_MS, PULSE_MS);
    worker->exchanges = exchanges_new(worker);
    worker->upstream = upstream_new(worker);
    worker->clients = clients_new(worker, thread->fds);
    free(thread->fds);
    thread->fds = NULL;
    order_regions(worker);
    io_timer_start(&worker->io, &thread->warm, thread->settings.warm_ms, on_warm_timeout);
    if (upstream_is_warm(worker->upstream))
        listen_now(thread, true);
    else
        upstream_on_warm(worker->upstream, on_warm, thread);
}

static void close_worker(struct worker_thread *thread)
{
    struct worker *worker = &thread->worker;
    clients_free(worker->clients);
    exchanges_free(worker->exchanges);
    upstream_free(worker->upstream);
    free(worker->budgets);
    settings_unref(worker->settings);
    worker->settings = NULL;
    pipe_pool_fini(&worker->pipes);
}

static void *run(void *arg)
{
    struct worker_thread *thread = arg;
    open_worker(thread);
    uv_run(&thread->worker.loop, UV_RUN_DEFAULT);
    close_worker(thread);
    post(&thread->out, note_new(LETTER_DRAINED));
    return NULL;
}

/* ---- the main thread's side ------------------------------------------------------------------ */

static void on_letter_out(void *owner, struct letter *letter)
{
    struct worker_thread *thread = owner;
    struct note *note = container_of(letter, struct note, letter);
    const struct worker_settings *settings = &thread->settings;
    struct note copy = *note;
    note_free(note);
    switch (copy.kind) {
    case LETTER_LISTENING:
        settings->on_listening(settings->owner, settings->index, copy.as.is_warm);
        break;
    case LETTER_TAKEN:
        copy.as.settings.on_taken(copy.owner);
        break;
    case LETTER_TOLD:
        copy.as.status.on_status(copy.owner, copy.as.status.value);
        break;
    case LETTER_DRAINED:
        settings->on_drained(settings->owner, settings->index);
        break;
    case LETTER_SETTINGS:
    case LETTER_KEYS:
    case LETTER_WAKE:
    case LETTER_STATUS:
    case LETTER_DRAIN:
        assert(false);
        break;
    }
}

/* A letter that its reader did not live to see. Whoever waits for an answer gets one. */
static void answer_undelivered(struct note *note)
{
    if (note->kind == LETTER_SETTINGS) {
        settings_unref(note->as.settings.settings);
        note->as.settings.on_taken(note->owner);
    } else if (note->kind == LETTER_TAKEN) {
        note->as.settings.on_taken(note->owner);
    } else if (note->kind == LETTER_STATUS) {
        note->as.status.on_status(note->owner, json_null());
    } else if (note->kind == LETTER_TOLD) {
        note->as.status.on_status(note->owner, note->as.status.value);
    }
    note_free(note);
}

static void empty(struct mailbox *mailbox)
{
    struct letter *letter;
    while ((letter = mailbox_next(mailbox)) != NULL)
        answer_undelivered(container_of(letter, struct note, letter));
    mailbox_fini(mailbox);
}

static void on_out_closed(void *owner)
{
    struct worker_thread *thread = owner;
    empty(&thread->out);
    free(thread);
}

static void thread_free(struct worker_thread *thread)
{
    int failed = uv_loop_close(&thread->worker.loop);
    if (failed != 0)
        log_error("worker.stop", "worker=%u error=\"%s\"", thread->settings.index,
                  uv_strerror(failed));
    empty(&thread->in);
    mailbox_close(&thread->out, on_out_closed);
}

/* Its loops: what takes descriptors. On failure nothing is left to close. */
static enum err open_loops(struct worker_thread *thread, struct diag *diag)
{
    struct worker *worker = &thread->worker;
    enum err err = loop_open(&worker->loop, diag);
    if (err != ERR_OK)
        return err;
    err = io_open(&worker->io, &worker->loop, diag);
    if (err != ERR_OK)
        uv_loop_close(&worker->loop);
    return err;
}

static void release(struct worker_thread *thread)
{
    for (size_t i = 0; i < thread->worker.settings->node->listen_count; i++)
        if (thread->fds[i] >= 0)
            close(thread->fds[i]);
    free(thread->fds);
    settings_unref(thread->worker.settings);
}

static void give_up(struct worker_thread *thread)
{
    release(thread);
    mailbox_close(&thread->in, NULL);
    io_close(&thread->worker.io);
    uv_run(&thread->worker.loop, UV_RUN_DEFAULT);
    thread_free(thread);
}

enum err worker_thread_start(const struct worker_settings *settings, struct diag *diag,
                             struct worker_thread **out_thread)
{
    char name[THREAD_NAME_MAX];
    struct worker_thread *thread = mem_calloc(1, sizeof(*thread));
    size_t listen_count = settings->settings->node->listen_count;
    thread->settings = *settings;
    thread->settings.settings = NULL;
    thread->settings.fds = NULL;
    thread->fds = mem_dup(settings->fds, listen_count * sizeof(*settings->fds));
    thread->worker = (struct worker){ .index = settings->index,
                                      .count = settings->count,
                                      .role = settings->role,
                                      .site = settings->site,
                                      .settings = settings->settings,
                                      .snapshots = settings->snapshots,
                                      .tally = settings->tally,
                                      .traffic = settings->traffic,
                                      .log = settings->log,
                                      .mailbox = &thread->in };
    enum err err = open_loops(thread, diag);
    if (err != ERR_OK) {
        release(thread);
        free(thread);
        return err;
    }
    mailbox_open(&thread->in, &thread->worker.loop, on_letter_in, thread);
    mailbox_open(&thread->out, settings->main_loop, on_letter_out, thread);
    snprintf(name, sizeof(name), "worker-%u", settings->index);
    err = thread_start(&thread->thread, name, run, thread);
    if (err != ERR_OK) {
        diag_error(diag, 0, 0, "cannot start a worker: %s", err_text(err));
        give_up(thread);
        return err;
    }
    *out_thread = thread;
    return ERR_OK;
}

void worker_thread_set(struct worker_thread *thread, struct settings *settings,
                       void (*on_taken)(void *owner), void *owner)
{
    struct note *note = note_new(LETTER_SETTINGS);
    note->owner = owner;
    note->as.settings.settings = settings;
    note->as.settings.on_taken = on_taken;
    post(&thread->in, note);
}

void worker_thread_set_keys(struct worker_thread *thread, const struct ticket_keys *keys)
{
    struct note *note = note_new(LETTER_KEYS);
    note->as.keys = *keys;
    post(&thread->in, note);
}

void worker_thread_wake(struct worker_thread *thread)
{
    post(&thread->in, note_new(LETTER_WAKE));
}

void worker_thread_status(struct worker_thread *thread,
                          void (*on_status)(void *owner, json_t *value), void *owner)
{
    struct note *note = note_new(LETTER_STATUS);
    note->owner = owner;
    note->as.status.on_status = on_status;
    post(&thread->in, note);
}

void worker_thread_drain(struct worker_thread *thread, uint64_t limit_ms)
{
    struct note *note = note_new(LETTER_DRAIN);
    note->as.limit_ms = limit_ms;
    post(&thread->in, note);
}

void worker_thread_join(struct worker_thread *thread)
{
    pthread_join(thread->thread, NULL);
    thread_free(thread);
}
