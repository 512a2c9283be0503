/* SPDX-License-Identifier: Apache-2.0 */
/* latency_client: what a client of a proxy sees, and when. See --help.
 *
 * One thread and epoll: nothing here takes longer than a handshake's arithmetic, so that requests
 * do not get into each other's way.
 */
#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "tests/bench/latency/course.h"

enum { EXIT_USAGE = 2, EVENTS_MAX = 64, ID_MAX = 16, OUTPUT_BYTES = 1 << 16 };

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    const struct connection *connection = SSL_get_app_data(ssl);
    struct pool *pool = connection->pool;
    if (!pool->options->is_resumed || SSL_SESSION_is_resumable(session) == 0)
        return 0;
    SSL_SESSION_free(pool->ticket);
    pool->ticket = session;
    return 1; /* we keep the reference */
}

static SSL_CTX *make_tls(const struct client_options *options)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    int version = options->is_tls12 ? TLS1_2_VERSION : options->is_tls13 ? TLS1_3_VERSION : 0;
    if (tls == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(tls, version != 0 ? version : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(tls, version);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, on_ticket);
    if (SSL_CTX_load_verify_locations(tls, options->ca, NULL) != 1) {
        fprintf(stderr, "latency_client: cannot read authorities from '%s': %s\n", options->ca,
                ERR_reason_error_string(ERR_peek_last_error()));
        SSL_CTX_free(tls);
        return NULL;
    }
    return tls;
}

static bool wait_for_events(int epoll_fd, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    fflush(stdout);
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = { .tv_sec = (time_t)(wait_ns / NS_PER_S),
                             .tv_nsec = (long)(wait_ns % NS_PER_S) };
    int count =
        epoll_pwait2(epoll_fd, events, EVENTS_MAX, until_ns == UINT64_MAX ? NULL : &wait, NULL);
    if (count < 0 && errno != EINTR) {
        fprintf(stderr, "latency_client: epoll_pwait2: %s\n", strerror(errno));
        return false;
    }
    for (int i = 0; i < count; i++)
        connection_on_ready(events[i].data.ptr);
    return true;
}

static bool run(const struct pool *model)
{
    bool is_stream = model->options->stream_ms > 0, is_fine = true;
    struct samples *samples = is_stream ? NULL : samples_new(model);
    struct stream *stream = is_stream ? stream_new(model) : NULL;
    while (is_fine) {
        uint64_t now_ns = clock_monotonic_ns();
        uint64_t due_ns = is_stream ? stream_step(stream, now_ns) : samples_step(samples, now_ns);
        if (due_ns == 0)
            break;
        is_fine = wait_for_events(model->epoll_fd, due_ns);
    }
    samples_free(samples);
    stream_free(stream);
    return is_fine;
}

/* Different in every run: origins keep what they executed by it. */
static void make_id(char out_id[ID_MAX])
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint32_t)clock_monotonic_ns();
    snprintf(out_id, ID_MAX, "lab-%08x", (unsigned)number);
}

int main(int argc, char *argv[])
{
    struct client_options options;
    struct buf problem;
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    char id[ID_MAX];
    bool is_fine = false;
    buf_init(&problem, 4096);
    if (!client_options_parse(argc, argv, &options, &problem)) {
        fprintf(stderr, "latency_client: %s; see --help\n", buf_text(&problem));
        buf_fini(&problem);
        return EXIT_USAGE;
    }
    buf_fini(&problem);
    if (options.is_help) {
        fputs(client_options_help(), stdout);
        return 0;
    }
    sigaction(SIGPIPE, &ignore, NULL);
    /* Rows are of use also when it is killed, but none is written while answers are read. */
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
    make_id(id);
    struct pool model = { .options = &options, .id = id, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    model.tls = make_tls(&options);
    model.epoch_ns = clock_monotonic_ns();
    if (model.tls != NULL && model.epoll_fd >= 0)
        is_fine = run(&model);
    SSL_CTX_free(model.tls);
    if (model.epoll_fd >= 0)
        close(model.epoll_fd);
    return is_fine ? 0 : 1;
}
