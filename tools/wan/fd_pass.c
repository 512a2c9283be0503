/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/fd_pass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr head; /* for alignment */
    char bytes[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
};

enum err fd_pass_send(int socket_fd, struct str text, const int *fds, size_t fd_count)
{
    union control control;
    char *copy = (char *)(uintptr_t)text.ptr; /* sendmsg does not write to it */
    struct iovec piece = { .iov_base = copy, .iov_len = text.len };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    assert(fd_count <= FD_PASS_MAX);
    if (fd_count > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(head), fds, sizeof(int) * fd_count);
    }
    ssize_t sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    return sent == (ssize_t)text.len ? ERR_OK : ERR_IO;
}

enum err fd_pass_receive(int socket_fd, void *out_text, size_t capacity, size_t *out_len,
                         int out_fds[FD_PASS_MAX], size_t *out_fd_count)
{
    union control control;
    struct iovec piece = { .iov_base = out_text, .iov_len = capacity };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    ssize_t got = -1;
    do {
        got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got == 0 ? ERR_NOT_FOUND : ERR_IO;
    *out_len = (size_t)got;
    *out_fd_count = 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
        *out_fd_count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(out_fds, CMSG_DATA(head), sizeof(int) * *out_fd_count);
    }
    return ERR_OK;
}
