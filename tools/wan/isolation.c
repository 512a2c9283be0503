/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/isolation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/log.h"
#include "tools/wan/fd_pass.h"
#include "tools/wan/interface.h"

enum { TEXT_MAX_BYTES = 4096 };

static const struct {
    const char *path;
    int type;
} walls[ISOLATION_WALL_COUNT] = {
    [ISOLATION_USER] = { "/proc/self/ns/user", CLONE_NEWUSER },
    [ISOLATION_PID] = { "/proc/self/ns/pid", CLONE_NEWPID },
    [ISOLATION_MOUNT] = { "/proc/self/ns/mnt", CLONE_NEWNS },
    [ISOLATION_NET] = { "/proc/self/ns/net", CLONE_NEWNET },
};

/* ---- the user namespace --------------------------------------------------------------------- */

static bool write_text(const char *path, const char *text)
{
    size_t len = str_from(text).len;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (fd >= 0)
        close(fd);
    return is_written;
}

/* Which switch of the kernel stands in the way; "" when none that we know of does. */
static const char *find_obstacle(void)
{
    static const struct {
        const char *path;
        char forbids;
        const char *text;
    } rows[] = {
        { "/proc/sys/user/max_user_namespaces", '0', " (sysctl user.max_user_namespaces is 0)" },
        { "/proc/sys/kernel/unprivileged_userns_clone", '0',
          " (sysctl kernel.unprivileged_userns_clone is 0)" },
        { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
          " (sysctl kernel.apparmor_restrict_unprivileged_userns is 1)" },
    };
    const char *found = "";
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && found[0] == '\0'; i++)
        if (file_read(rows[i].path, &text) == ERR_OK && text.len > 0 &&
            text.bytes[0] == (uint8_t)rows[i].forbids)
            found = rows[i].text;
    buf_fini(&text);
    return found;
}

static enum err become_root(unsigned uid, unsigned gid, struct diag *diag)
{
    char map[64];
    /* Without this the kernel does not let an ordinary user map groups. */
    bool is_mapped = write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", uid);
    is_mapped = is_mapped && write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "0 %u 1", gid);
    is_mapped = is_mapped && write_text("/proc/self/gid_map", map);
    if (!is_mapped)
        return diag_errno(diag, errno, "cannot become root of a user namespace%s", find_obstacle());
    return ERR_OK;
}

enum err isolation_begin(struct diag *diag)
{
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWPID) == 0)
        return ERR_OK;
    if (errno != EPERM)
        return diag_errno(diag, errno, "cannot make a PID namespace");
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
        return diag_errno(diag, errno,
                          "cannot make namespaces: that needs root, or a kernel that lets "
                          "ordinary users do it%s",
                          find_obstacle());
    return become_root(uid, gid, diag);
}

enum err isolation_settle(struct diag *diag)
{
    if (unshare(CLONE_NEWNS) != 0)
        return diag_errno(diag, errno, "cannot make a mount namespace%s", find_obstacle());
    if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return diag_errno(diag, errno, "cannot keep mounts inside");
    /* Some containers forbid it: process lists inside then have the numbers of outside. */
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        log_warn("wan.proc", "problem=\"cannot mount /proc\" errno=%d", errno);
    return ERR_OK;
}

/* ---- the sites ------------------------------------------------------------------------------ */

static enum err build_one(const struct matrix_site *site, int socket_fd, struct diag *diag)
{
    int fds[2] = { -1, -1 };
    if (unshare(CLONE_NEWNET) != 0)
        return diag_errno(diag, errno, "cannot make a network namespace%s", find_obstacle());
    enum err err = interface_open(site, diag, &fds[0]);
    if (err != ERR_OK)
        return err;
    fds[1] = open(walls[ISOLATION_NET].path, O_RDONLY | O_CLOEXEC);
    if (fds[1] < 0)
        err = diag_errno(diag, errno, "cannot open the network namespace");
    else if (fd_pass_send(socket_fd, STR("ok"), fds, 2) != ERR_OK)
        err = diag_errno(diag, errno, "cannot hand over the TUN device");
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
    return err;
}

/* A process of its own, because one that has left its network may not be able to return. */
static _Noreturn void build_all(const struct matrix *matrix, int socket_fd)
{
    struct diag diag;
    diag_init(&diag);
    for (size_t i = 0; i < matrix->site_count; i++) {
        if (build_one(&matrix->sites[i], socket_fd, &diag) == ERR_OK)
            continue;
        enum err err = fd_pass_send(socket_fd, str_from(diag_first(&diag)), NULL, 0);
        _exit(err == ERR_OK ? 1 : 2);
    }
    _exit(0);
}

static enum err receive_one(const struct matrix_site *site, int socket_fd, struct diag *diag,
                            struct isolation_site *out_site)
{
    char text[TEXT_MAX_BYTES];
    size_t len = 0, fd_count = 0;
    int fds[FD_PASS_MAX];
    enum err err = fd_pass_receive(socket_fd, text, sizeof(text), &len, fds, &fd_count);
    if (err != ERR_OK)
        return diag_error(diag, 0, 0, "site '%s': the process that makes it has died", site->name);
    if (fd_count != 2) {
        diag_error(diag, 0, 0, "site '%s': %.*s", site->name, (int)len, text);
        return ERR_DENIED;
    }
    *out_site = (struct isolation_site){ .tun_fd = fds[0], .net_fd = fds[1] };
    return ERR_OK;
}

enum err isolation_build(const struct matrix *matrix, struct diag *diag,
                         struct isolation_site *out_sites)
{
    int ends[2];
    /* Packets, so that each site's message stays one. */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return diag_errno(diag, errno, "cannot make a pair of sockets");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        build_all(matrix, ends[1]);
    }
    close(ends[1]);
    enum err err = pid < 0 ? diag_errno(diag, errno, "cannot fork") : ERR_OK;
    for (size_t i = 0; i < matrix->site_count && err == ERR_OK; i++)
        err = receive_one(&matrix->sites[i], ends[0], diag, &out_sites[i]);
    close(ends[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0); /* no signal handler stands yet that would interrupt it */
    return err;
}

/* ---- entering ------------------------------------------------------------------------------- */

enum err isolation_open(struct diag *diag, int out_fds[ISOLATION_WALL_COUNT])
{
    for (int i = 0; i < ISOLATION_NET; i++) {
        out_fds[i] = open(walls[i].path, O_RDONLY | O_CLOEXEC);
        if (out_fds[i] < 0)
            return diag_errno(diag, errno, "cannot open %s", walls[i].path);
    }
    return ERR_OK;
}

static bool is_inside(int fd, const char *path)
{
    struct stat theirs, ours;
    return fstat(fd, &theirs) == 0 && stat(path, &ours) == 0 && theirs.st_ino == ours.st_ino &&
           theirs.st_dev == ours.st_dev;
}

enum err isolation_enter(const int fds[ISOLATION_WALL_COUNT], struct diag *diag,
                         bool *out_is_outside)
{
    char folder[PATH_MAX];
    bool has_folder = getcwd(folder, sizeof(folder)) != NULL;
    bool is_outside = !is_inside(fds[ISOLATION_PID], walls[ISOLATION_PID].path);
    bool is_in[ISOLATION_WALL_COUNT];
    /* All before the first step: behind another mount namespace /proc is another one. */
    for (int i = 0; i < ISOLATION_WALL_COUNT; i++)
        is_in[i] = is_inside(fds[i], walls[i].path);
    for (int i = 0; i < ISOLATION_WALL_COUNT; i++)
        if (!is_in[i] && setns(fds[i], walls[i].type) != 0)
            return diag_errno(diag, errno, "cannot enter %s of the running wan",
                              walls[i].path + sizeof("/proc/self/") - 1);
    if (has_folder && chdir(folder) != 0)
        return diag_errno(diag, errno, "cannot go to '%s' inside", folder);
    *out_is_outside = is_outside;
    return ERR_OK;
}
