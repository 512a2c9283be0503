/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/thread.h"

enum {
    LINE_BYTES = 64, /* of a cache */
    WAKE_AT_BYTES = ACCESS_LOG_RING_BYTES / 4,
    PIECE_BYTES = 64 << 10, /* written at once: then the worker has room again */
    LOOK_MS = 50,           /* how long lines wait when there are few */
    FILE_MODE = 0640,
};

/* Positions count all bytes ever; the place in `bytes` is the rest by the ring's size. */
struct access_log {
    _Alignas(LINE_BYTES) _Atomic uint64_t head; /* written up to here; the worker's */
    uint64_t known_tail;                        /* the worker's last look at `tail` */
    int wake_fd;
    uint8_t *bytes;
    _Alignas(LINE_BYTES) _Atomic uint64_t tail; /* read up to here; the writer's */
};

struct access_log_writer {
    struct access_log *rings; /* aligned */
    size_t ring_count;
    char *path;
    int wake_fd, ended_fd; /* of the thread: what wakes it, what it says at its end */
    bool has_ended;
    pthread_t thread;
    atomic_int next_fd; /* >= 0: use that from now on */
    atomic_bool is_ending;
    _Atomic uint64_t lost;
    /* The thread's own: */
    int fd;
    bool is_in_line; /* the file ends within a line: the rest of it was lost */
};

/* ---- the worker's side ----------------------------------------------------------------------- */

static void put(struct access_log *log, uint64_t at, const void *bytes, size_t len)
{
    size_t offset = at % ACCESS_LOG_RING_BYTES;
    size_t first = ACCESS_LOG_RING_BYTES - offset < len ? ACCESS_LOG_RING_BYTES - offset : len;
    memcpy(log->bytes + offset, bytes, first);
    memcpy(log->bytes, (const uint8_t *)bytes + first, len - first);
}

/* Failure would mean that the counter is full: then the writer is awake. */
static void wake(int fd)
{
    const uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one));
    (void)written;
}

bool access_log_line(struct access_log *log, struct str line)
{
    uint64_t head = atomic_load_explicit(&log->head, memory_order_relaxed);
    uint64_t next = head + line.len + 1;
    if (line.len >= ACCESS_LOG_LINE_MAX)
        return false;
    if (next - log->known_tail > ACCESS_LOG_RING_BYTES) {
        log->known_tail = atomic_load_explicit(&log->tail, memory_order_acquire);
        if (next - log->known_tail > ACCESS_LOG_RING_BYTES)
            return false;
    }
    put(log, head, line.ptr, line.len);
    put(log, head + line.len, "\n", 1);
    atomic_store_explicit(&log->head, next, memory_order_release);
    /* One call for thousands of lines: each time another quarter of the ring has been written. */
    if (head / WAKE_AT_BYTES != next / WAKE_AT_BYTES)
        wake(log->wake_fd);
    return true;
}

/* ---- the writer's thread --------------------------------------------------------------------- */

static uint64_t count_lines(const uint8_t *bytes, size_t len)
{
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += bytes[i] == '\n';
    return count;
}

static void lose(struct access_log_writer *writer, const uint8_t *bytes, size_t len, int errnum)
{
    uint64_t lines = count_lines(bytes, len);
    atomic_fetch_add_explicit(&writer->lost, lines, memory_order_relaxed);
    log_limited(LOG_LEVEL_ERROR, "access_log.write", "file=%s lost=%llu error=\"%s\"", writer->path,
                (unsigned long long)lines, strerror(errnum));
}

/* Everything, or up to the first error; returns how much. */
static size_t write_all(int fd, const uint8_t *bytes, size_t len, int *out_errnum)
{
    size_t done = 0;
    while (done < len) {
        ssize_t written = write(fd, bytes + done, len - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            *out_errnum = written < 0 ? errno : EIO;
            return done;
        }
        done += (size_t)written;
    }
    return done;
}

/* After an error in mid-line, what follows begins on a line of its own. */
static void write_piece(struct access_log_writer *writer, const uint8_t *bytes, size_t len)
{
    int errnum = 0;
    if (writer->is_in_line && write_all(writer->fd, (const uint8_t *)"\n", 1, &errnum) != 1) {
        lose(writer, bytes, len, errnum);
        return;
    }
    writer->is_in_line = false;
    size_t done = write_all(writer->fd, bytes, len, &errnum);
    if (done == len)
        return;
    writer->is_in_line = done > 0 && bytes[done - 1] != '\n';
    lose(writer, bytes + done, len - done, errnum);
}

/* Returns how many bytes there were. */
static uint64_t empty_ring(struct access_log_writer *writer, struct access_log *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t count = head - tail;
    while (tail < head) {
        size_t offset = tail % ACCESS_LOG_RING_BYTES;
        size_t len = ACCESS_LOG_RING_BYTES - offset;
        if (len > head - tail)
            len = (size_t)(head - tail);
        if (len > PIECE_BYTES)
            len = PIECE_BYTES;
        write_piece(writer, ring->bytes + offset, len);
        tail += len;
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return count;
}

static void take_file(struct access_log_writer *writer)
{
    int fd = atomic_exchange(&writer->next_fd, -1);
    if (fd < 0)
        return;
    if (writer->fd != STDOUT_FILENO)
        close(writer->fd);
    writer->fd = fd;
    writer->is_in_line = false;
}

/* True: there was a lot, there may be more. */
static bool empty_all(struct access_log_writer *writer)
{
    uint64_t most = 0;
    take_file(writer);
    for (size_t i = 0; i < writer->ring_count; i++) {
        uint64_t count = empty_ring(writer, &writer->rings[i]);
        if (count > most)
            most = count;
    }
    return most >= WAKE_AT_BYTES;
}

static void wait_for_lines(struct access_log_writer *writer)
{
    uint64_t count;
    struct pollfd polled = { .fd = writer->wake_fd, .events = POLLIN };
    if (poll(&polled, 1, LOOK_MS) > 0) {
        ssize_t len = read(writer->wake_fd, &count, sizeof(count));
        (void)len;
    }
}

static void *run(void *arg)
{
    struct access_log_writer *writer = arg;
    for (;;) {
        /* Before the last look: what came until the end was asked for is written. */
        bool is_ending = atomic_load(&writer->is_ending);
        bool is_more = empty_all(writer);
        if (is_more)
            continue;
        if (is_ending)
            break;
        wait_for_lines(writer);
    }
    wake(writer->ended_fd);
    return NULL;
}

/* ---- the main thread's side ------------------------------------------------------------------ */

enum err access_log_open_file(const char *path, struct diag *diag, int *out_fd)
{
    if (strcmp(path, "-") == 0) {
        *out_fd = STDOUT_FILENO;
        return ERR_OK;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot open the access log '%s'", path);
    *out_fd = fd;
    return ERR_OK;
}

static void free_rings(struct access_log_writer *writer)
{
    for (size_t i = 0; i < writer->ring_count; i++)
        free(writer->rings[i].bytes);
    free(writer->rings);
}

static void open_rings(struct access_log_writer *writer, size_t count)
{
    writer->ring_count = count;
    writer->rings = aligned_alloc(_Alignof(struct access_log), count * sizeof(*writer->rings));
    if (writer->rings == NULL)
        abort();
    memset(writer->rings, 0, count * sizeof(*writer->rings));
    for (size_t i = 0; i < count; i++) {
        writer->rings[i].wake_fd = writer->wake_fd;
        writer->rings[i].bytes = mem_calloc(ACCESS_LOG_RING_BYTES, 1);
    }
}

static void writer_free(struct access_log_writer *writer)
{
    if (writer->fd >= 0 && writer->fd != STDOUT_FILENO)
        close(writer->fd);
    if (writer->wake_fd >= 0)
        close(writer->wake_fd);
    if (writer->ended_fd >= 0)
        close(writer->ended_fd);
    free_rings(writer);
    free(writer->path);
    free(writer);
}

enum err access_log_start(const char *path, int fd, size_t worker_count, struct diag *diag,
                          struct access_log_writer **out_writer)
{
    struct access_log_writer *writer = mem_calloc(1, sizeof(*writer));
    enum err err;
    writer->path = mem_strdup(path);
    writer->fd = fd;
    atomic_init(&writer->next_fd, -1);
    writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    writer->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer->wake_fd < 0 || writer->ended_fd < 0) {
        err = diag_errno(diag, errno, "cannot make an eventfd");
        goto out;
    }
    open_rings(writer, worker_count);
    err = thread_start(&writer->thread, "access-log", run, writer);
    if (err != ERR_OK) {
        diag_error(diag, 0, 0, "cannot start a thread for the access log: %s", err_text(err));
        goto out;
    }
    *out_writer = writer;
    return ERR_OK;
out:
    writer_free(writer);
    return err;
}

enum err access_log_open(const char *path, size_t worker_count, struct diag *diag,
                         struct access_log_writer **out_writer)
{
    int fd = -1;
    enum err err = access_log_open_file(path, diag, &fd);
    return err != ERR_OK ? err : access_log_start(path, fd, worker_count, diag, out_writer);
}

struct access_log *access_log_ring(struct access_log_writer *writer, size_t worker)
{
    return &writer->rings[worker];
}

void access_log_use_file(struct access_log_writer *writer, int fd)
{
    int skipped = atomic_exchange(&writer->next_fd, fd);
    if (skipped >= 0 && skipped != STDOUT_FILENO)
        close(skipped);
    wake(writer->wake_fd);
}

uint64_t access_log_lost(const struct access_log_writer *writer)
{
    return atomic_load_explicit(&writer->lost, memory_order_relaxed);
}

static uint64_t count_left(const struct access_log_writer *writer)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < writer->ring_count; i++) {
        const struct access_log *ring = &writer->rings[i];
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        for (uint64_t at = atomic_load(&ring->tail); at < head; at++)
            lines += ring->bytes[at % ACCESS_LOG_RING_BYTES] == '\n';
    }
    return lines;
}

uint64_t access_log_end(struct access_log_writer *writer, int limit_ms)
{
    if (writer == NULL || writer->has_ended)
        return 0;
    atomic_store(&writer->is_ending, true);
    wake(writer->wake_fd);
    struct pollfd polled = { .fd = writer->ended_fd, .events = POLLIN };
    if (poll(&polled, 1, limit_ms) <= 0)
        return count_left(writer);
    pthread_join(writer->thread, NULL);
    writer->has_ended = true;
    return 0;
}

void access_log_close(struct access_log_writer *writer)
{
    if (writer == NULL)
        return;
    if (!writer->has_ended) {
        pthread_detach(writer->thread);
        return;
    }
    take_file(writer);
    writer_free(writer);
}
