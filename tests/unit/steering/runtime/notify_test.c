/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "steering/base/mem.h"
#include "steering/runtime/notify.h"

static int listen_at(const char *path, bool is_abstract)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    memcpy(name.sun_path, path, strlen(path));
    if (is_abstract)
        name.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, len), 0);
    return fd;
}

static void expect_message(int fd, const char *prefix)
{
    char text[256] = "";
    assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
    assert_memory_equal(text, prefix, strlen(prefix));
}

static void test_send_reaches_path_and_abstract_sockets(void **state)
{
    (void)state;
    char path[64];
    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        snprintf(path, sizeof(path), "%cnotify_test.%d", is_abstract ? '@' : '/', (int)getpid());
        if (!is_abstract)
            snprintf(path, sizeof(path), "/tmp/notify_test.%d", (int)getpid());
        int fd = listen_at(path, is_abstract != 0);
        setenv("NOTIFY_SOCKET", path, 1);
        notify_send("READY=1");
        expect_message(fd, "READY=1");
        notify_reloading();
        expect_message(fd, "RELOADING=1\nMONOTONIC_USEC=");
        close(fd);
        unlink(path);
    }
}

static void test_send_without_a_manager_does_nothing(void **state)
{
    (void)state;
    static const char *const values[] = { "", "relative", "/nowhere/at/all" };
    char long_path[300];
    memset(long_path, '/', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        setenv("NOTIFY_SOCKET", values[i], 1);
        notify_send("READY=1");
    }
    setenv("NOTIFY_SOCKET", long_path, 1);
    notify_send("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_reaches_path_and_abstract_sockets),
        cmocka_unit_test(test_send_without_a_manager_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
