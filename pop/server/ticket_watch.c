/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/ticket_watch.h"

#include <stdlib.h>

#include "steering/base/log.h"
#include "steering/base/mem.h"

enum { LOOK_MS = 1000 };

void ticket_watch_look(struct ticket_watch *watch)
{
    static const struct file_mark nothing;
    struct ticket_keys keys;
    struct diag diag;
    if (watch->path == NULL)
        return;
    struct file_mark now = file_mark_of(watch->path);
    /* A file that is gone for a moment is being replaced. */
    if (file_mark_eq(&now, &watch->seen) || file_mark_eq(&now, &nothing))
        return;
    watch->seen = now; /* a bad file is told of once */
    diag_init(&diag);
    if (ticket_keys_load(watch->path, &diag, &keys) == ERR_OK) {
        watch->success_count++;
        log_info("tickets", "file=%s keys=%zu", watch->path, keys.count);
        watch->on_keys(watch->owner, &keys);
        ticket_keys_wipe(&keys);
    } else {
        watch->failure_count++;
        log_error("tickets", "file=%s kept=old problem=\"%s\"", watch->path, diag_first(&diag));
    }
    diag_fini(&diag);
}

static void on_timer(uv_timer_t *timer)
{
    ticket_watch_look(container_of(timer, struct ticket_watch, timer));
}

void ticket_watch_open(struct ticket_watch *watch, uv_loop_t *loop,
                       void (*on_keys)(void *owner, const struct ticket_keys *keys), void *owner)
{
    *watch = (struct ticket_watch){ .on_keys = on_keys, .owner = owner };
    uv_timer_init(loop, &watch->timer);
    uv_timer_start(&watch->timer, on_timer, LOOK_MS, LOOK_MS);
}

void ticket_watch_set(struct ticket_watch *watch, const char *path, const struct file_mark *seen)
{
    free(watch->path);
    watch->path = path == NULL ? NULL : mem_strdup(path);
    watch->seen = *seen;
}

void ticket_watch_close(struct ticket_watch *watch)
{
    free(watch->path);
    watch->path = NULL;
    uv_close((uv_handle_t *)&watch->timer, NULL);
}
