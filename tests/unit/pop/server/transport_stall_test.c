/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that reads slowly, but all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pop/server/transport.h"
#include "steering/base/mem.h"

enum { STALL_MS = 3000, SIP_MS = 40, SIP_BYTES = 256, SMALL_BYTES = 4096 };

static uv_loop_t loop;
static struct io io;
static uv_timer_t sip;
static int peer_fd;
static bool is_closed;

static size_t on_pull(void *owner, uint8_t *out, size_t capacity)
{
    (void)owner;
    memset(out, 'x', capacity);
    return capacity;
}

static void on_open(void *owner)
{
    struct transport **transport = owner;
    transport_mark(*transport);
}

static void on_bytes(void *owner, const uint8_t *bytes, size_t len)
{
    (void)owner, (void)bytes, (void)len;
}

static void on_end(void *owner)
{
    (void)owner;
}

static void on_closed(void *owner, enum transport_cause cause)
{
    (void)owner, (void)cause;
    is_closed = true;
}

static const struct transport_events events = {
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_pull = on_pull,
    .on_closed = on_closed,
};

static void on_sip(uv_timer_t *timer)
{
    char bytes[SIP_BYTES];
    (void)timer;
    (void)!recv(peer_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

/* What it has of a connection's other end is small. */
static int connect_peer(void)
{
    const int small = SMALL_BYTES;
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 &&
                listen(listener, 1) == 0 &&
                getsockname(listener, (struct sockaddr *)&name, &len) == 0);
    peer_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(peer_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(connect(peer_fd, (struct sockaddr *)&name, sizeof(name)), 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    close(listener);
    return fd;
}

/* Turns the loop until the kernel has taken nothing for twice as long as a stall lasts. */
static void wait_between_takes(const struct transport *transport)
{
    uint64_t put_bytes = UINT64_MAX, since_ms = uv_now(&loop);
    while (uv_now(&loop) - since_ms < 2 * STALL_MS) {
        uv_run(&loop, UV_RUN_ONCE);
        assert_false(is_closed);
        struct transport_flow flow = transport_flow(transport);
        assert_true(flow.arrived_bytes <= flow.put_bytes);
        if (flow.put_bytes != put_bytes)
            since_ms = uv_now(&loop);
        put_bytes = flow.put_bytes;
    }
}

/* Its kernel takes tens of kilobytes at once, then nothing for longer than a stall. */
static void test_a_slow_peer_is_no_stall(void **state)
{
    struct transport *transport = NULL;
    const struct transport_settings settings = {
        .events = &events, .owner = &transport, .write_stall_ms = STALL_MS, .is_client_leg = true
    };
    struct diag diag;
    (void)state;
    diag_init(&diag);
    uv_loop_init(&loop);
    assert_int_equal(io_open(&io, &loop, &diag), ERR_OK);
    diag_fini(&diag);
    transport = transport_accept(&io, connect_peer(), &settings, NULL, 0);
    uv_timer_init(&loop, &sip);
    uv_timer_start(&sip, on_sip, SIP_MS, SIP_MS);
    wait_between_takes(transport);
    struct transport_flow flow = transport_flow(transport);
    assert_true(flow.is_blocked && flow.arrived_bytes > 0);
    transport_abort(transport);
    while (!is_closed)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&sip, NULL);
    io_close(&io);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(peer_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_peer_is_no_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
