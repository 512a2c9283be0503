/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum { READ_BYTES = LIMIT(65536, 1) };

static enum err read_all(int fd, struct buf *out)
{
    uint8_t piece[READ_BYTES];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_from_errno(errno);
        if (got == 0)
            return ERR_OK;
        buf_append(out, piece, (size_t)got);
        if (out->is_overflown) {
            errno = EFBIG;
            return ERR_TOO_LARGE;
        }
    }
}

static enum err read_and_close(int fd, struct buf *out)
{
    enum err err = read_all(fd, out);
    int kept = errno;
    close(fd);
    errno = kept;
    return err;
}

enum err file_read(const char *path, struct buf *out)
{
    buf_clear(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_from_errno(errno) : read_and_close(fd, out);
}

enum err file_read_regular(const char *path, struct buf *out)
{
    struct stat found;
    buf_clear(out);
    /* Without O_NONBLOCK the opening of a pipe waits for somebody who writes. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_from_errno(errno);
    if (fstat(fd, &found) == 0 && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)))
        return read_and_close(fd, out); /* of a folder read() tells what it is */
    close(fd);
    errno = EPERM;
    return ERR_DENIED;
}

int file_create(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return -1;
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
}

static enum err write_all(int fd, struct str content)
{
    while (content.len > 0) {
        ssize_t put = write(fd, content.ptr, content.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_from_errno(errno);
        content.ptr += put;
        content.len -= (size_t)put;
    }
    return ERR_OK;
}

enum { MODE_BITS = 07777, FILE_READ_BITS = 0044, FOLDER_READ_BITS = 0055 };

/* Root works in folders of others, who might have put a link there to catch it. */
static bool is_plain(const struct stat *what)
{
    return S_ISDIR(what->st_mode) || (S_ISREG(what->st_mode) && what->st_nlink == 1);
}

/* True: `own` is of the group that may write in the folder `above`, now at the latest. */
static bool take_group(int fd, const struct stat *own, const struct stat *above)
{
    bool is_root = geteuid() == 0;
    bool is_groups = (above->st_mode & S_IWGRP) != 0 && (above->st_mode & S_ISVTX) == 0;
    bool is_other = (is_root && own->st_uid != above->st_uid) || own->st_gid != above->st_gid;
    if (!is_other || !(is_root || is_groups))
        return is_groups;
    return fchown(fd, is_root ? above->st_uid : (uid_t)-1, above->st_gid) == 0 && is_groups;
}

void file_take_after(int fd, const char *folder)
{
    struct stat own, above;
    if (fstat(fd, &own) != 0 || stat(folder, &above) != 0 || !is_plain(&own))
        return;
    mode_t group = take_group(fd, &own, &above) ? S_IWGRP : 0;
    mode_t mode = S_IRUSR | S_IWUSR | group | (above.st_mode & FILE_READ_BITS);
    if (S_ISDIR(own.st_mode))
        mode |= S_IXUSR | (above.st_mode & FOLDER_READ_BITS);
    if (S_ISDIR(own.st_mode) && group != 0)
        mode |= above.st_mode & S_ISGID;
    /* Failure: it is somebody else's, who may have wanted it so. */
    if ((own.st_mode & MODE_BITS) != mode && fchmod(fd, mode) != 0)
        return;
}

static void take_after_above(int fd, const char *path)
{
    char *folder = file_beside(path, ".");
    file_take_after(fd, folder);
    free(folder);
}

static enum err write_temporary(const char *path, struct str content, bool is_durable)
{
    int fd = file_create(path);
    if (fd < 0)
        return err_from_errno(errno);
    take_after_above(fd, path);
    enum err err = write_all(fd, content);
    if (err == ERR_OK && is_durable && fsync(fd) != 0)
        err = err_from_errno(errno);
    int kept = errno;
    if (close(fd) != 0 && err == ERR_OK) {
        kept = errno;
        err = err_from_errno(errno);
    }
    errno = kept;
    return err;
}

static enum err sync_folder(const char *path)
{
    char *folder = file_beside(path, ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return err_from_errno(errno);
    enum err err = fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    close(fd);
    return err;
}

/* The process id keeps two programs, and the address of a local two threads, out of each
 * other's temporary file. */
enum err file_replace(const char *path, struct str content, bool is_durable)
{
    size_t capacity = strlen(path) + 64;
    char *temporary = mem_calloc(capacity, 1);
    snprintf(temporary, capacity, "%s.%d-%p.tmp", path, (int)getpid(), (void *)&capacity);
    enum err err = write_temporary(temporary, content, is_durable);
    if (err == ERR_OK && rename(temporary, path) != 0)
        err = err_from_errno(errno);
    else if (err == ERR_OK && is_durable)
        err = sync_folder(path);
    if (err != ERR_OK) {
        int kept = errno;
        unlink(temporary);
        errno = kept;
    }
    free(temporary);
    return err;
}

static enum err make_folder(const char *path)
{
    struct stat found;
    if (mkdir(path, 0755) == 0) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            take_after_above(fd, path);
            close(fd);
        }
        return ERR_OK;
    }
    if (errno != EEXIST)
        return err_from_errno(errno);
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return ERR_OK;
    errno = ENOTDIR; /* a file is in the way */
    return ERR_EXISTS;
}

enum err file_make_folders(const char *path)
{
    if (path[0] == '\0') {
        errno = ENOENT;
        return ERR_NOT_FOUND;
    }
    char *partial = mem_strdup(path);
    enum err err = ERR_OK;
    for (char *at = partial + 1; err == ERR_OK; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        err = make_folder(partial);
        *at = kept;
        if (kept == '\0')
            break;
    }
    int kept_errno = errno;
    free(partial);
    errno = kept_errno;
    return err;
}

char *file_join(const char *folder, const char *name)
{
    size_t capacity = strlen(folder) + strlen(name) + 2;
    char *joined = mem_calloc(capacity, 1);
    snprintf(joined, capacity, "%s/%s", folder, name);
    return joined;
}

char *file_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    if (name[0] == '/')
        return mem_strdup(name);
    if (slash == NULL)
        return mem_strdup(name);
    char *folder = mem_strndup(path, (size_t)(slash - path));
    char *joined = file_join(folder, name);
    free(folder);
    return joined;
}

char *file_absolute(const char *path)
{
    char *folder = path[0] == '/' ? NULL : getcwd(NULL, 0);
    if (folder == NULL) /* a working directory that was removed: the name as it is */
        return mem_strdup(path);
    char *joined = file_join(folder, path);
    free(folder);
    return joined;
}

void file_reserve_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* Gets the lowest free number, which is `fd`. A chroot may have no /dev. */
        int taken = open("/dev/null", O_RDONLY);
        if (taken < 0)
            taken = open("/", O_RDONLY | O_DIRECTORY);
        if (taken < 0)
            return;
    }
}
