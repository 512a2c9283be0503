/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/signals.h"

#include <signal.h>

#include "steering/base/log.h"

static void on_stop_signal(uv_signal_t *handle, int number)
{
    struct signals *signals = handle->data;
    log_info("signal", "name=%s action=stop", number == SIGINT ? "SIGINT" : "SIGTERM");
    signals->on_stop(signals->owner);
}

static void on_reload_signal(uv_signal_t *handle, int number)
{
    struct signals *signals = handle->data;
    (void)number;
    log_info("signal", "name=SIGHUP action=reload");
    signals->on_reload(signals->owner);
}

static void ignore(int number)
{
    struct sigaction action = { .sa_handler = SIG_IGN };
    sigaction(number, &action, NULL);
}

void signals_ignore_pipe(void)
{
    ignore(SIGPIPE);
}

void signals_open(struct signals *signals, uv_loop_t *loop, void (*on_stop)(void *owner),
                  void (*on_reload)(void *owner), void *owner)
{
    *signals = (struct signals){ .on_stop = on_stop, .on_reload = on_reload, .owner = owner };
    signals_ignore_pipe();
    uv_signal_t *handles[] = { &signals->terminate, &signals->interrupt, &signals->hangup };
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(loop, handles[i]);
        handles[i]->data = signals;
        uv_signal_start(handles[i], i == 2 ? on_reload_signal : on_stop_signal, numbers[i]);
    }
}

void signals_close(struct signals *signals)
{
    uv_close((uv_handle_t *)&signals->terminate, NULL);
    uv_close((uv_handle_t *)&signals->interrupt, NULL);
    uv_close((uv_handle_t *)&signals->hangup, NULL);
    /* libuv has put the defaults back: a second request to stop would turn a clean end into a
     * death by signal. */
    ignore(SIGTERM);
    ignore(SIGINT);
    ignore(SIGHUP);
}
