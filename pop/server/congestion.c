/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/congestion.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/log.h"

enum { LIST_MAX_BYTES = 4096 };
#define AVAILABLE "net.ipv4.tcp_available_congestion_control"
#define ALLOWED "net.ipv4.tcp_allowed_congestion_control"

static bool set(int fd, const char *name)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0;
}

/* What the kernel says of it to whom we are now; 0: fine. */
static int ask_kernel(const char *name)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0; /* it cannot be asked; the first connection will tell */
    int errnum = set(fd, name) ? 0 : errno;
    close(fd);
    return errnum;
}

/* Whether root is asked for somebody else, whom the kernel gives only what is in its list. */
static bool is_denied_later(const struct pop_node *node, const char *name)
{
    bool stays_root =
        node->user == NULL || node->user[0] == '\0' || strcmp(node->user, "root") == 0;
    if (geteuid() != 0 || stays_root)
        return false;
    struct buf list;
    buf_init(&list, LIST_MAX_BYTES);
    bool is_denied =
        file_read("/proc/sys/net/ipv4/tcp_allowed_congestion_control", &list) == ERR_OK;
    struct str rest = str_trim(buf_str(&list)), word;
    while (is_denied && rest.len > 0) {
        if (!str_split(rest, ' ', &word, &rest)) {
            word = rest;
            rest = str_from(NULL);
        }
        is_denied = !str_eq_text(word, name);
    }
    buf_fini(&list);
    return is_denied;
}

static void check(const struct pop_node *node, const struct pop_congestion *wish, struct diag *diag)
{
    if (wish->name == NULL)
        return;
    const char *name = wish->name;
    int errnum = ask_kernel(name);
    if (errnum == 0 && is_denied_later(node, name))
        errnum = EPERM;
    if (errnum == ENOENT)
        diag_warning(diag, wish->mark.line, wish->mark.column,
                     "the kernel has no congestion control '%s' (" AVAILABLE
                     ", modprobe tcp_%s): the system's is used",
                     name, name);
    else if (errnum == EPERM)
        diag_warning(diag, wish->mark.line, wish->mark.column,
                     "congestion control '%s' is for root alone until it is in " ALLOWED
                     ": the system's is used",
                     name);
    else if (errnum != 0)
        diag_warning(diag, wish->mark.line, wish->mark.column,
                     "the kernel refuses congestion control '%s': %s; the system's is used", name,
                     strerror(errnum));
}

void congestion_check(const struct pop_node *node, struct diag *diag)
{
    diag_set_file(diag, node->path);
    check(node, &node->congestion, diag);
    check(node, &node->backbone.congestion, diag);
    diag_set_file(diag, NULL);
}

/* Each connection by itself, though it could be had from the listener: there a route's own choice
 * (ip route, congctl) would win, and what root set before it became another user could not be
 * changed by a reload. */
void congestion_set(int fd, const char *name)
{
    if (name != NULL && !set(fd, name))
        log_limited(LOG_LEVEL_WARN, "congestion", "name=%s problem=\"%s\"", name, strerror(errno));
}
