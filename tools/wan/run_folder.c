/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

enum { PATH_MAX_BYTES = 4096, BACKLOG = 16 };

static bool fill_address(const char *path, struct sockaddr_un *out_address)
{
    size_t len = strlen(path);
    *out_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len >= sizeof(out_address->sun_path))
        return false;
    memcpy(out_address->sun_path, path, len);
    return true;
}

/* -1 with errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un address;
    if (!fill_address(path, &address)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int failure = errno;
        close(fd);
        fd = -1;
        errno = failure;
    }
    return fd;
}

/* NULL with the reason in `diag`; else owned by the caller. */
static char *open_folder(struct diag *diag)
{
    struct stat about;
    char path[PATH_MAX_BYTES];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime != NULL && runtime[0] == '/' && access(runtime, W_OK) == 0)
        snprintf(path, sizeof(path), "%s/steer-wan", runtime);
    else
        snprintf(path, sizeof(path), "/tmp/steer-wan-%u", (unsigned)geteuid());
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) || lstat(path, &about) != 0) {
        diag_errno(diag, errno, "cannot make '%s'", path);
        return NULL;
    }
    /* In /tmp anybody may have made it first. */
    if (S_ISDIR(about.st_mode) && about.st_uid == geteuid() && (about.st_mode & 077) == 0)
        return mem_strdup(path);
    diag_error(diag, 0, 0, "'%s' is not a folder of this user alone", path);
    return NULL;
}

/* Visits the sockets in `folder`: removes the dead ones, connects with one of the living. Returns
 * how many live; `*out_fd` is set when there is exactly one. */
static size_t sweep(const char *folder, int *out_fd)
{
    DIR *dir = opendir(folder);
    size_t count = 0;
    int kept = -1;
    const struct dirent *entry = dir != NULL ? readdir(dir) : NULL;
    for (; entry != NULL; entry = readdir(dir)) {
        if (!str_ends_with(str_from(entry->d_name), STR(".sock")))
            continue;
        char *path = file_join(folder, entry->d_name);
        int fd = connect_to(path);
        if (fd < 0 && errno == ECONNREFUSED)
            unlink(path);
        free(path);
        if (fd < 0)
            continue;
        count++;
        if (kept >= 0)
            close(kept);
        kept = fd;
    }
    if (dir != NULL)
        closedir(dir);
    if (count == 1 && out_fd != NULL)
        *out_fd = kept;
    else if (kept >= 0)
        close(kept);
    return count;
}

static enum err listen_at(const char *path, struct diag *diag, int *out_fd)
{
    struct sockaddr_un address;
    if (!fill_address(path, &address))
        return diag_error(diag, 0, 0, "'%s' is too long for a socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot make a socket");
    int probe = connect_to(path);
    if (probe < 0 && errno == ECONNREFUSED)
        unlink(path);
    if (probe >= 0)
        close(probe);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || chmod(path, 0600) != 0 ||
        listen(fd, BACKLOG) != 0) {
        enum err err = diag_errno(diag, errno, "cannot listen at '%s'", path);
        close(fd);
        return err;
    }
    *out_fd = fd;
    return ERR_OK;
}

enum err run_folder_listen(const char *path, struct diag *diag, int *out_fd, char **out_path)
{
    char *folder = NULL, *own = NULL;
    char name[32];
    enum err err = ERR_OK;
    if (path != NULL) {
        own = file_absolute(path);
    } else {
        folder = open_folder(diag);
        if (folder == NULL)
            return ERR_DENIED;
        sweep(folder, NULL);
        snprintf(name, sizeof(name), "%ld.sock", (long)getpid());
        own = file_join(folder, name);
    }
    err = listen_at(own, diag, out_fd);
    if (err == ERR_OK) {
        *out_path = own;
        own = NULL; /* moved to the caller */
    }
    free(own);
    free(folder);
    return err;
}

enum err run_folder_connect(const char *path, struct diag *diag, int *out_fd)
{
    if (path == NULL)
        path = getenv("STEER_WAN_SOCKET");
    if (path != NULL) {
        int fd = connect_to(path);
        if (fd < 0)
            return diag_errno(diag, errno, "no wan answers at '%s'", path);
        *out_fd = fd;
        return ERR_OK;
    }
    char *folder = open_folder(diag);
    if (folder == NULL)
        return ERR_DENIED;
    enum err err = ERR_OK;
    size_t count = sweep(folder, out_fd);
    if (count != 1)
        err = diag_error(diag, 0, 0,
                         count == 0 ? "no wan runs; there is no socket in '%s'"
                                    : "several run; choose with --socket one of those in '%s'",
                         folder);
    free(folder);
    return err;
}
