/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/steering.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/file.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/break_glass_file.h"
#include "steering/runtime/last_good_saver.h"
#include "steering/store/apply.h"
#include "steering/store/last_good.h"
#include "steering/store/presence.h"

enum {
    POLL_MS = 1000,            /* the truth; descriptors are hints */
    STALE_PRESENCE_MS = 10000, /* how often a stale node says how stale it is */
    NEWS_PRESENCE_MS = 2000,   /* ... and a daemon what has become of its own numbers */
    PROBLEM_MAX = APPLY_TEXT_MAX,
    NOTE_MAX_BYTES = 8 * PROBLEM_MAX,
};

/* What every worker obeys: all that the presence may promise. */
struct settled {
    bool is_set;
    uint64_t generation;
    char *epoch;
    struct digest digest, topology;
    int64_t at_ms; /* wall clock */
};

struct steering {
    struct steering_settings settings;
    struct store *store;
    struct world *world;
    struct document *document; /* never NULL */
    bool has_document;         /* false: `document` is the base, generation 0 */
    struct digest digest;
    enum steering_source source;
    enum apply_reason store_reason;
    char store_problem[PROBLEM_MAX];
    uint64_t confirmed_ms; /* monotonic: when the store last agreed with us */
    uint64_t rejected_generation;
    char rejected_why[PROBLEM_MAX];
    struct break_glass_file break_glass;
    char break_glass_logged[BREAK_GLASS_PROBLEM_MAX];
    char presence_problem[PROBLEM_MAX];
    char reload_problem[PROBLEM_MAX];
    char *note_told; /* the note of the last presence; NULL: none yet */
    int64_t started_unix_s, changed_at_ms;
    struct settled settled;
    uint64_t change_count, refusal_count;
    uint64_t presence_ms; /* monotonic: when the presence was last written */
    bool is_presence_due, is_announced, has_left, is_closing;

    struct last_good_saver saver;
    uv_poll_t watch;
    int watch_fd; /* -1: not watching */
    bool has_watch;
    uv_timer_t timer;
    uv_fs_event_t folder; /* of the break-glass file */
    bool is_started;
    unsigned handles_open;
};

const char *steering_source_name(enum steering_source source)
{
    static const char *const names[] = {
        [STEERING_BY_STORE] = "store",
        [STEERING_BY_LAST_GOOD] = "lkg",
        [STEERING_BY_BASE] = "base",
    };
    return names[source];
}

/* ---- presence ------------------------------------------------------------------------------ */

static json_t *presence_sites(const struct topology *topology, enum site_kind kind)
{
    json_t *names = json_array();
    for (size_t i = 0; i < topology->site_count; i++)
        if (topology->sites[i].kind == kind)
            json_array_append_new(names, json_string(topology->sites[i].name));
    return names;
}

/* A store that never had a document has nothing that we could be behind of. */
static bool is_behind(const struct steering *steering)
{
    bool is_virgin = !steering->has_document && steering->store_reason == APPLY_MISSING;
    return steering->store_reason != APPLY_FINE && !is_virgin;
}

static uint64_t stale_seconds(const struct steering *steering)
{
    if (!is_behind(steering))
        return 0;
    return (clock_monotonic_ms() - steering->confirmed_ms) / 1000;
}

static void add_note(struct buf *note, const char *about, const char *problem)
{
    if (problem[0] != '\0')
        buf_append_format(note, "%s%s: %s", note->len > 0 ? "; " : "", about, problem);
}

/* What an operator should know besides the generation that is obeyed. Owned by the caller. */
static char *make_note(const struct steering *steering)
{
    char orders[64] = "";
    struct buf note;
    buf_init(&note, NOTE_MAX_BYTES);
    if (is_behind(steering) && steering->rejected_generation == 0)
        add_note(&note, "keeps what it has", steering->store_problem);
    if (steering->break_glass.orders.count > 0)
        snprintf(orders, sizeof(orders), "%zu order%s in force", steering->break_glass.orders.count,
                 steering->break_glass.orders.count == 1 ? "" : "s");
    add_note(&note, "break-glass file", orders);
    add_note(&note, "break-glass file", steering->break_glass.problem);
    add_note(&note, "last good document", steering->is_started ? steering->saver.problem : "");
    add_note(&note, "reload failed", steering->reload_problem);
    char *text = mem_strdup(buf_text(&note));
    buf_fini(&note);
    return text;
}

static bool has_other_note(const struct steering *steering)
{
    char *note = make_note(steering);
    bool is_other = steering->note_told != NULL && strcmp(note, steering->note_told) != 0;
    free(note);
    return is_other;
}

static json_t *presence_value(const struct steering *steering)
{
    char digest[DIGEST_TEXT_MAX], topology[DIGEST_TEXT_MAX];
    const struct steering_settings *settings = &steering->settings;
    struct utsname host;
    json_t *value = json_object();
    json_set_int(value, "v", 1);
    json_set_str(value, "id", str_from(settings->node_id));
    json_set_str(value, "role", str_from(settings->role));
    json_set_int(value, "pid", getpid());
    json_set_str(value, "host", str_from(uname(&host) == 0 ? host.nodename : ""));
    json_set_str(value, "version", str_from(STEER_VERSION));
    json_set_int(value, "started", steering->started_unix_s);
    json_set_int(value, "gen", (int64_t)steering->settled.generation);
    json_set_str(value, "epoch", str_from(steering->settled.epoch));
    json_set_str(value, "digest", str_from(digest_format(&steering->settled.digest, digest)));
    json_set_int(value, "applied_at_ms", steering->settled.at_ms);
    json_set_str(value, "source", str_from(steering_source_name(steering->source)));
    json_set_int(value, "stale_seconds", (int64_t)stale_seconds(steering));
    json_object_set_new(value, "rejected", json_null());
    if (steering->rejected_generation != 0) {
        json_t *rejected = json_object();
        json_set_int(rejected, "gen", (int64_t)steering->rejected_generation);
        json_set_str(rejected, "why", str_from(steering->rejected_why));
        json_object_set_new(value, "rejected", rejected);
    }
    json_set_text(value, "note", steering->note_told);
    const struct topology *map = steering->world->topology;
    json_set_str(value, "topology", str_from(digest_format(&steering->settled.topology, topology)));
    json_object_set_new(value, "regions", presence_sites(map, SITE_REGION));
    json_object_set_new(value, "pops", presence_sites(map, SITE_POP));
    settings->on_presence(settings->owner, value);
    return value;
}

/* Copies `text` to `problem` and logs it when it is news. */
static void set_problem(char *problem, size_t capacity, const char *event, const char *text)
{
    char cut[PROBLEM_MAX];
    snprintf(cut, sizeof(cut), "%s", text);
    cut[capacity < sizeof(cut) ? capacity - 1 : sizeof(cut) - 1] = '\0';
    if (strcmp(problem, cut) == 0)
        return;
    if (cut[0] != '\0')
        log_error(event, "problem=\"%s\"", cut);
    else
        log_info(event, "problem=none");
    memcpy(problem, cut, strlen(cut) + 1);
}

static enum err write_presence(struct steering *steering, struct diag *diag)
{
    free(steering->note_told);
    steering->note_told = make_note(steering);
    json_t *value = presence_value(steering);
    enum err err = presence_write(steering->store, steering->settings.node_id, value, diag);
    json_decref(value);
    steering->presence_ms = clock_monotonic_ms();
    steering->is_presence_due = err != ERR_OK;
    steering->is_announced |= err == ERR_OK;
    set_problem(steering->presence_problem, sizeof(steering->presence_problem), "presence",
                err == ERR_OK ? "" : diag_first(diag));
    return err;
}

static void try_presence(struct steering *steering)
{
    struct diag diag;
    if (!steering->is_started || !steering->settled.is_set || steering->has_left)
        return;
    diag_init(&diag);
    enum err err = write_presence(steering, &diag);
    (void)err; /* logged; the poll tries again */
    diag_fini(&diag);
}

/* ---- the document -------------------------------------------------------------------------- */

static struct document *document_clone(const struct document *document)
{
    struct diag diag;
    struct document *clone = NULL;
    diag_init(&diag);
    enum err err = document_from_value(json_deep_copy(document->value), &diag, &clone);
    assert(err == ERR_OK); /* it was checked, or made by us, before */
    (void)err;
    diag_fini(&diag);
    return clone;
}

static void take_document(struct steering *steering, struct document *document)
{
    document_free(steering->document);
    steering->document = document;
    steering->digest = document_digest(document);
}

static void note_refusal(struct steering *steering, const struct apply_result *result)
{
    bool is_rejected = result->outcome == APPLY_REJECTED;
    if (strcmp(steering->store_problem, result->text) != 0 && result->reason != APPLY_MISSING)
        steering->refusal_count++;
    steering->rejected_generation = is_rejected ? result->generation : 0;
    snprintf(steering->rejected_why, sizeof(steering->rejected_why), "%s",
             is_rejected ? result->text : "");
}

/* One look at the store. True when there is another document now. */
static bool look_at_store(struct steering *steering)
{
    struct apply_result result;
    enum steering_source source_before = steering->source;
    uint64_t rejected_before = steering->rejected_generation;
    apply_look(steering->store, steering->has_document ? steering->document : NULL, &result);
    bool is_fine = result.outcome == APPLY_NEW || result.outcome == APPLY_UNCHANGED;
    if (is_fine) {
        steering->confirmed_ms = clock_monotonic_ms();
        steering->source = STEERING_BY_STORE;
        steering->rejected_generation = 0;
        steering->rejected_why[0] = '\0';
    } else {
        note_refusal(steering, &result);
    }
    steering->store_reason = result.reason;
    set_problem(steering->store_problem, sizeof(steering->store_problem), "store",
                is_fine ? "" : result.text);
    if (steering->source != source_before || steering->rejected_generation != rejected_before)
        steering->is_presence_due = true;
    if (result.outcome != APPLY_NEW)
        return false;
    take_document(steering, result.document);
    steering->has_document = true;
    steering->change_count++;
    steering->changed_at_ms = clock_unix_ms();
    log_info("document.new", "generation=%" PRIu64 " epoch=%.*s who=\"%.*s\" why=\"%.*s\"",
             steering->document->generation, STR_ARG(steering->document->epoch),
             STR_ARG(steering->document->op_who), STR_ARG(steering->document->op_why));
    return true;
}

static bool look_at_break_glass(struct steering *steering)
{
    bool is_other = break_glass_file_look(&steering->break_glass, steering->world->topology);
    set_problem(steering->break_glass_logged, sizeof(steering->break_glass_logged), "break_glass",
                steering->break_glass.problem);
    if (is_other)
        log_warn("break_glass.orders", "count=%zu file=%s", steering->break_glass.orders.count,
                 steering->break_glass.path);
    return is_other;
}

static void look(struct steering *steering)
{
    if (steering->is_closing)
        return;
    bool is_other = look_at_store(steering);
    is_other |= look_at_break_glass(steering);
    /* Removed by somebody: who does not see us must not believe that nobody is there. */
    bool is_unseen = steering->is_announced && !presence_is_written(steering->store);
    if (is_unseen || has_other_note(steering))
        steering->is_presence_due = true;
    if (is_other)
        steering->settings.on_change(steering->settings.owner);
    else if (steering->is_presence_due)
        try_presence(steering);
}

/* ---- opening ------------------------------------------------------------------------------- */

static void load_last_good(struct steering *steering)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    enum err err = last_good_load(steering->settings.last_good_folder, &diag, &document);
    if (err == ERR_OK) {
        take_document(steering, document);
        steering->has_document = true;
        steering->source = STEERING_BY_LAST_GOOD;
    }
    for (size_t i = 0; i < diag.count; i++)
        log_warn("last_good", "folder=%s text=\"%s\"", steering->settings.last_good_folder,
                 diag.entries[i].text);
    diag_fini(&diag);
}

static void copy_settings(struct steering *steering, const struct steering_settings *settings)
{
    steering->settings = *settings;
    steering->settings.store = mem_strdup(settings->store);
    steering->settings.last_good_folder = mem_strdup(settings->last_good_folder);
    steering->settings.break_glass_path = NULL; /* break_glass_file has it */
    steering->settings.node_id = mem_strdup(settings->node_id);
}

static void free_text(const char *text)
{
    union {
        const char *read_only;
        char *owned;
    } both = { .read_only = text }; /* settings are const for everyone but their owner */
    free(both.owned);
}

static void steering_free(struct steering *steering)
{
    store_close(steering->store);
    world_unref(steering->world);
    document_free(steering->document);
    break_glass_file_fini(&steering->break_glass);
    free_text(steering->settings.store);
    free_text(steering->settings.last_good_folder);
    free_text(steering->settings.node_id);
    free(steering->settled.epoch);
    free(steering->note_told);
    free(steering);
}

enum err steering_open(const struct steering_settings *settings, struct world *world,
                       struct diag *diag, struct steering **out_steering)
{
    struct steering *steering = mem_calloc(1, sizeof(*steering));
    copy_settings(steering, settings);
    steering->world = world_ref(world);
    steering->watch_fd = -1;
    steering->source = STEERING_BY_BASE;
    steering->started_unix_s = clock_unix_s();
    steering->confirmed_ms = clock_monotonic_ms();
    take_document(steering, document_new(""));
    break_glass_file_init(&steering->break_glass, settings->break_glass_path);
    enum err err = store_open(settings->store, diag, &steering->store);
    if (err != ERR_OK) {
        steering_free(steering);
        return err;
    }
    load_last_good(steering);
    look_at_store(steering);
    look_at_break_glass(steering);
    if (steering->source != STEERING_BY_STORE)
        log_error("steering.start", "source=%s generation=%" PRIu64 " store=%s reason=%s",
                  steering_source_name(steering->source), steering->document->generation,
                  settings->store, apply_reason_name(steering->store_reason));
    *out_steering = steering;
    return ERR_OK;
}

/* ---- watching ------------------------------------------------------------------------------ */

static void release(struct steering *steering)
{
    if (--steering->handles_open == 0 && steering->is_closing)
        steering_free(steering);
}

static void on_handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_saver_closed(void *owner)
{
    release(owner);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct steering *steering = handle->data;
    close(steering->watch_fd);
    steering->watch_fd = -1;
    on_handle_closed(handle);
}

static void stop_watch(struct steering *steering)
{
    if (!steering->has_watch)
        return;
    steering->has_watch = false;
    uv_close((uv_handle_t *)&steering->watch, on_watch_closed);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
    struct steering *steering = poll->data;
    bool is_lost = false;
    (void)status;
    (void)events;
    bool is_worth =
        store_watch_drain(steering->store, STORE_WATCH_DOCUMENT, steering->watch_fd, &is_lost);
    if (is_lost)
        stop_watch(steering); /* the timer begins anew */
    if (is_worth || is_lost)
        look(steering);
}

static void start_watch(struct steering *steering)
{
    struct diag diag;
    if (steering->watch_fd != -1)
        return; /* watching, or the old one is not closed yet */
    diag_init(&diag);
    enum err err = store_watch(steering->store, STORE_WATCH_DOCUMENT, &diag, &steering->watch_fd);
    diag_fini(&diag);
    if (err != ERR_OK) {
        steering->watch_fd = -1; /* the poll does without */
        return;
    }
    uv_poll_init(steering->timer.loop, &steering->watch, steering->watch_fd);
    steering->watch.data = steering;
    steering->handles_open++;
    steering->has_watch = true;
    uv_poll_start(&steering->watch, UV_READABLE, on_watch);
}

/* Is there something in the presence that has changed by itself? */
static bool is_presence_old(const struct steering *steering)
{
    const struct steering_settings *settings = &steering->settings;
    uint64_t age_ms = clock_monotonic_ms() - steering->presence_ms;
    if (age_ms >= STALE_PRESENCE_MS && stale_seconds(steering) > 0)
        return true;
    return age_ms >= NEWS_PRESENCE_MS && settings->has_news != NULL &&
           settings->has_news(settings->owner);
}

static void on_timer(uv_timer_t *timer)
{
    struct steering *steering = timer->data;
    start_watch(steering);
    if (is_presence_old(steering))
        steering->is_presence_due = true;
    look(steering);
}

static void on_folder_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)name;
    (void)events;
    (void)status;
    look(handle->data);
}

static void watch_break_glass(struct steering *steering, uv_loop_t *loop)
{
    uv_fs_event_init(loop, &steering->folder);
    steering->folder.data = steering;
    steering->handles_open++;
    if (steering->break_glass.path == NULL)
        return;
    char *folder = file_beside(steering->break_glass.path, ".");
    /* No folder yet: the timer looks every second anyway. */
    uv_fs_event_start(&steering->folder, on_folder_event, folder, 0);
    free(folder);
}

static void note_settled(struct steering *steering)
{
    struct settled *settled = &steering->settled;
    free(settled->epoch);
    *settled = (struct settled){
        .is_set = true,
        .generation = steering->document->generation,
        .epoch = mem_strndup(steering->document->epoch.ptr, steering->document->epoch.len),
        .digest = steering->digest,
        .topology = steering->world->topology->digest,
        .at_ms = clock_unix_ms(),
    };
}

static void save_last_good(struct steering *steering)
{
    if (steering->has_document)
        last_good_saver_save(&steering->saver, document_clone(steering->document));
}

enum err steering_start(struct steering *steering, uv_loop_t *loop, struct diag *diag)
{
    steering->is_started = true;
    last_good_saver_open(&steering->saver, loop, steering->settings.last_good_folder);
    steering->handles_open++;
    uv_timer_init(loop, &steering->timer);
    steering->timer.data = steering;
    steering->handles_open++;
    uv_timer_start(&steering->timer, on_timer, POLL_MS, POLL_MS);
    watch_break_glass(steering, loop);
    note_settled(steering);
    enum err err = write_presence(steering, diag);
    save_last_good(steering);
    start_watch(steering); /* the presence may have made the folder */
    look(steering);        /* what happened between open and watch */
    return err == ERR_EXISTS ? ERR_EXISTS : ERR_OK;
}

void steering_leave(struct steering *steering)
{
    if (steering->is_announced)
        presence_remove(steering->store);
    steering->is_announced = false;
    steering->has_left = true;
}

void steering_close(struct steering *steering)
{
    if (steering == NULL)
        return;
    steering_leave(steering);
    steering->is_closing = true;
    if (!steering->is_started) {
        steering_free(steering);
        return;
    }
    stop_watch(steering);
    uv_close((uv_handle_t *)&steering->folder, on_handle_closed);
    uv_close((uv_handle_t *)&steering->timer, on_handle_closed);
    last_good_saver_close(&steering->saver, on_saver_closed, steering);
}

/* ---- for the daemon ------------------------------------------------------------------------ */

void steering_set_world(struct steering *steering, struct world *world)
{
    struct world *old = steering->world;
    steering->world = world_ref(world);
    world_unref(old);
    break_glass_file_forget(&steering->break_glass);
    look_at_break_glass(steering);
}

void steering_note_reload(struct steering *steering, const char *problem)
{
    snprintf(steering->reload_problem, sizeof(steering->reload_problem), "%s", problem);
}

struct snapshot *steering_snapshot(const struct steering *steering)
{
    struct document *document =
        steering->has_document ? document_clone(steering->document) : document_new("");
    return snapshot_new(steering->world, document, &steering->break_glass.orders);
}

/* The presence first: a full disk below the last-known-good must not hold up an evacuation. */
void steering_settled(struct steering *steering)
{
    note_settled(steering);
    try_presence(steering);
    save_last_good(steering);
}

struct steering_report steering_report(const struct steering *steering)
{
    return (struct steering_report){
        .source = steering->source,
        .generation = steering->document->generation,
        .epoch = steering->document->epoch,
        .digest = steering->digest,
        .changed_at_ms = steering->changed_at_ms,
        .settled_at_ms = steering->settled.at_ms,
        .settled_generation = steering->settled.generation,
        .stale_seconds = stale_seconds(steering),
        .store_where = store_where(steering->store),
        .store_reason = apply_reason_name(steering->store_reason),
        .store_problem = steering->store_problem,
        .break_glass_problem = steering->break_glass.problem,
        .break_glass_orders = steering->break_glass.orders.count,
        .last_good_problem = steering->saver.problem,
        .presence_problem = steering->presence_problem,
        .rejected_generation = steering->rejected_generation,
        .rejected_why = steering->rejected_why,
        .change_count = steering->change_count,
        .refusal_count = steering->refusal_count,
    };
}
