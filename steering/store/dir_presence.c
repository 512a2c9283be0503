/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/store/dir_priv.h"

/* A lister holds a node's lock for an instant; a node that starts then must not give up. */
enum { JOIN_TRIES = 200, JOIN_NAP_NS = 5000000 };

/* ---- the node's own side ----------------------------------------------------------------- */

void dir_abandon(struct dir_store *dir)
{
    if (dir->node_lock_fd >= 0)
        close(dir->node_lock_fd);
    dir->node_lock_fd = -1;
    free(dir->node_id);
    free(dir->node_path);
    free(dir->node_lock_path);
    dir->node_id = dir->node_path = dir->node_lock_path = NULL;
}

void dir_withdraw(struct store *store)
{
    struct dir_store *dir = dir_of(store);
    if (dir->node_id != NULL && dir_is_same_file(dir->node_lock_fd, dir->node_lock_path)) {
        unlink(dir->node_path);
        unlink(dir->node_lock_path); /* while we hold it: a new node waits for its own file */
    }
    dir_abandon(dir);
}

static int open_locked(const char *path, const char *folder)
{
    for (int tries = 0; tries < JOIN_TRIES; tries++) {
        int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return -1;
        file_take_after(fd, folder);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && dir_is_same_file(fd, path))
            return fd;
        close(fd);
        struct timespec nap = { .tv_nsec = JOIN_NAP_NS };
        nanosleep(&nap, NULL);
    }
    errno = EWOULDBLOCK;
    return -1;
}

static char *node_path(const struct dir_store *dir, const char *node_id, const char *suffix)
{
    struct buf path;
    buf_init(&path, 1 << 16);
    buf_append_format(&path, "%s/%s%s", dir->nodes_folder, node_id, suffix);
    char *text = mem_strdup(buf_text(&path));
    buf_fini(&path);
    return text;
}

static enum err join(struct dir_store *dir, const char *node_id, struct diag *diag)
{
    /* Moved away under a running node: an empty one in its place would hide that. */
    if (dir->has_joined && access(dir->folder, F_OK) != 0)
        return diag_errno(diag, errno, "the store's folder '%s' is gone", dir->folder);
    enum err err = file_make_folders(dir->nodes_folder);
    if (err != ERR_OK)
        return diag_errno(diag, errno, "cannot make the folder '%s'", dir->nodes_folder);
    char *lock_path = node_path(dir, node_id, ".lock");
    int fd = open_locked(lock_path, dir->nodes_folder);
    if (fd < 0) {
        err = errno == EWOULDBLOCK ? ERR_EXISTS : err_from_errno(errno);
        if (err == ERR_EXISTS)
            diag_error(diag, 0, 0, "another node lives on this store as '%s'", node_id);
        else
            diag_errno(diag, errno, "cannot lock '%s'", lock_path);
        free(lock_path);
        return err;
    }
    dir->node_lock_fd = fd;
    dir->node_lock_path = lock_path;
    dir->node_path = node_path(dir, node_id, ".json");
    dir->node_id = mem_strdup(node_id);
    dir->has_joined = true;
    return ERR_OK;
}

enum err dir_announce(struct store *store, const char *node_id, struct str text, struct diag *diag)
{
    struct dir_store *dir = dir_of(store);
    enum err err = ERR_OK;
    if (dir->node_id != NULL && strcmp(dir->node_id, node_id) != 0)
        dir_withdraw(store);
    /* Someone may have emptied the folder: a lock on a removed file tells nobody anything. */
    if (dir->node_id != NULL && !dir_is_same_file(dir->node_lock_fd, dir->node_lock_path))
        dir_abandon(dir);
    if (dir->node_id == NULL)
        err = join(dir, node_id, diag);
    if (err != ERR_OK)
        return err;
    err = file_replace(dir->node_path, text, false);
    if (err != ERR_OK)
        diag_errno(diag, errno, "cannot write '%s'", dir->node_path);
    return err;
}

/* ---- the reader's side ------------------------------------------------------------------- */

static bool is_alive(const struct dir_store *dir, const char *id)
{
    char *path = node_path(dir, id, ".lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0)
        return errno != ENOENT; /* cannot tell: better waited for than overlooked */
    bool is_held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return is_held;
}

static void add_node(const struct dir_store *dir, const char *id, struct presences *out)
{
    struct buf text;
    struct diag ignored;
    json_t *value = NULL;
    char *path = node_path(dir, id, ".json");
    buf_init(&text, PRESENCE_MAX_BYTES);
    diag_init(&ignored);
    /* Alive is asked first: a node that leaves in between has removed its file. */
    bool lives = is_alive(dir, id);
    enum err err = file_read(path, &text);
    if (err == ERR_OK && json_parse(buf_str(&text), &ignored, &value) != ERR_OK)
        value = NULL;
    if (err != ERR_NOT_FOUND) {
        out->items = mem_resize(out->items, out->count + 1, sizeof(out->items[0]));
        out->items[out->count++] = presence_make(id, lives, value);
    }
    diag_fini(&ignored);
    buf_fini(&text);
    free(path);
}

static bool is_node_file(const char *name, char out_id[PRESENCE_ID_MAX + 1])
{
    struct str id = str_from(name);
    if (!str_ends_with(id, STR(".json")))
        return false;
    id.len -= 5;
    if (!presence_is_id(id))
        return false;
    memcpy(out_id, id.ptr, id.len);
    out_id[id.len] = '\0';
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    const struct presence *left = a, *right = b;
    return strcmp(left->id, right->id);
}

enum err dir_list(struct store *store, struct diag *diag, struct presences *out_presences)
{
    const struct dir_store *dir = dir_of(store);
    struct presences found = { .items = NULL };
    DIR *folder = opendir(dir->nodes_folder);
    if (folder == NULL && errno != ENOENT)
        return diag_errno(diag, errno, "cannot read the folder '%s'", dir->nodes_folder);
    for (const struct dirent *entry = folder != NULL ? readdir(folder) : NULL; entry != NULL;
         entry = readdir(folder)) {
        char id[PRESENCE_ID_MAX + 1];
        if (is_node_file(entry->d_name, id) && found.count < PRESENCE_MAX)
            add_node(dir, id, &found);
    }
    if (folder != NULL)
        closedir(folder);
    if (found.count > 1)
        qsort(found.items, found.count, sizeof(found.items[0]), compare_ids);
    if (found.count == PRESENCE_MAX) {
        presences_fini(&found);
        diag_error(diag, 0, 0, "'%s' lists %d nodes or more; remove the files of the dead",
                   dir->nodes_folder, PRESENCE_MAX);
        return ERR_TOO_LARGE;
    }
    *out_presences = found;
    return ERR_OK;
}
