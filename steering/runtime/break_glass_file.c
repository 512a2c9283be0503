/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/break_glass_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

void break_glass_file_init(struct break_glass_file *file, const char *path)
{
    *file = (struct break_glass_file){ .path = path == NULL ? NULL : mem_strdup(path) };
    buf_init(&file->text, BREAK_GLASS_MAX_BYTES);
}

void break_glass_file_fini(struct break_glass_file *file)
{
    free(file->path);
    break_glass_fini(&file->orders);
    buf_fini(&file->text);
}

void break_glass_file_forget(struct break_glass_file *file)
{
    file->is_judged = false;
}

static bool orders_eq(const struct break_glass *a, const struct break_glass *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->orders[i].mode != b->orders[i].mode ||
            strcmp(a->orders[i].site, b->orders[i].site) != 0)
            return false;
    return true;
}

static bool judge(struct break_glass_file *file, const struct topology *topology)
{
    struct diag diag;
    struct break_glass orders;
    bool is_other = false;
    diag_init(&diag);
    diag_set_file(&diag, file->path);
    if (break_glass_parse(buf_str(&file->text), topology, &diag, &orders) == ERR_OK) {
        is_other = !orders_eq(&file->orders, &orders);
        break_glass_fini(&file->orders);
        file->orders = orders;
        file->problem[0] = '\0';
    } else {
        snprintf(file->problem, sizeof(file->problem), "%s", diag_first(&diag));
    }
    diag_fini(&diag);
    return is_other;
}

static void fail(struct break_glass_file *file, const char *what)
{
    snprintf(file->problem, sizeof(file->problem), "%s: %s; the orders read before stay in force",
             file->path, what);
    file->is_judged = false;
}

bool break_glass_file_look(struct break_glass_file *file, const struct topology *topology)
{
    struct buf seen;
    bool is_other = false;
    if (file->path == NULL)
        return false;
    buf_init(&seen, BREAK_GLASS_MAX_BYTES);
    enum err err = file_read_regular(file->path, &seen);
    if (err == ERR_NOT_FOUND && !file->was_seen)
        goto out;
    file->was_seen = true;
    if (err != ERR_OK) {
        fail(file, err == ERR_NOT_FOUND ? "is gone" : err_text(err));
        goto out;
    }
    if (file->is_judged && str_eq(buf_str(&seen), buf_str(&file->text)))
        goto out;
    buf_fini(&file->text);
    file->text = seen;
    buf_init(&seen, 0);
    is_other = judge(file, topology);
    file->is_judged = true;
out:
    buf_fini(&seen);
    return is_other;
}
