/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/thread.h"

#include <signal.h>
#include <stdio.h>

enum { NAME_CAPACITY = 16 };

enum err thread_start(pthread_t *out_thread, const char *name, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    char cut[NAME_CAPACITY];
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the new thread */
    int failed = pthread_create(&thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return ERR_BUSY;
    snprintf(cut, sizeof(cut), "%.15s", name);
    pthread_setname_np(thread, cut);
    *out_thread = thread;
    return ERR_OK;
}
