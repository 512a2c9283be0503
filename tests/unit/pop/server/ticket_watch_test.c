/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pop/server/ticket_watch.h"
#include "steering/base/file.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"

static struct {
    char path[64];
    unsigned calls;
    uint8_t id[TICKET_ID_BYTES]; /* of the key that came last */
} seen;

static void on_keys(void *owner, const struct ticket_keys *keys)
{
    assert_ptr_equal(owner, &seen);
    seen.calls++;
    memcpy(seen.id, keys->items[0].id, sizeof(seen.id));
}

static void write_file(const char *text)
{
    assert_int_equal(file_replace(seen.path, str_from(text), false), ERR_OK);
}

/* The id of the key that was written. */
static void write_key(uint8_t out_id[TICKET_ID_BYTES])
{
    struct ticket_keys keys;
    struct buf text;
    buf_init(&text, 4096);
    ticket_keys_random(&keys);
    ticket_key_format(&keys.items[0], &text);
    memcpy(out_id, keys.items[0].id, TICKET_ID_BYTES);
    write_file(buf_text(&text));
    buf_fini(&text);
}

static void test_look_takes_what_is_new_and_good(void **state)
{
    (void)state;
    enum content { SAME, GOOD, BAD, GONE };
    static const struct {
        enum content content;
        unsigned successes, failures;
    } rows[] = {
        { SAME, 0, 0 }, { GOOD, 1, 0 }, { SAME, 1, 0 }, { BAD, 1, 1 },  { SAME, 1, 1 }, /* once */
        { GONE, 1, 1 }, { GOOD, 2, 1 }, { GONE, 2, 1 }, { GOOD, 3, 1 },
    };
    uv_loop_t loop;
    struct ticket_watch watch;
    uint8_t id[TICKET_ID_BYTES];
    memset(&seen, 0, sizeof(seen));
    snprintf(seen.path, sizeof(seen.path), "/tmp/ticket-watch-test-%d", (int)getpid());
    write_key(id);
    uv_loop_init(&loop);
    ticket_watch_open(&watch, &loop, on_keys, &seen);
    struct file_mark mark = file_mark_of(seen.path);
    ticket_watch_set(&watch, seen.path, &mark);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].content == GOOD)
            write_key(id);
        else if (rows[i].content == BAD)
            write_file("current none of this is a key\n");
        else if (rows[i].content == GONE)
            unlink(seen.path);
        ticket_watch_look(&watch);
        assert_int_equal(watch.success_count, rows[i].successes);
        assert_int_equal(watch.failure_count, rows[i].failures);
        assert_int_equal(seen.calls, rows[i].successes);
        if (seen.calls > 0)
            assert_memory_equal(seen.id, id, sizeof(id)); /* the last good one */
    }
    /* Without a file there is nothing to look at. */
    ticket_watch_set(&watch, NULL, &(struct file_mark){ .size = 0 });
    ticket_watch_look(&watch);
    assert_int_equal(seen.calls, 3);
    ticket_watch_close(&watch);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    unlink(seen.path);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look_takes_what_is_new_and_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
