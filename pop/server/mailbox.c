/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/mailbox.h"

#include <assert.h>

#include "steering/base/mem.h"

struct letter *mailbox_next(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct letter *letter = mailbox->first;
    if (letter != NULL) {
        mailbox->first = letter->next;
        if (mailbox->first == NULL)
            mailbox->last = &mailbox->first;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return letter;
}

static void on_async(uv_async_t *async)
{
    struct mailbox *mailbox = container_of(async, struct mailbox, async);
    while (!mailbox->is_closed) {
        struct letter *letter = mailbox_next(mailbox);
        if (letter == NULL)
            return;
        mailbox->on_letter(mailbox->owner, letter);
    }
}

static void on_async_closed(uv_handle_t *handle)
{
    struct mailbox *mailbox = container_of((uv_async_t *)handle, struct mailbox, async);
    if (mailbox->on_closed != NULL)
        mailbox->on_closed(mailbox->owner);
}

void mailbox_open(struct mailbox *mailbox, uv_loop_t *loop,
                  void (*on_letter)(void *owner, struct letter *letter), void *owner)
{
    *mailbox = (struct mailbox){ .on_letter = on_letter, .owner = owner };
    mailbox->last = &mailbox->first;
    pthread_mutex_init(&mailbox->lock, NULL);
    int failed = uv_async_init(loop, &mailbox->async, on_async);
    assert(failed == 0); /* it takes no descriptor: the loop has its own */
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    letter->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->last = letter;
    mailbox->last = &letter->next;
    /* Inside the lock: a handle must not be closed between the question and the call. */
    if (!mailbox->is_closed)
        uv_async_send(&mailbox->async);
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_close(struct mailbox *mailbox, void (*on_closed)(void *owner))
{
    pthread_mutex_lock(&mailbox->lock);
    assert(!mailbox->is_closed);
    mailbox->is_closed = true;
    pthread_mutex_unlock(&mailbox->lock);
    mailbox->on_closed = on_closed;
    uv_close((uv_handle_t *)&mailbox->async, on_async_closed);
}

void mailbox_fini(struct mailbox *mailbox)
{
    assert(mailbox->first == NULL);
    pthread_mutex_destroy(&mailbox->lock);
}
