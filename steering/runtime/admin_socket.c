/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/admin_socket.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static enum err fill_path(const char *path, struct diag *diag, struct sockaddr_un *out_addr)
{
    size_t len = strlen(path);
    *out_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (len == 0 || len >= sizeof(out_addr->sun_path))
        return diag_error(diag, 0, 0,
                          "the path of the admin socket '%s' has %zu characters; 1 to "
                          "%zu are possible",
                          path, len, sizeof(out_addr->sun_path) - 1);
    memcpy(out_addr->sun_path, path, len);
    return ERR_OK;
}

/* Only a socket on which nobody listens any more may go. */
static enum err remove_stale(const struct sockaddr_un *addr, struct diag *diag)
{
    struct stat info;
    if (lstat(addr->sun_path, &info) != 0)
        return ERR_OK; /* nothing there; if it cannot be looked at, bind says why */
    if (!S_ISSOCK(info.st_mode)) {
        diag_error(diag, 0, 0,
                   "'%s' exists and is no socket; choose another path for the admin "
                   "socket, or remove it",
                   addr->sun_path);
        return ERR_EXISTS;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot make a socket");
    int connected = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
    int kept = errno;
    close(fd);
    if (connected != 0 && kept == ECONNREFUSED) {
        unlink(addr->sun_path);
        return ERR_OK;
    }
    diag_error(diag, 0, 0, "another process listens on the admin socket '%s'", addr->sun_path);
    return ERR_EXISTS;
}

enum err admin_socket_open_unix(const char *path, struct diag *diag, int *out_fd)
{
    struct sockaddr_un addr;
    enum err err = fill_path(path, diag, &addr);
    if (err == ERR_OK)
        err = remove_stale(&addr, diag);
    if (err != ERR_OK)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot make a socket");
    mode_t before = umask(0117);
    int bound = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
    int kept = errno;
    umask(before);
    if (bound != 0 || listen(fd, BACKLOG) != 0) {
        kept = bound != 0 ? kept : errno;
        close(fd);
        return diag_errno(diag, kept, "cannot listen on the admin socket '%s'", path);
    }
    *out_fd = fd;
    return ERR_OK;
}

static bool is_loopback(const struct addr *addr)
{
    static const uint8_t v6_loopback[16] = { [15] = 1 };
    if (addr->family == ADDR_V4)
        return addr->bytes[0] == 127;
    return memcmp(addr->bytes, v6_loopback, sizeof(v6_loopback)) == 0;
}

enum err admin_socket_open_tcp(const struct addr *addr, uint16_t port, struct diag *diag,
                               int *out_fd, uint16_t *out_port)
{
    char text[ADDR_TEXT_MAX];
    struct sockaddr_storage storage;
    int on = 1;
    if (!is_loopback(addr))
        return diag_error(diag, 0, 0,
                          "the admin server may only listen on a loopback address "
                          "(127.0.0.1 or ::1), not on %s: it has no passwords",
                          addr_format(addr, text));
    socklen_t len = addr_to_sockaddr(addr, port, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&storage, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&storage, &len) != 0) {
        int kept = errno;
        close(fd);
        return diag_errno(diag, kept, "cannot listen for admin requests on %s port %u",
                          addr_format(addr, text), port);
    }
    *out_port = addr_port((const struct sockaddr *)&storage);
    *out_fd = fd;
    return ERR_OK;
}
