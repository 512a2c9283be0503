/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering/base/mem.h"
#include "tools/wan/change.h"
#include "tools/wan/fd_pass.h"
#include "tools/wan/status.h"

enum { NO_FD = -1, PROBLEM_MAX_BYTES = 4096 };

static void on_closed(uv_handle_t *handle)
{
    struct control_client *client = container_of(handle, struct control_client, poll);
    client->is_free = true;
}

/* The descriptor can go at once: uv_close has made the loop forget it. */
static void close_client(struct control_client *client)
{
    uv_close((uv_handle_t *)&client->poll, on_closed);
    close(client->fd);
    client->fd = NO_FD;
}

static void answer_set(struct control *control, struct str words, struct buf *out)
{
    struct buf problem;
    size_t count = 0;
    buf_init(&problem, PROBLEM_MAX_BYTES);
    if (change_apply(control->forwarder->network, words, forwarder_now(control->forwarder),
                     &problem, &count))
        buf_append_format(out, "ok\n%zu link%s changed\n", count, count == 1 ? "" : "s");
    else
        buf_append_format(out, "error %s\n", buf_text(&problem));
    buf_fini(&problem);
}

static void answer_enter(struct control *control, int client_fd, struct str name, struct buf *out)
{
    int fds[ISOLATION_WALL_COUNT];
    size_t site = 0;
    if (!matrix_find_site(control->forwarder->network->matrix, name, &site)) {
        buf_append_format(out, "error there is no site '%.*s'\n", STR_ARG(name));
        return;
    }
    memcpy(fds, control->wall_fds, sizeof(fds));
    fds[ISOLATION_NET] = control->sites[site].net_fd;
    if (fd_pass_send(client_fd, STR("ok\n"), fds, ISOLATION_WALL_COUNT) != ERR_OK)
        buf_append_format(out, "error %s\n", strerror(errno));
}

static void answer(struct control *control, int client_fd, struct str line, struct buf *out)
{
    struct str verb, rest;
    str_split(str_trim(line), ' ', &verb, &rest);
    rest = str_trim(rest);
    if (str_eq_text(verb, "status") && rest.len == 0) {
        buf_append_text(out, "ok\n");
        status_text(control->forwarder, control->seed, out);
    } else if (str_eq_text(verb, "status") && str_eq_text(rest, "json")) {
        buf_append_text(out, "ok\n");
        status_json(control->forwarder, control->seed, out);
    } else if (str_eq_text(verb, "set")) {
        answer_set(control, rest, out);
    } else if (str_eq_text(verb, "enter")) {
        answer_enter(control, client_fd, rest, out);
    } else {
        buf_append_text(out, "error expected status, set or enter\n");
    }
}

static void on_line(struct control_client *client, struct str line)
{
    struct buf out;
    buf_init(&out, CONTROL_ANSWER_MAX);
    answer(client->control, client->fd, line, &out);
    /* Into the socket's buffer, or not at all: packets do not wait for a slow reader. */
    size_t sent = 0;
    while (sent < out.len) {
        ssize_t more =
            send(client->fd, out.bytes + sent, out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (more <= 0)
            break;
        sent += (size_t)more;
    }
    buf_fini(&out);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct control_client *client = container_of(poll, struct control_client, poll);
    size_t room = sizeof(client->line) - client->len;
    (void)status;
    (void)events;
    ssize_t len = recv(client->fd, client->line + client->len, room, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len > 0) {
        client->len += (size_t)len;
        const char *end = memchr(client->line, '\n', client->len);
        if (end == NULL && client->len < sizeof(client->line))
            return;
        if (end != NULL)
            on_line(client, (struct str){ client->line, (size_t)(end - client->line) });
    }
    close_client(client);
}

static struct control_client *find_room(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENT_MAX; i++)
        if (control->clients[i].is_free)
            return &control->clients[i];
    return NULL;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct control *control = container_of(poll, struct control, poll);
    (void)status;
    (void)events;
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct control_client *client = find_room(control);
    if (client == NULL) {
        close(fd);
        return;
    }
    client->control = control;
    client->is_free = false;
    client->fd = fd;
    client->len = 0;
    uv_poll_init(control->forwarder->loop, &client->poll, fd);
    uv_poll_start(&client->poll, UV_READABLE, on_readable);
}

enum err control_open(struct control *control, struct forwarder *forwarder,
                      const struct isolation_site *sites, uint64_t seed, int listen_fd,
                      struct diag *diag)
{
    control->forwarder = forwarder;
    control->sites = sites;
    control->seed = seed;
    control->listen_fd = listen_fd;
    for (size_t i = 0; i < CONTROL_CLIENT_MAX; i++)
        control->clients[i] = (struct control_client){ .fd = NO_FD, .is_free = true };
    enum err err = isolation_open(diag, control->wall_fds);
    if (err != ERR_OK)
        return err;
    uv_poll_init(forwarder->loop, &control->poll, listen_fd);
    uv_poll_start(&control->poll, UV_READABLE, on_connection);
    return ERR_OK;
}

void control_close(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENT_MAX; i++)
        if (control->clients[i].fd != NO_FD)
            close_client(&control->clients[i]);
    uv_close((uv_handle_t *)&control->poll, NULL);
    for (int i = 0; i < ISOLATION_NET; i++)
        close(control->wall_fds[i]);
    close(control->listen_fd);
}
