/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "steering/base/limits.h"
#include "steering/base/mem.h"
#include "steering/runtime/publisher.h"
#include "steering/runtime/thread.h"

enum { READERS = 4, ROUNDS = LIMIT(300, 100), ALIVE = 0x5354454c };

struct object {
    uint32_t magic;
    uint64_t number;
};

static unsigned freed_count;

static struct object *object_new(uint64_t number)
{
    struct object *object = mem_calloc(1, sizeof(*object));
    *object = (struct object){ .magic = ALIVE, .number = number };
    return object;
}

/* Not atomic on purpose: ThreadSanitizer sees every reader that comes too late. */
static void object_free(void *arg)
{
    struct object *object = arg;
    object->magic = 0;
    freed_count++;
    free(object);
}

struct reader {
    pthread_t thread;
    struct publisher *publisher;
    size_t slot;
    _Atomic uint64_t *acknowledged;
    atomic_bool *stop;
    _Atomic uint64_t reading; /* the number between enter and leave; 0: outside */
    _Atomic uint64_t reads;
    uint64_t problems;
};

static void *read_on(void *arg)
{
    struct reader *reader = arg;
    while (!atomic_load(reader->stop)) {
        uint64_t floor = atomic_load(reader->acknowledged);
        const struct object *object = publisher_enter(reader->publisher, reader->slot);
        atomic_store(&reader->reading, object->number);
        if (object->magic != ALIVE || object->number < floor)
            reader->problems++;
        reader->reads++;
        atomic_store(&reader->reading, 0);
        publisher_leave(reader->publisher, reader->slot);
    }
    return NULL;
}

static unsigned readers_behind(struct reader *readers, uint64_t number)
{
    unsigned behind = 0;
    for (size_t i = 0; i < READERS; i++) {
        uint64_t reading = atomic_load(&readers[i].reading);
        behind += reading != 0 && reading < number;
    }
    return behind;
}

static void test_publish_frees_after_all_left(void **state)
{
    (void)state;
    _Atomic uint64_t acknowledged = 1;
    atomic_bool stop = false;
    struct reader readers[READERS] = { 0 };
    uint64_t behind = 0;
    freed_count = 0;
    struct publisher *publisher = publisher_new(READERS, object_new(1), object_free);
    for (size_t i = 0; i < READERS; i++) {
        readers[i].publisher = publisher;
        readers[i].slot = i;
        readers[i].acknowledged = &acknowledged;
        readers[i].stop = &stop;
        assert_int_equal(thread_start(&readers[i].thread, "reader", read_on, &readers[i]), 0);
    }
    for (size_t i = 0; i < READERS; i++)
        while (atomic_load(&readers[i].reads) == 0)
            sched_yield();
    for (uint64_t number = 2; number < ROUNDS; number++) {
        publisher_publish(publisher, object_new(number));
        if (number % 3 == 0)
            continue; /* two swaps in one grace period */
        while (publisher_reap(publisher) > 0)
            sched_yield();
        behind += readers_behind(readers, number);
        atomic_store(&acknowledged, number);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].problems, 0);
    }
    assert_int_equal(behind, 0);
    publisher_free(publisher);
    assert_int_equal(freed_count, ROUNDS - 1);
}

static void test_reap_waits_for_the_reader(void **state)
{
    (void)state;
    freed_count = 0;
    struct publisher *publisher = publisher_new(2, object_new(1), object_free);
    const struct object *old = publisher_enter(publisher, 1);
    publisher_publish(publisher, object_new(2));
    publisher_publish(publisher, object_new(3));
    /* Number 2 was never read by anyone; number 1 is. */
    assert_int_equal(publisher_reap(publisher), 1);
    assert_int_equal(freed_count, 1);
    assert_int_equal(old->magic, ALIVE);
    const struct object *fresh = publisher_enter(publisher, 0);
    assert_int_equal(fresh->number, 3);
    assert_int_equal(publisher_reap(publisher), 1);
    publisher_leave(publisher, 1);
    assert_int_equal(publisher_reap(publisher),
                     0); /* a reader of the current one is no hindrance */
    assert_int_equal(freed_count, 2);
    publisher_leave(publisher, 0);
    publisher_free(publisher);
    assert_int_equal(freed_count, 3);
}

static void test_slots_have_cache_lines_of_their_own(void **state)
{
    (void)state;
    struct publisher *publisher = publisher_new(3, object_new(1), object_free);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal((uintptr_t)&publisher->slots[i] % PUBLISHER_LINE_BYTES, 0);
    assert_int_equal(sizeof(publisher->slots[0]), PUBLISHER_LINE_BYTES);
    publisher_free(publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_frees_after_all_left),
        cmocka_unit_test(test_reap_waits_for_the_reader),
        cmocka_unit_test(test_slots_have_cache_lines_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
