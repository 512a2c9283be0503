/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/tcp.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "dns/server/frames.h"
#include "dns/server/serving.h"
#include "dns/server/tcp_clients.h"
#include "steering/base/clock.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"
#include "steering/runtime/loop.h"
#include "steering/runtime/thread.h"

enum {
    BACKLOG = 511,
    PREFIX_BYTES = 2,
    SWEEP_MIN_MS = 10,
    SWEEP_MAX_MS = 1000,
};

struct listener {
    uv_tcp_t handle;
    struct tcp *tcp;
};

struct tcp {
    struct tcp_settings settings;
    uv_loop_t loop;
    uv_async_t stop;
    uv_timer_t sweep;
    struct listener *listeners;
    size_t listener_count;
    struct tcp_clients clients;
    struct connection *blocked_first, *blocked_last; /* by when their output was left over */
    struct answer_request request;
    uint8_t *input;  /* FRAMES_FEED_MAX: libuv reads into it, one connection at a time */
    uint8_t *output; /* TCP_OUTPUT_BYTES: answers of one connection gather here */
    size_t output_len;
    _Atomic uint64_t open_count;
    pthread_t thread;
};

struct connection {
    uv_tcp_t handle;
    struct tcp *tcp;
    struct tcp_member member;
    struct addr client;
    struct frames frames;
    uv_write_t write;
    uint8_t *left; /* output that the kernel did not take; NULL: not blocked */
    uint64_t blocked_ms;
    struct connection *blocked_before, *blocked_after;
    bool is_ended; /* the client sends no more, or must not: close when all is written */
    enum tally_close ended_by;
    bool is_closing;
};

/* ---- closing ------------------------------------------------------------------------------- */

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *connection = container_of(handle, struct connection, handle);
    frames_fini(&connection->frames);
    free(connection->left);
    free(connection);
}

static void unblock(struct connection *connection)
{
    struct tcp *tcp = connection->tcp;
    if (connection->blocked_before != NULL)
        connection->blocked_before->blocked_after = connection->blocked_after;
    else if (tcp->blocked_first == connection)
        tcp->blocked_first = connection->blocked_after;
    if (connection->blocked_after != NULL)
        connection->blocked_after->blocked_before = connection->blocked_before;
    else if (tcp->blocked_last == connection)
        tcp->blocked_last = connection->blocked_before;
    connection->blocked_before = connection->blocked_after = NULL;
}

static void close_connection(struct connection *connection, enum tally_close reason)
{
    struct tcp *tcp = connection->tcp;
    if (connection->is_closing)
        return;
    connection->is_closing = true;
    tcp_clients_remove(&tcp->clients, &connection->member);
    unblock(connection);
    counter_add(&tcp->settings.tally->tcp_closed[reason], 1);
    atomic_fetch_sub_explicit(&tcp->open_count, 1, memory_order_relaxed);
    uv_close((uv_handle_t *)&connection->handle, on_connection_closed);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void work(struct connection *connection);
static void read_on(struct connection *connection);

static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = container_of(write, struct connection, write);
    if (connection->is_closing)
        return;
    if (status < 0) {
        close_connection(connection, TALLY_CLOSE_CLIENT);
        return;
    }
    free(connection->left);
    connection->left = NULL;
    unblock(connection);
    work(connection);
    if (!connection->is_closing && connection->left == NULL)
        read_on(connection);
}

/* The kernel's buffer is full: keep the rest, and read nothing before it has gone. */
static void keep_left(struct connection *connection, size_t written)
{
    struct tcp *tcp = connection->tcp;
    size_t len = tcp->output_len - written;
    connection->left = mem_dup(tcp->output + written, len);
    connection->blocked_ms = uv_now(&tcp->loop);
    connection->blocked_before = tcp->blocked_last;
    if (tcp->blocked_last != NULL)
        tcp->blocked_last->blocked_after = connection;
    else
        tcp->blocked_first = connection;
    tcp->blocked_last = connection;
    uv_buf_t rest = uv_buf_init((char *)connection->left, (unsigned)len);
    uv_stream_t *stream = (uv_stream_t *)&connection->handle;
    uv_read_stop(stream);
    if (uv_write(&connection->write, stream, &rest, 1, on_written) != 0)
        close_connection(connection, TALLY_CLOSE_CLIENT);
}

/* False: the connection is blocked or closing; what follows must wait or be dropped. */
static bool flush(struct connection *connection)
{
    struct tcp *tcp = connection->tcp;
    if (tcp->output_len == 0)
        return true;
    uv_buf_t all = uv_buf_init((char *)tcp->output, (unsigned)tcp->output_len);
    int written = uv_try_write((uv_stream_t *)&connection->handle, &all, 1);
    if (written == UV_EAGAIN)
        written = 0;
    if (written < 0)
        close_connection(connection, TALLY_CLOSE_CLIENT);
    else if ((size_t)written < tcp->output_len)
        keep_left(connection, (size_t)written);
    tcp->output_len = 0;
    return !connection->is_closing && connection->left == NULL;
}

/* ---- answering ----------------------------------------------------------------------------- */

/* Appends the answer to the output area. False: the message deserves none, nor does the client. */
static bool answer(struct tcp *tcp, const struct serving *serving, const uint8_t *message,
                   size_t len)
{
    struct tally *tally = tcp->settings.tally;
    struct answer_note note;
    uint8_t *frame = tcp->output + tcp->output_len;
    memcpy(frame + PREFIX_BYTES, message, len);
    tcp->request.message = frame + PREFIX_BYTES;
    tcp->request.len = len;
    size_t answer_len = answer_build(serving->view, &tcp->request, &note);
    if (answer_len == 0) {
        tally_unanswered(tally, &note);
        return false;
    }
    frame[0] = (uint8_t)(answer_len >> 8);
    frame[1] = (uint8_t)answer_len;
    tcp->output_len += PREFIX_BYTES + answer_len;
    tally_answer(tally, &note);
    if (note.is_steered)
        serving_count(serving, tcp->settings.slot, &note);
    return true;
}

/* Answers until the input is used up or the output is stuck; returns the number of answers. */
static size_t answer_all(struct connection *connection, const struct serving *serving)
{
    struct tcp *tcp = connection->tcp;
    size_t count = 0, gathered = 0, len;
    const uint8_t *message;
    while (frames_next(&connection->frames, &message, &len)) {
        if (!answer(tcp, serving, message, len)) {
            connection->is_ended = true;
            connection->ended_by = TALLY_CLOSE_BROKEN;
            break;
        }
        count++;
        bool is_full = TCP_OUTPUT_BYTES - tcp->output_len < PREFIX_BYTES + WIRE_MAX_BYTES;
        if (++gathered >= tcp->settings.pipeline || is_full) {
            gathered = 0;
            if (!flush(connection))
                return count;
        }
    }
    flush(connection);
    return count;
}

static void work(struct connection *connection)
{
    struct tcp *tcp = connection->tcp;
    uint64_t began_ns = clock_monotonic_ns();
    if (connection->is_ended && connection->ended_by == TALLY_CLOSE_BROKEN)
        goto out; /* the rest of a stream that made no sense */
    tcp->request.client = connection->client;
    tcp->request.now_unix_s = clock_unix_s();
    const struct serving *serving = publisher_enter(tcp->settings.publisher, tcp->settings.slot);
    size_t count = answer_all(connection, serving);
    publisher_leave(tcp->settings.publisher, tcp->settings.slot);
    if (connection->is_closing)
        return;
    frames_settle(&connection->frames);
    if (connection->frames.is_broken) {
        connection->is_ended = true;
        connection->ended_by = TALLY_CLOSE_BROKEN;
    }
    if (count > 0) {
        tcp_clients_touch(&tcp->clients, &connection->member, uv_now(&tcp->loop));
        histogram_record(&tcp->settings.tally->latency, clock_monotonic_ns() - began_ns, count);
    }
out:
    if (connection->is_ended && connection->left == NULL)
        close_connection(connection, connection->ended_by);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf)
{
    struct connection *connection = container_of(handle, struct connection, handle);
    (void)suggested;
    *out_buf = uv_buf_init((char *)connection->tcp->input, FRAMES_FEED_MAX);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *bytes)
{
    struct connection *connection = container_of(stream, struct connection, handle);
    if (len == 0 || connection->is_closing)
        return;
    if (len > 0) {
        frames_feed(&connection->frames, (const uint8_t *)bytes->base, (size_t)len);
        work(connection);
        return;
    }
    /* A client may close its side and still wait for answers; blocked ones are not reading, so
     * all its questions have been answered and written here. */
    close_connection(connection, TALLY_CLOSE_CLIENT);
}

static void read_on(struct connection *connection)
{
    if (uv_read_start((uv_stream_t *)&connection->handle, on_alloc, on_read) != 0)
        close_connection(connection, TALLY_CLOSE_CLIENT);
}

/* ---- accepting ----------------------------------------------------------------------------- */

static void make_room(struct tcp *tcp, const struct addr *client)
{
    struct tcp_member *oldest;
    if (tcp_clients_of(&tcp->clients, client, &oldest) < tcp->settings.per_client_max) {
        if (tcp->clients.count < tcp->settings.connections_max)
            return;
        oldest = tcp->clients.oldest;
    }
    close_connection(container_of(oldest, struct connection, member), TALLY_CLOSE_EVICTED);
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(container_of(handle, struct connection, handle));
}

static void on_incoming(uv_stream_t *stream, int status)
{
    struct tcp *tcp = container_of(stream, struct listener, handle)->tcp;
    struct sockaddr_storage name;
    int len = sizeof(name);
    if (status < 0) {
        counter_add(&tcp->settings.tally->tcp_refused, 1);
        log_limited(LOG_LEVEL_WARN, "tcp.accept", "error=\"%s\"", uv_strerror(status));
        return;
    }
    struct connection *connection = mem_calloc(1, sizeof(*connection));
    connection->tcp = tcp;
    uv_tcp_init(&tcp->loop, &connection->handle);
    if (uv_accept(stream, (uv_stream_t *)&connection->handle) != 0 ||
        uv_tcp_getpeername(&connection->handle, (struct sockaddr *)&name, &len) != 0 ||
        !addr_from_sockaddr((const struct sockaddr *)&name, &connection->client)) {
        counter_add(&tcp->settings.tally->tcp_refused, 1);
        uv_close((uv_handle_t *)&connection->handle, on_refused_closed);
        return;
    }
    make_room(tcp, &connection->client);
    uv_tcp_nodelay(&connection->handle, 1);
    frames_init(&connection->frames);
    tcp_clients_add(&tcp->clients, &connection->member, &connection->client, uv_now(&tcp->loop));
    counter_add(&tcp->settings.tally->tcp_accepted, 1);
    atomic_fetch_add_explicit(&tcp->open_count, 1, memory_order_relaxed);
    read_on(connection);
}

/* ---- timeouts ------------------------------------------------------------------------------ */

static void on_sweep(uv_timer_t *timer)
{
    struct tcp *tcp = container_of(timer, struct tcp, sweep);
    uint64_t now_ms = uv_now(&tcp->loop);
    while (tcp->blocked_first != NULL &&
           now_ms - tcp->blocked_first->blocked_ms >= tcp->settings.write_ms)
        close_connection(tcp->blocked_first, TALLY_CLOSE_SLOW);
    while (tcp->clients.oldest != NULL &&
           now_ms - tcp->clients.oldest->active_ms >= tcp->settings.idle_ms)
        close_connection(container_of(tcp->clients.oldest, struct connection, member),
                         TALLY_CLOSE_IDLE);
}

/* Often enough that a timeout is late by a quarter at most. */
static uint64_t sweep_ms(const struct tcp_settings *settings)
{
    uint64_t least =
        (settings->idle_ms < settings->write_ms ? settings->idle_ms : settings->write_ms) / 4;
    if (least < SWEEP_MIN_MS)
        return SWEEP_MIN_MS;
    return least > SWEEP_MAX_MS ? SWEEP_MAX_MS : least;
}

/* ---- starting and ending ------------------------------------------------------------------- */

static void on_stop(uv_async_t *stop)
{
    struct tcp *tcp = container_of(stop, struct tcp, stop);
    for (size_t i = 0; i < tcp->listener_count; i++)
        uv_close((uv_handle_t *)&tcp->listeners[i].handle, NULL);
    while (tcp->clients.oldest != NULL)
        close_connection(container_of(tcp->clients.oldest, struct connection, member),
                         TALLY_CLOSE_STOP);
    uv_close((uv_handle_t *)&tcp->sweep, NULL);
    uv_close((uv_handle_t *)&tcp->stop, NULL);
}

static void *run(void *arg)
{
    struct tcp *tcp = arg;
    uv_run(&tcp->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void tcp_free(struct tcp *tcp)
{
    int err = uv_loop_close(&tcp->loop);
    if (err != 0)
        log_error("tcp.stop", "error=\"%s\"", uv_strerror(err));
    tcp_clients_fini(&tcp->clients);
    free(tcp->listeners);
    free(tcp->input);
    free(tcp->output);
    free(tcp);
}

static int listen_on(struct tcp *tcp, int fd)
{
    struct listener *listener = &tcp->listeners[tcp->listener_count];
    listener->tcp = tcp;
    int err = uv_tcp_init(&tcp->loop, &listener->handle);
    if (err == 0) {
        tcp->listener_count++;
        err = uv_tcp_open(&listener->handle, fd);
    }
    if (err != 0) {
        close(fd);
        return err;
    }
    return uv_listen((uv_stream_t *)&listener->handle, BACKLOG, on_incoming);
}

static int open_all(struct tcp *tcp)
{
    int err = 0;
    for (size_t i = 0; i < tcp->settings.fd_count; i++) {
        if (err == 0)
            err = listen_on(tcp, tcp->settings.fds[i]);
        else
            close(tcp->settings.fds[i]);
    }
    return err;
}

enum err tcp_start(const struct tcp_settings *settings, struct diag *diag, struct tcp **out_tcp)
{
    struct tcp *tcp = mem_calloc(1, sizeof(*tcp));
    enum err err = loop_open(&tcp->loop, diag);
    if (err != ERR_OK) {
        for (size_t i = 0; i < settings->fd_count; i++)
            close(settings->fds[i]);
        free(tcp);
        return err;
    }
    tcp->settings = *settings;
    tcp->input = mem_calloc(FRAMES_FEED_MAX, 1);
    tcp->output = mem_calloc(TCP_OUTPUT_BYTES, 1);
    tcp->listeners = mem_calloc(settings->fd_count, sizeof(*tcp->listeners));
    tcp->request = (struct answer_request){ .capacity = WIRE_MAX_BYTES, .transport = ANSWER_TCP };
    tcp_clients_init(&tcp->clients, settings->connections_max, rng_seed());
    int failed = uv_async_init(&tcp->loop, &tcp->stop, on_stop);
    assert(failed == 0);
    uv_timer_init(&tcp->loop, &tcp->sweep);
    uv_timer_start(&tcp->sweep, on_sweep, sweep_ms(settings), sweep_ms(settings));
    failed = open_all(tcp);
    err = failed == 0 ? thread_start(&tcp->thread, settings->name, run, tcp) : ERR_IO;
    tcp->settings.fds = NULL; /* the caller's array; the descriptors belong to the listeners */
    if (err != ERR_OK) {
        diag_error(diag, 0, 0, "cannot serve TCP: %s",
                   failed != 0 ? uv_strerror(failed) : "no thread to be had");
        on_stop(&tcp->stop);
        uv_run(&tcp->loop, UV_RUN_DEFAULT);
        tcp_free(tcp);
        return err;
    }
    *out_tcp = tcp;
    return ERR_OK;
}

void tcp_stop(struct tcp *tcp)
{
    uv_async_send(&tcp->stop);
}

void tcp_join(struct tcp *tcp)
{
    if (tcp == NULL)
        return;
    pthread_join(tcp->thread, NULL);
    tcp_free(tcp);
}

uint64_t tcp_connection_count(const struct tcp *tcp)
{
    return atomic_load_explicit(&tcp->open_count, memory_order_relaxed);
}
