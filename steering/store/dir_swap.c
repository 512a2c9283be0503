/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/store/dir_priv.h"

/* ---- beginning: read, and heal what a killed writer left ---------------------------------- */

static enum err refuse_errno(struct swap *swap, int errnum, const char *path)
{
    diag_errno(swap->diag, errnum, "cannot write '%s', nothing was written", path);
    return ERR_UNREACHABLE;
}

static enum err open_log(struct swap *swap)
{
    const struct dir_store *dir = swap->dir;
    if (file_make_folders(dir->history_folder) != ERR_OK)
        return refuse_errno(swap, errno, dir->history_folder);
    swap->log_fd = open(dir->log_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (swap->log_fd < 0)
        return refuse_errno(swap, errno, dir->log_path);
    file_take_after(swap->log_fd, dir->folder);
    enum err err = log_tail_read(&swap->tail, swap->log_fd);
    if (err == ERR_OK)
        return ERR_OK;
    diag_error(swap->diag, 0, 0,
               "the log '%s' is damaged (%s); nothing was written. Move it away to begin a new one",
               dir->log_path, err_text(err));
    return ERR_UNREACHABLE;
}

static void read_document(struct swap *swap)
{
    enum err err = store_get_text(&swap->dir->base, &swap->document_diag, &swap->text);
    if (err == ERR_OK)
        err = store_parse(buf_str(&swap->text), &swap->document_diag, &swap->current);
    if (err == ERR_OK) {
        struct digest digest = document_digest(swap->current);
        digest_format(&digest, swap->digest);
    }
    swap->document_err = err;
}

static enum err cut_log(struct swap *swap, uint64_t end)
{
    if (!dir_step("log.cut") || ftruncate(swap->log_fd, (off_t)end) != 0 ||
        !dir_step("log.cut.sync") || fsync(swap->log_fd) != 0)
        return refuse_errno(swap, errno, swap->dir->log_path);
    return log_tail_read(&swap->tail, swap->log_fd) == ERR_OK
               ? ERR_OK
               : refuse_errno(swap, errno, swap->dir->log_path);
}

bool swap_is_fresh(const struct swap *swap)
{
    /* The very first write, killed, leaves at most one record and no copy. */
    return swap->document_err == ERR_NOT_FOUND && swap->tail.last_start == 0 &&
           dir_has_no_copies(swap->dir);
}

/* Whether the last record's document was ever reached: its copy would tell. */
static enum err refuse_unreadable_copy(struct swap *swap, int errnum)
{
    diag_errno(swap->diag, errnum,
               "cannot read the copy of generation %" PRIi64 " in '%s', nothing was written",
               json_get_int(swap->tail.last, "gen", 0), swap->dir->history_folder);
    return ERR_UNREACHABLE;
}

static enum err heal_log(struct swap *swap)
{
    enum err err = ERR_OK;
    if (swap->tail.end < swap->tail.size)
        err = cut_log(swap, swap->tail.end);
    if (err != ERR_OK || swap->tail.end == 0)
        return err;
    if (swap_is_fresh(swap))
        return cut_log(swap, swap->tail.last_start);
    if (swap->current == NULL)
        return ERR_OK;
    err = dir_find_unborn(swap->dir, swap->tail.last, swap->digest);
    if (err == ERR_OK)
        return cut_log(swap, swap->tail.last_start);
    return err == ERR_NOT_FOUND ? ERR_OK : refuse_unreadable_copy(swap, errno);
}

/* No fsync: a copy that a power cut spoils is noticed by its digest, and the document itself is
 * safe on the disk then. */
static enum err heal_copy(struct swap *swap)
{
    if (swap->current == NULL ||
        !str_eq_text(json_get_str(swap->tail.last, "after"), swap->digest) ||
        dir_has_copy(swap->dir, swap->current->generation, swap->digest))
        return ERR_OK;
    char *path = dir_copy_path(swap->dir, swap->current->generation);
    bool is_made =
        dir_write_file(swap->dir->copy_temporary_path, buf_str(&swap->text), false, "copy.heal") &&
        dir_step("copy.heal.rename") && rename(swap->dir->copy_temporary_path, path) == 0;
    enum err err = is_made ? ERR_OK : refuse_errno(swap, errno, path);
    free(path);
    return err;
}

enum err swap_begin(struct swap *swap, struct dir_store *dir, const struct store_audit *audit,
                    struct diag *diag)
{
    *swap = (struct swap){ .dir = dir, .audit = audit, .diag = diag, .lock_fd = -1, .log_fd = -1 };
    buf_init(&swap->text, DOCUMENT_MAX_BYTES + 4096);
    diag_init(&swap->document_diag);
    log_tail_init(&swap->tail);
    enum err err = dir_lock(dir, LOCK_EX, diag, &swap->lock_fd);
    if (err == ERR_OK)
        err = open_log(swap);
    if (err != ERR_OK)
        return err;
    read_document(swap);
    err = heal_log(swap);
    return err == ERR_OK ? heal_copy(swap) : err;
}

void swap_end(struct swap *swap)
{
    if (swap->log_fd >= 0)
        close(swap->log_fd);
    if (swap->lock_fd >= 0)
        close(swap->lock_fd);
    buf_fini(&swap->text);
    document_free(swap->current);
    diag_fini(&swap->document_diag);
    log_tail_fini(&swap->tail);
}

bool swap_is_rolled_back(const struct swap *swap)
{
    const json_t *last = swap->tail.last;
    return swap->current != NULL && str_eq(json_get_str(last, "epoch"), swap->current->epoch) &&
           (uint64_t)json_get_int(last, "gen", 0) > swap->current->generation;
}

/* ---- commit ------------------------------------------------------------------------------ */

/* What readers would refuse is never written. */
static enum err check_text(struct swap *swap, const struct buf *text)
{
    struct document *again = NULL;
    enum err err = document_parse(buf_str(text), swap->diag, &again);
    document_free(again);
    return err == ERR_SYNTAX ? ERR_INVALID : err;
}

static bool write_all(struct swap *swap, struct str text, struct str line)
{
    const struct dir_store *dir = swap->dir;
    return dir_write_file(dir->temporary_path, text, true, "document.write") &&
           dir_write_file(dir->copy_temporary_path, text, false, "copy.write") &&
           dir_write_at(swap->log_fd, line, swap->tail.end, "log.write") && dir_step("log.sync") &&
           fsync(swap->log_fd) == 0;
}

static bool move_in(const struct dir_store *dir)
{
    return dir_step("document.rename") && rename(dir->temporary_path, dir->document_path) == 0;
}

/* A rename can be done and told as failed: a network file system whose answer was lost repeats it
 * and finds nothing left to rename, or a disk fails behind it. ERR_OK: it is in place;
 * ERR_NOT_FOUND: something else or nothing is; else nobody can tell. */
static enum err find_in_place(const struct dir_store *dir, struct str text)
{
    struct buf there;
    buf_init(&there, DOCUMENT_MAX_BYTES + 4096);
    enum err err = file_read_regular(dir->document_path, &there);
    if (err == ERR_TOO_LARGE || (err == ERR_OK && !str_eq(buf_str(&there), text)))
        err = ERR_NOT_FOUND;
    buf_fini(&there);
    return err;
}

static void take_back(struct swap *swap)
{
    /* All best effort: what stays behind, the next writer cuts off or overwrites. */
    if (ftruncate(swap->log_fd, (off_t)swap->tail.end) != 0)
        diag_warning(swap->diag, 0, 0,
                     "the unfinished record stays in the log until the next write");
    unlink(swap->dir->temporary_path);
    unlink(swap->dir->copy_temporary_path);
}

static bool sync_folder(const struct dir_store *dir)
{
    int fd = open(dir->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_done = dir_step("folder.sync") && fsync(fd) == 0;
    int kept = errno;
    close(fd);
    errno = kept;
    return is_done;
}

/* `moved` is the errno of the rename, or 0. */
static enum err finish(struct swap *swap, uint64_t generation, int moved)
{
    const struct dir_store *dir = swap->dir;
    enum err err = ERR_OK;
    if (!sync_folder(dir) || moved != 0) {
        errno = moved != 0 ? moved : errno;
        diag_errno(swap->diag, errno,
                   "generation %" PRIu64 " is in place, but the disk did not confirm it",
                   generation);
        err = ERR_OUTCOME_UNKNOWN;
    }
    char *path = dir_copy_path(dir, generation);
    if (!dir_step("copy.rename") || rename(dir->copy_temporary_path, path) != 0)
        diag_warning(swap->diag, 0, 0, "no copy of generation %" PRIu64 " until the next write: %s",
                     generation, strerror(errno));
    else if (dir_step("copy.prune"))
        dir_prune_copies(dir, generation);
    free(path);
    return err;
}

static enum err write_and_finish(struct swap *swap, struct str text, struct str line,
                                 uint64_t generation)
{
    bool is_written = write_all(swap, text, line);
    if (is_written && move_in(swap->dir))
        return finish(swap, generation, 0);
    int kept = errno;
    enum err found = is_written ? find_in_place(swap->dir, text) : ERR_NOT_FOUND;
    if (found == ERR_OK)
        return finish(swap, generation, kept);
    if (found == ERR_NOT_FOUND) {
        take_back(swap);
        return refuse_errno(swap, kept, swap->dir->folder);
    }
    /* The record stays in the log: the next writer sees whether its document came. */
    diag_errno(swap->diag, kept, "nobody can tell whether generation %" PRIu64 " is in place",
               generation);
    return ERR_OUTCOME_UNKNOWN;
}

enum err swap_commit(struct swap *swap, const struct document *next, const char *before)
{
    struct buf text, line;
    buf_init(&text, DOCUMENT_MAX_BYTES);
    buf_init(&line, STORE_RECORD_MAX_BYTES);
    document_format(next, &text);
    log_format_record(swap->audit, next, before, swap->tail.last_digest, &line);
    enum err err = ERR_TOO_LARGE;
    if (text.is_overflown)
        diag_error(swap->diag, 0, 0, "the document would exceed %d bytes, nothing was written",
                   DOCUMENT_MAX_BYTES);
    else if (line.is_overflown)
        diag_error(swap->diag, 0, 0, "the audit record would exceed %d bytes, nothing was written",
                   STORE_RECORD_MAX_BYTES);
    else
        err = check_text(swap, &text);
    if (err == ERR_OK)
        err = write_and_finish(swap, buf_str(&text), buf_str(&line), next->generation);
    buf_fini(&line);
    buf_fini(&text);
    return err;
}
