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
        int fd = open(path, DIR_LOCK_FLAGS, 0644);
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
            diag_error(diag, 0, 0,
                       "another node lives on this store as '%s'; give each a name of its own",
                       node_id);
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

bool dir_is_announced(struct store *store)
{
    const struct dir_store *dir = dir_of(store);
    return dir->node_id != NULL && dir_is_same_file(dir->node_lock_fd, dir->node_lock_path) &&
           access(dir->node_path, F_OK) == 0;
}

/* ---- the reader's side ------------------------------------------------------------------- */

static bool is_alive(const struct dir_store *dir, const char *id)
{
    char *path = node_path(dir, id, ".lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
    enum err err = file_read_regular(path, &text);
    if (err == ERR_OK && json_parse(buf_str(&text), &ignored, &value) != ERR_OK)
        value = NULL;
    /* Without a file, but still alive when asked once more: it could not write it. */
    if (err != ERR_NOT_FOUND || (lives && is_alive(dir, id))) {
        out->items = mem_resize(out->items, out->count + 1, sizeof(out->items[0]));
        out->items[out->count++] = presence_make(id, lives, value);
    }
    diag_fini(&ignored);
    buf_fini(&text);
    free(path);
}

struct node_id {
    char text[PRESENCE_ID_MAX + 1];
};

/* The ids of all nodes in the folder. */
struct node_ids {
    struct node_id *items;
    size_t count, capacity;
};

static bool is_node_file(const char *name, struct node_id *out_id)
{
    struct str id = str_from(name);
    if (!str_ends_with(id, STR(".json")) && !str_ends_with(id, STR(".lock")))
        return false;
    id.len -= 5;
    if (!presence_is_id(id))
        return false;
    memcpy(out_id->text, id.ptr, id.len);
    out_id->text[id.len] = '\0';
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    const struct node_id *left = a, *right = b;
    return strcmp(left->text, right->text);
}

static void sort_and_drop_doubles(struct node_ids *ids)
{
    size_t kept = 0;
    if (ids->count > 1)
        qsort(ids->items, ids->count, sizeof(ids->items[0]), compare_ids);
    for (size_t i = 0; i < ids->count; i++)
        if (kept == 0 || strcmp(ids->items[kept - 1].text, ids->items[i].text) != 0)
            ids->items[kept++] = ids->items[i];
    ids->count = kept;
}

/* By both of a node's files: a file system may leave out one that is being replaced while the
 * folder is read, and the lock never is. */
static bool read_ids(DIR *folder, struct node_ids *ids)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            return errno == 0;
        ids->items = mem_grow(ids->items, ids->count, &ids->capacity, sizeof(ids->items[0]));
        if (ids->count <= 2 * PRESENCE_MAX && is_node_file(entry->d_name, &ids->items[ids->count]))
            ids->count++;
    }
}

static enum err find_ids(const struct dir_store *dir, struct diag *diag, struct node_ids *ids)
{
    DIR *folder = opendir(dir->nodes_folder);
    if (folder == NULL && errno == ENOENT)
        return ERR_OK;
    bool is_read = folder != NULL && read_ids(folder, ids);
    int kept = errno;
    if (folder != NULL)
        closedir(folder);
    /* Half a list would pass for a whole one: nobody would wait for the rest. */
    if (!is_read)
        return diag_errno(diag, kept, "cannot read the folder '%s'", dir->nodes_folder);
    sort_and_drop_doubles(ids);
    if (ids->count < PRESENCE_MAX)
        return ERR_OK;
    diag_error(diag, 0, 0, "'%s' lists %d nodes or more; remove the files of the dead",
               dir->nodes_folder, PRESENCE_MAX);
    return ERR_TOO_LARGE;
}

enum err dir_list(struct store *store, struct diag *diag, struct presences *out_presences)
{
    const struct dir_store *dir = dir_of(store);
    struct presences found = { .items = NULL };
    struct node_ids ids = { .items = NULL };
    enum err err = find_ids(dir, diag, &ids);
    for (size_t i = 0; err == ERR_OK && i < ids.count; i++)
        add_node(dir, ids.items[i].text, &found);
    free(ids.items);
    if (err == ERR_OK)
        *out_presences = found;
    return err;
}
