/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/store/dir_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

enum { LOCK_WAIT_MS = 10000, NAP_FIRST_US = 100, NAP_MAX_US = 2000 };

int (*dir_step_hook)(const char *step);

bool dir_step(const char *step)
{
    int wanted = dir_step_hook != NULL ? dir_step_hook(step) : 0;
    if (wanted == 0)
        return true;
    errno = wanted;
    return false;
}

bool dir_write_at(int fd, struct str text, uint64_t offset, const char *step)
{
    size_t piece = dir_step_hook != NULL ? text.len / 3 + 1 : text.len;
    while (text.len > 0) {
        if (!dir_step(step))
            return false;
        size_t len = piece < text.len ? piece : text.len;
        ssize_t put = pwrite(fd, text.ptr, len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        text.ptr += put;
        text.len -= (size_t)put;
        offset += (uint64_t)put;
    }
    return true;
}

bool dir_write_file(const char *path, struct str text, bool is_durable, const char *step)
{
    if (!dir_step(step))
        return false;
    int fd = file_create(path);
    if (fd < 0)
        return false;
    char *folder = file_beside(path, ".");
    file_take_after(fd, folder);
    free(folder);
    bool is_written = dir_write_at(fd, text, 0, step);
    if (is_written && is_durable)
        is_written = dir_step(step) && fsync(fd) == 0;
    int kept = errno;
    if (close(fd) != 0 && is_written)
        return false;
    errno = kept;
    return is_written;
}

/* ---- lock -------------------------------------------------------------------------------- */

bool dir_is_same_file(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Polls instead of blocking: a writer that was stopped in the middle must not hold up everyone
 * else for ever without a word. */
static bool wait_for_lock(int fd, int operation, long wait_ms)
{
    long nap_us = NAP_FIRST_US;
    for (long waited_us = 0; waited_us < wait_ms * 1000; waited_us += nap_us) {
        if (flock(fd, operation | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        struct timespec nap = { .tv_nsec = nap_us * 1000 };
        nanosleep(&nap, NULL);
        nap_us = nap_us * 2 < NAP_MAX_US ? nap_us * 2 : NAP_MAX_US;
    }
    errno = ETIMEDOUT;
    return false;
}

static enum err explain_lock_failure(const struct dir_store *dir, int errnum, struct diag *diag)
{
    if (errnum == ENOENT)
        diag_error(diag, 0, 0,
                   "there is no store in '%s': no such folder; 'steer store init' makes one",
                   dir->folder);
    else if (errnum == ETIMEDOUT)
        diag_error(diag, 0, 0,
                   "another writer has held '%s' for %ld ms or more; nothing was written "
                   "('fuser %s' names it)",
                   dir->lock_path, dir->lock_wait_ms, dir->lock_path);
    else
        diag_errno(diag, errnum, "cannot lock '%s', nothing was written", dir->lock_path);
    return ERR_UNREACHABLE;
}

enum err dir_lock(struct dir_store *dir, int operation, struct diag *diag, int *out_fd)
{
    for (;;) {
        int fd = open(dir->lock_path, DIR_LOCK_FLAGS, 0644);
        if (fd < 0)
            return explain_lock_failure(dir, errno, diag);
        file_take_after(fd, dir->folder);
        if (!wait_for_lock(fd, operation, dir->lock_wait_ms)) {
            int kept = errno;
            close(fd);
            return explain_lock_failure(dir, kept, diag);
        }
        if (dir_is_same_file(fd, dir->lock_path)) {
            *out_fd = fd;
            return ERR_OK;
        }
        close(fd); /* removed while we waited: the next writer would lock another file */
    }
}

/* ---- get and watch ----------------------------------------------------------------------- */

static enum err get(struct store *store, struct diag *diag, struct buf *out_text)
{
    struct dir_store *dir = dir_of(store);
    enum err err = file_read_regular(dir->document_path, out_text);
    int errnum = errno;
    if (err == ERR_NOT_FOUND && access(dir->folder, F_OK) != 0)
        diag_error(diag, 0, 0,
                   "there is no store in '%s': no such folder; 'steer store init' makes one",
                   dir->folder);
    else if (err == ERR_NOT_FOUND)
        diag_error(diag, 0, 0, "the store in '%s' has no document", dir->folder);
    else if (err == ERR_TOO_LARGE)
        diag_error(diag, 0, 0, "'%s' is larger than a document may be (%d bytes)",
                   dir->document_path, DOCUMENT_MAX_BYTES);
    else if (err != ERR_OK)
        diag_errno(diag, errnum, "cannot read '%s'", dir->document_path);
    return err;
}

static enum err watch(struct store *store, enum store_watch what, struct diag *diag, int *out_fd)
{
    const struct dir_store *dir = dir_of(store);
    const char *folder = what == STORE_WATCH_NODES ? dir->nodes_folder : dir->folder;
    uint32_t mask = IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF |
                    IN_MOVE_SELF | IN_ONLYDIR;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot watch '%s'", folder);
    if (inotify_add_watch(fd, folder, mask) < 0) {
        int kept = errno;
        close(fd);
        return diag_errno(diag, kept, "cannot watch '%s'", folder);
    }
    *out_fd = fd;
    return ERR_OK;
}

static bool is_about(enum store_watch what, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        return true;
    if (event->len == 0)
        return false;
    struct str name = str_from(event->name);
    return what == STORE_WATCH_NODES ? str_ends_with(name, STR(".json"))
                                     : str_eq_text(name, "document.json");
}

static bool drain(enum store_watch what, int fd, bool *out_is_lost)
{
    _Alignas(struct inotify_event) char events[4096];
    bool is_worth_it = false;
    for (;;) {
        ssize_t got = read(fd, events, sizeof(events));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return is_worth_it;
        for (size_t at = 0; at < (size_t)got;) {
            const struct inotify_event *event = (const void *)(events + at);
            at += sizeof(*event) + event->len;
            is_worth_it = is_worth_it || is_about(what, event);
            if ((event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0)
                *out_is_lost = is_worth_it = true;
        }
    }
}

/* ---- open and close ---------------------------------------------------------------------- */

static enum err prepare(struct store *store, struct diag *diag)
{
    const struct dir_store *dir = dir_of(store);
    const char *const folders[] = { dir->folder, dir->nodes_folder, dir->history_folder };
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (file_make_folders(folders[i]) == ERR_OK)
            continue;
        diag_errno(diag, errno, "cannot make the folder '%s', nothing was written", folders[i]);
        return ERR_UNREACHABLE;
    }
    return ERR_OK;
}

static void close_dir(struct store *store)
{
    struct dir_store *dir = dir_of(store);
    dir_abandon(dir);
    char *owned[] = { dir->folder,   dir->nodes_folder,        dir->history_folder,
                      dir->log_path, dir->lock_path,           dir->document_path,
                      store->where,  dir->copy_temporary_path, dir->temporary_path };
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    free(dir);
}

static const struct store_ops ops = {
    .get = get,
    .cas = dir_cas,
    .watch = watch,
    .drain = drain,
    .announce = dir_announce,
    .withdraw = dir_withdraw,
    .is_announced = dir_is_announced,
    .list = dir_list,
    .history = dir_history,
    .prepare = prepare,
    .repair = dir_repair,
    .close = close_dir,
};

struct dir_store *dir_of(struct store *store)
{
    return container_of(store, struct dir_store, base);
}

struct store *dir_open(const char *folder)
{
    struct dir_store *dir = mem_calloc(1, sizeof(*dir));
    dir->base = (struct store){ .ops = &ops, .where = mem_strdup(folder) };
    dir->folder = mem_strdup(folder);
    dir->nodes_folder = file_join(folder, "nodes");
    dir->history_folder = file_join(folder, "history");
    dir->document_path = file_join(folder, "document.json");
    dir->base.document = dir->document_path;
    /* Fixed names: one writer at a time, and what a killed one left is overwritten. */
    dir->temporary_path = file_join(folder, "document.json.tmp");
    dir->copy_temporary_path = file_join(dir->history_folder, "next.tmp");
    dir->log_path = file_join(folder, "log.ndjson");
    dir->lock_path = file_join(folder, "lock");
    dir->lock_wait_ms = LOCK_WAIT_MS;
    dir->node_lock_fd = -1;
    return &dir->base;
}
