/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pop/server/access_log.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { LONG_MS = 60000, WORKERS = 3, LINES = 3000, FILE_MAX_BYTES = 64 << 20 };

struct place {
    char folder[32];
    char path[64], rotated[64];
};

static void place_init(struct place *place)
{
    snprintf(place->folder, sizeof(place->folder), "/tmp/steer-log-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof(place->path), "%s/log", place->folder);
    snprintf(place->rotated, sizeof(place->rotated), "%s/log.1", place->folder);
}

static void place_fini(const struct place *place)
{
    unlink(place->path);
    unlink(place->rotated);
    rmdir(place->folder);
}

static struct access_log_writer *open_log(const struct place *place, size_t workers)
{
    struct access_log_writer *writer = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(access_log_open(place->path, workers, &diag, &writer), ERR_OK);
    diag_fini(&diag);
    return writer;
}

static void read_log(const char *path, struct buf *out)
{
    buf_init(out, FILE_MAX_BYTES);
    assert_int_equal(file_read(path, out), ERR_OK);
}

/* "WORKER NUMBER xxx…": whole, in order, of the length that the number says. */
static size_t check_lines(struct str text, size_t next[WORKERS])
{
    size_t count = 0;
    struct str line, rest = text;
    while (rest.len > 0) {
        unsigned worker;
        size_t number, padding;
        assert_true(str_split(rest, '\n', &line, &rest)); /* the last one ends in a newline, too */
        assert_int_equal(sscanf(line.ptr, "%u %zu %zu ", &worker, &number, &padding), 3);
        assert_true(worker < WORKERS);
        assert_true(number >= next[worker]); /* some were dropped, none came twice */
        next[worker] = number + 1;
        assert_true(line.len >= padding);
        for (size_t i = line.len - padding; i < line.len; i++)
            assert_int_equal(line.ptr[i], 'x');
        count++;
    }
    return count;
}

struct worker {
    struct access_log *log;
    unsigned index;
    uint64_t seed;
    size_t taken, dropped;
};

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    struct rng rng = rng_init(worker->seed);
    char line[ACCESS_LOG_LINE_MAX];
    for (size_t i = 0; i < LINES; i++) {
        size_t padding = rng_below(&rng, rng_below(&rng, 8) == 0 ? ACCESS_LOG_LINE_MAX - 64 : 200);
        int head = snprintf(line, sizeof(line), "%u %zu %zu ", worker->index, i, padding);
        memset(line + head, 'x', padding);
        struct str text = { .ptr = line, .len = (size_t)head + padding };
        if (access_log_line(worker->log, text))
            worker->taken++;
        else
            worker->dropped++;
    }
    return NULL;
}

static void test_line_is_written_whole_or_dropped_and_counted(void **state)
{
    (void)state;
    struct place place;
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    struct buf text;
    size_t taken = 0, next[WORKERS] = { 0 };
    uint64_t seed = rng_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    place_init(&place);
    struct access_log_writer *writer = open_log(&place, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] =
            (struct worker){ .log = access_log_ring(writer, i), .index = i, .seed = seed + i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].taken + workers[i].dropped, LINES);
        taken += workers[i].taken;
    }
    assert_int_equal(access_log_lost(writer), 0);
    assert_int_equal(access_log_end(writer, LONG_MS), 0);
    access_log_close(writer);
    read_log(place.path, &text);
    assert_int_equal(check_lines(buf_str(&text), next), taken);
    buf_fini(&text);
    place_fini(&place);
}

static void test_line_refuses_what_is_too_long(void **state)
{
    (void)state;
    static char longest[ACCESS_LOG_LINE_MAX];
    struct place place;
    struct buf text;
    place_init(&place);
    struct access_log_writer *writer = open_log(&place, 1);
    struct access_log *log = access_log_ring(writer, 0);
    memset(longest, 'y', sizeof(longest));
    assert_false(access_log_line(log, (struct str){ longest, ACCESS_LOG_LINE_MAX }));
    assert_true(access_log_line(log, (struct str){ longest, ACCESS_LOG_LINE_MAX - 1 }));
    assert_true(access_log_line(log, (struct str){ longest, 0 }));
    assert_int_equal(access_log_end(writer, LONG_MS), 0);
    access_log_close(writer);
    read_log(place.path, &text);
    assert_int_equal(text.len, ACCESS_LOG_LINE_MAX + 1);
    buf_fini(&text);
    place_fini(&place);
}

static void test_use_file_after_a_rotation(void **state)
{
    (void)state;
    struct place place;
    struct diag diag;
    struct buf text;
    struct stat seen;
    int fd = -1;
    place_init(&place);
    diag_init(&diag);
    struct access_log_writer *writer = open_log(&place, 1);
    struct access_log *log = access_log_ring(writer, 0);
    assert_true(access_log_line(log, STR("before")));
    do /* until the writer has come round to it */
        assert_int_equal(stat(place.path, &seen), 0);
    while (seen.st_size == 0);
    assert_int_equal(rename(place.path, place.rotated), 0);
    assert_int_equal(access_log_open_file(place.path, &diag, &fd), ERR_OK);
    access_log_use_file(writer, fd);
    assert_true(access_log_line(log, STR("after")));
    assert_int_equal(access_log_end(writer, LONG_MS), 0);
    access_log_close(writer);
    read_log(place.rotated, &text);
    assert_string_equal(buf_text(&text), "before\n");
    buf_fini(&text);
    read_log(place.path, &text);
    assert_string_equal(buf_text(&text), "after\n");
    buf_fini(&text);
    diag_fini(&diag);
    place_fini(&place);
}

static void test_open_names_the_file_that_cannot_be(void **state)
{
    (void)state;
    struct access_log_writer *writer = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_not_equal(access_log_open("/nonexistent/folder/log", 1, &diag, &writer), ERR_OK);
    assert_non_null(strstr(diag_first(&diag), "/nonexistent/folder/log"));
    assert_null(writer);
    diag_fini(&diag);
}

static void test_a_full_disk_loses_lines_and_counts_them(void **state)
{
    (void)state;
    struct access_log_writer *writer = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(access_log_open("/dev/full", 1, &diag, &writer), ERR_OK);
    assert_true(access_log_line(access_log_ring(writer, 0), STR("one")));
    assert_true(access_log_line(access_log_ring(writer, 0), STR("two")));
    while (access_log_lost(writer) < 2)
        usleep(1000);
    assert_int_equal(access_log_lost(writer), 2);
    assert_int_equal(access_log_end(writer, LONG_MS), 0);
    access_log_close(writer);
    diag_fini(&diag);
}

/* A pipe that nobody reads must not hold up the end. What is read after all comes whole. */
static void test_end_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct access_log_writer *writer = NULL;
    struct diag diag;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    long capacity = fcntl(ends[1], F_GETPIPE_SZ);
    diag_init(&diag);
    assert_int_equal(access_log_start("pipe", ends[1], 1, &diag, &writer), ERR_OK);
    struct access_log *ring = access_log_ring(writer, 0);
    char line[1000];
    memset(line, 'x', sizeof(line));
    const struct str text = { .ptr = line, .len = sizeof(line) };
    size_t put = 0;
    while (put * sizeof(line) < (size_t)capacity + 2 * sizeof(line))
        put += access_log_line(ring, text);
    uint64_t left = access_log_end(writer, 50);
    assert_in_range(left, 1, put);
    size_t got = 0;
    while (got < put * (sizeof(line) + 1)) {
        char bytes[4096];
        ssize_t len = read(ends[0], bytes, sizeof(bytes));
        assert_true(len > 0);
        got += (size_t)len;
    }
    assert_int_equal(access_log_end(writer, LONG_MS), 0);
    access_log_close(writer);
    close(ends[0]);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_is_written_whole_or_dropped_and_counted),
        cmocka_unit_test(test_line_refuses_what_is_too_long),
        cmocka_unit_test(test_use_file_after_a_rotation),
        cmocka_unit_test(test_open_names_the_file_that_cannot_be),
        cmocka_unit_test(test_a_full_disk_loses_lines_and_counts_them),
        cmocka_unit_test(test_end_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
