/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "pop/server/transport.h"
#include "steering/base/mem.h"
#include "tests/unit/pop/tls/pki.h"

enum { DEADLINE_MS = 20000, BIG_BYTES = LIMIT(8 * 1024 * 1024, 100 * 1024) };

/* ---- fixture: two ends in one loop ----------------------------------------------------------- */

static struct pki *pki;
static uv_loop_t loop;
static struct io io;
static uv_timer_t watchdog;
static struct tls_context *server_tls, *client_tls;

/* What an end does in reaction, beyond counting. */
enum act { ACT_NONE, ACT_CLOSE, ACT_ABORT, ACT_PAUSE, ACT_END };

struct end {
    struct transport *transport;
    size_t to_send, sent; /* the pattern: byte i is pattern(i) */
    size_t received;
    size_t pull_max; /* 0: no limit */
    struct buf echo;
    unsigned opened, ended, flushed, closed, empty_pulls;
    enum transport_cause cause;
    enum act on_open, on_bytes, on_pull, on_end, on_flushed;
    bool is_echo;
    char reason[128];
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static void act(struct end *end, enum act what)
{
    switch (what) {
    case ACT_NONE:
        return;
    case ACT_CLOSE:
        transport_close(end->transport);
        return;
    case ACT_ABORT:
        transport_abort(end->transport);
        return;
    case ACT_PAUSE:
        transport_pause(end->transport);
        return;
    case ACT_END:
        transport_end(end->transport);
        return;
    }
}

static void on_open(void *owner)
{
    struct end *end = owner;
    assert_int_equal(end->opened++ + end->closed, 0);
    transport_mark(end->transport);
    act(end, end->on_open);
}

static void on_bytes(void *owner, const uint8_t *bytes, size_t len)
{
    struct end *end = owner;
    assert_true(end->opened == 1 && end->ended == 0 && end->closed == 0 && len > 0);
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != pattern(end->received + i))
            fail_msg("byte %zu is wrong", end->received + i);
    end->received += len;
    if (end->is_echo) {
        buf_append(&end->echo, bytes, len);
        transport_mark(end->transport);
    }
    act(end, end->on_bytes);
}

static void on_end(void *owner)
{
    struct end *end = owner;
    assert_int_equal(end->ended++ + end->closed, 0);
    act(end, end->on_end);
}

static size_t on_pull(void *owner, uint8_t *out, size_t capacity)
{
    struct end *end = owner;
    assert_true(end->opened == 1 && end->closed == 0);
    assert_true(capacity > 0 || end->on_flushed == ACT_END); /* has ended: nothing to fill */
    if (capacity == 0)
        end->empty_pulls++;
    if (end->is_echo) {
        size_t len = end->echo.len < capacity ? end->echo.len : capacity;
        if (len > 0)
            memcpy(out, end->echo.bytes, len);
        buf_consume(&end->echo, len);
        return len;
    }
    size_t len = end->to_send - end->sent < capacity ? end->to_send - end->sent : capacity;
    if (end->pull_max > 0 && len > end->pull_max)
        len = end->pull_max;
    for (size_t i = 0; i < len; i++)
        out[i] = pattern(end->sent + i);
    end->sent += len;
    if (end->sent > 0)
        act(end, end->on_pull);
    return len;
}

static void on_flushed(void *owner)
{
    struct end *end = owner;
    end->flushed++;
    act(end, end->on_flushed);
}

static void on_closed(void *owner, enum transport_cause cause)
{
    struct end *end = owner;
    end->closed++;
    end->cause = cause;
    snprintf(end->reason, sizeof(end->reason), "%s", transport_reason(end->transport));
    end->transport = NULL;
}

static const struct transport_events events = {
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_pull = on_pull,
    .on_flushed = on_flushed,
    .on_closed = on_closed,
};

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happens any more");
}

/* Turns the loop until `is_done`. */
static void run_until(bool (*is_done)(const struct end *ends), const struct end *ends)
{
    while (!is_done(ends))
        uv_run(&loop, UV_RUN_ONCE);
}

static bool both_closed(const struct end *ends)
{
    return ends[0].closed > 0 && ends[1].closed > 0;
}
static bool first_closed(const struct end *ends)
{
    return ends[0].closed > 0;
}
static bool both_received(const struct end *ends)
{
    return ends[0].received == ends[1].to_send && ends[1].received == ends[0].to_send;
}

static void open_contexts(void)
{
    struct diag diag;
    diag_init(&diag);
    const struct tls_certificate_files files = { "a.crt", "a.key" };
    const struct tls_server_settings server = {
        .certificates = &files, .certificate_count = 1, .is_http2 = true, .session_s = 600
    };
    const struct tls_client_settings client = { .ca = "ca.pem",
                                                .is_verified = true,
                                                .is_http2 = true };
    assert_int_equal(tls_server_new(&server, NULL, (int64_t)time(NULL), &diag, &server_tls),
                     ERR_OK);
    assert_int_equal(tls_client_new(&client, &diag, &client_tls), ERR_OK);
    diag_fini(&diag);
}

static int setup(void **state)
{
    (void)state;
    pki = pki_new();
    pki_issue(pki, &(struct pki_wish){ .file = "a", .names = "DNS:a.example" });
    open_contexts();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_context_unref(server_tls);
    tls_context_unref(client_tls);
    pki_free(pki);
    return 0;
}

static int open_loop(void **state)
{
    struct diag diag;
    (void)state;
    diag_init(&diag);
    uv_loop_init(&loop);
    assert_int_equal(io_open(&io, &loop, &diag), ERR_OK);
    diag_fini(&diag);
    uv_timer_init(&loop, &watchdog);
    uv_timer_start(&watchdog, on_watchdog, DEADLINE_MS, 0);
    return 0;
}

static int close_loop(void **state)
{
    (void)state;
    assert_int_equal(io.transports, 0);
    uv_close((uv_handle_t *)&watchdog, NULL);
    io_close(&io);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static struct transport_settings settings_of(struct end *end)
{
    return (struct transport_settings){ .events = &events,
                                        .owner = end,
                                        .connect_ms = 5000,
                                        .handshake_ms = 5000,
                                        .write_stall_ms = 5000 };
}

static int segment_bytes; /* of connections from now on; 0: loopback's, which are huge */

/* A listening socket on loopback with tiny buffers, when asked for. */
static int listen_on(uint16_t *out_port, int buffer_bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(name);
    if (buffer_bytes > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    }
    if (segment_bytes > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, sizeof(segment_bytes));
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 &&
                listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&name, &len) == 0);
    *out_port = ntohs(name.sin_port);
    return fd;
}

static struct addr loopback(void)
{
    return addr_from_v4_u32(INADDR_LOOPBACK);
}

/* ends[0] connects, ends[1] is accepted. */
static void connect_ends(struct end ends[2], bool is_tls, int buffer_bytes)
{
    uint16_t port;
    struct addr to = loopback();
    int listener = listen_on(&port, buffer_bytes);
    struct transport_settings client = settings_of(&ends[0]), server = settings_of(&ends[1]);
    client.tls = is_tls ? client_tls : NULL;
    client.server_name = "a.example";
    server.tls = is_tls ? server_tls : NULL;
    server.is_client_leg = true;
    ends[0].transport = transport_connect(&io, &to, port, &client);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    ends[1].transport = transport_accept(&io, fd, &server, NULL, 0);
    close(listener);
}

/* ---- transfers ------------------------------------------------------------------------------- */

static void check_transfer(bool is_tls, int buffer_bytes, size_t bytes, size_t pull_max)
{
    struct end ends[2] = { { .to_send = bytes, .pull_max = pull_max },
                           { .to_send = bytes + 1, .pull_max = pull_max } };
    connect_ends(ends, is_tls, buffer_bytes);
    run_until(both_received, ends);
    assert_true(ends[0].flushed > 0 && ends[1].flushed > 0);
    struct transport_info info = transport_info(ends[1].transport);
    assert_true(info.is_open && info.bytes_in >= bytes && info.bytes_out >= bytes);
    assert_int_equal(info.tls.is_tls, is_tls);
    assert_true(addr_eq(&info.peer, &info.local));
    transport_close(ends[0].transport);
    ends[1].on_end = ACT_CLOSE;
    run_until(both_closed, ends);
    assert_int_equal(ends[0].cause, TRANSPORT_LOCAL);
    assert_int_equal(ends[1].cause, TRANSPORT_PEER);
    assert_int_equal(ends[1].ended, 1);
}

static void test_transfer_both_ways(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        check_transfer(is_tls, 0, 1, 0);
        check_transfer(is_tls, 0, BIG_BYTES, 0);
        check_transfer(is_tls, 4096, BIG_BYTES / 8, 0);
        check_transfer(is_tls, 0, BIG_BYTES / 4, 1000);
    }
}

static void test_echo(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct end ends[2] = { { .to_send = 300000 }, { .is_echo = true } };
        buf_init(&ends[1].echo, 1 << 20);
        ends[1].to_send = ends[0].to_send; /* what the first end waits for */
        connect_ends(ends, is_tls, 0);
        run_until(both_received, ends);
        transport_close(ends[0].transport);
        transport_close(ends[1].transport);
        run_until(both_closed, ends);
        buf_fini(&ends[1].echo);
    }
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void test_close_sends_everything_first(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct end ends[2] = { { .on_end = ACT_CLOSE },
                               { .to_send = BIG_BYTES, .on_open = ACT_CLOSE } };
        connect_ends(ends, is_tls, 4096);
        run_until(both_closed, ends);
        assert_int_equal(ends[0].received, BIG_BYTES);
        assert_int_equal(ends[0].ended, 1);
        assert_int_equal(ends[1].cause, TRANSPORT_LOCAL);
        assert_int_equal(ends[0].cause, TRANSPORT_PEER);
    }
}

/* Bytes that the peer still sends must not be answered with a reset: it would throw away what the
 * peer has not read yet. */
static void test_close_lingers_while_the_peer_talks(void **state)
{
    (void)state;
    const int small = 4096, large = 1024 * 1024;
    struct end ends[2] = { { .to_send = 250 * 1024, .on_open = ACT_PAUSE, .on_end = ACT_CLOSE },
                           { .to_send = 100 * 1000, .on_bytes = ACT_CLOSE } };
    connect_ends(ends, false, 0);
    setsockopt(transport_info(ends[0].transport).fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    setsockopt(transport_info(ends[1].transport).fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    while (ends[1].flushed == 0)
        uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    transport_resume(ends[0].transport);
    run_until(both_closed, ends);
    assert_int_equal(ends[0].received, ends[1].to_send);
    assert_int_equal(ends[0].ended, 1);
    assert_int_equal(ends[0].cause, TRANSPORT_PEER);
}

static void test_half_close(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct end ends[2] = { { .to_send = 5000, .on_flushed = ACT_END, .on_end = ACT_CLOSE },
                               { .to_send = 0, .on_end = ACT_NONE } };
        connect_ends(ends, is_tls, 0);
        while (ends[1].ended == 0)
            uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(ends[1].received, 5000);
        transport_mark(ends[0].transport); /* its session may have something to settle */
        ends[1].to_send = 70000;           /* the answer, after the peer's end */
        transport_mark(ends[1].transport);
        while (ends[0].received < 70000)
            uv_run(&loop, UV_RUN_ONCE);
        assert_true(ends[0].empty_pulls > 0 && ends[1].empty_pulls == 0);
        transport_close(ends[1].transport);
        run_until(both_closed, ends);
        assert_int_equal(ends[0].cause, TRANSPORT_PEER);
        assert_int_equal(ends[1].cause, TRANSPORT_PEER);
    }
}

static void test_abort_resets_the_peer(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct end ends[2] = { { .to_send = 10 }, { .on_bytes = ACT_ABORT } };
        connect_ends(ends, is_tls, 0);
        run_until(both_closed, ends);
        assert_int_equal(ends[0].cause, TRANSPORT_RESET);
        assert_int_equal(ends[1].cause, TRANSPORT_LOCAL);
        assert_int_equal(ends[0].ended, 0);
    }
}

/* Out of every event, at any time: no further event but on_closed, and no use of freed memory. */
static void test_close_and_abort_from_every_event(void **state)
{
    (void)state;
    static const enum act acts[] = { ACT_CLOSE, ACT_ABORT };
    for (int i = 0; i < 40; i++) {
        bool is_tls = i % 2 == 1;
        enum act what = acts[i / 2 % 2];
        struct end ends[2] = { { .to_send = 100000 }, { .to_send = 100000 } };
        struct end *end = &ends[i / 4 % 2];
        switch (i / 8) {
        case 0:
            end->on_open = what;
            break;
        case 1:
            end->on_bytes = what;
            break;
        case 2:
            end->on_pull = what;
            break;
        case 3:
            end->on_flushed = what;
            break;
        default:
            end->on_end = what;
            ends[i / 4 % 2 == 0 ? 1 : 0].on_flushed = ACT_END;
            break;
        }
        struct end *other = &ends[i / 4 % 2 == 0 ? 1 : 0];
        other->on_end = ACT_CLOSE;
        connect_ends(ends, is_tls, 0);
        while (end->closed == 0 && end->transport != NULL)
            uv_run(&loop, UV_RUN_ONCE);
        while (other->closed == 0) {
            transport_close(other->transport);
            uv_run(&loop, UV_RUN_ONCE);
        }
        assert_true(end->closed == 1 && other->closed == 1);
    }
}

static void test_truncated_tls_is_told_apart(void **state)
{
    (void)state;
    struct end ends[2] = { { .to_send = 10 }, { .to_send = 10 } };
    connect_ends(ends, true, 0);
    run_until(both_received, ends);
    shutdown(transport_info(ends[0].transport).fd, SHUT_WR); /* FIN without close_notify */
    while (ends[1].closed == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(ends[1].cause, TRANSPORT_TRUNCATED);
    assert_int_equal(ends[1].ended, 0);
    transport_abort(ends[0].transport);
    run_until(both_closed, ends);
}

/* What is missing must be seen, what was said must arrive. */
static void test_cut_is_no_orderly_end(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct end ends[2] = { { .to_send = 0 }, { .to_send = 1000 } };
        connect_ends(ends, is_tls, 0);
        run_until(both_received, ends);
        transport_cut(ends[1].transport);
        transport_close(ends[1].transport);
        run_until(both_closed, ends);
        assert_int_equal(ends[0].ended, 0);
        assert_int_equal(ends[0].cause, TRANSPORT_RESET);
        assert_int_equal(ends[1].cause, TRANSPORT_LOCAL);
    }
}

/* ---- pauses, stalls -------------------------------------------------------------------------- */

static void test_pause_and_resume_lose_nothing(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        struct end ends[2] = { { .to_send = BIG_BYTES / 4 }, { .on_bytes = ACT_PAUSE } };
        connect_ends(ends, is_tls, 0);
        unsigned pauses = 0;
        while (ends[1].received < ends[0].to_send) {
            size_t before = ends[1].received;
            uv_run(&loop, UV_RUN_NOWAIT);
            uv_run(&loop, UV_RUN_NOWAIT);
            if (ends[1].received == before)
                continue;
            /* Paused: not a byte more, whatever happens. */
            size_t paused_at = ends[1].received;
            uv_run(&loop, UV_RUN_NOWAIT);
            uv_run(&loop, UV_RUN_NOWAIT);
            assert_int_equal(ends[1].received, paused_at);
            pauses++;
            transport_resume(ends[1].transport);
        }
        assert_true(pauses > 5);
        ends[1].on_bytes = ACT_NONE;
        transport_abort(ends[0].transport);
        transport_abort(ends[1].transport);
        run_until(both_closed, ends);
    }
}

static void test_write_stall_ends_the_connection(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls <= 1; is_tls++) {
        uint16_t port;
        int listener = listen_on(&port, 4096);
        struct end ends[2] = { { .to_send = 64 * 1024 * 1024 }, { .to_send = 0 } };
        struct transport_settings client = settings_of(&ends[0]), server = settings_of(&ends[1]);
        struct addr to = loopback();
        client.write_stall_ms = 300;
        client.tls = is_tls ? client_tls : NULL;
        client.server_name = "a.example";
        server.tls = is_tls ? server_tls : NULL;
        ends[1].on_open = ACT_PAUSE;
        ends[0].transport = transport_connect(&io, &to, port, &client);
        int fd = accept(listener, NULL, NULL);
        ends[1].transport = transport_accept(&io, fd, &server, NULL, 0);
        run_until(first_closed, ends);
        assert_int_equal(ends[0].cause, TRANSPORT_WRITE_STALL);
        assert_true(ends[0].sent < ends[0].to_send);
        /* A paused end hears of the reset, too. */
        run_until(both_closed, ends);
        assert_int_equal(ends[1].cause, TRANSPORT_RESET);
        close(listener);
    }
}

static void test_unsent_is_bounded(void **state)
{
    (void)state;
    struct end ends[2] = { { .to_send = 64 * 1024 * 1024 }, { .on_open = ACT_PAUSE } };
    connect_ends(ends, true, 4096);
    for (int i = 0; i < 50; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        transport_mark(ends[0].transport);
        assert_true(transport_info(ends[0].transport).unsent_bytes <= TRANSPORT_UNSENT_MAX);
    }
    transport_abort(ends[0].transport);
    transport_abort(ends[1].transport);
    run_until(both_closed, ends);
}

/* ---- record sizes ---------------------------------------------------------------------------- */

enum {
    PAUSE_MS = 30,           /* more than a burst's pause */
    RECORD_EXTRA_BYTES = 22, /* TLS 1.3: header, type, tag */
    SMALL_BYTES = 1300,
};

static void on_waited(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void wait_ms(uint64_t ms)
{
    bool is_over = false;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    timer.data = &is_over;
    uv_update_time(&loop);
    uv_timer_start(&timer, on_waited, ms, 0);
    while (!is_over)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* What encryption has added since the connection began: of each record the same. */
static size_t extra_bytes(const struct end *end)
{
    struct transport_info info = transport_info(end->transport);
    return (size_t)info.bytes_out + info.unsent_bytes - end->sent;
}

/* Runs until more is pulled; how many records that became. */
static size_t count_next_records(struct end *end)
{
    size_t sent = end->sent, extra = extra_bytes(end);
    while (end->sent == sent)
        uv_run(&loop, UV_RUN_ONCE);
    return (extra_bytes(end) - extra) / RECORD_EXTRA_BYTES;
}

static void wait_for_full_kernel(const struct end *end)
{
    uint64_t before;
    do {
        before = transport_info(end->transport).bytes_out;
        wait_ms(PAUSE_MS);
    } while (transport_info(end->transport).bytes_out != before ||
             transport_info(end->transport).unsent_bytes == 0);
}

/* Who waits for the kernel does not pause: nothing would arrive earlier by small records. */
static void test_blocked_sender_keeps_full_records(void **state)
{
    (void)state;
    if (IO_BUFFER_BYTES < IO_RECORD_BYTES)
        skip(); /* all are small */
    struct end ends[2] = { { .on_open = ACT_PAUSE }, { .to_send = 64 * 1024 * 1024 } };
    connect_ends(ends, true, 4096);
    wait_for_full_kernel(&ends[1]);
    size_t sent = ends[1].sent;
    transport_resume(ends[0].transport);
    size_t records = count_next_records(&ends[1]);
    assert_int_equal(records, (ends[1].sent - sent) / IO_RECORD_BYTES);
    transport_abort(ends[0].transport);
    transport_abort(ends[1].transport);
    run_until(both_closed, ends);
}

/* After a pause, of four packets' content. */
static size_t count_records_of_four(struct end ends[2], int sender)
{
    run_until(both_received, ends);
    wait_ms(PAUSE_MS);
    ends[sender].to_send += 3 * SMALL_BYTES + 1;
    transport_mark(ends[sender].transport);
    return count_next_records(&ends[sender]);
}

static void test_records_are_small_after_a_pause(void **state)
{
    (void)state;
    if (IO_BUFFER_BYTES < IO_RECORD_BYTES)
        skip();
    struct end ends[2] = { { .to_send = 1 }, { .to_send = 200 * 1024 } };
    connect_ends(ends, true, 0);
    assert_int_equal(count_records_of_four(ends, 1), 4);
    transport_abort(ends[0].transport);
    transport_abort(ends[1].transport);
    run_until(both_closed, ends);
}

/* Ends that connect are none of a client's leg. */
static void test_backbone_records_are_full_when_the_window_takes_them(void **state)
{
    (void)state;
    if (IO_BUFFER_BYTES < IO_RECORD_BYTES)
        skip();
    struct end ends[2] = { { .to_send = 1 }, { .to_send = 1 } };
    segment_bytes = 600; /* ten of them: less than a record */
    connect_ends(ends, true, 0);
    segment_bytes = 0;
    assert_int_equal(count_records_of_four(ends, 0), 4);
    ends[0].to_send += 200 * 1024;
    transport_mark(ends[0].transport);
    assert_int_equal(count_records_of_four(ends, 0), 1);
    transport_abort(ends[0].transport);
    transport_abort(ends[1].transport);
    run_until(both_closed, ends);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void test_connect_failures_come_later(void **state)
{
    (void)state;
    uint16_t port;
    struct end ends[2] = { { .to_send = 0 }, { .to_send = 0 } };
    struct transport_settings settings = settings_of(&ends[0]);
    struct addr to = loopback();
    close(listen_on(&port, 0));
    ends[0].transport = transport_connect(&io, &to, port, &settings);
    assert_int_equal(ends[0].closed, 0);
    run_until(first_closed, ends);
    assert_int_equal(ends[0].cause, TRANSPORT_REFUSED);
    assert_string_equal(ends[0].reason, "Connection refused");
}

static void test_connect_without_descriptors_is_a_system_failure(void **state)
{
    (void)state;
    struct rlimit before, none;
    struct end ends[2] = { { .to_send = 0 }, { .to_send = 0 } };
    struct transport_settings settings = settings_of(&ends[0]);
    struct addr to = loopback();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ends[0].transport = transport_connect(&io, &to, 1, &settings);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(ends[0].closed, 0);
    run_until(first_closed, ends);
    assert_int_equal(ends[0].cause, TRANSPORT_SYSTEM);
}

/* A full backlog swallows the SYN. */
static void test_connect_timeout(void **state)
{
    (void)state;
    uint16_t port;
    int listener = listen_on(&port, 0);
    listen(listener, 0);
    struct addr to = loopback();
    struct end fillers[8] = { { .to_send = 0 } }, ends[2] = { { .to_send = 0 } };
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
        struct transport_settings settings = settings_of(&fillers[i]);
        settings.connect_ms = 200;
        fillers[i].transport = transport_connect(&io, &to, port, &settings);
    }
    struct transport_settings settings = settings_of(&ends[0]);
    settings.connect_ms = 200;
    ends[0].transport = transport_connect(&io, &to, port, &settings);
    run_until(first_closed, ends);
    assert_int_equal(ends[0].cause, TRANSPORT_CONNECT_TIMEOUT);
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
        if (fillers[i].closed == 0)
            transport_abort(fillers[i].transport);
        run_until(first_closed, &fillers[i]);
    }
    close(listener);
}

static void test_handshake_timeout_and_garbage(void **state)
{
    (void)state;
    for (int is_garbage = 0; is_garbage <= 1; is_garbage++) {
        int fds[2];
        struct end ends[2] = { { .to_send = 0 } };
        struct transport_settings settings = settings_of(&ends[0]);
        if (!is_garbage)
            settings.handshake_ms = 100;
        settings.tls = server_tls;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ends[0].transport = transport_accept(&io, fds[0], &settings, NULL, 0);
        if (is_garbage)
            assert_int_equal(write(fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
        run_until(first_closed, ends);
        assert_int_equal(ends[0].cause, is_garbage ? TRANSPORT_TLS : TRANSPORT_TLS_TIMEOUT);
        assert_int_equal(ends[0].opened, 0);
        assert_string_equal(ends[0].reason, is_garbage ? "http request" : "");
        close(fds[1]);
    }
}

static void test_wrong_name_fails_the_handshake(void **state)
{
    (void)state;
    uint16_t port;
    int listener = listen_on(&port, 0);
    struct end ends[2] = { { .to_send = 5 }, { .to_send = 5, .on_end = ACT_CLOSE } };
    struct transport_settings client = settings_of(&ends[0]), server = settings_of(&ends[1]);
    struct addr to = loopback();
    client.tls = client_tls;
    client.server_name = "b.example";
    server.tls = server_tls;
    ends[0].transport = transport_connect(&io, &to, port, &client);
    ends[1].transport = transport_accept(&io, accept(listener, NULL, NULL), &server, NULL, 0);
    run_until(both_closed, ends);
    assert_int_equal(ends[0].cause, TRANSPORT_TLS);
    assert_non_null(strstr(ends[0].reason, "hostname mismatch"));
    assert_int_equal(ends[0].opened, 0);
    assert_int_equal(ends[1].cause, TRANSPORT_TLS); /* the alert */
    close(listener);
}

static void test_accept_with_head(void **state)
{
    (void)state;
    int fds[2];
    uint8_t head[40];
    struct end ends[2] = { { .to_send = 0 } };
    struct transport_settings settings = settings_of(&ends[0]);
    for (size_t i = 0; i < sizeof(head); i++)
        head[i] = pattern(i);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ends[0].transport = transport_accept(&io, fds[0], &settings, head, sizeof(head));
    assert_int_equal(ends[0].opened, 0);
    ends[1].to_send = sizeof(head);
    ends[1].received = ends[0].to_send;
    run_until(both_received, ends);
    transport_abort(ends[0].transport);
    run_until(first_closed, ends);
    close(fds[1]);
}

/* ---- marks and turns ------------------------------------------------------------------------- */

struct marker {
    uv_async_t async;
    struct io_timer timer;
    struct end *end;
};

static void send_more(struct end *end)
{
    end->to_send += 3;
    transport_mark(end->transport);
}

static void on_timer(struct io_timer *timer)
{
    send_more(container_of(timer, struct marker, timer)->end);
}

static void on_async(uv_async_t *async)
{
    send_more(container_of(async, struct marker, async)->end);
}

/* From wherever a mark is made, the bytes leave though nothing else wakes the loop. */
static void test_marks_from_everywhere_are_flushed(void **state)
{
    (void)state;
    struct end ends[2] = { { .to_send = 1 }, { .to_send = 1 } };
    struct marker marker = { .end = &ends[0] };
    connect_ends(ends, true, 0);
    run_until(both_received, ends);
    uv_async_init(&loop, &marker.async, on_async);
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 0)
            io_timer_start(&io, &marker.timer, 2, on_timer);
        else if (i % 3 == 1)
            uv_async_send(&marker.async);
        else
            send_more(&ends[0]);
        size_t wanted = 1 + 3 * ((size_t)i + 1);
        while (ends[1].received < wanted)
            uv_run(&loop, UV_RUN_ONCE); /* would sleep until the watchdog */
    }
    uv_close((uv_handle_t *)&marker.async, NULL);
    transport_close(ends[0].transport);
    transport_close(ends[1].transport);
    run_until(both_closed, ends);
}

static void test_idle_loop_sleeps(void **state)
{
    (void)state;
    struct end ends[2] = { { .to_send = 1 }, { .to_send = 1 } };
    connect_ends(ends, true, 0);
    run_until(both_received, ends);
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(uv_is_active((uv_handle_t *)&io.again));
    /* The ticker may look once more for the timers of the handshake, which were stopped. */
    assert_true(uv_backend_timeout(&loop) != 0 || io.ticker_ms <= uv_now(&loop));
    transport_abort(ends[0].transport);
    transport_abort(ends[1].transport);
    run_until(both_closed, ends);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)
int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_transfer_both_ways),
        ROW(test_echo),
        ROW(test_close_sends_everything_first),
        ROW(test_close_lingers_while_the_peer_talks),
        ROW(test_half_close),
        ROW(test_abort_resets_the_peer),
        ROW(test_close_and_abort_from_every_event),
        ROW(test_truncated_tls_is_told_apart),
        ROW(test_cut_is_no_orderly_end),
        ROW(test_pause_and_resume_lose_nothing),
        ROW(test_write_stall_ends_the_connection),
        ROW(test_unsent_is_bounded),
        ROW(test_blocked_sender_keeps_full_records),
        ROW(test_records_are_small_after_a_pause),
        ROW(test_backbone_records_are_full_when_the_window_takes_them),
        ROW(test_connect_failures_come_later),
        ROW(test_connect_without_descriptors_is_a_system_failure),
        ROW(test_connect_timeout),
        ROW(test_handshake_timeout_and_garbage),
        ROW(test_wrong_name_fails_the_handshake),
        ROW(test_accept_with_head),
        ROW(test_marks_from_everywhere_are_flushed),
        ROW(test_idle_loop_sleeps),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
