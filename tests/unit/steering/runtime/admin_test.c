/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "steering/base/mem.h"
#include "steering/runtime/admin.h"

enum { REPLY_MAX = 65536 };

struct rig {
    char folder[64], path[96];
    uv_loop_t loop;
    struct admin *admin;
    struct admin_request *deferred;
    uv_timer_t later;
    unsigned calls;
};

static void on_hello(void *owner, struct admin_request *request)
{
    struct rig *rig = owner;
    const char *name = admin_argument(request, "name");
    rig->calls++;
    json_t *value = json_object();
    json_set_str(value, "hello", str_from(name == NULL ? "nobody" : name));
    admin_reply_json(request, 200, value);
}

static void on_later(uv_timer_t *timer)
{
    struct rig *rig = timer->data;
    admin_reply(rig->deferred, 202, "text/plain", STR("at last"));
}

static void on_slow(void *owner, struct admin_request *request)
{
    struct rig *rig = owner;
    rig->deferred = request;
    uv_timer_start(&rig->later, on_later, 20, 0);
}

static void on_never(void *owner, struct admin_request *request)
{
    struct rig *rig = owner;
    rig->deferred = request;
}

static const struct admin_route routes[] = {
    { "GET", "/hello", "greets", on_hello },
    { "POST", "/slow", "answers later", on_slow },
    { "POST", "/never", "does not answer", on_never },
};

static int setup(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    struct diag diag;
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/admin_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->path, sizeof(rig->path), "%s/admin.sock", rig->folder);
    uv_loop_init(&rig->loop);
    uv_timer_init(&rig->loop, &rig->later);
    rig->later.data = rig;
    diag_init(&diag);
    const struct admin_settings settings = { .socket_path = rig->path,
                                             .has_tcp = true,
                                             .tcp_addr = addr_from_v4_u32(0x7f000001),
                                             .routes = routes,
                                             .route_count = ARRAY_SIZE(routes),
                                             .owner = rig };
    assert_int_equal(admin_open(&settings, &diag, &rig->admin), ERR_OK);
    assert_int_equal(admin_start(rig->admin, &rig->loop, &diag), ERR_OK);
    diag_fini(&diag);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    admin_close(rig->admin);
    uv_close((uv_handle_t *)&rig->later, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    assert_int_equal(access(rig->path, F_OK), -1);
    rmdir(rig->folder);
    free(rig);
    return 0;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* A client that speaks while the loop runs: the reply up to the end of the connection. */
struct client {
    int fd;
    const char *request;
    char reply[REPLY_MAX];
    uv_async_t done;
};

static void *speak(void *arg)
{
    struct client *client = arg;
    size_t len = strlen(client->request), got = 0, sent = 0;
    while (sent < len) {
        ssize_t n = send(client->fd, client->request + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    for (;;) {
        ssize_t n = recv(client->fd, client->reply + got, sizeof(client->reply) - 1 - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    uv_async_send(&client->done);
    return NULL;
}

static void on_done(uv_async_t *done)
{
    uv_stop(done->loop);
    uv_close((uv_handle_t *)done, NULL);
}

static struct client *ask_at(struct rig *rig, int fd, const char *request)
{
    struct client *client = mem_calloc(1, sizeof(*client));
    pthread_t thread;
    client->fd = fd;
    client->request = request;
    uv_async_init(&rig->loop, &client->done, on_done);
    assert_int_equal(pthread_create(&thread, NULL, speak, client), 0);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    uv_run(&rig->loop, UV_RUN_NOWAIT); /* the handle is closed */
    pthread_join(thread, NULL);
    close(client->fd);
    return client;
}

static void expect(struct rig *rig, const char *request, const char *status, const char *body)
{
    struct client *client = ask_at(rig, connect_unix(rig->path), request);
    bool has_reply = client->reply[0] != '\0';
    if (has_reply != (status[0] != '\0') ||
        (has_reply && strncmp(client->reply + strlen("HTTP/1.1 "), status, strlen(status)) != 0) ||
        strstr(client->reply, body) == NULL)
        fail_msg("wanted %s %s, got\n%s", status, body, client->reply);
    free(client);
}

#define REQUEST(head) head "\r\nHost: x\r\nConnection: close\r\n\r\n"

static void test_routes_are_found_by_method_and_path(void **state)
{
    struct rig *rig = *state;
    static const struct row {
        const char *request, *status, *body;
    } rows[] = {
        { REQUEST("GET /hello HTTP/1.1"), "200", "nobody" },
        { REQUEST("GET /hello?name=a%20b&x=1 HTTP/1.1"), "200", "a b" },
        { REQUEST("HEAD /hello HTTP/1.1"), "200", "application/json" },
        { REQUEST("POST /hello HTTP/1.1\r\nContent-Length: 0"), "405", "Allow: GET" },
        { REQUEST("DELETE /slow HTTP/1.1"), "405", "POST" },
        { REQUEST("GET / HTTP/1.1"), "404", "\"path\": \"/hello\"" },
        { REQUEST("GET /hello/ HTTP/1.1"), "404", "no such route" },
        { REQUEST("POST /slow HTTP/1.1\r\nContent-Length: 0\r\nOrigin: http://evil"), "403",
          "web" },
        { "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n", "400", "" },
        { "rubbish\r\n\r\n", "", "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect(rig, rows[i].request, rows[i].status, rows[i].body);
    assert_int_equal(rig->calls, 3);
}

static void test_reply_may_come_later(void **state)
{
    expect(*state, REQUEST("POST /slow HTTP/1.1\r\nContent-Length: 0"), "202", "at last");
}

static void test_large_bodies_are_refused(void **state)
{
    struct rig *rig = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_text(&text, "POST /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           "Content-Length: 20000\r\n\r\n");
    for (int i = 0; i < 20000; i++)
        buf_append_text(&text, "x");
    expect(rig, buf_text(&text), "413", "4096");
    buf_fini(&text);
}

static void test_large_heads_are_refused(void **state)
{
    struct rig *rig = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_text(&text, "GET /hello HTTP/1.1\r\nHost: x\r\nX: ");
    for (int i = 0; i < 60000; i++)
        buf_append_text(&text, "x");
    buf_append_text(&text, "\r\n\r\n");
    expect(rig, buf_text(&text), "4", "");
    buf_fini(&text);
    assert_int_equal(rig->calls, 0);
}

static int connect_tcp(const struct admin *admin)
{
    struct sockaddr_storage to;
    struct addr addr = addr_from_v4_u32(0x7f000001);
    socklen_t len = addr_to_sockaddr(&addr, admin_tcp_port(admin), &to);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, len), 0);
    return fd;
}

static void test_loopback_tcp_answers_too(void **state)
{
    struct rig *rig = *state;
    struct client *client = ask_at(rig, connect_tcp(rig->admin), REQUEST("GET /hello HTTP/1.1"));
    assert_non_null(strstr(client->reply, "nobody"));
    free(client);
}

/* Everybody on the machine may connect there. */
static void test_loopback_tcp_takes_no_orders(void **state)
{
    struct rig *rig = *state;
    static const char order[] = REQUEST("POST /slow HTTP/1.1\r\nContent-Length: 0");
    struct client *client = ask_at(rig, connect_tcp(rig->admin), order);
    assert_non_null(strstr(client->reply, " 403 "));
    assert_non_null(strstr(client->reply, "listen_orders"));
    assert_null(rig->deferred);
    free(client);
    expect(rig, order, "202", "at last"); /* the unix socket does */
}

static void test_loopback_tcp_takes_orders_when_told_so(void **state)
{
    struct rig *rig = *state;
    struct diag diag;
    const struct admin_settings settings = { .has_tcp = true,
                                             .tcp_addr = addr_from_v4_u32(0x7f000001),
                                             .tcp_takes_orders = true,
                                             .routes = routes,
                                             .route_count = ARRAY_SIZE(routes),
                                             .owner = rig };
    struct admin *other = NULL;
    diag_init(&diag);
    assert_int_equal(admin_open(&settings, &diag, &other), ERR_OK);
    assert_int_equal(admin_start(other, &rig->loop, &diag), ERR_OK);
    diag_fini(&diag);
    struct client *client =
        ask_at(rig, connect_tcp(other), REQUEST("POST /slow HTTP/1.1\r\nContent-Length: 0"));
    assert_non_null(strstr(client->reply, "at last"));
    free(client);
    admin_close(other);
}

static void test_close_answers_what_is_open(void **state)
{
    struct rig *rig = *state;
    int fd = connect_unix(rig->path);
    const char *text = "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    char reply[1024] = "";
    assert_true(send(fd, text, strlen(text), 0) > 0);
    while (rig->deferred == NULL)
        uv_run(&rig->loop, UV_RUN_ONCE);
    admin_close(rig->admin); /* twice would be wrong: teardown gets an empty one */
    assert_true(recv(fd, reply, sizeof(reply) - 1, 0) > 0);
    assert_non_null(strstr(reply, "503"));
    close(fd);
    rig->admin = NULL;
}

/* The answers of admin_close let another request of its list come to its end. */
static void test_close_outlives_requests_that_end_meanwhile(void **state)
{
    struct rig *rig = *state;
    static const char first[] = "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
    static const char second[] = "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    char reply[1024] = "";
    int unfinished = connect_unix(rig->path);
    assert_true(send(unfinished, first, strlen(first), 0) > 0);
    for (int unread = 1; unread > 0; assert_int_equal(ioctl(unfinished, SIOCOUTQ, &unread), 0))
        uv_run(&rig->loop, UV_RUN_ONCE);
    int suspended[2];
    for (size_t i = 0; i < ARRAY_SIZE(suspended); i++) {
        suspended[i] = connect_unix(rig->path);
        assert_true(send(suspended[i], second, strlen(second), 0) > 0);
        for (rig->deferred = NULL; rig->deferred == NULL;)
            uv_run(&rig->loop, UV_RUN_ONCE);
    }
    assert_int_equal(rig->calls, 0);
    assert_int_equal(send(unfinished, "x", 1, 0), 1);
    admin_close(rig->admin);
    rig->admin = NULL;
    assert_int_equal(rig->calls, 1);
    for (size_t i = 0; i < ARRAY_SIZE(suspended); i++) {
        assert_true(recv(suspended[i], reply, sizeof(reply) - 1, 0) > 0);
        assert_non_null(strstr(reply, "503"));
        close(suspended[i]);
    }
    close(unfinished);
}

static void test_socket_has_mode_0660(void **state)
{
    struct rig *rig = *state;
    struct stat info;
    assert_int_equal(stat(rig->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
}

static enum err open_at(const char *path, struct diag *diag)
{
    struct admin *admin = NULL;
    const struct admin_settings settings = { .socket_path = path };
    enum err err = admin_open(&settings, diag, &admin);
    if (err == ERR_OK)
        admin_close(admin);
    return err;
}

static void test_open_removes_only_what_is_stale(void **state)
{
    struct rig *rig = *state;
    char path[128];
    struct diag diag;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    diag_init(&diag);
    assert_int_equal(open_at(rig->path, &diag), ERR_EXISTS);
    assert_non_null(strstr(diag_first(&diag), "another process"));

    snprintf(path, sizeof(path), "%s/stale", rig->folder);
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd); /* the file stays, as after kill -9 */
    assert_int_equal(open_at(path, &diag), ERR_OK);

    FILE *file = fopen(path, "w");
    fclose(file);
    assert_int_equal(open_at(path, &diag), ERR_EXISTS);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    diag_fini(&diag);
}

/* Somebody removed the socket of a running server, and another one listens there by now. */
static void test_close_leaves_the_socket_of_another(void **state)
{
    struct rig *rig = *state;
    struct admin *first = NULL, *second = NULL;
    struct diag diag;
    char path[128];
    snprintf(path, sizeof(path), "%s/shared", rig->folder);
    const struct admin_settings settings = { .socket_path = path };
    diag_init(&diag);
    assert_int_equal(admin_open(&settings, &diag, &first), ERR_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(admin_open(&settings, &diag, &second), ERR_OK);
    admin_close(first);
    assert_int_equal(access(path, F_OK), 0);
    admin_close(second);
    assert_int_equal(access(path, F_OK), -1);
    diag_fini(&diag);
}

static void test_open_refuses_public_addresses(void **state)
{
    (void)state;
    struct admin *admin = NULL;
    struct diag diag;
    static const char *const addresses[] = { "0.0.0.0", "192.0.2.1", "::", "2001:db8::1" };
    diag_init(&diag);
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct admin_settings settings = { .has_tcp = true };
        assert_true(addr_parse(str_from(addresses[i]), &settings.tcp_addr));
        assert_int_equal(admin_open(&settings, &diag, &admin), ERR_INVALID);
    }
    diag_fini(&diag);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_routes_are_found_by_method_and_path),
        WITH_RIG(test_reply_may_come_later),
        WITH_RIG(test_large_bodies_are_refused),
        WITH_RIG(test_large_heads_are_refused),
        WITH_RIG(test_loopback_tcp_answers_too),
        WITH_RIG(test_loopback_tcp_takes_no_orders),
        WITH_RIG(test_loopback_tcp_takes_orders_when_told_so),
        WITH_RIG(test_close_answers_what_is_open),
        WITH_RIG(test_close_outlives_requests_that_end_meanwhile),
        WITH_RIG(test_socket_has_mode_0660),
        WITH_RIG(test_open_removes_only_what_is_stale),
        WITH_RIG(test_close_leaves_the_socket_of_another),
        cmocka_unit_test(test_open_refuses_public_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
