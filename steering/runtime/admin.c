/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/admin.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/runtime/admin_socket.h"

enum {
    HEAD_MAX_BYTES = 32768,
    REPLY_MAX_BYTES = 64 << 20,
    LISTENER_MAX = 2,
};

/* One listening socket: libmicrohttpd serves one each. */
struct listener {
    struct admin *admin;
    int fd;
    bool takes_orders; /* not only GET */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    bool is_running; /* inside MHD_run: replies must not start it again */
};

struct admin {
    struct listener listeners[LISTENER_MAX];
    size_t listener_count;
    char *socket_path;
    struct stat socket_file; /* what we made there */
    uint16_t tcp_port;
    const struct admin_route *routes;
    size_t route_count;
    void *owner;
    struct admin_request *open; /* all that have no answer yet */
    unsigned handles_open;
};

struct admin_request {
    struct listener *listener;
    struct admin_request *next, **link; /* link: what points at us */
    struct MHD_Connection *connection;
    struct MHD_Response *response;
    unsigned status;
    size_t body_bytes;
    bool is_suspended;
};

/* ---- running libmicrohttpd inside the loop ------------------------------------------------ */

static void run(struct listener *listener);

static void on_timer(uv_timer_t *timer)
{
    run(container_of(timer, struct listener, timer));
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(container_of(poll, struct listener, poll));
}

static void run(struct listener *listener)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (listener->is_running)
        return;
    listener->is_running = true;
    MHD_run(listener->daemon);
    listener->is_running = false;
    if (MHD_get_timeout(listener->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&listener->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&listener->timer);
}

/* ---- requests ------------------------------------------------------------------------------ */

static struct admin_request *request_new(struct listener *listener,
                                         struct MHD_Connection *connection)
{
    struct admin_request *request = mem_calloc(1, sizeof(*request));
    struct admin *admin = listener->admin;
    request->listener = listener;
    request->connection = connection;
    request->next = admin->open;
    request->link = &admin->open;
    if (admin->open != NULL)
        admin->open->link = &request->next;
    admin->open = request;
    return request;
}

static void request_free(struct admin_request *request)
{
    *request->link = request->next;
    if (request->next != NULL)
        request->next->link = request->link;
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    free(request);
}

static void on_completed(void *owner, struct MHD_Connection *connection, void **request_at,
                         enum MHD_RequestTerminationCode how)
{
    (void)owner;
    (void)connection;
    (void)how;
    if (*request_at != NULL)
        request_free(*request_at);
    *request_at = NULL;
}

void admin_reply(struct admin_request *request, unsigned status, const char *content_type,
                 struct str body)
{
    assert(request->response == NULL);
    void *bytes = mem_dup(body.len > 0 ? body.ptr : "", body.len > 0 ? body.len : 1);
    request->response = MHD_create_response_from_buffer(body.len, bytes, MHD_RESPMEM_MUST_FREE);
    assert(request->response != NULL);
    request->status = status;
    MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(request->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (request->is_suspended) {
        request->is_suspended = false;
        MHD_resume_connection(request->connection);
        run(request->listener);
    }
}

void admin_reply_json(struct admin_request *request, unsigned status, json_t *value)
{
    struct buf text;
    buf_init(&text, REPLY_MAX_BYTES);
    json_format_pretty(value, &text);
    admin_reply(request, status, "application/json", buf_str(&text));
    buf_fini(&text);
    json_decref(value);
}

void admin_reply_error(struct admin_request *request, unsigned status, const char *format, ...)
{
    struct buf text;
    va_list args;
    buf_init(&text, REPLY_MAX_BYTES);
    va_start(args, format);
    buf_append_vformat(&text, format, args);
    va_end(args);
    json_t *value = json_object();
    json_set_int(value, "v", 1);
    json_set_str(value, "error", buf_str(&text));
    buf_fini(&text);
    admin_reply_json(request, status, value);
}

const char *admin_argument(const struct admin_request *request, const char *key)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, key);
}

static void reply_unknown(struct admin_request *request, const char *path)
{
    const struct admin *admin = request->listener->admin;
    json_t *value = json_object();
    json_t *routes = json_array();
    json_set_int(value, "v", 1);
    json_set_str(value, "error", STR("no such route"));
    json_set_str(value, "path", str_from(path));
    for (size_t i = 0; i < admin->route_count; i++) {
        json_t *row = json_object();
        json_set_str(row, "method", str_from(admin->routes[i].method));
        json_set_str(row, "path", str_from(admin->routes[i].path));
        json_set_str(row, "about", str_from(admin->routes[i].about));
        json_array_append_new(routes, row);
    }
    json_object_set_new(value, "routes", routes);
    admin_reply_json(request, MHD_HTTP_NOT_FOUND, value);
}

/* A browser adds Origin to what a foreign web page makes it post here. */
static bool is_from_web_page(const struct admin_request *request)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Origin") != NULL;
}

/* Why an order that this listener has a route for is refused; NULL: it is not. */
static const char *why_not(const struct admin_request *request)
{
    if (!request->listener->takes_orders)
        return "over TCP only GET, for everybody on this machine may come here; use the unix "
               "socket, or 'listen_orders' of 'admin' in the node file";
    return is_from_web_page(request) ? "not for web pages" : NULL;
}

static void dispatch(struct admin_request *request, const char *method, const char *path)
{
    const struct admin *admin = request->listener->admin;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const struct admin_route *other = NULL;
    for (size_t i = 0; i < admin->route_count; i++) {
        const struct admin_route *route = &admin->routes[i];
        if (strcmp(route->path, path) != 0)
            continue;
        other = route;
        if (strcmp(route->method, wanted) != 0)
            continue;
        const char *refusal = strcmp(route->method, "GET") != 0 ? why_not(request) : NULL;
        if (request->body_bytes > ADMIN_BODY_MAX)
            admin_reply_error(request, 413, "a body of at most %d bytes, please", ADMIN_BODY_MAX);
        else if (refusal != NULL)
            admin_reply_error(request, 403, "%s", refusal);
        else
            route->on_request(admin->owner, request);
        return;
    }
    if (other == NULL) {
        reply_unknown(request, path);
        return;
    }
    admin_reply_error(request, 405, "%s takes %s", path, other->method);
    MHD_add_response_header(request->response, MHD_HTTP_HEADER_ALLOW, other->method);
}

/* rule zero: the parameters are libmicrohttpd's. It calls this for the head, for each piece of the
 * body, at the end, and once more after a suspended connection was resumed. */
static enum MHD_Result on_access(void *owner, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *body,
                                 size_t *body_bytes, void **request_at)
{
    (void)version;
    (void)body;
    struct admin_request *request = *request_at;
    if (request == NULL) {
        *request_at = request_new(owner, connection);
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        /* No route reads a body; the count stops growing where it stops mattering. */
        if (request->body_bytes <= ADMIN_BODY_MAX)
            request->body_bytes += *body_bytes;
        *body_bytes = 0;
        return MHD_YES;
    }
    if (request->response == NULL)
        dispatch(request, method, path);
    if (request->response != NULL)
        return MHD_queue_response(connection, request->status, request->response);
    request->is_suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

/* ---- opening and closing ------------------------------------------------------------------- */

static void add_listener(struct admin *admin, int fd, bool takes_orders)
{
    struct listener *listener = &admin->listeners[admin->listener_count++];
    *listener = (struct listener){ .admin = admin, .fd = fd, .takes_orders = takes_orders };
}

enum err admin_open(const struct admin_settings *settings, struct diag *diag,
                    struct admin **out_admin)
{
    struct admin *admin = mem_calloc(1, sizeof(*admin));
    enum err err = ERR_OK;
    int fd = -1;
    admin->routes = settings->routes;
    admin->route_count = settings->route_count;
    admin->owner = settings->owner;
    if (settings->socket_path != NULL) {
        err = admin_socket_open_unix(settings->socket_path, diag, &fd);
        if (err != ERR_OK)
            goto out;
        admin->socket_path = file_absolute(settings->socket_path);
        if (lstat(admin->socket_path, &admin->socket_file) != 0)
            admin->socket_file = (struct stat){ .st_nlink = 0 };
        add_listener(admin, fd, true);
    }
    if (settings->has_tcp) {
        err = admin_socket_open_tcp(&settings->tcp_addr, settings->tcp_port, diag, &fd,
                                    &admin->tcp_port);
        if (err != ERR_OK)
            goto out;
        add_listener(admin, fd, settings->tcp_takes_orders);
    }
    *out_admin = admin;
    admin = NULL;
out:
    admin_close(admin);
    return err;
}

static enum err start_listener(struct listener *listener, uv_loop_t *loop, struct diag *diag)
{
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, listener,
        MHD_OPTION_LISTEN_SOCKET, listener->fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)ADMIN_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (listener->daemon == NULL)
        return diag_error(diag, 0, 0, "the admin server does not start");
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    assert(info != NULL);
    uv_poll_init(loop, &listener->poll, info->epoll_fd);
    uv_timer_init(loop, &listener->timer);
    listener->admin->handles_open += 2;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    run(listener);
    return ERR_OK;
}

enum err admin_start(struct admin *admin, uv_loop_t *loop, struct diag *diag)
{
    for (size_t i = 0; i < admin->listener_count; i++) {
        enum err err = start_listener(&admin->listeners[i], loop, diag);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static void admin_free(struct admin *admin)
{
    free(admin->socket_path);
    free(admin);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct admin *admin = handle->data;
    if (--admin->handles_open == 0)
        admin_free(admin);
}

static struct admin_request *find_suspended(const struct admin *admin)
{
    for (struct admin_request *request = admin->open; request != NULL; request = request->next)
        if (request->is_suspended)
            return request;
    return NULL;
}

static void reply_to_open(struct admin *admin)
{
    struct admin_request *request;
    /* Replying runs other requests, which may end any of the list: it is looked through anew. */
    while ((request = find_suspended(admin)) != NULL)
        admin_reply_error(request, 503, "stopping");
}

static void close_listener(struct listener *listener)
{
    if (listener->daemon == NULL) {
        close(listener->fd);
        return;
    }
    run(listener); /* a last chance for answers that were just made */
    uv_handle_t *handles[] = { (uv_handle_t *)&listener->poll, (uv_handle_t *)&listener->timer };
    for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
        handles[i]->data = listener->admin;
        uv_close(handles[i], on_handle_closed);
    }
    MHD_stop_daemon(listener->daemon); /* closes listener->fd */
}

void admin_remove_socket(const struct admin *admin)
{
    struct stat there;
    if (admin->socket_path != NULL && lstat(admin->socket_path, &there) == 0 &&
        there.st_dev == admin->socket_file.st_dev && there.st_ino == admin->socket_file.st_ino)
        unlink(admin->socket_path);
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    reply_to_open(admin);
    admin_remove_socket(admin);
    for (size_t i = 0; i < admin->listener_count; i++)
        close_listener(&admin->listeners[i]);
    if (admin->handles_open == 0)
        admin_free(admin);
}

const char *admin_socket_path(const struct admin *admin)
{
    return admin->socket_path;
}

uint16_t admin_tcp_port(const struct admin *admin)
{
    return admin->tcp_port;
}
