/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/latency/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "tests/bench/latency/pool.h"

enum { READ_BYTES = 65536, OUT_MAX_BYTES = 1 << 20, PROBLEM_MAX = REQUEST_ERROR_MAX };

static int open_socket(const struct client_options *options)
{
    int yes = 1;
    int fd = socket(options->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

static SSL *make_ssl(struct connection *connection)
{
    const struct pool *pool = connection->pool;
    uint8_t alpn[16];
    size_t alpn_len = strlen(connection->codec->alpn);
    SSL *ssl = SSL_new(pool->tls);
    if (ssl == NULL)
        return NULL;
    alpn[0] = (uint8_t)alpn_len;
    memcpy(alpn + 1, connection->codec->alpn, alpn_len);
    SSL_set_app_data(ssl, connection);
    SSL_set_connect_state(ssl);
    /* 1: done; but SSL_set_alpn_protos, of all functions, says so with 0. */
    if (SSL_set_fd(ssl, connection->fd) != 1 ||
        SSL_set_tlsext_host_name(ssl, pool->options->host) != 1 ||
        SSL_set1_host(ssl, pool->options->host) != 1 ||
        SSL_set_alpn_protos(ssl, alpn, (unsigned)alpn_len + 1) != 0 ||
        (pool->ticket != NULL && SSL_set_session(ssl, pool->ticket) != 1)) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

static void fail_errno(struct connection *connection, const char *doing, int number)
{
    char text[PROBLEM_MAX];
    snprintf(text, sizeof(text), "%s: %s", doing, strerror(number));
    connection_close(connection, text);
}

/* What ended it, when OpenSSL says only that it ended. */
static void fail_ssl(struct connection *connection, const char *doing, int result)
{
    int number = errno;
    int kind = SSL_get_error(connection->ssl, result);
    unsigned long code = ERR_peek_last_error();
    char text[PROBLEM_MAX];
    if (kind == SSL_ERROR_SYSCALL && number != 0) {
        fail_errno(connection, doing, number);
        return;
    }
    if (kind == SSL_ERROR_ZERO_RETURN || kind == SSL_ERROR_SYSCALL ||
        ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        snprintf(text, sizeof(text), "%s: closed by the server", doing);
    else if (SSL_get_verify_result(connection->ssl) != X509_V_OK)
        snprintf(text, sizeof(text), "%s: %s", doing,
                 X509_verify_cert_error_string(SSL_get_verify_result(connection->ssl)));
    else
        snprintf(text, sizeof(text), "%s: %s", doing, ERR_reason_error_string(code));
    connection_close(connection, text);
}

static void on_handshaken(struct connection *connection)
{
    const uint8_t *alpn = NULL;
    unsigned alpn_len = 0;
    struct request *request = NULL;
    connection->handshaken_ns = clock_monotonic_ns();
    SSL_get0_alpn_selected(connection->ssl, &alpn, &alpn_len);
    if (alpn_len != strlen(connection->codec->alpn) ||
        memcmp(alpn, connection->codec->alpn, alpn_len) != 0) {
        connection_close(connection, "handshake: the server does not speak this version of HTTP");
        return;
    }
    connection->state = CONNECTION_OPEN;
    connection->codec->start(connection);
    for (request = TAILQ_FIRST(&connection->requests); request != NULL;
         request = TAILQ_NEXT(request, on_connection)) {
        request->connected_ns = connection->connected_ns;
        request->handshaken_ns = connection->handshaken_ns;
        connection->codec->submit(connection, request);
    }
}

static void handshake(struct connection *connection)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(connection->ssl);
    if (result == 1) {
        on_handshaken(connection);
        return;
    }
    int kind = SSL_get_error(connection->ssl, result);
    if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
        fail_ssl(connection, "handshake", result);
}

static void finish_connect(struct connection *connection)
{
    int number = 0;
    socklen_t len = sizeof(number);
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &number, &len);
    if (number != 0) {
        fail_errno(connection, "connect", number);
        return;
    }
    if (getpeername(connection->fd, (struct sockaddr *)&peer, &peer_len) != 0)
        return; /* not yet */
    connection->connected_ns = clock_monotonic_ns();
    connection->state = CONNECTION_HANDSHAKING;
}

static void read_all(struct connection *connection)
{
    static uint8_t bytes[READ_BYTES];
    while (connection->state == CONNECTION_OPEN) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_read(connection->ssl, bytes, sizeof(bytes));
        uint64_t now_ns = clock_monotonic_ns();
        if (result > 0) {
            connection->heard_ns = now_ns;
            const char *problem =
                connection->codec->receive(connection, bytes, (size_t)result, now_ns);
            if (problem != NULL)
                connection_close(connection, problem);
            continue;
        }
        int kind = SSL_get_error(connection->ssl, result);
        if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
            return;
        if (kind == SSL_ERROR_ZERO_RETURN)
            connection->codec->on_end(connection, now_ns);
        fail_ssl(connection, "connection", result);
    }
}

static void stamp_sent(struct connection *connection)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (struct request *request = TAILQ_FIRST(&connection->requests); request != NULL;
         request = TAILQ_NEXT(request, on_connection))
        if (request->is_encoded && request->sent_ns == 0)
            request->sent_ns = now_ns;
}

void connection_flush(struct connection *connection)
{
    while (connection->state == CONNECTION_OPEN) {
        if (connection->out.len == 0)
            connection->codec->fill(connection);
        if (connection->out.len == 0)
            break;
        ERR_clear_error();
        errno = 0;
        int result = SSL_write(connection->ssl, connection->out.bytes, (int)connection->out.len);
        if (result > 0) {
            buf_consume(&connection->out, (size_t)result);
            stamp_sent(connection);
            continue;
        }
        int kind = SSL_get_error(connection->ssl, result);
        if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
            return;
        fail_ssl(connection, "connection", result);
    }
}

void connection_on_ready(struct connection *connection)
{
    if (connection->state == CONNECTION_CONNECTING)
        finish_connect(connection);
    if (connection->state == CONNECTION_HANDSHAKING)
        handshake(connection);
    connection_flush(connection);
    read_all(connection);
    connection_flush(connection);
    connection_settle(connection);
}

void connection_submit(struct connection *connection, struct request *request)
{
    TAILQ_INSERT_TAIL(&connection->requests, request, on_connection);
    connection->request_count++;
    request->connection = connection;
    request->connection_number = connection->number;
    if (connection->state == CONNECTION_OPEN)
        connection->codec->submit(connection, request);
}

void connection_finish(struct connection *connection, struct request *request, uint64_t now_ns)
{
    if (request->error[0] == '\0')
        request->last_ns = now_ns;
    if (connection->handshaken_ns != 0) {
        request->is_resumed = SSL_session_reused(connection->ssl) == 1;
        request->tls = SSL_version(connection->ssl) == TLS1_3_VERSION ? "1.3" : "1.2";
    }
    TAILQ_REMOVE(&connection->requests, request, on_connection);
    connection->request_count--;
    pool_on_done(connection->pool, request);
}

void connection_cancel(struct connection *connection, struct request *request, const char *error)
{
    bool is_of_use = true;
    request_fail(request, error);
    if (connection->state == CONNECTION_OPEN)
        is_of_use = connection->codec->cancel(connection, request);
    /* Silent since the request began: there may be nobody at the other end. */
    if (connection->heard_ns < request->began_ns)
        connection->is_leaving = true;
    connection_finish(connection, request, 0);
    if (!is_of_use)
        connection_close(connection, error);
    connection_settle(connection);
}

void connection_close(struct connection *connection, const char *error)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (connection->state == CONNECTION_OPEN)
        connection->codec->stop(connection);
    connection->state = CONNECTION_CLOSED;
    snprintf(connection->error, sizeof(connection->error), "%s", error);
    while (!TAILQ_EMPTY(&connection->requests)) {
        struct request *request = TAILQ_FIRST(&connection->requests);
        request_fail(request, error);
        connection_finish(connection, request, 0);
    }
    if (connection->handshaken_ns != 0) {
        ERR_clear_error();
        SSL_shutdown(connection->ssl); /* without it OpenSSL forbids to resume the session */
    }
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    close(connection->fd); /* takes it out of epoll */
    connection->fd = -1;
}

void connection_settle(struct connection *connection)
{
    if (connection->is_leaving && connection->request_count == 0)
        connection_close(connection, "closed by the client");
}

struct connection *connection_open(struct pool *pool)
{
    const struct client_options *options = pool->options;
    struct connection *connection = mem_calloc(1, sizeof(*connection));
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data = { .ptr = connection } };
    connection->pool = pool;
    connection->codec = options->is_h2 ? &codec_h2 : &codec_h1;
    connection->state = CONNECTION_CONNECTING;
    TAILQ_INIT(&connection->requests);
    buf_init(&connection->out, OUT_MAX_BYTES);
    connection->fd = open_socket(options);
    if (connection->fd >= 0)
        connection->ssl = make_ssl(connection);
    connection->began_ns = clock_monotonic_ns();
    if (connection->ssl == NULL ||
        (connect(connection->fd, (const struct sockaddr *)&options->to, options->to_len) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail_errno(connection, "connect", errno);
    return connection;
}

void connection_free(struct connection *connection)
{
    connection_close(connection, "closed by the client");
    buf_fini(&connection->out);
    free(connection);
}
