/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/reload.h"

#include <stdlib.h>

#include "steering/base/clock.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/notify.h"

enum { TEXT_MAX_BYTES = 1 << 20 };

/* ---- who waits ----------------------------------------------------------------------------- */

static void wait_for(struct reload_waiters *waiters, struct admin_request *request)
{
    if (request == NULL)
        return;
    waiters->requests =
        mem_grow(waiters->requests, waiters->count, &waiters->capacity, sizeof(*waiters->requests));
    waiters->requests[waiters->count++] = request;
}

static void answer_all(struct reload_waiters *waiters, unsigned status, json_t *outcome)
{
    /* Replying runs other requests, which may begin the next round. */
    struct reload_waiters mine = *waiters;
    *waiters = (struct reload_waiters){ .requests = NULL };
    for (size_t i = 0; i < mine.count; i++)
        admin_reply_json(mine.requests[i], status, json_incref(outcome));
    free(mine.requests);
}

/* ---- what came of it ----------------------------------------------------------------------- */

static json_t *entry_value(const struct diag_entry *entry)
{
    json_t *value = json_object();
    json_set_str(value, "severity", entry->severity == DIAG_ERROR ? STR("error") : STR("warning"));
    json_set_str(value, "file", str_from(entry->file));
    json_set_int(value, "line", entry->line);
    json_set_int(value, "column", entry->column);
    json_set_str(value, "text", str_from(entry->text));
    return value;
}

static void fill_outcome(const struct reload *reload, json_t *value)
{
    struct buf text;
    json_t *entries = json_array();
    buf_init(&text, TEXT_MAX_BYTES);
    diag_format(&reload->diag, &text);
    for (size_t i = 0; i < reload->diag.count; i++)
        json_array_append_new(entries, entry_value(&reload->diag.entries[i]));
    json_set_int(value, "v", 1);
    json_object_set_new(value, "ok", json_boolean(reload->err == ERR_OK));
    json_object_set_new(value, "diagnostics", entries);
    json_set_str(value, "text", buf_str(&text));
    if (reload->err == ERR_OK)
        json_set_int(value, "took_ms", (int64_t)reload->took_ms);
    else
        json_set_str(value, "error", STR("nothing was changed: the files have errors"));
    buf_fini(&text);
}

/* "FILE:LINE: TEXT" of the first error. */
static void tell_failure(const struct reload *reload)
{
    struct buf text;
    const struct diag_entry *first = NULL;
    for (size_t i = 0; first == NULL && i < reload->diag.count; i++)
        if (reload->diag.entries[i].severity == DIAG_ERROR)
            first = &reload->diag.entries[i];
    buf_init(&text, TEXT_MAX_BYTES);
    if (first != NULL && first->file != NULL)
        buf_append_format(&text, "%s:", first->file);
    if (first != NULL && first->line > 0)
        buf_append_format(&text, "%u:", first->line);
    buf_append_format(&text, "%s%s", text.len > 0 ? " " : "",
                      first != NULL ? first->text : err_text(reload->err));
    reload->ops->fail(reload->owner, buf_text(&text));
    buf_fini(&text);
}

static void log_entries(const struct diag *diag)
{
    for (size_t i = 0; i < diag->count; i++) {
        const struct diag_entry *entry = &diag->entries[i];
        log_write(entry->severity == DIAG_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "reload",
                  "file=\"%s\" line=%u column=%u text=\"%s\"",
                  entry->file == NULL ? "" : entry->file, entry->line, entry->column, entry->text);
    }
}

/* ---- the round ----------------------------------------------------------------------------- */

static void start(struct reload *reload);

static void finish(struct reload *reload, unsigned status)
{
    json_t *outcome = reload->outcome;
    reload->outcome = NULL;
    reload->is_running = false;
    notify_send("READY=1");
    answer_all(&reload->present, status, outcome);
    json_decref(outcome);
    if (reload->is_wanted && !reload->is_running)
        start(reload);
}

static void on_load(uv_work_t *work)
{
    struct reload *reload = container_of(work, struct reload, work);
    uint64_t began_ms = clock_monotonic_ms();
    reload->err = reload->ops->load(reload->owner, &reload->diag, &reload->loaded);
    reload->took_ms = clock_monotonic_ms() - began_ms;
}

static void on_loaded(uv_work_t *work, int status)
{
    struct reload *reload = container_of(work, struct reload, work);
    void *loaded = reload->loaded;
    (void)status;
    reload->loaded = NULL;
    if (reload->is_stopping) {
        if (reload->err == ERR_OK)
            reload->ops->discard(reload->owner, loaded);
        return;
    }
    json_t *outcome = json_object();
    if (reload->err == ERR_OK)
        reload->ops->describe(reload->owner, loaded, &reload->diag, outcome);
    log_entries(&reload->diag);
    fill_outcome(reload, outcome);
    reload->outcome = outcome;
    if (reload->err != ERR_OK) {
        reload->failure_count++;
        log_error("reload.failed", "errors=%u kept=old", reload->diag.error_count);
        tell_failure(reload);
        finish(reload, 422);
        return;
    }
    reload->success_count++;
    log_info("reload.done", "took_ms=%llu", (unsigned long long)reload->took_ms);
    reload->ops->adopt(reload->owner, loaded);
}

static void start(struct reload *reload)
{
    reload->is_running = true;
    reload->is_wanted = false;
    struct reload_waiters none = reload->present;
    reload->present = reload->next;
    reload->next = none;
    diag_fini(&reload->diag);
    diag_init(&reload->diag);
    notify_reloading();
    uv_queue_work(reload->loop, &reload->work, on_load, on_loaded);
}

void reload_init(struct reload *reload, uv_loop_t *loop, const struct reload_ops *ops, void *owner)
{
    *reload = (struct reload){ .loop = loop, .ops = ops, .owner = owner };
    diag_init(&reload->diag);
}

void reload_begin(struct reload *reload, struct admin_request *request)
{
    wait_for(&reload->next, request);
    if (reload->is_stopping)
        reload_stop(reload); /* answers at once */
    else if (reload->is_running)
        reload->is_wanted = true;
    else
        start(reload);
}

void reload_settled(struct reload *reload)
{
    if (reload->outcome != NULL)
        finish(reload, 200);
}

void reload_stop(struct reload *reload)
{
    json_t *stopping = json_object();
    reload->is_stopping = true;
    json_set_int(stopping, "v", 1);
    json_object_set_new(stopping, "ok", json_false());
    json_set_str(stopping, "error", STR("the server is stopping"));
    answer_all(&reload->present, 503, stopping);
    answer_all(&reload->next, 503, stopping);
    json_decref(stopping);
}

void reload_fini(struct reload *reload)
{
    json_decref(reload->outcome);
    diag_fini(&reload->diag);
    free(reload->present.requests);
    free(reload->next.requests);
}
