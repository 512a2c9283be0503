/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering/runtime/sockets.h"
#include "steering/base/mem.h"

enum { WORKERS = 3 };

static struct sockets_wish wish(const char *address, uint16_t port)
{
    struct sockets_wish one = { .port = port };
    assert_true(addr_parse(str_from(address), &one.addr));
    return one;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    return addr_port((const struct sockaddr *)&name);
}

static void test_open_gives_every_worker_the_same_port(void **state)
{
    (void)state;
    const struct sockets_wish wishes[] = { wish("127.0.0.1", 0), wish("::1", 0),
                                           wish("0.0.0.0", 0) };
    struct sockets sockets;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(sockets_open(wishes, ARRAY_SIZE(wishes), WORKERS, true, &diag, &sockets),
                     ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
        assert_int_not_equal(sockets.addresses[i].port, 0);
        assert_int_equal(sockets.addresses[i].is_wildcard, i == 2);
        for (size_t worker = 0; worker < WORKERS; worker++) {
            assert_int_equal(bound_port(sockets.udp[i * WORKERS + worker]),
                             sockets.addresses[i].port);
            assert_int_equal(bound_port(sockets.tcp[i * WORKERS + worker]),
                             sockets.addresses[i].port);
        }
    }
    sockets_close(&sockets);
    diag_fini(&diag);
}

static void test_open_without_udp(void **state)
{
    (void)state;
    const struct sockets_wish any = wish("127.0.0.1", 0);
    struct sockets sockets;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(sockets_open(&any, 1, WORKERS, false, &diag, &sockets), ERR_OK);
    for (size_t worker = 0; worker < WORKERS; worker++) {
        assert_int_equal(sockets.udp[worker], -1);
        assert_int_equal(bound_port(sockets.tcp[worker]), sockets.addresses[0].port);
    }
    sockets_close(&sockets);
    diag_fini(&diag);
}

static void test_open_refuses_a_port_in_use(void **state)
{
    (void)state;
    static const int types[] = { SOCK_DGRAM, SOCK_STREAM };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct sockaddr_storage name;
        struct sockets sockets = { .address_count = 0 };
        struct diag diag;
        int on = 1;
        const struct sockets_wish any = wish("127.0.0.1", 0);
        socklen_t len = addr_to_sockaddr(&any.addr, 0, &name);
        int fd = socket(AF_INET, types[i], 0);
        /* Even one that would share it. */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)&name, len), 0);
        assert_true(types[i] == SOCK_DGRAM || listen(fd, 1) == 0);
        const struct sockets_wish wishes[] = { wish("127.0.0.1", bound_port(fd)),
                                               wish("203.0.113.255", 53) };
        diag_init(&diag);
        assert_int_equal(sockets_open(wishes, ARRAY_SIZE(wishes), WORKERS, true, &diag, &sockets),
                         ERR_INVALID);
        assert_int_equal(diag.error_count, 2); /* both are told */
        assert_non_null(strstr(diag.entries[0].text, "another process"));
        assert_non_null(strstr(diag.entries[0].text, types[i] == SOCK_DGRAM ? "UDP" : "TCP"));
        assert_non_null(strstr(diag.entries[1].text, "no interface"));
        diag_fini(&diag);
        close(fd);
    }
}

static void test_format(void **state)
{
    (void)state;
    char text[SOCKETS_TEXT_MAX];
    struct sockets_address address = { .addr = wish("192.0.2.1", 0).addr, .port = 53 };
    assert_string_equal(sockets_format(&address, text), "192.0.2.1:53");
    address.addr = wish("2001:db8::1", 0).addr;
    assert_string_equal(sockets_format(&address, text), "[2001:db8::1]:53");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_gives_every_worker_the_same_port),
        cmocka_unit_test(test_open_without_udp),
        cmocka_unit_test(test_open_refuses_a_port_in_use),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
