/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/last_good_saver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/store/last_good.h"

static void start(struct last_good_saver *saver);

static void on_save(uv_work_t *work)
{
    struct last_good_saver *saver = container_of(work, struct last_good_saver, work);
    saver->err = last_good_save(saver->folder, saver->present, &saver->diag);
}

/* Logs what is news. */
static void note_problem(struct last_good_saver *saver, const char *text)
{
    char problem[LAST_GOOD_PROBLEM_MAX];
    snprintf(problem, sizeof(problem), "%s", text);
    if (strcmp(saver->problem, problem) == 0)
        return;
    memcpy(saver->problem, problem, sizeof(problem));
    if (problem[0] != '\0')
        log_error("last_good", "problem=\"%s\"", problem);
    else
        log_info("last_good", "problem=none");
}

static void finish_closing(struct last_good_saver *saver)
{
    free(saver->folder);
    saver->folder = NULL;
    saver->on_closed(saver->owner);
}

static void on_saved(uv_work_t *work, int status)
{
    struct last_good_saver *saver = container_of(work, struct last_good_saver, work);
    (void)status;
    note_problem(saver, saver->err == ERR_OK ? "" : diag_first(&saver->diag));
    diag_fini(&saver->diag);
    document_free(saver->present);
    saver->present = NULL;
    if (saver->next != NULL)
        start(saver);
    else if (saver->is_closing)
        finish_closing(saver);
}

static void start(struct last_good_saver *saver)
{
    saver->present = saver->next;
    saver->next = NULL;
    diag_init(&saver->diag);
    uv_queue_work(saver->loop, &saver->work, on_save, on_saved);
}

void last_good_saver_open(struct last_good_saver *saver, uv_loop_t *loop, const char *folder)
{
    *saver = (struct last_good_saver){ .loop = loop, .folder = mem_strdup(folder) };
}

void last_good_saver_save(struct last_good_saver *saver, struct document *document)
{
    document_free(saver->next);
    saver->next = document;
    if (saver->present == NULL)
        start(saver);
}

void last_good_saver_close(struct last_good_saver *saver, void (*on_closed)(void *owner),
                           void *owner)
{
    saver->is_closing = true;
    saver->on_closed = on_closed;
    saver->owner = owner;
    if (saver->present == NULL)
        finish_closing(saver);
}
