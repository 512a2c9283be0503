/* SPDX-License-Identifier: Apache-2.0 */
/* Letters from any thread to the one that runs a loop: in order, none lost.
 *
 * Threads:   mailbox_post by any; the rest by the loop's thread, or before it starts and after it
 *            has ended. The lock is held for a few instructions, off every request's path.
 * Ownership: a letter belongs to the mailbox from post until on_letter. The mailbox must stay until
 *            its on_closed.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

/* First member of the caller's own struct. */
struct letter {
    struct letter *next;
};

struct mailbox {
    uv_async_t async;
    pthread_mutex_t lock;
    struct letter *first, **last;
    bool is_closed;                                        /* letters wait for mailbox_next */
    void (*on_letter)(void *owner, struct letter *letter); /* takes ownership of it */
    void (*on_closed)(void *owner);                        /* NULL: nobody asks */
    void *owner;
};

void mailbox_open(struct mailbox *mailbox, uv_loop_t *loop,
                  void (*on_letter)(void *owner, struct letter *letter), void *owner);
void mailbox_post(struct mailbox *mailbox, struct letter *letter);
/* From inside on_letter, too: what follows stays for mailbox_next. */
void mailbox_close(struct mailbox *mailbox, void (*on_closed)(void *owner));
/* After on_closed: a letter that was not delivered, or NULL. */
struct letter *mailbox_next(struct mailbox *mailbox);
/* After on_closed; no letter is left. */
void mailbox_fini(struct mailbox *mailbox);
