/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, with a kernel that has as many connections to accept as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pop/server/client_conn.h"
#include "steering/base/mem.h"

enum { QUEUE_MAX = 4096, ENDLESS = 1 << 20 };

static struct {
    unsigned queued, accepted, taken;
} seen;

/* With the type that the C library gives it. */
int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
    (void)fd, (void)flags;
    const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(1) };
    if (seen.accepted >= seen.queued) {
        errno = EAGAIN;
        return -1;
    }
    if (++seen.accepted == ENDLESS)
        fail_msg("it accepts for ever");
    memcpy(addr.__sockaddr__, &peer, sizeof(peer));
    *len = sizeof(peer);
    return dup(STDERR_FILENO);
}

void client_conn_new(struct clients *clients, size_t listen, int fd, const struct addr *peer,
                     uint16_t peer_port)
{
    (void)clients, (void)listen, (void)peer, (void)peer_port;
    seen.taken++;
    close(fd);
}

size_t clients_max(const struct clients *clients)
{
    (void)clients;
    return SIZE_MAX;
}

bool clients_admits(const struct clients *clients, const struct addr *addr)
{
    (void)clients, (void)addr;
    return true;
}

bool clients_close_idle(struct clients *clients)
{
    (void)clients;
    return false;
}

void clients_check_drained(struct clients *clients)
{
    (void)clients;
}

static void stop_with(unsigned queued)
{
    struct pop_listen listen_on = { .kind = POP_LISTEN_HTTPS };
    struct pop_node node = { .listens = &listen_on, .listen_count = 1 };
    struct settings settings = { .node = &node };
    struct tally *tally = mem_calloc(1, sizeof(*tally));
    struct worker worker = { .settings = &settings, .tally = tally };
    struct clients clients = { .worker = &worker, .listener_count = 1, .spare_fd = -1 };
    struct client_listener listener = { .clients = &clients };
    memset(&seen, 0, sizeof(seen));
    seen.queued = queued;
    uv_loop_init(&worker.loop);
    clients.listeners = &listener;
    listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    clients_accept_start(&clients);
    assert_int_equal(clients.open_listeners, 1);
    clients_accept_stop(&clients);
    assert_int_equal(listener.fd, -1);
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    assert_int_equal(clients.open_listeners, 0);
    assert_int_equal(uv_loop_close(&worker.loop), 0);
    free(tally);
}

/* The kernel would reset what waits. */
static void test_stop_takes_what_is_queued(void **state)
{
    (void)state;
    static const unsigned counts[] = { 0, 1, 100, QUEUE_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        stop_with(counts[i]);
        assert_int_equal(seen.taken, counts[i]);
    }
}

static void test_stop_ends_while_clients_come(void **state)
{
    (void)state;
    stop_with(UINT32_MAX);
    assert_in_range(seen.taken, QUEUE_MAX, QUEUE_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_takes_what_is_queued),
        cmocka_unit_test(test_stop_ends_while_clients_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
