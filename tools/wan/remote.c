/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/remote.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/wan/fd_pass.h"
#include "tools/wan/isolation.h"
#include "tools/wan/run_folder.h"

enum {
    ANSWER_MAX_BYTES = 4 << 20,
    PIECE_BYTES = 4096,
    SIGNAL_STATUS = 128,
    NOT_FOUND_STATUS = 127
};

static enum err send_line(int fd, struct str line, struct diag *diag)
{
    struct buf text;
    buf_init(&text, ANSWER_MAX_BYTES);
    buf_append_str(&text, line);
    buf_append_text(&text, "\n");
    ssize_t sent = send(fd, text.bytes, text.len, MSG_NOSIGNAL);
    enum err err = sent == (ssize_t)text.len
                       ? ERR_OK
                       : diag_errno(diag, errno, "cannot talk to the running wan");
    buf_fini(&text);
    return err;
}

/* Everything up to the end; `out_fds` are the descriptors that came with it. */
static enum err read_answer(int fd, struct diag *diag, struct buf *out, int out_fds[FD_PASS_MAX],
                            size_t *out_fd_count)
{
    char piece[PIECE_BYTES];
    for (;;) {
        size_t len = 0, fd_count = 0;
        int fds[FD_PASS_MAX];
        enum err err = fd_pass_receive(fd, piece, sizeof(piece), &len, fds, &fd_count);
        if (err == ERR_NOT_FOUND)
            break;
        if (err != ERR_OK)
            return diag_errno(diag, errno, "cannot hear the running wan");
        buf_append(out, piece, len);
        for (size_t i = 0; i < fd_count; i++)
            out_fds[i] = fds[i];
        *out_fd_count += fd_count;
    }
    struct str head, body;
    str_split(buf_str(out), '\n', &head, &body);
    if (str_eq_text(head, "ok"))
        return ERR_OK;
    if (str_starts_with(head, STR("error ")))
        return diag_error(diag, 0, 0, "%.*s", (int)head.len - 6, head.ptr + 6);
    return diag_error(diag, 0, 0, "the running wan hung up");
}

static enum err talk(const char *socket, struct str line, struct diag *diag, struct buf *out,
                     int out_fds[FD_PASS_MAX], size_t *out_fd_count)
{
    int fd = -1;
    enum err err = run_folder_connect(socket, diag, &fd);
    if (err != ERR_OK)
        return err;
    err = send_line(fd, line, diag);
    if (err == ERR_OK)
        err = read_answer(fd, diag, out, out_fds, out_fd_count);
    close(fd);
    return err;
}

enum err remote_ask(const char *socket, struct str line, struct diag *diag)
{
    struct buf answer;
    int fds[FD_PASS_MAX];
    size_t fd_count = 0;
    buf_init(&answer, ANSWER_MAX_BYTES);
    enum err err = talk(socket, line, diag, &answer, fds, &fd_count);
    if (err == ERR_OK) {
        struct str head, body;
        str_split(buf_str(&answer), '\n', &head, &body);
        fwrite(body.ptr, 1, body.len, stdout);
    }
    buf_fini(&answer);
    return err;
}

static _Noreturn void become(char *const command[])
{
    execvp(command[0], command);
    fprintf(stderr, "wan: cannot run '%s': %s\n", command[0], strerror(errno));
    _exit(NOT_FOUND_STATUS);
}

/* The command as a child inside, which goes when this process does. */
static enum err run_child(char *const command[], struct diag *diag, int *out_status)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return diag_errno(diag, errno, "cannot fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        become(command);
    }
    (void)waitpid(pid, &status, 0); /* no signal has a handler here */
    *out_status = WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_STATUS + WTERMSIG(status);
    return ERR_OK;
}

enum err remote_exec(const char *socket, const char *site, char *const command[], struct diag *diag,
                     int *out_status)
{
    struct buf answer, line;
    int fds[FD_PASS_MAX];
    size_t fd_count = 0;
    bool is_outside = false;
    buf_init(&answer, ANSWER_MAX_BYTES);
    buf_init(&line, PIECE_BYTES);
    buf_append_format(&line, "enter %s", site);
    enum err err = talk(socket, buf_str(&line), diag, &answer, fds, &fd_count);
    if (err == ERR_OK && fd_count != ISOLATION_WALL_COUNT)
        err = diag_error(diag, 0, 0, "the running wan sent no way in");
    if (err == ERR_OK)
        err = isolation_enter(fds, diag, &is_outside);
    buf_fini(&line);
    buf_fini(&answer);
    if (err != ERR_OK)
        return err;
    setenv("STEER_WAN_SITE", site, 1);
    if (is_outside)
        return run_child(command, diag, out_status);
    become(command);
}
