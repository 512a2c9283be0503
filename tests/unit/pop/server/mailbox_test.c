/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "pop/server/mailbox.h"
#include "steering/base/mem.h"

enum { WRITERS = 3, LETTERS = 2000, STOP = -1 };

struct number {
    struct letter letter;
    int writer, value;
};

struct reader {
    struct mailbox mailbox;
    uv_loop_t loop;
    int next[WRITERS]; /* the value expected from each */
    size_t count;
    size_t close_after; /* letters; 0: never */
    bool is_closed;
};

static void send_number(struct mailbox *mailbox, int writer, int value)
{
    struct number *number = mem_calloc(1, sizeof(*number));
    number->writer = writer;
    number->value = value;
    mailbox_post(mailbox, &number->letter);
}

static void on_closed(void *owner)
{
    struct reader *reader = owner;
    reader->is_closed = true;
}

static void on_letter(void *owner, struct letter *letter)
{
    struct reader *reader = owner;
    struct number *number = container_of(letter, struct number, letter);
    assert_int_equal(number->value, reader->next[number->writer]);
    reader->next[number->writer]++;
    free(number);
    if (++reader->count == reader->close_after)
        mailbox_close(&reader->mailbox, on_closed);
}

static void reader_open(struct reader *reader, size_t close_after)
{
    *reader = (struct reader){ .close_after = close_after };
    uv_loop_init(&reader->loop);
    mailbox_open(&reader->mailbox, &reader->loop, on_letter, reader);
}

static void reader_close(struct reader *reader)
{
    assert_true(reader->is_closed);
    mailbox_fini(&reader->mailbox);
    assert_int_equal(uv_loop_close(&reader->loop), 0);
}

struct writer {
    struct mailbox *mailbox;
    int index;
};

static void *run_writer(void *arg)
{
    const struct writer *writer = arg;
    for (int i = 0; i < LETTERS; i++)
        send_number(writer->mailbox, writer->index, i);
    return NULL;
}

static void test_post_from_many_threads_keeps_order_and_loses_nothing(void **state)
{
    (void)state;
    struct reader reader;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    reader_open(&reader, (size_t)WRITERS * LETTERS);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .mailbox = &reader.mailbox, .index = i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_writer, &writers[i]), 0);
    }
    uv_run(&reader.loop, UV_RUN_DEFAULT);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(reader.next[i], LETTERS);
    }
    assert_null(mailbox_next(&reader.mailbox));
    reader_close(&reader);
}

static void test_close_leaves_the_rest_to_next(void **state)
{
    (void)state;
    struct reader reader;
    reader_open(&reader, 2);
    for (int i = 0; i < 5; i++)
        send_number(&reader.mailbox, 0, i);
    uv_run(&reader.loop, UV_RUN_DEFAULT);
    assert_int_equal(reader.count, 2);  /* closed within the second */
    send_number(&reader.mailbox, 0, 5); /* too late, and not lost either */
    for (int i = 2; i <= 5; i++) {
        struct letter *letter = mailbox_next(&reader.mailbox);
        assert_non_null(letter);
        struct number *number = container_of(letter, struct number, letter);
        assert_int_equal(number->value, i);
        free(number);
    }
    assert_null(mailbox_next(&reader.mailbox));
    reader_close(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post_from_many_threads_keeps_order_and_loses_nothing),
        cmocka_unit_test(test_close_leaves_the_rest_to_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
