/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "steering/base/mem.h"

/* What a first loop takes: epoll, wake-up, a pipe for its signals, a pipe for all signals; and one
 * to look with. */
enum { LOOP_DESCRIPTORS = 7 };

/* libuv 1.44 aborts when it cannot have its pipe for all signals: asked before, it is an error. */
static int try_descriptors(void)
{
    int fds[LOOP_DESCRIPTORS];
    int failed = 0;
    size_t count = 0;
    while (failed == 0 && count < ARRAY_SIZE(fds)) {
        fds[count] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fds[count] < 0)
            failed = errno;
        else
            count++;
    }
    while (count > 0)
        close(fds[--count]);
    return failed;
}

enum err loop_open(uv_loop_t *loop, struct diag *diag)
{
    int failed = try_descriptors();
    if (failed == 0)
        failed = -uv_loop_init(loop); /* libuv's errors are negative errno values */
    if (failed == 0)
        return ERR_OK;
    return diag_errno(diag, failed, "cannot open an event loop");
}
